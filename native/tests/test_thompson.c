/* SPDX-License-Identifier: Apache-2.0 */
/* Thompson sampling's probabilities: the quadrature of decision.md §5.2 to the bit, against the
   integral it stands for; and the upper confidence bound. */
#include "edgeart.h"
#include "test.h"

#include <math.h>

enum { MOST = EA_MAX_CANDIDATES };

static float tiny(float x) {
    return fabsf(x) < 0x1p-50f ? 0 : x;
}

/* ---- §5.2 read once more; the volatile steps are one rounding each ---- */

static void expected_normal(float z, float *density, float *below) {
    static const float b[] = {0x1.04f20cp-3f, -0x1.23531cp-3f, 0x1.6be1c6p-1f, -0x1.7401c6p-1f,
                              0x1.0fb844p-1f};
    volatile float a = fabsf(z) > 8 ? 8 : fabsf(z), y, product, r, p = 1 / 720.0f, t, q;
    float factorial[7] = {1, 1, 2, 6, 24, 120, 720};
    product = a * a;
    y = product * 0.5f;
    product = y * 0x1.715476p+0f;
    product = product + 0.5f;
    int k = (int)product;
    product = (float)k * 0x1.62e400p-1f;
    r = product - y;
    product = (float)k * 0x1.7f7d1cp-20f;
    r = r + product;
    for (int j = 5; j >= 0; j--) {
        product = p * r;
        p = product + 1 / factorial[j];
    }
    *density = ldexpf(p, -k);
    product = 0x1.da6712p-3f * a;
    t = 1 + product;
    t = 1 / t;
    q = b[4] * t;
    for (int j = 3; j >= 0; j--) {
        q = q + b[j];
        q = q * t;
    }
    q = q * *density;
    *below = z < 0 ? tiny(q) : 1 - q;
}

/* p of all candidates; 0 where they are greedy's. */
static int expected_p(double alpha, const float *s, const float *v, uint32_t count, double *p) {
    double sigma[MOST], g[MOST], r[MOST], low = -INFINITY, most = 0, high = -INFINITY;
    int is_alive[MOST];
    float best = -INFINITY;
    for (uint32_t i = 0; i < count; i++) best = fmaxf(best, s[i]);
    for (uint32_t i = 0; i < count; i++) {
        volatile double width;
        sigma[i] = alpha * sqrt((double)v[i]);
        g[i] = (double)best - (double)s[i];
        width = 3.5 * sigma[i];
        low = fmax(low, -g[i] - width);
    }
    for (uint32_t i = 0; i < count; i++) {
        volatile double width = 4.5 * sigma[i];
        is_alive[i] = -g[i] + width >= low;
        if (is_alive[i]) most = fmax(most, sigma[i]);
    }
    if (most == 0) return 0;
    double least = INFINITY;
    low = -INFINITY;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_alive[i]) continue;
        r[i] = fmax(sigma[i], most / 32);
        least = fmin(least, r[i]);
        volatile double width = 3.5 * r[i];
        low = fmax(low, -g[i] - width);
        width = 4.5 * r[i];
        high = fmax(high, -g[i] + width);
    }
    double blocks = fmin(32, fmax(2, ceil((high - low) / (8 * least))));
    unsigned points = 8 * (unsigned)blocks;
    volatile double step = (high - low) / (8 * blocks), product;
    float lanes[MOST][8] = {{0}};
    for (unsigned j = 0; j < points; j++) {
        float density[MOST], below[MOST], c[MOST];
        volatile float all = 1, f;
        product = (j + 0.5) * step;
        product = low + product;
        float x = tiny((float)(product / most));
        for (uint32_t i = 0; i < count; i++) {
            if (!is_alive[i]) continue;
            c[i] = (float)(most / r[i]);
            f = x + tiny((float)(g[i] / most));
            expected_normal(tiny(f * c[i]), density + i, below + i);
            all = tiny(all * below[i]);
        }
        for (uint32_t i = 0; i < count; i++) {
            if (!is_alive[i]) continue;
            f = below[i] > 0 ? density[i] / below[i] : 0;
            f = f * c[i];
            f = f * all;
            lanes[i][j % 8] = lanes[i][j % 8] + f;
        }
    }
    double total = 0;
    for (uint32_t i = 0; i < count; i++) {
        const float *a = lanes[i];
        volatile float b[4];
        for (unsigned l = 0; l < 4; l++) b[l] = a[l] + a[l + 4];
        volatile float even = b[0] + b[2], odd = b[1] + b[3];
        p[i] = is_alive[i] ? (double)(even + odd) : 0;
        total += p[i];
    }
    if (total == 0) return 0;
    for (uint32_t i = 0; i < count; i++) p[i] /= total;
    return 1;
}

static uint32_t best_of(const float *s, uint32_t count) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
        if (s[i] > s[best]) best = i;
    return best;
}

static void expected_n(const ea_explorer *e, const float *s, const float *v, uint32_t count,
                       uint32_t *n) {
    double p[MOST];
    uint32_t anchor = best_of(s, count), rest = EA_TOTAL, floor = (uint32_t)(e->floor * 0x1p31);
    if (floor > EA_TOTAL / count) floor = EA_TOTAL / count;
    int any = expected_p(e->parameter, s, v, count, p);
    for (uint32_t i = 0; i < count; i++) {
        n[i] = floor + (any ? (uint32_t)(p[i] * (double)(EA_TOTAL - count * floor)) : 0);
        if (i != anchor) rest -= n[i];
    }
    n[anchor] = rest;
}

/* ---- the integral, by the trapezium rule with libm over a fine grid ---- */

static double standard_normal(double z) {
    return erfc(-z / sqrt(2)) / 2;
}

static void integral(double alpha, const float *s, const float *v, uint32_t count, double *p) {
    enum { POINTS = 40000 };
    double low = INFINITY, high = -INFINITY;
    for (uint32_t i = 0; i < count; i++) {
        double sigma = alpha * sqrt((double)v[i]);
        low = fmin(low, (double)s[i] - 9 * sigma);
        high = fmax(high, (double)s[i] + 9 * sigma);
        p[i] = 0;
    }
    double step = (high - low) / POINTS;
    for (unsigned j = 0; j <= POINTS; j++) {
        double x = low + j * step, density[MOST], below[MOST];
        for (uint32_t i = 0; i < count; i++) {
            double sigma = alpha * sqrt((double)v[i]), z = (x - (double)s[i]) / sigma;
            density[i] = exp(-z * z / 2) / (sigma * sqrt(2 * acos(-1)));
            below[i] = standard_normal(z);
        }
        for (uint32_t i = 0; i < count; i++) {
            double others = density[i];
            for (uint32_t k = 0; k < count; k++) others *= k == i ? 1 : below[k];
            p[i] += others * step;
        }
    }
}

/* ---- tests ---- */

static ea_explorer thompson(double alpha, double floor) {
    return (ea_explorer){sizeof(ea_explorer), EA_EXPLORER_THOMPSON, floor, alpha};
}

/* Scores and variances of many magnitudes; some equal, some certain. */
static uint32_t random_case(uint64_t *state, float *s, float *v) {
    uint32_t count = random_below(state, 10) ? 1 + random_below(state, 14)
                                             : 1 + random_below(state, MOST);
    int octaves = (int)random_below(state, 3) * 12;
    double scale = ldexp(1, (int)random_below(state, 40) - 20);
    for (uint32_t i = 0; i < count; i++) {
        s[i] = tiny((float)(scale * (2 * random_unit(state) - 1)));
        double width = ldexp(scale, -(int)random_below(state, (uint32_t)octaves + 3));
        v[i] = tiny((float)(width * width * random_unit(state)));
        if (!random_below(state, 8)) v[i] = 0;
        if (i && !random_below(state, 8)) s[i] = s[i - 1], v[i] = v[i - 1];
    }
    return count;
}

static void equals_the_specification(void) {
    uint64_t state = 70;
    for (unsigned trial = 0; trial < 6000 / TEST_REDUCE; trial++) {
        float s[MOST], v[MOST];
        uint32_t n[MOST], wanted[MOST], count = random_case(&state, s, v);
        ea_explorer e = thompson(ldexp(.5 + random_unit(&state), (int)random_below(&state, 8) - 4),
                                 trial % 3 ? 0 : .02 * random_unit(&state));
        CHECK_EQ(ea_explore(&e, s, v, count, n), EA_OK);
        expected_n(&e, s, v, count, wanted);
        CHECK(!memcmp(n, wanted, count * sizeof *n));
    }
}

/* Integers add up and keep the floor wherever numbers are as far apart as they may be. */
static void adds_up_anywhere(void) {
    static const float scores[] = {0, 0x1p-50f, -0x1p-50f, 1, -1, 0x1.fffffep49f, -0x1.fffffep49f};
    static const float widths[] = {0, 0x1p-50f, 0x1p-30f, 1, 0x1p30f, 0x1p70f};
    uint64_t state = 71;
    for (unsigned trial = 0; trial < 20000 / TEST_REDUCE; trial++) {
        float s[MOST], v[MOST];
        uint32_t n[MOST], count = 1 + random_below(&state, trial % 50 ? 6 : MOST);
        for (uint32_t i = 0; i < count; i++) {
            s[i] = scores[random_below(&state, 7)];
            v[i] = widths[random_below(&state, 6)];
        }
        ea_explorer e = thompson(ldexp(1, (int)random_below(&state, 41) - 20), 0);
        uint32_t floor = trial % 2 ? random_below(&state, 1u << 23) : 0;
        e.floor = floor * 0x1p-31;
        e.kind = trial % 3 ? EA_EXPLORER_THOMPSON : EA_EXPLORER_UCB;
        CHECK_EQ(ea_explore(&e, s, v, count, n), EA_OK);
        uint64_t sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            sum += n[i];
            CHECK(n[i] >= (floor < EA_TOTAL / count ? floor : EA_TOTAL / count));
        }
        CHECK_EQ(sum, EA_TOTAL);
    }
}

static void is_near_the_integral(void) {
    uint64_t state = 72;
    double worst = 0;
    for (unsigned trial = 0; trial < 120 / TEST_REDUCE + 10; trial++) {
        float s[8], v[8];
        double p[8], apart = trial % 2 ? 30 : 3;
        uint32_t n[8], count = 2 + random_below(&state, 7);
        for (uint32_t i = 0; i < count; i++) {
            double sigma = exp(log(apart) * random_unit(&state)) / apart;
            s[i] = (float)(sigma * 2 * (2 * random_unit(&state) - 1));
            v[i] = (float)(sigma * sigma);
        }
        ea_explorer e = thompson(1, 0);
        CHECK_EQ(ea_explore(&e, s, v, count, n), EA_OK);
        integral(1, s, v, count, p);
        for (uint32_t i = 0; i < count; i++) worst = fmax(worst, fabs(n[i] * 0x1p-31 - p[i]));
    }
    CHECK(worst < 3e-3); /* the bound that §5.2 states */
}

/* The order of candidates means nothing but for the rounding of sums and the ties of the best. */
static void order_means_nothing(void) {
    uint64_t state = 73;
    for (unsigned trial = 0; trial < 2000 / TEST_REDUCE; trial++) {
        float s[MOST], v[MOST], t[MOST], w[MOST];
        uint32_t n[MOST], m[MOST], count = random_case(&state, s, v), first;
        ea_explorer e = thompson(1, 0);
        first = random_below(&state, count);
        for (uint32_t i = 0; i < count; i++) {
            t[i] = s[(i + first) % count];
            w[i] = v[(i + first) % count];
        }
        CHECK_EQ(ea_explore(&e, s, v, count, n), EA_OK);
        CHECK_EQ(ea_explore(&e, t, w, count, m), EA_OK);
        int tied = 0;
        for (uint32_t i = 0, best = best_of(s, count); i < count; i++)
            tied |= i != best && s[i] == s[best];
        for (uint32_t i = 0; i < count && !tied; i++)
            CHECK(fabs((double)m[i] - n[(i + first) % count]) <= EA_TOTAL * 1e-5);
    }
}

/* Of equally uncertain candidates the one with the higher score has the higher probability. */
static void rises_with_the_score(void) {
    uint64_t state = 74;
    for (unsigned trial = 0; trial < 2000 / TEST_REDUCE; trial++) {
        float s[12], v[12];
        uint32_t n[12];
        float variance = (float)random_unit(&state);
        for (unsigned i = 0; i < 12; i++) s[i] = (float)random_unit(&state), v[i] = variance;
        ea_explorer e = thompson(1, 0);
        CHECK_EQ(ea_explore(&e, s, v, 12, n), EA_OK);
        for (unsigned i = 0; i < 12; i++)
            for (unsigned j = 0; j < 12; j++) /* 1e-6: sums round */
                CHECK(s[i] <= s[j] || n[i] + EA_TOTAL / 1000000 >= n[j]);
    }
}

static void special_cases(void) {
    static const float s[] = {.3f, .7f, .7f, -.2f}, none[4] = {0}, v[] = {.1f, .1f, .1f, .1f};
    static const float far[] = {-1e3f, 0, .1f, -1e3f};
    ea_explorer e = thompson(1, 0), greedy = {sizeof greedy, EA_EXPLORER_GREEDY, 0, 0};
    uint32_t n[4], m[4];
    CHECK_EQ(ea_explore(&e, s, none, 4, n), EA_OK);
    CHECK_EQ(ea_explore(&greedy, s, 0, 4, m), EA_OK);
    CHECK(!memcmp(n, m, sizeof n) && n[1] == EA_TOTAL); /* nothing uncertain: the lowest best */
    CHECK_EQ(ea_explore(&e, s, v, 1, n), EA_OK);
    CHECK_EQ(n[0], EA_TOTAL);
    CHECK_EQ(ea_explore(&e, s, v, 4, n), EA_OK);
    CHECK(llabs((long long)n[1] - n[2]) <= 4); /* equals share, the anchor takes what is left */
    e.floor = .01;
    CHECK_EQ(ea_explore(&e, far, v, 4, n), EA_OK);
    CHECK(n[0] == n[3] && n[0] == (uint32_t)(.01 * 0x1p31)); /* out of reach: the floor alone */
    e.floor = 0;
    static const float certain[] = {0, .01f, 0, 0}, one[] = {1, 0, 0, 0};
    CHECK_EQ(ea_explore(&e, certain, one, 4, n), EA_OK); /* one uncertain among certain ones */
    CHECK(n[0] > 0 && n[1] > 0 && n[2] == 0 && n[3] == 0); /* the others are below one for sure */
}

/* A wide candidate ahead of a narrow one that it hardly covers: the grid at its widest. */
static void widest_grid(void) {
    for (unsigned i = 0; i < 200; i++) {
        float s[] = {0, -3 - (float)i * 0x1p-8f}, v[] = {1, 0x1p-10f};
        uint32_t n[2], wanted[2];
        ea_explorer e = thompson(1, 0);
        CHECK_EQ(ea_explore(&e, s, v, 2, n), EA_OK);
        expected_n(&e, s, v, 2, wanted);
        CHECK(!memcmp(n, wanted, sizeof n));
        CHECK(n[0] > n[1]);
    }
}

static void upper_bounds(void) {
    uint64_t state = 75;
    for (unsigned trial = 0; trial < 5000 / TEST_REDUCE; trial++) {
        float s[MOST], v[MOST];
        uint32_t n[MOST], count = random_case(&state, s, v), anchor = 0;
        double beta = ldexp(1, (int)random_below(&state, 41) - 20), most = -INFINITY;
        ea_explorer e = {sizeof e, EA_EXPLORER_UCB, trial % 2 ? .003 : 0, beta};
        uint32_t floor = (uint32_t)(e.floor * 0x1p31);
        if (floor > EA_TOTAL / count) floor = EA_TOTAL / count;
        for (uint32_t i = 0; i < count; i++) {
            volatile double width = beta * sqrt((double)v[i]);
            double bound = (double)s[i] + width;
            if (bound > most) most = bound, anchor = i;
        }
        CHECK_EQ(ea_explore(&e, s, v, count, n), EA_OK);
        for (uint32_t i = 0; i < count; i++)
            CHECK_EQ(n[i], i == anchor ? EA_TOTAL - (count - 1) * floor : floor);
    }
}

static void arguments(void) {
    static const float s[] = {1, 2}, v[] = {1, 1};
    static const float bad[] = {NAN, INFINITY, -INFINITY, 0x1p60f, -0x1p60f};
    static const float wrong[] = {NAN, INFINITY, -1, -0x1p-60f, 0x1p71f};
    uint32_t n[MOST];
    ea_explorer e = thompson(1, 0);
    CHECK_EQ(ea_explore(&e, s, v, 2, n), EA_OK);
    CHECK_EQ(ea_explore(&e, s, 0, 2, n), EA_E_ARGUMENT);
    CHECK_EQ(ea_explore(&e, 0, v, 2, n), EA_E_ARGUMENT);
    CHECK_EQ(ea_explore(&e, s, v, 2, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_explore(0, s, v, 2, n), EA_E_ARGUMENT);
    CHECK_EQ(ea_explore(&e, s, v, 0, n), EA_E_ARGUMENT);
    CHECK_EQ(ea_explore(&e, s, v, MOST + 1, n), EA_E_ARGUMENT);
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(ea_explore(&e, (float[]){0, bad[i]}, v, 2, n), EA_E_RANGE);
        CHECK_EQ(ea_explore(&e, s, (float[]){0, wrong[i]}, 2, n), EA_E_RANGE);
    }
    /* magnitudes below 2^-50 count as 0, and so does -0 */
    uint32_t m[2];
    CHECK_EQ(ea_explore(&e, (float[]){0x1p-60f, -0.0f}, (float[]){0x1p-149f, -0.0f}, 2, n), EA_OK);
    CHECK_EQ(ea_explore(&e, (float[]){0, 0}, (float[]){0, 0}, 2, m), EA_OK);
    CHECK(!memcmp(n, m, sizeof m));
    static const struct {
        uint32_t kind;
        double floor, parameter;
        int32_t status;
    } explorers[] = {
        {EA_EXPLORER_THOMPSON, 0, 0x1p-20, EA_OK},    {EA_EXPLORER_THOMPSON, 0, 0, EA_E_RANGE},
        {EA_EXPLORER_THOMPSON, 0, 0x1p20, EA_OK},     {EA_EXPLORER_UCB, 0, 0x1.8p20, EA_E_RANGE},
        {EA_EXPLORER_UCB, 0, NAN, EA_E_RANGE},        {EA_EXPLORER_UCB, 0, 0x1p-21, EA_E_RANGE},
        {EA_EXPLORER_GREEDY, 1, 0, EA_OK},            {EA_EXPLORER_GREEDY, 1.5, 0, EA_E_RANGE},
        {EA_EXPLORER_GREEDY, -.1, 0, EA_E_RANGE},     {EA_EXPLORER_GREEDY, NAN, 0, EA_E_RANGE},
        {EA_EXPLORER_GREEDY, 0, 1, EA_E_RANGE},       {EA_EXPLORER_SOFTMAX, 0, 0, EA_E_RANGE},
        {EA_EXPLORER_SQUARECB, 0, 0x1p40, EA_OK},     {EA_EXPLORER_SQUARECB, 0, -1, EA_E_RANGE},
        {EA_EXPLORER_EPSILON_GREEDY, 0, 1.1, EA_E_RANGE}, {5, 0, 0, EA_E_ARGUMENT},
        {80, 0, 0, EA_E_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof explorers / sizeof *explorers; i++) {
        e = (ea_explorer){sizeof e, explorers[i].kind, explorers[i].floor,
                          explorers[i].parameter};
        CHECK_EQ(ea_explore(&e, s, v, 2, n), explorers[i].status);
    }
    e = thompson(1, 0);
    e.struct_size--;
    CHECK_EQ(ea_explore(&e, s, v, 2, n), EA_E_ARGUMENT);
}

static const test_case cases[] = {
    {"integers are the specification's", equals_the_specification},
    {"integers add up, however far apart numbers are", adds_up_anywhere},
    {"probabilities are near the integral", is_near_the_integral},
    {"the order of candidates means nothing", order_means_nothing},
    {"the higher score has the higher probability", rises_with_the_score},
    {"certain, equal, far and single candidates", special_cases},
    {"the grid at its widest", widest_grid},
    {"ucb shows the highest bound, and each of the others its floor", upper_bounds},
    {"arguments are checked", arguments},
};

MAIN("thompson", cases)
