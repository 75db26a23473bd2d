/* SPDX-License-Identifier: Apache-2.0 */
/* From scores to integers that add up to 2^31 (decision.md §5). */
#include "internal.h"

static uint32_t best_of(const float *scores, uint32_t count) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

/* p·M for p of at most 1/2 and M of at most 2^31: fits an int32. */
static inline uint32_t units(double p, double mass) {
    return (uint32_t)(int32_t)(p * mass);
}

/* Writes count integers and returns the anchor, to whom the others' remainder fell. */
uint32_t ea__explore(const ea__explorer *explorer, const float *scores, uint32_t count,
                     uint32_t *n) {
    uint32_t kind = explorer->kind;
    uint32_t anchor =
        kind == EA_EXPLORER_FIXED || kind == EA_EXPLORER_UNIFORM ? 0 : best_of(scores, count);
    uint32_t floor = EA_TOTAL / count;
    if (explorer->floor_units < floor) floor = explorer->floor_units;
    double mass = (double)(EA_TOTAL - floor * count);
    double best = (double)scores[anchor];

    switch (kind) {
    case EA_EXPLORER_SOFTMAX: {
        double e[EA_MAX_CANDIDATES], sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            e[i] = ea__exp(-((best - (double)scores[i]) / explorer->parameter));
            sum += e[i];
        }
        for (uint32_t i = 0; i < count; i++)
            n[i] = floor + (i == anchor ? 0 : units(e[i] / sum, mass));
        break;
    }
    case EA_EXPLORER_SQUARECB:
        for (uint32_t i = 0; i < count; i++) {
            double gap = best - (double)scores[i];
            double p = 1 / ((double)count + explorer->parameter * gap);
            n[i] = floor + (i == anchor ? 0 : units(p, mass));
        }
        break;
    default: {
        double p = kind == EA_EXPLORER_UNIFORM          ? 1 / (double)count
                   : kind == EA_EXPLORER_EPSILON_GREEDY ? explorer->parameter / (double)count
                                                        : 0;
        /* with one candidate p may be 1, and nobody gets it but the anchor */
        uint32_t share = floor + (count > 1 ? units(p, mass) : 0);
        for (uint32_t i = 0; i < count; i++) n[i] = share;
    }
    }
    uint32_t rest = EA_TOTAL;
    n[anchor] = 0;
    for (uint32_t i = 0; i < count; i++) rest -= n[i];
    n[anchor] = rest;
    return anchor;
}
