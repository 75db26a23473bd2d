/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of rows, in the one order of operations that decision.md §4 fixes. */
#include "internal.h"

/* Nearest integer, ties to even, of |x| < 2^22: adding 1.5·2^23 leaves no bits for a fraction. */
static int32_t nearest(float x) {
    volatile float shifted = x + 0x1.8p23f; /* volatile: no compiler may cancel the two */
    return (int32_t)(shifted - 0x1.8p23f);
}

void ea__quantise(const ea_policy *policy, ea_context *context) {
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
    for (uint32_t i = 0; i < policy->stride; i++)
        q[i] = (int8_t)(wanted ? nearest(u[i] / sigma) : 0);
}

static float score_f32(const float *u, const float *w, uint32_t stride, float bias) {
    float a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0, a6 = 0, a7 = 0;
    for (uint32_t i = 0; i < stride; i += 8) {
        a0 += u[i] * w[i];
        a1 += u[i + 1] * w[i + 1];
        a2 += u[i + 2] * w[i + 2];
        a3 += u[i + 3] * w[i + 3];
        a4 += u[i + 4] * w[i + 4];
        a5 += u[i + 5] * w[i + 5];
        a6 += u[i + 6] * w[i + 6];
        a7 += u[i + 7] * w[i + 7];
    }
    float b0 = a0 + a4, b1 = a1 + a5, b2 = a2 + a6, b3 = a3 + a7;
    return ((b0 + b2) + (b1 + b3)) + bias;
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

int32_t ea_scores(const ea_policy *policy, const ea_context *context, float *scores,
                  size_t capacity) {
    int32_t status = ea__check_context(policy, context);
    if (status) return status;
    if (!scores) return EA_E_ARGUMENT;
    if (capacity < policy->artworks.count) return EA_E_CAPACITY;
    ea__score_rows(policy, context, 0, policy->artworks.count, scores);
    return EA_OK;
}
