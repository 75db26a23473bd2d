/* SPDX-License-Identifier: Apache-2.0 */
/* See build.h. */
#include "build.h"
#include "test.h"

#include <math.h>

/* ---- the parts of a bundle ---- */

/* The body's next key; whether its value is still to be written. */
static int put_key(buffer *out, const recipe *r, const char *key) {
    int replaced = r->instead_of && !strcmp(r->instead_of, key);
    put_text(out, replaced && r->key ? r->key : key);
    if (!replaced || !r->value) return 1;
    put_bytes(out, r->value->bytes, r->value->length);
    return 0;
}

static void put_data(buffer *out, const void *data, size_t size) {
    static const uint8_t zeros[64];
    size_t padding = (0 - (out->length + 5)) & 63;
    put_byte(out, 0xc6);
    put_big(out, padding + size, 4);
    put_bytes(out, zeros, padding);
    put_bytes(out, data, size);
}

static void put_array(buffer *out, const recipe *r, const char *key, const void *data,
                      size_t size) {
    if (put_key(out, r, key)) put_data(out, data, size);
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

static void put_explorer(buffer *out, uint32_t kind, double floor, double parameter) {
    static const char *const names[] = {"fixed",   "uniform",  "greedy",   "epsilon_greedy",
                                        "softmax", "squarecb", "thompson", "ucb"};
    int bare = kind < EA_EXPLORER_EPSILON_GREEDY;
    put_list(out, bare ? 2 : 3);
    put_text(out, names[kind / 10]);
    put_f64(out, floor);
    if (!bare) put_f64(out, parameter);
}

static void put_cells(buffer *out, const recipe *r) {
    if (!put_key(out, r, "cells")) return;
    put_list(out, 1 + r->cell_count);
    put_text(out, r->salt ? r->salt : "");
    for (uint32_t i = 0; i < r->cell_count; i++) {
        const recipe_cell *cell = r->cells + i;
        put_list(out, 3);
        put_text(out, cell->name);
        put_f64(out, cell->share);
        put_explorer(out, cell->explorer, cell->floor, cell->parameter);
    }
}

static void put_attributes(buffer *out, const recipe *r) {
    if (!put_key(out, r, "attributes")) return;
    put_list(out, r->attribute_count);
    for (uint32_t i = 0; i < r->attribute_count; i++) put_text(out, r->attributes[i]);
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

/* Factors of the explorer's parameter: given, or drawn from 1/2 to 2. */
static void put_title_scale(buffer *out, const recipe *r) {
    buffer scales = {0, 0, 0};
    uint64_t state = r->seed + 2;
    int any = r->title_scale || r->scaled;
    for (uint32_t t = 0; any && t < r->title_count; t++) {
        float scale = r->title_scale ? r->title_scale[t] : (float)(.5 + 1.5 * random_unit(&state));
        put_bytes(&scales, &scale, 4);
    }
    put_array(out, r, "title_scale", scales.bytes, scales.length);
    buffer_free(&scales);
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
static uint32_t put_titles(buffer *out, const recipe *r, int second) {
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
    if (second) put_title_scale(out, r);
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

/* Rows of weights as they stand in an array. */
typedef struct {
    buffer weights, scales;
} matrix;

/* count rows of k weights, padded: given, or drawn. i8 rows have a scale each. */
static matrix make_rows(int small, const float *given, uint32_t count, uint32_t k,
                        uint64_t *state) {
    uint32_t stride = small ? (k + 15) / 16 * 16 : (k + 7) / 8 * 8;
    matrix made = {{0, 0, 0}, {0, 0, 0}};
    float *row = malloc(stride * sizeof *row);
    int8_t *codes = malloc(stride);
    REQUIRE(row && codes);
    for (uint32_t i = 0; i < count; i++) {
        float most = 0;
        for (uint32_t j = 0; j < stride; j++) {
            row[j] = j >= k ? 0 : given ? given[(size_t)i * k + j] : random_weight(state);
            if (fabsf(row[j]) > most) most = fabsf(row[j]);
        }
        float scale = most / 127;
        for (uint32_t j = 0; j < stride; j++)
            codes[j] = (int8_t)(scale > 0 ? lrintf(row[j] / scale) : 0);
        if (small) put_bytes(&made.weights, codes, stride);
        else put_bytes(&made.weights, row, stride * sizeof *row);
        put_bytes(&made.scales, &scale, 4);
    }
    free(row);
    free(codes);
    return made;
}

static buffer make_floats(const float *given, uint32_t count, uint64_t *state) {
    buffer floats = {0, 0, 0};
    for (uint32_t i = 0; i < count; i++) {
        float x = given ? given[i] : random_weight(state);
        put_bytes(&floats, &x, 4);
    }
    return floats;
}

static void put_rows(buffer *out, const recipe *r, uint32_t rows, uint32_t k) {
    int small = r->rows == EA_ROWS_I8;
    uint64_t state = r->seed;
    int given = r->value && !strcmp(r->instead_of, "weights"); /* then none are made up */
    matrix made = make_rows(small, r->weights, given ? 0 : rows, k, &state);
    buffer bias = make_floats(r->bias, given ? 0 : rows, &state);
    for (float none = 0; given && bias.length < 4 * (size_t)rows;) {
        put_bytes(&made.scales, &none, 4);
        put_bytes(&bias, &none, 4);
    }
    if (put_key(out, r, "rows")) put_text(out, small ? "i8" : "f32");
    put_array(out, r, "weights", made.weights.bytes, made.weights.length);
    if (small) put_array(out, r, "scales", made.scales.bytes, made.scales.length);
    put_array(out, r, "bias", bias.bytes, bias.length);
    buffer_free(&made.weights);
    buffer_free(&made.scales);
    buffer_free(&bias);
}

/* The layers; the length of u. Drawn weights shrink with the inputs, so that u stays near 1. */
static uint32_t put_tower(buffer *out, const recipe *r, uint32_t slots) {
    static const char *const names[] = {"identity", "relu", "tanh"};
    uint64_t state = r->seed + 1;
    uint32_t inputs = slots;
    int wanted = put_key(out, r, "tower");
    if (wanted) put_list(out, r->layer_count);
    for (uint32_t i = 0; i < r->layer_count; inputs = r->layers[i++].outputs) {
        const recipe_layer *layer = r->layers + i;
        int small = layer->rows == EA_ROWS_I8;
        if (!wanted) continue;
        matrix made = make_rows(small, layer->weights, inputs, layer->outputs, &state);
        buffer scales = {0, 0, 0}, bias = make_floats(layer->bias, layer->outputs, &state);
        for (uint32_t o = 0; o < layer->outputs; o++) { /* of outputs, not of inputs as above */
            float scale = layer->scales ? layer->scales[o] : 0.03125f / (float)(1 + o % 7);
            put_bytes(&scales, &scale, 4);
        }
        put_list(out, small ? 6 : 5);
        put_text(out, names[layer->activation / 10]);
        put_uint(out, layer->outputs);
        put_text(out, small ? "i8" : "f32");
        put_data(out, made.weights.bytes, made.weights.length);
        if (small) put_data(out, scales.bytes, scales.length);
        put_data(out, bias.bytes, bias.length);
        buffer *all[] = {&made.weights, &made.scales, &scales, &bias};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++) buffer_free(all[j]);
    }
    return inputs;
}

/* Sets of attributes: given, or drawn, each bit with probability 1/2. */
static void put_masks(buffer *out, const recipe *r, uint32_t rows) {
    buffer masks = {0, 0, 0};
    uint64_t state = r->seed + 3;
    uint32_t all = r->attribute_count < 32 ? (1u << r->attribute_count) - 1 : UINT32_MAX;
    for (uint32_t i = 0; r->attribute_count && i < rows; i++) {
        uint32_t mask = r->masks ? r->masks[i] : (uint32_t)next_random(&state) & all;
        put_bytes(&masks, &mask, 4);
    }
    put_array(out, r, "masks", masks.bytes, masks.length);
    buffer_free(&masks);
}

/* Variances: given codes, or drawn over eight octaves, now and then none. */
static void put_variances(buffer *out, const recipe *r, uint32_t rows, uint32_t k) {
    int any = r->variance == EA_VARIANCE_E5M3;
    uint32_t stride = (k + 15) / 16 * 16;
    uint64_t state = r->seed + 4;
    float scale = r->variance_scale > 0 ? r->variance_scale : 1;
    if (put_key(out, r, "variance")) put_text(out, any ? "e5m3" : "none");
    if (!any) return;
    buffer codes = {0, 0, 0};
    for (uint32_t i = 0; i < rows; i++)
        for (uint32_t j = 0; j < stride; j++)
            put_byte(&codes, j >= k                ? 0
                             : r->variance_codes   ? r->variance_codes[(size_t)i * k + j]
                             : random_below(&state, 20) ? 160 + random_below(&state, 64)
                                                        : 0);
    put_array(out, r, "variance_codes", codes.bytes, codes.length);
    put_array(out, r, "variance_scale", &scale, 4);
    buffer_free(&codes);
}

/* The lowest format that can say what the recipe has. */
static uint32_t format_of(const recipe *r) {
    int second = r->layer_count || r->cell_count || r->salt || r->attribute_count ||
                 r->title_scale || r->scaled || r->variance ||
                 r->explorer >= EA_EXPLORER_THOMPSON;
    return r->format ? r->format : second ? 2 : 1;
}

static buffer build_with_hashes(const recipe *r, const uint64_t *hashes) {
    buffer out = {0, 0, 0};
    put_list(&out, 4);
    put_text(&out, "edgeart");
    int second = format_of(r) == 2;
    put_uint(&out, format_of(r));
    put_map(&out, (second ? 26u : 21u) + (r->rows == EA_ROWS_I8) + (r->variance ? 2 : 0));
    if (put_key(&out, r, "name")) put_text(&out, r->name ? r->name : "test");
    if (put_key(&out, r, "sequence")) put_uint(&out, r->sequence ? r->sequence : 1);
    if (put_key(&out, r, "meta")) {
        put_map(&out, r->meta_count);
        for (uint32_t i = 0; i < 2 * r->meta_count; i++) put_text(&out, r->meta[i / 2][i % 2]);
    }
    if (put_key(&out, r, "explorer")) put_explorer(&out, r->explorer, r->floor, r->parameter);
    if (second) put_cells(&out, r);
    uint32_t k = put_tower(&out, r, put_features(&out, r));
    if (put_key(&out, r, "k")) put_uint(&out, k);
    if (second) put_attributes(&out, r);
    uint32_t rows = put_titles(&out, r, second);
    if (second) put_masks(&out, r, rows);
    put_rows(&out, r, rows, k);
    if (second) put_variances(&out, r, rows, k);
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
