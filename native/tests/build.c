/* SPDX-License-Identifier: Apache-2.0 */
/* See build.h. */
#include "build.h"
#include "test.h"

#include <math.h>

/* ---- MessagePack ---- */

void put_bytes(buffer *out, const void *bytes, size_t size) {
    if (out->capacity - out->length < size) {
        size_t capacity = (2 * out->capacity + size + 127) / 64 * 64;
        uint8_t *grown = aligned_alloc(64, capacity);
        REQUIRE(grown);
        if (out->length) memcpy(grown, out->bytes, out->length);
        free(out->bytes);
        out->bytes = grown;
        out->capacity = capacity;
    }
    if (size) memcpy(out->bytes + out->length, bytes, size);
    out->length += size;
}

void put_byte(buffer *out, unsigned byte) {
    uint8_t b = (uint8_t)byte;
    put_bytes(out, &b, 1);
}

void put_big(buffer *out, uint64_t number, unsigned bytes) {
    while (bytes--) put_byte(out, (unsigned)(number >> 8 * bytes & 0xff));
}

/* A head whose count follows in the narrowest of 1, 2, 4 or 8 bytes; 0 where there is no such. */
static void put_head(buffer *out, uint64_t count, unsigned one, unsigned two, unsigned four,
                     unsigned eight) {
    if (one && count <= 0xff) put_byte(out, one), put_big(out, count, 1);
    else if (count <= 0xffff) put_byte(out, two), put_big(out, count, 2);
    else if (count <= 0xffffffff) put_byte(out, four), put_big(out, count, 4);
    else put_byte(out, eight), put_big(out, count, 8);
}

void put_nil(buffer *out) {
    put_byte(out, 0xc0);
}

void put_bool(buffer *out, int value) {
    put_byte(out, value ? 0xc3 : 0xc2);
}

void put_uint(buffer *out, uint64_t number) {
    if (number < 0x80) put_byte(out, (unsigned)number);
    else put_head(out, number, 0xcc, 0xcd, 0xce, 0xcf);
}

void put_int(buffer *out, int64_t number) {
    if (number >= -32 && number < 0) put_byte(out, (unsigned)(number & 0xff));
    else put_byte(out, 0xd3), put_big(out, (uint64_t)number, 8);
}

void put_f32(buffer *out, float number) {
    uint32_t bits;
    memcpy(&bits, &number, 4);
    put_byte(out, 0xca);
    put_big(out, bits, 4);
}

void put_f64(buffer *out, double number) {
    uint64_t bits;
    memcpy(&bits, &number, 8);
    put_byte(out, 0xcb);
    put_big(out, bits, 8);
}

void put_string(buffer *out, const void *text, size_t size) {
    if (size < 32) put_byte(out, 0xa0 + (unsigned)size);
    else put_head(out, size, 0xd9, 0xda, 0xdb, 0);
    put_bytes(out, text, size);
}

void put_text(buffer *out, const char *text) {
    put_string(out, text, strlen(text));
}

void put_bin(buffer *out, const void *bytes, size_t size) {
    put_head(out, size, 0xc4, 0xc5, 0xc6, 0);
    put_bytes(out, bytes, size);
}

void put_list(buffer *out, size_t count) {
    if (count < 16) put_byte(out, 0x90 + (unsigned)count);
    else put_head(out, count, 0, 0xdc, 0xdd, 0);
}

void put_map(buffer *out, size_t count) {
    if (count < 16) put_byte(out, 0x80 + (unsigned)count);
    else put_head(out, count, 0, 0xde, 0xdf, 0);
}

void buffer_free(buffer *out) {
    free(out->bytes);
    *out = (buffer){0, 0, 0};
}

/* ---- the parts of a bundle ---- */

/* The body's next key; whether its value is still to be written. */
static int put_key(buffer *out, const recipe *r, const char *key) {
    int replaced = r->instead_of && !strcmp(r->instead_of, key);
    put_text(out, replaced && r->key ? r->key : key);
    if (!replaced || !r->value) return 1;
    put_bytes(out, r->value->bytes, r->value->length);
    return 0;
}

static void put_array(buffer *out, const recipe *r, const char *key, const void *data,
                      size_t size) {
    static const uint8_t zeros[64];
    if (!put_key(out, r, key)) return;
    size_t padding = (0 - (out->length + 5)) & 63;
    put_byte(out, 0xc6);
    put_big(out, padding + size, 4);
    put_bytes(out, zeros, padding);
    put_bytes(out, data, size);
}

/* A string table as it grows. */
typedef struct {
    buffer ends, text;
} strings;

static void add_string(strings *table, const char *text, size_t size) {
    put_bytes(&table->text, text, size);
    uint32_t end = (uint32_t)table->text.length;
    put_bytes(&table->ends, &end, 4);
}

/* An id that is given, or made up from a stem and a number. */
static void add_id(strings *table, const char *const *given, uint32_t index, const char *stem,
                   uint32_t number) {
    char made[32];
    snprintf(made, sizeof made, "%s%" PRIu32, stem, number);
    const char *id = given ? given[index] : made;
    add_string(table, id, strlen(id));
}

static void put_table(buffer *out, const recipe *r, const char *ends, const char *text,
                      const strings *table) {
    put_array(out, r, ends, table->ends.bytes, table->ends.length);
    if (put_key(out, r, text)) put_bin(out, table->text.bytes, table->text.length);
}

static ea_text string_of(const strings *table, uint32_t index) {
    const uint32_t *ends = (const uint32_t *)(const void *)table->ends.bytes;
    uint32_t start = index ? ends[index - 1] : 0;
    return (ea_text){(const char *)table->text.bytes + start, ends[index] - start};
}

static void put_explorer(buffer *out, const recipe *r) {
    static const char *const names[] = {"fixed",          "uniform", "greedy",
                                        "epsilon_greedy", "softmax", "squarecb"};
    if (!put_key(out, r, "explorer")) return;
    int bare = r->explorer < EA_EXPLORER_EPSILON_GREEDY;
    put_list(out, bare ? 2 : 3);
    put_text(out, names[r->explorer / 10]);
    put_f64(out, r->floor);
    if (!bare) put_f64(out, r->parameter);
}

static void put_feature(buffer *out, const recipe_feature *f) {
    static const char *const names[] = {"number", "category", "weights", "vector"};
    put_list(out, f->kind == EA_FEATURE_NUMBER ? 6 : f->kind == EA_FEATURE_VECTOR ? 4 : 3);
    put_text(out, names[f->kind / 10]);
    put_text(out, f->name);
    if (f->kind == EA_FEATURE_NUMBER) {
        put_f64(out, f->centre);
        put_f64(out, f->scale);
        put_f64(out, f->clip);
        put_bool(out, f->indicator);
        return;
    }
    put_uint(out, f->length);
    if (f->kind == EA_FEATURE_VECTOR) put_f64(out, f->clip);
}

static uint32_t has_words(const recipe_feature *f) {
    return f->kind == EA_FEATURE_CATEGORY || f->kind == EA_FEATURE_WEIGHTS ? f->length : 0;
}

static int comes_before(ea_text a, ea_text b) {
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order < 0 : a.length < b.length;
}

/* The features, their words and the words' order; the number of slots. */
static uint32_t put_features(buffer *out, const recipe *r) {
    strings words = {{0, 0, 0}, {0, 0, 0}};
    buffer order = {0, 0, 0};
    uint32_t slots = 1;
    if (put_key(out, r, "features")) {
        put_list(out, r->feature_count);
        for (uint32_t i = 0; i < r->feature_count; i++) put_feature(out, r->features + i);
    }
    for (uint32_t f = 0, first = 0; f < r->feature_count; f++) {
        const recipe_feature *feature = r->features + f;
        uint32_t count = has_words(feature);
        slots += feature->kind == EA_FEATURE_NUMBER     ? 1u + (feature->indicator != 0)
                 : feature->kind == EA_FEATURE_CATEGORY ? count + 1
                                                        : feature->length;
        uint16_t *sorted = malloc(count * sizeof *sorted + 1);
        REQUIRE(sorted);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t at = i;
            add_id(&words, feature->words, i, "w", i);
            for (; at && comes_before(string_of(&words, first + i),
                                      string_of(&words, first + sorted[at - 1]));
                 at--)
                sorted[at] = sorted[at - 1];
            sorted[at] = (uint16_t)i;
        }
        put_bytes(&order, sorted, 2 * (size_t)count);
        free(sorted);
        first += count;
    }
    put_table(out, r, "word_ends", "word_text", &words);
    put_array(out, r, "word_order", order.bytes, order.length);
    buffer_free(&words.ends);
    buffer_free(&words.text);
    buffer_free(&order);
    return slots;
}

typedef struct {
    uint64_t hash;
    uint32_t title;
} hashed;

static int by_hash(const void *a, const void *b) {
    uint64_t x = ((const hashed *)a)->hash, y = ((const hashed *)b)->hash;
    return (x > y) - (x < y);
}

/* The titles and artworks; the number of rows. */
static uint32_t put_titles(buffer *out, const recipe *r) {
    strings titles = {{0, 0, 0}, {0, 0, 0}}, artworks = {{0, 0, 0}, {0, 0, 0}};
    buffer hashes = {0, 0, 0}, order = {0, 0, 0}, ends = {0, 0, 0};
    hashed *sorted = malloc(r->title_count * sizeof *sorted + 1);
    REQUIRE(sorted);
    uint32_t rows = 0;
    for (uint32_t t = 0; t < r->title_count; t++) {
        add_id(&titles, r->title_ids, t, "title-", t);
        ea_text id = string_of(&titles, t);
        /* the little-endian bytes of the key are "ea-title" */
        sorted[t] = (hashed){ea_hash(0x656c7469742d6165u, 0, id.data, id.length), t};
        put_bytes(&hashes, &sorted[t].hash, 8);
        uint32_t count = r->artworks ? r->artworks[t] : r->each;
        for (uint32_t i = 0; i < count; i++) add_id(&artworks, r->artwork_ids, rows + i, "a", i);
        rows += count;
        put_bytes(&ends, &rows, 4);
    }
    if (r->title_count) qsort(sorted, r->title_count, sizeof *sorted, by_hash);
    for (uint32_t t = 0; t < r->title_count; t++) put_bytes(&order, &sorted[t].title, 4);
    put_table(out, r, "title_ends", "title_text", &titles);
    put_array(out, r, "title_hash", hashes.bytes, hashes.length);
    put_array(out, r, "title_order", order.bytes, order.length);
    put_array(out, r, "title_rows", ends.bytes, ends.length);
    put_table(out, r, "artwork_ends", "artwork_text", &artworks);
    buffer *all[] = {&titles.ends, &titles.text, &artworks.ends, &artworks.text,
                     &hashes,      &order,       &ends};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) buffer_free(all[i]);
    free(sorted);
    return rows;
}

/* Uniform in ±1, but never so small that a bundle could not hold it. */
static float random_weight(uint64_t *state) {
    float x = (float)(2 * random_unit(state) - 1);
    return fabsf(x) < 0x1p-40f ? 0 : x;
}

static void put_rows(buffer *out, const recipe *r, uint32_t rows, uint32_t k) {
    int small = r->rows == EA_ROWS_I8;
    uint32_t stride = small ? (k + 15) / 16 * 16 : (k + 7) / 8 * 8;
    uint64_t state = r->seed;
    buffer weights = {0, 0, 0}, scales = {0, 0, 0}, bias = {0, 0, 0};
    float *row = malloc(stride * sizeof *row);
    int8_t *codes = malloc(stride);
    int given = r->value && !strcmp(r->instead_of, "weights"); /* then none are made up */
    REQUIRE(row && codes);
    for (uint32_t i = 0; i < rows; i++) {
        float most = 0;
        if (given) {
            put_bytes(&scales, &most, 4);
            put_bytes(&bias, &most, 4);
            continue;
        }
        for (uint32_t j = 0; j < stride; j++) {
            row[j] = j >= k         ? 0
                     : r->weights   ? r->weights[(size_t)i * k + j]
                                    : random_weight(&state);
            if (fabsf(row[j]) > most) most = fabsf(row[j]);
        }
        float scale = most / 127, b = r->bias ? r->bias[i] : random_weight(&state);
        for (uint32_t j = 0; j < stride; j++)
            codes[j] = (int8_t)(scale > 0 ? lrintf(row[j] / scale) : 0);
        if (small) put_bytes(&weights, codes, stride);
        else put_bytes(&weights, row, stride * sizeof *row);
        put_bytes(&scales, &scale, 4);
        put_bytes(&bias, &b, 4);
    }
    if (put_key(out, r, "rows")) put_text(out, small ? "i8" : "f32");
    put_array(out, r, "weights", weights.bytes, weights.length);
    if (small) put_array(out, r, "scales", scales.bytes, scales.length);
    put_array(out, r, "bias", bias.bytes, bias.length);
    buffer_free(&weights);
    buffer_free(&scales);
    buffer_free(&bias);
    free(row);
    free(codes);
}

static buffer build_with_hashes(const recipe *r, const uint64_t *hashes) {
    buffer out = {0, 0, 0};
    put_list(&out, 4);
    put_text(&out, "edgeart");
    put_uint(&out, 1);
    put_map(&out, r->rows == EA_ROWS_I8 ? 22 : 21);
    if (put_key(&out, r, "name")) put_text(&out, r->name ? r->name : "test");
    if (put_key(&out, r, "sequence")) put_uint(&out, r->sequence ? r->sequence : 1);
    if (put_key(&out, r, "meta")) {
        put_map(&out, r->meta_count);
        for (uint32_t i = 0; i < 2 * r->meta_count; i++) put_text(&out, r->meta[i / 2][i % 2]);
    }
    put_explorer(&out, r);
    uint32_t k = put_features(&out, r);
    if (put_key(&out, r, "tower")) put_list(&out, 0);
    if (put_key(&out, r, "k")) put_uint(&out, k);
    uint32_t rows = put_titles(&out, r);
    put_rows(&out, r, rows, k);
    if (put_key(&out, r, "vectors")) {
        put_list(&out, r->context_count);
        for (uint32_t i = 0; i < r->context_count; i++) {
            put_list(&out, 2);
            put_bin(&out, r->contexts[i].bytes, r->contexts[i].length);
            put_uint(&out, hashes[i]);
        }
    }
    put_byte(&out, 0xce);
    put_big(&out, 0, 4);
    seal(&out);
    return out;
}

buffer build_bundle(const recipe *r) {
    uint64_t *hashes = calloc(r->context_count + 1, sizeof *hashes);
    REQUIRE(hashes);
    buffer bundle = build_with_hashes(r, hashes);
    if (r->context_count) {
        fixture f = open_fixture(bundle);
        for (uint32_t i = 0; i < r->context_count; i++) {
            set_context(&f, r->contexts + i, 0);
            REQUIRE(ea_context_hash(f.policy, f.context, hashes + i) == EA_OK);
        }
        close_fixture(&f);
        bundle = build_with_hashes(r, hashes);
    }
    free(hashes);
    return bundle;
}

void seal(buffer *bundle) {
    size_t tail = bundle->length - 4;
    uint32_t crc = ea_crc32c(0, bundle->bytes, tail - 1);
    for (unsigned i = 0; i < 4; i++) bundle->bytes[tail + i] = (uint8_t)(crc >> (24 - 8 * i));
}

uint8_t *exact_copy(const void *bytes, size_t size) {
    void *copy = 0;
    REQUIRE(posix_memalign(&copy, 64, size ? size : 1) == 0);
    if (size) memcpy(copy, bytes, size);
    return copy;
}
