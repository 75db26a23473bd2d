# SPDX-License-Identifier: Apache-2.0
"""The probability of each candidate to be the best, by quadrature on a grid (decision.md §5.2).

With candidate i distributed as N(sᵢ, σᵢ²), P(i is the best) is the integral over x of i's density
at x times the product of the other distribution functions. Steps are the specification's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .binary import round32, tiny
from .exponential import FARTHEST, bell, normal
from .score import lanes


@dataclass(frozen=True)
class Grid:
    """Where the integrand is looked at: points low + (j + ½)·h; binary64, on the scores' scale."""

    low: float
    high: float
    blocks: int  # B; the grid has 8·B points
    alive: tuple[int, ...]
    sigma_max: float
    r: tuple[float, ...]  # of those alive

    @property
    def h(self) -> float:
        """Distance of two points."""
        return (self.high - self.low) / (8 * self.blocks)

    def point(self, j: int) -> float:
        """xⱼ: binary32, on the scale of σ_max."""
        return tiny(round32((self.low + (j + 0.5) * self.h) / self.sigma_max))


@dataclass(frozen=True)
class Term:
    """What a candidate is at a point."""

    z: float
    e: float
    phi: float


def grid(gaps: Sequence[float], sigmas: Sequence[float]) -> Grid | None:
    """Steps 1 to 4 for gaps g and standard deviations σ; None where p is that of greedy."""
    low = max(-g - 3.5 * sigma for g, sigma in zip(gaps, sigmas, strict=True))
    alive = tuple(i for i, g in enumerate(gaps) if -g + 4.5 * sigmas[i] >= low)
    sigma_max = max(sigmas[i] for i in alive)
    if sigma_max == 0:
        return None
    r = tuple(max(sigmas[i], sigma_max / 32) for i in alive)
    low = max(-gaps[i] - 3.5 * its for i, its in zip(alive, r, strict=True))
    high = max(-gaps[i] + 4.5 * its for i, its in zip(alive, r, strict=True))
    blocks = min(max(math.ceil((high - low) / (8 * min(r))), 2), 32)
    return Grid(low, high, blocks, alive, sigma_max, r)


def term(x: float, d: float, c: float) -> Term:
    """Steps 5 to 7 for one candidate at one point."""
    z = tiny(round32(round32(x + d) * c))
    a = min(abs(z), FARTHEST)
    e = bell(a)
    return Term(z, e, normal(z, a, e))


def weights(gaps: Sequence[float], at: Grid) -> list[list[float]]:
    """ω of each alive candidate at each point: steps 5 to 9."""
    d = [tiny(round32(gaps[i] / at.sigma_max)) for i in at.alive]
    c = [round32(at.sigma_max / r) for r in at.r]
    omega: list[list[float]] = [[] for _ in at.alive]
    for j in range(8 * at.blocks):
        x = at.point(j)
        terms = [term(x, *its) for its in zip(d, c, strict=True)]
        all_below = 1.0
        for its in terms:
            all_below = tiny(round32(all_below * its.phi))
        for i, its in enumerate(terms):
            density = round32(round32(its.e / its.phi) * c[i]) if its.phi > 0 else 0.0
            omega[i].append(round32(density * all_below))
    return omega


def best_probabilities(gaps: Sequence[float], sigmas: Sequence[float]) -> list[float]:
    """The p of every candidate, from gaps to the best score and standard deviations (binary64)."""
    p = [0.0] * len(gaps)
    at = grid(gaps, sigmas)
    if at is None:
        return p
    w = [lanes(omega) for omega in weights(gaps, at)]
    total = 0.0
    for its in w:
        total += its
    if total > 0:
        for i, its in zip(at.alive, w, strict=True):
            p[i] = its / total
    return p
