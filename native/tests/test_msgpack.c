/* SPDX-License-Identifier: Apache-2.0 */
/* The MessagePack reader, through contexts: every form of a value, and bytes that are none. */
#include "../src/internal.h"
#include "build.h"
#include "test.h"

static const recipe_feature features[] = {
    {EA_FEATURE_NUMBER, "n", 0, 0, 0, 1, 0x1p19, 0},
    {EA_FEATURE_CATEGORY, "c", 2, 0, 0, 0, 0, 0},
};
static fixture f;
static ea_report report;

/* Encodes a map that is the bytes given, lying at the end of a block of exactly their size. */
static int32_t encode(const void *bytes, size_t size) {
    uint8_t *copy = exact_copy(bytes, size);
    report = (ea_report){sizeof report, 0, 0, 0, 0, 0, 0};
    int32_t status = ea_context_encode(f.policy, f.context, f.context_size, copy, size, 0, 0,
                                       &report);
    free(copy);
    if (status) {
        uint64_t hash;
        CHECK_EQ(ea_context_hash(f.policy, f.context, &hash), EA_E_FOREIGN);
        CHECK(report.offset <= size);
    } else CHECK_EQ(report.offset, 0);
    return status;
}

#define LITERAL(text) (text), sizeof(text) - 1

/* Every form there is, as the value of an undeclared field. */
static const struct {
    const char *bytes;
    size_t size;
} forms[] = {
    {LITERAL("\x00")},
    {LITERAL("\x7f")},
    {LITERAL("\xff")},
    {LITERAL("\xe0")},
    {LITERAL("\xc0")},
    {LITERAL("\xc2")},
    {LITERAL("\xc3")},
    {LITERAL("\xcc\xff")},
    {LITERAL("\xcd\x00\x01")},
    {LITERAL("\xce\x00\x00\x00\x01")},
    {LITERAL("\xcf\xff\xff\xff\xff\xff\xff\xff\xff")},
    {LITERAL("\xd0\x80")},
    {LITERAL("\xd1\x80\x00")},
    {LITERAL("\xd2\x80\x00\x00\x00")},
    {LITERAL("\xd3\x80\x00\x00\x00\x00\x00\x00\x00")},
    {LITERAL("\xca\x7f\xc0\x00\x00")},
    {LITERAL("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00")},
    {LITERAL("\xa0")},
    {LITERAL("\xa3" "abc")},
    {LITERAL("\xa2\xff\xfe")}, /* need not be UTF-8 */
    {LITERAL("\xd9\x03" "abc")},
    {LITERAL("\xda\x00\x03" "abc")},
    {LITERAL("\xdb\x00\x00\x00\x03" "abc")},
    {LITERAL("\xc4\x02" "ab")},
    {LITERAL("\xc5\x00\x02" "ab")},
    {LITERAL("\xc6\x00\x00\x00\x02" "ab")},
    {LITERAL("\xc7\x00\x05")},
    {LITERAL("\xc7\x02\x05" "ab")},
    {LITERAL("\xc8\x00\x02\x05" "ab")},
    {LITERAL("\xc9\x00\x00\x00\x02\x05" "ab")},
    {LITERAL("\xd4\x05" "a")},
    {LITERAL("\xd5\x05" "ab")},
    {LITERAL("\xd6\xff" "abcd")},
    {LITERAL("\xd7\x05" "abcdefgh")},
    {LITERAL("\xd8\x05" "abcdefghijklmnop")},
    {LITERAL("\x90")},
    {LITERAL("\x93\x01\x92\x02\xc0\x80")},
    {LITERAL("\xdc\x00\x02\x01\x02")},
    {LITERAL("\xdd\x00\x00\x00\x02\x01\x90")},
    {LITERAL("\x80")},
    {LITERAL("\x82\x01\x02\x90\x80")}, /* keys of undeclared maps may be anything */
    {LITERAL("\xde\x00\x01\xa1" "a\x01")},
    {LITERAL("\xdf\x00\x00\x00\x01\xa1" "a\x01")},
};

static buffer with_form(size_t i) {
    buffer map = {0, 0, 0};
    put_map(&map, 2);
    put_text(&map, "other");
    put_bytes(&map, forms[i].bytes, forms[i].size);
    put_text(&map, "n");
    put_uint(&map, 3);
    return map;
}

static void skips_every_form(void) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        buffer map = with_form(i);
        float slots[8];
        CHECK_EQ(encode(map.bytes, map.length), EA_OK);
        CHECK_EQ(report.ignored, 1);
        CHECK_EQ(report.missing, 1);
        CHECK_EQ(ea_context_vector(f.policy, f.context, slots, 8, 0, 0), EA_OK);
        CHECK(slots[0] == 3);
        buffer_free(&map);
    }
}

/* A map cut short is truncated; bytes after it are trailing. */
static void finds_every_end(void) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        buffer map = with_form(i);
        for (size_t size = 0; size < map.length; size++)
            CHECK_EQ(encode(map.bytes, size), EA_E_TRUNCATED);
        put_byte(&map, 0xc0);
        CHECK_EQ(encode(map.bytes, map.length), EA_E_TRAILING);
        CHECK_EQ(report.offset, map.length - 1);
        buffer_free(&map);
    }
}

/* Offsets: a value that ends too early is named itself, a missing one the bytes' end. */
static void says_where(void) {
    static const struct {
        const char *bytes;
        size_t size;
        int32_t status;
        uint64_t offset;
    } hostile[] = {
        {LITERAL(""), EA_E_TRUNCATED, 0},
        {LITERAL("\x81"), EA_E_TRUNCATED, 1},
        {LITERAL("\x81\xa5" "abc"), EA_E_TRUNCATED, 1},
        {LITERAL("\x81\xa1" "a"), EA_E_TRUNCATED, 3},
        {LITERAL("\x81\xa1" "a\xcb\x00"), EA_E_TRUNCATED, 3},
        {LITERAL("\x81\xa1" "a\xc6\xff\xff\xff\xff"), EA_E_TRUNCATED, 3},
        {LITERAL("\x81\xa1" "a\xdb\xff\xff\xff\xff" "ab"), EA_E_TRUNCATED, 3},
        {LITERAL("\x81\xa1" "a\xc9\xff\xff\xff\xff\x01" "ab"), EA_E_TRUNCATED, 3},
        {LITERAL("\x81\xa1" "a\xc7\x00"), EA_E_TRUNCATED, 3},
        {LITERAL("\x81\xa1" "a\xdd\xff\xff\xff\xff\x01"), EA_E_TRUNCATED, 9},
        {LITERAL("\x81\xa1" "a\xdf\xff\xff\xff\xff\x01"), EA_E_TRUNCATED, 9},
        {LITERAL("\x81\xa1" "a\x92\x01\xc1"), EA_E_TYPE, 5},
        {LITERAL("\x81\xa1" "a\xc1"), EA_E_TYPE, 3},
        {LITERAL("\xc1"), EA_E_TYPE, 0},
        {LITERAL("\x90"), EA_E_TYPE, 0},
        {LITERAL("\xc0"), EA_E_TYPE, 0},
        {LITERAL("\x81\x01\x02"), EA_E_TYPE, 1},
        {LITERAL("\x81\xc4\x01" "a\x02"), EA_E_TYPE, 1},
        {LITERAL("\x80\x80"), EA_E_TRAILING, 1},
        {LITERAL("\xde\x04\x01"), EA_E_LIMIT, 0},
        {LITERAL("\xdf\xff\xff\xff\xff"), EA_E_LIMIT, 0},
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        CHECK_EQ(encode(hostile[i].bytes, hostile[i].size), hostile[i].status);
        CHECK_EQ(report.offset, hostile[i].offset);
    }
}

/* As deep as 64 KiB allow, in lists and in maps; without recursion this costs no stack. */
static void digs_deep(void) {
    for (int maps = 0; maps < 2; maps++) {
        buffer map = {0, 0, 0};
        put_map(&map, 1);
        put_text(&map, "deep");
        while (map.length < EA_MAX_CONTEXT_BYTES - 1) {
            if (maps && map.length >= EA_MAX_CONTEXT_BYTES - 2) break;
            put_byte(&map, maps ? 0x81 : 0x91);
            if (maps) put_byte(&map, 0x01);
        }
        put_nil(&map);
        CHECK_EQ(encode(map.bytes, map.length), EA_OK);
        map.length--;
        CHECK_EQ(encode(map.bytes, map.length), EA_E_TRUNCATED);
        CHECK_EQ(report.offset, map.length);
        buffer_free(&map);
    }
}

static void bounds_size_and_fields(void) {
    uint8_t *bytes = calloc(EA_MAX_CONTEXT_BYTES + 1, 1);
    bytes[0] = 0x80;
    CHECK_EQ(encode(bytes, EA_MAX_CONTEXT_BYTES + 1), EA_E_LIMIT);
    CHECK_EQ(report.offset, EA_MAX_CONTEXT_BYTES);
    CHECK_EQ(encode(bytes, EA_MAX_CONTEXT_BYTES), EA_E_TRAILING);
    free(bytes);
    buffer map = {0, 0, 0};
    put_map(&map, 1024);
    for (unsigned i = 0; i < 1024; i++) put_text(&map, "same"), put_nil(&map);
    CHECK_EQ(encode(map.bytes, map.length), EA_OK); /* repetition means nothing here */
    CHECK_EQ(report.ignored, 1024);
    buffer_free(&map);
}

/* Random bytes, half of them starting as a map that makes sense. */
static void survives_noise(void) {
    uint64_t state = 4;
    unsigned accepted = 0;
    for (unsigned trial = 0; trial < 200000 / TEST_REDUCE; trial++) {
        buffer map = {0, 0, 0};
        put_byte(&map, 0x80 + random_below(&state, 4));
        if (trial % 2) put_text(&map, trial % 4 > 1 ? "n" : "c");
        for (unsigned i = random_below(&state, 24); i; i--) {
            static const uint8_t likely[] = {0xa1, 'n', 'c', 0xc0, 0xcb, 0xca, 0xd9, 0xdf, 0x91};
            put_byte(&map, random_below(&state, 2) ? likely[random_below(&state, sizeof likely)]
                                                   : random_below(&state, 256));
        }
        float slots[8];
        if (encode(map.bytes, map.length) == EA_OK) {
            accepted++;
            CHECK_EQ(ea_context_vector(f.policy, f.context, slots, 8, 0, 0), EA_OK);
            for (uint32_t i = 0; i < f.info.slots; i++)
                CHECK(slots[i] >= -0x1p19f && slots[i] <= 0x1p19f);
        }
        buffer_free(&map);
    }
    CHECK(accepted > 100 / TEST_REDUCE);
}

/* RFC 3629 read once more: code point by code point, from the table of its section 4. */
static int expected_utf8(const uint8_t *p, size_t size) {
    size_t i = 0;
    while (i < size) {
        uint32_t c = p[i], more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if ((c >= 0x80 && c < 0xc0) || c > 0xf7 || size - i <= more) return 0;
        uint32_t point = more ? c & (0x3f >> more) : c;
        for (uint32_t j = 1; j <= more; j++) {
            if (p[i + j] < 0x80 || p[i + j] > 0xbf) return 0;
            point = point << 6 | (p[i + j] & 0x3f);
        }
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (point < least[more] || point > 0x10ffff) return 0;
        if (point >= 0xd800 && point < 0xe000) return 0;
        i += more + 1;
    }
    return 1;
}

static size_t put_point(uint8_t *p, uint32_t point) {
    if (point < 0x80) {
        p[0] = (uint8_t)point;
        return 1;
    }
    uint32_t more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    for (uint32_t j = more; j > 0; j--, point >>= 6) p[j] = (uint8_t)(0x80 | (point & 0x3f));
    p[0] = (uint8_t)((0xff00 >> (more + 1) & 0xff) | point);
    return more + 1;
}

static void text_is_utf8(void) {
    static const uint32_t edges[] = {0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xd800, 0xdfff, 0xe000,
                                     0xffff, 0x10000, 0x10ffff, 0x110000, 0x1fffff};
    uint64_t state = 110;
    unsigned right = 0, wrong = 0;
    for (unsigned trial = 0; trial < 100000 / TEST_REDUCE; trial++) {
        uint8_t bytes[64];
        size_t size = 0;
        for (unsigned n = random_below(&state, 14); n; n--)
            size += put_point(bytes + size, random_below(&state, 3) ? random_below(&state, 0x80)
                                            : edges[random_below(&state, 14)]);
        if (size && random_below(&state, 2))
            bytes[random_below(&state, (uint32_t)size)] = (uint8_t)next_random(&state);
        if (size && !random_below(&state, 8)) size--;
        uint8_t *exact = exact_copy(bytes, size);
        int valid = expected_utf8(bytes, size);
        CHECK_EQ(ea__is_utf8(exact, size), valid);
        right += (unsigned)valid, wrong += (unsigned)!valid;
        free(exact);
    }
    CHECK(right > 1000 && wrong > 1000);
}

static const test_case cases[] = {
    {"text is UTF-8, or it is refused", text_is_utf8},
    {"undeclared fields of every form are skipped", skips_every_form},
    {"every cut is truncation, every byte more is trailing", finds_every_end},
    {"a refusal names status and offset", says_where},
    {"nesting as deep as the bytes is skipped", digs_deep},
    {"65,536 bytes and 1,024 fields are the limit", bounds_size_and_fields},
    {"noise is refused or gives bounded slots", survives_noise},
};

int main(void) {
    f = open_fixture(build_bundle(&(recipe){.features = features, .feature_count = 2}));
    int failed = run_tests("msgpack", cases, sizeof cases / sizeof *cases);
    close_fixture(&f);
    return failed;
}
