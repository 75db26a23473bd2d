/* SPDX-License-Identifier: Apache-2.0 */
/* The loops that take the time, once for each family of instructions, all with the same bits. */
#ifndef EDGEART_KERNEL_H
#define EDGEART_KERNEL_H

#include "internal.h"

/* The families: what vector extensions of gcc and clang can say, on targets where they pay. */
#if defined(__GNUC__) && (defined(__SSE2__) || defined(__aarch64__) || defined(__wasm_simd128__))
#define EA__HAS_128 1
#endif
#if defined(__GNUC__) && defined(__x86_64__)
#define EA__HAS_AVX2 1
#endif

/* Rows of a block: `count` of them at `rows`, `stride` elements apart, and what belongs to each. */
typedef struct {
    const void *rows;
    const float *scales, *bias;
    uint32_t count, stride;
} ea__block;

/* F and M of decision.md §5. */
typedef struct {
    uint32_t floor;
    double mass;
} ea__measure;

#define EA__ROOM 8u /* arrays of candidates have room for a multiple of it */
#define EA__DRAWS 16u /* titles of which the draws are hashed together */

struct ea__kernel {
    uint32_t name; /* EA_KERNEL_… */
    /* decision.md §4.2 and §4.3 */
    void (*scores_f32)(const float *u, const ea__block *block, float *scores);
    void (*scores_i8)(const int8_t *q, float sigma, const ea__block *block, float *scores);
    void (*variances)(const float *squares, float scale, const ea__block *block, float *variances);
    /* §5: the lowest index of the largest score; e of every candidate; and n of all but the
       anchor, whose place holds something else. These return the sum of all they wrote. */
    uint32_t (*best)(const float *scores, uint32_t count);
    void (*softmax)(const float *scores, uint32_t count, double best, double temperature,
                    double *e);
    uint32_t (*shares)(const double *e, uint32_t count, double total, const ea__measure *measure,
                       uint32_t *n);
    uint32_t (*squarecb)(const float *scores, uint32_t count, double best, double gamma,
                         const ea__measure *measure, uint32_t *n);
    /* §5.2, steps 5 to 9: w of those alive, in order */
    void (*thompson)(const ea__grid *grid, float *w);
    /* §6: H of EA__DRAWS titles with attempt 0 */
    void (*hashes)(const uint64_t key[2], const uint64_t *titles, uint64_t *out);
    /* §6 for a page of at most EA__DRAWS titles without limits and without variances; NULL where
       it would gain nothing */
    void (*page)(const ea_policy *policy, const ea_context *context, const uint32_t *titles,
                 const uint64_t *hashes, uint32_t count, ea_decision *decisions);
    uint32_t (*crc)(uint32_t crc, const uint8_t *bytes, size_t size);
};

extern const ea__kernel ea__kernel_portable;
#if EA__HAS_128
extern const ea__kernel ea__kernel_128;
#endif
#if EA__HAS_AVX2
extern const ea__kernel ea__kernel_avx2;
#endif

#endif
