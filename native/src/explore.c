/* SPDX-License-Identifier: Apache-2.0 */
/* From scores to integers that add up to 2^31 (decision.md §5). */
#include "kernel.h"

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
uint32_t ea__explore(const ea__kernel *kernel, const ea__explorer *explorer, double parameter,
                     const float *scores, const float *variances, uint32_t count, uint32_t *n) {
    uint32_t kind = explorer->kind, anchor = 0;
    if (kind == EA_EXPLORER_UCB) anchor = most_hopeful(parameter, scores, variances, count);
    else if (kind != EA_EXPLORER_FIXED && kind != EA_EXPLORER_UNIFORM)
        anchor = kernel->best(scores, count);
    if (count == 1) {
        n[0] = EA_TOTAL;
        return 0;
    }
    uint32_t floor = explorer->floor_units, sum = 0;
    if ((uint64_t)floor * count > EA_TOTAL) floor = EA_TOTAL / count;
    ea__measure measure = {floor, (double)(EA_TOTAL - floor * count)};
    double best = (double)scores[anchor], total = 0;
    double p[EA_MAX_CANDIDATES];

    switch (kind) {
    case EA_EXPLORER_SOFTMAX:
        kernel->softmax(scores, count, best, parameter, p);
        for (uint32_t i = 0; i < count; i++) total += p[i];
        sum = kernel->shares(p, count, total, &measure, n);
        break;
    case EA_EXPLORER_SQUARECB:
        sum = kernel->squarecb(scores, count, best, parameter, &measure, n);
        break;
    case EA_EXPLORER_THOMPSON:
        total = ea__thompson(kernel, parameter, scores, variances, count, anchor, p);
        sum = kernel->shares(p, count, total, &measure, n);
        break;
    default: {
        double share = kind == EA_EXPLORER_UNIFORM          ? 1 / (double)count
                       : kind == EA_EXPLORER_EPSILON_GREEDY ? parameter / (double)count
                                                            : 0;
        uint32_t each = floor + ea__units(share, measure.mass);
        for (uint32_t i = 0; i < count; i++) n[i] = each;
        sum = each * count;
    }
    }
    n[anchor] += EA_TOTAL - sum; /* what the others leave */
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
    uint32_t found[EA_MAX_CANDIDATES];
    ea__explore(ea__kernel_named(EA_KERNEL_PORTABLE), &explorer, explorer.parameter, s, v, count,
                found);
    for (uint32_t i = 0; i < count; i++) n[i] = found[i];
    return EA_OK;
}
