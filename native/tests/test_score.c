/* SPDX-License-Identifier: Apache-2.0 */
/* Scores: the order of operations of decision.md §4, to the bit, for every length of row. */
#include "build.h"
#include "test.h"

#include <math.h>

enum { ROWS = 24 };

/* §4 read once more: lanes in an array, the tree written out. */
static float expected_f32(const float *u, const float *w, uint32_t k, float bias) {
    volatile float a[8] = {0, 0, 0, 0, 0, 0, 0, 0}, product;
    for (uint32_t i = 0; i < k; i++) {
        product = u[i] * w[i];
        a[i % 8] = a[i % 8] + product;
    }
    volatile float b[4];
    for (unsigned i = 0; i < 4; i++) b[i] = a[i] + a[i + 4];
    volatile float even = b[0] + b[2], odd = b[1] + b[3], sum = even + odd;
    return sum + bias;
}

static float expected_i8(const float *u, const int8_t *codes, uint32_t k, float scale,
                         float bias) {
    volatile float most = 0;
    for (uint32_t i = 0; i < k; i++)
        if (fabsf(u[i]) > most) most = fabsf(u[i]);
    volatile float sigma = most / 127.0f, step = sigma * scale, quotient;
    long sum = 0;
    for (uint32_t i = 0; i < k; i++) {
        quotient = u[i] / sigma;
        sum += lrintf(quotient) * codes[i];
    }
    volatile float product = (float)sum * step;
    return product + bias;
}

static void equals_the_order(void) {
    uint64_t state = 7;
    for (uint32_t slots = 2; slots <= 68; slots += slots < 36 ? 1 : 8) {
        for (uint32_t rows = 0; rows <= EA_ROWS_I8; rows += EA_ROWS_I8) {
            recipe_feature x = {EA_FEATURE_VECTOR, "x", slots - 1, 0, 0, 0, 0x1p19, 0};
            fixture f = open_fixture(build_bundle(&(recipe){
                .features = &x, .feature_count = 1, .title_count = 3, .each = ROWS / 3,
                .rows = rows, .seed = slots}));
            for (unsigned trial = 0; trial < 20; trial++) {
                float numbers[80], u[80], scores[ROWS], sigma;
                int8_t q[80];
                for (uint32_t i = 0; i < slots; i++) /* of many magnitudes, some zero */
                    numbers[i] = (float)(ldexp(2 * random_unit(&state) - 1,
                                               (int)random_below(&state, 12) - 6) *
                                         (random_below(&state, 5) != 0));
                buffer map = vector_map(numbers, slots - 1);
                set_context(&f, &map, trial);
                buffer_free(&map);
                CHECK_EQ(ea_context_vector(f.policy, f.context, u, 80, q, &sigma), EA_OK);
                CHECK_EQ(ea_scores(f.policy, f.context, scores, ROWS), EA_OK);
                CHECK_EQ(ea_scores(f.policy, f.context, scores, ROWS - 1), EA_E_CAPACITY);
                const uint8_t *data = f.bundle.bytes + data_offset(&f.bundle, "weights");
                const float *bias =
                    (const void *)(f.bundle.bytes + data_offset(&f.bundle, "bias"));
                uint32_t stride = rows == EA_ROWS_I8 ? (slots + 15) / 16 * 16 : (slots + 7) / 8 * 8;
                for (uint32_t r = 0; r < ROWS; r++) {
                    if (rows == EA_ROWS_I8) {
                        const float *scales =
                            (const void *)(f.bundle.bytes + data_offset(&f.bundle, "scales"));
                        CHECK(scores[r] == expected_i8(u, (const int8_t *)data + r * stride,
                                                       slots, scales[r], bias[r]));
                    } else {
                        const float *row = (const void *)(data + 4 * r * stride);
                        CHECK(scores[r] == expected_f32(u, row, slots, bias[r]));
                    }
                }
                if (rows == EA_ROWS_F32) CHECK(sigma == 0 && q[0] == 0);
                else CHECK(sigma > 0);
            }
            close_fixture(&f);
        }
    }
}

/* Quantised values are the nearest, ties to even: with a largest of 127 each u is its own q. */
static void rounds_to_even(void) {
    recipe_feature x = {EA_FEATURE_VECTOR, "x", 7, 0, 0, 0, 1024, 0};
    fixture f = open_fixture(build_bundle(&(recipe){
        .features = &x, .feature_count = 1, .title_count = 1, .each = 1, .rows = EA_ROWS_I8}));
    static const float given[] = {127, .5f, 1.5f, 2.5f, -.5f, -3.5f, -126.5f};
    static const int8_t wanted[] = {127, 0, 2, 2, 0, -4, -126, 1};
    buffer map = vector_map(given, 7);
    float u[8], sigma;
    int8_t q[8];
    set_context(&f, &map, 0);
    CHECK_EQ(ea_context_vector(f.policy, f.context, u, 8, q, &sigma), EA_OK);
    CHECK(sigma == 1);
    for (unsigned i = 0; i < 8; i++) CHECK_EQ(q[i], wanted[i]);
    buffer_free(&map);
    close_fixture(&f);
}

/* The largest sums there can be stay exact and finite. */
static void extremes_hold(void) {
    static float weights[1024], numbers[1023], bias = 0x1.fffffep19f;
    for (unsigned i = 0; i < 1024; i++) weights[i] = 0x1.fffffep19f;
    for (unsigned i = 0; i < 1023; i++) numbers[i] = 0x1p19f;
    recipe_feature x = {EA_FEATURE_VECTOR, "x", 1023, 0, 0, 0, 0x1p19, 0};
    for (uint32_t rows = 0; rows <= EA_ROWS_I8; rows += EA_ROWS_I8) {
        fixture f = open_fixture(build_bundle(&(recipe){
            .features = &x, .feature_count = 1, .title_count = 1, .each = 1, .rows = rows,
            .weights = weights, .bias = &bias}));
        buffer map = vector_map(numbers, 1023);
        float score;
        set_context(&f, &map, 0);
        CHECK_EQ(ea_scores(f.policy, f.context, &score, 1), EA_OK);
        CHECK(score > 0x1p48f && score < 0x1p50f);
        buffer_free(&map);
        close_fixture(&f);
    }
}

static const test_case cases[] = {
    {"scores follow the specified order of operations", equals_the_order},
    {"quantisation rounds ties to even", rounds_to_even},
    {"the largest contexts and weights stay finite", extremes_hold},
};

MAIN("score", cases)
