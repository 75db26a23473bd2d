# SPDX-License-Identifier: Apache-2.0
"""Progressive validation: how much of the rewards was told by what was predicted beforehand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_FINE, _STEP = 1000, 1.05  # steps are 50 up to so many rows, then 5 %

HEAVIEST = 10.0
"""Largest importance weight: 1 / propensity is clipped there (Ionides 2008)."""


@dataclass(eq=False)
class Part:
    """What was predicted by candidates that had learned equally much, C of them; T titles.

    rows: how many. sums: by title of weights, rewards and each candidate's predictions,
    [C + 2, T]. squares: of rewards, of predictions and of both times each other, [3, C]. errors:
    squared, by weight alone, and the weight, [C + 1]. All float64.
    """

    rows: int
    sums: Floats
    squares: Floats
    errors: Floats

    def add(self, other: Part) -> None:
        """Adds what another part holds."""
        self.rows += other.rows
        self.sums += other.sums
        self.squares += other.squares
        self.errors += other.errors

    def copy(self) -> Part:
        """The same, in memory of its own."""
        return Part(self.rows, self.sums.copy(), self.squares.copy(), self.errors.copy())


class Progress:
    """Predictions beside the rewards that came, as sums by title.

    The statistic of a candidate is the share of the variance of rewards within titles that its
    predictions explained, ρ² = cov(s, r)² / (var(s)·var(r)), over the later half of the rows
    predicted; 0 where cov ≤ 0. It is what 1 − ρ² leaves of the squared error when predictions are
    first recalibrated by one affine function: how far a trainer shrinks does not change which
    artwork is best, and the plain squared error would always take the one that shrinks more. Titles
    are centred, because telling a popular title from another helps no choice within either. A row
    counts by its weight and by 1 / propensity, at most HEAVIEST. Only the later half counts,
    because candidates learn at different speeds.

    parts: by how many rows had been learned by those who predicted, in steps of 50 or 5 %, so that
    there are never more than a few hundred. The later half are the parts that had learned most, as
    many as have half of the rows. So the sums of two that predicted apart can be added, in any
    order: parts of those who had learned equally much become one.

    Progressive validation: Blum, Kalai, Langford 1999, *Beating the hold-out*.
    """

    def __init__(self, titles: int, candidates: tuple[str, ...]) -> None:
        self.titles, self.candidates = titles, candidates
        self.parts: dict[int, Part] = {}

    def add(
        self,
        learned: int,
        title: Ints,
        reward: Floats,
        predicted: Mapping[str, Floats],
        weight: Floats,
        propensity: Floats,
    ) -> None:
        """Predictions of candidates that had learned so many rows: n titles, rewards, what each
        had predicted (who is not there said nothing: 0), weights, propensities.
        """
        nothing = np.zeros(len(reward))
        scores = np.stack([predicted.get(name, nothing) for name in self.candidates])
        errors = np.append((scores - reward) ** 2 @ weight, weight.sum())
        weight = weight * np.minimum(1 / propensity, HEAVIEST)
        both = np.concatenate([np.ones((1, len(reward))), reward[None], scores])
        sums = np.zeros((len(both), self.titles))
        for i, values in enumerate(both * weight):
            sums[i] = np.bincount(title, values, self.titles)
        squares = np.stack(
            [
                weight @ reward**2 * np.ones(len(scores)),
                scores**2 @ weight,
                (scores * reward) @ weight,
            ]
        )
        self._put(_step(learned), Part(len(reward), sums, squares, errors))

    def merge(self, other: Progress) -> None:
        """Adds the sums of another, of the same titles and candidates."""
        for learned, part in other.parts.items():
            self._put(learned, part.copy())

    def placed(self, titles: int, where: Ints) -> Progress:
        """The same for so many titles, of which those here have these numbers, [T]."""
        made = Progress(titles, self.candidates)
        for learned, part in self.parts.items():
            sums = np.zeros((len(part.sums), titles))
            sums[:, where] = part.sums
            made.parts[learned] = Part(part.rows, sums, part.squares.copy(), part.errors.copy())
        return made

    def _put(self, learned: int, part: Part) -> None:
        if learned in self.parts:
            self.parts[learned].add(part)
        else:
            self.parts[learned] = part

    @property
    def rows(self) -> int:
        """How many rows were predicted before they were learned."""
        return sum(part.rows for part in self.parts.values())

    def _later(self) -> Part:
        """The sums of the later half."""
        half, count = self.rows / 2, len(self.candidates)
        found = Part(
            0, np.zeros((count + 2, self.titles)), np.zeros((3, count)), np.zeros(count + 1)
        )
        for _, part in sorted(self.parts.items(), reverse=True):
            if found.rows >= half:
                break
            found.add(part)
        return found

    def errors(self) -> dict[str, float]:
        """The mean squared error of every candidate's predictions, rows by their weights alone."""
        *errors, weight = self._later().errors.tolist()
        return {
            name: error / max(weight, 1e-300)
            for name, error in zip(self.candidates, errors, strict=True)
        }

    def explained(self) -> dict[str, float]:
        """The statistic of every candidate, 0 to 1."""
        later = self._later()
        sums, squares = later.sums, later.squares
        weight, reward, scores = np.maximum(sums[0], 1e-300), sums[1], sums[2:]
        of_rewards = squares[0] - (reward**2 / weight).sum()
        of_scores = squares[1] - (scores**2 / weight).sum(axis=1)
        both = squares[2] - (scores * reward / weight).sum(axis=1)
        # What rounding leaves of a constant explains nothing.
        varies = (of_rewards > 1e-9 * squares[0]) & (of_scores > 1e-9 * squares[1])
        share = np.maximum(both, 0) ** 2 / np.where(varies, of_rewards * of_scores, 1.0)
        found = np.where(varies, np.minimum(share, 1.0), 0.0)
        return dict(zip(self.candidates, found.tolist(), strict=True))


def _step(learned: int) -> int:
    """The step that so many rows belong to, by the rows it begins with."""
    if learned < _FINE:
        return learned // 50 * 50
    return math.ceil(_FINE * _STEP ** math.floor(math.log(learned / _FINE, _STEP) + 1e-9))
