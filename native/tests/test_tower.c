/* SPDX-License-Identifier: Apache-2.0 */
/* The tower: from slots to u in the order of decision.md §4.1, and what rests on u. */
#include "build.h"
#include "test.h"

#include <math.h>

enum { MOST = 1024, ROWS = 12 };

/* ---- §4.1 read once more ---- */

static float tiny(float x) {
    return fabsf(x) < 0x1p-50f ? 0 : x;
}

/* The volatile steps keep the compiler from contracting what is two roundings. */
static double expected_exp(double x) {
    volatile double product, r, p = 1 / 6227020800.0;
    double factorial[14] = {1};
    if (x < -64) return 0;
    for (int j = 1; j < 14; j++) factorial[j] = factorial[j - 1] * j;
    product = x * 1.4426950408889634;
    int k = (int)(product - 0.5);
    product = k * 0x1.62e42fee00000p-1;
    r = x - product;
    product = k * 0x1.a39ef35793c76p-33;
    r = r - product;
    for (int j = 12; j >= 0; j--) {
        product = p * r;
        p = product + 1 / factorial[j];
    }
    return ldexp(p, k);
}

static float expected_tanh(float y) {
    double v = fabs((double)y);
    volatile double t, product;
    if (v < 0x1p-6) {
        volatile double s = v * v;
        product = s * (2.0 / 15);
        product = s * (1.0 / 3 - product);
        t = v * (1 - product);
    } else {
        volatile double e = expected_exp(-(v + v));
        t = (1 - e) / (1 + e);
    }
    return y < 0 ? -(float)t : (float)t;
}

/* One layer, its arrays found in the bundle's bytes: the element after its head. */
static const uint8_t *array_at(const buffer *bundle, size_t *at) {
    size_t data = (*at + 5 + 63) / 64 * 64;
    REQUIRE(bundle->bytes[*at] == 0xc6);
    *at = after_value(bundle->bytes, *at);
    return bundle->bytes + data;
}

static size_t expected_layer(const buffer *bundle, size_t at, const recipe_layer *layer,
                             uint32_t inputs, const float *x, float *y) {
    int small = layer->rows == EA_ROWS_I8;
    uint32_t m = layer->outputs, stride = small ? (m + 15) / 16 * 16 : (m + 7) / 8 * 8;
    for (unsigned i = 0; i < 3; i++) at = after_value(bundle->bytes, at + (i == 0));
    const uint8_t *weights = array_at(bundle, &at);
    const float *scales = small ? (const void *)array_at(bundle, &at) : 0;
    const float *bias = (const void *)array_at(bundle, &at);
    for (uint32_t o = 0; o < m; o++) {
        volatile float a = 0, product;
        for (uint32_t i = 0; i < inputs; i++) {
            size_t index = (size_t)i * stride + o;
            float w = small ? (float)((const int8_t *)weights)[index]
                            : ((const float *)(const void *)weights)[index];
            product = x[i] * w;
            a = a + product;
        }
        if (small) a = a * scales[o];
        a = a + bias[o];
        float z = fmaxf(fminf(a, 0x1p19f), -0x1p19f);
        if (layer->activation == EA_ACTIVATION_RELU) z = z > 0 ? z : 0;
        if (layer->activation == EA_ACTIVATION_TANH) z = expected_tanh(z);
        y[o] = tiny(z);
    }
    return at;
}

/* u as the specification has it, from the bytes of the bundle and the slots. */
static void expect_u(const fixture *f, const recipe *r, float *u) {
    float slots[MOST], next[MOST];
    uint32_t inputs = f->info.slots;
    size_t at = value_offset(&f->bundle, "tower") + 1;
    REQUIRE(ea_context_vector(f->policy, f->context, slots, MOST, 0, 0) == EA_OK);
    memcpy(u, slots, inputs * sizeof *u);
    for (uint32_t i = 0; i < r->layer_count; i++) {
        at = expected_layer(&f->bundle, at, r->layers + i, inputs, u, next);
        inputs = r->layers[i].outputs;
        memcpy(u, next, inputs * sizeof *u);
    }
}

/* ---- tests ---- */

static buffer random_map(uint64_t *state, uint32_t length, int range) {
    float numbers[MOST];
    for (uint32_t i = 0; i < length; i++)
        numbers[i] = random_below(state, 3)
                         ? (float)ldexp(2 * random_unit(state) - 1,
                                        (int)random_below(state, (uint32_t)range) - range / 2)
                         : 0;
    return vector_map(numbers, length);
}

static void equals_the_order(void) {
    static const uint32_t widths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 40};
    uint64_t state = 60;
    for (unsigned trial = 0; trial < 150 / TEST_REDUCE + 20; trial++) {
        recipe_layer layers[8];
        uint32_t count = 1 + random_below(&state, 4);
        for (uint32_t i = 0; i < count; i++)
            layers[i] = (recipe_layer){.activation = 10 * random_below(&state, 3),
                                       .outputs = widths[random_below(&state, 11)],
                                       .rows = 10 * random_below(&state, 2)};
        recipe_feature x = {EA_FEATURE_VECTOR, "x", 1 + random_below(&state, 40), 0,
                            0, 0, 0x1p19, 0};
        recipe r = {.features = &x, .feature_count = 1, .layers = layers, .layer_count = count,
                    .title_count = 3, .each = ROWS / 3, .rows = 10 * (trial % 2),
                    .seed = 61 + trial};
        fixture f = open_fixture(build_bundle(&r));
        CHECK_EQ(f.info.layers, count);
        CHECK_EQ(f.info.k, layers[count - 1].outputs);
        CHECK_EQ(f.info.slots, x.length + 1);
        for (unsigned i = 0; i < 5; i++) {
            float wanted[MOST], u[MOST];
            buffer map = random_map(&state, x.length, i == 4 ? 44 : 10);
            set_context(&f, &map, i);
            buffer_free(&map);
            expect_u(&f, &r, wanted);
            CHECK_EQ(ea_context_u(f.policy, f.context, u, f.info.k), EA_OK);
            CHECK(!memcmp(u, wanted, f.info.k * sizeof *u));
        }
        close_fixture(&f);
    }
}

/* One slot and the intercept, one layer of one output: y = slot·w + bias. */
static fixture single(uint32_t activation, float weight, float bias, uint32_t rows) {
    static const recipe_feature x = {EA_FEATURE_VECTOR, "x", 1, 0, 0, 0, 0x1p19, 0};
    float weights[2] = {weight, 0}, one = 1;
    recipe_layer layer = {activation, 1, EA_ROWS_F32, weights, 0, &bias};
    return open_fixture(build_bundle(&(recipe){
        .features = &x, .feature_count = 1, .layers = &layer, .layer_count = 1, .title_count = 1,
        .each = 2, .rows = rows, .weights = (float[]){1, -1}, .bias = &(float[]){0, 0}[0],
        .variance = EA_VARIANCE_E5M3, .explorer = EA_EXPLORER_THOMPSON, .parameter = (double)one,
        .seed = 1}));
}

static float output(fixture *f, float x) {
    buffer map = vector_map(&x, 1);
    float u;
    set_context(f, &map, 0);
    buffer_free(&map);
    REQUIRE(ea_context_u(f->policy, f->context, &u, 1) == EA_OK);
    return u;
}

static void activations(void) {
    fixture identity = single(EA_ACTIVATION_IDENTITY, 0x1p19f, 0, EA_ROWS_F32);
    fixture relu = single(EA_ACTIVATION_RELU, 1, 0, EA_ROWS_F32);
    fixture tanh_ = single(EA_ACTIVATION_TANH, 1, 0, EA_ROWS_F32);
    fixture small = single(EA_ACTIVATION_IDENTITY, 0x1p-30f, 0, EA_ROWS_F32);
    CHECK(output(&identity, 0x1p19f) == 0x1p19f && output(&identity, -0x1p19f) == -0x1p19f);
    CHECK(output(&identity, 0.5f) == 0x1p18f);
    CHECK(output(&relu, 3) == 3 && output(&relu, -3) == 0 && !signbit(output(&relu, -3)));
    CHECK(output(&small, 0x1p-20f) == 0x1p-50f);
    float below = output(&small, 0x1.fffffep-21f);
    CHECK(below == 0 && !signbit(below));
    below = output(&small, -0x1.fffffep-21f);
    CHECK(below == 0 && !signbit(below));
    uint64_t state = 62;
    for (unsigned i = 0; i < 20000 / TEST_REDUCE; i++) {
        float y = (float)ldexp(2 * random_unit(&state) - 1, (int)random_below(&state, 60) - 45);
        float found = output(&tanh_, y);
        CHECK(found == tiny(expected_tanh(tiny(y))));
        CHECK(fabs((double)found - tanh((double)tiny(y))) <= 1e-7 * fabs(tanh((double)y)));
        CHECK(output(&tanh_, -y) == -found);
    }
    CHECK(output(&tanh_, 100) == 1 && output(&tanh_, -0x1p19f) == -1);
    CHECK(output(&tanh_, 0x1p-6f) > output(&tanh_, 0x1.fffffep-7f)); /* where two formulas meet */
    close_fixture(&identity);
    close_fixture(&relu);
    close_fixture(&tanh_);
    close_fixture(&small);
}

/* A tower can come to nothing at all: then scores are biases and nothing is uncertain. */
static void all_zero(void) {
    for (uint32_t rows = 0; rows <= EA_ROWS_I8; rows += EA_ROWS_I8) {
        fixture f = single(EA_ACTIVATION_RELU, 1, 0, rows);
        CHECK(output(&f, -1) == 0);
        float scores[2], variances[2], sigma = 9;
        int8_t code = 9;
        ea_candidate c[2];
        CHECK_EQ(ea_context_vector(f.policy, f.context, (float[2]){0}, 2, &code, &sigma), EA_OK);
        CHECK(sigma == 0 && code == 0);
        CHECK_EQ(ea_scores(f.policy, f.context, scores, 2), EA_OK);
        CHECK_EQ(ea_variances(f.policy, f.context, variances, 2), EA_OK);
        CHECK(scores[0] == 0 && scores[1] == 0 && variances[0] == 0 && variances[1] == 0);
        CHECK_EQ(ea_propensities(f.policy, f.context, 0, 0, c, 2, 0, 0), EA_OK);
        CHECK(c[0].n == EA_TOTAL && c[1].n == 0); /* as greedy, the lowest of equals */
        close_fixture(&f);
    }
}

static void says_what_it_is(void) {
    static const recipe_feature x = {EA_FEATURE_VECTOR, "x", 5, 0, 0, 0, 16, 0};
    static const recipe_layer layers[] = {
        {EA_ACTIVATION_TANH, 33, EA_ROWS_I8, 0, 0, 0},
        {EA_ACTIVATION_IDENTITY, 3, EA_ROWS_F32, 0, 0, 0},
    };
    recipe r = {.features = &x, .feature_count = 1, .layers = layers, .layer_count = 2,
                .title_count = 1, .each = 2};
    fixture f = open_fixture(build_bundle(&r));
    ea_layer layer = {.struct_size = sizeof layer, .reserved = 7};
    CHECK_EQ(ea_policy_layer(f.policy, 0, &layer), EA_OK);
    CHECK(layer.activation == EA_ACTIVATION_TANH && layer.inputs == 6 && layer.outputs == 33);
    CHECK(layer.rows == EA_ROWS_I8 && layer.reserved == 0);
    CHECK_EQ(ea_policy_layer(f.policy, 1, &layer), EA_OK);
    CHECK(layer.activation == EA_ACTIVATION_IDENTITY && layer.inputs == 33);
    CHECK(layer.outputs == 3 && layer.rows == EA_ROWS_F32);
    CHECK_EQ(ea_policy_layer(f.policy, 2, &layer), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_layer(f.policy, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_layer(0, 0, &layer), EA_E_ARGUMENT);
    layer.struct_size = sizeof layer - 1;
    CHECK_EQ(ea_policy_layer(f.policy, 0, &layer), EA_E_ARGUMENT);
    float u[6], numbers[5] = {0, 0, 0, 0, 1};
    CHECK_EQ(ea_context_u(f.policy, f.context, u, 3), EA_E_FOREIGN); /* not yet encoded */
    buffer map = vector_map(numbers, 5);
    set_context(&f, &map, 0);
    CHECK_EQ(ea_context_u(f.policy, f.context, u, 2), EA_E_CAPACITY);
    CHECK_EQ(ea_context_u(f.policy, f.context, 0, 3), EA_E_ARGUMENT);
    CHECK_EQ(ea_context_u(0, f.context, u, 3), EA_E_ARGUMENT);
    CHECK_EQ(ea_context_u(f.policy, f.context, u, 3), EA_OK);
    CHECK_EQ(ea_context_vector(f.policy, f.context, u, 6, 0, 0), EA_OK); /* the slots are kept */
    CHECK(u[4] == 1 && u[5] == 1 && u[0] == 0);
    close_fixture(&f);
    r.layer_count = 0;
    f = open_fixture(build_bundle(&r));
    set_context(&f, &map, 0);
    CHECK_EQ(ea_context_u(f.policy, f.context, u, 6), EA_OK); /* without a tower they are u */
    CHECK(u[4] == 1 && u[5] == 1 && u[0] == 0);
    buffer_free(&map);
    close_fixture(&f);
}

/* Eight layers of 1,024: the most there may be. */
static void widest(void) {
    static const recipe_feature x = {EA_FEATURE_VECTOR, "x", 1023, 0, 0, 0, 0x1p19, 0};
    recipe_layer layers[8];
    for (unsigned i = 0; i < 8; i++)
        layers[i] = (recipe_layer){.activation = 10 * (i % 3), .outputs = 1024,
                                   .rows = EA_ROWS_I8};
    recipe r = {.features = &x, .feature_count = 1, .layers = layers, .layer_count = 8,
                .title_count = 1, .each = 2, .seed = 65};
    fixture f = open_fixture(build_bundle(&r));
    uint64_t state = 66;
    float u[MOST], wanted[MOST];
    buffer map = random_map(&state, 1023, 38);
    set_context(&f, &map, 0);
    buffer_free(&map);
    expect_u(&f, &r, wanted);
    CHECK_EQ(ea_context_u(f.policy, f.context, u, 1024), EA_OK);
    CHECK(!memcmp(u, wanted, sizeof u));
    close_fixture(&f);
}

/* sᵢ = tiny(uᵢ·uᵢ), eight lanes over the codes' numbers, times the factor: §4.3. */
static void variances_follow_the_order(void) {
    uint64_t state = 67;
    for (uint32_t k = 2; k <= 40; k += 3) {
        recipe_feature x = {EA_FEATURE_VECTOR, "x", k - 1, 0, 0, 0, 0x1p19, 0};
        recipe r = {.features = &x, .feature_count = 1, .title_count = 3, .each = ROWS / 3,
                    .rows = 10 * (k % 2), .variance = EA_VARIANCE_E5M3, .seed = k,
                    .variance_scale = k % 4 ? 0x1.8p-3f : 0x1p-50f};
        fixture f = open_fixture(build_bundle(&r));
        const uint8_t *codes = f.bundle.bytes + data_offset(&f.bundle, "variance_codes");
        uint32_t stride = (k + 15) / 16 * 16;
        for (unsigned trial = 0; trial < 20; trial++) {
            float u[64], found[ROWS], row[64];
            buffer map = random_map(&state, k - 1, 60);
            set_context(&f, &map, 0);
            buffer_free(&map);
            CHECK_EQ(ea_context_u(f.policy, f.context, u, 64), EA_OK);
            CHECK_EQ(ea_variances(f.policy, f.context, found, ROWS), EA_OK);
            for (uint32_t i = 0; i < ROWS; i++) {
                volatile float a[8] = {0, 0, 0, 0, 0, 0, 0, 0}, product, b[4];
                for (uint32_t j = 0; j < k; j++) {
                    uint8_t c = codes[i * stride + j];
                    float v = c ? (float)ldexp(1 + (c % 8) / 8.0, c / 8 - 31) : 0;
                    float square = u[j] * u[j];
                    product = tiny(square) * v;
                    a[j % 8] = a[j % 8] + product;
                    row[j] = v * r.variance_scale;
                }
                for (unsigned l = 0; l < 4; l++) b[l] = a[l] + a[l + 4];
                volatile float even = b[0] + b[2], odd = b[1] + b[3], sum = even + odd;
                CHECK(found[i] == tiny(sum * r.variance_scale));
                float own[64];
                CHECK_EQ(ea_row_variances(f.policy, i, own, k), EA_OK);
                CHECK(!memcmp(own, row, k * sizeof *row));
            }
        }
        float out[64];
        CHECK_EQ(ea_variances(f.policy, f.context, out, ROWS - 1), EA_E_CAPACITY);
        CHECK_EQ(ea_variances(f.policy, f.context, 0, ROWS), EA_E_ARGUMENT);
        CHECK_EQ(ea_variances(f.policy, 0, out, ROWS), EA_E_ARGUMENT);
        CHECK_EQ(ea_row_variances(f.policy, 0, out, k - 1), EA_E_CAPACITY);
        CHECK_EQ(ea_row_variances(f.policy, ROWS, out, k), EA_E_ARGUMENT);
        CHECK_EQ(ea_row_variances(f.policy, 0, 0, k), EA_E_ARGUMENT);
        CHECK_EQ(ea_row_variances(0, 0, out, k), EA_E_ARGUMENT);
        close_fixture(&f);
    }
}

static void no_variances(void) {
    static const recipe_feature x = {EA_FEATURE_VECTOR, "x", 5, 0, 0, 0, 16, 0};
    fixture f = open_fixture(build_bundle(&(recipe){.features = &x, .feature_count = 1,
                                                    .title_count = 2, .each = 2, .seed = 1}));
    float numbers[5] = {1, 2, 3, 4, 5}, out[6] = {9, 9, 9, 9, 9, 9};
    buffer map = vector_map(numbers, 5);
    set_context(&f, &map, 0);
    buffer_free(&map);
    CHECK_EQ(ea_variances(f.policy, f.context, out, 4), EA_OK);
    CHECK(out[0] == 0 && out[3] == 0 && out[4] == 9);
    for (uint32_t row = 0; row < 4; row++) {
        out[0] = out[5] = 9;
        CHECK_EQ(ea_row_variances(f.policy, row, out, 6), EA_OK);
        CHECK(out[0] == 0 && out[5] == 0);
    }
    close_fixture(&f);
}

static const test_case cases[] = {
    {"layers follow the specified order of operations", equals_the_order},
    {"activations are bounded, tiny outputs are 0, tanh is tanh", activations},
    {"a vector of zeros scores biases, without uncertainty", all_zero},
    {"layers are described, u and slots can be had", says_what_it_is},
    {"the widest tower there may be", widest},
    {"variances follow the specified order of operations", variances_follow_the_order},
    {"a policy without variances has zeros", no_variances},
};

MAIN("tower", cases)
