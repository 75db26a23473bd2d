/* SPDX-License-Identifier: Apache-2.0 */
/* From a context map to slots: what each feature does with each value (decision.md §3). */
#include "build.h"
#include "test.h"

#include <math.h>

static const char *const countries[] = {"US", "GB", "", "USA", "\xc3\xa9"};
static const char *const genres[] = {"comedy", "drama", "romance"};
/* Slots: hour 0, its indicator 1; bare 2; country 3-7, other 8; taste 9-11; embedding 12-15;
   intercept 16. */
static const recipe_feature features[] = {
    {EA_FEATURE_NUMBER, "hour", 0, 0, 12, 6, 8, 1},
    {EA_FEATURE_NUMBER, "bare", 0, 0, 0, 1, 100, 0},
    {EA_FEATURE_CATEGORY, "country", 5, countries, 0, 0, 0, 0},
    {EA_FEATURE_WEIGHTS, "taste", 3, genres, 0, 0, 0, 0},
    {EA_FEATURE_VECTOR, "embedding", 4, 0, 0, 0, 16, 0},
};
enum { HOUR = 0, BARE = 2, COUNTRY = 3, TASTE = 9, EMBEDDING = 12, INTERCEPT = 16, SLOTS = 17 };

static fixture f;
static ea_report report;
static float slot[SLOTS];

static int32_t encode(const buffer *map) {
    report = (ea_report){sizeof report, 0, 0, 0, 0, 0, 0};
    memset(slot, 0xff, sizeof slot);
    int32_t status = ea_context_encode(f.policy, f.context, f.context_size, map->bytes,
                                       map->length, 1, 2, &report);
    if (!status) CHECK_EQ(ea_context_vector(f.policy, f.context, slot, SLOTS, 0, 0), EA_OK);
    return status;
}

/* A map with one field whose value is still to be put. */
static buffer field(const char *name) {
    buffer map = {0, 0, 0};
    put_map(&map, 1);
    put_text(&map, name);
    return map;
}

/* Encodes and lets go of the map. */
static int32_t encode_once(buffer map) {
    int32_t status = encode(&map);
    buffer_free(&map);
    return status;
}

static int32_t encode_number(const char *name, double value) {
    buffer map = field(name);
    put_f64(&map, value);
    return encode_once(map);
}

static void all_missing(void) {
    buffer map = {0, 0, 0};
    put_map(&map, 0);
    CHECK_EQ(encode_once(map), EA_OK);
    CHECK_EQ(report.missing, 5);
    for (unsigned i = 0; i < SLOTS; i++)
        CHECK(slot[i] == (i == HOUR + 1 || i == INTERCEPT) && !signbit(slot[i]));
    for (unsigned i = 0; i < 5; i++) { /* nil is as absent */
        map = field(features[i].name);
        put_nil(&map);
        CHECK_EQ(encode_once(map), EA_OK);
        CHECK_EQ(report.missing, 5);
    }
}

static void numbers(void) {
    static const struct {
        double value, wanted;
        unsigned clipped;
    } given[] = {
        {12, 0, 0},       {18, 1, 0},        {9, -.5, 0},        {60, 8, 0},
        {60.1, 8, 1},     {-36.1, -8, 1},    {INFINITY, 8, 1},   {-INFINITY, -8, 1},
        {1e308, 8, 1},    {-1.7e308, -8, 1}, {12 + 1e-14, 0, 0}, {0, -2, 0},
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        CHECK_EQ(encode_number("hour", given[i].value), EA_OK);
        double wanted = given[i].wanted;
        /* 12 + 1e-14 is 12 + 7·2^-49: a sixth of that is more than 2^-50 */
        if (given[i].value > 12 && given[i].value < 12.1) wanted = (given[i].value - 12) / 6;
        CHECK(slot[HOUR] == (float)wanted && slot[HOUR + 1] == 0);
        CHECK_EQ(report.clipped, given[i].clipped);
        CHECK_EQ(report.missing, 4);
    }
    CHECK_EQ(encode_number("hour", NAN), EA_OK);
    CHECK(slot[HOUR] == 0 && slot[HOUR + 1] == 1);
    CHECK_EQ(report.missing, 5);
    CHECK_EQ(encode_number("bare", -0.0), EA_OK);
    CHECK(slot[BARE] == 0 && !signbit(slot[BARE]));
}

static void tiny_becomes_zero(void) {
    static const double values[] = {0x1p-50, 0x1.fffffep-51, 0x1.ffffffp-51, 0x1p-1074, 1e-300};
    static const float wanted[] = {0x1p-50f, 0, 0x1p-50f, 0, 0};
    for (int sign = -1; sign <= 1; sign += 2)
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            CHECK_EQ(encode_number("bare", sign * values[i]), EA_OK);
            CHECK(slot[BARE] == (float)sign * wanted[i]);
            CHECK(slot[BARE] != 0 || !signbit(slot[BARE]));
        }
}

static void integers(void) {
    static const struct {
        int64_t value;
        double wanted;
    } given[] = {{0, 0}, {-1, -1}, {-32, -32}, {-33, -33}, {99, 99}, {INT64_MIN, -100}};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        buffer map = field("bare");
        put_int(&map, given[i].value);
        CHECK_EQ(encode_once(map), EA_OK);
        CHECK(slot[BARE] == (float)given[i].wanted);
    }
    buffer map = field("bare");
    put_uint(&map, UINT64_MAX);
    CHECK_EQ(encode_once(map), EA_OK);
    CHECK(slot[BARE] == 100);
    CHECK_EQ(report.clipped, 1);
    map = field("bare");
    put_f32(&map, 1.5f);
    CHECK_EQ(encode_once(map), EA_OK);
    CHECK(slot[BARE] == 1.5f);
}

/* Integers above 2^53 are rounded to the nearest binary64, ties to even, with either sign. */
static void large_integers(void) {
    static const recipe_feature wide = {EA_FEATURE_NUMBER, "x", 0, 0, 0x1p50, 0x1p50, 0x1p19, 0};
    fixture g = open_fixture(build_bundle(&(recipe){.features = &wide, .feature_count = 1}));
    uint64_t state = 5;
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t x = next_random(&state) >> random_below(&state, 12);
        int negative = (i & 1) && x <= INT64_MAX;
        buffer map = field("x");
        if (negative) put_int(&map, -(int64_t)x);
        else put_uint(&map, x);
        set_context(&g, &map, 0);
        float found[2];
        CHECK_EQ(ea_context_vector(g.policy, g.context, found, 2, 0, 0), EA_OK);
        double value = negative ? -(double)x : (double)x;
        CHECK(found[0] == (float)((value - 0x1p50) / 0x1p50));
        buffer_free(&map);
    }
    close_fixture(&g);
}

static void categories(void) {
    for (unsigned w = 0; w < 5; w++) {
        buffer map = field("country");
        put_text(&map, countries[w]);
        CHECK_EQ(encode_once(map), EA_OK);
        for (unsigned i = 0; i < 6; i++) CHECK(slot[COUNTRY + i] == (i == w));
        CHECK_EQ(report.other, 0);
    }
    static const char *const strangers[] = {"U", "us", "USAA", "GB ", "\xff\xfe", "ZZ"};
    for (unsigned w = 0; w < 6; w++) {
        buffer map = field("country");
        put_text(&map, strangers[w]);
        CHECK_EQ(encode_once(map), EA_OK);
        for (unsigned i = 0; i < 6; i++) CHECK(slot[COUNTRY + i] == (i == 5));
        CHECK_EQ(report.other, 1);
    }
    buffer map = field("country"); /* a null byte is a byte */
    put_string(&map, "US\0", 3);
    CHECK_EQ(encode_once(map), EA_OK);
    CHECK(slot[COUNTRY + 5] == 1);
}

static void weights(void) {
    buffer map = field("taste");
    put_map(&map, 4);
    put_text(&map, "romance"), put_f64(&map, -1);
    put_text(&map, "western"), put_f64(&map, 1e9);
    put_text(&map, "comedy"), put_uint(&map, 3);
    put_text(&map, "drama"), put_nil(&map);
    CHECK_EQ(encode_once(map), EA_OK);
    CHECK(slot[TASTE] == .75f && slot[TASTE + 1] == 0 && slot[TASTE + 2] == -.25f);
    CHECK_EQ(report.other, 1);
    CHECK_EQ(report.clipped, 0);

    map = field("taste");
    put_list(&map, 5);
    put_text(&map, "drama"), put_text(&map, "comedy"), put_text(&map, "drama");
    put_text(&map, "western"), put_text(&map, "drama");
    CHECK_EQ(encode_once(map), EA_OK);
    CHECK(slot[TASTE] == .25f && slot[TASTE + 1] == .75f && slot[TASTE + 2] == 0);
    CHECK_EQ(report.other, 1);

    map = field("taste");
    put_map(&map, 3);
    put_text(&map, "comedy"), put_f64(&map, INFINITY);
    put_text(&map, "drama"), put_f64(&map, NAN);
    put_text(&map, "romance"), put_f64(&map, -1e300);
    CHECK_EQ(encode_once(map), EA_OK);
    CHECK(slot[TASTE] == .5f && slot[TASTE + 1] == 0 && slot[TASTE + 2] == -.5f);
    CHECK_EQ(report.clipped, 2);

    for (int list = 0; list < 2; list++) { /* empty is not missing */
        map = field("taste");
        if (list) put_list(&map, 0);
        else put_map(&map, 0);
        CHECK_EQ(encode_once(map), EA_OK);
        CHECK_EQ(report.missing, 4);
        for (unsigned i = 0; i < 3; i++) CHECK(slot[TASTE + i] == 0);
    }
}

static void vectors(void) {
    static const float given[4] = {1, -20, 0x1p-60f, -.5f}, wanted[4] = {1, -16, 0, -.5f};
    for (int list = 0; list < 2; list++) {
        buffer map = field("embedding");
        if (list) put_list(&map, 4);
        else put_bin(&map, given, 16);
        for (unsigned i = 0; list && i < 4; i++) put_f32(&map, given[i]);
        CHECK_EQ(encode_once(map), EA_OK);
        for (unsigned i = 0; i < 4; i++) CHECK(slot[EMBEDDING + i] == wanted[i]);
        CHECK_EQ(report.clipped, 1);
        CHECK_EQ(report.missing, 4);
    }
    for (unsigned at = 0; at < 4; at++) { /* one NaN, and the whole is missing, clips too */
        float holed[4] = {100, 100, 100, 100};
        holed[at] = NAN;
        buffer map = field("embedding");
        put_bin(&map, holed, 16);
        CHECK_EQ(encode_once(map), EA_OK);
        for (unsigned i = 0; i < 4; i++) CHECK(slot[EMBEDDING + i] == 0);
        CHECK_EQ(report.missing, 5);
        CHECK_EQ(report.clipped, 0);
    }
}

/* Each value a feature does not take, with the offset where that is found. */
static void wrong_types(void) {
    static const struct {
        const char *name, *bytes;
        size_t size;
        int32_t status;
        unsigned past; /* offset, from the value's first byte */
    } given[] = {
        {"hour", "\xc3", 1, EA_E_TYPE, 0},
        {"hour", "\xa1" "1", 2, EA_E_TYPE, 0},
        {"hour", "\x91\x01", 2, EA_E_TYPE, 0},
        {"hour", "\xd6\xff" "abcd", 6, EA_E_TYPE, 0},
        {"country", "\x01", 1, EA_E_TYPE, 0},
        {"country", "\xc4\x02US", 4, EA_E_TYPE, 0},
        {"country", "\xc2", 1, EA_E_TYPE, 0},
        {"taste", "\xa6" "comedy", 7, EA_E_TYPE, 0},
        {"taste", "\x01", 1, EA_E_TYPE, 0},
        {"taste", "\x92\xa1" "a\x01", 4, EA_E_TYPE, 3},
        {"taste", "\x91\xc0", 2, EA_E_TYPE, 1},
        {"taste", "\x81\x01\x01", 3, EA_E_TYPE, 1},
        {"taste", "\x81\xa1" "a\xa1" "b", 5, EA_E_TYPE, 3},
        {"taste", "\x81\xa1" "a\xc3", 4, EA_E_TYPE, 3},
        {"taste", "\x82\xa5" "drama\x01\xa5" "drama\x01", 15, EA_E_DUPLICATE, 8},
        {"taste", "\xdc\x10\x01", 3, EA_E_LIMIT, 0},
        {"taste", "\xdf\x00\x00\x10\x01", 5, EA_E_LIMIT, 0},
        {"embedding", "\x93\x01\x02\x03", 4, EA_E_TYPE, 0},
        {"embedding", "\x95\x01\x02\x03\x04\x05", 6, EA_E_TYPE, 0},
        {"embedding", "\x94\x01\x02\xc0\x04", 5, EA_E_TYPE, 3},
        {"embedding", "\x94\x01\x02\x03\xc3", 5, EA_E_TYPE, 4},
        {"embedding", "\xc4\x0f" "0123456789abcde", 17, EA_E_TYPE, 0},
        {"embedding", "\x80", 1, EA_E_TYPE, 0},
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        buffer map = field(given[i].name);
        size_t at = map.length;
        put_bytes(&map, given[i].bytes, given[i].size);
        CHECK_EQ(encode_once(map), given[i].status);
        CHECK_EQ(report.offset, at + given[i].past);
    }
}

static void repetition(void) {
    buffer map = {0, 0, 0};
    put_map(&map, 2);
    put_text(&map, "bare"), put_uint(&map, 1);
    size_t second = map.length;
    put_text(&map, "bare"), put_uint(&map, 1);
    CHECK_EQ(encode(&map), EA_E_DUPLICATE);
    CHECK_EQ(report.offset, second);
    buffer_free(&map);
    map = field("taste"); /* a stranger twice means nothing */
    put_map(&map, 2);
    put_text(&map, "x"), put_uint(&map, 1), put_text(&map, "x"), put_uint(&map, 1);
    CHECK_EQ(encode_once(map), EA_OK);
    CHECK_EQ(report.other, 2);
}

/* Whatever order the fields come in, the slots are the same. */
static void order_of_fields(void) {
    static const unsigned turns[][5] = {{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {2, 4, 0, 1, 3}};
    float first[SLOTS];
    for (unsigned t = 0; t < 3; t++) {
        buffer map = {0, 0, 0};
        put_map(&map, 6);
        put_text(&map, "undeclared"), put_nil(&map);
        for (unsigned i = 0; i < 5; i++) {
            put_text(&map, features[turns[t][i]].name);
            switch (turns[t][i]) {
            case 0: put_uint(&map, 7); break;
            case 1: put_f64(&map, .3); break;
            case 2: put_text(&map, "GB"); break;
            case 3: put_list(&map, 1), put_text(&map, "drama"); break;
            default: put_list(&map, 4);
                for (unsigned j = 0; j < 4; j++) put_uint(&map, j);
            }
        }
        CHECK_EQ(encode_once(map), EA_OK);
        CHECK_EQ(report.ignored, 1);
        CHECK_EQ(report.missing, 0);
        if (!t) memcpy(first, slot, sizeof first);
        CHECK(!memcmp(first, slot, sizeof first));
    }
}

static void memory_and_arguments(void) {
    static const uint8_t empty[] = {0x80};
    ea_report small = {sizeof small - 1, 0, 0, 0, 0, 0, 0};
    float slots[SLOTS];
    CHECK_EQ(ea_context_encode(0, f.context, f.context_size, empty, 1, 0, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_context_encode(f.policy, 0, f.context_size, empty, 1, 0, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_context_encode(f.policy, f.context, f.context_size, 0, 1, 0, 0, 0),
             EA_E_ARGUMENT);
    CHECK_EQ(ea_context_encode(f.policy, f.context, f.context_size, empty, 1, 0, 0, &small),
             EA_E_ARGUMENT);
    CHECK_EQ(ea_context_encode(f.policy, f.context, f.context_size - 1, empty, 1, 0, 0, 0),
             EA_E_MEMORY);
    CHECK_EQ(ea_context_encode(f.policy, f.context, f.context_size, 0, 0, 0, 0, 0),
             EA_E_TRUNCATED);
    CHECK_EQ(ea_context_vector(f.policy, f.context, slots, SLOTS, 0, 0), EA_E_FOREIGN);
    uint8_t *wide = exact_copy(f.policy, f.context_size + 16);
    CHECK_EQ(ea_context_encode(f.policy, (ea_context *)(void *)(wide + 8), f.context_size, empty,
                               1, 0, 0, 0),
             EA_E_ALIGNMENT);
    free(wide);
    CHECK_EQ(ea_context_encode(f.policy, f.context, f.context_size, empty, 1, 0, 0, 0), EA_OK);
    CHECK_EQ(ea_context_vector(f.policy, f.context, slots, SLOTS - 1, 0, 0), EA_E_CAPACITY);
    CHECK_EQ(ea_context_vector(f.policy, f.context, 0, SLOTS, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_context_vector(f.policy, 0, slots, SLOTS, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_context_size(0), 0);
}

/* Names that share a beginning are told apart. */
static void similar_names(void) {
    static const recipe_feature twins[] = {
        {EA_FEATURE_NUMBER, "a", 0, 0, 0, 1, 9, 0},
        {EA_FEATURE_NUMBER, "aa", 0, 0, 0, 1, 9, 0},
        {EA_FEATURE_NUMBER, "ab", 0, 0, 0, 1, 9, 0},
    };
    fixture g = open_fixture(build_bundle(&(recipe){.features = twins, .feature_count = 3}));
    for (unsigned i = 0; i < 3; i++) {
        buffer map = field(twins[i].name);
        float found[4];
        put_uint(&map, 1);
        set_context(&g, &map, 0);
        CHECK_EQ(ea_context_vector(g.policy, g.context, found, 4, 0, 0), EA_OK);
        for (unsigned j = 0; j < 3; j++) CHECK(found[j] == (i == j));
        buffer_free(&map);
    }
    close_fixture(&g);
}

static const test_case cases[] = {
    {"missing fields leave zeros, the indicator and the intercept", all_missing},
    {"numbers are centred, scaled, clipped; NaN is missing", numbers},
    {"what is below 2^-50 becomes +0", tiny_becomes_zero},
    {"integers of every form are numbers", integers},
    {"large integers round once, to even", large_integers},
    {"categories compare whole strings; the rest is other", categories},
    {"weights are summed, clipped and normalised", weights},
    {"vectors come as lists or bytes; one NaN makes them missing", vectors},
    {"values of a wrong type are refused where they stand", wrong_types},
    {"a declared field twice is refused", repetition},
    {"the order of fields means nothing", order_of_fields},
    {"memory and arguments are checked", memory_and_arguments},
    {"names that begin alike are different", similar_names},
};

int main(void) {
    f = open_fixture(build_bundle(&(recipe){.features = features, .feature_count = 5}));
    REQUIRE(f.info.slots == SLOTS);
    int failed = run_tests("context", cases, sizeof cases / sizeof *cases);
    close_fixture(&f);
    return failed;
}
