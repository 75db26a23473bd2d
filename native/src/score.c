/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of rows, in the one order of operations that decision.md §4 fixes. */
#include "internal.h"

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

static float score_f32(const float *u, const float *w, uint32_t stride, float bias) {
    float a[8];
    for (uint32_t l = 0; l < 8; l++) ((volatile float *)a)[l] = 0;
    for (uint32_t i = 0; i < stride; i += 8)
        for (uint32_t l = 0; l < 8; l++) a[l] += u[i + l] * w[i + l];
    return ea__tree(a) + bias;
}

static float score_i8(const int8_t *q, const int8_t *w, uint32_t stride, float scale, float bias) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < stride; i++) sum += q[i] * w[i];
    return (float)sum * scale + bias;
}

void ea__score_rows(const ea_policy *policy, const ea_context *context, uint32_t first,
                    uint32_t count, float *scores) {
    uint32_t stride = policy->stride;
    size_t start = (size_t)first * stride;
    const float *bias = policy->bias + first;
    if (policy->rows_kind == EA_ROWS_I8) {
        const int8_t *q = ea__q(context), *w = policy->weights_i8 + start;
        const float *scale = policy->scales + first;
        for (uint32_t i = 0; i < count; i++, w += stride)
            scores[i] = score_i8(q, w, stride, context->sigma * scale[i], bias[i]);
    } else {
        const float *u = ea__u(context), *w = policy->weights_f32 + start;
        for (uint32_t i = 0; i < count; i++, w += stride)
            scores[i] = score_f32(u, w, stride, bias[i]);
    }
}

/* A code as the binary32 it stands for: bundle.md §4.1. */
static float decoded(uint8_t code) {
    union { uint32_t u; float f; } pun = {code ? ((uint32_t)code << 20) + (96u << 23) : 0};
    return pun.f;
}

void ea__variance_rows(const ea_policy *policy, const ea_context *context, uint32_t first,
                       uint32_t count, float *variances) {
    const float *s = ea__squares(context);
    const uint8_t *v = policy->variances + (size_t)first * policy->width;
    for (uint32_t r = 0; r < count; r++, v += policy->width) {
        float a[8];
        for (uint32_t l = 0; l < 8; l++) ((volatile float *)a)[l] = 0;
        for (uint32_t i = 0; i < policy->width; i += 8)
            for (uint32_t l = 0; l < 8; l++) a[l] += s[i + l] * decoded(v[i + l]);
        variances[r] = ea__tiny(ea__tree(a) * policy->variance_scale);
    }
}

int32_t ea_row_variances(const ea_policy *policy, uint32_t row, float *variances,
                         size_t capacity) {
    if (!ea__is_open(policy) || !variances || row >= policy->artworks.count)
        return EA_E_ARGUMENT;
    if (capacity < policy->k) return EA_E_CAPACITY;
    const uint8_t *v = policy->variances + (size_t)row * policy->width;
    for (uint32_t i = 0; i < policy->k; i++)
        variances[i] = policy->variance_kind ? decoded(v[i]) * policy->variance_scale : 0;
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
