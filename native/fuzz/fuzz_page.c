/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target: policies of all explorers; limits, titles, another scorer's numbers and a
   host's from any bytes. Every decision keeps the laws, whichever kernel computes it. */
#include "build.h"
#include "laws.h"
#include "test.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TITLES = 9, POLICIES = 8 };

static const uint32_t artworks[TITLES] = {1, 2, 3, 5, 8, 13, 21, 34, 256};

/* ---- the input, taken from its front; zeros where it has ended ---- */

typedef struct {
    const uint8_t *at, *end;
} input;

static uint64_t take(input *in, unsigned bytes) {
    uint64_t x = 0;
    for (unsigned i = 0; i < bytes; i++)
        if (in->at < in->end) x |= (uint64_t)*in->at++ << 8 * i;
    return x;
}

static float take_float(input *in) {
    uint32_t bits = (uint32_t)take(in, 4);
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

/* A bitmap in a block of exactly its size; for a length of 255 none. */
static uint8_t *take_bitmap(input *in, size_t *size) {
    *size = take(in, 1);
    if (*size == 255) *size = 0;
    if (*size > (size_t)(in->end - in->at)) *size = (size_t)(in->end - in->at);
    uint8_t *bits = exact_copy(in->at, *size);
    in->at += *size;
    return bits;
}

/* ---- the policies ---- */

static fixture open_policy(unsigned i) {
    static const recipe_feature x = {EA_FEATURE_VECTOR, "x", 5, 0, 0, 0, 1000, 0};
    static const char *const attributes[] = {"kids", "de", "fr"};
    static const recipe_cell cells[] = {
        {"hold", .2, EA_EXPLORER_FIXED, .01, 0},
        {"even", .2, EA_EXPLORER_UNIFORM, 0, 0},
        {"bold", .2, EA_EXPLORER_UCB, 0, 2},
    };
    static const recipe_layer layers[] = {{EA_ACTIVATION_TANH, 19, EA_ROWS_I8, 0, 0, 0}};
    static const struct {
        uint32_t explorer;
        double floor, parameter;
    } kinds[POLICIES] = {
        {EA_EXPLORER_FIXED, .05, 0},     {EA_EXPLORER_UNIFORM, 0, 0},
        {EA_EXPLORER_GREEDY, 0, 0},      {EA_EXPLORER_EPSILON_GREEDY, .01, .3},
        {EA_EXPLORER_SOFTMAX, 0, .05},   {EA_EXPLORER_SQUARECB, .001, 100},
        {EA_EXPLORER_THOMPSON, 0, 1},    {EA_EXPLORER_UCB, .01, 3},
    };
    int certain = i < 3;
    return open_fixture(build_bundle(&(recipe){
        .explorer = kinds[i].explorer, .floor = kinds[i].floor, .parameter = kinds[i].parameter,
        .features = &x, .feature_count = 1, .title_count = TITLES, .artworks = artworks,
        .rows = i % 2 ? EA_ROWS_I8 : EA_ROWS_F32, .seed = i, .attributes = attributes,
        .attribute_count = i % 4 ? 3 : 0, .cells = cells,
        .cell_count = certain ? i : 3, .layers = layers, .layer_count = i % 3 == 2,
        .scaled = i >= 4, .variance = certain ? EA_VARIANCE_NONE : EA_VARIANCE_E5M3}));
}

static const char *set_vector(fixture *f, input *in, uint64_t *unit) {
    float x[5];
    for (unsigned i = 0; i < 5; i++) x[i] = take_float(in);
    buffer map = vector_map(x, 5);
    uint64_t seed = take(in, 2);
    *unit = take(in, 2);
    int32_t status = ea_context_encode(f->policy, f->context, f->context_size, map.bytes,
                                       map.length, seed, *unit, 0);
    buffer_free(&map);
    return status ? "a vector of any numbers is encoded" : 0;
}

/* Numbers that may be anything, in blocks of exactly their size: a decision, or a refusal. */
static const char *scored(const fixture *f, input *in, uint32_t title, const ea_limits *limits) {
    uint32_t count = artworks[title], first, numbers = 1;
    float *s = block(count * sizeof *s), *v = block(count * sizeof *v);
    uint32_t *n = block(count * sizeof *n);
    ea_explorer e = {sizeof e, (uint32_t)take(in, 1) % 90, 0, 0};
    ea_decision d;
    const char *wrong = 0;
    for (uint32_t i = 0; i < count; i++) {
        s[i] = take_float(in);
        v[i] = take_float(in);
        numbers &= fabsf(s[i]) <= 0x1p50f;
    }
    e.floor = (double)take_float(in);
    e.parameter = (double)take_float(in);
    int32_t status = ea_select_scored(f->policy, f->context, title, s, v, limits, &d);
    if (ea_title_info(f->policy, title, 0, &first, 0)) wrong = "a title has rows";
    else if (status != EA_OK && status != EA_E_RANGE) wrong = "numbers are in range or not";
    else if (!status && !numbers) wrong = "numbers out of range are refused";
    else if (!status && d.row != EA_NONE &&
             (d.row < first || d.row >= first + count || !d.n || !d.total || d.n > d.total ||
              !is_eligible(f->policy, limits, d.row) || is_denied_row(limits, d.row)))
        wrong = "what is chosen may be chosen";
    status = ea_explore(&e, s, v, count, n);
    uint64_t sum = 0;
    for (uint32_t i = 0; !status && i < count; i++) sum += n[i];
    if (!status && sum != EA_TOTAL) wrong = "integers add up to 2^31";
    free(s);
    free(v);
    free(n);
    return wrong;
}

static const char *pages(const fixture *f, input *in, uint64_t unit, const ea_limits *limits) {
    uint32_t count = (uint32_t)take(in, 1) % 40, *titles = block(count * sizeof *titles);
    ea_decision *page = block(count * sizeof *page), single;
    const char *wrong = 0;
    uint32_t end = count;
    for (uint32_t i = 0; i < count; i++) {
        titles[i] = (uint32_t)take(in, 1) % 12;
        if (titles[i] == 11) titles[i] = EA_NONE;
        else if (titles[i] >= TITLES && end == count) end = i;
    }
    int32_t status = ea_select_page(f->policy, f->context, titles, count, limits, page);
    if (status != (end < count ? EA_E_TITLE : EA_OK)) wrong = "a page has titles that are there";
    for (uint32_t i = 0; i < end && !wrong; i++) {
        if (ea_select(f->policy, f->context, titles[i], limits, &single) ||
            memcmp(&single, page + i, sizeof single))
            wrong = "a page is its titles";
        else if (titles[i] != EA_NONE)
            wrong = breaks_a_law(f->policy, f->context, unit, titles[i], limits);
    }
    free(titles);
    free(page);
    return wrong;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fixture policies[POLICIES];
    static const uint32_t kernels[] = {0, EA_KERNEL_PORTABLE, EA_KERNEL_128, EA_KERNEL_AVX2};
    input in = {data, data + size};
    unsigned which = (unsigned)take(&in, 1);
    fixture *f = policies + which % POLICIES;
    uint64_t unit;
    if (!f->policy) *f = open_policy(which % POLICIES);
    ea_policy_use(f->policy, kernels[which / POLICIES % 4]); /* what there is not is not taken */
    const char *wrong = set_vector(f, &in, &unit);
    ea_limits limits = {.struct_size = sizeof limits};
    uint8_t *denied = take_bitmap(&in, &limits.denied_size);
    uint8_t *excluded = take_bitmap(&in, &limits.excluded_size);
    limits.denied = denied;
    limits.excluded = excluded;
    limits.required = (uint32_t)take(&in, 1);
    limits.forbidden = (uint32_t)take(&in, 1);
    uint32_t title = (uint32_t)take(&in, 1) % TITLES;
    if (!wrong) wrong = pages(f, &in, unit, which & 128 ? 0 : &limits);
    if (!wrong) wrong = scored(f, &in, title, &limits);
    free(denied);
    free(excluded);
    if (!wrong) return 0;
    printf("does not hold: %s\n", wrong);
    abort();
}
