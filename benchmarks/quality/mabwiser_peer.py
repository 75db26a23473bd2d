# SPDX-License-Identifier: Apache-2.0
"""MABWiser as a learner: one MAB a title over the encoded contexts with their intercept column."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeart_export.simulate.bandit import Bandit, Floats, Ints


class MabWiser:
    """A Learner (edgeart_export.simulate.bandit); it does not know its propensities, which are NaN.

    policy: LinUCB, LinTS, LinGreedy, or EpsilonGreedy among `neighbours` nearest contexts. Other
    settings are that learning policy's. Before a title's first rewards (as many as it wants
    neighbours) its artworks are drawn alike, since a MAB cannot choose before its first fit.
    """

    def __init__(
        self,
        bandit: Bandit,
        *,
        policy: str,
        seed: int,
        neighbours: int | None = None,
        **settings: float,
    ) -> None:
        from mabwiser.mab import MAB, LearningPolicy, NeighborhoodPolicy  # noqa: PLC0415

        near = None if neighbours is None else NeighborhoodPolicy.KNearest(neighbours)
        learning = getattr(LearningPolicy, policy)(**settings)
        self.bandit = bandit
        self._mabs: list[Any] = [
            MAB(list(range(len(artworks))), learning, near, seed=seed + 1000 * title)
            for title, (_, artworks) in enumerate(bandit.names)
        ]
        self._fitted = [False] * len(self._mabs)
        self._least = neighbours or 1
        self._waiting: list[list[tuple[Any, ...]]] = [[] for _ in self._mabs]
        self._rng = np.random.default_rng([seed, 32])

    def decide(self, rounds: Ints) -> tuple[Ints, Floats]:
        """What MABWiser predicts, title by title."""
        artwork = np.empty(len(rounds), dtype=np.int64)
        titles = self.bandit.title[rounds]
        for title in np.unique(titles).tolist():
            at = np.flatnonzero(titles == title)
            if self._fitted[title]:
                found = self._mabs[title].predict(self.bandit.vectors[rounds[at]].astype(float))
                artwork[at] = found  # a list, or one number for one context
            else:
                artwork[at] = self._rng.integers(len(self.bandit.names[title][1]), size=len(at))
        return artwork, np.full(len(rounds), np.nan)

    def learn(self, rounds: Ints, artwork: Ints, propensity: Floats, reward: Floats) -> None:  # noqa: ARG002
        """Fits each title's MAB with its rounds."""
        titles = self.bandit.title[rounds]
        for title in np.unique(titles).tolist():
            at = np.flatnonzero(titles == title)
            new = (artwork[at], reward[at], self.bandit.vectors[rounds[at]].astype(float))
            if self._fitted[title]:
                self._mabs[title].partial_fit(*new)
                continue
            self._waiting[title].append(new)
            heard = [np.concatenate(column) for column in zip(*self._waiting[title], strict=True)]
            if len(heard[0]) >= self._least:
                self._mabs[title].fit(*heard)
                self._fitted[title] = True
                self._waiting[title].clear()
