# SPDX-License-Identifier: Apache-2.0
"""A confidence sequence holds at all looks together, where a fixed-sample interval does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeart_export.estimators import Estimate
from edgeart_export.estimators.sequence import ROUNDING, Sequence, best, factor


def test_the_width_is_that_of_the_published_sequence() -> None:
    """√(2(tρ²σ²+1)/(t²ρ²) · ln(√(tρ²σ²+1)/α)), as the paper writes it."""
    t, rho, sigma, alpha = 400.0, 0.3, 1.7, 0.05
    inner = t * rho**2 * sigma**2 + 1
    published = math.sqrt(2 * inner / (t**2 * rho**2) * math.log(math.sqrt(inner) / alpha))
    se, kappa = sigma / math.sqrt(t), t * rho**2 * sigma**2
    assert se * factor(kappa, alpha) == pytest.approx(published, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.05 / 20])
def test_the_best_kappa_is_where_the_width_is_smallest(alpha: float) -> None:
    kappa = best(alpha)
    least = factor(kappa, alpha)
    assert least == pytest.approx(math.sqrt(kappa + 1), rel=1e-9)
    for other in np.geomspace(0.01, 1e4, 200):
        assert factor(float(other), alpha) >= least - 1e-12


def walks(count: int, nights: int, *, again: float, seed: int) -> tuple[int, int]:
    """How many of so many worlds without a gain leave 0 out at some night: (sequence, fixed).

    again: share of a night's variance that comes from units that were there the nights before.
    """
    rng = np.random.default_rng(seed)
    sequence = fixed = 0
    for _ in range(count):
        lasting = rng.normal(0, math.sqrt(again))
        sums = np.cumsum(lasting + rng.normal(0, math.sqrt(1 - again), nights))
        at = np.arange(1, nights + 1)
        error = np.sqrt(at * (1 - again) + at**2 * again) / at
        begun = Sequence.begun(Estimate(sums[0], error[0]), 1)
        found = [Estimate(s / t, e) for s, t, e in zip(sums, at, error, strict=True)]
        inside = [
            low <= 0 <= high
            for low, high in (begun.interval(e, t) for t, e in enumerate(found, start=1))
        ]
        sequence += not all(inside)
        fixed += not all(low <= 0 <= high for low, high in (e.interval for e in found))
    return sequence, fixed


@pytest.mark.parametrize("again", [0.0, 0.3])
def test_nightly_looks_mislead_at_most_as_often_as_promised(again: float) -> None:
    sequence, fixed = walks(1000, 60, again=again, seed=3)
    assert sequence <= 0.05 * 1000
    if again == 0:
        assert fixed > 0.25 * 1000


def test_a_gain_that_shows_is_seen_four_times_in_five() -> None:
    rng = np.random.default_rng(5)
    error, rows = 0.01, 100
    begun = Sequence.begun(Estimate(0.0, 0.02), 20)
    needed = begun.detectable(Estimate(0.0, error), rows)
    seen = [
        begun.interval(Estimate(needed + rng.normal(0, error), error), rows)[0] > 0
        for _ in range(4000)
    ]
    assert 0.77 < np.mean(seen) < 0.83


def test_what_varies_by_rounding_alone_is_no_gain() -> None:
    begun = Sequence.begun(Estimate(1e-17, 0.0), 50)
    assert begun.half_width(Estimate(1e-17, 0.0), 60) == ROUNDING
    assert begun.half_width(Estimate(0.1, 0.01), 60) == math.inf
    tiny = Estimate(3e-19, 1e-20)
    low, high = Sequence.begun(tiny, 50).interval(tiny, 60)
    assert low < 0 < high
