/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of rows, in the one order of operations that decision.md §4 fixes. */
#include "kernel.h"

/* Nearest integer, ties to even, of |x| < 2^22: adding 1.5·2^23 leaves no bits for a fraction. */
static int32_t nearest(float x) {
    volatile float shifted = x + 0x1.8p23f; /* volatile: no compiler may cancel the two */
    return (int32_t)(shifted - 0x1.8p23f);
}

static void quantise(const ea_policy *policy, ea_context *context) {
    const float *u = ea__u(context);
    int8_t *q = ea__q(context);
    float most = 0;
    for (uint32_t i = 0; i < policy->k; i++) {
        float magnitude = u[i] < 0 ? -u[i] : u[i];
        if (magnitude > most) most = magnitude;
    }
    int wanted = policy->rows_kind == EA_ROWS_I8 && most > 0;
    float sigma = wanted ? most / 127.0f : 0.0f;
    context->sigma = sigma;
    for (uint32_t i = 0; i < policy->width; i++)
        q[i] = (int8_t)(wanted ? nearest(u[i] / sigma) : 0);
}

/* What rows are multiplied with besides u: its codes, and its squares for variances. */
void ea__prepare_rows(const ea_policy *policy, ea_context *context) {
    const float *u = ea__u(context);
    quantise(policy, context);
    for (uint32_t i = 0; policy->variance_kind && i < policy->width; i++)
        ea__squares(context)[i] = ea__tiny(u[i] * u[i]);
}

void ea__score_rows(const ea_policy *policy, const ea_context *context, uint32_t first,
                    uint32_t count, float *scores) {
    size_t start = (size_t)first * policy->stride;
    ea__block block = {0, 0, policy->bias + first, count, policy->stride};
    if (policy->rows_kind == EA_ROWS_I8) {
        block.rows = policy->weights_i8 + start;
        block.scales = policy->scales + first;
        policy->kernel->scores_i8(ea__q(context), context->sigma, &block, scores);
    } else {
        block.rows = policy->weights_f32 + start;
        policy->kernel->scores_f32(ea__u(context), &block, scores);
    }
}

void ea__variance_rows(const ea_policy *policy, const ea_context *context, uint32_t first,
                       uint32_t count, float *variances) {
    ea__block block = {policy->variances + (size_t)first * policy->width, 0, 0, count,
                       policy->width};
    policy->kernel->variances(ea__squares(context), policy->variance_scale, &block, variances);
}

int32_t ea_row_variances(const ea_policy *policy, uint32_t row, float *variances,
                         size_t capacity) {
    if (!ea__is_open(policy) || !variances || row >= policy->artworks.count)
        return EA_E_ARGUMENT;
    if (capacity < policy->k) return EA_E_CAPACITY;
    size_t start = (size_t)row * policy->width;
    for (uint32_t i = 0; i < policy->k; i++)
        variances[i] = policy->variance_kind
                           ? ea__e5m3(policy->variances[start + i]) * policy->variance_scale
                           : 0;
    return EA_OK;
}

int32_t ea_variances(const ea_policy *policy, const ea_context *context, float *variances,
                     size_t capacity) {
    int32_t status = ea__check_context(policy, context);
    if (status) return status;
    if (!variances) return EA_E_ARGUMENT;
    uint32_t count = policy->artworks.count;
    if (capacity < count) return EA_E_CAPACITY;
    if (policy->variance_kind) ea__variance_rows(policy, context, 0, count, variances);
    else for (uint32_t r = 0; r < count; r++) ((volatile float *)variances)[r] = 0;
    return EA_OK;
}

int32_t ea_scores(const ea_policy *policy, const ea_context *context, float *scores,
                  size_t capacity) {
    int32_t status = ea__check_context(policy, context);
    if (status) return status;
    if (!scores) return EA_E_ARGUMENT;
    if (capacity < policy->artworks.count) return EA_E_CAPACITY;
    ea__score_rows(policy, context, 0, policy->artworks.count, scores);
    return EA_OK;
}
