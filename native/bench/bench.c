/* SPDX-License-Identifier: Apache-2.0 */
/* Times the jobs in turns, and holds their ratios against the bars of the project. */
#include "jobs.h"
#include "test.h"

#include <time.h>

enum { MOST_ROUNDS = 100000 };

static jobs all;
static double *times[MOST_JOBS]; /* µs a run, one for each round */
static unsigned rounds = 200;

/* Of this thread's CPU, so that what else runs on the machine takes caches and nothing more. */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3; /* µs */
}

static void measure(void) {
    for (unsigned i = 0; i < all.count; i++)
        REQUIRE(times[i] = malloc(rounds * sizeof(double)));
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < all.count; i++) { /* in turns: all meet the same disturbances */
            const job *j = all.list + i;
            j->run(j); /* once untimed: the job before has had the caches */
            double start = now();
            j->run(j);
            times[i][round] = (now() - start) / j->repeat;
        }
}

/* ---- what the bars are about ---- */

typedef struct {
    const char *what, *over, *plus, *minus; /* over + plus - minus, the latter two may be NULL */
    const char *under;                      /* NULL: µs instead of a ratio */
    double bar;                             /* at most */
} bar;

static const bar bars[] = {
    {"greedy page i8, in reads of its table", "page i8 greedy, avx2", 0, 0,
     "read the table once, i8", 1.8},
    {"greedy page f32, in reads of its table", "page f32 greedy, avx2", 0, 0,
     "read the table once, f32", 1.1},
    {"greedy page i8, 128 in avx2", "page i8 greedy, 128", 0, 0, "page i8 greedy, avx2", 2},
    {"greedy page f32, 128 in avx2", "page f32 greedy, 128", 0, 0, "page f32 greedy, avx2", 2},
    {"greedy page i8, portable in avx2", "page i8 greedy, portable", 0, 0,
     "page i8 greedy, avx2", 2},
    {"greedy page f32, portable in avx2", "page f32 greedy, portable", 0, 0,
     "page f32 greedy, avx2", 2},
    {"thompson page i8, avx2", "page i8 thompson, avx2", 0, 0, 0, 15000},
    {"thompson page i8, portable", "page i8 thompson, portable", 0, 0, 0, 30000},
    {"open i8 in memory, CRC by instruction", "open i8", 0, 0, 0, 1000},
    {"open i8 in memory, CRC portable", "open i8", "checksum of the bundle, portable",
     "checksum of the bundle", 0, 2000},
    {"append an impression", "append an impression", 0, 0, 0, .6},
};
enum { BARS = sizeof bars / sizeof *bars };

static const double *times_of(const char *name) {
    for (unsigned i = 0; i < all.count; i++)
        if (!strcmp(all.list[i].name, name)) return times[i];
    return 0;
}

/* Round by round. 0 where one of the jobs is not there. */
static int values_of(const bar *b, double *values) {
    const double *over = times_of(b->over), *under = b->under ? times_of(b->under) : 0;
    const double *plus = b->plus ? times_of(b->plus) : 0;
    const double *minus = b->minus ? times_of(b->minus) : 0;
    if (!over || (b->under && !under)) return 0;
    for (unsigned i = 0; i < rounds; i++)
        values[i] = (over[i] + (plus ? plus[i] : 0) - (minus ? minus[i] : 0)) /
                    (under ? under[i] : 1);
    return 1;
}

/* ---- printing ---- */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sort(double *values) {
    qsort(values, rounds, sizeof *values, ascending);
}

static double quantile(const double *sorted, double q) {
    return sorted[(unsigned)(q * (rounds - 1))];
}

static void print_bars(int json) {
    double *values = malloc(rounds * sizeof *values);
    REQUIRE(values);
    if (json) printf("}, \"bars\": [");
    else printf("\n%-40s %9s %21s %9s\n", "", "median", "quartiles", "bar");
    for (unsigned i = 0, first = 1; i < BARS; i++) {
        const bar *b = bars + i;
        if (!values_of(b, values)) {
            if (!json) printf("%-40s left out: this processor has no such kernel\n", b->what);
            continue;
        }
        sort(values);
        double low = quantile(values, .25), median = quantile(values, .5),
               high = quantile(values, .75);
        if (json)
            printf("%s{\"what\": \"%s\", \"unit\": \"%s\", \"low\": %.6g, \"median\": %.6g, "
                   "\"high\": %.6g, \"bar\": %g}", first ? "" : ", ", b->what,
                   b->under ? "ratio" : "us", low, median, high, b->bar);
        else
            printf("%-40s %9.4g %10.4g-%-10.4g %9g%s%s\n", b->what, median, low, high, b->bar,
                   b->under ? "" : " µs", median <= b->bar ? "" : "  MISSED");
        first = 0;
    }
    if (json) printf("]}\n");
    free(values);
}

/* Sorts them: comes last. */
static void print_times(int json) {
    if (json) printf("{\"unit\": \"us\", \"rounds\": %u, \"times\": {", rounds);
    else printf("%-40s %9s %9s %9s   µs of CPU, %u rounds\n", "", "min", "median", "p99", rounds);
    for (unsigned i = 0; i < all.count; i++) {
        double *sorted = malloc(rounds * sizeof *sorted);
        REQUIRE(sorted);
        memcpy(sorted, times[i], rounds * sizeof *sorted);
        sort(sorted);
        double min = sorted[0], median = quantile(sorted, .5), p99 = quantile(sorted, .99);
        if (json)
            printf("%s\"%s\": {\"min\": %.4f, \"median\": %.4f, \"p99\": %.4f}", i ? ", " : "",
                   all.list[i].name, min, median, p99);
        else printf("%-40s %9.3f %9.3f %9.3f\n", all.list[i].name, min, median, p99);
        free(sorted);
    }
}

int main(int argc, char **argv) {
    int json = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) json = 1;
        else if (!strcmp(argv[i], "--rounds") && i + 1 < argc) rounds = (unsigned)atoi(argv[++i]);
        else rounds = 0;
    }
    if (rounds < 2 || rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: bench [--json] [--rounds 2 to %d]\n", MOST_ROUNDS);
        return 2;
    }
    for (unsigned k = 0; kernel_name(k); k++)
        if (!add_kernel(&all, k)) fprintf(stderr, "left out: kernel %s\n", kernel_name(k));
    add_common(&all, 0); /* which every processor has */
    measure();
    print_times(json);
    print_bars(json);
    for (unsigned i = 0; i < all.count; i++) free(times[i]);
    free_homes();
    return 0;
}
