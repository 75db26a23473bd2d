# SPDX-License-Identifier: Apache-2.0
"""What policies are worth, estimated from a day's exposures: SNIPS and SNDR, clustered by unit."""

from __future__ import annotations

import math
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

BINS = 4
"""Grades of prediction among which the noise of rewards is told apart."""


@dataclass(frozen=True, eq=False)
class Terms:
    """A self-normalised estimate as a value plus the mean of terms, one a row of the log: [n].

    A term is `known + share · left`: what the row's prediction says, and its importance weight over
    the mean weight times what the prediction left to say (reward less prediction). noise: the
    square of `left` that is to be expected of such a row. cluster: whose rows depend on each other.
    Estimates of several policies on the same rows keep what they have in common in their terms, so
    that the error of their difference is that of the terms' difference.
    """

    value: float
    known: Floats
    share: Floats
    left: Floats
    noise: Floats
    cluster: npt.NDArray[np.int64]

    def estimate(self) -> Estimate:
        """The value with its clustered standard error, the larger one of two.

        One squares the terms that were seen. With rare rewards it stands or falls with the few rows
        of large weight that have one: by chance too few of them make the value small and its error
        smaller still. The other takes for each row the square that is to be expected, and is blind
        to what clusters and weights do to the noise.
        """
        seen = mean(self.known + self.share * self.left, self.cluster).se
        spread = float(np.sum(self.share**2 * self.noise)) / len(self.noise) ** 2
        expected = math.sqrt(mean(self.known, self.cluster).se ** 2 + spread)
        return Estimate(self.value, max(seen, expected))

    def minus(self, other: Terms) -> Estimate:
        """The difference of two estimates on the same rows. Its interval knows they are paired."""
        return Terms(
            self.value - other.value,
            self.known - other.known,
            self.share - other.share,
            self.left,
            self.noise,
            self.cluster,
        ).estimate()


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
    def snips(self) -> Terms:
        """V = Σ w·r / Σ w: plays per exposure."""
        share = self.weight / self.weight.mean()
        value = float(np.mean(share * self.reward))
        return self._terms(value, share * (self.of_shown - value), share)

    @cached_property
    def sndr(self) -> Terms:
        """V = (1/n) Σ q̂(x,π) + Σ w·(r − q̂(x,a)) / Σ w: plays per exposure."""
        share = self.weight / self.weight.mean()
        expected = float(self.of_target.mean())
        correction = float(np.mean(share * (self.reward - self.of_shown)))
        known = self.of_target - expected - share * correction
        return self._terms(expected + correction, known, share)

    def _terms(self, value: float, known: Floats, share: Floats) -> Terms:
        left = self.reward - self.of_shown
        return Terms(value, known, share, left, self.noise, self.cluster)

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
    of_shown = np.zeros(len(log))
    for prediction in predicted.values():
        of_shown[prediction.rows] = _of_logged(log, prediction)
    judged = {}
    for name, shares in policies.items():
        weight, of_target = np.zeros(len(log)), np.zeros(len(log))
        for title, target in shares.of(log).items():
            rows = target.rows
            weight[rows] = _of_logged(log, target) / log.propensity[rows]
            expected = predicted[title].columns(title, target.artworks)
            of_target[rows] = (target.values * expected).sum(axis=1)
        judged[name] = Rows(weight, log.reward, of_shown, of_target, log.cluster)
    return judged


def _of_logged(log: Log, values: Prediction) -> Floats:
    """The values of the artworks that were logged; 0 for one that has none: [len(values.rows)]."""
    place = {artwork: i for i, artwork in enumerate(values.artworks)}
    column = np.array([place.get(log.artwork[row], -1) for row in values.rows.tolist()])
    found: Floats = values.values[np.arange(len(column)), column]
    return np.where(column >= 0, found, 0.0)
