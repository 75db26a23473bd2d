/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel for x86-64 with AVX2. No fused multiply-add: it would round once where the
   specification rounds twice, and costs nothing to do without, as loads are what takes the time. */
#include "kernel.h"

#if EA__HAS_AVX2

#include <immintrin.h>

#define LANES 8
#define TARGET __attribute__((target("avx2")))
#include "lanes.h"

INLINE __m256i bytes_at(const int8_t *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* Sixteen bytes, and zeros. */
INLINE __m256i half_at(const int8_t *p) {
    return _mm256_inserti128_si256(_mm256_setzero_si256(),
                                   _mm_loadu_si128((const __m128i *)(const void *)p), 0);
}

/* Eight sums of four products each. The one multiplication of bytes there is takes its left side
   unsigned, so the right one gets the sign; as -128 does not occur, no two products saturate. */
INLINE __m256i products(__m256i magnitudes, __m256i signs, __m256i weights) {
    __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(weights, signs));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

INLINE __m256i row_i8(const int8_t *q, const int8_t *w, uint32_t stride) {
    __m256i sum = _mm256_setzero_si256();
    uint32_t i = 0;
    for (; i + 32 <= stride; i += 32) {
        __m256i codes = bytes_at(q + i);
        sum = _mm256_add_epi32(sum, products(_mm256_abs_epi8(codes), codes, bytes_at(w + i)));
    }
    if (i < stride) {
        __m256i codes = half_at(q + i);
        sum = _mm256_add_epi32(sum, products(_mm256_abs_epi8(codes), codes, half_at(w + i)));
    }
    return sum;
}

/* Sums of the elements of four vectors. */
INLINE __m128i sums_of(__m256i a, __m256i b, __m256i c, __m256i d) {
    __m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

INLINE __m128 finished(__m128i sums, float sigma, const float *scales, const float *bias) {
    __m128 scale = _mm_mul_ps(_mm_set1_ps(sigma), _mm_loadu_ps(scales));
    return _mm_add_ps(_mm_mul_ps(_mm_cvtepi32_ps(sums), scale), _mm_loadu_ps(bias));
}

/* Where the four rows that begin at the at-th of `count` begin: the last group overlaps the one
   before, which gives the same scores once more, rather than being a shorter one. */
INLINE size_t group_at(uint32_t at, uint32_t count) {
    return at + 4 <= count ? at : count - 4;
}

INLINE void scores_i8_inline(const int8_t *q, float sigma, const ea__block *block,
                             float *scores) {
    const int8_t *rows = block->rows;
    const float *scales = block->scales, *bias = block->bias;
    uint32_t stride = block->stride, count = block->count;
    __m256i codes = stride == 32 ? bytes_at(q) : _mm256_setzero_si256();
    __m256i magnitudes = _mm256_abs_epi8(codes);
    for (uint32_t r = 0; count < 4 && r < count; r++) {
        __m256i sum = row_i8(q, rows + (size_t)r * stride, stride);
        __m128i total = sums_of(sum, sum, sum, sum);
        scores[r] = (float)_mm_cvtsi128_si32(total) * (sigma * scales[r]) + bias[r];
    }
    for (uint32_t at = 0; count >= 4 && at < count; at += 4) {
        size_t r = group_at(at, count);
        const int8_t *w = rows + r * stride;
        __m128i sums;
        if (stride == 32) /* what a homepage has: the codes stay in registers */
            sums = sums_of(products(magnitudes, codes, bytes_at(w)),
                           products(magnitudes, codes, bytes_at(w + 32)),
                           products(magnitudes, codes, bytes_at(w + 64)),
                           products(magnitudes, codes, bytes_at(w + 96)));
        else
            sums = sums_of(row_i8(q, w, stride), row_i8(q, w + stride, stride),
                           row_i8(q, w + 2 * stride, stride), row_i8(q, w + 3 * stride, stride));
        _mm_storeu_ps(scores + r, finished(sums, sigma, scales + r, bias + r));
    }
}

TARGET static void scores_i8(const int8_t *q, float sigma, const ea__block *block,
                             float *scores) {
    scores_i8_inline(q, sigma, block, scores);
}

/* The first step of the tree: lane l and lane l + 4. */
INLINE __m128 row_f32(const float *u, const float *w, uint32_t stride) {
    __m256 sum = _mm256_setzero_ps();
    for (uint32_t i = 0; i < stride; i += 8)
        sum = _mm256_add_ps(sum, _mm256_mul_ps(_mm256_loadu_ps(u + i), _mm256_loadu_ps(w + i)));
    return _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
}

/* The rest of the tree for four rows: (b0 + b2) + (b1 + b3). */
INLINE __m128 trees(__m128 a, __m128 b, __m128 c, __m128 d) {
    __m128 ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
    __m128 cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
    return _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xdd));
}

INLINE void scores_f32_inline(const float *u, const ea__block *block, float *scores) {
    const float *rows = block->rows, *bias = block->bias;
    uint32_t stride = block->stride, count = block->count;
    for (uint32_t r = 0; count < 4 && r < count; r++) {
        __m128 b = row_f32(u, rows + (size_t)r * stride, stride);
        scores[r] = _mm_cvtss_f32(trees(b, b, b, b)) + bias[r];
    }
    for (uint32_t at = 0; count >= 4 && at < count; at += 4) {
        size_t r = group_at(at, count);
        const float *w = rows + r * stride;
        __m128 sums = trees(row_f32(u, w, stride), row_f32(u, w + stride, stride),
                            row_f32(u, w + 2 * stride, stride), row_f32(u, w + 3 * stride, stride));
        _mm_storeu_ps(scores + r, _mm_add_ps(sums, _mm_loadu_ps(bias + r)));
    }
}

TARGET static void scores_f32(const float *u, const ea__block *block, float *scores) {
    scores_f32_inline(u, block, scores);
}

INLINE uint32_t same_as(__m256 scores, __m256 wanted) {
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(scores, wanted, _CMP_EQ_OQ));
}

INLINE __m256 largest_of(__m256 x) { /* in every lane */
    x = _mm256_max_ps(x, _mm256_permute2f128_ps(x, x, 1));
    x = _mm256_max_ps(x, _mm256_shuffle_ps(x, x, 0x4e));
    return _mm256_max_ps(x, _mm256_shuffle_ps(x, x, 0xb1));
}

INLINE uint32_t best_inline(const float *scores, uint32_t count) {
    if (count >= 8 && count <= 16) { /* two vectors that overlap, and no branch */
        __m256 a = _mm256_loadu_ps(scores), b = _mm256_loadu_ps(scores + count - 8);
        __m256 most = largest_of(_mm256_max_ps(a, b));
        return (uint32_t)__builtin_ctz(same_as(a, most) | same_as(b, most) << (count - 8));
    }
    uint32_t found = 0;
    float most = scores[0];
    for (uint32_t i = 1; i < count; i++) {
        found = scores[i] > most ? i : found;
        most = scores[i] > most ? scores[i] : most;
    }
    return found;
}

TARGET static uint32_t best(const float *scores, uint32_t count) {
    return best_inline(scores, count);
}

#include "page.h"

const ea__kernel ea__kernel_avx2 = {
    EA_KERNEL_AVX2, scores_f32, scores_i8, variances, best, softmax, shares, squarecb,
    thompson, hashes, page, ea__crc_by_instruction,
};

#endif
