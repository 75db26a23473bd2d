/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of this processor comes to the same bits, whatever the shapes. */
#include "../src/kernel.h"
#include "build.h"
#include "test.h"

#include <math.h>

static const uint32_t names[] = {EA_KERNEL_128, EA_KERNEL_AVX2};
enum { NAMES = 2, TITLES = 60 };

/* Artworks of titles: around the widths of vectors, up to the most there may be. */
static uint32_t artworks[TITLES];

static const struct {
    uint32_t explorer;
    double floor, parameter;
} explorers[] = {
    {EA_EXPLORER_FIXED, .01, 0},     {EA_EXPLORER_UNIFORM, 0, 0},
    {EA_EXPLORER_GREEDY, 0, 0},      {EA_EXPLORER_GREEDY, .04, 0},
    {EA_EXPLORER_EPSILON_GREEDY, 0, .3}, {EA_EXPLORER_SOFTMAX, 0, .2},
    {EA_EXPLORER_SOFTMAX, .01, 0x1p-20}, {EA_EXPLORER_SQUARECB, .002, 30},
    {EA_EXPLORER_SQUARECB, 0, 0},    {EA_EXPLORER_SQUARECB, 1, 5},
    {EA_EXPLORER_THOMPSON, 0, 1},    {EA_EXPLORER_THOMPSON, .01, 30},
    {EA_EXPLORER_UCB, .01, 1},
};
enum { EXPLORERS = sizeof explorers / sizeof *explorers };

static buffer random_map(uint64_t *state, uint32_t length) {
    float numbers[80];
    for (uint32_t i = 0; i < length; i++)
        numbers[i] = (float)ldexp(2 * random_unit(state) - 1, (int)random_below(state, 16) - 9);
    return vector_map(numbers, length);
}

/* All that a policy says of a context. */
typedef struct {
    float *scores, *variances;
    uint32_t *n;
    ea_decision *page, *limited;
    uint64_t hash;
} answers;

static void *zeroed(size_t size) {
    void *memory = calloc(1, size);
    REQUIRE(memory);
    return memory;
}

static answers ask(const fixture *f, const uint32_t *titles, uint32_t count,
                   const ea_limits *limits) {
    uint32_t rows = f->info.artworks, row = 0;
    answers a = {zeroed(rows * 4), zeroed(rows * 4), zeroed(rows * 4),
                 zeroed(count * sizeof(ea_decision)), zeroed(count * sizeof(ea_decision)), 0};
    CHECK_EQ(ea_scores(f->policy, f->context, a.scores, rows), EA_OK);
    CHECK_EQ(ea_variances(f->policy, f->context, a.variances, rows), EA_OK);
    CHECK_EQ(ea_select_page(f->policy, f->context, titles, count, 0, a.page), EA_OK);
    CHECK_EQ(ea_select_page(f->policy, f->context, titles, count, limits, a.limited), EA_OK);
    CHECK_EQ(ea_context_hash(f->policy, f->context, &a.hash), EA_OK);
    for (uint32_t t = 0; t < f->info.titles; t++) {
        ea_candidate c[EA_MAX_CANDIDATES];
        uint32_t candidates;
        CHECK_EQ(ea_propensities(f->policy, f->context, t, 0, c, EA_MAX_CANDIDATES, &candidates,
                                 0),
                 EA_OK);
        for (uint32_t i = 0; i < candidates; i++) a.n[row++] = c[i].n;
    }
    CHECK_EQ(row, rows);
    return a;
}

static void compare(const fixture *f, const answers *a, const answers *b, uint32_t count) {
    uint32_t rows = f->info.artworks;
    CHECK(!memcmp(a->scores, b->scores, rows * 4));
    CHECK(!memcmp(a->variances, b->variances, rows * 4));
    CHECK(!memcmp(a->n, b->n, rows * 4));
    CHECK(!memcmp(a->page, b->page, count * sizeof(ea_decision)));
    CHECK(!memcmp(a->limited, b->limited, count * sizeof(ea_decision)));
    CHECK(a->hash == b->hash);
}

static void forget(answers *a) {
    free(a->scores);
    free(a->variances);
    free(a->n);
    free(a->page);
    free(a->limited);
}

static void policies_agree(void) {
    static const uint32_t lengths[] = {1, 6, 7, 8, 15, 16, 23, 31, 32, 47, 63, 70};
    uint64_t state = 120;
    for (unsigned trial = 0; trial < 26 * 6 / (TEST_REDUCE < 4 ? TEST_REDUCE : 4); trial++) {
        uint32_t kind = trial % EXPLORERS, length = lengths[random_below(&state, 12)];
        recipe_feature x = {EA_FEATURE_VECTOR, "x", length, 0, 0, 0, 0x1p19, 0};
        int uncertain = explorers[kind].explorer >= EA_EXPLORER_THOMPSON || trial % 4 == 0;
        fixture f = open_fixture(build_bundle(&(recipe){
            .explorer = explorers[kind].explorer, .floor = explorers[kind].floor,
            .parameter = explorers[kind].parameter, .features = &x, .feature_count = 1,
            .title_count = TITLES, .artworks = artworks, .rows = 10 * (trial / EXPLORERS % 2),
            .seed = trial, .variance = uncertain ? EA_VARIANCE_E5M3 : EA_VARIANCE_NONE,
            .scaled = explorers[kind].explorer >= EA_EXPLORER_SOFTMAX && trial % 3 == 0,
            .variance_scale = .01f}));
        uint8_t denied[300];
        for (unsigned i = 0; i < sizeof denied; i++)
            denied[i] = (uint8_t)(next_random(&state) & next_random(&state));
        ea_limits limits = {.struct_size = sizeof limits, .denied = denied,
                            .denied_size = sizeof denied, .excluded = denied + 7,
                            .excluded_size = 200};
        for (unsigned i = 0; i < 4; i++) {
            uint32_t titles[100], count = random_below(&state, 101);
            for (uint32_t t = 0; t < count; t++) /* some unknown, some twice */
                titles[t] = random_below(&state, 9) ? random_below(&state, TITLES) : EA_NONE;
            buffer map = random_map(&state, length);
            set_context(&f, &map, next_random(&state));
            buffer_free(&map);
            CHECK_EQ(ea_policy_use(f.policy, EA_KERNEL_PORTABLE), EA_OK);
            answers wanted = ask(&f, titles, count, &limits);
            for (unsigned k = 0; k < NAMES; k++) {
                if (ea_policy_use(f.policy, names[k]) != EA_OK) continue;
                answers found = ask(&f, titles, count, &limits);
                compare(&f, &wanted, &found, count);
                forget(&found);
            }
            forget(&wanted);
        }
        close_fixture(&f);
    }
}

/* Loops alone, on arrays with room as the header says, and numbers as far apart as they may be. */
static void loops_agree(void) {
    const ea__kernel *portable = ea__kernel_named(EA_KERNEL_PORTABLE);
    uint64_t state = 121;
    for (unsigned trial = 0; trial < 20000 / TEST_REDUCE; trial++) {
        float s[EA_MAX_CANDIDATES + EA__ROOM] = {0}, v[EA_MAX_CANDIDATES + EA__ROOM] = {0};
        uint32_t count = 1 + random_below(&state, trial % 10 ? 20 : EA_MAX_CANDIDATES);
        int range = (int)random_below(&state, 90) + 1;
        for (uint32_t i = 0; i < count; i++) {
            s[i] = ea__tiny((float)ldexp(2 * random_unit(&state) - 1,
                                         (int)random_below(&state, (uint32_t)range) - 49 +
                                             (90 - range) / 2));
            v[i] = ea__tiny((float)ldexp(random_unit(&state), (int)random_below(&state, 40) - 30));
            if (i && !random_below(&state, 6)) s[i] = s[i - 1];
        }
        uint32_t kind = random_below(&state, EXPLORERS);
        ea__explorer e = {explorers[kind].explorer, (uint32_t)(explorers[kind].floor * 0x1p31),
                          explorers[kind].floor, explorers[kind].parameter};
        uint32_t n[EA_MAX_CANDIDATES + EA__ROOM], m[EA_MAX_CANDIDATES + EA__ROOM];
        uint32_t anchor = ea__explore(portable, &e, e.parameter, s, v, count, n);
        uint64_t sum = 0;
        for (uint32_t i = 0; i < count; i++) sum += n[i];
        CHECK_EQ(sum, EA_TOTAL);
        for (unsigned k = 0; k < NAMES; k++) {
            const ea__kernel *kernel = ea__kernel_named(names[k]);
            if (!kernel) continue;
            CHECK_EQ(kernel->best(s, count), portable->best(s, count));
            CHECK_EQ(ea__explore(kernel, &e, e.parameter, s, v, count, m), anchor);
            CHECK(!memcmp(n, m, count * sizeof *n));
        }
    }
}

static void hashes_agree(void) {
    uint64_t state = 122, titles[EA__DRAWS], found[EA__DRAWS], key[2];
    static const uint32_t all[] = {EA_KERNEL_PORTABLE, EA_KERNEL_128, EA_KERNEL_AVX2};
    for (unsigned trial = 0; trial < 2000 / TEST_REDUCE; trial++) {
        key[0] = next_random(&state), key[1] = next_random(&state);
        for (unsigned i = 0; i < EA__DRAWS; i++) titles[i] = next_random(&state);
        for (unsigned k = 0; k < 3; k++) {
            const ea__kernel *kernel = ea__kernel_named(all[k]);
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

static void checksums_agree(void) {
    static const uint32_t all[] = {EA_KERNEL_PORTABLE, EA_KERNEL_128, EA_KERNEL_AVX2};
    enum { SIZE = 5000 };
    uint8_t *bytes = zeroed(SIZE);
    uint64_t state = 123;
    for (unsigned i = 0; i < SIZE; i++) bytes[i] = (uint8_t)next_random(&state);
    for (unsigned trial = 0; trial < 2000 / TEST_REDUCE; trial++) {
        uint32_t at = random_below(&state, SIZE), start = (uint32_t)next_random(&state), crc;
        size_t size = random_below(&state, trial % 4 ? 100 : SIZE - at + 1);
        if (size > SIZE - at) size = SIZE - at;
        crc = ~start; /* bit by bit: bundle.md §2 */
        for (size_t i = 0; i < size; i++) {
            crc ^= bytes[at + i];
            for (unsigned bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
        CHECK(ea_crc32c(start, bytes + at, size) == (uint32_t)~crc);
        for (unsigned k = 0; k < 3; k++) {
            const ea__kernel *kernel = ea__kernel_named(all[k]);
            if (kernel) CHECK(kernel->crc(~start, bytes + at, size) == crc);
        }
    }
    free(bytes);
}

static void kernels_have_names(void) {
    fixture f = open_fixture(build_bundle(&(recipe){.title_count = 1, .each = 2}));
    uint32_t best = f.info.kernel, most = 0;
    for (uint32_t name = 0; name < 50; name++) {
        int32_t status = ea_policy_use(f.policy, name);
        ea_info info = {.struct_size = sizeof info};
        CHECK(status == EA_OK || status == EA_E_UNSUPPORTED);
        CHECK_EQ(ea_policy_info(f.policy, &info), EA_OK);
        if (status) continue;
        CHECK_EQ(info.kernel, name ? name : best);
        CHECK(name == 0 || name == EA_KERNEL_PORTABLE || name == EA_KERNEL_128 ||
              name == EA_KERNEL_AVX2);
        most = name;
    }
    CHECK_EQ(most, best); /* the best is the last that there is */
    CHECK_EQ(ea_policy_use(f.policy, EA_KERNEL_PORTABLE), EA_OK);
    CHECK_EQ(ea_policy_use(0, 0), EA_E_ARGUMENT);
    close_fixture(&f);
}

static const test_case cases[] = {
    {"policies of all shapes come to the same bits by every kernel", policies_agree},
    {"so do the loops, on numbers far apart", loops_agree},
    {"hashes of titles are SipHash", hashes_agree},
    {"checksums are CRC-32C", checksums_agree},
    {"kernels are chosen by name", kernels_have_names},
};

int main(void) {
    static const uint32_t some[] = {1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 15, 16, 17, 24, 31, 33};
    for (uint32_t t = 0; t < TITLES; t++) artworks[t] = t < 57 ? some[t % 16] : 254 + t - 57;
    return run_tests("kernels", cases, sizeof cases / sizeof *cases);
}
