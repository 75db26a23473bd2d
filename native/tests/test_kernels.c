/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel that this processor has, by name, against the portable one: the same bits. */
#include "../src/kernel.h"
#include "build.h"
#include "test.h"

#include <math.h>

enum { MOST_TITLES = 40 };

static const uint32_t names[] = {EA_KERNEL_PORTABLE, EA_KERNEL_128, EA_KERNEL_AVX2};
static const uint32_t explorers[] = {
    EA_EXPLORER_FIXED,   EA_EXPLORER_UNIFORM,  EA_EXPLORER_GREEDY,   EA_EXPLORER_EPSILON_GREEDY,
    EA_EXPLORER_SOFTMAX, EA_EXPLORER_SQUARECB, EA_EXPLORER_THOMPSON, EA_EXPLORER_UCB,
};

/* The kernels besides the portable one. */
static unsigned others(const ea__kernel *found[3]) {
    unsigned count = 0;
    for (size_t i = 1; i < sizeof names / sizeof *names; i++)
        if ((found[count] = ea__kernel_named(names[i]))) count++;
    return count;
}

typedef struct {
    uint32_t artworks[MOST_TITLES], titles;
    uint32_t page[3 * EA__DRAWS], count;
    uint8_t excluded[2 * MOST_TITLES], denied[2 * MOST_TITLES];
} shape;

static fixture random_policy(shape *s, uint64_t *state, uint32_t trial) {
    static const uint32_t lengths[] = {3, 15, 16, 31, 40, 47, 100};
    uint32_t length = lengths[random_below(state, 7)];
    recipe_feature x = {EA_FEATURE_VECTOR, "x", length, 0, 0, 0, 16, 0};
    recipe_layer layer = {EA_ACTIVATION_TANH, 1 + random_below(state, 40), EA_ROWS_I8, 0, 0, 0};
    uint32_t kind = explorers[trial % 8];
    int has_parameter = kind >= EA_EXPLORER_EPSILON_GREEDY;
    s->titles = 1 + random_below(state, MOST_TITLES);
    for (uint32_t t = 0; t < s->titles; t++)
        s->artworks[t] = random_below(state, 8) ? 1 + random_below(state, 20)
                                                : 1 + random_below(state, EA_MAX_CANDIDATES);
    fixture f = open_fixture(build_bundle(&(recipe){
        .explorer = kind, .floor = random_below(state, 2) ? 0 : .3 * random_unit(state),
        .parameter = has_parameter ? .5 * random_unit(state) + .01 : 0, .features = &x,
        .feature_count = 1, .title_count = s->titles, .artworks = s->artworks,
        .rows = random_below(state, 2) ? EA_ROWS_I8 : EA_ROWS_F32, .seed = trial + 1,
        .layers = &layer, .layer_count = random_below(state, 2),
        .scaled = kind >= EA_EXPLORER_SOFTMAX && random_below(state, 2),
        .variance = EA_VARIANCE_E5M3, .variance_scale = .02f}));
    s->count = random_below(state, 3 * EA__DRAWS + 1);
    for (uint32_t i = 0; i < s->count; i++)
        s->page[i] = random_below(state, 9) ? random_below(state, s->titles) : EA_NONE;
    for (size_t i = 0; i < sizeof s->denied; i++) {
        s->denied[i] = (uint8_t)(next_random(state) & next_random(state));
        s->excluded[i] = (uint8_t)(next_random(state) & next_random(state));
    }
    return f;
}

/* All that a policy computes, in one block of memory that can be compared. */
typedef struct {
    float *scores, *variances;
    uint64_t hash;
    ea_decision page[3 * EA__DRAWS], limited[3 * EA__DRAWS];
    ea_candidate candidates[EA_MAX_CANDIDATES];
} answers;

static void answer(const fixture *f, const shape *s, answers *a) {
    ea_limits limits = {sizeof limits, 0, s->denied, sizeof s->denied, s->excluded,
                        sizeof s->excluded, 0, 0};
    size_t rows = f->info.artworks;
    memset(a->candidates, 0, sizeof a->candidates);
    CHECK_EQ(ea_scores(f->policy, f->context, a->scores, rows), EA_OK);
    CHECK_EQ(ea_variances(f->policy, f->context, a->variances, rows), EA_OK);
    CHECK_EQ(ea_context_hash(f->policy, f->context, &a->hash), EA_OK);
    CHECK_EQ(ea_select_page(f->policy, f->context, s->page, s->count, 0, a->page), EA_OK);
    CHECK_EQ(ea_select_page(f->policy, f->context, s->page, s->count, &limits, a->limited), EA_OK);
    CHECK_EQ(ea_propensities(f->policy, f->context, 0, &limits, a->candidates, EA_MAX_CANDIDATES,
                             0, 0), EA_OK);
    for (uint32_t i = 0; i < s->count; i++) { /* a page's loop is another than a title's */
        ea_decision one;
        CHECK_EQ(ea_select(f->policy, f->context, s->page[i], 0, &one), EA_OK);
        CHECK(!memcmp(&one, a->page + i, sizeof one));
    }
}

static void same_bits(void) {
    uint64_t state = 51;
    const ea__kernel *kernels[3];
    unsigned count = others(kernels);
    for (uint32_t trial = 0; trial < 800 / TEST_REDUCE; trial++) {
        static shape s;
        static answers wanted, found;
        fixture f = random_policy(&s, &state, trial);
        float x[100];
        uint32_t length = f.info.slots - 1;
        for (uint32_t i = 0; i < length; i++)
            x[i] = random_below(&state, 3) ? (float)(2 * random_unit(&state) - 1) : 0;
        buffer map = vector_map(x, length);
        size_t size = f.info.artworks * sizeof(float);
        set_context(&f, &map, next_random(&state));
        answers *both[] = {&wanted, &found};
        for (unsigned i = 0; i < 2; i++) {
            both[i]->scores = malloc(size);
            both[i]->variances = malloc(size);
            REQUIRE(both[i]->scores && both[i]->variances);
        }
        CHECK_EQ(ea_policy_use(f.policy, EA_KERNEL_PORTABLE), EA_OK);
        answer(&f, &s, &wanted);
        for (unsigned k = 0; k < count; k++) {
            CHECK_EQ(ea_policy_use(f.policy, kernels[k]->name), EA_OK);
            answer(&f, &s, &found);
            CHECK(!memcmp(found.scores, wanted.scores, size));
            CHECK(!memcmp(found.variances, wanted.variances, size));
            CHECK(found.hash == wanted.hash);
            CHECK(!memcmp(found.page, wanted.page, s.count * sizeof *found.page));
            CHECK(!memcmp(found.limited, wanted.limited, s.count * sizeof *found.page));
            CHECK(!memcmp(found.candidates, wanted.candidates, sizeof found.candidates));
        }
        for (unsigned i = 0; i < 2; i++) free(both[i]->scores), free(both[i]->variances);
        buffer_free(&map);
        close_fixture(&f);
    }
}

/* Gaps that reach both ends of the exponential, standard deviations from one to thousands apart. */
static void extremes(void) {
    uint64_t state = 52;
    const ea__kernel *portable = ea__kernel_named(EA_KERNEL_PORTABLE), *kernels[3];
    unsigned count = others(kernels);
    for (uint32_t trial = 0; trial < 40000 / TEST_REDUCE; trial++) {
        float scores[EA_MAX_CANDIDATES], variances[EA_MAX_CANDIDATES];
        uint32_t wanted[EA_MAX_CANDIDATES], found[EA_MAX_CANDIDATES];
        uint32_t some = 1 + random_below(&state, trial % 16 ? 24 : EA_MAX_CANDIDATES);
        double spread = exp2(-30 + 60 * random_unit(&state));
        for (uint32_t i = 0; i < some; i++) {
            scores[i] = (float)(spread * (2 * random_unit(&state) - 1));
            if (i && !random_below(&state, 4)) scores[i] = scores[i - 1];
            variances[i] = random_below(&state, 5)
                               ? (float)(spread * spread * exp2(-12 * random_unit(&state)))
                               : 0;
        }
        ea__explorer e = {explorers[3 + trial % 5], random_below(&state, 1u << 28), 0, 0};
        e.parameter = e.kind == EA_EXPLORER_EPSILON_GREEDY ? random_unit(&state)
                                                           : exp2(-20 + 40 * random_unit(&state));
        uint32_t anchor =
            ea__explore(portable, &e, e.parameter, scores, variances, some, wanted);
        uint64_t sum = 0;
        for (uint32_t i = 0; i < some; i++) sum += wanted[i];
        CHECK_EQ(sum, EA_TOTAL);
        for (unsigned k = 0; k < count; k++) {
            CHECK_EQ(ea__explore(kernels[k], &e, e.parameter, scores, variances, some, found),
                     anchor);
            CHECK(!memcmp(found, wanted, some * sizeof *found));
        }
    }
}

static void checksums(void) {
    static const size_t sizes[] = {0, 1, 7, 8, 100, 1023, 1024, 4095, 4096, 4097, 8191, 70001};
    static uint8_t bytes[70008];
    uint64_t state = 53;
    const ea__kernel *kernels[3];
    unsigned count = others(kernels);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)next_random(&state);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t offset = 0; offset < 4; offset++) {
            uint32_t start = (uint32_t)next_random(&state);
            uint32_t wanted = ea__crc_by_eights(start, bytes + offset, sizes[i]), crc = start;
            for (size_t j = 0; j < sizes[i]; j++) { /* bit by bit: bundle.md §2 */
                crc ^= bytes[offset + j];
                for (unsigned b = 0; b < 8; b++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
            }
            CHECK_EQ(wanted, crc);
            for (unsigned k = 0; k < count; k++)
                CHECK_EQ(kernels[k]->crc(start, bytes + offset, sizes[i]), wanted);
        }
}

/* Hashes of titles are SipHash of twelve bytes: the title's hash and attempt 0. */
static void title_hashes(void) {
    uint64_t state = 54, titles[EA__DRAWS], found[EA__DRAWS], key[2];
    for (uint32_t trial = 0; trial < 2000 / TEST_REDUCE; trial++) {
        key[0] = next_random(&state), key[1] = next_random(&state);
        for (unsigned i = 0; i < EA__DRAWS; i++) titles[i] = next_random(&state);
        for (unsigned k = 0; k < 3; k++) {
            const ea__kernel *kernel = ea__kernel_named(names[k]);
            if (!kernel) continue;
            kernel->hashes(key, titles, found);
            for (unsigned i = 0; i < EA__DRAWS; i++) {
                uint8_t bytes[12] = {0};
                memcpy(bytes, titles + i, 8);
                CHECK(found[i] == ea_hash(key[0], key[1], bytes, sizeof bytes));
            }
        }
    }
}

static void names_are_checked(void) {
    fixture f = open_fixture(build_bundle(&(recipe){.explorer = EA_EXPLORER_GREEDY}));
    uint32_t chosen = f.info.kernel;
    CHECK(chosen == EA_KERNEL_PORTABLE || ea__kernel_named(chosen));
    CHECK_EQ(ea_policy_use(f.policy, EA_KERNEL_PORTABLE), EA_OK);
    CHECK_EQ(ea_policy_info(f.policy, &f.info), EA_OK);
    CHECK_EQ(f.info.kernel, EA_KERNEL_PORTABLE);
    CHECK_EQ(ea_policy_use(f.policy, 11), EA_E_UNSUPPORTED);
    CHECK_EQ(ea_policy_use(f.policy, 0), EA_OK);
    CHECK_EQ(ea_policy_info(f.policy, &f.info), EA_OK);
    CHECK_EQ(f.info.kernel, chosen);
    CHECK_EQ(ea_policy_use(0, 0), EA_E_ARGUMENT);
    close_fixture(&f);
}

static const test_case cases[] = {
    {"every kernel decides, scores and hashes with the same bits", same_bits},
    {"every kernel gives the same integers at the extremes", extremes},
    {"every kernel has the same checksum", checksums},
    {"every kernel hashes titles as SipHash has it", title_hashes},
    {"kernels go by their names", names_are_checked},
};

MAIN("kernels", cases)
