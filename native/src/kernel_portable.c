/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel in plain C: what every compiler understands, and what the others are held against. */
#include "fast.h"

#include "kernel.h"

static void scores_f32(const float *u, const ea__block *block, float *scores) {
    const float *w = block->rows;
    for (uint32_t r = 0; r < block->count; r++, w += block->stride) {
        float a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0, a6 = 0, a7 = 0;
        /* named: compilers keep an array in memory */
        for (uint32_t i = 0; i < block->stride; i += 8) {
            a0 += u[i] * w[i];
            a1 += u[i + 1] * w[i + 1];
            a2 += u[i + 2] * w[i + 2];
            a3 += u[i + 3] * w[i + 3];
            a4 += u[i + 4] * w[i + 4];
            a5 += u[i + 5] * w[i + 5];
            a6 += u[i + 6] * w[i + 6];
            a7 += u[i + 7] * w[i + 7];
        }
        scores[r] = (((a0 + a4) + (a2 + a6)) + ((a1 + a5) + (a3 + a7))) + block->bias[r];
    }
}

static void scores_i8(const int8_t *q, float sigma, const ea__block *block, float *scores) {
    const int8_t *w = block->rows;
    for (uint32_t r = 0; r < block->count; r++, w += block->stride) {
        int32_t sum = 0;
        for (uint32_t i = 0; i < block->stride; i++) sum += q[i] * w[i];
        scores[r] = (float)sum * (sigma * block->scales[r]) + block->bias[r];
    }
}

static void variances(const float *squares, float scale, const ea__block *block, float *out) {
    const uint8_t *codes = block->rows;
    for (uint32_t r = 0; r < block->count; r++, codes += block->stride) {
        float a[8];
        for (uint32_t l = 0; l < 8; l++) ((volatile float *)a)[l] = 0;
        for (uint32_t i = 0; i < block->stride; i += 8)
            for (uint32_t l = 0; l < 8; l++) a[l] += squares[i + l] * ea__e5m3(codes[i + l]);
        out[r] = ea__tiny(ea__tree(a) * scale);
    }
}

static uint32_t best(const float *scores, uint32_t count) {
    uint32_t found = 0;
    for (uint32_t i = 1; i < count; i++)
        if (scores[i] > scores[found]) found = i;
    return found;
}

static void softmax(const float *scores, uint32_t count, double most, double temperature,
                    double *e) {
    for (uint32_t i = 0; i < count; i++)
        e[i] = ea__exp(-((most - (double)scores[i]) / temperature));
}

static uint32_t shares(const double *e, uint32_t count, double total,
                       const ea__measure *measure, uint32_t *n) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        n[i] = measure->floor + ea__units(e[i] / total, measure->mass);
        sum += n[i];
    }
    return sum;
}

static uint32_t squarecb(const float *scores, uint32_t count, double most, double gamma,
                         const ea__measure *measure, uint32_t *n) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        double p = 1 / ((double)count + gamma * (most - (double)scores[i]));
        n[i] = measure->floor + ea__units(p, measure->mass);
        sum += n[i];
    }
    return sum;
}

/* E = exp(-z²/2) and the normal distribution function at z, |z| taken as at most 8. */
static inline void normal(float z, float *density, float *below) {
    float a = z < 0 ? -z : z;
    a = a > 8 ? 8 : a;
    float y = a * a * 0.5f;
    int32_t k = (int32_t)(y * EA__LOG2E + 0.5f);
    float r = ((float)k * EA__LN2_HIGH - y) + (float)k * EA__LN2_LOW;
    float p = EA__C6;
    p = p * r + EA__C5;
    p = p * r + EA__C4;
    p = p * r + EA__C3;
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    union { uint32_t u; float f; } power = {(uint32_t)(127 - k) << 23};
    float e = p * power.f;
    float t = 1 / (1 + EA__P * a);
    float q = EA__B5 * t + EA__B4;
    q = q * t + EA__B3;
    q = q * t + EA__B2;
    q = q * t + EA__B1;
    q = q * t * e;
    *density = e;
    *below = z < 0 ? ea__tiny(q) : 1 - q;
}

static void thompson(const ea__grid *grid, float *w) {
    float sums[EA_MAX_CANDIDATES][8], ratios[EA_MAX_CANDIDATES][8];
    for (uint32_t i = 0; i < grid->count; i++)
        for (uint32_t l = 0; l < 8; l++) ((volatile float *)sums[i])[l] = 0;
    for (uint32_t block = 0; block < grid->blocks; block++) {
        float x[8], all[8] = {1, 1, 1, 1, 1, 1, 1, 1};
        for (uint32_t l = 0; l < 8; l++) x[l] = ea__grid_point(grid, 8 * block + l);
        for (uint32_t i = 0; i < grid->count; i++)
            for (uint32_t l = 0; l < 8; l++) {
                float e, below;
                normal(ea__tiny((x[l] + grid->gap[i]) * grid->inverse[i]), &e, &below);
                all[l] = ea__tiny(all[l] * below);
                ratios[i][l] = below > 0 ? e / below * grid->inverse[i] : 0;
            }
        for (uint32_t i = 0; i < grid->count; i++)
            for (uint32_t l = 0; l < 8; l++) sums[i][l] += ratios[i][l] * all[l];
    }
    for (uint32_t i = 0; i < grid->count; i++) w[i] = ea__tree(sums[i]);
}

static void hashes(const uint64_t key[2], const uint64_t *titles, uint64_t *out) {
    for (uint32_t i = 0; i < EA__DRAWS; i++) out[i] = ea__hash_title(key, titles[i], 0);
}

const ea__kernel ea__kernel_portable = {
    EA_KERNEL_PORTABLE, scores_f32, scores_i8, variances, best, softmax, shares, squarecb,
    thompson, hashes, 0, ea__crc_by_eights,
};
