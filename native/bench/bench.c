/* SPDX-License-Identifier: Apache-2.0 */
/* Times the library: pages, single decisions, contexts, opening, checksums, beside the time that
   reading the table of weights takes, below which no page can come. */
#include "../src/internal.h"
#include "build.h"
#include "test.h"

#include <time.h>

enum { TITLES = 3000, EACH = 10, ROWS = TITLES * EACH, VECTOR = 31 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3; /* µs */
}

/* Whatever a measured loop computes goes here, so that no compiler leaves the loop out. */
static volatile uint64_t sink;

typedef struct bench bench;
struct bench {
    char name[48];
    void (*run)(const bench *);
    unsigned repeat; /* runs timed together, where one is too short to time */
    fixture *f;
    ea__explorer explorer;
    double *times;
};

static uint32_t all_titles[TITLES];
static ea_decision decisions[TITLES];
static float scores[ROWS + 8]; /* vectors reach past the last candidate */
static uint32_t integers[ROWS + 8];
static buffer map;

static void run_page(const bench *b) {
    ea_select_page(b->f->policy, b->f->context, all_titles, TITLES, 0, decisions);
    sink += decisions[TITLES - 1].row;
}

static void run_select(const bench *b) {
    for (unsigned i = 0; i < b->repeat; i++)
        ea_select(b->f->policy, b->f->context, i * 37 % TITLES, 0, decisions);
    sink += decisions->row;
}

static void run_encode(const bench *b) {
    for (unsigned i = 0; i < b->repeat; i++)
        ea_context_encode(b->f->policy, b->f->context, b->f->context_size, map.bytes, map.length,
                          i, 0, 0);
}

static void run_find(const bench *b) {
    char id[32];
    for (unsigned i = 0; i < b->repeat; i++) {
        int length = snprintf(id, sizeof id, "title-%u", i * 37 % TITLES);
        sink += ea_title_find(b->f->policy, id, (size_t)length);
    }
}

static void run_open(const bench *b) {
    sink += (uint64_t)ea_policy_open(b->f->policy, ea_policy_size(), b->f->bundle.bytes,
                                     b->f->bundle.length, 0);
}

static void run_crc(const bench *b) {
    sink += ea_crc32c(0, b->f->bundle.bytes, b->f->bundle.length);
}

static void run_read(const bench *b) {
    size_t size = (size_t)ROWS * b->f->policy->stride *
                  (b->f->policy->rows_kind == EA_ROWS_I8 ? 1 : sizeof(float));
    const uint64_t *p = (const void *)(b->f->policy->rows_kind == EA_ROWS_I8
                                           ? (const void *)b->f->policy->weights_i8
                                           : (const void *)b->f->policy->weights_f32);
    uint64_t sums[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < size / 8; i += 4)
        for (size_t j = 0; j < 4; j++) sums[j] += p[i + j];
    sink += sums[0] + sums[1] + sums[2] + sums[3];
}

/* ---- the parts of a page ---- */

static void run_score(const bench *b) {
    for (uint32_t t = 0; t < TITLES; t++)
        ea__score_rows(b->f->policy, b->f->context, t * EACH, EACH, scores + t * EACH);
    sink += ea__bits(scores[ROWS - 1]);
}

static void run_explore(const bench *b) {
    for (uint32_t t = 0; t < TITLES; t++)
        ea__explore(b->f->policy->kernel, &b->explorer, b->explorer.parameter, scores + t * EACH, 0, EACH,
                    integers + t * EACH);
    sink += integers[ROWS - 1];
}

static void run_draw(const bench *b) {
    for (uint32_t t = 0; t < TITLES; t++) {
        struct { uint64_t title; uint32_t attempt; } message = {b->f->policy->title_hash[t], 0};
        uint64_t hash = ea_hash(b->f->context->draw[0], b->f->context->draw[1], &message, 12);
        uint32_t sum = 0, i = 0, point = (uint32_t)(hash >> 33);
        while ((sum += integers[t * EACH + i]) <= point) i++;
        sink += i;
    }
}

/* ---- */

static const struct {
    const char *name;
    uint32_t kind;
    double floor, parameter;
} explorers[] = {
    {"greedy", EA_EXPLORER_GREEDY, 0, 0},
    {"softmax", EA_EXPLORER_SOFTMAX, .01, .1},
    {"squarecb", EA_EXPLORER_SQUARECB, .01, 10},
};

static fixture homepage(uint32_t rows, size_t explorer) {
    static const recipe_feature x = {EA_FEATURE_VECTOR, "x", VECTOR, 0, 0, 0, 16, 0};
    fixture f = open_fixture(build_bundle(&(recipe){
        .explorer = explorers[explorer].kind, .floor = explorers[explorer].floor,
        .parameter = explorers[explorer].parameter, .features = &x, .feature_count = 1,
        .title_count = TITLES, .each = EACH, .rows = rows, .seed = 1}));
    REQUIRE(f.info.k == 32);
    set_context(&f, &map, 42);
    return f;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    unsigned rounds = 300;
    int json = argc > 1 && !strcmp(argv[1], "--json");
    if (argc > 2 || (argc == 2 && !json)) {
        fprintf(stderr, "usage: bench [--json]\n");
        return 2;
    }
    float x[VECTOR];
    uint64_t state = 1;
    for (unsigned i = 0; i < VECTOR; i++) x[i] = (float)(2 * random_unit(&state) - 1);
    map = vector_map(x, VECTOR);
    for (uint32_t t = 0; t < TITLES; t++) all_titles[t] = t;

    fixture f[2][3];
    bench list[40];
    unsigned count = 0;
#define ADD(function, times_each, fixture_, ...)                                                  \
    do {                                                                                          \
        bench *b = list + count++;                                                                \
        *b = (bench){"", function, times_each, fixture_, (fixture_)->policy->cell[0].explorer, 0};        \
        snprintf(b->name, sizeof b->name, __VA_ARGS__);                                           \
    } while (0)
    for (uint32_t r = 0; r < 2; r++)
        for (size_t e = 0; e < 3; e++) {
            f[r][e] = homepage(r ? EA_ROWS_I8 : EA_ROWS_F32, e);
            ADD(run_page, 1, &f[r][e], "page %s %s", r ? "i8" : "f32", explorers[e].name);
        }
    for (uint32_t r = 0; r < 2; r++) {
        ADD(run_read, 1, &f[r][2], "read the table once, %s", r ? "i8" : "f32");
        ADD(run_score, 1, &f[r][2], "part: scores %s", r ? "i8" : "f32");
    }
    for (size_t e = 0; e < 3; e++)
        ADD(run_explore, 1, &f[1][e], "part: integers %s", explorers[e].name);
    ADD(run_draw, 1, &f[1][2], "part: draw");
    ADD(run_select, 1000, &f[1][2], "select i8 squarecb");
    ADD(run_find, 1000, &f[1][2], "find a title (and print its id)");
    ADD(run_encode, 1000, &f[1][2], "encode 31 numbers");
    ADD(run_open, 1, &f[1][2], "open i8, %zu bytes", f[1][2].bundle.length);
    ADD(run_crc, 1, &f[1][2], "checksum of these");
    for (unsigned i = 0; i < count; i++) {
        list[i].times = malloc(rounds * sizeof(double));
        REQUIRE(list[i].times);
    }
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < count; i++) { /* interleaved: all meet the same disturbances */
            double start = now();
            list[i].run(list + i);
            list[i].times[round] = (now() - start) / list[i].repeat;
        }
    if (json) printf("{\"unit\": \"us\", \"rounds\": %u, \"results\": {", rounds);
    else printf("%-34s %10s %10s   µs, %u rounds\n", "", "median", "p99", rounds);
    for (unsigned i = 0; i < count; i++) {
        const bench *b = list + i;
        qsort(b->times, rounds, sizeof(double), ascending);
        double median = b->times[rounds / 2], p99 = b->times[rounds * 99 / 100];
        if (json)
            printf("%s\"%s\": {\"median\": %.4f, \"p99\": %.4f}", i ? ", " : "", b->name, median,
                   p99);
        else printf("%-34s %10.3f %10.3f\n", b->name, median, p99);
        free(b->times);
    }
    if (json) printf("}}\n");
    for (unsigned i = 0; i < 6; i++) close_fixture(&f[i / 3][i % 3]);
    buffer_free(&map);
    return 0;
}
