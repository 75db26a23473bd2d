# SPDX-License-Identifier: Apache-2.0
"""What policies are worth, estimated from a day's exposures: SNIPS and SNDR, clustered by unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import edgeart

from ..estimators import Estimate, effective_sample_size, mean
from ..log import Log
from ..model import PolicyModel
from ..rewards import GivenModel, Prediction, rows_by_title
from ..schema import Values

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Terms:
    """A self-normalised estimate as a value plus the mean of terms, one a row of the log: [n].

    Estimates of several policies on the same rows keep what they have in common in their terms, so
    that the error of their difference is that of the terms' difference.
    """

    value: float
    centred: Floats
    cluster: npt.NDArray[np.int64]

    def estimate(self) -> Estimate:
        return Estimate(self.value, mean(self.centred, self.cluster).se)

    def minus(self, other: Terms) -> Estimate:
        """The difference of two estimates on the same rows. Its interval knows they are paired."""
        error = mean(self.centred - other.centred, self.cluster).se
        return Estimate(self.value - other.value, error)


@dataclass(frozen=True, eq=False)
class Judgement:
    """The estimates of one policy on one log.

    snips, sndr: plays per exposure. effective: effective sample size. weights: [n].
    """

    snips: Terms
    sndr: Terms
    effective: float
    weights: Floats


class Shares:
    """π(a|x) of one policy as devices compute it, kept for every context and title asked for."""

    def __init__(self, policy: edgeart.Policy) -> None:
        self._policy = policy
        # These explorers look at no score, so that every context is as good as any other.
        self._one_context = policy.explorer.kind in ("fixed", "uniform")
        self._known: dict[tuple[Values, str], Floats] = {}
        self._context: tuple[Values, edgeart.Context] | None = None

    def of(self, log: Log) -> dict[str, Prediction]:
        """Per title of the log the shares of the policy's artworks, row by row of the log."""
        # In the log's order, in which the rows of one context stand side by side.
        each = [self._of(*row) for row in zip(log.contexts, log.title, strict=True)]
        return {
            title: Prediction(
                rows, self._policy.artworks(title), np.stack([each[row] for row in rows.tolist()])
            )
            for title, rows in rows_by_title(log)
        }

    def _of(self, values: Values, title: str) -> Floats:
        key = (b"\x80" if self._one_context else values, title)
        known = self._known.get(key)
        if known is None:
            if self._context is None or self._context[0] is not key[0]:
                # No seed moves a propensity.
                self._context = (key[0], self._policy.context(key[0], seed=0))
            candidates = self._policy.candidates(self._context[1], title)
            known = np.array(candidates.n, dtype=np.float64) / candidates.total
            self._known[key] = known
        return known


def judge(policies: Mapping[str, Shares], log: Log, model: PolicyModel) -> dict[str, Judgement]:
    """Estimates each policy on the log; the reward model must not have seen the log's rewards.

    SNIPS: V = Σ w·r / Σ w. SNDR: V = (1/n) Σ q̂(x,π) + Σ w·(r − q̂(x,a)) / Σ w, the self-normalised
    doubly robust estimator (Thomas, Brunskill 2016, *Data-efficient off-policy policy evaluation*,
    for one step; as in Saito et al. 2021). Their errors come from the delta method.
    """
    predicted = GivenModel(model).predict(log)
    return {name: _judge(shares.of(log), log, predicted) for name, shares in policies.items()}


def _judge(
    targets: Mapping[str, Prediction], log: Log, predicted: Mapping[str, Prediction]
) -> Judgement:
    weight, of_shown, of_target = (np.zeros(len(log)) for _ in range(3))
    for title, target in targets.items():
        at = np.arange(len(target.rows))
        place = {artwork: i for i, artwork in enumerate(target.artworks)}
        shown = np.array([place.get(log.artwork[row], -1) for row in target.rows.tolist()])
        known = shown >= 0
        chosen = np.where(known, target.values[at, shown], 0.0)
        weight[target.rows] = chosen / log.propensity[target.rows]
        model = predicted[title].columns(title, target.artworks)
        of_shown[target.rows] = np.where(known, model[at, shown], 0.0)
        of_target[target.rows] = (target.values * model).sum(axis=1)
    share = weight / weight.mean()
    snips = float(np.mean(share * log.reward))
    correction = float(np.mean(share * (log.reward - of_shown)))
    expected = float(of_target.mean())
    cluster = np.arange(len(log)) if log.cluster is None else log.cluster
    return Judgement(
        snips=Terms(snips, share * (log.reward - snips), cluster),
        sndr=Terms(
            expected + correction,
            of_target - expected + share * (log.reward - of_shown - correction),
            cluster,
        ),
        effective=effective_sample_size(weight),
        weights=weight,
    )
