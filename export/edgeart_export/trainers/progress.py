# SPDX-License-Identifier: Apache-2.0
"""Progressive validation: how much of the rewards was told by what was predicted beforehand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST = 64
"""Parts kept one by one; when there are twice as many, each two neighbours become one."""

HEAVIEST = 10.0
"""Largest importance weight: 1 / propensity is clipped there (Ionides 2008)."""


class Progress:
    """Predictions beside the rewards that came, as sums by part and title.

    The statistic of a candidate is the share of the variance of rewards within titles that its
    predictions explained, ρ² = cov(s, r)² / (var(s)·var(r)), over the later half of the rows
    predicted; 0 where cov ≤ 0. It is what 1 − ρ² leaves of the squared error when predictions are
    first recalibrated by one affine function: how far a trainer shrinks does not change which
    artwork is best, and the plain squared error would always take the one that shrinks more. Titles
    are centred, because telling a popular title from another helps no choice within either. A row
    counts by its weight and by 1 / propensity, at most HEAVIEST. Only the later half counts,
    because candidates learn at different speeds.

    Progressive validation: Blum, Kalai, Langford 1999, *Beating the hold-out*.
    """

    def __init__(self, titles: int, candidates: tuple[str, ...]) -> None:
        self._titles, self.candidates = titles, candidates
        self._parts: list[tuple[float, Floats, Floats, Floats]] = []

    def add(
        self,
        title: Ints,
        reward: Floats,
        predicted: Mapping[str, Floats],
        weight: Floats,
        propensity: Floats,
    ) -> None:
        """One part: n titles, rewards, what each candidate had predicted, weights, propensities."""
        scores = np.stack([predicted[name] for name in self.candidates])
        errors = np.append((scores - reward) ** 2 @ weight, weight.sum())
        weight = weight * np.minimum(1 / propensity, HEAVIEST)
        both = np.concatenate([np.ones((1, len(reward))), reward[None], scores])
        sums = np.zeros((len(both), self._titles))
        for i, values in enumerate(both * weight):
            sums[i] = np.bincount(title, values, self._titles)
        squares = np.stack(
            [
                weight @ reward**2 * np.ones(len(scores)),
                scores**2 @ weight,
                (scores * reward) @ weight,
            ]
        )
        self._parts.append((float(len(reward)), sums, squares, errors))
        if len(self._parts) >= 2 * _MOST:
            self._parts = [
                (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])
                for a, b in zip(self._parts[::2], self._parts[1::2], strict=True)
            ]

    @property
    def rows(self) -> int:
        """How many rows were predicted before they were learned."""
        return int(sum(count for count, *_ in self._parts))

    def _later(self) -> tuple[Floats, Floats, Floats]:
        """The sums of the later half."""
        half, count = self.rows / 2, 0.0
        sums = np.zeros((len(self.candidates) + 2, self._titles))
        squares, errors = np.zeros((3, len(self.candidates))), np.zeros(len(self.candidates) + 1)
        for rows, part, square, error in reversed(self._parts):
            if count >= half:
                break
            count, sums = count + rows, sums + part
            squares, errors = squares + square, errors + error
        return sums, squares, errors

    def errors(self) -> dict[str, float]:
        """The mean squared error of every candidate's predictions, rows by their weights alone."""
        *errors, weight = self._later()[2].tolist()
        return {
            name: error / max(weight, 1e-300)
            for name, error in zip(self.candidates, errors, strict=True)
        }

    def explained(self) -> dict[str, float]:
        """The statistic of every candidate, 0 to 1."""
        sums, squares, _ = self._later()
        weight, reward, scores = np.maximum(sums[0], 1e-300), sums[1], sums[2:]
        of_rewards = squares[0] - (reward**2 / weight).sum()
        of_scores = squares[1] - (scores**2 / weight).sum(axis=1)
        both = squares[2] - (scores * reward / weight).sum(axis=1)
        # What rounding leaves of a constant explains nothing.
        varies = (of_rewards > 1e-9 * squares[0]) & (of_scores > 1e-9 * squares[1])
        share = np.maximum(both, 0) ** 2 / np.where(varies, of_rewards * of_scores, 1.0)
        found = np.where(varies, np.minimum(share, 1.0), 0.0)
        return dict(zip(self.candidates, found.tolist(), strict=True))
