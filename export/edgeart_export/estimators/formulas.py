# SPDX-License-Identifier: Apache-2.0
"""Estimators of a policy's value from another policy's log, as formulas over arrays.

For n exposures with reward r, importance weight w = π(a|x) / e(a|x) (target over logging
propensity) and a reward model q̂:

    replay  V = Σ m·r / Σ m, m: the artwork     Li, Chu, Langford, Wang 2011, *Unbiased offline
            is the target's likeliest one       evaluation of contextual-bandit-based news article
                                                recommendation algorithms*
    DM      V = (1/n) Σ q̂(x,π)                  with q̂(x,π) = Σ_a π(a|x)·q̂(x,a)
    IPS     V = (1/n) Σ w·r                     Horvitz, Thompson 1952; Precup, Sutton, Singh 2000
    clipped V = (1/n) Σ min(w, λ)·r             Bottou et al. 2013, *Counterfactual reasoning and
                                                learning systems*
    SNIPS   V = Σ w·r / Σ w                     Swaminathan, Joachims 2015, *The self-normalized
                                                estimator for counterfactual learning*
    DR      V = (1/n) Σ [q̂(x,π) +               Dudík, Langford, Li 2011, *Doubly robust policy
                w·(r − q̂(x,a))]                 evaluation and learning*
    SNDR    V = (1/n) Σ q̂(x,π) +                Thomas, Brunskill 2016, *Data-efficient off-policy
                Σ w·(r − q̂(x,a)) / Σ w          policy evaluation*, for a single step
    MRDR    DR with q̂ fitted to make its        Farajtabar, Chow, Ghavamzadeh 2018, *More robust
            variance small: see `mrdr_weight`   doubly robust off-policy evaluation*

as collected in Saito, Aihara, Matsutani, Narita 2021, *Open Bandit Dataset and Pipeline*, whose
values tests hold these against. Replay is unbiased where the logging policy shows all candidates
alike, and judges the target without its exploration; for a deterministic target it is the published
one. All are sums of ratios (`edgeart_export.estimators.terms`), to which standard errors, bootstrap
and differences of two policies on one log follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from ..errors import DataError
from .terms import Clusters, Estimate, Floats, Groups, Ratio, Terms, effective_sample_size, mean

__all__ = [
    "Clusters",
    "Estimate",
    "Floats",
    "Rows",
    "Terms",
    "clipped_ips",
    "direct_method",
    "doubly_robust",
    "effective_sample_size",
    "ips",
    "mean",
    "mrdr_weight",
    "replay",
    "self_normalised_doubly_robust",
    "snips",
]

BINS = 4
"""Grades of prediction among which the noise of rewards is told apart."""

_NOTHING = "all importance weights are 0: the target policy shows nothing of what was logged"


@dataclass(frozen=True, eq=False)
class Rows:
    """What the estimates of one policy are made of, one row an exposure; all [n].

    weight: importance weight. of_shown, of_target: predicted reward of what was logged, and of the
    policy on average. cluster: whose rows depend on each other; None: each row is alone.
    likeliest: 1 where what was logged is the policy's likeliest artwork, else 0; for replay alone.
    The predictions of a row must not have been fitted on that row (cross-fit, or use other data).
    """

    weight: Floats
    reward: Floats
    of_shown: Floats
    of_target: Floats
    cluster: Clusters | None = None
    likeliest: Floats | None = None

    def __len__(self) -> int:
        return len(self.reward)

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """The rows of several days as one, of which each day had its own version of the policy."""

        def column(name: str) -> Floats | None:
            columns = [getattr(part, name) for part in parts]
            missing = any(column is None for column in columns)
            return None if missing else np.concatenate(columns)

        return cls(*(column(field.name) for field in fields(cls)))  # type: ignore[arg-type]

    def take(self, rows: np.ndarray[tuple[int], np.dtype[np.intp | np.bool_]]) -> Rows:
        """These rows alone."""
        columns = (getattr(self, field.name) for field in fields(self))
        return Rows(*(None if column is None else column[rows] for column in columns))  # type: ignore[arg-type]

    def beside(self, other: Rows) -> Rows:
        """These very rows; what follows from rewards, clusters and q̂(x, a) alone is other's.

        other: another policy's rows of the same log, in the same order.
        """
        vars(self).update(groups=other.groups, noise=other.noise)
        return self

    @cached_property
    def groups(self) -> Groups:
        """The clusters."""
        return Groups(self.cluster, len(self))

    @cached_property
    def noise(self) -> Floats:
        """The squared error that is to be expected of each row's prediction: [n].

        The mean of the rows with predictions like its own; likeness has BINS grades.
        """
        squared = (self.reward - self.of_shown) ** 2
        noise = np.zeros(len(squared))
        for rows in np.array_split(np.argsort(self.of_shown, kind="stable"), BINS):
            noise[rows] = squared[rows].mean() if len(rows) else 0.0
        return noise

    @cached_property
    def replay(self) -> Terms:
        """V = Σ m·r / Σ m."""
        if self.likeliest is None:
            raise DataError("replay needs to know which rows show the policy's likeliest artwork")
        nothing = "no row shows the target policy's likeliest artwork: there is nothing to replay"
        return self._terms(self._of_reward(self.likeliest, self.likeliest, nothing))

    @cached_property
    def dm(self) -> Terms:
        """V = (1/n) Σ q̂(x,π)."""
        return self._terms(Ratio(self.of_target, np.ones(len(self)), np.zeros(len(self))))

    @cached_property
    def ips(self) -> Terms:
        """V = (1/n) Σ w·r."""
        return self._terms(self._of_reward(self.weight, np.ones(len(self))))

    def clipped(self, most: float) -> Terms:
        """V = (1/n) Σ min(w, most)·r."""
        return self._terms(self._of_reward(np.minimum(self.weight, most), np.ones(len(self))))

    @cached_property
    def snips(self) -> Terms:
        """V = Σ w·r / Σ w."""
        return self._terms(self._of_reward(self.weight, self.weight, _NOTHING))

    @cached_property
    def dr(self) -> Terms:
        """V = (1/n) Σ [q̂(x,π) + w·(r − q̂(x,a))]."""
        over = self.of_target + self.weight * self._left
        return self._terms(Ratio(over, np.ones(len(self)), self.weight))

    @cached_property
    def sndr(self) -> Terms:
        """V = (1/n) Σ q̂(x,π) + Σ w·(r − q̂(x,a)) / Σ w."""
        return self._terms(
            Ratio(self.of_target, np.ones(len(self)), np.zeros(len(self))),
            Ratio(self.weight * self._left, self.weight, self.weight, what=_NOTHING),
        )

    @property
    def effective(self) -> float:
        """Effective sample size."""
        return effective_sample_size(self.weight)

    @cached_property
    def effective_rewarded(self) -> float:
        """So many rewarded rows of equal weight would be as skewed a sum as these are.

        (Σw²)³ / (Σw³)² times the share of rows with a reward other than 0: one over the squared
        skewness of Σ w·r were each row rewarded with that chance (the third cumulant of a sum of
        rare events). With only a few of them the normal approximation fails.
        """
        weight = self.weight / max(float(self.weight.max(initial=0.0)), 1e-300)
        cubes = float(np.sum(weight**3))
        if not cubes > 0:
            return 0.0
        return float(np.sum(weight**2)) ** 3 / cubes**2 * float(np.mean(self.reward != 0))

    @cached_property
    def effective_clusters(self) -> float:
        """(ΣW)² / ΣW² over the clusters' sums W of weights: so many like ones they are worth."""
        return effective_sample_size(self.groups.sums(self.weight))

    @cached_property
    def _left(self) -> Floats:
        return self.reward - self.of_shown

    def _of_reward(
        self, weight: Floats, under: Floats, nothing: str = "there are no rows"
    ) -> Ratio:
        return Ratio(weight * self.reward, under, weight, what=nothing)

    def _terms(self, *ratios: Ratio) -> Terms:
        return Terms(ratios, self.groups, self._left, self.noise)


def replay(reward: Floats, likeliest: Floats, cluster: Clusters | None = None) -> Estimate:
    """Replay. likeliest: 1 where the target's likeliest artwork was logged, else 0; [n] as reward.

    Raises DataError where it never was.
    """
    return _rows(reward, likeliest, cluster, likeliest=likeliest).replay.seen()


def direct_method(predicted_target: Floats, cluster: Clusters | None = None) -> Estimate:
    """The direct method: the mean of q̂(x, π), [n]. Its error knows nothing of the model's own."""
    return mean(predicted_target, cluster)


def ips(reward: Floats, weight: Floats, cluster: Clusters | None = None) -> Estimate:
    """Inverse propensity scoring. reward, weight: [n]."""
    return _rows(reward, weight, cluster).ips.seen()


def clipped_ips(
    reward: Floats, weight: Floats, most: float, cluster: Clusters | None = None
) -> Estimate:
    """Inverse propensity scoring with weights of at most `most`: less variance, and biased down."""
    return _rows(reward, weight, cluster).clipped(most).seen()


def snips(reward: Floats, weight: Floats, cluster: Clusters | None = None) -> Estimate:
    """Self-normalised inverse propensity scoring. reward, weight: [n].

    Raises DataError where all weights are 0: the target policy never shows what was logged.
    """
    return _rows(reward, weight, cluster).snips.seen()


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
    return Rows(weight, reward, predicted_logged, predicted_target, cluster).dr.seen()


def self_normalised_doubly_robust(
    reward: Floats,
    weight: Floats,
    predicted_logged: Floats,
    predicted_target: Floats,
    cluster: Clusters | None = None,
) -> Estimate:
    """Self-normalised doubly robust; arguments and predictions as of `doubly_robust`."""
    return Rows(weight, reward, predicted_logged, predicted_target, cluster).sndr.seen()


def mrdr_weight(target: Floats, propensity: Floats) -> Floats:
    """π(a|x)·(1 − e) / e², what a row weighs when MRDR's reward model is fitted; [n] each.

    target: π(a|x) of the logged artwork, propensity: e(a|x). A weighted least-squares fit of q̂ then
    makes the variance of DR small (Farajtabar et al. 2018, §4 for a single step; in this form in
    the Open Bandit Pipeline).
    """
    return target * (1 - propensity) / propensity**2


def _rows(
    reward: Floats, weight: Floats, cluster: Clusters | None, likeliest: Floats | None = None
) -> Rows:
    nothing = np.zeros(len(reward))
    return Rows(weight, reward, nothing, nothing, cluster, likeliest)
