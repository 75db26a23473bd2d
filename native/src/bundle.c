/* SPDX-License-Identifier: Apache-2.0 */
/* Opens a bundle: checks every rule of bundle.md in one pass, in the order of the bytes. */
#include "internal.h"

#define HEAD "\x94\xa7" "edgeart"
#define HEAD_SIZE 9u
#define TAIL_SIZE 5u /* 0xce and the checksum */

#define TEXT(literal) ((ea_text){literal, sizeof(literal) - 1})
#define is(text, literal) same_text(text, TEXT(literal))
#define key(reader, literal) read_key(reader, TEXT(literal))

static int same_text(ea_text a, ea_text b) {
    return a.length == b.length && ea__same(a.data, b.data, a.length);
}

/* The body's next key. */
static void read_key(ea__reader *reader, ea_text name) {
    ea__value value = ea__read(reader, EA__STR);
    if (reader->status) return;
    if (!same_text((ea_text){(const char *)value.data, value.size}, name))
        ea__fail(reader, ea__is_utf8(value.data, value.size) ? EA_E_KEY : EA_E_UTF8,
                 value.offset);
}

/* ---- arrays ---- */

#define ANY_LENGTH UINT64_MAX

/* An array (bundle.md §3) of `size` bytes of data, or of any multiple of `unit` of them up to
   `most` units. Returns the data, its size through `found`. A product of counts passes 2^32, and
   with it a 32-bit size_t: hence 64 bits. */
static const void *array(ea__reader *reader, uint64_t size, size_t unit, size_t most,
                         size_t *found) {
    size_t start = reader->at;
    if (found) *found = 0;
    if (!reader->status && start < reader->length && reader->bytes[start] != 0xc6)
        ea__fail(reader, EA_E_TYPE, start);
    ea__value value = ea__read(reader, EA__BIN);
    if (reader->status) return 0;
    size_t padding = (0 - (start + 5)) & 63;
    size_t data = value.size - padding;
    if (value.size < padding || (size == ANY_LENGTH ? data % unit != 0 : data != size))
        ea__fail(reader, EA_E_LENGTH, start);
    else if (size == ANY_LENGTH && data / unit > most) ea__fail(reader, EA_E_LIMIT, start);
    for (size_t i = 0; !reader->status && i < padding; i++)
        if (value.data[i]) ea__fail(reader, EA_E_PADDING, start + 5 + i);
    if (reader->status) return 0;
    if (found) *found = data;
    return value.data + padding;
}

static size_t offset_of(const ea__reader *reader, const void *element) {
    return (size_t)((const uint8_t *)element - reader->bytes);
}

/* The text of a string table whose ends have been read. */
static void table_text(ea__reader *reader, ea__table *table, uint32_t least) {
    ea__value value = ea__read(reader, EA__BIN);
    if (reader->status) return;
    uint32_t last = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t end = table->ends[i];
        size_t at = offset_of(reader, table->ends + i);
        if (end < last) ea__fail(reader, EA_E_ORDER, at);
        else if (end - last < least || end - last > EA_LIMIT_ID) ea__fail(reader, EA_E_LIMIT, at);
        if (reader->status) return;
        last = end;
    }
    if (last != value.size) {
        ea__fail(reader, EA_E_LENGTH, value.offset);
        return;
    }
    table->text = value.data;
    uint32_t high = 0; /* where all bytes are ASCII, each string is UTF-8 */
    for (uint32_t i = 0; i < last; i++) high |= value.data[i];
    if (high < 0x80) return;
    for (uint32_t i = 0; i < table->count; i++) {
        ea_text text = ea__string(table, i);
        if (!ea__is_utf8((const uint8_t *)text.data, text.length)) {
            ea__fail(reader, EA_E_UTF8, offset_of(reader, text.data));
            return;
        }
    }
}

static int clean(float x) {
    uint32_t bits = ea__bits(x);
    return bits == 0 || ((bits >> 23 & 0xff) - 77u) <= 146u - 77u;
}

/* Every float clean, and where `positive`, none negative. Looks at all before it looks for one. */
static void check_floats(ea__reader *reader, const float *x, size_t count, int positive) {
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = ea__bits(x[i]);
        bad |= (uint32_t)((bits != 0) & (((bits >> 23 & 0xff) - 77u) > 146u - 77u));
        bad |= positive ? bits >> 31 : 0;
    }
    for (size_t i = 0; bad && i < count && !reader->status; i++)
        if (!clean(x[i]) || (positive && x[i] < 0))
            ea__fail(reader, EA_E_RANGE, offset_of(reader, x + i));
}

static void check_f32_rows(ea__reader *reader, const ea_policy *policy) {
    uint32_t k = policy->k, stride = policy->stride;
    for (uint32_t r = 0; r < policy->artworks.count && !reader->status; r++) {
        const float *row = policy->weights_f32 + (size_t)r * stride;
        check_floats(reader, row, k, 0);
        for (uint32_t i = k; i < stride && !reader->status; i++)
            if (ea__bits(row[i])) ea__fail(reader, EA_E_PADDING, offset_of(reader, row + i));
    }
}

static void check_i8_rows(ea__reader *reader, const ea_policy *policy) {
    uint32_t k = policy->k, stride = policy->stride;
    size_t total = (size_t)policy->artworks.count * stride;
    uint32_t bad = 0;
    for (size_t i = 0; i < total; i++) bad |= (uint32_t)(policy->weights_i8[i] == -128);
    for (uint32_t r = 0; r < policy->artworks.count; r++)
        for (uint32_t i = k; i < stride; i++)
            bad |= (uint8_t)policy->weights_i8[(size_t)r * stride + i];
    for (size_t i = 0; bad && i < total && !reader->status; i++) {
        const int8_t *code = policy->weights_i8 + i;
        if (i % stride >= k && *code) ea__fail(reader, EA_E_PADDING, offset_of(reader, code));
        else if (*code == -128) ea__fail(reader, EA_E_RANGE, offset_of(reader, code));
    }
}

/* ---- the parts of the body ---- */

static int is_name(ea_text name) {
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        int word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && (i == 0 || (c != '.' && c != '_' && c != '-'))) return 0;
    }
    return 1;
}

static void read_meta(ea__reader *reader, ea_policy *policy) {
    policy->meta = ea__read_count(reader, EA__MAP, EA_LIMIT_META);
    policy->meta_at = reader->at;
    for (uint32_t i = 0; i < policy->meta && !reader->status; i++) {
        ea__read_text(reader, 0, EA_LIMIT_NAME);
        ea__read_text(reader, 0, EA_LIMIT_META_VALUE);
    }
}

/* The head of a list [kind, …]. */
typedef struct {
    size_t offset, size;
    size_t kind_offset;
    ea_text kind;
} tagged;

static tagged read_tagged(ea__reader *reader) {
    ea__value list = ea__read(reader, EA__LIST);
    if (list.size < 1) ea__fail(reader, EA_E_TYPE, list.offset);
    size_t kind_offset = reader->at;
    ea_text kind = ea__read_text(reader, 0, SIZE_MAX);
    return (tagged){list.offset, list.size, kind_offset, kind};
}

static void read_explorer(ea__reader *reader, ea__explorer *explorer) {
    static const struct {
        ea_text name;
        uint32_t kind, parameters;
        double least, most;
    } kinds[] = {
        {{"fixed", 5}, EA_EXPLORER_FIXED, 0, 0, 0},
        {{"uniform", 7}, EA_EXPLORER_UNIFORM, 0, 0, 0},
        {{"greedy", 6}, EA_EXPLORER_GREEDY, 0, 0, 0},
        {{"epsilon_greedy", 14}, EA_EXPLORER_EPSILON_GREEDY, 1, 0, 1},
        {{"softmax", 7}, EA_EXPLORER_SOFTMAX, 1, 0x1p-20, 0x1p20},
        {{"squarecb", 8}, EA_EXPLORER_SQUARECB, 1, 0, 0x1p40},
    };
    tagged list = read_tagged(reader);
    if (reader->status) return;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!same_text(list.kind, kinds[i].name)) continue;
        if (list.size != 2 + kinds[i].parameters) ea__fail(reader, EA_E_TYPE, list.offset);
        explorer->kind = kinds[i].kind;
        explorer->floor = ea__read_double(reader, 0, 1);
        explorer->floor_units = (uint32_t)(explorer->floor * 2147483648.0);
        if (kinds[i].parameters)
            explorer->parameter = ea__read_double(reader, kinds[i].least, kinds[i].most);
        return;
    }
    ea__fail(reader, EA_E_UNSUPPORTED, list.kind_offset);
}

/* Feature `index`, of whose place in the slots and words the caller takes care. */
static void read_feature(ea__reader *reader, ea_policy *policy, uint32_t index) {
    ea__feature *feature = policy->feature + index;
    tagged list = read_tagged(reader);
    if (reader->status) return;
    size_t size = 3;
    if (is(list.kind, "number")) feature->kind = EA_FEATURE_NUMBER, size = 6;
    else if (is(list.kind, "category")) feature->kind = EA_FEATURE_CATEGORY;
    else if (is(list.kind, "weights")) feature->kind = EA_FEATURE_WEIGHTS;
    else if (is(list.kind, "vector")) feature->kind = EA_FEATURE_VECTOR, size = 4;
    else ea__fail(reader, EA_E_UNSUPPORTED, list.kind_offset);
    if (list.size != size) ea__fail(reader, EA_E_TYPE, list.offset);
    size_t name_at = reader->at;
    feature->name = ea__read_text(reader, 1, EA_LIMIT_NAME);
    for (uint32_t j = 0; j < index; j++)
        if (same_text(policy->feature[j].name, feature->name))
            ea__fail(reader, EA_E_ORDER, name_at);
    switch (feature->kind) {
    case EA_FEATURE_NUMBER:
        feature->centre = ea__read_double(reader, -0x1p50, 0x1p50);
        feature->scale = ea__read_double(reader, 0x1p-50, 0x1p50);
        feature->clip = ea__read_double(reader, 0x1p-20, 0x1p19);
        feature->indicator = ea__read_bool(reader);
        feature->width = 1 + feature->indicator;
        break;
    case EA_FEATURE_VECTOR:
        feature->width = (uint32_t)ea__read_uint(reader, 1, EA_LIMIT_WORDS, EA_E_LIMIT);
        feature->clip = ea__read_double(reader, 0x1p-20, 0x1p19);
        break;
    default:
        feature->words = (uint32_t)ea__read_uint(reader, 1, EA_LIMIT_WORDS, EA_E_LIMIT);
        feature->width = feature->words + (feature->kind == EA_FEATURE_CATEGORY);
    }
}

static void read_features(ea__reader *reader, ea_policy *policy) {
    uint32_t count = ea__read_count(reader, EA__LIST, EA_LIMIT_FEATURES);
    uint32_t slots = 0, words = 0;
    for (uint32_t i = 0; i < count && !reader->status; i++) {
        ea__feature *feature = policy->feature + i;
        size_t at = reader->at;
        read_feature(reader, policy, i);
        feature->first = slots;
        feature->word = words;
        slots += feature->width;
        words += feature->words;
        if (slots + 1 > EA_LIMIT_SLOTS) ea__fail(reader, EA_E_LIMIT, at);
    }
    policy->features = count;
    policy->slots = slots + 1;
    policy->words.count = words;
}

static int ascends(ea_text a, ea_text b) {
    size_t common = a.length < b.length ? a.length : b.length;
    for (size_t i = 0; i < common; i++)
        if (a.data[i] != b.data[i]) return (uint8_t)a.data[i] < (uint8_t)b.data[i];
    return a.length < b.length;
}

static void read_words(ea__reader *reader, ea_policy *policy) {
    uint32_t count = policy->words.count;
    key(reader, "word_ends");
    policy->words.ends = array(reader, 4 * (uint64_t)count, 4, 0, 0);
    key(reader, "word_text");
    table_text(reader, &policy->words, 0);
    key(reader, "word_order");
    const uint16_t *order = array(reader, 2 * (uint64_t)count, 2, 0, 0);
    policy->word_order = order;
    for (uint32_t f = 0; f < policy->features && !reader->status; f++) {
        const ea__feature *feature = policy->feature + f;
        for (uint32_t i = 0; i < feature->words && !reader->status; i++) {
            const uint16_t *here = order + feature->word + i;
            if (here[0] >= feature->words ||
                (i && !ascends(ea__string(&policy->words, feature->word + here[-1]),
                               ea__string(&policy->words, feature->word + here[0]))))
                ea__fail(reader, EA_E_ORDER, offset_of(reader, here));
        }
    }
}

static void read_titles(ea__reader *reader, ea_policy *policy) {
    size_t size;
    key(reader, "title_ends");
    policy->titles.ends = array(reader, ANY_LENGTH, 4, EA_LIMIT_TITLES, &size);
    uint32_t count = policy->titles.count = (uint32_t)(size / 4);
    key(reader, "title_text");
    table_text(reader, &policy->titles, 1);

    key(reader, "title_hash");
    const uint64_t *hash = policy->title_hash = array(reader, 8 * (uint64_t)count, 8, 0, 0);
    for (uint32_t t = 0; t < count && !reader->status; t++) {
        ea_text id = ea__string(&policy->titles, t);
        if (hash[t] != ea_hash(EA__DOMAIN_TITLE, 0, id.data, id.length))
            ea__fail(reader, EA_E_HASH, offset_of(reader, hash + t));
    }
    key(reader, "title_order");
    const uint32_t *order = policy->title_order = array(reader, 4 * (uint64_t)count, 4, 0, 0);
    for (uint32_t i = 0; i < count && !reader->status; i++)
        if (order[i] >= count || (i && hash[order[i - 1]] >= hash[order[i]]))
            ea__fail(reader, EA_E_ORDER, offset_of(reader, order + i));

    key(reader, "title_rows");
    const uint32_t *rows = policy->title_rows = array(reader, 4 * (uint64_t)count, 4, 0, 0);
    uint32_t last = 0;
    for (uint32_t t = 0; t < count && !reader->status; t++) {
        if (rows[t] < last) ea__fail(reader, EA_E_ORDER, offset_of(reader, rows + t));
        else if (rows[t] - last < 1 || rows[t] - last > EA_MAX_CANDIDATES ||
                 rows[t] > EA_LIMIT_ROWS)
            ea__fail(reader, EA_E_LIMIT, offset_of(reader, rows + t));
        last = rows[t];
    }
    policy->artworks.count = reader->status ? 0 : last;
}

/* A cheap hash that tells most ids of a title apart. */
static uint64_t fingerprint(ea_text id) {
    const uint8_t *p = (const uint8_t *)id.data;
    size_t n = id.length;
    uint64_t mixed = n;
    for (size_t i = 0; i < 4 && i < n; i++)
        mixed = mixed << 8 ^ p[n - 1 - i] ^ (uint64_t)p[i] << 32;
    return mixed;
}

/* Artwork ids are distinct within their title. */
static void check_distinct(ea__reader *reader, const ea_policy *policy) {
    uint64_t seen[EA_MAX_CANDIDATES];
    const ea__table *ids = &policy->artworks;
    for (uint32_t t = 0; t < policy->titles.count && !reader->status; t++) {
        uint32_t first = ea__first_row(policy, t), count = policy->title_rows[t] - first;
        for (uint32_t i = 0; i < count && !reader->status; i++) {
            ea_text id = ea__string(ids, first + i);
            seen[i] = fingerprint(id);
            for (uint32_t j = 0; j < i; j++) {
                if (seen[j] != seen[i]) continue;
                if (same_text(ea__string(ids, first + j), id))
                    ea__fail(reader, EA_E_ORDER, offset_of(reader, id.data));
            }
        }
    }
}

static void read_artworks(ea__reader *reader, ea_policy *policy) {
    key(reader, "artwork_ends");
    policy->artworks.ends = array(reader, 4 * (uint64_t)policy->artworks.count, 4, 0, 0);
    key(reader, "artwork_text");
    table_text(reader, &policy->artworks, 1);
    check_distinct(reader, policy);
}

static void read_rows(ea__reader *reader, ea_policy *policy, const ea__value *body) {
    key(reader, "rows");
    size_t at = reader->at;
    ea_text kind = ea__read_text(reader, 0, SIZE_MAX);
    if (reader->status) return;
    uint64_t count = policy->artworks.count;
    if (is(kind, "f32")) policy->rows_kind = EA_ROWS_F32;
    else if (is(kind, "i8")) policy->rows_kind = EA_ROWS_I8;
    else ea__fail(reader, EA_E_KEY, at);
    if (body->size != (policy->rows_kind == EA_ROWS_I8 ? 22u : 21u))
        ea__fail(reader, EA_E_TYPE, body->offset);
    key(reader, "weights");
    if (policy->rows_kind == EA_ROWS_I8) {
        policy->stride = (policy->k + 15) & ~15u;
        policy->weights_i8 = array(reader, count * policy->stride, 1, 0, 0);
        if (!reader->status) check_i8_rows(reader, policy);
        key(reader, "scales");
        policy->scales = array(reader, 4 * count, 4, 0, 0);
        if (!reader->status) check_floats(reader, policy->scales, policy->artworks.count, 1);
    } else {
        policy->stride = (policy->k + 7) & ~7u;
        policy->weights_f32 = array(reader, 4 * count * policy->stride, 4, 0, 0);
        if (!reader->status) check_f32_rows(reader, policy);
    }
    key(reader, "bias");
    policy->bias = array(reader, 4 * count, 4, 0, 0);
    if (!reader->status) check_floats(reader, policy->bias, policy->artworks.count, 0);
}

static void read_vectors(ea__reader *reader, ea_policy *policy) {
    key(reader, "vectors");
    policy->vectors = ea__read_count(reader, EA__LIST, EA_LIMIT_VECTORS);
    policy->vectors_at = reader->at;
    for (uint32_t i = 0; i < policy->vectors && !reader->status; i++) {
        ea__read_list_of(reader, 2);
        ea__value map = ea__read(reader, EA__BIN);
        if (map.size > EA_MAX_CONTEXT_BYTES) ea__fail(reader, EA_E_LIMIT, map.offset);
        ea__read_uint(reader, 0, UINT64_MAX, EA_E_RANGE);
    }
}

static void read_body(ea__reader *reader, ea_policy *policy) {
    ea__value body = ea__read(reader, EA__MAP);
    if (body.size < 21 || body.size > 22) ea__fail(reader, EA_E_TYPE, body.offset);
    key(reader, "name");
    size_t name_at = reader->at;
    policy->name = ea__read_text(reader, 1, EA_LIMIT_NAME);
    if (!is_name(policy->name)) ea__fail(reader, EA_E_RANGE, name_at);
    key(reader, "sequence");
    policy->sequence = ea__read_uint(reader, 1, ((uint64_t)1 << 53) - 1, EA_E_RANGE);
    key(reader, "meta");
    read_meta(reader, policy);
    key(reader, "explorer");
    read_explorer(reader, &policy->explorer);
    key(reader, "features");
    read_features(reader, policy);
    read_words(reader, policy);
    key(reader, "tower");
    size_t tower_at = reader->at;
    if (ea__read_count(reader, EA__LIST, UINT32_MAX)) ea__fail(reader, EA_E_UNSUPPORTED, tower_at);
    key(reader, "k");
    policy->k = (uint32_t)ea__read_uint(reader, policy->slots, policy->slots, EA_E_LIMIT);
    read_titles(reader, policy);
    read_artworks(reader, policy);
    read_rows(reader, policy, &body);
    read_vectors(reader, policy);
}

/* Magic, format, size and checksum: what must hold before a byte of the body is believed. */
static void read_frame(ea__reader *reader, ea_policy *policy) {
    size_t length = reader->length;
    size_t head = length < HEAD_SIZE ? length : HEAD_SIZE;
    if (!ea__same(reader->bytes, HEAD, head)) ea__fail(reader, EA_E_MAGIC, 0);
    else if (head < HEAD_SIZE) ea__fail(reader, EA_E_TRUNCATED, 0);
    reader->at = head;
    ea__read_uint(reader, EA_FORMAT, EA_FORMAT, EA_E_VERSION);
    if (reader->status) return;
    if (length > EA_LIMIT_DOCUMENT) ea__fail(reader, EA_E_LIMIT, EA_LIMIT_DOCUMENT);
    else if (length < reader->at + TAIL_SIZE) ea__fail(reader, EA_E_TRUNCATED, reader->at);
    if (reader->status) return;
    size_t tail = length - TAIL_SIZE;
    const uint8_t *p = reader->bytes + tail;
    policy->crc = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    if (p[0] != 0xce || policy->crc != ea_crc32c(0, reader->bytes, tail))
        ea__fail(reader, EA_E_CRC, tail);
    reader->length = tail;
}

size_t ea_policy_size(void) {
    return sizeof(ea_policy);
}

int32_t ea_policy_open(ea_policy *policy, size_t size, const void *bytes, size_t length,
                       uint64_t *offset) {
    if (offset) *offset = 0;
    if (policy && size >= sizeof policy->magic && !((uintptr_t)policy & 15)) policy->magic = 0;
    if (!policy || (!bytes && length)) return EA_E_ARGUMENT;
    if (size < sizeof *policy) return EA_E_MEMORY;
    if (((uintptr_t)policy & 15) || ((uintptr_t)bytes & 63)) return EA_E_ALIGNMENT;
    /* volatile: without it compilers call memset, which need not exist */
    for (size_t i = 0; i < sizeof *policy / 8; i++) ((volatile uint64_t *)policy)[i] = 0;
    ea__reader reader = {bytes, length, 0, EA_OK, 0};
    read_frame(&reader, policy);
    if (!reader.status) read_body(&reader, policy);
    if (!reader.status && reader.at != reader.length) ea__fail(&reader, EA_E_TRAILING, reader.at);
    if (reader.status) {
        if (offset) *offset = reader.fault;
        return reader.status;
    }
    policy->bytes = bytes;
    policy->length = length;
    policy->magic = EA__POLICY_MAGIC;
    return EA_OK;
}
