/* SPDX-License-Identifier: Apache-2.0 */
/* How a bundle of format 2 is refused where it differs from format 1: status and offset. */
#include "build.h"
#include "test.h"

#include <math.h>

static const recipe_feature features[] = {
    {EA_FEATURE_NUMBER, "hour", 0, 0, 12, 6, 8, 1},
    {EA_FEATURE_VECTOR, "embedding", 3, 0, 0, 0, 16, 0},
};
static const uint32_t artworks[] = {3, 1, 4};
static const char *const attributes[] = {"kids", "de"};
static const recipe_cell cells[] = {{"hold", .5, EA_EXPLORER_UNIFORM, 0, 0},
                                    {"bold", .25, EA_EXPLORER_UCB, 0, 1}};
static const recipe_layer layers[] = {{EA_ACTIVATION_TANH, 5, EA_ROWS_F32, 0, 0, 0},
                                      {EA_ACTIVATION_RELU, 18, EA_ROWS_I8, 0, 0, 0}};
enum { K = 18, ROWS = 8 };

static recipe base(uint32_t rows) {
    return (recipe){.explorer = EA_EXPLORER_THOMPSON, .parameter = 1, .features = features,
                    .feature_count = 2, .title_count = 3, .artworks = artworks, .rows = rows,
                    .seed = 100, .salt = "s", .cells = cells, .cell_count = 2, .layers = layers,
                    .layer_count = 2, .attributes = attributes, .attribute_count = 2,
                    .scaled = 1, .variance = EA_VARIANCE_E5M3};
}

static int32_t open_bytes(const buffer *bundle, uint64_t *offset) {
    uint8_t *copy = exact_copy(bundle->bytes, bundle->length);
    void *memory = 0;
    REQUIRE(posix_memalign(&memory, 16, ea_policy_size()) == 0);
    int32_t status = ea_policy_open(memory, ea_policy_size(), copy, bundle->length, offset);
    if (status) CHECK_EQ(ea_context_size(memory), 0);
    free(copy);
    free(memory);
    return status;
}

static void refuse(const buffer *bundle, int32_t wanted, uint64_t wanted_offset) {
    uint64_t offset;
    CHECK_EQ(open_bytes(bundle, &offset), wanted);
    CHECK_EQ(offset, wanted_offset);
}

/* A body value given as bytes: refused, with the offset counted from the value's first byte. */
typedef struct {
    const char *key, *bytes;
    size_t size;
    int32_t status;
    unsigned past;
} hostile;

#define VALUE(literal) (literal), sizeof(literal) - 1
#define ZERO "\xcb\0\0\0\0\0\0\0\0"
#define HALF "\xcb\x3f\xe0\0\0\0\0\0\0"
#define ONE "\xcb\x3f\xf0\0\0\0\0\0\0"
#define GREEDY "\x92\xa6" "greedy" ZERO
#define LONG_TEXT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 65 */

static const hostile values[] = {
    {"cells", VALUE("\x80"), EA_E_TYPE, 0},
    {"cells", VALUE("\x90"), EA_E_TYPE, 0},
    {"cells", VALUE("\xdc\x00\x12"), EA_E_LIMIT, 0},
    {"cells", VALUE("\x91\x01"), EA_E_TYPE, 1},
    {"cells", VALUE("\x91\xd9\x41" LONG_TEXT), EA_E_LIMIT, 1},
    {"cells", VALUE("\x91\xa1\xff"), EA_E_UTF8, 1},
    {"cells", VALUE("\x92\xa0\x92\xa1" "a" HALF), EA_E_TYPE, 2},
    {"cells", VALUE("\x92\xa0\x93\xa0" HALF GREEDY), EA_E_LIMIT, 3},
    {"cells", VALUE("\x92\xa0\x93\xa1" "-" HALF GREEDY), EA_E_RANGE, 3},
    {"cells", VALUE("\x92\xa0\x93\xa1" "a" ZERO GREEDY), EA_E_RANGE, 5},
    {"cells", VALUE("\x92\xa0\x93\xa1" "a\xcb\x80\0\0\0\0\0\0\0" GREEDY), EA_E_RANGE, 5},
    {"cells", VALUE("\x92\xa0\x93\xa1" "a\xcb\x3d\xff\xff\xff\xff\xff\xff\xff" GREEDY),
     EA_E_RANGE, 5}, /* just below 2^-31 */
    {"cells", VALUE("\x92\xa0\x93\xa1" "a\xcb\x3f\xf0\0\0\0\0\0\1" GREEDY), EA_E_RANGE, 5},
    {"cells", VALUE("\x92\xa0\x93\xa1" "a\xcb\x7f\xf8\0\0\0\0\0\0" GREEDY), EA_E_RANGE, 5},
    {"cells", VALUE("\x92\xa0\x93\xa1" "a\x01" GREEDY), EA_E_TYPE, 5},
    {"cells", VALUE("\x92\xa0\x93\xa1" "a" HALF "\x92\xa3" "odd" ZERO), EA_E_UNSUPPORTED, 15},
    {"cells", VALUE("\x92\xa0\x93\xa1" "a" HALF "\x92\xa3" "ucb" ZERO), EA_E_TYPE, 14},
    {"cells", VALUE("\x92\xa0\x93\xa1" "a" HALF "\x93\xa3" "ucb" ZERO ZERO), EA_E_RANGE, 28},
    {"cells", VALUE("\x93\xa0\x93\xa1" "a" HALF GREEDY "\x93\xa1" "a" HALF GREEDY), EA_E_ORDER,
     32},
    {"cells", VALUE("\x93\xa0\x93\xa1" "a" HALF GREEDY "\x93\xa1" "b" ONE GREEDY), EA_E_RANGE,
     34},
    {"tower", VALUE("\x80"), EA_E_TYPE, 0},
    {"tower", VALUE("\x99"), EA_E_LIMIT, 0},
    {"tower", VALUE("\x91\x90"), EA_E_TYPE, 1},
    {"tower", VALUE("\x91\x80"), EA_E_TYPE, 1},
    {"tower", VALUE("\x91\x95\xa4" "gelu\x01\xa3" "f32"), EA_E_UNSUPPORTED, 2},
    {"tower", VALUE("\x91\x94\xa4" "relu\x01\xa3" "f32"), EA_E_TYPE, 1},
    {"tower", VALUE("\x91\x97\xa4" "relu\x01\xa3" "f32"), EA_E_TYPE, 1},
    {"tower", VALUE("\x91\x95\xa4" "relu\x00\xa3" "f32"), EA_E_LIMIT, 7},
    {"tower", VALUE("\x91\x95\xa4" "relu\xcd\x04\x01\xa3" "f32"), EA_E_LIMIT, 7},
    {"tower", VALUE("\x91\x95\xa4" "relu\xa1" "a\xa3" "f32"), EA_E_TYPE, 7},
    {"tower", VALUE("\x91\x95\xa4" "relu\x01\xa3" "i16"), EA_E_KEY, 8},
    {"tower", VALUE("\x91\x95\xa4" "relu\x01\xa2" "i8"), EA_E_TYPE, 1},
    {"tower", VALUE("\x91\x96\xa4" "relu\x01\xa3" "f32"), EA_E_TYPE, 1},
    {"tower", VALUE("\x91\x95\xa4" "relu\x01\xa3" "f32\xc4\x00"), EA_E_TYPE, 12},
    {"tower", VALUE("\x91\x95\xa4" "relu\x01\xa3" "f32\xc6\0\0\0\x00"), EA_E_LENGTH, 12},
    {"k", VALUE("\x11"), EA_E_LIMIT, 0},
    {"k", VALUE("\x13"), EA_E_LIMIT, 0},
    {"attributes", VALUE("\x80"), EA_E_TYPE, 0},
    {"attributes", VALUE("\xdc\x00\x21"), EA_E_LIMIT, 0},
    {"attributes", VALUE("\x91\xa0"), EA_E_LIMIT, 1},
    {"attributes", VALUE("\x91\xd9\x41" LONG_TEXT), EA_E_LIMIT, 1},
    {"attributes", VALUE("\x91\xa1\xff"), EA_E_UTF8, 1},
    {"attributes", VALUE("\x93\xa1" "a\xa1" "b\xa1" "a"), EA_E_ORDER, 5},
    {"attributes", VALUE("\x94\xa1" "a\xa1" "a\xa1" "b\xa1" "b"), EA_E_ORDER, 3},
    {"title_scale", VALUE("\xc4\x00"), EA_E_TYPE, 0},
    {"title_scale", VALUE("\xc6\0\0\0\xff"), EA_E_LENGTH, 0},
    {"masks", VALUE("\x90"), EA_E_TYPE, 0},
    {"masks", VALUE("\xc6\0\0\0\xff"), EA_E_LENGTH, 0},
    {"rows", VALUE("\xa3" "i16"), EA_E_KEY, 0},
    {"variance", VALUE("\xa4" "e4m4"), EA_E_KEY, 0},
    {"variance", VALUE("\x00"), EA_E_TYPE, 0},
    {"variance_codes", VALUE("\xc6\0\0\0\x00"), EA_E_LENGTH, 0},
    {"variance_scale", VALUE("\xc6\0\0\0\x00"), EA_E_LENGTH, 0},
};

static void hostile_values(void) {
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (uint32_t rows = 0; rows <= EA_ROWS_I8; rows += EA_ROWS_I8) {
            recipe r = base(rows);
            buffer value = {0, 0, 0};
            put_bytes(&value, values[i].bytes, values[i].size);
            r.instead_of = values[i].key;
            r.value = &value;
            buffer bundle = build_bundle(&r);
            unsigned before = test_failures;
            size_t at = key_offset(&bundle, "name"), length = strlen(values[i].key);
            while ((bundle.bytes[at] & 31) != length ||
                   memcmp(bundle.bytes + at + 1, values[i].key, length))
                at = after_value(bundle.bytes, after_value(bundle.bytes, at));
            at = after_value(bundle.bytes, at);
            refuse(&bundle, values[i].status, at + values[i].past);
            if (test_failures != before) printf("    value %zu, of %s\n", i, values[i].key);
            buffer_free(&bundle);
            buffer_free(&value);
        }
}

static void hostile_keys(void) {
    static const char *const keys[] = {"cells", "attributes", "title_scale", "masks", "variance",
                                       "variance_codes", "variance_scale"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        recipe r = base(EA_ROWS_I8);
        r.instead_of = keys[i];
        r.key = "nonsense";
        buffer bundle = build_bundle(&r);
        refuse(&bundle, EA_E_KEY, key_offset(&bundle, "nonsense"));
        buffer_free(&bundle);
    }
}

/* One element of an array of the body, replaced in place. */
static void element(const char *key, size_t at, const void *bytes, size_t size, int32_t status) {
    recipe r = base(EA_ROWS_I8);
    buffer bundle = build_bundle(&r);
    size_t data = data_offset(&bundle, key);
    uint64_t offset;
    memcpy(bundle.bytes + data + at, bytes, size);
    seal(&bundle);
    unsigned before = test_failures;
    CHECK_EQ(open_bytes(&bundle, &offset), status);
    CHECK_EQ(offset, status ? data + at : 0);
    if (test_failures != before) printf("    element at %zu of %s\n", at, key);
    buffer_free(&bundle);
}

static void hostile_elements(void) {
    static const float factors[] = {0, -0.0f, -1, -0x1p-50f, 0x1p20f, 0x1p-51f};
    static const float good[] = {0x1p-50f, 1, 0x1.fffffep19f};
    static const uint32_t masks[] = {3, 4, 0x80000000};
    static const uint8_t one = 1, high = 255;
    for (size_t i = 0; i < 6; i++) {
        element("title_scale", 8, factors + i, 4, EA_E_RANGE);
        element("variance_scale", 0, factors + i, 4, EA_E_RANGE);
    }
    for (size_t i = 0; i < 3; i++) {
        element("title_scale", 4, good + i, 4, EA_OK);
        element("variance_scale", 0, good + i, 4, EA_OK);
        element("masks", 28, masks + i, 4, i ? EA_E_RANGE : EA_OK);
    }
    element("variance_codes", 32 * 7 + K - 1, &high, 1, EA_OK);
    element("variance_codes", K, &one, 1, EA_E_PADDING);
    element("variance_codes", 32 * 7 + 31, &high, 1, EA_E_PADDING);
}

/* In a layer's arrays: where its value begins, and the one after it. */
static void hostile_layers(void) {
    static const int8_t lowest = -128, one = 1;
    static const float infinite = INFINITY, negative = -1, small = 0x1p-60f;
    recipe r = base(EA_ROWS_F32);
    buffer bundle = build_bundle(&r);
    /* list, list, then activation, outputs, rows; the second layer's arrays follow the first's */
    size_t at = value_offset(&bundle, "tower") + 2, weights, bias, codes, scales, second;
    for (unsigned i = 0; i < 3; i++) at = after_value(bundle.bytes, at);
    weights = (at + 5 + 63) / 64 * 64;
    at = after_value(bundle.bytes, at);
    bias = (at + 5 + 63) / 64 * 64;
    second = after_value(bundle.bytes, at) + 1;
    for (unsigned i = 0; i < 3; i++) second = after_value(bundle.bytes, second);
    codes = (second + 5 + 63) / 64 * 64;
    second = after_value(bundle.bytes, second);
    scales = (second + 5 + 63) / 64 * 64;
    const struct {
        size_t at;
        const void *bytes;
        size_t size;
        int32_t status;
    } edits[] = {
        {weights, &infinite, 4, EA_E_RANGE},   {weights + 4 * 4, &small, 4, EA_E_RANGE},
        {weights + 4 * 5, &one, 1, EA_E_PADDING}, /* five outputs, stride eight */
        {bias + 4, &infinite, 4, EA_E_RANGE},  {codes, &lowest, 1, EA_E_RANGE},
        {codes + 18, &one, 1, EA_E_PADDING},   {codes + 32 * 4 + 31, &lowest, 1, EA_E_PADDING},
        {scales, &negative, 4, EA_E_RANGE},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        uint8_t kept[4];
        memcpy(kept, bundle.bytes + edits[i].at, 4);
        memcpy(bundle.bytes + edits[i].at, edits[i].bytes, edits[i].size);
        seal(&bundle);
        unsigned before = test_failures;
        refuse(&bundle, edits[i].status, edits[i].at);
        if (test_failures != before) printf("    edit %zu\n", i);
        memcpy(bundle.bytes + edits[i].at, kept, 4);
    }
    buffer_free(&bundle);
}

/* Explorers that need variances, of the policy or of a cell, and none there: at the word `none`. */
static void variances_are_needed(void) {
    static const recipe_cell sampling[] = {{"a", .5, EA_EXPLORER_THOMPSON, 0, 1}};
    static const struct {
        uint32_t explorer;
        const recipe_cell *cells;
        int32_t status;
    } tried[] = {
        {EA_EXPLORER_THOMPSON, cells, EA_E_KEY}, {EA_EXPLORER_UCB, cells, EA_E_KEY},
        {EA_EXPLORER_GREEDY, cells, EA_OK},      {EA_EXPLORER_GREEDY, sampling, EA_E_KEY},
    };
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        recipe r = base(EA_ROWS_F32);
        r.explorer = tried[i].explorer, r.parameter = r.explorer >= EA_EXPLORER_THOMPSON;
        r.cells = tried[i].cells, r.cell_count = 1, r.scaled = 0;
        r.variance = EA_VARIANCE_NONE;
        buffer bundle = build_bundle(&r);
        refuse(&bundle, tried[i].status, tried[i].status ? value_offset(&bundle, "variance") : 0);
        buffer_free(&bundle);
    }
}

/* Factors belong to explorers with a parameter that they can scale. */
static void factors_need_a_parameter(void) {
    static const struct {
        uint32_t explorer;
        double parameter;
        int32_t status;
    } tried[] = {
        {EA_EXPLORER_FIXED, 0, EA_E_LENGTH},          {EA_EXPLORER_UNIFORM, 0, EA_E_LENGTH},
        {EA_EXPLORER_GREEDY, 0, EA_E_LENGTH},         {EA_EXPLORER_SOFTMAX, 1, EA_OK},
        {EA_EXPLORER_EPSILON_GREEDY, .1, EA_E_LENGTH}, {EA_EXPLORER_SQUARECB, 1, EA_OK},
        {EA_EXPLORER_THOMPSON, 1, EA_OK},             {EA_EXPLORER_UCB, 1, EA_OK},
    };
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        recipe r = base(EA_ROWS_I8);
        r.explorer = tried[i].explorer, r.parameter = tried[i].parameter;
        buffer bundle = build_bundle(&r);
        refuse(&bundle, tried[i].status,
               tried[i].status ? value_offset(&bundle, "title_scale") : 0);
        buffer_free(&bundle);
    }
}

/* Titles of which one factor alone is given, and one of which all but one is. */
static void factors_for_all(void) {
    for (unsigned wrong = 0; wrong < 6; wrong++) {
        recipe r = base(EA_ROWS_I8);
        buffer bundle = build_bundle(&r), value = {0, 0, 0};
        size_t at = value_offset(&bundle, "title_scale"), padding = (0 - (at + 5)) & 63;
        put_byte(&value, 0xc6);
        put_big(&value, padding + wrong, 4);
        for (size_t i = 0; i < padding; i++) put_byte(&value, 0);
        for (unsigned i = 0; i < wrong; i++) put_byte(&value, 0x3f);
        r.instead_of = "title_scale";
        r.value = &value;
        buffer_free(&bundle);
        bundle = build_bundle(&r);
        refuse(&bundle, wrong ? EA_E_LENGTH : EA_OK, wrong ? at : 0);
        buffer_free(&bundle);
        buffer_free(&value);
    }
}

/* The number of keys says which there are: 26, with i8 rows 27, with variances two more. */
static void numbers_of_keys(void) {
    for (unsigned i = 0; i < 4; i++) {
        recipe r = base(i % 2 ? EA_ROWS_I8 : EA_ROWS_F32);
        if (i < 2) {
            r.variance = EA_VARIANCE_NONE;
            r.explorer = EA_EXPLORER_GREEDY, r.parameter = 0, r.scaled = 0, r.cell_count = 1;
        }
        buffer bundle = build_bundle(&r);
        uint8_t *count = bundle.bytes + 12, right = *count; /* a map 16 at offset 10 */
        CHECK_EQ(right, 26 + i % 2 + i / 2 * 2);
        refuse(&bundle, EA_OK, 0);
        for (unsigned wrong = 20; wrong < 33; wrong++) {
            if (wrong == right) continue;
            *count = (uint8_t)wrong;
            seal(&bundle);
            refuse(&bundle, EA_E_TYPE, 10);
        }
        buffer_free(&bundle);
    }
}

/* What format 2 brought is unknown to format 1. */
static void first_format(void) {
    static const hostile first[] = {
        {"explorer", VALUE("\x93\xa8" "thompson" ZERO ONE), EA_E_UNSUPPORTED, 1},
        {"explorer", VALUE("\x93\xa3" "ucb" ZERO ONE), EA_E_UNSUPPORTED, 1},
        {"tower", VALUE("\x91\x95\xa4" "relu\x01\xa3" "f32"), EA_E_UNSUPPORTED, 0},
    };
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        recipe r = {.features = features, .feature_count = 2, .title_count = 2, .each = 2};
        buffer value = {0, 0, 0};
        put_bytes(&value, first[i].bytes, first[i].size);
        buffer right = build_bundle(&r);
        CHECK_EQ(right.bytes[9], 1);
        size_t at = value_offset(&right, first[i].key);
        r.instead_of = first[i].key;
        r.value = &value;
        buffer bundle = build_bundle(&r);
        refuse(&bundle, first[i].status, at + first[i].past);
        buffer_free(&right);
        buffer_free(&bundle);
        buffer_free(&value);
    }
    recipe r = base(EA_ROWS_F32);
    buffer bundle = build_bundle(&r);
    bundle.bytes[9] = 1;
    seal(&bundle);
    refuse(&bundle, EA_E_TYPE, 10);
    buffer_free(&bundle);
    r = (recipe){.features = features, .feature_count = 2, .title_count = 2, .each = 2};
    bundle = build_bundle(&r);
    bundle.bytes[9] = 2;
    seal(&bundle);
    refuse(&bundle, EA_E_TYPE, 10);
    buffer_free(&bundle);
}

/* A bundle of format 2 with nothing of it decides as that of format 1. */
static void formats_agree(void) {
    recipe r = {.features = features, .feature_count = 2, .title_count = 2, .each = 5,
                .explorer = EA_EXPLORER_SOFTMAX, .parameter = .3, .rows = EA_ROWS_I8, .seed = 3};
    fixture f = open_fixture(build_bundle(&r));
    r.format = 2;
    fixture g = open_fixture(build_bundle(&r));
    buffer empty = {0, 0, 0};
    CHECK(f.info.format == 1 && g.info.format == 2);
    put_map(&empty, 0);
    for (uint64_t seed = 0; seed < 200; seed++) {
        ea_decision d, e;
        set_context(&f, &empty, seed);
        set_context(&g, &empty, seed);
        for (uint32_t t = 0; t < 2; t++) {
            CHECK_EQ(ea_select(f.policy, f.context, t, 0, &d), EA_OK);
            CHECK_EQ(ea_select(g.policy, g.context, t, 0, &e), EA_OK);
            CHECK(!memcmp(&d, &e, sizeof d));
        }
    }
    uint64_t hash, other;
    CHECK_EQ(ea_context_hash(f.policy, f.context, &hash), EA_OK);
    CHECK_EQ(ea_context_hash(g.policy, g.context, &other), EA_OK);
    CHECK(hash == other);
    buffer_free(&empty);
    close_fixture(&f);
    close_fixture(&g);
}

static const test_case cases[] = {
    {"values outside the specification are refused where they stand", hostile_values},
    {"keys come as specified", hostile_keys},
    {"factors, masks and variances are checked element by element", hostile_elements},
    {"so are the layers of the tower", hostile_layers},
    {"explorers that need variances have them", variances_are_needed},
    {"factors belong to explorers with a parameter", factors_need_a_parameter},
    {"all titles have factors, or none", factors_for_all},
    {"the number of keys says which there are", numbers_of_keys},
    {"format 1 knows nothing of it", first_format},
    {"both formats decide alike", formats_agree},
};

MAIN("second", cases)
