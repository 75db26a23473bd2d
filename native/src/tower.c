/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the tower: from slots to u, once a context (decision.md §4.1). */
#include "fast.h"

#include "internal.h"

static float activated(uint32_t activation, float y) {
    y = y > EA_BOUND ? EA_BOUND : y < -EA_BOUND ? -EA_BOUND : y;
    if (activation == EA_ACTIVATION_RELU) return y > 0 ? ea__tiny(y) : 0;
    return ea__tiny(activation == EA_ACTIVATION_TANH ? ea__tanh(y) : y);
}

/* Weights are input-major, so that an input of zero, and most slots are, costs one comparison. */
static void run_layer(const ea__layer *layer, const float *in, float *out) {
    uint32_t stride = layer->stride;
    for (uint32_t o = 0; o < stride; o++) out[o] = 0;
    for (uint32_t i = 0; i < layer->inputs; i++) {
        float x = in[i];
        if (x == 0) continue;
        if (layer->rows_kind == EA_ROWS_I8) {
            const int8_t *w = layer->weights_i8 + (size_t)i * stride;
            for (uint32_t o = 0; o < stride; o++) out[o] += x * (float)w[o];
        } else {
            const float *w = layer->weights_f32 + (size_t)i * stride;
            for (uint32_t o = 0; o < stride; o++) out[o] += x * w[o];
        }
    }
    for (uint32_t o = 0; o < layer->outputs; o++) {
        float a = layer->rows_kind == EA_ROWS_I8 ? out[o] * layer->scales[o] : out[o];
        out[o] = activated(layer->activation, a + layer->bias[o]);
    }
}

void ea__run_tower(const ea_policy *policy, const float *slots, float *u) {
    float a[EA_LIMIT_SLOTS], b[EA_LIMIT_SLOTS];
    const float *in = slots;
    float *out = a;
    for (uint32_t i = 0; i < policy->layers; i++) {
        out = in == a ? b : a;
        run_layer(policy->layer + i, in, out);
        in = out;
    }
    for (uint32_t i = 0; i < policy->k; i++) u[i] = in[i];
}
