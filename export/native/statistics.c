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
enum { AHEAD = 24 };

/* What is asked for early comes into the second cache: the first is full of the block, and waits
 * for a free place took more time than it saved. */
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define FETCH(address) __builtin_prefetch(address, 0, 2)
#define FETCH_TO_CHANGE(address) __builtin_prefetch(address, 1, 2)
#else
#define INLINE static inline
#define FETCH(address) ((void)(address))
#define FETCH_TO_CHANGE(address) ((void)(address))
#endif

#if defined(__GNUC__) && defined(__x86_64__) && !defined(ES_PORTABLE_ONLY)
#include <immintrin.h>
#define HAS_X86 1
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx2,fma,avx512f")))
#endif

typedef struct {
    size_t n;         /* of the triangle */
    size_t dense;     /* elements before the reward */
    size_t padded;    /* n, rounded up to whole tiles */
    size_t waiting;   /* rows in the block */
    double *plain;    /* [BLOCK, padded]: v, on whole cache lines */
    double *weighted; /* [BLOCK, padded]: weight * v */
    double *value;    /* [n]: the non-zero elements of one row */
    int64_t *index;   /* [n]: and where they stand */
    double *next;     /* the triangle that is changed after this one */
} work;

enum { LINE = 64 }; /* bytes of a cache line */

INLINE size_t padded(size_t n) { return (n + WIDE - 1) / WIDE * WIDE; }

size_t es_scratch(size_t n) { return LINE / sizeof(double) + 2 * BLOCK * padded(n) + 2 * n; }

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

/* Products of `high` elements with eight, from (i, j) on, summed over all waiting rows, go to the
 * triangle: a tile, of which what lies below the diagonal or beyond the last column is left. */
INLINE void put(const work *w, size_t i, size_t j, size_t high, const double *tile, double *sums) {
    size_t bottom = i + high < w->dense ? i + high : w->dense;
    size_t right = j + WIDE < w->dense ? j + WIDE : w->dense;
    for (size_t r = i; r < bottom; r++) {
        double *into = sums + line(w->n, r);
        for (size_t c = r > j ? r : j; c < right; c++) into[c] += tile[(r - i) * WIDE + (c - j)];
    }
}

/* And the products of `high` elements with the reward, to the triangle's last column. */
INLINE void put_last(const work *w, size_t i, size_t high, const double *column, double *sums) {
    size_t bottom = i + high < w->dense ? i + high : w->dense;
    for (size_t r = i; r < bottom; r++) sums[line(w->n, r) + w->dense] += column[r - i];
}

/* Asks for the same tile of the next triangle. */
INLINE void fetch_next(const work *w, size_t i, size_t j, size_t high) {
    size_t bottom = i + high < w->dense ? i + high : w->dense;
    for (size_t r = i; r < bottom; r++) FETCH_TO_CHANGE(w->next + line(w->n, r) + j);
}

/* Every flush adds to each sum the products of all waiting rows, which are added to 0 in the order
 * of the rows. Those that fuse products with additions give the same bits. */
INLINE void flush_portable(const work *w, double *sums) {
    const double *plain = w->plain, *weighted = w->weighted;
    size_t end = w->waiting * w->padded, last = w->dense;
    for (size_t i = 0; i < w->dense; i += HIGH) {
        for (size_t j = i / WIDE * WIDE; j < w->dense; j += WIDE) {
            fetch_next(w, i, j, HIGH);
            double tile[HIGH][WIDE] = {{0}};
            for (size_t row = 0; row < end; row += w->padded) {
                const double *left = weighted + row + i, *right = plain + row + j;
                for (int r = 0; r < HIGH; r++)
                    for (int c = 0; c < WIDE; c++) tile[r][c] += left[r] * right[c];
            }
            put(w, i, j, HIGH, tile[0], sums);
        }
        double column[HIGH] = {0};
        for (size_t row = 0; row < end; row += w->padded) {
            const double *left = weighted + row + i, reward = plain[row + last];
            for (int r = 0; r < HIGH; r++) column[r] += left[r] * reward;
        }
        put_last(w, i, HIGH, column, sums);
    }
    double square = 0;
    for (size_t row = 0; row < end; row += w->padded)
        square += weighted[row + last] * plain[row + last];
    sums[line(w->n, last) + last] += square;
}

#ifdef HAS_X86
AVX2 INLINE void put_square(const work *w, double *sums) {
    __m128d square = _mm_setzero_pd();
    size_t end = w->waiting * w->padded, last = w->dense;
    for (size_t row = last; row < end; row += w->padded)
        square = _mm_fmadd_sd(_mm_load_sd(w->weighted + row), _mm_load_sd(w->plain + row), square);
    sums[line(w->n, last) + last] += _mm_cvtsd_f64(square);
}

/* One tile; from one on the diagonal also the products of its rows with the reward. */
AVX2 INLINE void put_tile_avx2(const work *w, size_t i, size_t j, int diagonal, double *sums) {
    __m256d sum[HIGH][2], column = _mm256_setzero_pd();
    for (int r = 0; r < HIGH; r++) sum[r][0] = sum[r][1] = _mm256_setzero_pd();
    fetch_next(w, i, j, HIGH);
    size_t end = w->waiting * w->padded;
    for (size_t row = 0; row < end; row += w->padded) {
        const double *left = w->weighted + row + i, *plain = w->plain + row;
        __m256d right[2] = {_mm256_loadu_pd(plain + j), _mm256_loadu_pd(plain + j + 4)};
        for (int r = 0; r < HIGH; r++) {
            __m256d one = _mm256_broadcast_sd(left + r);
            sum[r][0] = _mm256_fmadd_pd(one, right[0], sum[r][0]);
            sum[r][1] = _mm256_fmadd_pd(one, right[1], sum[r][1]);
        }
        if (!diagonal) continue;
        __m256d reward = _mm256_broadcast_sd(plain + w->dense);
        column = _mm256_fmadd_pd(_mm256_loadu_pd(left), reward, column);
    }
    if (!diagonal && j + WIDE <= w->dense) {
        for (size_t r = 0; r < HIGH; r++) {
            double *into = sums + line(w->n, i + r) + j;
            _mm256_storeu_pd(into, _mm256_add_pd(_mm256_loadu_pd(into), sum[r][0]));
            _mm256_storeu_pd(into + 4, _mm256_add_pd(_mm256_loadu_pd(into + 4), sum[r][1]));
        }
        return;
    }
    double tile[HIGH][WIDE], last[HIGH];
    for (int r = 0; r < HIGH; r++) {
        _mm256_storeu_pd(tile[r], sum[r][0]);
        _mm256_storeu_pd(tile[r] + 4, sum[r][1]);
    }
    put(w, i, j, HIGH, tile[0], sums);
    if (!diagonal) return;
    _mm256_storeu_pd(last, column);
    put_last(w, i, HIGH, last, sums);
}

AVX2 INLINE void flush_avx2(const work *w, double *sums) {
    for (size_t i = 0; i < w->dense; i += HIGH) {
        size_t j = i / WIDE * WIDE;
        put_tile_avx2(w, i, j, 1, sums);
        for (j += WIDE; j < w->dense; j += WIDE) put_tile_avx2(w, i, j, 0, sums);
    }
    put_square(w, sums);
}

/* The same, twice as high. */
AVX512 INLINE void put_tile_avx512(const work *w, size_t i, size_t j, int diagonal, double *sums) {
    __m512d sum[WIDE], column = _mm512_setzero_pd();
    for (int r = 0; r < WIDE; r++) sum[r] = _mm512_setzero_pd();
    fetch_next(w, i, j, WIDE);
    size_t end = w->waiting * w->padded;
    for (size_t row = 0; row < end; row += w->padded) {
        const double *left = w->weighted + row + i, *plain = w->plain + row;
        __m512d right = _mm512_loadu_pd(plain + j);
        for (int r = 0; r < WIDE; r++)
            sum[r] = _mm512_fmadd_pd(_mm512_set1_pd(left[r]), right, sum[r]);
        if (!diagonal) continue;
        column = _mm512_fmadd_pd(_mm512_loadu_pd(left), _mm512_set1_pd(plain[w->dense]), column);
    }
    unsigned columns = w->dense - j < WIDE ? (1u << (w->dense - j)) - 1 : 255;
    for (size_t r = 0; r < WIDE; r++) {
        __mmask8 mask = (__mmask8)(diagonal ? columns >> r << r : columns);
        if (!mask) break; /* below the last row */
        double *into = sums + line(w->n, i + r) + j;
        __m512d before = _mm512_maskz_loadu_pd(mask, into);
        _mm512_mask_storeu_pd(into, mask, _mm512_add_pd(before, sum[r]));
    }
    if (!diagonal) return;
    double last[WIDE];
    _mm512_storeu_pd(last, column);
    put_last(w, i, WIDE, last, sums);
}

AVX512 INLINE void flush_avx512(const work *w, double *sums) {
    for (size_t i = 0; i < w->dense; i += WIDE) {
        put_tile_avx512(w, i, i, 1, sums);
        for (size_t j = i + WIDE; j < w->dense; j += WIDE) put_tile_avx512(w, i, j, 0, sums);
    }
    put_square(w, sums);
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

/* Whether single products are faster than tiles. Measured with 30 rows an artwork they are where
 * less than about a tenth of the elements is not 0; up to 64 slots hardly ever. */
INLINE int is_sparse(size_t count, size_t n) { return n > 64 && 10 * count < n; }

INLINE void add_sparse(const work *w, size_t count, double weight, double *sums) {
    for (size_t i = 0; i < count; i++) {
        double *into = sums + line(w->n, (size_t)w->index[i]);
        double left = weight * w->value[i];
        for (size_t j = i; j < count; j++) into[w->index[j]] += left * w->value[j];
    }
}

/* Converts and weights eight elements. (MSVC knows no other spelling of restrict by default.) */
INLINE void convert(const float *__restrict x, double weight, double *__restrict plain,
                    double *__restrict weighted) {
    for (int i = 0; i < WIDE; i++) {
        plain[i] = (double)x[i];
        weighted[i] = weight * plain[i];
    }
}

/* Puts a row into the block. */
INLINE void add_dense(const es_rows *rows, const es_entry *entry, work *w) {
    const float *x = vector(rows, entry);
    double *plain = w->plain + w->waiting * w->padded;
    double *weighted = w->weighted + w->waiting * w->padded;
    double weight = entry->weight;
    size_t i = 0;
    for (; i + WIDE <= rows->width; i += WIDE) convert(x + i, weight, plain + i, weighted + i);
    for (; i < rows->width; i++) weighted[i] = weight * (plain[i] = (double)x[i]);
    for (; i < w->dense; i++) plain[i] = weighted[i] = 0;
    for (size_t k = 0; rows->extra && k < 2; k++) {
        int64_t extra = rows->extra[2 * (size_t)entry->row + k];
        if (extra < 0) continue;
        plain[rows->width + (size_t)extra] = 1;
        weighted[rows->width + (size_t)extra] = weight;
    }
    plain[w->dense] = entry->reward;
    weighted[w->dense] = weight * entry->reward;
    w->waiting++;
}

/* The last column, what is multiplied with the reward: v times change, and the square's change. */
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
    /* An intercept at least is not 0. */
    if (is_sparse(1, w->dense) && is_sparse(non_zero(rows, entry), w->dense)) {
        size_t count = gather(rows, entry, w);
        add_sparse(w, count, weight, sums);
        add_reward_sparse(w, count, weight * reward, weight * reward * reward, sums);
    } else {
        add_dense(rows, entry, w);
        if (w->waiting == BLOCK) {
            flush(w, sums);
            w->waiting = 0;
        }
    }
}

/* The first artwork from this one on that has rows, or their number. */
INLINE size_t with_rows(const es_rows *rows, const int64_t *starts, size_t artwork) {
    while (artwork < rows->artworks && starts[artwork] == starts[artwork + 1]) artwork++;
    return artwork;
}

INLINE void add_all(const es_rows *rows, const int64_t *starts, const es_entry *entries,
                    double *scratch, flusher *flush, es_sums *sums) {
    size_t dense = rows->width + rows->extras, n = dense + 1, size = n * (n + 1) / 2;
    size_t block = BLOCK * padded(n), past = (uintptr_t)scratch % LINE;
    double *plain = scratch + (past ? (LINE - past) / sizeof *scratch : 0);
    double *value = plain + 2 * block;
    work w = {n, dense, padded(n), 0, plain, plain + block, value, (int64_t *)(void *)(value + n),
              sums->products};
    memset(plain, 0, 2 * block * sizeof *plain); /* the padding stays so */
    int64_t last = starts[rows->artworks];
    for (size_t next, artwork = with_rows(rows, starts, 0); artwork < rows->artworks;
         artwork = next) {
        next = with_rows(rows, starts, artwork + 1);
        double *own = sums->products + artwork * size;
        w.next = next < rows->artworks ? sums->products + next * size : own;
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

#ifdef HAS_X86
AVX2 static void add_avx2(const es_rows *rows, const int64_t *starts, const es_entry *entries,
                          double *scratch, es_sums *sums) {
    add_all(rows, starts, entries, scratch, flush_avx2, sums);
}

AVX512 static void add_avx512(const es_rows *rows, const int64_t *starts, const es_entry *entries,
                              double *scratch, es_sums *sums) {
    add_all(rows, starts, entries, scratch, flush_avx512, sums);
}
#endif

int es_has(int kernel) {
#ifdef HAS_X86
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (kernel == ES_AVX2) return avx2;
    if (kernel == ES_AVX512) return avx2 && __builtin_cpu_supports("avx512f");
#endif
    return kernel == ES_PORTABLE;
}

int es_add_by(int kernel, const es_rows *rows, const int64_t *starts, const es_entry *entries,
              double *scratch, es_sums *sums) {
    if (!es_has(kernel)) return 0;
#ifdef HAS_X86
    if (kernel == ES_AVX512) add_avx512(rows, starts, entries, scratch, sums);
    if (kernel == ES_AVX2) add_avx2(rows, starts, entries, scratch, sums);
#endif
    if (kernel == ES_PORTABLE) add_portable(rows, starts, entries, scratch, sums);
    return 1;
}

void es_add(const es_rows *rows, const int64_t *starts, const es_entry *entries, double *scratch,
            es_sums *sums) {
    int kernel = ES_AVX512;
    while (!es_add_by(kernel, rows, starts, entries, scratch, sums)) kernel--;
}
