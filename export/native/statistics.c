/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of products: sparse rows one by one without their zeros, dense ones by blocks and tiles. */

#include "statistics.h"

#include <math.h>
#include <string.h>

#ifdef __FAST_MATH__
#error "the order of additions is part of the result: compile without -ffast-math"
#endif

/* Dense rows of an artwork wait until there are so many: a tile of S then stays in registers while
 * all of them are added, instead of being loaded and stored for each. */
enum { BLOCK = 32, HIGH = 4, WIDE = 8 };

/* So many rows before they are needed, their memory is asked for. */
enum { AHEAD = 8 };

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define FETCH(address) __builtin_prefetch(address)
#else
#define INLINE static inline
#define FETCH(address) ((void)(address))
#endif

#if defined(__GNUC__) && defined(__x86_64__) && !defined(ES_PORTABLE)
#include <immintrin.h>
#define HAS_FMA 1
#endif

typedef struct {
    size_t n;         /* of the triangle */
    size_t dense;     /* elements before the reward */
    size_t padded;    /* the same, rounded up to whole tiles */
    size_t waiting;   /* rows in the block */
    double *plain;    /* [BLOCK, padded]: (x, z) */
    double *weighted; /* [BLOCK, padded]: weight * (x, z) */
    double *value;    /* [n]: the non-zero elements of one row */
    int64_t *index;   /* [n]: and where they stand */
} work;

INLINE size_t padded(size_t n) { return (n + WIDE - 1) / WIDE * WIDE; }

size_t es_scratch(size_t n) { return 2 * BLOCK * padded(n) + 2 * n; }

/* Whether what a row names is there, its extras in order. */
static int is_fit(const es_rows *rows, size_t row, size_t contexts) {
    if (rows->artwork[row] < 0 || (uint64_t)rows->artwork[row] >= rows->artworks) return 0;
    if (rows->context[row] < 0 || (uint64_t)rows->context[row] >= contexts) return 0;
    if (!rows->extra) return 1;
    int64_t first = rows->extra[2 * row], second = rows->extra[2 * row + 1];
    int64_t extras = (int64_t)rows->extras;
    return first < extras && second < extras && (second < 0 || first < second);
}

size_t es_group(const es_rows *rows, size_t contexts, int64_t *starts, es_entry *entries) {
    const int64_t *artwork = rows->artwork;
    memset(starts, 0, (rows->artworks + 1) * sizeof *starts);
    for (size_t row = 0; row < rows->rows; row++) {
        if (!is_fit(rows, row, contexts)) return row + 1;
        starts[artwork[row] + 1]++;
    }
    for (size_t a = 0; a < rows->artworks; a++) starts[a + 1] += starts[a];
    for (size_t row = 0; row < rows->rows; row++)
        entries[starts[artwork[row]]++] =
            (es_entry){(int64_t)row, rows->context[row], rows->reward[row], rows->weight[row]};
    /* Every start now is the next artwork's. */
    for (size_t a = rows->artworks; a > 0; a--) starts[a] = starts[a - 1];
    starts[0] = 0;
    return 0;
}

/* Where row i of the triangle would have its column 0. */
INLINE size_t line(size_t n, size_t i) { return i * n - i * (i + 1) / 2; }

/* A tile, the products of four elements with eight over all waiting rows, goes to the triangle. */
INLINE void put(const work *w, size_t i, size_t j, double tile[HIGH][WIDE], double *sums) {
    size_t bottom = i + HIGH < w->dense ? i + HIGH : w->dense;
    size_t right = j + WIDE < w->dense ? j + WIDE : w->dense;
    for (size_t r = i; r < bottom; r++) {
        double *into = sums + line(w->n, r);
        for (size_t c = r > j ? r : j; c < right; c++) into[c] += tile[r - i][c - j];
    }
}

INLINE void flush_portable(const work *w, double *sums) {
    for (size_t i = 0; i < w->dense; i += HIGH) {
        for (size_t j = i / WIDE * WIDE; j < w->dense; j += WIDE) {
            double tile[HIGH][WIDE] = {{0}};
            for (size_t row = 0; row < w->waiting; row++) {
                const double *left = w->weighted + row * w->padded + i;
                const double *right = w->plain + row * w->padded + j;
                for (int r = 0; r < HIGH; r++)
                    for (int c = 0; c < WIDE; c++) tile[r][c] += left[r] * right[c];
            }
            put(w, i, j, tile, sums);
        }
    }
}

#ifdef HAS_FMA
__attribute__((target("avx2,fma"))) static inline void flush_fma(const work *w, double *sums) {
    for (size_t i = 0; i < w->dense; i += HIGH) {
        for (size_t j = i / WIDE * WIDE; j < w->dense; j += WIDE) {
            __m256d sum[HIGH][2];
            for (int r = 0; r < HIGH; r++) sum[r][0] = sum[r][1] = _mm256_setzero_pd();
            for (size_t row = 0; row < w->waiting; row++) {
                const double *left = w->weighted + row * w->padded + i;
                const double *at = w->plain + row * w->padded + j;
                __m256d right[2] = {_mm256_loadu_pd(at), _mm256_loadu_pd(at + 4)};
                for (int r = 0; r < HIGH; r++) {
                    __m256d one = _mm256_broadcast_sd(left + r);
                    sum[r][0] = _mm256_fmadd_pd(one, right[0], sum[r][0]);
                    sum[r][1] = _mm256_fmadd_pd(one, right[1], sum[r][1]);
                }
            }
            double tile[HIGH][WIDE];
            for (int r = 0; r < HIGH; r++) {
                _mm256_storeu_pd(tile[r], sum[r][0]);
                _mm256_storeu_pd(tile[r] + 4, sum[r][1]);
            }
            put(w, i, j, tile, sums);
        }
    }
}
#endif

INLINE const float *vector(const es_rows *rows, const es_entry *entry) {
    return rows->vectors + (size_t)entry->context * rows->width;
}

/* Contexts come from anywhere, and to wait for memory took more than all the arithmetic: it is
 * asked for early. Always inlined, because gcc 12 drops calls of functions that do nothing else. */
INLINE void fetch(const es_rows *rows, const es_entry *entry) {
    const char *x = (const char *)vector(rows, entry);
    size_t bytes = rows->width * sizeof(float);
    for (size_t from = 0; from < bytes && from < 1024; from += 64) FETCH(x + from);
    FETCH(x + bytes - 1);
}

/* At most so many elements are not 0. */
INLINE size_t non_zero(const es_rows *rows, const es_entry *entry) {
    const float *x = vector(rows, entry);
    uint32_t count = 0; /* of 32 bits, so that lanes of floats count in lanes of their own width */
    for (size_t i = 0; i < rows->width; i++) count += x[i] != 0;
    return count + (rows->extras ? 2 : 0);
}

/* The non-zero elements of a row before the reward; returns how many. */
INLINE size_t gather(const es_rows *rows, const es_entry *entry, work *w) {
    const float *x = vector(rows, entry);
    size_t count = 0;
    for (size_t i = 0; i < rows->width; i++) {
        w->index[count] = (int64_t)i;
        w->value[count] = (double)x[i];
        count += x[i] != 0;
    }
    for (size_t i = 0; rows->extra && i < 2; i++) {
        int64_t extra = rows->extra[2 * (size_t)entry->row + i];
        if (extra < 0) continue;
        w->index[count] = (int64_t)rows->width + extra;
        w->value[count++] = 1;
    }
    return count;
}

/* Whether single products are faster than tiles, by measured costs: below some 40 slots never. */
INLINE int is_sparse(size_t count, size_t n) {
    return n * n > 16 * n + 8 * count * count + 90 * count + 440;
}

INLINE void add_sparse(const work *w, size_t count, double weight, double *sums) {
    for (size_t i = 0; i < count; i++) {
        double *into = sums + line(w->n, (size_t)w->index[i]);
        double left = weight * w->value[i];
        for (size_t j = i; j < count; j++) into[w->index[j]] += left * w->value[j];
    }
}

/* Puts a row into the block. */
INLINE const double *add_dense(const es_rows *rows, const es_entry *entry, work *w) {
    const float *x = vector(rows, entry);
    double *plain = w->plain + w->waiting * w->padded;
    double *weighted = w->weighted + w->waiting * w->padded;
    for (size_t i = 0; i < rows->width; i++) plain[i] = (double)x[i];
    for (size_t i = rows->width; i < w->padded; i++) plain[i] = 0;
    for (size_t i = 0; rows->extra && i < 2; i++) {
        int64_t extra = rows->extra[2 * (size_t)entry->row + i];
        if (extra >= 0) plain[rows->width + (size_t)extra] = 1;
    }
    for (size_t i = 0; i < w->padded; i++) weighted[i] = entry->weight * plain[i];
    w->waiting++;
    return plain;
}

/* The last column, what is multiplied with the reward: v times change, and the square's change. */
INLINE void add_reward(const work *w, const double *v, double change, double square, double *sums) {
    size_t last = w->n - 1;
    if (change != 0)
        for (size_t i = 0; i < w->dense; i++) sums[line(w->n, i) + last] += change * v[i];
    sums[line(w->n, last) + last] += square;
}

INLINE void add_reward_sparse(const work *w, size_t count, double change, double square,
                              double *sums) {
    size_t last = w->n - 1;
    for (size_t i = 0; i < count; i++)
        sums[line(w->n, (size_t)w->index[i]) + last] += change * w->value[i];
    sums[line(w->n, last) + last] += square;
}

typedef void flusher(const work *w, double *sums);

INLINE void add_row(const es_rows *rows, const es_entry *entry, work *w, flusher *flush,
                    double *sums) {
    double weight = entry->weight, reward = entry->reward;
    if (!(weight > 0)) return;
    double previous = rows->previous ? rows->previous[entry->row] : (double)NAN;
    if (previous == previous) {
        double change = weight * (reward - previous);
        add_reward_sparse(w, gather(rows, entry, w), change, change * (reward + previous), sums);
        return;
    }
    double change = weight * reward, square = change * reward;
    if (is_sparse(0, w->dense) && is_sparse(non_zero(rows, entry), w->dense)) {
        size_t count = gather(rows, entry, w);
        add_sparse(w, count, weight, sums);
        add_reward_sparse(w, count, change, square, sums);
    } else {
        add_reward(w, add_dense(rows, entry, w), change, square, sums);
        if (w->waiting == BLOCK) {
            flush(w, sums);
            w->waiting = 0;
        }
    }
}

INLINE void add_all(const es_rows *rows, const int64_t *starts, const es_entry *entries,
                    double *scratch, flusher *flush, es_sums *sums) {
    size_t dense = rows->width + rows->extras, n = dense + 1, wide = padded(n);
    int64_t last = starts[rows->artworks];
    work w = {n, dense, padded(dense), 0, scratch, scratch + BLOCK * wide,
              scratch + 2 * BLOCK * wide, (int64_t *)(void *)(scratch + 2 * BLOCK * wide + n)};
    for (size_t artwork = 0; artwork < rows->artworks; artwork++) {
        double *own = sums->products + artwork * (n * (n + 1) / 2);
        double count = 0, reward = 0;
        for (int64_t at = starts[artwork]; at < starts[artwork + 1]; at++) {
            if (at + AHEAD < last) fetch(rows, entries + at + AHEAD);
            add_row(rows, entries + at, &w, flush, own);
            double previous = rows->previous ? rows->previous[entries[at].row] : (double)NAN;
            int corrects = previous == previous;
            count += corrects ? 0 : entries[at].weight;
            reward += entries[at].weight * (entries[at].reward - (corrects ? previous : 0));
        }
        sums->counts[artwork] += count;
        sums->rewards[artwork] += reward;
        if (w.waiting) flush(&w, own);
        w.waiting = 0;
    }
}

static void add_portable(const es_rows *rows, const int64_t *starts, const es_entry *entries,
                         double *scratch, es_sums *sums) {
    add_all(rows, starts, entries, scratch, flush_portable, sums);
}

#ifdef HAS_FMA
__attribute__((target("avx2,fma"))) static void add_fma(const es_rows *rows, const int64_t *starts,
                                                        const es_entry *entries, double *scratch,
                                                        es_sums *sums) {
    add_all(rows, starts, entries, scratch, flush_fma, sums);
}
#endif

void es_add(const es_rows *rows, const int64_t *starts, const es_entry *entries, double *scratch,
            es_sums *sums) {
#ifdef HAS_FMA
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        add_fma(rows, starts, entries, scratch, sums);
        return;
    }
#endif
    add_portable(rows, starts, entries, scratch, sums);
}
