# SPDX-License-Identifier: Apache-2.0
"""From scores to integers n with Σn = 2³¹ (decision.md §5)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .exponential import exp
from .features import Explorer
from .thompson import best_probabilities

TOTAL = 2**31
"""What the integers of a title add up to."""


def integers(
    explorer: Explorer, scores: Sequence[float], variances: Sequence[float] | None = None
) -> list[int]:
    """The integers n of candidates with these scores, in row order; their sum is 2³¹.

    variances: needed by `thompson` and `ucb` alone.
    """
    count = len(scores)
    floor = min(math.floor(explorer.floor * TOTAL), TOTAL // count)
    rest = TOTAL - count * floor
    best = scores.index(max(scores))  # the lowest of several
    anchor = 0 if explorer.kind in ("fixed", "uniform") else best
    if explorer.kind == "ucb":
        assert variances is not None, "ucb needs variances"
        bounds = [
            score + explorer.parameter * math.sqrt(variance)
            for score, variance in zip(scores, variances, strict=True)
        ]
        anchor = bounds.index(max(bounds))
    p = probabilities(explorer, scores, variances, best)
    n = [floor + math.trunc(p[i] * rest) if i != anchor else 0 for i in range(count)]
    n[anchor] = TOTAL - sum(n)
    return n


def probabilities(
    explorer: Explorer, scores: Sequence[float], variances: Sequence[float] | None, best: int
) -> list[float]:
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
    if explorer.kind == "thompson":
        assert variances is not None, "thompson needs variances"
        return best_probabilities(gaps, [explorer.parameter * math.sqrt(v) for v in variances])
    return [0.0] * count  # fixed, greedy, ucb
