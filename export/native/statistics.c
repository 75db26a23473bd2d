/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of products: sparse rows one by one without their zeros, dense ones by blocks and tiles. */

#include "statistics.h"

#include <string.h>

#ifdef __FAST_MATH__
#error "sums must be the same on every machine: compile without -ffast-math"
#endif

/* Dense rows of an artwork wait until there are so many: a tile of S then stays in registers while
 * all of them are added, instead of being loaded and stored for each. */
enum { BLOCK = 32, HIGH = 4, WIDE = 8 };

/* Below one non-zero slot in so many, single products are faster than tiles. */
enum { SPARSE = 4 };

/* So many rows before they are needed, their memory is asked for. */
enum { AHEAD = 8 };

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
typedef double lanes __attribute__((vector_size(32), aligned(8), may_alias));
#else
#define INLINE static inline
#endif

#if defined(__GNUC__) && defined(__x86_64__)
#define HAS_AVX2 1
#endif

typedef struct {
    size_t n, padded, waiting;
    double *plain;    /* [BLOCK, padded]: v */
    double *weighted; /* [BLOCK, padded]: weight * v */
    double *value;    /* [n]: the non-zero elements of one row */
    int64_t *index;   /* [n]: and where they stand */
} work;

static size_t padded(size_t n) { return (n + WIDE - 1) / WIDE * WIDE; }

size_t es_scratch(size_t n) { return 2 * BLOCK * padded(n) + 2 * n; }

size_t es_group(const int64_t *artwork, size_t rows, size_t artworks, int64_t *starts,
                int64_t *order) {
    memset(starts, 0, (artworks + 1) * sizeof *starts);
    for (size_t row = 0; row < rows; row++) {
        if (artwork[row] < 0 || (uint64_t)artwork[row] >= artworks) return row + 1;
        starts[artwork[row] + 1]++;
    }
    for (size_t a = 0; a < artworks; a++) starts[a + 1] += starts[a];
    for (size_t row = 0; row < rows; row++) order[starts[artwork[row]]++] = (int64_t)row;
    /* Every start now is the next artwork's. */
    for (size_t a = artworks; a > 0; a--) starts[a] = starts[a - 1];
    starts[0] = 0;
    return 0;
}

/* Where row i of the triangle would have its column 0. */
static size_t line(size_t n, size_t i) { return i * n - i * (i + 1) / 2; }

/* The products of four elements with eight, over all waiting rows. */
INLINE void tile(const work *w, size_t i, size_t j, double out[HIGH][WIDE]) {
#if defined(__GNUC__)
    lanes sum[HIGH][2] = {{{0}}};
    for (size_t row = 0; row < w->waiting; row++) {
        const double *left = w->weighted + row * w->padded + i;
        const lanes *right = (const lanes *)(const void *)(w->plain + row * w->padded + j);
        for (int r = 0; r < HIGH; r++) {
            sum[r][0] += left[r] * right[0];
            sum[r][1] += left[r] * right[1];
        }
    }
    memcpy(out, sum, sizeof sum);
#else
    memset(out, 0, HIGH * WIDE * sizeof(double));
    for (size_t row = 0; row < w->waiting; row++) {
        const double *left = w->weighted + row * w->padded + i;
        const double *right = w->plain + row * w->padded + j;
        for (int r = 0; r < HIGH; r++)
            for (int c = 0; c < WIDE; c++) out[r][c] += left[r] * right[c];
    }
#endif
}

INLINE void flush_tiles(const work *w, double *sums) {
    double out[HIGH][WIDE];
    for (size_t i = 0; i < w->n; i += HIGH) {
        for (size_t j = i / WIDE * WIDE; j < w->n; j += WIDE) {
            tile(w, i, j, out);
            size_t bottom = i + HIGH < w->n ? i + HIGH : w->n;
            size_t right = j + WIDE < w->n ? j + WIDE : w->n;
            for (size_t r = i; r < bottom; r++) {
                double *into = sums + line(w->n, r);
                for (size_t c = r > j ? r : j; c < right; c++) into[c] += out[r - i][c - j];
            }
        }
    }
}

static void flush_portable(const work *w, double *sums) { flush_tiles(w, sums); }

#ifdef HAS_AVX2
/* Without FMA, which would round differently. */
__attribute__((target("avx2"))) static void flush_avx2(const work *w, double *sums) {
    flush_tiles(w, sums);
}
#endif

static void flush(work *w, double *sums) {
    if (w->waiting == 0) return;
#ifdef HAS_AVX2
    if (__builtin_cpu_supports("avx2")) flush_avx2(w, sums);
    else
#endif
        flush_portable(w, sums);
    w->waiting = 0;
}

#if defined(__GNUC__)
#define FETCH(address) __builtin_prefetch(address)
#else
#define FETCH(address) ((void)(address))
#endif

/* Rows come from anywhere, and to wait for memory took more than all the arithmetic: it is asked
 * for AHEAD rows early, and the number of the context that tells where the vector is earlier still.
 * Always inlined, because gcc 12 drops calls of functions that do nothing else. */
INLINE void fetch(const es_rows *rows, const int64_t *order, int64_t at, int64_t last) {
    if (at + 2 * AHEAD < last) {
        size_t row = (size_t)order[at + 2 * AHEAD];
        FETCH(rows->context + row);
        FETCH(rows->reward + row);
        FETCH(rows->weight + row);
    }
    if (at + AHEAD < last) {
        size_t bytes = rows->width * sizeof(float);
        const char *x = (const char *)rows->vectors +
                        (size_t)rows->context[order[at + AHEAD]] * bytes;
        for (size_t from = 0; from < bytes && from < 1024; from += 64) FETCH(x + from);
        FETCH(x + bytes - 1);
    }
}

/* The non-zero elements of a row before the reward; returns how many. */
static size_t gather(const es_rows *rows, size_t row, work *w) {
    const float *x = rows->vectors + (size_t)rows->context[row] * rows->width;
    size_t count = 0;
    for (size_t i = 0; i < rows->width; i++) {
        w->index[count] = (int64_t)i;
        w->value[count] = (double)x[i];
        count += x[i] != 0;
    }
    for (size_t i = 2 * row; rows->extra && i < 2 * row + 2; i++) {
        if (rows->extra[i] < 0) continue;
        w->index[count] = (int64_t)rows->width + rows->extra[i];
        w->value[count++] = 1;
    }
    return count;
}

static void add_sparse(const work *w, size_t count, double weight, double *sums) {
    for (size_t i = 0; i < count; i++) {
        double *into = sums + line(w->n, (size_t)w->index[i]);
        double left = weight * w->value[i];
        for (size_t j = i; j < count; j++) into[w->index[j]] += left * w->value[j];
    }
}

static void wait(work *w, size_t count, double weight) {
    double *plain = w->plain + w->waiting * w->padded;
    double *weighted = w->weighted + w->waiting * w->padded;
    memset(plain, 0, w->padded * sizeof *plain);
    memset(weighted, 0, w->padded * sizeof *weighted);
    for (size_t i = 0; i < count; i++) {
        plain[w->index[i]] = w->value[i];
        weighted[w->index[i]] = weight * w->value[i];
    }
    w->waiting++;
}

/* Only products with the reward change. */
static void correct(const work *w, size_t count, double weight, double reward, double previous,
                    double *sums) {
    size_t last = w->n - 1;
    double change = weight * (reward - previous);
    for (size_t i = 0; i < count; i++)
        sums[line(w->n, (size_t)w->index[i]) + last] += change * w->value[i];
    sums[line(w->n, last) + last] += change * (reward + previous);
}

void es_add(const es_rows *rows, const int64_t *starts, const int64_t *order, double *scratch,
            double *sums) {
    size_t n = rows->width + rows->extras + 1, wide = padded(n);
    int64_t last = starts[rows->artworks];
    work w = {n, wide, 0, scratch, scratch + BLOCK * wide, scratch + 2 * BLOCK * wide,
              (int64_t *)(void *)(scratch + 2 * BLOCK * wide + n)};
    for (size_t artwork = 0; artwork < rows->artworks; artwork++) {
        double *own = sums + artwork * (n * (n + 1) / 2);
        for (int64_t at = starts[artwork]; at < starts[artwork + 1]; at++) {
            size_t row = (size_t)order[at];
            fetch(rows, order, at, last);
            double weight = rows->weight[row], reward = rows->reward[row];
            if (!(weight > 0)) continue;
            size_t count = gather(rows, row, &w);
            if (rows->previous && rows->previous[row] == rows->previous[row]) {
                correct(&w, count, weight, reward, rows->previous[row], own);
                continue;
            }
            w.index[count] = (int64_t)(n - 1);
            w.value[count] = reward;
            count += reward != 0;
            if (count * SPARSE <= n) add_sparse(&w, count, weight, own);
            else wait(&w, count, weight);
            if (w.waiting == BLOCK) flush(&w, own);
        }
        flush(&w, own);
    }
}
