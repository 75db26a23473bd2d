# SPDX-License-Identifier: Apache-2.0
"""The exponential in binary64 and the normal distribution in binary32 (decision.md §5.1, §5.2)."""

from __future__ import annotations

import math

from .binary import round32, tiny

LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
COEFFICIENTS = [1 / math.factorial(j) for j in range(14)]  # Python rounds this quotient once

LOG2_E_32 = float.fromhex("0x1.715476p+0")
LN2_HIGH_32 = float.fromhex("0x1.62e400p-1")
LN2_LOW_32 = float.fromhex("0x1.7f7d1cp-20")
COEFFICIENTS_32 = [round32(1 / math.factorial(j)) for j in range(7)]

# Abramowitz, Stegun 1964, 26.2.17, the b with 1/√(2π) multiplied in.
P_32 = float.fromhex("0x1.da6712p-3")
B_32 = [
    float.fromhex(digits)
    for digits in (
        "0x1.04f20cp-3", "-0x1.23531cp-3", "0x1.6be1c6p-1", "-0x1.7401c6p-1", "0x1.0fb844p-1",
    )
]  # fmt: skip

FARTHEST = 8.0
"""Where |z| is cut off."""


def exp(x: float) -> float:
    """The exponential of x ≤ 0, as written down in decision.md §5.1."""
    if x < -64:
        return 0.0
    k = math.trunc(x * 1.4426950408889634 - 0.5)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = COEFFICIENTS[13]
    for j in range(12, -1, -1):
        p = p * r + COEFFICIENTS[j]
    return math.ldexp(p, k)


def bell(a: float) -> float:
    """E = exp(−a²/2) of a binary32 a from 0 to 8: steps 5 (its last part) and 6."""
    y = round32(round32(a * a) * 0.5)
    k = math.trunc(round32(round32(y * LOG2_E_32) + 0.5))
    r = round32(round32(round32(k * LN2_HIGH_32) - y) + round32(k * LN2_LOW_32))
    p = COEFFICIENTS_32[6]
    for j in range(5, -1, -1):
        p = round32(round32(p * r) + COEFFICIENTS_32[j])
    return math.ldexp(p, -k)


def normal(z: float, a: float, e: float) -> float:
    """Φ(z), where a is |z| cut off at FARTHEST and e is bell(a): step 7."""
    t = round32(1 / round32(1 + round32(P_32 * a)))
    q = round32(B_32[4] * t)
    for b in (B_32[3], B_32[2], B_32[1], B_32[0]):
        q = round32(round32(q + b) * t)
    q = round32(q * e)
    return tiny(q) if z < 0 else round32(1 - q)
