# SPDX-License-Identifier: Apache-2.0
"""From the vector u to a score and a variance for each row (decision.md §4.2, §4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from .binary import from_bits32, round32, tiny
from .bundle import Bundle


def scores(bundle: Bundle, u: Sequence[float]) -> list[float]:
    """The scores of all rows, binary32; u has k elements."""
    if bundle.rows == "f32":
        return [
            score_f32(u, row, bias) for row, bias in zip(bundle.weights, bundle.bias, strict=True)
        ]
    q, sigma = quantise(u)
    return [
        score_i8(q, sigma, row, scale, bias)
        for row, scale, bias in zip(bundle.weights, bundle.scales, bundle.bias, strict=True)
    ]


def variances(bundle: Bundle, u: Sequence[float]) -> list[float] | None:
    """The variances of all rows, binary32; None for a policy without."""
    if bundle.variance == "none":
        return None
    s = [tiny(round32(element * element)) for element in u]
    return [
        tiny(round32(dot(s, [variance_of(code) for code in row]) * bundle.variance_scale))
        for row in bundle.variance_codes
    ]


def variance_of(code: float) -> float:
    """The number that a code of `e5m3` stands for, before the factor of all (bundle.md §4.1)."""
    return from_bits32(int(code) * 2**20 + 96 * 2**23) if code else 0.0


def lanes(terms: Sequence[float]) -> float:
    """Sums of binary32 in eight strided lanes and one reduction tree."""
    a = [0.0] * 8
    for i, its in enumerate(terms):
        a[i % 8] = round32(a[i % 8] + its)
    b = [round32(a[lane] + a[lane + 4]) for lane in range(4)]
    return round32(round32(b[0] + b[2]) + round32(b[1] + b[3]))


def dot(u: Sequence[float], row: Sequence[float]) -> float:
    """The sum of products; each operation rounds to binary32."""
    # From k on both factors are 0, and adding +0 changes no lane.
    return lanes([round32(a * b) for a, b in zip(u, row, strict=False)])


def score_f32(u: Sequence[float], row: Sequence[float], bias: float) -> float:
    """Of a row of binary32."""
    return round32(dot(u, row) + bias)


def quantise(u: Sequence[float]) -> tuple[list[int], float]:
    """The codes q and the scale σ of u, once per context."""
    largest = max(map(abs, u))
    if largest == 0:
        return [0] * len(u), 0.0
    sigma = round32(largest / 127)
    return [round(round32(element / sigma)) for element in u], sigma  # round: ties to even


def score_i8(
    q: Sequence[int], sigma: float, row: Sequence[float], scale: float, bias: float
) -> float:
    """An exact integer sum, then three binary32 operations."""
    total = sum(int(code) * int(element) for code, element in zip(q, row, strict=False))
    return round32(round32(total * round32(sigma * scale)) + bias)
