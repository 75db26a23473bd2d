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

/* The candidate with the largest upper confidence bound. */
static uint32_t most_hopeful(double width, const float *scores, const float *variances,
                             uint32_t count) {
    uint32_t chosen = 0;
    double most = 0;
    for (uint32_t i = 0; i < count; i++) {
        double bound = (double)scores[i] + width * ea__sqrt((double)variances[i]);
        if (i && !(bound > most)) continue;
        chosen = i;
        most = bound;
    }
    return chosen;
}

/* Returns the anchor, to whom the others' remainder fell. */
uint32_t ea__explore(const ea__explorer *explorer, double parameter, const float *scores,
                     const float *variances, uint32_t count, uint32_t *n) {
    uint32_t kind = explorer->kind, anchor = 0;
    if (kind == EA_EXPLORER_UCB) anchor = most_hopeful(parameter, scores, variances, count);
    else if (kind != EA_EXPLORER_FIXED && kind != EA_EXPLORER_UNIFORM)
        anchor = best_of(scores, count);
    uint32_t floor = EA_TOTAL / count;
    if (explorer->floor_units < floor) floor = explorer->floor_units;
    double mass = (double)(EA_TOTAL - floor * count);
    double best = (double)scores[anchor];

    switch (kind) {
    case EA_EXPLORER_SOFTMAX: {
        double e[EA_MAX_CANDIDATES], sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            e[i] = ea__exp(-((best - (double)scores[i]) / parameter));
            sum += e[i];
        }
        for (uint32_t i = 0; i < count; i++)
            n[i] = floor + (i == anchor ? 0 : units(e[i] / sum, mass));
        break;
    }
    case EA_EXPLORER_SQUARECB:
        for (uint32_t i = 0; i < count; i++) {
            double gap = best - (double)scores[i];
            double p = 1 / ((double)count + parameter * gap);
            n[i] = floor + (i == anchor ? 0 : units(p, mass));
        }
        break;
    case EA_EXPLORER_THOMPSON: {
        double p[EA_MAX_CANDIDATES];
        int uncertain = ea__thompson(parameter, scores, variances, count, anchor, p);
        /* by a hair p of one that is not the anchor may be above 1/2, which fits no int32 */
        for (uint32_t i = 0; i < count; i++)
            n[i] = floor + (uncertain && i != anchor ? (uint32_t)(p[i] * mass) : 0);
        break;
    }
    default: {
        double p = kind == EA_EXPLORER_UNIFORM          ? 1 / (double)count
                   : kind == EA_EXPLORER_EPSILON_GREEDY ? parameter / (double)count
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

/* Copies numbers of another scorer as the core's own would be: 0 or at least 2^-50. */
static int32_t take(const float *from, uint32_t count, float least, float most, float *to) {
    for (uint32_t i = 0; i < count; i++) {
        if (!(from[i] >= least && from[i] <= most)) return EA_E_RANGE;
        to[i] = ea__tiny(from[i]);
    }
    return EA_OK;
}

int32_t ea__take_scores(const float *scores, uint32_t count, float *to) {
    return take(scores, count, -0x1p50f, 0x1p50f, to);
}

int32_t ea__take_variances(const float *variances, uint32_t count, float *to) {
    return take(variances, count, 0, 0x1p70f, to);
}

int32_t ea_explore(const ea_explorer *given, const float *scores, const float *variances,
                   uint32_t count, uint32_t *n) {
    double least, most;
    float s[EA_MAX_CANDIDATES], v[EA_MAX_CANDIDATES];
    if (!given || given->struct_size < sizeof *given || !scores || !n || count < 1 ||
        count > EA_MAX_CANDIDATES || !ea__explorer_bounds(given->kind, &least, &most))
        return EA_E_ARGUMENT;
    if (!variances && ea__needs_variance(given->kind)) return EA_E_ARGUMENT;
    if (!(given->floor >= 0 && given->floor <= 1) ||
        !(given->parameter >= least && given->parameter <= most))
        return EA_E_RANGE;
    int32_t status = ea__take_scores(scores, count, s);
    if (!status && variances) status = ea__take_variances(variances, count, v);
    if (status) return status;
    ea__explorer explorer = {given->kind, (uint32_t)(given->floor * 2147483648.0), given->floor,
                             given->parameter};
    ea__explore(&explorer, explorer.parameter, s, v, count, n);
    return EA_OK;
}
