/* SPDX-License-Identifier: Apache-2.0 */
/* The probability of being the best of independent normals, by quadrature (decision.md §5.2). */
#include "internal.h"

#define LANES 8u
#define BLOCKS 32u /* at most */

/* One candidate on the scale of the largest standard deviation. */
typedef struct {
    float gap, inverse; /* d and c */
    uint32_t index;
} alive;

typedef struct {
    uint32_t count, blocks;
    double low, step, most; /* of the grid; the largest standard deviation */
    alive alive[EA_MAX_CANDIDATES];
} grid;

static float magnitude(float x) {
    return x < 0 ? -x : x;
}

/* E = exp(-z²/2) and the normal distribution function at z, |z| taken as at most 8. */
static inline void normal(float z, float *density, float *below) {
    float a = magnitude(z);
    a = a > 8 ? 8 : a;
    float y = a * a * 0.5f;
    int32_t k = (int32_t)(y * 0x1.715476p+0f + 0.5f);
    float r = ((float)k * 0x1.62e400p-1f - y) + (float)k * 0x1.7f7d1cp-20f;
    float p = (float)(1.0 / 720);
    p = p * r + (float)(1.0 / 120);
    p = p * r + (float)(1.0 / 24);
    p = p * r + (float)(1.0 / 6);
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    union { uint32_t u; float f; } power = {(uint32_t)(127 - k) << 23};
    float e = p * power.f;
    float t = 1 / (1 + 0x1.da6712p-3f * a);
    float q = 0x1.0fb844p-1f * t + -0x1.7401c6p-1f;
    q = q * t + 0x1.6be1c6p-1f;
    q = q * t + -0x1.23531cp-3f;
    q = q * t + 0x1.04f20cp-3f;
    q = q * t * e;
    *density = e;
    *below = z < 0 ? ea__tiny(q) : 1 - q;
}

/* The points of a block on the scale of the largest standard deviation. */
static void points(const grid *g, uint32_t block, float x[LANES]) {
    for (uint32_t l = 0; l < LANES; l++) {
        double j = (double)(block * LANES + l);
        x[l] = ea__tiny((float)((g->low + (j + 0.5) * g->step) / g->most));
    }
}

/* Steps 1 to 4: who may be the best, and where to look. 0 where nothing is uncertain. */
static int lay_out(double scale, const float *scores, const float *variances, uint32_t count,
                   uint32_t best, grid *g) {
    double deviation[EA_MAX_CANDIDATES], low = 0, most = 0;
    for (uint32_t i = 0; i < count; i++) {
        double gap = (double)scores[best] - (double)scores[i];
        deviation[i] = scale * ea__sqrt((double)variances[i]);
        double start = -gap - 3.5 * deviation[i];
        if (i == 0 || start > low) low = start;
    }
    g->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        double gap = (double)scores[best] - (double)scores[i];
        if (4.5 * deviation[i] - gap < low) continue;
        g->alive[g->count++].index = i;
        if (deviation[i] > most) most = deviation[i];
    }
    if (!(most > 0)) return 0;
    double least = most, high = 0;
    for (uint32_t a = 0; a < g->count; a++) {
        alive *candidate = g->alive + a;
        double gap = (double)scores[best] - (double)scores[candidate->index];
        double r = deviation[candidate->index];
        if (r < most / 32) r = most / 32;
        if (r < least) least = r;
        if (a == 0 || 4.5 * r - gap > high) high = 4.5 * r - gap;
        candidate->gap = ea__tiny((float)(gap / most));
        candidate->inverse = (float)(most / r);
    }
    double blocks = (high - low) / (8 * least);
    g->blocks = blocks > BLOCKS - 1 ? BLOCKS : (uint32_t)(int32_t)blocks;
    if (g->blocks < BLOCKS && g->blocks < blocks) g->blocks++;
    if (g->blocks < 2) g->blocks = 2;
    g->low = low;
    g->most = most;
    g->step = (high - low) / (double)(LANES * g->blocks);
    return 1;
}

/* Writes the probabilities of all candidates; 0, and nothing written, where they are greedy's. */
int ea__thompson(double scale, const float *scores, const float *variances, uint32_t count,
                 uint32_t best, double *p) {
    float sums[EA_MAX_CANDIDATES][LANES], ratios[EA_MAX_CANDIDATES][LANES];
    grid g;
    if (!lay_out(scale, scores, variances, count, best, &g)) return 0;
    for (uint32_t a = 0; a < g.count; a++)
        for (uint32_t l = 0; l < LANES; l++) sums[a][l] = 0;
    for (uint32_t block = 0; block < g.blocks; block++) {
        float x[LANES], all[LANES] = {1, 1, 1, 1, 1, 1, 1, 1};
        points(&g, block, x);
        for (uint32_t a = 0; a < g.count; a++) {
            float gap = g.alive[a].gap, inverse = g.alive[a].inverse;
            for (uint32_t l = 0; l < LANES; l++) {
                float e, below;
                normal(ea__tiny((x[l] + gap) * inverse), &e, &below);
                all[l] = ea__tiny(all[l] * below);
                ratios[a][l] = below > 0 ? e / below * inverse : 0;
            }
        }
        for (uint32_t a = 0; a < g.count; a++)
            for (uint32_t l = 0; l < LANES; l++) sums[a][l] += ratios[a][l] * all[l];
    }
    double total = 0;
    for (uint32_t i = 0; i < count; i++) p[i] = 0;
    for (uint32_t a = 0; a < g.count; a++) {
        double w = (double)ea__tree(sums[a]);
        p[g.alive[a].index] = w;
        total += w;
    }
    if (!(total > 0)) return 0;
    for (uint32_t a = 0; a < g.count; a++) p[g.alive[a].index] /= total;
    return 1;
}
