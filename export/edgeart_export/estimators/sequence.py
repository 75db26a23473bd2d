# SPDX-License-Identifier: Apache-2.0
"""Intervals that may be looked at every night: an asymptotic confidence sequence.

A 95 % interval of a fixed sample holds the truth 95 times in 100 for who looks once. Who looks
every night and stops where it first leaves 0 out is misled far more often. A confidence sequence
holds it 95 times in 100 at all looks together. With a clustered standard error se and κ, the
variance of the sum so far over a reference variance,

    V̂ ± se · √( (1 + 1/κ) · ln((1 + κ) / α²) )

is the sequence of Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas 2024, *Time-uniform central limit
theory and asymptotic confidence sequences*, Annals of Statistics 52(6), theorem 2.2, with their
t·ρ²·σ̂² written κ: Robbins' normal mixture (1970) for sums that are asymptotically normal. It covers
the mean of all gains so far, also where the gain changes from night to night.

The theorem is for independent terms. Units come back on later nights, and what they add then goes
along with what they had added. Looks agree more than the theorem's do, and of Gaussian sequences
with equal variances the one whose looks agree more crosses a bound less often (Slepian 1962): the
sequence errs on the safe side. `benchmarks/promotion.py` shows it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .terms import Estimate

ALPHA = 0.05
"""How often, all looks taken together, a sequence may miss the truth."""

PLAN = 7.0
"""The sequence is tightest when the sum's variance is so many times that of the first look."""

ROUNDING = 1e-12
"""No interval is narrower: policies that decide alike differ by rounding, which is no gain."""

POWER_Z = 0.8416212335729143
"""The 80 % quantile of the normal distribution."""


def factor(kappa: float, alpha: float) -> float:
    """Half the width of the interval in standard errors; see the module."""
    return math.sqrt((1 + 1 / kappa) * math.log((1 + kappa) / alpha**2))


def best(alpha: float) -> float:
    """The κ at which `factor` is smallest: κ = ln((1 + κ) / α²)."""
    kappa = 1.0
    for _ in range(100):  # each step halves the error at least
        kappa = math.log((1 + kappa) / alpha**2)
    return kappa


@dataclass(frozen=True)
class Sequence:
    """A confidence sequence whose reference is the variance of the sum at its first look.

    first: that variance, (rows · se)². alpha: see ALPHA.
    """

    first: float
    alpha: float = ALPHA

    @classmethod
    def begun(cls, estimate: Estimate, rows: int, alpha: float = ALPHA) -> Sequence:
        """The sequence that begins with an estimate from so many rows."""
        return cls((rows * estimate.se) ** 2, alpha)

    def half_width(self, estimate: Estimate, rows: int) -> float:
        """Half the width of the interval at a look, in units of the reward."""
        variance = (rows * estimate.se) ** 2
        if not variance > 0:
            return ROUNDING
        if not self.first > 0:
            return math.inf
        kappa = best(self.alpha) * variance / (PLAN * self.first)
        return max(estimate.se * factor(kappa, self.alpha), ROUNDING)

    def interval(self, estimate: Estimate, rows: int) -> tuple[float, float]:
        """The interval at a look: estimate ± half_width."""
        half = self.half_width(estimate, rows)
        return estimate.value - half, estimate.value + half

    def detectable(self, estimate: Estimate, rows: int) -> float:
        """The smallest gain whose interval would have left 0 out 4 times in 5 at this look."""
        return self.half_width(estimate, rows) + POWER_Z * estimate.se
