# SPDX-License-Identifier: Apache-2.0
"""Estimators of a policy's value from another policy's log, as formulas over arrays.

For n exposures with reward r, importance weight w = π(a|x) / e(a|x) (target over logging
propensity) and a reward model q̂:

    IPS    V = (1/n) Σ w·r
    SNIPS  V = Σ w·r / Σ w                        Swaminathan, Joachims 2015, *The self-normalized
                                                  estimator for counterfactual learning*
    DR     V = (1/n) Σ [q̂(x,π) + w·(r − q̂(x,a))]  Dudík, Langford, Li 2011, *Doubly robust policy
           with q̂(x,π) = Σ_a π(a|x)·q̂(x,a)       evaluation and learning*; Dudík, Erhan,
                                                  Langford, Li 2014, Statistical Science 29(4)

as collected in Saito, Aihara, Matsutani, Narita 2021, *Open Bandit Dataset and Pipeline*. Each is a
mean of independent terms ψ or, for SNIPS, asymptotically V plus the mean of ψ = w·(r − V) / w̄ (the
delta method); standard errors are those of that mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import DataError

Floats = npt.NDArray[np.float64]
Clusters = npt.NDArray[np.int64]

Z95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


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


def mean(terms: Floats, cluster: Clusters | None = None) -> Estimate:
    """Mean of the terms [n] with its standard error.

    Without clusters that is their standard deviation (n − 1) over √n. With clusters, terms of one
    cluster may depend on each other: se² = G/(G−1) Σ_g (Σ_{i∈g} ψᵢ − ψ̄)² / n² over G clusters.
    Raises DataError for fewer than two rows or clusters, where there is no standard error.
    """
    value = float(np.mean(terms)) if len(terms) else 0.0
    return Estimate(value, _standard_error(terms - value, cluster))


def _standard_error(centred: Floats, cluster: Clusters | None) -> float:
    n = len(centred)
    if cluster is not None:
        _, group = np.unique(cluster, return_inverse=True)
        centred = np.bincount(group, weights=centred).astype(np.float64)
    groups = len(centred)
    if groups < 2:
        what = "rows" if cluster is None else "clusters"
        raise DataError(f"an estimate needs at least 2 {what}, not {groups}")
    return float(np.sqrt(groups / (groups - 1) * np.sum(centred**2)) / n)


def ips(reward: Floats, weight: Floats, cluster: Clusters | None = None) -> Estimate:
    """Inverse propensity scoring. reward, weight: [n]."""
    return mean(weight * reward, cluster)


def snips(reward: Floats, weight: Floats, cluster: Clusters | None = None) -> Estimate:
    """Self-normalised inverse propensity scoring. reward, weight: [n].

    Raises DataError where all weights are 0: the target policy never shows what was logged.
    """
    total = float(np.sum(weight))
    if not total > 0:
        raise DataError(
            "all importance weights are 0: the target policy shows nothing of what was logged"
        )
    value = float(np.sum(weight * reward)) / total
    influence = weight * (reward - value) * (len(weight) / total)
    return Estimate(value, _standard_error(influence, cluster))


def doubly_robust(
    reward: Floats,
    weight: Floats,
    predicted_logged: Floats,
    predicted_target: Floats,
    cluster: Clusters | None = None,
) -> Estimate:
    """Doubly robust. All [n]: predicted_logged is q̂(x, a), predicted_target is q̂(x, π).

    The predictions of a row must not have been fitted on that row (cross-fit, or use other data).
    """
    return mean(predicted_target + weight * (reward - predicted_logged), cluster)


def effective_sample_size(weight: Floats) -> float:
    """(Σw)² / Σw² (Kish 1965): so many rows of the target policy's own the log is worth."""
    squares = float(np.sum(weight**2))
    return float(np.sum(weight)) ** 2 / squares if squares > 0 else 0.0
