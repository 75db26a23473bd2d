/* SPDX-License-Identifier: Apache-2.0 */
/* See jobs.h. */
#include "jobs.h"

#include "../src/internal.h"
#include "test.h"

#include <math.h>
#include <stdarg.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

volatile uint64_t sink;

/* ---- the homepage ---- */

static const struct {
    const char *name;
    uint32_t kernel;
} kernels[] = {
    {"portable", EA_KERNEL_PORTABLE}, {"128", EA_KERNEL_128}, {"avx2", EA_KERNEL_AVX2}};
enum { KERNELS = sizeof kernels / sizeof *kernels };

const char *kernel_name(unsigned index) {
    return index < KERNELS ? kernels[index].name : 0;
}

/* One bundle has them all, as cells: a unit's cell decides. */
static const recipe_cell explorers[] = {
    {"greedy", .125, EA_EXPLORER_GREEDY, 0, 0},
    {"squarecb", .125, EA_EXPLORER_SQUARECB, .01, 10},
    {"softmax", .125, EA_EXPLORER_SOFTMAX, .01, .1},
    {"thompson", .125, EA_EXPLORER_THOMPSON, .01, 1},
    {"ucb", .125, EA_EXPLORER_UCB, .01, 1},
};
enum { EXPLORERS = sizeof explorers / sizeof *explorers };

typedef struct {
    buffer bundle;
    ea_policy *policy[KERNELS];
    ea_context *context[KERNELS][EXPLORERS];
    size_t context_size;
} home;

static home bare, i8, f32; /* bare: no cells, no variances, as most homepages */
static uint32_t all_titles[TITLES];
static ea_decision decisions[TITLES];
static buffer map;
static uint8_t *some_memory; /* to measure bandwidth with */

/* Of what a trained homepage has: scores that differ by about .05 between the artworks of a title,
   and artworks that were shown 30 to 10,000 times, so that standard errors are .005 to .1. */
static buffer homepage(uint32_t rows, int with_everything) {
    static const recipe_feature x = {EA_FEATURE_VECTOR, "x", K - 1, 0, 0, 0, 16, 0};
    float *weights = malloc((size_t)ROWS * K * sizeof *weights);
    float *bias = malloc(ROWS * sizeof *bias);
    uint8_t *codes = malloc((size_t)ROWS * K);
    REQUIRE(weights && bias && codes);
    uint64_t state = 1;
    for (size_t r = 0; r < ROWS; r++) {
        /* in octaves: 1/4 over the exposures is the variance of a score, a sum over u² */
        double squares = 1 + (K - 1) / 3.;
        double octave = -2 - log2(30) - random_unit(&state) * log2(10000. / 30) - log2(squares);
        bias[r] = (float)(.1 + .02 * random_unit(&state));
        for (size_t i = 0; i < K; i++) {
            weights[r * K + i] = (float)(.03 * (random_unit(&state) - .5));
            if (fabsf(weights[r * K + i]) < 0x1p-40f) weights[r * K + i] = 0;
            /* code 8·e + m stands for (1 + m/8)·2^(e - 31) */
            codes[r * K + i] = (uint8_t)(8 * (31 + octave + random_unit(&state)));
        }
    }
    recipe r = {.name = "homepage", .explorer = EA_EXPLORER_SQUARECB, .floor = .01,
                .parameter = 10, .features = &x, .feature_count = 1, .title_count = TITLES,
                .each = EACH, .rows = rows, .seed = 1, .weights = weights, .bias = bias};
    if (with_everything) {
        r.salt = "bench", r.cells = explorers, r.cell_count = EXPLORERS;
        r.variance = EA_VARIANCE_E5M3, r.variance_codes = codes;
    }
    buffer bundle = build_bundle(&r);
    free(weights), free(bias), free(codes);
    return bundle;
}

static void *aligned(size_t size) {
    void *memory = 0;
    REQUIRE(posix_memalign(&memory, 64, size) == 0);
    return memory;
}

/* Some unit of this cell. */
static uint64_t unit_of(const ea_policy *policy, uint32_t cell) {
    uint64_t unit = 0;
    while (ea_policy_cell_of(policy, unit) != cell) unit++;
    return unit;
}

static void make_map(void) {
    float x[K - 1];
    uint64_t state = 2;
    for (unsigned i = 0; i < K - 1; i++) x[i] = (float)(2 * random_unit(&state) - 1);
    map = vector_map(x, K - 1);
}

/* Opens a home for a kernel, and a context for each explorer. 0: this processor lacks it. */
static int open_home(home *h, unsigned kernel, uint32_t rows, int with_everything) {
    if (!map.bytes) make_map();
    for (uint32_t t = 0; t < TITLES; t++) all_titles[t] = t;
    if (!h->bundle.bytes) h->bundle = homepage(rows, with_everything);
    ea_policy *policy = h->policy[kernel] = aligned(ea_policy_size());
    REQUIRE(!ea_policy_open(policy, ea_policy_size(), h->bundle.bytes, h->bundle.length, 0));
    if (ea_policy_use(policy, kernels[kernel].kernel)) return 0;
    h->context_size = ea_context_size(policy);
    for (uint32_t e = 0; e < (with_everything ? EXPLORERS : 1u); e++) {
        ea_context *context = h->context[kernel][e] = aligned(h->context_size);
        uint64_t unit = unit_of(policy, with_everything ? e + 1 : 0);
        REQUIRE(!ea_context_encode(policy, context, h->context_size, map.bytes, map.length, 42,
                                   unit, 0));
    }
    return 1;
}

void free_homes(void) {
    home *homes[] = {&bare, &i8, &f32};
    for (unsigned h = 0; h < 3; h++) {
        for (unsigned k = 0; k < KERNELS; k++) {
            free(homes[h]->policy[k]);
            for (unsigned e = 0; e < EXPLORERS; e++) free(homes[h]->context[k][e]);
        }
        buffer_free(&homes[h]->bundle);
    }
    buffer_free(&map);
    free(some_memory);
}

/* ---- the jobs ---- */

static void run_page(const job *j) {
    ea_select_page(j->policy, j->context, all_titles, TITLES, 0, decisions);
    sink += decisions[TITLES - 1].row;
}

static void run_select(const job *j) {
    for (unsigned i = 0; i < j->repeat; i++)
        ea_select(j->policy, j->context, i * 37 % TITLES, 0, decisions);
    sink += decisions->row;
}

static void run_find(const job *j) {
    static const char id[] = "title-1234";
    for (unsigned i = 0; i < j->repeat; i++)
        sink += ea_title_find(j->policy, id, sizeof id - 1);
}

static void run_encode(const job *j) {
    for (unsigned i = 0; i < j->repeat; i++)
        ea_context_encode(j->policy, j->context, j->context_size, map.bytes, map.length, i, 0, 0);
}

static void run_open(const job *j) {
    static void *memory;
    if (!memory) memory = aligned(ea_policy_size());
    sink += (uint64_t)ea_policy_open(memory, ea_policy_size(), j->bundle->bytes,
                                     j->bundle->length, 0);
}

static void run_checksum(const job *j) {
    sink += ea_crc32c(0, j->bundle->bytes, j->bundle->length);
}

static void run_checksum_portable(const job *j) {
    sink += ea__crc_by_eights(0, j->bundle->bytes, j->bundle->length);
}

static void run_shown(const job *j) {
    static uint64_t memory[1 << 15];
    static ea_segment segment = {.struct_size = sizeof segment};
    static const ea_decision decision = {1234, 12345, 1u << 28, EA_TOTAL, .1f, 0, 0};
    if (!segment.memory || segment.size - segment.used < 256 * (size_t)j->repeat) {
        memset(memory, 0, sizeof memory);
        REQUIRE(!ea_segment_start(&segment, memory, sizeof memory, 1, 0, 0));
    }
    for (unsigned i = 0; i < j->repeat; i++)
        REQUIRE(!ea_segment_shown(&segment, j->policy, &decision, 0, i / 40, i % 40, 1000 + i));
}

/* Every byte of a table and nothing else, as wide as AVX2 has it: no page can be faster. Sums that
   have names: an array of them would be kept in memory, and the loop take twice as long. */
#if defined(__x86_64__)
__attribute__((target("avx2"))) static void read_wide(const uint8_t *p, size_t size) {
#define AT(i) _mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * (i)))
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (const uint8_t *end = p + size / 256 * 256; p < end; p += 256) {
        a = _mm256_or_si256(a, AT(0)), b = _mm256_or_si256(b, AT(1));
        c = _mm256_or_si256(c, AT(2)), d = _mm256_or_si256(d, AT(3));
        a = _mm256_or_si256(a, AT(4)), b = _mm256_or_si256(b, AT(5));
        c = _mm256_or_si256(c, AT(6)), d = _mm256_or_si256(d, AT(7));
    }
#undef AT
    a = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
    sink += (uint64_t)_mm256_extract_epi64(a, 0);
}
#endif

static void read_narrow(const uint8_t *bytes, size_t size) {
    const uint64_t *p = (const uint64_t *)(const void *)bytes;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i + 4 <= size / 8; i += 4) {
        a |= p[i], b |= p[i + 1];
        c |= p[i + 2], d |= p[i + 3];
    }
    sink += a | b | c | d;
}

static void run_read(const job *j) {
    void (*read)(const uint8_t *, size_t) = read_narrow;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) read = read_wide;
#endif
    for (unsigned i = 0; i < j->repeat; i++) read(j->table, j->size);
}

/* ---- the list ---- */

static job *add(jobs *all, void (*run)(const job *), unsigned repeat, const home *h,
                unsigned kernel, unsigned explorer, const char *format, ...) {
    REQUIRE(all->count < MOST_JOBS);
    job *j = all->list + all->count++;
    *j = (job){.run = run, .repeat = repeat, .policy = h->policy[kernel],
               .context = h->context[kernel][explorer], .context_size = h->context_size,
               .bundle = &h->bundle};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(j->name, sizeof j->name, format, arguments);
    va_end(arguments);
    return j;
}

int add_kernel(jobs *all, unsigned kernel) {
    const char *name = kernels[kernel].name;
    if (!open_home(&bare, kernel, EA_ROWS_I8, 0)) return 0;
    REQUIRE(open_home(&i8, kernel, EA_ROWS_I8, 1) && open_home(&f32, kernel, EA_ROWS_F32, 1));
    for (unsigned e = 0; e < EXPLORERS; e++)
        add(all, run_page, 1, &i8, kernel, e, "page i8 %s, %s", explorers[e].name, name);
    for (unsigned e = 0; e < 2; e++)
        add(all, run_page, 1, &f32, kernel, e, "page f32 %s, %s", explorers[e].name, name);
    add(all, run_select, 100, &bare, kernel, 0, "select i8 squarecb, %s", name);
    return 1;
}

/* A size for each level of most processors' caches, and one for none: their bandwidth. */
#define MOST_READ ((size_t)128 << 20)
static const size_t reads[] = {32 << 10, 512 << 10, 8 << 20, MOST_READ};

/* What a page has to read: weights, scales and biases, which lie one behind the other. */
static void set_table(job *j, const void *weights) {
    j->table = weights;
    j->size = (size_t)((const uint8_t *)(j->policy->bias + ROWS) - (const uint8_t *)weights);
}

void add_common(jobs *all, unsigned k) {
    job *j = add(all, run_read, 1, &bare, k, 0, "read the table once, i8");
    set_table(j, j->policy->weights_i8);
    j = add(all, run_read, 1, &f32, k, 0, "read the table once, f32");
    set_table(j, j->policy->weights_f32);
    for (unsigned i = 0; i < sizeof reads / sizeof *reads; i++) {
        if (!some_memory) memset(some_memory = aligned(MOST_READ), 1, MOST_READ);
        unsigned repeat = (unsigned)(MOST_READ / 8 / reads[i] + 1);
        j = add(all, run_read, repeat, &bare, k, 0, "read %zu KiB", reads[i] >> 10);
        j->table = some_memory, j->size = reads[i];
    }
    add(all, run_find, 100, &bare, k, 0, "find a title");
    add(all, run_encode, 100, &bare, k, 0, "encode 31 numbers");
    add(all, run_shown, 100, &bare, k, 0, "append an impression");
    add(all, run_open, 1, &bare, k, 0, "open i8");
    add(all, run_checksum, 1, &bare, k, 0, "checksum of the bundle");
    add(all, run_checksum_portable, 1, &bare, k, 0, "checksum of the bundle, portable");
}

