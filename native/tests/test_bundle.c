/* SPDX-License-Identifier: Apache-2.0 */
/* How a bundle is refused: every status with its offset (bundle.md §8). */
#include "build.h"
#include "test.h"

#include <math.h>

static const char *const words[] = {"b", "a", ""};
static const char *const meta[][2] = {{"author", "nobody"}, {"", "caf\xc3\xa9"}};
static const uint32_t artworks[] = {3, 1, 4};
static const recipe_feature features[] = {
    {EA_FEATURE_NUMBER, "hour", 0, 0, 12, 6, 8, 1},
    {EA_FEATURE_CATEGORY, "country", 3, words, 0, 0, 0, 0},
    {EA_FEATURE_WEIGHTS, "taste", 4, 0, 0, 0, 0, 0},
    {EA_FEATURE_VECTOR, "embedding", 3, 0, 0, 0, 16, 0},
};
static buffer maps[2];

static recipe base(uint32_t rows) {
    return (recipe){.name = "row.v-2", .sequence = 12, .meta = meta, .meta_count = 2,
                    .explorer = EA_EXPLORER_SQUARECB, .floor = .01, .parameter = 10,
                    .features = features, .feature_count = 4, .title_count = 3,
                    .artworks = artworks, .rows = rows, .seed = 6, .contexts = maps,
                    .context_count = 2};
}

/* Opens bytes that lie in a block of exactly their size; a refused policy must be of no use. */
static int32_t open_bytes(const uint8_t *bytes, size_t size, uint64_t *offset) {
    uint8_t *copy = exact_copy(bytes, size);
    void *memory = 0;
    REQUIRE(posix_memalign(&memory, 16, ea_policy_size()) == 0);
    memset(memory, 0xa5, ea_policy_size());
    ea_policy *policy = memory;
    *offset = 77;
    int32_t status = ea_policy_open(policy, ea_policy_size(), copy, size, offset);
    if (status) {
        ea_info info = {.struct_size = sizeof info};
        CHECK_EQ(ea_policy_info(policy, &info), EA_E_ARGUMENT);
        CHECK_EQ(ea_context_size(policy), 0);
        CHECK_EQ(ea_title_find(policy, "title-0", 7), EA_NONE);
        CHECK(*offset <= size);
    } else CHECK_EQ(*offset, 0);
    free(copy);
    free(memory);
    return status;
}

static void refuse(const buffer *bundle, int32_t wanted, uint64_t wanted_offset) {
    uint64_t offset;
    CHECK_EQ(open_bytes(bundle->bytes, bundle->length, &offset), wanted);
    CHECK_EQ(offset, wanted_offset);
}

static void memory_is_checked(void) {
    recipe r = base(EA_ROWS_I8);
    buffer bundle = build_bundle(&r);
    uint64_t offset;
    void *memory = 0;
    REQUIRE(posix_memalign(&memory, 16, ea_policy_size() + 16) == 0);
    ea_policy *policy = memory;
    size_t size = ea_policy_size();
    CHECK_EQ(ea_policy_open(0, size, bundle.bytes, bundle.length, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_open(policy, size, 0, 9, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_open(policy, size - 1, bundle.bytes, bundle.length, 0), EA_E_MEMORY);
    CHECK_EQ(ea_policy_open(policy, 4, bundle.bytes, bundle.length, 0), EA_E_MEMORY);
    CHECK_EQ(ea_policy_open((ea_policy *)(void *)((uint8_t *)memory + 8), size, bundle.bytes,
                            bundle.length, 0),
             EA_E_ALIGNMENT);
    CHECK_EQ(ea_policy_open(policy, size, bundle.bytes + 16, bundle.length - 16, 0),
             EA_E_ALIGNMENT);
    CHECK_EQ(ea_policy_open(policy, size, 0, 0, &offset), EA_E_TRUNCATED);
    CHECK_EQ(ea_policy_open(policy, size, bundle.bytes, bundle.length, 0), EA_OK);
    buffer_free(&bundle);
    free(memory);
}

/* Whatever made an opening fail, the policy that was there is there no more. */
static void failure_empties_the_policy(void) {
    recipe r = base(EA_ROWS_I8);
    fixture f = open_fixture(build_bundle(&r));
    const uint8_t *bytes = f.bundle.bytes;
    size_t size = ea_policy_size(), length = f.bundle.length;
    CHECK_EQ(ea_policy_open(f.policy, size, bytes, length - 1, 0), EA_E_CRC);
    CHECK_EQ(ea_context_size(f.policy), 0);
    REQUIRE(ea_policy_open(f.policy, size, bytes, length, 0) == EA_OK);
    CHECK_EQ(ea_policy_open(f.policy, size, bytes + 1, length - 1, 0), EA_E_ALIGNMENT);
    CHECK_EQ(ea_context_size(f.policy), 0);
    REQUIRE(ea_policy_open(f.policy, size, bytes, length, 0) == EA_OK);
    CHECK_EQ(ea_policy_open(f.policy, size, 0, length, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_context_size(f.policy), 0);
    REQUIRE(ea_policy_open(f.policy, size, bytes, length, 0) == EA_OK);
    CHECK_EQ(ea_policy_open(f.policy, size - 1, bytes, length, 0), EA_E_MEMORY);
    CHECK_EQ(ea_context_size(f.policy), 0);
    close_fixture(&f);
}

static void frame(void) {
    recipe r = base(EA_ROWS_F32);
    buffer bundle = build_bundle(&r);
    uint8_t *bytes = bundle.bytes;
    uint64_t offset;
    for (size_t size = 0; size < bundle.length; size++) {
        int32_t status = open_bytes(bytes, size, &offset);
        CHECK_EQ(status, size < 15 ? EA_E_TRUNCATED : EA_E_CRC);
        CHECK_EQ(offset, size < 9 ? 0 : size < 10 ? 9 : size < 15 ? 10 : size - 5);
    }
    for (size_t i = 0; i < 9; i++) {
        bytes[i] ^= 1;
        refuse(&bundle, EA_E_MAGIC, 0);
        bytes[i] ^= 1;
    }
    static const uint8_t versions[] = {0, 3, 127};
    for (size_t i = 0; i < 3; i++) { /* named before the checksum is looked at */
        bytes[9] = versions[i];
        refuse(&bundle, EA_E_VERSION, 9);
    }
    bytes[9] = 0xff;
    refuse(&bundle, EA_E_TYPE, 9);
    bytes[9] = 1;
    for (size_t at = 10; at < bundle.length; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[at] ^= (uint8_t)(1u << bit);
            CHECK_EQ(open_bytes(bytes, bundle.length, &offset), EA_E_CRC);
            bytes[at] ^= (uint8_t)(1u << bit);
        }
    size_t tail = bundle.length - 5;
    bytes[tail] = 0xcf;
    seal(&bundle);
    refuse(&bundle, EA_E_CRC, tail);
    buffer_free(&bundle);
    buffer longer = build_bundle(&r); /* one byte between body and checksum */
    longer.length -= 5;
    tail = longer.length;
    put_byte(&longer, 0xc0);
    put_byte(&longer, 0xce);
    put_big(&longer, 0, 4);
    seal(&longer);
    refuse(&longer, EA_E_TRAILING, tail);
    buffer_free(&longer);
}

/* A body value given as bytes: refused, with the offset counted from the value's first byte. */
typedef struct {
    const char *key, *bytes;
    size_t size;
    int32_t status;
    unsigned past;
} hostile;

#define VALUE(literal) (literal), sizeof(literal) - 1
#define F64_ZERO "\xcb\0\0\0\0\0\0\0\0"
#define F64_ONE "\xcb\x3f\xf0\0\0\0\0\0\0"
#define F64_TWO "\xcb\x40\0\0\0\0\0\0\0"
#define F64_MINUS_ZERO "\xcb\x80\0\0\0\0\0\0\0"
#define F64_NAN "\xcb\x7f\xf8\0\0\0\0\0\0"

static const hostile values[] = {
    {"name", VALUE("\xa0"), EA_E_LIMIT, 0},
    {"name", VALUE("\xa2.a"), EA_E_RANGE, 0},
    {"name", VALUE("\xa2" "a/"), EA_E_RANGE, 0},
    {"name", VALUE("\xa2" "a\xff"), EA_E_UTF8, 0},
    {"name", VALUE("\xa3" "a\xc3\xa9"), EA_E_RANGE, 0},
    {"name", VALUE("\xc4\x01" "a"), EA_E_TYPE, 0},
    {"name", VALUE("\xd9\x41" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
     EA_E_LIMIT, 0},
    {"sequence", VALUE("\x00"), EA_E_RANGE, 0},
    {"sequence", VALUE("\xcf\x00\x20\0\0\0\0\0\0"), EA_E_RANGE, 0},
    {"sequence", VALUE("\xd0\x01"), EA_E_TYPE, 0},
    {"sequence", VALUE("\xc0"), EA_E_TYPE, 0},
    {"name", VALUE("\xa3" "a|b"), EA_E_RANGE, 0},
    {"meta", VALUE("\x90"), EA_E_TYPE, 0},
    {"meta", VALUE("\xde\x00\x21"), EA_E_LIMIT, 0},
    {"meta", VALUE("\x81\xa1" "a\x01"), EA_E_TYPE, 3},
    {"meta", VALUE("\x81\xa1" "\xff\xa0"), EA_E_UTF8, 1},
    {"meta", VALUE("\x82\xa1" "a\x01\xa1" "b\x01"), EA_E_TYPE, 3}, /* the first of two */
    {"explorer", VALUE("\x80"), EA_E_TYPE, 0},
    {"explorer", VALUE("\x90"), EA_E_TYPE, 0},
    {"explorer", VALUE("\x92\xa4" "argh" F64_ZERO), EA_E_UNSUPPORTED, 1},
    {"explorer", VALUE("\x93\xa6" "greedy" F64_ZERO F64_ZERO), EA_E_TYPE, 0},
    {"explorer", VALUE("\x92\xa6" "greedy\x00"), EA_E_TYPE, 8},
    {"explorer", VALUE("\x92\xa6" "greedy" F64_TWO), EA_E_RANGE, 8},
    {"explorer", VALUE("\x92\xa6" "greedy" F64_MINUS_ZERO), EA_E_RANGE, 8},
    {"explorer", VALUE("\x92\xa6" "greedy" F64_NAN), EA_E_RANGE, 8},
    {"explorer", VALUE("\x92\xa6" "greedy\xca\0\0\0\0"), EA_E_TYPE, 8},
    {"explorer", VALUE("\x92\xa8" "squarecb" F64_ZERO), EA_E_TYPE, 0},
    {"explorer", VALUE("\x93\xa7" "softmax" F64_ZERO F64_ZERO), EA_E_RANGE, 18},
    {"explorer", VALUE("\x93\xa8" "squarecb" F64_ZERO F64_MINUS_ZERO), EA_E_RANGE, 19},
    {"explorer", VALUE("\x93\xae" "epsilon_greedy" F64_ZERO F64_TWO), EA_E_RANGE, 25},
    {"features", VALUE("\x81\x01\x01"), EA_E_TYPE, 0},
    {"features", VALUE("\xdc\x01\x01"), EA_E_LIMIT, 0},
    {"features", VALUE("\x91\x90"), EA_E_TYPE, 1},
    {"features", VALUE("\x91\x93\xa3" "odd\xa1" "a\x01"), EA_E_UNSUPPORTED, 2},
    {"features", VALUE("\x91\x92\xa8" "category\xa1" "a"), EA_E_TYPE, 1},
    {"features", VALUE("\x91\x93\xa8" "category\xa0\x01"), EA_E_LIMIT, 11},
    {"features", VALUE("\x91\x93\xa8" "category\xa1" "a\x00"), EA_E_LIMIT, 13},
    {"features", VALUE("\x91\x93\xa8" "category\xa1" "a\xcd\x04\x00"), EA_E_LIMIT, 13},
    {"features", VALUE("\x91\x93\xa8" "category\xa1" "a\xcd\x03\xff"), EA_E_LIMIT, 1},
    {"features", VALUE("\x92\x93\xa7" "weights\xa1" "a\x01\x93\xa7" "weights\xa1" "a\x01"),
     EA_E_ORDER, 22},
    {"features", VALUE("\x91\x94\xa6" "vector\xa1" "a\x01" F64_ZERO), EA_E_RANGE, 12},
    {"features", VALUE("\x91\x96\xa6" "number\xa1" "a" F64_ZERO F64_ZERO F64_ONE "\xc2"),
     EA_E_RANGE, 20},
    {"features", VALUE("\x91\x96\xa6" "number\xa1" "a" F64_ZERO F64_ONE F64_ONE "\x00"), EA_E_TYPE,
     38},
    {"word_ends", VALUE("\xc4\x00"), EA_E_TYPE, 0},
    {"word_text", VALUE("\xa0"), EA_E_TYPE, 0},
    {"word_text", VALUE("\xc4\x00"), EA_E_LENGTH, 0},
    {"tower", VALUE("\x91\x01"), EA_E_UNSUPPORTED, 0},
    {"tower", VALUE("\x80"), EA_E_TYPE, 0},
    {"k", VALUE("\x0d"), EA_E_LIMIT, 0},
    {"k", VALUE("\x0f"), EA_E_LIMIT, 0},
    {"k", VALUE(F64_ONE), EA_E_TYPE, 0},
    {"title_text", VALUE("\xc4\x00"), EA_E_LENGTH, 0},
    {"artwork_text", VALUE("\xc6\xff\xff\xff\xff"), EA_E_TRUNCATED, 0},
    {"rows", VALUE("\xa3" "f64"), EA_E_KEY, 0},
    {"vectors", VALUE("\x80"), EA_E_TYPE, 0},
    {"vectors", VALUE("\xdc\x00\x41"), EA_E_LIMIT, 0},
    {"vectors", VALUE("\x91\x91\xc4\x00"), EA_E_TYPE, 1},
    {"vectors", VALUE("\x91\x92\xa0\x00"), EA_E_TYPE, 2},
    {"vectors", VALUE("\x92\x92\xa0\x00\x92\xa0\x00"), EA_E_TYPE, 2},
    {"vectors", VALUE("\x91\x92\xc4\x00\xff"), EA_E_TYPE, 4},
    {"vectors", VALUE("\x91\x92\xc4\x00\xc1"), EA_E_TYPE, 4},
    {"vectors", VALUE("\x91\x92\xc4\x00"), EA_E_TRUNCATED, 4},
};

static void hostile_values(void) {
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        recipe r = base(EA_ROWS_F32);
        buffer value = {0, 0, 0};
        put_bytes(&value, values[i].bytes, values[i].size);
        r.instead_of = values[i].key;
        r.value = &value;
        r.context_count = 0;
        buffer bundle = build_bundle(&r);
        unsigned before = test_failures;
        size_t at = key_offset(&bundle, "name"); /* walk from here: the value may be cut short */
        while (bundle.bytes[at + 1] != values[i].key[0] ||
               memcmp(bundle.bytes + at + 1, values[i].key, strlen(values[i].key)))
            at = after_value(bundle.bytes, after_value(bundle.bytes, at));
        at = after_value(bundle.bytes, at);
        refuse(&bundle, values[i].status, at + values[i].past);
        if (test_failures != before) printf("    value %zu, of %s\n", i, values[i].key);
        buffer_free(&bundle);
        buffer_free(&value);
    }
}

static void hostile_keys(void) {
    static const char *const keys[] = {"name", "meta", "k", "title_rows", "bias", "vectors"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        recipe r = base(EA_ROWS_I8);
        r.context_count = 0;
        r.instead_of = keys[i];
        r.key = "nonsense";
        buffer bundle = build_bundle(&r);
        refuse(&bundle, EA_E_KEY, key_offset(&bundle, "nonsense"));
        buffer_free(&bundle);
    }
    recipe r = base(EA_ROWS_I8);
    buffer bundle = build_bundle(&r);
    size_t body = 10; /* a map 16: 0xde, two bytes of count */
    bundle.bytes[body + 2] = 20;
    seal(&bundle);
    refuse(&bundle, EA_E_TYPE, body);
    bundle.bytes[body + 2] = 21; /* as if the rows were f32: found at `rows` */
    seal(&bundle);
    refuse(&bundle, EA_E_TYPE, body);
    buffer_free(&bundle);
}

/* One element of an array, replaced in place. */
static void refuse_bytes(const char *key, size_t at, const void *bytes, size_t size,
                         int32_t status, const char *found_in, size_t found_at, uint32_t rows) {
    recipe r = base(rows);
    buffer bundle = build_bundle(&r);
    memcpy(bundle.bytes + data_offset(&bundle, key) + at, bytes, size);
    seal(&bundle);
    unsigned before = test_failures;
    refuse(&bundle, status, data_offset(&bundle, found_in) + found_at);
    if (test_failures != before) printf("    element at %zu of %s\n", at, key);
    buffer_free(&bundle);
}

static void hostile_floats(void) {
    static const float refused[] = {-0.0f,     NAN,      INFINITY,   -INFINITY,       0x1p20f,
                                    -0x1p20f, 0x1p-51f, -0x1p-51f, 0x1p-149f, 0x1.fffffep-51f};
    static const float accepted[] = {0, 0x1p-50f, 0x1.fffffep19f};
    static const float negatives[] = {-0x1p-50f, -1};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        /* the last row's last slot: 7·stride + 13; the scales follow only i8 rows */
        refuse_bytes("weights", 4 * (7 * 16 + 13), refused + i, 4, EA_E_RANGE, "weights",
                     4 * (7 * 16 + 13), EA_ROWS_F32);
        refuse_bytes("bias", 28, refused + i, 4, EA_E_RANGE, "bias", 28, EA_ROWS_F32);
        refuse_bytes("scales", 4, refused + i, 4, EA_E_RANGE, "scales", 4, EA_ROWS_I8);
    }
    for (size_t i = 0; i < 2; i++)
        refuse_bytes("scales", 0, negatives + i, 4, EA_E_RANGE, "scales", 0, EA_ROWS_I8);
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++)
        for (int sign = 0; sign < 2; sign++) {
            float x = sign && accepted[i] > 0 ? -accepted[i] : accepted[i];
            recipe r = base(EA_ROWS_F32);
            buffer bundle = build_bundle(&r);
            uint64_t offset;
            memcpy(bundle.bytes + data_offset(&bundle, "weights"), &x, 4);
            seal(&bundle);
            CHECK_EQ(open_bytes(bundle.bytes, bundle.length, &offset), EA_OK);
            buffer_free(&bundle);
        }
}

static void hostile_arrays(void) {
    static const int8_t lowest = -128;
    static const uint8_t one = 1, bad = 0xff, e_acute[] = {0xc3};
    static const uint16_t swapped[] = {1, 2, 0}, repeated[] = {2, 2, 0}, outside[] = {2, 3, 0};
    static const uint32_t zero = 0, huge = 300, nine = 9, far = 0xffffffff;
    refuse_bytes("weights", 0, &lowest, 1, EA_E_RANGE, "weights", 0, EA_ROWS_I8);
    refuse_bytes("weights", 14, &one, 1, EA_E_PADDING, "weights", 14, EA_ROWS_I8);
    refuse_bytes("weights", 16 * 7 + 15, &lowest, 1, EA_E_PADDING, "weights", 127, EA_ROWS_I8);
    refuse_bytes("weights", 4 * 14, &one, 1, EA_E_PADDING, "weights", 4 * 14, EA_ROWS_F32);
    /* words "b", "a", "" ascend as 2, 1, 0 */
    refuse_bytes("word_order", 0, swapped, 6, EA_E_ORDER, "word_order", 2, EA_ROWS_F32);
    refuse_bytes("word_order", 0, repeated, 6, EA_E_ORDER, "word_order", 2, EA_ROWS_F32);
    refuse_bytes("word_order", 0, outside, 6, EA_E_ORDER, "word_order", 2, EA_ROWS_F32);
    refuse_bytes("word_ends", 4, &zero, 4, EA_E_ORDER, "word_ends", 4, EA_ROWS_F32);
    refuse_bytes("title_ends", 0, &zero, 4, EA_E_LIMIT, "title_ends", 0, EA_ROWS_F32);
    refuse_bytes("title_ends", 8, &huge, 4, EA_E_LIMIT, "title_ends", 8, EA_ROWS_F32);
    refuse_bytes("title_ends", 4, &far, 4, EA_E_LIMIT, "title_ends", 4, EA_ROWS_F32);
    refuse_bytes("title_hash", 15, &bad, 1, EA_E_HASH, "title_hash", 8, EA_ROWS_F32);
    refuse_bytes("title_order", 0, &far, 4, EA_E_ORDER, "title_order", 0, EA_ROWS_F32);
    refuse_bytes("title_rows", 0, &zero, 4, EA_E_LIMIT, "title_rows", 0, EA_ROWS_F32);
    refuse_bytes("title_rows", 0, &huge, 4, EA_E_LIMIT, "title_rows", 0, EA_ROWS_F32);
    refuse_bytes("title_rows", 4, &zero, 4, EA_E_ORDER, "title_rows", 4, EA_ROWS_F32);
    recipe r = base(EA_ROWS_F32);
    buffer bundle = build_bundle(&r);
    memcpy(bundle.bytes + data_offset(&bundle, "title_rows") + 8, &nine, 4);
    seal(&bundle); /* a row more than the tables have */
    refuse(&bundle, EA_E_LENGTH, value_offset(&bundle, "artwork_ends"));
    buffer_free(&bundle);

    bundle = build_bundle(&r); /* text: bin 8, two bytes of head */
    size_t text = value_offset(&bundle, "title_text") + 2;
    memcpy(bundle.bytes + text + 13, e_acute, 1); /* the last of title-1: half a letter */
    seal(&bundle);
    refuse(&bundle, EA_E_UTF8, text + 7);
    buffer_free(&bundle);

    bundle = build_bundle(&r); /* a0a1a2 a0 a0a1a2a3: the third row becomes the second */
    text = value_offset(&bundle, "artwork_text") + 2;
    bundle.bytes[text + 5] = '1';
    seal(&bundle);
    refuse(&bundle, EA_E_ORDER, text + 4);
    bundle.bytes[text + 5] = '2';
    bundle.bytes[text + 3] = '0'; /* the second the first, and more to come */
    seal(&bundle);
    refuse(&bundle, EA_E_ORDER, text + 2);
    buffer_free(&bundle);

    bundle = build_bundle(&r);
    size_t padding = value_offset(&bundle, "bias") + 5;
    REQUIRE(padding < data_offset(&bundle, "bias"));
    bundle.bytes[padding] = 1;
    seal(&bundle);
    refuse(&bundle, EA_E_PADDING, padding);
    bundle.bytes[padding] = 0;
    bundle.bytes[padding - 1]++; /* a longer payload, of which the key that follows is a part */
    seal(&bundle);
    refuse(&bundle, EA_E_LENGTH, padding - 5);
    buffer_free(&bundle);
}

static void false_vectors(void) {
    recipe r = base(EA_ROWS_I8);
    for (uint32_t wrong = 0; wrong < 2; wrong++) {
        buffer bundle = build_bundle(&r);
        size_t at = value_offset(&bundle, "vectors") + 1;
        for (uint32_t i = 0; i <= wrong; i++) at = after_value(bundle.bytes, at);
        bundle.bytes[at - 1] ^= 1; /* the last byte of its hash */
        seal(&bundle);
        fixture f = open_fixture(bundle);
        uint32_t failed = 99;
        CHECK_EQ(ea_policy_verify(f.policy, f.context, f.context_size, &failed), EA_E_VECTOR);
        CHECK_EQ(failed, wrong);
        CHECK_EQ(ea_policy_verify(f.policy, f.context, f.context_size - 1, 0), EA_E_MEMORY);
        CHECK_EQ(ea_policy_verify(f.policy, 0, 0, 0), EA_E_ARGUMENT);
        CHECK_EQ(ea_policy_verify(f.policy, f.context, f.context_size, 0), EA_E_VECTOR);
        close_fixture(&f);
    }
    buffer bundle = build_bundle(&r); /* a context that does not encode: no map */
    size_t map = value_offset(&bundle, "vectors") + 1 + 1 + 2;
    bundle.bytes[map] = 0xc0;
    seal(&bundle);
    fixture f = open_fixture(bundle);
    uint32_t failed = 99;
    CHECK_EQ(ea_policy_verify(f.policy, f.context, f.context_size, &failed), EA_E_VECTOR);
    CHECK_EQ(failed, 0);
    close_fixture(&f);
}

/* Ids that agree in length, their first and their last four bytes. */
static void similar_artworks(void) {
    static const char *const ids[] = {"abcdXefgh", "abcdYefgh", "abcdZefgh"};
    recipe r = {.title_count = 1, .each = 3, .artwork_ids = ids};
    fixture f = open_fixture(build_bundle(&r));
    CHECK_EQ(f.info.artworks, 3);
    static const char *const same[] = {"abcdXefgh", "abcdYefgh", "abcdXefgh"};
    r.artwork_ids = same;
    buffer bundle = build_bundle(&r);
    refuse(&bundle, EA_E_ORDER, value_offset(&bundle, "artwork_text") + 2 + 18);
    buffer_free(&bundle);
    close_fixture(&f);
}

/* Limits that need no large bundle to be passed: of bytes, and of rows. */
static void too_large(void) {
    recipe r = base(EA_ROWS_I8);
    fixture f = open_fixture(build_bundle(&r));
    uint64_t offset;
    CHECK_EQ(ea_policy_open(f.policy, ea_policy_size(), f.bundle.bytes, ((size_t)1 << 30) + 1,
                            &offset),
             EA_E_LIMIT); /* said before a byte behind `format` is read */
    CHECK_EQ(offset, (uint64_t)1 << 30);
    close_fixture(&f);

    enum { TITLES = (1 << 22) / 256 + 1 };
    buffer value = {0, 0, 0};
    r = (recipe){.title_count = TITLES, .each = 1};
    buffer bundle = build_bundle(&r);
    size_t at = value_offset(&bundle, "title_rows"), padding = (0 - (at + 5)) & 63;
    put_byte(&value, 0xc6);
    put_big(&value, padding + 4 * TITLES, 4);
    for (size_t i = 0; i < padding; i++) put_byte(&value, 0);
    for (uint32_t t = 1; t <= TITLES; t++) {
        uint32_t end = 256 * t;
        put_bytes(&value, &end, 4);
    }
    r.instead_of = "title_rows";
    r.value = &value;
    buffer_free(&bundle);
    bundle = build_bundle(&r);
    refuse(&bundle, EA_E_LIMIT, at + 5 + padding + 4 * (TITLES - 1));
    buffer_free(&bundle);
    buffer_free(&value);
}

/* A bundle without titles encodes and decides nothing; one at the limits opens. */
static void extremes(void) {
    fixture f = open_fixture(build_bundle(&(recipe){.rows = EA_ROWS_I8}));
    CHECK(f.info.titles == 0 && f.info.artworks == 0 && f.info.slots == 1);
    CHECK_EQ(ea_title_find(f.policy, "title-0", 7), EA_NONE);
    close_fixture(&f);
    static const recipe_feature widest[] = {
        {EA_FEATURE_WEIGHTS, "w", 1023, 0, 0, 0, 0, 0},
    };
    static const uint32_t many[] = {256, 1}, more[] = {257, 1};
    recipe r = {.features = widest, .feature_count = 1, .title_count = 2, .artworks = many};
    f = open_fixture(build_bundle(&r));
    CHECK(f.info.slots == 1024 && f.info.artworks == 257);
    close_fixture(&f);
    r.artworks = more;
    buffer bundle = build_bundle(&r);
    refuse(&bundle, EA_E_LIMIT, data_offset(&bundle, "title_rows"));
    buffer_free(&bundle);
}

static const test_case cases[] = {
    {"memory, its size and its place are checked", memory_is_checked},
    {"a failed opening leaves no policy behind", failure_empties_the_policy},
    {"frame: every cut and every flipped bit is found", frame},
    {"values outside the specification are refused where they stand", hostile_values},
    {"keys come as specified", hostile_keys},
    {"floats that are not clean are refused", hostile_floats},
    {"arrays and tables are checked element by element", hostile_arrays},
    {"artworks of similar names are told apart", similar_artworks},
    {"limits of bytes and rows", too_large},
    {"a false test vector is named", false_vectors},
    {"nothing at all, and the most there may be", extremes},
};

int main(void) {
    put_map(maps, 0);
    put_map(maps + 1, 2);
    put_text(maps + 1, "hour"), put_uint(maps + 1, 7);
    put_text(maps + 1, "country"), put_text(maps + 1, "a");
    int failed = run_tests("bundle", cases, sizeof cases / sizeof *cases);
    buffer_free(maps);
    buffer_free(maps + 1);
    return failed;
}
