# SPDX-License-Identifier: Apache-2.0
"""Pearson's χ² tests at one significance level, α = 10⁻⁴, with nothing but the standard library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from math import sqrt
from typing import Any

Z = 3.719016485455709  # the standard normal's quantile of 1 − 10⁻⁴


def critical(freedom: int) -> float:
    """The χ² quantile of 1 − 10⁻⁴ (Wilson, Hilferty 1931; within 1 % from 1 degree on)."""
    spread = 2 / (9 * freedom)
    return freedom * float(1 - spread + Z * sqrt(spread)) ** 3


def assert_drawn_from(counts: Mapping[Any, int], shares: Mapping[Any, float]) -> None:
    """Fails unless the counts may come from these probabilities; those of 0 may not occur."""
    total = sum(counts.values())
    possible = {key: share for key, share in shares.items() if share > 0}
    assert counts.keys() <= possible.keys(), "drawn although its probability is 0"
    assert len(possible) > 1, "nothing to test: one outcome is certain"
    assert min(possible.values()) * total >= 5, "too few draws for χ²"
    statistic = sum(
        (counts.get(key, 0) - total * share) ** 2 / (total * share)
        for key, share in possible.items()
    )
    assert statistic < critical(len(possible) - 1)


def assert_independent(pairs: Iterable[tuple[Hashable, Hashable]]) -> None:
    """Fails unless the two sides of the pairs may be independent."""
    both = Counter(pairs)
    total = both.total()
    left: Counter[Hashable] = Counter()
    right: Counter[Hashable] = Counter()
    for (a, b), count in both.items():
        left[a] += count
        right[b] += count
    statistic = 0.0
    for a, count_a in left.items():
        for b, count_b in right.items():
            expected = count_a * count_b / total
            assert expected >= 5, "too few draws for χ²"
            statistic += (both[a, b] - expected) ** 2 / expected
    assert statistic < critical((len(left) - 1) * (len(right) - 1))
