# SPDX-License-Identifier: Apache-2.0
"""From scores to integers n with Σn = 2³¹ (decision.md §5)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .features import Explorer

TOTAL = 2**31
"""What the integers of a title add up to."""

LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
COEFFICIENTS = [1 / math.factorial(j) for j in range(14)]  # Python rounds this quotient once


def exp(x: float) -> float:
    """The exponential of x ≤ 0, as written down in decision.md §5."""
    if x < -64:
        return 0.0
    k = math.trunc(x * 1.4426950408889634 - 0.5)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = COEFFICIENTS[13]
    for j in range(12, -1, -1):
        p = p * r + COEFFICIENTS[j]
    return math.ldexp(p, k)


def integers(explorer: Explorer, scores: Sequence[float]) -> list[int]:
    """The integers n of candidates with these scores, in row order; their sum is 2³¹."""
    count = len(scores)
    floor = min(math.floor(explorer.floor * TOTAL), TOTAL // count)
    rest = TOTAL - count * floor
    best = scores.index(max(scores))  # the lowest of several
    anchor = 0 if explorer.kind in ("fixed", "uniform") else best
    p = probabilities(explorer, scores, best)
    n = [floor + math.trunc(p[i] * rest) if i != anchor else 0 for i in range(count)]
    n[anchor] = TOTAL - sum(n)
    return n


def probabilities(explorer: Explorer, scores: Sequence[float], best: int) -> list[float]:
    """The p of every candidate; the anchor's is not used, since it gets what is left."""
    count = len(scores)
    gaps = [scores[best] - score for score in scores]
    if explorer.kind == "uniform":
        return [1 / count] * count
    if explorer.kind == "epsilon_greedy":
        return [explorer.parameter / count] * count
    if explorer.kind == "softmax":
        e = [exp(-(gap / explorer.parameter)) for gap in gaps]
        z = 0.0
        for term in e:
            z += term
        return [term / z for term in e]
    if explorer.kind == "squarecb":
        return [1 / (count + explorer.parameter * gap) for gap in gaps]
    return [0.0] * count  # fixed, greedy
