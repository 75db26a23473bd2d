# SPDX-License-Identifier: Apache-2.0
"""Estimates as sums of ratios over rows: their value, their clustered error, their differences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ..errors import DataError

Floats = npt.NDArray[np.float64]
Clusters = npt.NDArray[np.int64]

Z95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

RESAMPLES = 2000
"""Resamples of a bootstrap."""

_NORMAL = NormalDist()
_BAGS = 4096
_BATCH = 256
_KEPT = 1 << 21


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error, in units of the reward."""

    value: float
    se: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval value ± 1.96 standard errors (normal approximation)."""
        return self.value - Z95 * self.se, self.value + Z95 * self.se

    def to_json(self) -> dict[str, float]:
        """value, se, and low and high of the interval."""
        low, high = self.interval
        return {"value": self.value, "se": self.se, "low": low, "high": high}


class Groups:
    """Which rows depend on each other: clusters [n] of any integers, or None, each row its own."""

    def __init__(self, cluster: Clusters | None, rows: int) -> None:
        self.rows = rows
        self._code: npt.NDArray[np.intp] | None = None
        self._drawn: tuple[tuple[int, int], list[Floats]] | None = None
        self.count = rows
        if cluster is not None:
            if len(cluster) != rows:
                raise DataError(f"{len(cluster)} clusters for {rows} rows")
            self._code = _numbered(cluster)
            self.count = int(self._code.max(initial=-1)) + 1

    def sums(self, values: Floats) -> Floats:
        """Values [n] added up by cluster: [count]."""
        if self._code is None:
            return values
        return np.bincount(self._code, values, self.count).astype(np.float64)

    def bags(self, values: Floats) -> Floats:
        """Values [n] added up by bag, of which there are 4,096 at most; see `Terms.bootstrap`."""
        sums = self.sums(values)
        if self.count <= _BAGS:
            return sums
        bag = np.random.default_rng(self.count).permutation(self.count) % _BAGS
        return np.bincount(bag, sums, _BAGS).astype(np.float64)

    def drawn(self, resamples: int, seed: int) -> Iterator[Floats]:
        """How often each bag is drawn in each resample: arrays of [some resamples, bags]."""
        asked = resamples, seed
        if self._drawn is not None and self._drawn[0] == asked:
            yield from self._drawn[1]
            return
        rng, bags, kept = np.random.default_rng(seed), min(self.count, _BAGS), []
        for first in range(0, resamples, _BATCH):
            size = min(_BATCH, resamples - first)
            # Counted draws are a multinomial sample, and several times as fast as numpy's own.
            draws = rng.integers(bags, size=(size, bags)) + bags * np.arange(size)[:, None]
            counted = np.bincount(draws.ravel(), minlength=size * bags).reshape(size, bags)
            counts = counted.astype(np.float64)
            kept.append(counts)
            yield counts
        # Estimates of the same rows draw the same.
        if bags * resamples <= _KEPT:
            self._drawn = asked, kept

    def error(self, centred: Floats) -> float:
        """Standard error of the mean of terms [n] that are centred already.

        se² = G/(G−1) Σ_g (Σ_{i∈g} ψᵢ)² / n² over G clusters: the sandwich of Liang, Zeger 1986,
        *Longitudinal data analysis using generalized linear models*. Raises DataError for fewer
        than two clusters, where there is none.
        """
        if self.count < 2:
            what = "rows" if self._code is None else "clusters"
            raise DataError(f"an estimate needs at least 2 {what}, not {self.count}")
        squares = float(np.sum(self.sums(centred) ** 2))
        return math.sqrt(self.count / (self.count - 1) * squares) / self.rows


def _numbered(cluster: Clusters) -> npt.NDArray[np.intp]:
    """Numbers 0, 1, … for clusters of any integers: [n]."""
    low, high = (int(edge) for edge in (cluster.min(initial=0), cluster.max(initial=0)))
    if low < 0 or high > 4 * len(cluster) + 1024:
        return np.unique(cluster, return_inverse=True)[1].astype(np.intp)
    there = np.zeros(high + 1, dtype=bool)  # small numbers need not be sorted
    there[cluster] = True
    number: npt.NDArray[np.intp] = (np.cumsum(there) - 1)[cluster]
    return number


@dataclass(frozen=True, eq=False)
class Ratio:
    """sign · Σ over / Σ under; slope: what one unit more of a row's reward adds to over. [n] each.

    what: in words, why under may add up to nothing.
    """

    over: Floats
    under: Floats
    slope: Floats
    sign: float = 1.0
    what: str = "nothing is left to divide by"

    @cached_property
    def value(self) -> float:
        """Σ over / Σ under, without the sign. Raises DataError where under adds up to nothing."""
        total = float(np.sum(self.under))
        if not total > 0:
            raise DataError(self.what)
        return float(np.sum(self.over)) / total


@dataclass(frozen=True, eq=False)
class Terms:
    """An estimate: V = Σ_k sign_k · Σ over_k / Σ under_k, which any resample of the clusters has.

    To first order it is V plus the mean of terms, one a row: ψ = Σ_k sign_k (over_k − V_k under_k)
    divided by the mean of under_k (the delta method). left [n]: what the row's prediction left to
    say, its reward less q̂(x, a); noise [n]: the square of that which is to be expected of such a
    row. Estimates on the same rows keep in `ratios` what they have in common, so that the error of
    their difference (`minus`) is that of the terms' difference.
    """

    ratios: tuple[Ratio, ...]
    groups: Groups
    left: Floats
    noise: Floats

    @cached_property
    def value(self) -> float:
        """V. Raises DataError where it has none."""
        return sum(ratio.sign * ratio.value for ratio in self.ratios)

    @cached_property
    def terms(self) -> Floats:
        """ψ less its mean, which is 0 but for rounding: [n]."""
        parts = (
            (r.over - r.value * r.under) * (r.sign / float(np.mean(r.under))) for r in self.ratios
        )
        return sum(parts, np.zeros(len(self.left)))

    @cached_property
    def share(self) -> Floats:
        """What one unit more of a row's reward adds to its term: [n]."""
        parts = (r.slope * (r.sign / float(np.mean(r.under))) for r in self.ratios)
        return sum(parts, np.zeros(len(self.left)))

    def seen(self) -> Estimate:
        """The value with the clustered standard error of the terms that were seen."""
        return Estimate(self.value, self.groups.error(self.terms))

    def estimate(self) -> Estimate:
        """The value with its clustered standard error, the larger one of two.

        One squares the terms that were seen. With rare rewards it stands or falls with the few rows
        of large weight that have one: by chance too few of them make the value small and its error
        smaller still. The other takes for each row the square that is to be expected, and is blind
        to what clusters and weights do to the noise.
        """
        known = self.groups.error(self.terms - self.share * self.left)
        spread = float(np.sum(self.share**2 * self.noise)) / len(self.noise) ** 2
        return Estimate(self.value, max(self.seen().se, math.sqrt(known**2 + spread)))

    def minus(self, other: Terms) -> Terms:
        """The difference of two estimates on the same rows. Its error knows they are paired."""
        turned = (Ratio(r.over, r.under, r.slope, -r.sign, r.what) for r in other.ratios)
        return Terms((*self.ratios, *turned), self.groups, self.left, self.noise)

    def bootstrap(self, *, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
        """The 95 % interval of clusters drawn again with replacement, by the seed.

        Efron 1987, *Better bootstrap confidence intervals* (BCa: of rare rewards sums are skewed,
        and plain percentiles too low), with the cluster as the unit that is drawn (Davison, Hinkley
        1997, §3.8). More than 4,096 clusters are first dealt at random to so many bags, which are
        as independent of each other as the clusters are. Raises DataError for fewer than two
        clusters.
        """
        if self.groups.count < 2:
            self.groups.error(self.terms)  # says so
        columns = np.stack([self.groups.bags(c) for r in self.ratios for c in (r.over, r.under)])
        drawn = np.concatenate(
            [counts @ columns.T for counts in self.groups.drawn(resamples, seed)]
        )
        under = drawn[:, 1::2]
        # A resample without any weight has no value; with more than a few clusters there is none.
        fit = (under > 0).all(axis=1)
        signs = np.array([ratio.sign for ratio in self.ratios])
        values = (drawn[fit, ::2] / under[fit]) @ signs
        low, high = np.quantile(values, self._levels(values))
        return float(low), float(high)

    def _levels(self, values: Floats) -> tuple[float, float]:
        """Which quantiles of the resampled values bound the interval.

        Those of BCa (Efron 1987, §§2-4), moved outwards as Student's t is wider than the normal
        (Hesterberg 2015, *What teachers should know about the bootstrap*, §5.2), with as many
        degrees of freedom as the clusters' squares have (Satterthwaite 1946).
        """
        influence = self.groups.bags(self.terms)
        squares, count = float(np.sum(influence**2)), len(influence)
        below = float(np.mean(values < self.value) + np.mean(values == self.value) / 2)
        if not squares > 0 or not 0 < below < 1:
            return 0.025, 0.975
        spread = float(np.sum(influence**4)) - squares**2 / count
        freedom = 2 * squares**2 / max(spread, 2 * squares**2 / count)
        wide = _student(max(freedom, 4.0)) * math.sqrt(count / (count - 1))
        centre = _NORMAL.inv_cdf(below)
        acceleration = float(np.sum(influence**3)) / (6 * squares**1.5)

        def level(z: float) -> float:
            shifted = centre + z
            return _NORMAL.cdf(centre + shifted / max(1 - acceleration * shifted, 1e-9))

        return level(-wide), level(wide)


def _student(freedom: float) -> float:
    """The 97.5 % quantile of Student's t, by its expansion about the normal one."""
    z, z2 = Z95, Z95**2
    first = z * (z2 + 1) / (4 * freedom)
    second = z * (5 * z2**2 + 16 * z2 + 3) / (96 * freedom**2)
    third = z * (3 * z2**3 + 19 * z2**2 + 17 * z2 - 15) / (384 * freedom**3)
    return z + first + second + third


def mean(terms: Floats, cluster: Clusters | None = None) -> Estimate:
    """Mean of the terms [n] with its standard error.

    Without clusters that is their standard deviation (n − 1) over √n. With clusters, terms of one
    cluster may depend on each other; see `Groups.error`.
    """
    value = float(np.mean(terms)) if len(terms) else 0.0
    return Estimate(value, Groups(cluster, len(terms)).error(terms - value))


def effective_sample_size(weight: Floats) -> float:
    """(Σw)² / Σw² (Kish 1965): so many rows of the target policy's own the log is worth."""
    squares = float(np.sum(weight**2))
    return float(np.sum(weight)) ** 2 / squares if squares > 0 else 0.0
