/* SPDX-License-Identifier: Apache-2.0 */
/* The largest counts there may be: where size_t has 32 bits, a product of two of them wraps. */
#include "build.h"
#include "test.h"

enum { TITLES = 1 << 14, EACH = 256 };

/* A bundle of 2^22 rows of `slots` weights whose array of weights holds nothing at all. */
static buffer without_weights(uint32_t rows, uint32_t slots) {
    recipe_feature x = {EA_FEATURE_VECTOR, "x", slots - 1, 0, 0, 0, 16, 0};
    buffer value = {0, 0, 0};
    put_byte(&value, 0xc6);
    put_big(&value, 0, 4);
    recipe r = {.features = &x, .feature_count = 1, .title_count = TITLES, .each = EACH,
                .rows = rows, .instead_of = "weights", .value = &value};
    buffer bundle = build_bundle(&r);
    size_t padding = (0 - (value_offset(&bundle, "weights") + 5)) & 63;
    value.bytes[4] = (uint8_t)padding; /* once more, with the padding that its place asks for */
    for (size_t i = 0; i < padding; i++) put_byte(&value, 0);
    buffer_free(&bundle);
    bundle = build_bundle(&r);
    buffer_free(&value);
    return bundle;
}

static void products_do_not_wrap(void) {
    static const struct {
        uint32_t rows, slots; /* a row of 1,024 bytes: 2^22 of them are 2^32 bytes */
    } wide[] = {{EA_ROWS_F32, 256}, {EA_ROWS_I8, 1024}};
    for (unsigned i = 0; i < 2; i++) {
        buffer bundle = without_weights(wide[i].rows, wide[i].slots);
        void *memory = 0;
        uint64_t offset = 0;
        REQUIRE(posix_memalign(&memory, 16, ea_policy_size()) == 0);
        CHECK_EQ(ea_policy_open(memory, ea_policy_size(), bundle.bytes, bundle.length, &offset),
                 EA_E_LENGTH);
        CHECK_EQ(offset, value_offset(&bundle, "weights"));
        free(memory);
        buffer_free(&bundle);
    }
}

static const test_case cases[] = {
    {"weights are asked for even where their size wraps to nothing", products_do_not_wrap},
};

MAIN("large", cases)
