/* SPDX-License-Identifier: Apache-2.0 */
/* The test harness: checks that say where they failed, random numbers, and chi-square bounds. */
#ifndef EDGEART_TEST_H
#define EDGEART_TEST_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sanitized builds are some ten times slower and take a share of the samples. */
#ifndef TEST_REDUCE
#define TEST_REDUCE 1
#endif

typedef struct {
    const char *promise;
    void (*run)(void);
} test_case;

static unsigned test_failures, test_checks;

/* The first failures of a program are worth reading; ten thousand of them are not. */
#define TEST_SHOWN 20

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        test_checks++;                                                                            \
        if (!(condition) && test_failures++ < TEST_SHOWN)                                         \
            printf("    %s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);             \
    } while (0)

#define CHECK_EQ(found, wanted)                                                                   \
    do {                                                                                          \
        long long found_ = (long long)(found), wanted_ = (long long)(wanted);                     \
        test_checks++;                                                                            \
        if (found_ != wanted_ && test_failures++ < TEST_SHOWN)                                    \
            printf("    %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #found, found_,       \
                   wanted_);                                                                      \
    } while (0)

/* What a test cannot go on without. */
#define REQUIRE(condition)                                                                        \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            printf("%s:%d: cannot go on: %s\n", __FILE__, __LINE__, #condition);                  \
            exit(2);                                                                              \
        }                                                                                         \
    } while (0)

/* For tests as a host might run them whose audio library switched subnormals off for the thread. */
static inline void flush_subnormals(void) {
#if defined(TEST_FLUSH) && defined(__SSE__)
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040); /* results and operands to zero */
    volatile float smallest = 0x1p-126f;
    REQUIRE(smallest / 2 == 0);
#endif
}

/* A program that checked nothing has failed: it has not kept its promises but lost them. */
static inline int run_tests(const char *program, const test_case *cases, size_t count) {
    unsigned failed = 0;
    flush_subnormals();
    for (size_t i = 0; i < count; i++) {
        unsigned before = test_failures, checks = test_checks;
        cases[i].run();
        int bad = test_failures != before || test_checks == checks;
        if (bad) printf("  FAILED  %s: %s\n", program, cases[i].promise);
        failed += (unsigned)bad;
    }
    printf("%s: %zu promises, %u checks, %u failed\n", program, count, test_checks, failed);
    return failed != 0;
}

#define MAIN(program, cases)                                                                      \
    int main(void) {                                                                              \
        return run_tests(program, cases, sizeof(cases) / sizeof *(cases));                        \
    }

/* splitmix64 (Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, 2014). */
static inline uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint32_t random_below(uint64_t *state, uint32_t bound) {
    return (uint32_t)((next_random(state) >> 32) * bound >> 32);
}

/* Uniform in [0, 1). */
static inline double random_unit(uint64_t *state) {
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

/* What chi-square with so many degrees of freedom exceeds with probability 1e-4. The values are
   scipy.stats.chi2.isf(1e-4, freedom) of SciPy, rounded up to two places. Seeds are fixed, so a
   test passes always or never, and 1e-4 is the chance that an honest draw got a bad seed. */
static inline double chi_square_bound(unsigned freedom) {
    static const double bound[] = {
        0, 15.14, 18.43, 21.11, 23.52, 25.75, 27.86, 29.88, 31.83, 33.72, 35.57, 37.37, 39.14,
        40.88, 42.58, 44.27, 45.93, 47.57, 49.19, 50.80, 52.39, 53.97, 55.53, 57.08, 58.62,
        60.15, 61.66, 63.17, 64.67, 66.16, 67.64, 69.11, 70.58, 72.03, 73.49, 74.93, 76.37,
        77.80, 79.23, 80.65, 82.07, 83.48, 84.88, 86.29, 87.68, 89.07, 90.46, 91.85, 93.23,
        94.60, 95.97, 97.34, 98.71, 100.07, 101.43, 102.78, 104.13, 105.48, 106.83, 108.17,
        109.51, 110.84, 112.18, 113.51, 114.84,
    };
    REQUIRE(freedom >= 1 && freedom < sizeof bound / sizeof *bound);
    return bound[freedom];
}

/* Pearson's statistic of counts against probabilities that add up to 1. Cells that expect fewer
   than ten are put together; cells of probability 0 must be empty. */
static inline void check_chi_square(const char *what, const uint64_t *counts,
                                    const double *probability, size_t cells) {
    double trials = 0, sum = 0, small_expected = 0, small_count = 0;
    unsigned used = 0;
    for (size_t i = 0; i < cells; i++) trials += (double)counts[i];
    for (size_t i = 0; i < cells; i++) {
        double expected = trials * probability[i], off = (double)counts[i] - expected;
        if (probability[i] <= 0) CHECK_EQ(counts[i], 0);
        else if (expected < 10) small_expected += expected, small_count += (double)counts[i];
        else sum += off * off / expected, used++;
    }
    if (small_expected >= 10) {
        sum += (small_count - small_expected) * (small_count - small_expected) / small_expected;
        used++;
    }
    test_checks++;
    if (used < 2) return; /* one possible outcome: the empty cells said all */
    if (sum <= chi_square_bound(used - 1)) return;
    test_failures++;
    printf("    %s: chi-square %.1f with %u degrees of freedom, bound %.1f\n", what, sum,
           used - 1, chi_square_bound(used - 1));
}

#endif
