# SPDX-License-Identifier: Apache-2.0
"""Candidates that predict every row before they learn it, by boundaries that do not move."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from . import heads, prior
from .candidates import Candidates
from .kept import Kept
from .linear import LinearTrainer, Titles
from .neural import NeuralLinearTrainer, same_tower
from .progress import Progress
from .random_tower import RandomTower
from .rows import Rows
from .sums import Floats, Ints

_SMALLEST = 100  # rows from one boundary to the next; as many as artworks where these are more,
_PART = 10  # and at most a tenth of `memory`; then a tenth of the rows learned
_GROWTH = 1.5  # rows to rows of the last time, when a tower is learned anew
_WORK = 1e8  # artworks × outputs³ of a tower: a second or so to solve all heads


class Validated:
    """Candidates, what they predicted, and the rows kept for a tower: how AutoTrainer learns.

    seed, memory, towers: as AutoTrainer has them. given: whether the tower stays from the start.
    """

    def __init__(
        self,
        candidates: Candidates,
        *,
        seed: int,
        memory: int,
        towers: bool,
        given: bool = False,
    ) -> None:
        self.seed, self.memory, self.with_towers, self._given = seed, memory, towers, given
        self._begin(candidates)

    def _begin(self, candidates: Candidates) -> None:
        """Takes candidates, with nothing predicted, kept or learned yet."""
        first = candidates.first
        self.candidates = candidates
        self.schema, self.titles, self.artworks = first.schema, first.titles, first.artworks
        self.half_life, self.slots = first.half_life, first.slots
        self._title = heads.title_of_rows(self.titles)
        self.progress = Progress(len(self.titles), (*candidates.l2, *candidates.tower_l2))
        placed, timed = self.slots is not None, self.half_life is not None
        self._kept = Kept(self.schema.width, timed=timed, placed=placed)
        self._rows = self._learned = self._boundary = 0

    @property
    def linear(self) -> dict[str, LinearTrainer]:
        """The candidates without a tower, by name."""
        return self.candidates.linear

    @property
    def towers(self) -> dict[str, NeuralLinearTrainer]:
        """The candidates with a tower, by name; none before the first boundary."""
        return self.candidates.towers

    @property
    def sources(self) -> dict[str, int]:
        """What whoever trains on files notes: see LinearTrainer."""
        return self.candidates.first.sources

    @sources.setter
    def sources(self, sources: dict[str, int]) -> None:
        self.candidates.first.sources = sources

    def best_fixed(self) -> dict[str, str]:
        """Per title the artwork of the best mean reward (0 for one never shown): no context."""
        return self.candidates.first.best_fixed()

    @property
    def counts(self) -> Floats:
        """Σ ω of every artwork: float64 [R]."""
        return self.candidates.first.counts

    @property
    def nbytes(self) -> int:
        """Bytes of memory that sums, rows kept and the weights of the last boundary take."""
        base, weights = self.candidates.base, self.candidates.snapshot or {}
        own = self.candidates.first.nbytes + (0 if base is None else base.heads.nbytes)
        return own + self._kept.nbytes + sum(array.nbytes for array in weights.values())

    def rows_of(self, titles: Titles) -> Ints:
        """The rows of these titles' artworks, in this order: [artworks]. Raises KeyError."""
        return self.candidates.first.rows_of(titles)

    # How it is done.

    @property
    def _keeps(self) -> bool:
        """Whether rows are kept: a tower may still be learned anew."""
        return self.with_towers and not self._given and self._rows <= self.memory

    def _learn(self, rows: Rows) -> None:
        rows = rows.take(rows.weight > 0)
        time = rows.more.get("time")
        if time is not None:
            rows = rows.take(np.argsort(time, kind="stable"))
        first = 0
        while first < len(rows):
            artworks = min(len(self._title), self.memory // _PART)
            end = self._boundary + max(_SMALLEST, artworks, self._boundary // _PART)
            part = rows.take(slice(first, first + max(end - self._rows, 1)))
            self._validate(part)
            self._add(part)
            first += len(part)
            if self._rows >= end:
                self._pass()

    def _validate(self, rows: Rows) -> None:
        """Lets all candidates predict rows that none has learned."""
        rows = rows.take(rows.new)
        predicted = self.candidates.predict(rows)
        if not predicted or not len(rows):
            return
        chance = rows.more.get("propensity", np.ones(len(rows)))
        title = self._title[rows.row]
        self.progress.add(self._boundary, title, rows.reward, predicted, rows.weight, chance)

    def _add(self, rows: Rows) -> None:
        """Lets all candidates learn rows."""
        self.candidates.learn(rows)
        self._rows += len(rows)
        if self._keeps:
            self._kept.add(rows)
        else:
            self._kept.clear()

    def _pass(self) -> None:
        """A boundary: a new tower if it is time, and all predict with what they know now."""
        self._boundary = self._rows
        if self._keeps and self._rows >= _GROWTH * self._learned:
            self._found()
        self.candidates.remember()

    def _found(self) -> None:
        """A new tower from the rows kept; corrections alone bring none about."""
        rows = self._kept.rows()
        if rows.new.any():
            self._learned = self._rows
            self.candidates.found(rows, RandomTower(k=self._k(), seed=self.seed))

    def _check_towers(self, other: Validated) -> None:
        """Raises DataError where the towers of both stay as they are and differ."""
        one, two = self.candidates.base, other.candidates.base
        towers = () if one is None else one.tower, () if two is None else two.tower
        if not (self._keeps or other._keeps or same_tower(*towers)):
            raise DataError(
                f"trainers of different towers that are beyond their memory of {self.memory} rows, "
                f"or were given, are not merged: give both one `tower` from the start"
            )

    def _merge(self, other: Validated) -> None:
        """Adds what another has learned, which is something, as this has."""
        keeps = self._keeps, other._keeps
        self.candidates.merge(other.candidates)
        self.progress.merge(other.progress)
        self._rows += other._rows
        if keeps == (True, True):
            self._kept.merge(other._kept)
            self._found()
        elif keeps == (True, False):
            if other.candidates.base is not None:
                self.candidates.adopt(other.candidates.base.extended(other.titles))
            self.candidates.learn_towers(self._kept.rows())
        elif keeps == (False, True):
            self.candidates.learn_towers(other._kept.rows())
        else:
            self.candidates.merge_towers(other.candidates)
        self._given |= other._given
        if not self._keeps:
            self._kept.clear()
        self._boundary = self._rows
        self.candidates.remember()

    def _take(self, other: Validated) -> None:
        """Becomes what another is."""
        self._begin(other.candidates)
        self.progress, self._kept = other.progress, other._kept
        self._rows, self._learned = other._rows, other._learned
        self._boundary, self._given = other._boundary, other._given

    def _k(self) -> int:
        """Outputs of a tower: fewer where artworks are many, for time and memory.

        And where heads have a prior that is a function of features, found in so many rounds.
        """
        work = _WORK / (1 if self.artworks is None else prior.ROUNDS)
        return int(np.clip((work / len(self._title)) ** (1 / 3), 32, 128))
