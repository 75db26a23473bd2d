/* SPDX-License-Identifier: Apache-2.0 */
/* From scores to integers that add up to 2^31: the laws of decision.md §5. */
#include "../src/internal.h"
#include "test.h"

#include <math.h>

static const uint32_t kinds[] = {EA_EXPLORER_FIXED,          EA_EXPLORER_UNIFORM,
                                 EA_EXPLORER_GREEDY,         EA_EXPLORER_EPSILON_GREEDY,
                                 EA_EXPLORER_SOFTMAX,        EA_EXPLORER_SQUARECB};
static const double floors[] = {0, 0x1p-31, 0x1p-32, 1e-9, .001, .01, 1 / 3., .5, 1};

/* A parameter from all of the allowed range, its ends among them. */
static double random_parameter(uint32_t kind, uint64_t *state) {
    uint32_t turn = random_below(state, 8);
    switch (kind) {
    case EA_EXPLORER_EPSILON_GREEDY: return turn < 2 ? turn : random_unit(state);
    case EA_EXPLORER_SOFTMAX: return turn < 2 ? (turn ? 0x1p20 : 0x1p-20)
                                              : exp2(40 * random_unit(state) - 20);
    case EA_EXPLORER_SQUARECB: return turn < 2 ? (turn ? 0x1p40 : 0)
                                               : exp2(60 * random_unit(state) - 20);
    default: return 0;
    }
}

static ea__explorer random_explorer(uint64_t *state) {
    uint32_t kind = kinds[random_below(state, 6)];
    double floor = floors[random_below(state, sizeof floors / sizeof *floors)];
    return (ea__explorer){kind, (uint32_t)(floor * 2147483648.0), floor,
                          random_parameter(kind, state)};
}

static uint32_t random_scores(float *scores, uint64_t *state) {
    uint32_t count = random_below(state, 4) ? 1 + random_below(state, 12)
                                            : 1 + random_below(state, 256);
    int spread = (int)random_below(state, 60) - 40;
    int coarse = random_below(state, 3) == 0; /* many ties */
    for (uint32_t i = 0; i < count; i++) {
        double x = 2 * random_unit(state) - 1;
        scores[i] = (float)(coarse ? floor(4 * x) / 4 : ldexp(x, spread));
    }
    return count;
}

static uint32_t best_of(const float *scores, uint32_t count) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

/* The formula of the paper or textbook, with the C library's functions. */
static double wanted_probability(const ea__explorer *e, const float *s, uint32_t count,
                                 uint32_t i) {
    uint32_t best = best_of(s, count);
    double k = count, gap = (double)s[best] - (double)s[i], sum = 0;
    switch (e->kind) {
    case EA_EXPLORER_FIXED: return i == 0;
    case EA_EXPLORER_UNIFORM: return 1 / k;
    case EA_EXPLORER_GREEDY: return i == best;
    case EA_EXPLORER_EPSILON_GREEDY: return e->parameter / k + (i == best) * (1 - e->parameter);
    case EA_EXPLORER_SOFTMAX:
        for (uint32_t j = 0; j < count; j++)
            sum += exp(((double)s[j] - (double)s[best]) / e->parameter);
        return exp(-gap / e->parameter) / sum;
    default:
        if (i != best) return 1 / (k + e->parameter * gap);
        for (uint32_t j = 0; j < count; j++)
            if (j != best) sum += 1 / (k + e->parameter * ((double)s[best] - (double)s[j]));
        return 1 - sum;
    }
}

static void laws(void) {
    uint64_t state = 8;
    for (unsigned trial = 0; trial < 600000 / TEST_REDUCE; trial++) {
        float scores[EA_MAX_CANDIDATES];
        uint32_t n[EA_MAX_CANDIDATES];
        ea__explorer e = random_explorer(&state);
        uint32_t count = random_scores(scores, &state);
        uint32_t anchor = ea__explore(ea__kernel_named(0), &e, e.parameter, scores, 0, count, n);
        uint32_t floor = e.floor_units < EA_TOTAL / count ? e.floor_units : EA_TOTAL / count;
        uint64_t sum = 0;
        int at_least = 1, monotone = 1;
        int by_score = e.kind != EA_EXPLORER_FIXED && e.kind != EA_EXPLORER_UNIFORM;
        for (uint32_t i = 0; i < count; i++) {
            sum += n[i];
            at_least &= n[i] >= floor;
            for (uint32_t j = 0; by_score && j < i && j < 8; j++) {
                monotone &= !(scores[i] > scores[j] && n[i] < n[j]);
                monotone &= !(scores[i] < scores[j] && n[i] > n[j]);
                monotone &= !(ea__bits(scores[i]) == ea__bits(scores[j]) && i != anchor &&
                              j != anchor && n[i] != n[j]);
            }
        }
        CHECK(sum == EA_TOTAL);
        CHECK(at_least);
        CHECK(monotone);
        CHECK(anchor == (by_score ? best_of(scores, count) : 0));
    }
}

/* No probability is off the formula's by more than the units that rounding moves: one for the
   floor, one for the product, and a share of the k units that all the floors together left to be
   given out; the anchor collects what the others lost. */
static void equals_the_formulas(void) {
    uint64_t state = 9;
    for (unsigned trial = 0; trial < 30000 / TEST_REDUCE; trial++) {
        float scores[EA_MAX_CANDIDATES];
        uint32_t n[EA_MAX_CANDIDATES];
        ea__explorer e = random_explorer(&state);
        uint32_t count = random_scores(scores, &state);
        uint32_t anchor = ea__explore(ea__kernel_named(0), &e, e.parameter, scores, 0, count, n);
        double k = count, floor = e.floor < 1 / k ? e.floor : 1 / k;
        for (uint32_t i = 0; i < count; i++) {
            double wanted = wanted_probability(&e, scores, count, i);
            double p = floor + (1 - k * floor) * wanted;
            double units = i == anchor ? 3 * k : 2 + k * wanted;
            CHECK(fabs((double)n[i] - p * EA_TOTAL) <= units);
        }
    }
}

/* The same scores in another order give the same integers in that order, ties and the default
   apart. */
static void order_means_nothing(void) {
    uint64_t state = 10;
    for (unsigned trial = 0; trial < 50000 / TEST_REDUCE; trial++) {
        float scores[8], turned[8];
        uint32_t n[8], m[8];
        ea__explorer e = random_explorer(&state);
        if (e.kind == EA_EXPLORER_FIXED || e.kind == EA_EXPLORER_UNIFORM) continue;
        for (unsigned i = 0; i < 8; i++)
            scores[i] = (float)(random_unit(&state) + i);
        for (unsigned i = 0; i < 8; i++) turned[i] = scores[7 - i];
        ea__explore(ea__kernel_named(0), &e, e.parameter, scores, 0, 8, n);
        ea__explore(ea__kernel_named(0), &e, e.parameter, turned, 0, 8, m);
        for (unsigned i = 0; i < 8; i++) /* softmax sums in row order: a unit may move */
            CHECK(llabs((long long)n[i] - m[7 - i]) <= (e.kind == EA_EXPLORER_SOFTMAX ? 8 : 0));
    }
}

static void one_candidate(void) {
    uint64_t state = 11;
    for (unsigned trial = 0; trial < 2000; trial++) {
        ea__explorer e = random_explorer(&state);
        float score = (float)random_unit(&state);
        uint32_t n;
        CHECK_EQ(ea__explore(ea__kernel_named(0), &e, e.parameter, &score, 0, 1, &n), 0);
        CHECK_EQ(n, EA_TOTAL);
    }
}

/* As exact as binary64 allows, and never above 1. */
static void exponential(void) {
    uint64_t state = 12;
    double last = 0;
    for (unsigned trial = 0; trial < 300000 / TEST_REDUCE; trial++) {
        double x = trial % 2 ? -64 * random_unit(&state) : -exp2(-60 * random_unit(&state));
        double found = ea__exp(x), wanted = exp(x);
        CHECK(fabs(found - wanted) <= 4e-16 * wanted && found <= 1);
    }
    for (int i = 0; i <= 64 * 1024; i++) { /* rises over the whole range, joints included */
        double found = ea__exp(-64 + i / 1024.0);
        CHECK(found > last);
        last = found;
    }
    CHECK(ea__exp(0) == 1 && ea__exp(-0.0) == 1);
    CHECK(ea__exp(-64.0000001) == 0 && ea__exp(-1e300) == 0 && ea__exp(-64) > 0);
}

static const test_case cases[] = {
    {"integers add up to 2^31, keep the floor and follow the scores", laws},
    {"integers are the formulas' probabilities", equals_the_formulas},
    {"the order of candidates means nothing", order_means_nothing},
    {"one candidate has all", one_candidate},
    {"the exponential is exact", exponential},
};

MAIN("explore", cases)
