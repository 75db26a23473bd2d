/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel for vectors of 128 bits: SSE2, NEON on 64-bit Arm, WebAssembly's simd128. */
#include "kernel.h"

#if EA__HAS_128

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define LANES 4
#define TARGET
#include "lanes.h"

INLINE void scores_f32_inline(const float *u, const ea__block *block, float *scores) {
    const float *w = block->rows;
    for (uint32_t r = 0; r < block->count; r++, w += block->stride) {
        vf low = all_of(0), high = all_of(0);
        for (uint32_t i = 0; i < block->stride; i += 8) {
            low += *(const vf_at *)(u + i) * *(const vf_at *)(w + i);
            high += *(const vf_at *)(u + i + 4) * *(const vf_at *)(w + i + 4);
        }
        vf b = low + high;
        scores[r] = ((b[0] + b[2]) + (b[1] + b[3])) + block->bias[r];
    }
}

typedef int16_t i16x8 __attribute__((vector_size(16)));
typedef int8_t i8x8_at __attribute__((vector_size(8), aligned(1), may_alias));

/* Sums of neighbouring products of sixteen codes and sixteen weights. Two of the products together
   fit sixteen bits, as -128 does not occur. */
static inline vi products(const int8_t *q, const int8_t *w) {
#if defined(__SSE2__)
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)q);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)w);
    /* a byte beside itself, shifted down, is the byte with its sign extended */
    __m128i a0 = _mm_srai_epi16(_mm_unpacklo_epi8(a, a), 8);
    __m128i a1 = _mm_srai_epi16(_mm_unpackhi_epi8(a, a), 8);
    __m128i b0 = _mm_srai_epi16(_mm_unpacklo_epi8(b, b), 8);
    __m128i b1 = _mm_srai_epi16(_mm_unpackhi_epi8(b, b), 8);
    return (vi)_mm_add_epi32(_mm_madd_epi16(a0, b0), _mm_madd_epi16(a1, b1));
#else
    i16x8 a0 = __builtin_convertvector(*(const i8x8_at *)q, i16x8);
    i16x8 a1 = __builtin_convertvector(*(const i8x8_at *)(q + 8), i16x8);
    i16x8 b0 = __builtin_convertvector(*(const i8x8_at *)w, i16x8);
    i16x8 b1 = __builtin_convertvector(*(const i8x8_at *)(w + 8), i16x8);
    vi both = (vi)(a0 * b0 + a1 * b1);
    return (both >> 16) + ((both << 16) >> 16);
#endif
}

INLINE void scores_i8_inline(const int8_t *q, float sigma, const ea__block *block,
                             float *scores) {
    const int8_t *w = block->rows;
    for (uint32_t r = 0; r < block->count; r++, w += block->stride) {
        vi sum = products(q, w);
        for (uint32_t i = 16; i < block->stride; i += 16) sum += products(q + i, w + i);
        int32_t total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        scores[r] = (float)total * (sigma * block->scales[r]) + block->bias[r];
    }
}

static void scores_f32(const float *u, const ea__block *block, float *scores) {
    scores_f32_inline(u, block, scores);
}

static void scores_i8(const int8_t *q, float sigma, const ea__block *block, float *scores) {
    scores_i8_inline(q, sigma, block, scores);
}

INLINE uint32_t best_inline(const float *scores, uint32_t count) {
    uint32_t found = 0;
    float most = scores[0];
    for (uint32_t i = 1; i < count; i++) {
        found = scores[i] > most ? i : found;
        most = scores[i] > most ? scores[i] : most;
    }
    return found;
}

static uint32_t best(const float *scores, uint32_t count) {
    return best_inline(scores, count);
}

#include "page.h"

const ea__kernel ea__kernel_128 = {
    EA_KERNEL_128, scores_f32, scores_i8, variances, best, softmax, shares, squarecb,
    thompson, hashes, page, ea__crc_by_eights,
};

#endif
