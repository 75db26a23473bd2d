# SPDX-License-Identifier: Apache-2.0
"""What policies are worth, estimated from a day's exposures: SNIPS and SNDR, clustered by unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt

import edgeart

from ..errors import DataError
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
        """The value with its clustered standard error."""
        return Estimate(self.value, mean(self.centred, self.cluster).se)

    def minus(self, other: Terms) -> Estimate:
        """The difference of two estimates on the same rows. Its interval knows they are paired."""
        error = mean(self.centred - other.centred, self.cluster).se
        return Estimate(self.value - other.value, error)


@dataclass(frozen=True, eq=False)
class Rows:
    """What the estimates of one policy are made of, one row an exposure; all [n].

    weight: importance weight. of_shown, of_target: predicted reward of what was logged, and of the
    policy on average. cluster: whose rows depend on each other.
    """

    weight: Floats
    reward: Floats
    of_shown: Floats
    of_target: Floats
    cluster: npt.NDArray[np.int64]

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """The rows of several days as one, of which each day had its own version of the policy."""
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            )
        )

    @cached_property
    def snips(self) -> Terms:
        """V = Σ w·r / Σ w: plays per exposure."""
        share = self.weight / self.weight.mean()
        value = float(np.mean(share * self.reward))
        return Terms(value, share * (self.reward - value), self.cluster)

    @cached_property
    def sndr(self) -> Terms:
        """V = (1/n) Σ q̂(x,π) + Σ w·(r − q̂(x,a)) / Σ w: plays per exposure."""
        share = self.weight / self.weight.mean()
        left = self.reward - self.of_shown
        expected, correction = float(self.of_target.mean()), float(np.mean(share * left))
        centred = self.of_target - expected + share * (left - correction)
        return Terms(expected + correction, centred, self.cluster)

    @property
    def effective(self) -> float:
        """Effective sample size."""
        return effective_sample_size(self.weight)


class Shares:
    """π(a|x) of one policy as devices compute it, kept for every context and title asked for."""

    def __init__(self, policy: edgeart.Policy) -> None:
        self.policy = policy
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
                rows, self.policy.artworks(title), np.stack([each[row] for row in rows.tolist()])
            )
            for title, rows in rows_by_title(log)
        }

    def _of(self, values: Values, title: str) -> Floats:
        key = (b"\x80" if self._one_context else values, title)
        known = self._known.get(key)
        if known is None:
            if self._context is None or self._context[0] is not key[0]:
                # No seed moves a propensity.
                self._context = (key[0], self.policy.context(key[0], seed=0))
            candidates = self.policy.candidates(self._context[1], title)
            known = np.array(candidates.n, dtype=np.float64) / candidates.total
            self._known[key] = known
        return known


def judge(policies: Mapping[str, Shares], log: Log, model: PolicyModel) -> dict[str, Rows]:
    """What the estimates of each policy need of a log whose rewards the model has not seen.

    SNDR is the self-normalised doubly robust estimator (Thomas, Brunskill 2016, *Data-efficient
    off-policy policy evaluation*, for a single step; as in Saito et al. 2021).
    Raises DataError for a log without clusters.
    """
    if log.cluster is None:
        raise DataError("the log has no clusters; intervals need to know whose rows they are")
    predicted = GivenModel(model).predict(log)
    judged = {}
    for name, shares in policies.items():
        weight, of_shown, of_target = (np.zeros(len(log)) for _ in range(3))
        for title, target in shares.of(log).items():
            rows, at = target.rows, np.arange(len(target.rows))
            place = {artwork: i for i, artwork in enumerate(target.artworks)}
            shown = np.array([place.get(log.artwork[row], -1) for row in rows.tolist()])
            known = shown >= 0
            weight[rows] = np.where(known, target.values[at, shown], 0.0) / log.propensity[rows]
            expected = predicted[title].columns(title, target.artworks)
            of_shown[rows] = np.where(known, expected[at, shown], 0.0)
            of_target[rows] = (target.values * expected).sum(axis=1)
        judged[name] = Rows(weight, log.reward, of_shown, of_target, log.cluster)
    return judged
