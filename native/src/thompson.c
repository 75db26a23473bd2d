/* SPDX-License-Identifier: Apache-2.0 */
/* The probability of being the best of independent normals, by quadrature (decision.md §5.2). */
#include "kernel.h"

#define BLOCKS 32u /* at most */

/* Steps 1 to 4: who may be the best, and where to look. 0 where nothing is uncertain. */
static int lay_out(double scale, const float *scores, const float *variances, uint32_t count,
                   uint32_t best, ea__grid *g) {
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
        g->index[g->count++] = (uint8_t)i;
        if (deviation[i] > most) most = deviation[i];
    }
    if (!(most > 0)) return 0;
    double least = most, high = 0;
    for (uint32_t a = 0; a < g->count; a++) {
        uint32_t i = g->index[a];
        double gap = (double)scores[best] - (double)scores[i];
        double r = deviation[i];
        if (r < most / 32) r = most / 32;
        if (r < least) least = r;
        if (a == 0 || -gap - 3.5 * r > low) low = -gap - 3.5 * r;
        if (a == 0 || 4.5 * r - gap > high) high = 4.5 * r - gap;
        g->gap[a] = ea__tiny((float)(gap / most));
        g->inverse[a] = (float)(most / r);
    }
    double blocks = (high - low) / (8 * least);
    g->blocks = blocks > BLOCKS - 1 ? BLOCKS : (uint32_t)(int32_t)blocks;
    if (g->blocks < BLOCKS && g->blocks < blocks) g->blocks++;
    if (g->blocks < 2) g->blocks = 2;
    g->low = low;
    g->most = most;
    g->step = (high - low) / (double)(8 * g->blocks);
    return 1;
}

/* Writes to p what the probabilities are proportional to, and returns its sum. Where nothing is
   uncertain all are 0, which makes them greedy's, and the sum 1. */
double ea__thompson(const ea__kernel *kernel, double scale, const float *scores,
                    const float *variances, uint32_t count, uint32_t best, double *p) {
    ea__grid grid;
    float w[EA_MAX_CANDIDATES];
    double total = 0;
    for (uint32_t i = 0; i < count; i++) ((volatile double *)p)[i] = 0;
    if (!lay_out(scale, scores, variances, count, best, &grid)) return 1;
    kernel->thompson(&grid, w);
    for (uint32_t a = 0; a < grid.count; a++) {
        p[grid.index[a]] = (double)w[a];
        total += (double)w[a];
    }
    return total > 0 ? total : 1;
}
