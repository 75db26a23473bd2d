# SPDX-License-Identifier: Apache-2.0
"""The probability that a normal variable is the largest of several, by numerical integration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

REACH = 9.0
"""Standard deviations from the mean beyond which a density is 0 to 10⁻¹⁸."""


def legendre(order: int) -> list[tuple[float, float]]:
    """Nodes and weights of Gauss-Legendre quadrature on (−1, 1), by Newton's method."""
    rule = []
    for i in range(order):
        x = math.cos(math.pi * (i + 0.75) / (order + 0.5))
        slope = 0.0
        for _ in range(100):
            before, value = 1.0, x
            for k in range(2, order + 1):
                before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
            slope = order * (x * value - before) / (x * x - 1)
            step = value / slope
            x -= step
            if abs(step) < 1e-15:
                break
        rule.append((x, 2 / ((1 - x * x) * slope * slope)))
    return rule


RULE = legendre(12)


def integral(function: Callable[[float], float], edges: Sequence[float]) -> float:
    """The integral from the first edge to the last, piece by piece between them."""
    total = 0.0
    for low, high in itertools.pairwise(edges):
        half = (high - low) / 2
        middle = low + half
        total += half * sum(weight * function(middle + half * x) for x, weight in RULE)
    return total


def distribution(z: float) -> float:
    """The standard normal distribution function."""
    return math.erfc(-z / math.sqrt(2)) / 2


def density(z: float) -> float:
    """The standard normal density."""
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def best_probabilities(means: Sequence[float], sigmas: Sequence[float]) -> list[float]:
    """P(i is the largest) of independent normal variables, all σ > 0, to about 10⁻¹²."""
    return [best_probability(i, means, sigmas) for i in range(len(means))]


def best_probability(i: int, means: Sequence[float], sigmas: Sequence[float]) -> float:
    """That of one of them."""
    beliefs = list(zip(means, sigmas, strict=True))
    mean, sigma = beliefs.pop(i)

    def integrand(x: float) -> float:
        below = math.prod(distribution((x - m) / s) for m, s in beliefs)
        return density((x - mean) / sigma) / sigma * below

    steps = [1.5 * step for step in range(-6, 7)]
    edges = {m + step * s for m, s in zip(means, sigmas, strict=True) for step in steps}
    return integral(integrand, sorted(e for e in edges if abs(e - mean) <= REACH * sigma))
