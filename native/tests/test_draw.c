/* SPDX-License-Identifier: Apache-2.0 */
/* The draw: frequencies are the propensities, and nothing that should be apart is together. */
#include "build.h"
#include "test.h"

static const recipe_feature feature = {EA_FEATURE_VECTOR, "x", 3, 0, 0, 0, 16, 0};
static const float x[3] = {.5f, -.25f, 1};
static const uint32_t artworks[] = {4, 7, 8, 4, 10, 2};
enum { TITLES = sizeof artworks / sizeof *artworks };

static fixture open_policy(const char *name, uint32_t explorer, double floor, double parameter,
                           uint64_t seed) {
    return open_fixture(build_bundle(&(recipe){
        .name = name, .explorer = explorer, .floor = floor, .parameter = parameter,
        .features = &feature, .feature_count = 1, .title_count = TITLES, .artworks = artworks,
        .rows = EA_ROWS_I8, .seed = seed}));
}

/* The chosen candidate of a title at a seed. */
static uint32_t choose(fixture *f, const buffer *map, uint64_t seed, uint32_t title) {
    ea_decision d;
    uint32_t first;
    set_context(f, map, seed);
    REQUIRE(ea_select(f->policy, f->context, title, 0, &d) == EA_OK);
    REQUIRE(ea_title_info(f->policy, title, 0, &first, 0) == EA_OK);
    return d.row - first;
}

static void probabilities(fixture *f, const buffer *map, uint32_t title, double *p) {
    ea_candidate c[16];
    uint32_t count, total;
    set_context(f, map, 0);
    REQUIRE(ea_propensities(f->policy, f->context, title, 0, c, 16, &count, &total) == EA_OK);
    for (uint32_t i = 0; i < count; i++) p[i] = (double)c[i].n / total;
}

static void frequencies(void) {
    static const struct {
        uint32_t explorer;
        double floor, parameter;
    } all[] = {
        {EA_EXPLORER_FIXED, .03, 0},       {EA_EXPLORER_UNIFORM, 0, 0},
        {EA_EXPLORER_GREEDY, .02, 0},      {EA_EXPLORER_EPSILON_GREEDY, 0, .25},
        {EA_EXPLORER_SOFTMAX, .005, .5},   {EA_EXPLORER_SQUARECB, .01, 12},
        {EA_EXPLORER_GREEDY, 0, 0},
    };
    buffer map = vector_map(x, 3);
    for (size_t e = 0; e < sizeof all / sizeof *all; e++) {
        fixture f = open_policy("draw", all[e].explorer, all[e].floor, all[e].parameter, 21);
        uint64_t counts[8] = {0};
        double p[8];
        probabilities(&f, &map, 2, p);
        for (uint64_t seed = 0; seed < 1000000 / TEST_REDUCE; seed++)
            counts[choose(&f, &map, seed, 2)]++;
        check_chi_square("frequencies", counts, p, 8);
        close_fixture(&f);
    }
    buffer_free(&map);
}

/* Fills the table of two choices with `pairs` pairs, and compares it with the product of their
   probabilities: dependence and wrong frequencies both show. */
static void check_pairs(const char *what, fixture *f, fixture *g, uint32_t title_f,
                        uint32_t title_g, uint64_t stride, uint64_t offset) {
    uint64_t counts[64] = {0};
    double p[16], q[16], product[64];
    buffer map = vector_map(x, 3);
    uint32_t rows = artworks[title_f], columns = artworks[title_g];
    REQUIRE(rows * columns <= 64);
    probabilities(f, &map, title_f, p);
    probabilities(g, &map, title_g, q);
    for (uint64_t i = 0; i < 200000 / TEST_REDUCE; i++) {
        uint32_t a = choose(f, &map, i * stride, title_f);
        uint32_t b = choose(g, &map, i * stride ^ offset, title_g);
        counts[a * columns + b]++;
    }
    for (uint32_t a = 0; a < rows; a++)
        for (uint32_t b = 0; b < columns; b++) product[a * columns + b] = p[a] * q[b];
    check_chi_square(what, counts, product, (size_t)rows * columns);
    buffer_free(&map);
}

static void titles_are_independent(void) {
    fixture f = open_policy("draw", EA_EXPLORER_SOFTMAX, .02, .8, 22);
    check_pairs("4 and 7 artworks", &f, &f, 0, 1, 1, 0);
    check_pairs("4 and 4 artworks", &f, &f, 0, 3, 1, 0);
    check_pairs("8 and 2 artworks", &f, &f, 2, 5, 1, 0);
    check_pairs("4 and 10 artworks", &f, &f, 3, 4, 1, 0);
    close_fixture(&f);
    f = open_policy("draw", EA_EXPLORER_UNIFORM, 0, 0, 22);
    check_pairs("uniform, 4 and 7 artworks", &f, &f, 0, 1, 1, 0);
    close_fixture(&f);
}

static void seeds_are_independent(void) {
    fixture f = open_policy("draw", EA_EXPLORER_SQUARECB, .02, 5, 23);
    /* non-overlapping pairs (2i, 2i + 1), and seeds that differ in one bit high up */
    check_pairs("neighbouring seeds, 4 artworks", &f, &f, 0, 0, 2, 1);
    check_pairs("neighbouring seeds, 7 artworks", &f, &f, 1, 1, 2, 1);
    check_pairs("neighbouring seeds, two titles", &f, &f, 1, 2, 2, 1);
    check_pairs("seeds apart in bit 32", &f, &f, 0, 0, 1, (uint64_t)1 << 32);
    check_pairs("seeds apart in bit 63", &f, &f, 0, 0, 1, (uint64_t)1 << 63);
    close_fixture(&f);
}

static void policies_are_independent(void) {
    fixture f = open_policy("row", EA_EXPLORER_UNIFORM, 0, 0, 24);
    fixture g = open_policy("hero", EA_EXPLORER_UNIFORM, 0, 0, 24);
    check_pairs("two policies, one title", &f, &g, 0, 0, 1, 0);
    check_pairs("two policies, one title of 7", &f, &g, 1, 1, 1, 0);
    close_fixture(&f);
    close_fixture(&g);
}

/* The draw depends on the policy's name and not on its weights or sequence: a retrained policy
   moves only the choices whose probabilities moved. */
static void retraining_keeps_the_draw(void) {
    fixture f = open_policy("row", EA_EXPLORER_UNIFORM, 0, 0, 25);
    fixture g = open_policy("row", EA_EXPLORER_UNIFORM, 0, 0, 26);
    buffer map = vector_map(x, 3);
    for (uint64_t seed = 0; seed < 2000; seed++)
        for (uint32_t t = 0; t < TITLES; t++)
            CHECK_EQ(choose(&f, &map, seed, t), choose(&g, &map, seed, t));
    buffer_free(&map);
    close_fixture(&f);
    close_fixture(&g);
}

/* The same seed, context and policy give the same picture; other contexts, under an explorer
   without scores, do too. */
static void nothing_else_decides(void) {
    fixture f = open_policy("row", EA_EXPLORER_UNIFORM, 0, 0, 27);
    buffer map = vector_map(x, 3), other = {0, 0, 0};
    put_map(&other, 0);
    for (uint64_t seed = 0; seed < 2000; seed++) {
        uint32_t found = choose(&f, &map, seed, 4);
        CHECK_EQ(choose(&f, &map, seed, 4), found);
        CHECK_EQ(choose(&f, &other, seed, 4), found);
    }
    buffer_free(&map);
    buffer_free(&other);
    close_fixture(&f);
}

static const test_case cases[] = {
    {"over seeds each artwork appears with its propensity", frequencies},
    {"the choices of two titles are independent", titles_are_independent},
    {"the choices at neighbouring seeds are independent", seeds_are_independent},
    {"the choices of two policies are independent", policies_are_independent},
    {"a retrained policy draws the same numbers", retraining_keeps_the_draw},
    {"nothing but seed, policy and title enters the draw", nothing_else_decides},
};

MAIN("draw", cases)
