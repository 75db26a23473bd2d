/* SPDX-License-Identifier: Apache-2.0 */
/* The elementary functions, from + − × ÷ alone, so that every platform computes the same bits. */
#include "internal.h"

/* decision.md §5.1. |r| ≤ ln 2 / 2, where thirteen terms leave an error of 4e-18. */
double ea__exp(double x) {
    static const double c[14] = EA__FACTORIALS;
    if (x < -64) return 0;
    int32_t k = (int32_t)(x * EA__LOG2E_64 - 0.5);
    double r = (x - k * EA__LN2_HIGH_64) - k * EA__LN2_LOW_64;
    double p = c[13];
    for (int j = 12; j >= 0; j--) p = p * r + c[j];
    union { uint64_t u; double d; } two_to_k = {(uint64_t)(1023 + k) << 52};
    return p * two_to_k.d;
}

/* decision.md §4.1. */
float ea__tanh(float y) {
    double v = y < 0 ? -(double)y : (double)y, t;
    if (v < 0x1p-6) {
        double s = v * v;
        t = v * (1 - s * (1.0 / 3 - s * (2.0 / 15)));
    } else {
        double e = ea__exp(-(v + v));
        t = (1 - e) / (1 + e);
    }
    float f = (float)t;
    return y < 0 ? -f : f;
}
