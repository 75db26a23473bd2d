/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions: pages, denied artworks, foreign contexts (decision.md §6, §7). */
#include "build.h"
#include "test.h"

enum { TITLES = 60, ROWS_MOST = 1024 };

static const recipe_feature feature = {EA_FEATURE_VECTOR, "x", 5, 0, 0, 0, 16, 0};
static uint32_t artworks[TITLES];

static const struct {
    uint32_t explorer;
    double floor, parameter;
} explorers[] = {
    {EA_EXPLORER_FIXED, 0, 0},         {EA_EXPLORER_FIXED, .02, 0},
    {EA_EXPLORER_UNIFORM, 0, 0},       {EA_EXPLORER_GREEDY, 0, 0},
    {EA_EXPLORER_GREEDY, .05, 0},      {EA_EXPLORER_EPSILON_GREEDY, 0, .3},
    {EA_EXPLORER_SOFTMAX, 0, .4},      {EA_EXPLORER_SOFTMAX, .01, .001},
    {EA_EXPLORER_SQUARECB, .01, 20},
};
enum { EXPLORERS = sizeof explorers / sizeof *explorers };

static fixture open_explorer(size_t i, uint32_t rows) {
    return open_fixture(build_bundle(&(recipe){
        .explorer = explorers[i].explorer, .floor = explorers[i].floor,
        .parameter = explorers[i].parameter, .features = &feature, .feature_count = 1,
        .title_count = TITLES, .artworks = artworks, .rows = rows, .seed = 13 + i}));
}

static void random_context(fixture *f, uint64_t *state) {
    float x[5];
    for (unsigned i = 0; i < 5; i++) x[i] = (float)(2 * random_unit(state) - 1);
    buffer map = vector_map(x, 5);
    set_context(f, &map, next_random(state));
    buffer_free(&map);
}

/* A bitmap in which each row is denied with probability one in `of`; 1 denies all. */
static ea_limits random_limits(uint8_t *bits, uint64_t *state, uint32_t of) {
    memset(bits, 0, ROWS_MOST / 8);
    for (uint32_t r = 0; r < ROWS_MOST; r++)
        if (!random_below(state, of)) bits[r / 8] |= (uint8_t)(1u << r % 8);
    return (ea_limits){
        .struct_size = sizeof(ea_limits), .denied = bits, .denied_size = ROWS_MOST / 8};
}

static int is_denied(const ea_limits *limits, uint32_t row) {
    return row / 8 < limits->denied_size && (limits->denied[row / 8] >> row % 8 & 1);
}

static int same_decision(const ea_decision *a, const ea_decision *b) {
    return !memcmp(a, b, sizeof *a);
}

static void page_equals_singles(void) {
    uint64_t state = 14;
    uint8_t bits[ROWS_MOST / 8];
    for (size_t e = 0; e < EXPLORERS; e++)
        for (uint32_t rows = 0; rows <= EA_ROWS_I8; rows += EA_ROWS_I8) {
            fixture f = open_explorer(e, rows);
            for (unsigned trial = 0; trial < 40; trial++) {
                uint32_t titles[100];
                ea_decision page[100], single;
                random_context(&f, &state);
                ea_limits limits = random_limits(bits, &state, 4);
                const ea_limits *some = trial % 2 ? &limits : 0;
                for (unsigned i = 0; i < 100; i++)
                    titles[i] = random_below(&state, 20) ? random_below(&state, TITLES) : EA_NONE;
                CHECK_EQ(ea_select_page(f.policy, f.context, titles, 100, some, page), EA_OK);
                for (unsigned i = 0; i < 100; i++) {
                    CHECK_EQ(ea_select(f.policy, f.context, titles[i], some, &single), EA_OK);
                    CHECK(same_decision(&single, page + i));
                    CHECK_EQ(single.title, titles[i]);
                }
            }
            close_fixture(&f);
        }
}

/* What ea_propensities says is what ea_select does, under limits as well. */
static void propensities_agree(void) {
    uint64_t state = 15;
    uint8_t bits[ROWS_MOST / 8];
    unsigned reasons[50] = {0};
    for (size_t e = 0; e < EXPLORERS; e++) {
        fixture f = open_explorer(e, e % 2 ? EA_ROWS_I8 : EA_ROWS_F32);
        for (unsigned trial = 0; trial < 100; trial++) {
            random_context(&f, &state);
            ea_limits limits = random_limits(bits, &state, 1 + trial % 4);
            limits.denied_size = random_below(&state, ROWS_MOST / 8 + 1);
            for (uint32_t t = 0; t < TITLES; t++) {
                ea_candidate c[32];
                ea_decision d;
                uint32_t count, total, first;
                CHECK_EQ(ea_propensities(f.policy, f.context, t, &limits, c, 32, &count, &total),
                         EA_OK);
                CHECK_EQ(ea_select(f.policy, f.context, t, &limits, &d), EA_OK);
                CHECK_EQ(ea_title_info(f.policy, t, 0, &first, 0), EA_OK);
                CHECK_EQ(count, artworks[t]);
                CHECK_EQ(d.total, total);
                uint64_t sum = 0;
                uint32_t open = 0;
                for (uint32_t i = 0; i < count; i++) {
                    sum += c[i].n;
                    open += !c[i].denied;
                    CHECK_EQ(c[i].row, first + i);
                    CHECK_EQ(c[i].denied, is_denied(&limits, first + i));
                    CHECK(!c[i].denied || c[i].n == 0);
                }
                CHECK(total > 0 && sum == (open ? total : 0));
                reasons[d.reason]++;
                if (d.reason == EA_REASON_NONE) {
                    CHECK(open == 0 && d.row == EA_NONE && d.n == 0 && d.total == EA_TOTAL);
                    continue;
                }
                CHECK(d.row >= first && d.row < first + count);
                CHECK(d.n == c[d.row - first].n && d.n > 0 && !c[d.row - first].denied);
                CHECK(d.score == c[d.row - first].score);
            }
        }
        close_fixture(&f);
    }
    CHECK(reasons[EA_REASON_POLICY] && reasons[EA_REASON_REDRAWN] &&
          reasons[EA_REASON_RECOMPUTED] && reasons[EA_REASON_NONE]);
}

/* Denying artworks changes only the pictures that showed one of them. */
static void denial_is_local(void) {
    uint64_t state = 16;
    uint8_t bits[ROWS_MOST / 8];
    for (size_t e = 0; e < EXPLORERS; e++) {
        fixture f = open_explorer(e, EA_ROWS_I8);
        for (unsigned trial = 0; trial < 100; trial++) {
            random_context(&f, &state);
            ea_limits limits = random_limits(bits, &state, 2 + trial % 9);
            for (uint32_t t = 0; t < TITLES; t++) {
                ea_decision before, after;
                CHECK_EQ(ea_select(f.policy, f.context, t, 0, &before), EA_OK);
                CHECK_EQ(ea_select(f.policy, f.context, t, &limits, &after), EA_OK);
                CHECK_EQ(before.reason, EA_REASON_POLICY);
                CHECK_EQ(before.total, EA_TOTAL);
                if (is_denied(&limits, before.row)) {
                    CHECK(after.row != before.row && after.reason != EA_REASON_POLICY);
                } else {
                    CHECK(after.row == before.row && after.score == before.score);
                    CHECK(after.n == before.n && after.total <= before.total);
                    CHECK_EQ(after.reason, EA_REASON_POLICY);
                }
            }
        }
        close_fixture(&f);
    }
}

/* With the best and its whole mass denied, the rest is explored as if it had been alone. */
static void recomputes(void) {
    uint64_t state = 17;
    fixture f = open_explorer(3, EA_ROWS_F32); /* greedy, no floor */
    uint8_t bits[ROWS_MOST / 8] = {0};
    ea_limits limits = {.struct_size = sizeof limits, .denied = bits, .denied_size = sizeof bits};
    for (unsigned trial = 0; trial < 200; trial++) {
        random_context(&f, &state);
        for (uint32_t t = 0; t < TITLES; t++) {
            ea_decision best, next;
            ea_candidate c[32];
            uint32_t count, total, second = EA_NONE;
            CHECK_EQ(ea_select(f.policy, f.context, t, 0, &best), EA_OK);
            bits[best.row / 8] |= (uint8_t)(1u << best.row % 8);
            CHECK_EQ(ea_select(f.policy, f.context, t, &limits, &next), EA_OK);
            CHECK_EQ(ea_propensities(f.policy, f.context, t, &limits, c, 32, &count, &total),
                     EA_OK);
            bits[best.row / 8] = 0;
            for (uint32_t i = 0; i < count; i++)
                if (c[i].row != best.row && (second == EA_NONE || c[i].score > c[second].score))
                    second = i;
            if (count == 1) {
                CHECK_EQ(next.reason, EA_REASON_NONE);
                continue;
            }
            CHECK_EQ(next.reason, EA_REASON_RECOMPUTED);
            CHECK(next.row == c[second].row && next.n == EA_TOTAL && next.total == EA_TOTAL);
        }
    }
    close_fixture(&f);
}

/* Over many seeds each artwork appears as often as its propensity says, denied ones apart. */
static void redraws_follow_propensities(void) {
    uint64_t state = 18;
    uint8_t bits[ROWS_MOST / 8];
    for (size_t e = 0; e < EXPLORERS; e++) {
        fixture f = open_explorer(e, EA_ROWS_I8);
        static const float x[5] = {.3f, -.7f, .2f, .9f, -.1f};
        buffer map = vector_map(x, 5);
        for (unsigned trial = 0; trial < 4; trial++) {
            uint32_t title = 9 + random_below(&state, TITLES - 9), count, total, first;
            uint64_t counts[32] = {0};
            double probability[32];
            ea_candidate c[32];
            ea_limits limits = random_limits(bits, &state, 2);
            CHECK_EQ(ea_title_info(f.policy, title, 0, &first, &count), EA_OK);
            bits[first / 8] &= (uint8_t)~(1u << first % 8); /* one at least stays */
            for (uint64_t seed = 0; seed < 40000 / TEST_REDUCE; seed++) {
                ea_decision d;
                set_context(&f, &map, seed);
                CHECK_EQ(ea_select(f.policy, f.context, title, &limits, &d), EA_OK);
                counts[d.row - first]++;
            }
            CHECK_EQ(ea_propensities(f.policy, f.context, title, &limits, c, 32, &count, &total),
                     EA_OK);
            for (uint32_t i = 0; i < count; i++) probability[i] = (double)c[i].n / total;
            check_chi_square("redraws", counts, probability, count);
        }
        buffer_free(&map);
        close_fixture(&f);
    }
}

static void foreign_contexts(void) {
    fixture f = open_explorer(0, EA_ROWS_I8), g = open_explorer(1, EA_ROWS_I8);
    uint64_t state = 19, hash;
    uint32_t title = 0;
    float scores[ROWS_MOST];
    ea_decision d;
    ea_candidate c[32];
    random_context(&f, &state);
    CHECK_EQ(ea_select(g.policy, f.context, 0, 0, &d), EA_E_FOREIGN);
    CHECK_EQ(ea_select_page(g.policy, f.context, &title, 1, 0, &d), EA_E_FOREIGN);
    CHECK_EQ(ea_propensities(g.policy, f.context, 0, 0, c, 32, 0, 0), EA_E_FOREIGN);
    CHECK_EQ(ea_scores(g.policy, f.context, scores, ROWS_MOST), EA_E_FOREIGN);
    CHECK_EQ(ea_context_hash(g.policy, f.context, &hash), EA_E_FOREIGN);
    CHECK_EQ(ea_select(f.policy, f.context, 0, 0, &d), EA_OK);
    /* another bundle opened in the same object is another policy, and the first one again is not */
    CHECK_EQ(ea_policy_open(f.policy, ea_policy_size(), g.bundle.bytes, g.bundle.length, 0),
             EA_OK);
    CHECK_EQ(ea_select(f.policy, f.context, 0, 0, &d), EA_E_FOREIGN);
    CHECK_EQ(ea_policy_open(f.policy, ea_policy_size(), f.bundle.bytes, f.bundle.length, 0),
             EA_OK);
    CHECK_EQ(ea_select(f.policy, f.context, 0, 0, &d), EA_OK);
    memset(f.context, 0, f.context_size); /* never encoded */
    CHECK_EQ(ea_select(f.policy, f.context, 0, 0, &d), EA_E_FOREIGN);
    close_fixture(&f);
    close_fixture(&g);
}

static void arguments(void) {
    fixture f = open_explorer(8, EA_ROWS_F32);
    uint64_t state = 20;
    uint32_t titles[3] = {1, TITLES, 2}, count, total;
    uint8_t bit = 1;
    ea_decision d[3];
    ea_candidate c[32];
    ea_limits small = {.struct_size = 8, .denied = &bit, .denied_size = 1};
    ea_limits nowhere = {.struct_size = sizeof nowhere, .denied_size = 1};
    ea_limits nothing = {.struct_size = sizeof nothing};
    random_context(&f, &state);
    CHECK_EQ(ea_select(f.policy, f.context, TITLES, 0, d), EA_E_TITLE);
    CHECK_EQ(ea_select(f.policy, f.context, EA_NONE - 1, 0, d), EA_E_TITLE);
    CHECK_EQ(ea_select(f.policy, f.context, 0, &small, d), EA_E_ARGUMENT);
    CHECK_EQ(ea_select(f.policy, f.context, 0, &nowhere, d), EA_E_ARGUMENT);
    CHECK_EQ(ea_select(f.policy, f.context, 0, &nothing, d), EA_OK);
    CHECK_EQ(ea_select(f.policy, f.context, 0, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_select(f.policy, 0, 0, 0, d), EA_E_ARGUMENT);
    CHECK_EQ(ea_select(0, f.context, 0, 0, d), EA_E_ARGUMENT);
    CHECK_EQ(ea_select_page(f.policy, f.context, 0, 0, 0, 0), EA_OK);
    CHECK_EQ(ea_select_page(f.policy, f.context, 0, 1, 0, d), EA_E_ARGUMENT);
    CHECK_EQ(ea_select_page(f.policy, f.context, titles, 1, 0, 0), EA_E_ARGUMENT);
    memset(d, 0, sizeof d);
    CHECK_EQ(ea_select_page(f.policy, f.context, titles, 3, 0, d), EA_E_TITLE);
    CHECK(d[0].title == 1 && d[0].total && !d[1].total && !d[2].total);
    uint32_t many[40] = {0};
    ea_decision page[40];
    for (uint32_t wrong = 0; wrong < 40; wrong++) { /* wherever on a page, and as far as it */
        memset(page, 0, sizeof page);
        many[wrong] = TITLES;
        CHECK_EQ(ea_select_page(f.policy, f.context, many, 40, 0, page), EA_E_TITLE);
        many[wrong] = 0;
        for (uint32_t i = 0; i < 40; i++) CHECK_EQ(page[i].total != 0, i < wrong);
    }
    CHECK_EQ(ea_select(f.policy, f.context, EA_NONE, 0, d), EA_OK);
    CHECK(d->title == EA_NONE && d->row == EA_NONE && d->n == 0 && d->total == EA_TOTAL &&
          d->score == 0 && d->reason == EA_REASON_UNKNOWN_TITLE);
    CHECK_EQ(ea_propensities(f.policy, f.context, EA_NONE, 0, c, 32, 0, 0), EA_E_TITLE);
    CHECK_EQ(ea_propensities(f.policy, f.context, 31, 0, c, artworks[31] - 1, &count, &total),
             EA_E_CAPACITY);
    CHECK_EQ(ea_propensities(f.policy, f.context, 31, 0, c, artworks[31], 0, 0), EA_OK);
    CHECK_EQ(ea_propensities(f.policy, f.context, 31, 0, 0, 32, 0, 0), EA_E_ARGUMENT);
    close_fixture(&f);
}

static const test_case cases[] = {
    {"a page equals its titles decided singly", page_equals_singles},
    {"propensities are those of the decisions", propensities_agree},
    {"denial changes only what showed the denied", denial_is_local},
    {"denying all probability explores the rest anew", recomputes},
    {"choices under denial follow their propensities", redraws_follow_propensities},
    {"a context of another policy is refused", foreign_contexts},
    {"arguments are checked, unknown titles are decisions", arguments},
};

int main(void) {
    uint32_t rows = 0;
    for (uint32_t t = 0; t < TITLES; t++) rows += artworks[t] = t < 9 ? 1 + t % 3 : 2 + t % 29;
    REQUIRE(rows <= ROWS_MOST);
    return run_tests("decide", cases, sizeof cases / sizeof *cases);
}
