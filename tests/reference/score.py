# SPDX-License-Identifier: Apache-2.0
"""From the vector u to one score for each row (decision.md §4)."""

from __future__ import annotations

from collections.abc import Sequence

from .binary import round32
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


def score_f32(u: Sequence[float], row: Sequence[float], bias: float) -> float:
    """Eight strided lanes and one reduction tree; each operation rounds to binary32."""
    a = [0.0] * 8
    for i, weight in enumerate(row):
        # From k on both factors are 0, and adding +0 changes no lane.
        product = round32(u[i] * weight) if i < len(u) else 0.0
        a[i % 8] = round32(a[i % 8] + product)
    b = [round32(a[lane] + a[lane + 4]) for lane in range(4)]
    tree = round32(round32(b[0] + b[2]) + round32(b[1] + b[3]))
    return round32(tree + bias)


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
