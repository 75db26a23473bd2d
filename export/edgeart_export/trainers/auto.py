# SPDX-License-Identifier: Apache-2.0
"""Linear or with a tower: whichever told more of the rewards before it had learned them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np

from ..errors import DataError
from ..log import Log
from ..model import PolicyModel
from ..model.explorers import Explorer, Thompson
from ..model.tower import Layer
from ..schema import FeatureSchema
from . import auto_state
from .batch import Batch
from .candidates import Candidates
from .linear import L2, Artworks, LinearTrainer, Titles
from .neural import NeuralLinearTrainer
from .rows import Rows, read_rows
from .validated import Validated

SCALE = 0.3
"""Of Thompson sampling, as factor of the standard deviations; docs/neural.md has the figures."""

LINEAR: dict[str, L2] = {"linear": 3.0, "linear-30": 30.0, "linear-sparse": "sparse"}
TOWERS: dict[str, L2] = {"tower": 0.1, "tower-0.01": 0.01}
"""Candidates of one title or few, in the order in which ties are decided, and their λ."""

VARIANCE_L2 = 3.0
"""The largest λ in variances of those without a tower: more would starve exploration."""

POOLED_LINEAR: dict[str, L2] = {"linear": "auto", "linear-10": 10.0}
POOLED_TOWERS: dict[str, L2] = {"tower": 1.0}
"""Candidates from POOLED artworks on, which are enough to find λ and a prior from."""

POOLED = 100
_TIE = 0.01
"""Candidates that leave so much more of the variance unexplained than the best are as good."""


class AutoTrainer(Validated):
    """Trains candidates side by side and gives the model of the best of them.

    Candidates are LinearTrainers and NeuralLinearTrainers on a RandomTower, each with more than one
    λ: 3, 30 and `sparse` for contexts, 0.1 and 0.01 for towers; from 100 artworks on empirical
    Bayes and 10 for contexts and 1 for towers. Each predicts rows before it learns them; the one
    whose predictions explained the largest share of the rewards is chosen, ties, which are
    differences of up to 1 % in what is left unexplained, go to the earlier, `linear` first
    (`trainers.progress` has the statistic).

    All candidates learn every row at once. They predict with the weights that they had at the last
    of certain boundaries: numbers of rows learned, 100 apart at first (as many as there are
    artworks where these are more, at most a tenth of `memory`), then a tenth of what was learned.
    So a first large batch is validated too, and where boundaries are does not depend on batches.
    The order of rows is that of the calls, within a batch that of `time` where there is one, else
    as they stand; any split of rows in this order over batches gives the same, up to rounding. Rows
    without weight are left out; a correction is a row that is learned and not predicted.

    The tower is learned anew at boundaries where the rows have grown by half, from all of them,
    until there are more than `memory`; then it stays, and rows are no longer kept. There is one
    configuration for everything. seed: of the random tower; the same seed and rows give the same
    model. towers: False leaves candidates with a tower out. tower: layers that all candidates with
    a tower stand on from the start, instead; trainers that have one in common can be merged however
    much they have learned. artworks, half_life, slots: as LinearTrainer has them, for all.

    sources: as LinearTrainer has them. Memory: the sums of a LinearTrainer, the same of a tower's
    32 to 128 outputs, and the weights of all candidates at the last boundary.
    """

    def __init__(  # noqa: PLR0913 - settings, all by name
        self,
        schema: FeatureSchema,
        titles: Titles,
        *,
        seed: int = 0,
        memory: int = 50_000,
        towers: bool = True,
        tower: Sequence[Layer] | None = None,
        artworks: Artworks | None = None,
        half_life: timedelta | None = None,
        slots: tuple[int, int] | None = None,
    ) -> None:
        first = LinearTrainer(schema, titles, artworks=artworks, half_life=half_life, slots=slots)
        made = Candidates(first, *_candidates(first.titles, towers=towers))
        if tower is not None:
            if not towers:
                raise DataError("a tower was given, and towers=False: leave one of them out")
            made.stand_on(tower)
        super().__init__(made, seed=seed, memory=memory, towers=towers, given=tower is not None)

    def fit(self, batch: Batch | Log) -> AutoTrainer:
        """Forgets everything and learns from this batch. Returns itself."""
        rows = self._read(batch)
        fresh = LinearTrainer(
            self.schema,
            self.titles,
            artworks=self.artworks,
            half_life=self.half_life,
            slots=self.slots,
        )
        made = Candidates(fresh, self.candidates.l2, self.candidates.tower_l2)
        if self._given and self.candidates.base is not None:
            made.stand_on(self.candidates.base.tower)
        self._begin(made)
        self._learn(rows)
        return self

    def partial_fit(self, batch: Batch | Log) -> AutoTrainer:
        """Learns from one more batch; changes nothing where it raises DataError. Returns itself."""
        self._learn(self._read(batch))
        return self

    def merge(self, other: AutoTrainer) -> AutoTrainer:
        """Adds what another trainer of equal settings has learned. Returns itself.

        The sums of candidates and of what was predicted add up: the choice is that of both
        together. While both are within `memory` the tower is learned anew from the rows of both.
        Where one is beyond, or was given its tower, this stays and learns the rows that the other
        kept. Where both are, their towers must be equal. So it is associative, but for rounding,
        while all rows together are within `memory`, and where all were given one tower. Raises
        DataError, and then changes nothing.
        """
        self._check_merge(other)
        sources = self.sources | other.sources
        if other._rows:
            if self._rows or (self._given and not other._given):
                self._merge(other)
            else:
                self._take(other.extended(other.titles))
        self.sources = sources
        return self

    def extended(self, titles: Titles, artworks: Artworks | None = None) -> AutoTrainer:
        """A trainer that knows these titles and artworks too, and has learned as much.

        As LinearTrainer.extended. Where titles then have POOLED artworks and had not, candidates
        are others, and what the former predicted is forgotten.
        """
        together = self.candidates.first.together(titles)
        l2, tower_l2 = self.candidates.l2, self.candidates.tower_l2
        if _pooled(self.titles) != _pooled(together):
            l2, tower_l2 = _candidates(together, towers=self.with_towers)
        made = AutoTrainer(
            self.schema, together, seed=self.seed, memory=self.memory, towers=self.with_towers
        )
        made._given = self._given
        made._begin(self.candidates.extended(titles, artworks, l2, tower_l2))
        made._rows, made._learned, made._boundary = self._rows, self._learned, self._boundary
        number = {title: i for i, title in enumerate(made.titles)}
        where = np.array([number[title] for title in self.titles], dtype=np.int64)
        if made.progress.candidates == self.progress.candidates:
            made.progress = self.progress.placed(len(made.titles), where)
        made._kept = self._kept.placed(made.rows_of(self.titles))
        if made._rows and made.candidates.snapshot is None and self.candidates.snapshot is not None:
            made._pass()
        return made

    @property
    def scores(self) -> dict[str, float]:
        """Of every candidate the share of rewards explained, by which the choice is made."""
        return self.progress.explained()

    @property
    def choice(self) -> str:
        """The candidate chosen, `linear…` or `tower…`."""
        scores = self.scores
        left = (1 - max(scores.values())) * (1 + _TIE)
        return next(name for name, score in scores.items() if 1 - score <= left)

    @property
    def chosen(self) -> LinearTrainer | NeuralLinearTrainer:
        """The trainer of the candidate chosen."""
        return self.candidates.all([self.choice])[0]

    def to_model(
        self,
        name: str,
        sequence: int,
        explorer: Explorer | None = None,
        meta: Mapping[str, str] | None = None,
        titles: Titles | None = None,
    ) -> PolicyModel:
        """The chosen candidate's model. Raises ModelError.

        explorer: None takes Thompson sampling, its scale SCALE·√(e/σ²): e is the mean squared error
        of what was predicted beforehand, σ² what residuals say (docs/neural.md).
        titles: those of the model, as LinearTrainer has it.
        """
        choice = self.choice
        chosen = self.candidates.all([choice])[0]
        noise = chosen.noise()
        error = max(self._error(choice), noise)
        scale = SCALE * math.sqrt(error / noise) if noise > 0 else SCALE
        explorer = explorer or Thompson(min(scale, 100.0))
        if isinstance(chosen, NeuralLinearTrainer):
            return chosen.to_model(name, sequence, explorer, meta, titles)
        most = None if _pooled(self.titles) else VARIANCE_L2
        return chosen.to_model(name, sequence, explorer, meta, titles, most)

    def _error(self, choice: str) -> float:
        """The mean squared error of a candidate's predictions; before any, that of the mean."""
        if self.progress.rows:
            return self.progress.errors()[choice]
        first = self.candidates.first
        count = max(float(first.counts.sum()), 1.0)
        return float(first.squares.sum()) / count - (float(first.rewards.sum()) / count) ** 2

    def noise(self) -> float:
        """σ² as the chosen candidate has it."""
        return self.chosen.noise()

    def save_state(self, path: str | os.PathLike[str]) -> None:
        """Writes all that was learned to one Parquet file (`trainers.auto_state`). OSError."""
        saved = auto_state.Saved(
            candidates=self.candidates,
            progress=self.progress,
            kept=self._kept,
            counted=(self._rows, self._learned, self._boundary),
            seed=self.seed,
            memory=self.memory,
            towers=self.with_towers,
            given=self._given,
        )
        auto_state.save(path, saved)

    @classmethod
    def load_state(cls, path: str | os.PathLike[str]) -> AutoTrainer:
        """The trainer that `save_state` wrote, equal to the bit; it goes on as if never stopped.

        Its candidates are those that it began with. Raises DataError, OSError.
        """
        saved = auto_state.load(path)
        first = saved.candidates.first
        made = cls(
            first.schema, first.titles, seed=saved.seed, memory=saved.memory, towers=saved.towers
        )
        made._given = saved.given
        made._begin(saved.candidates)
        made._rows, made._learned, made._boundary = saved.counted
        made.progress, made._kept = saved.progress, saved.kept
        return made

    def _read(self, batch: Batch | Log) -> Rows:
        needs = ["time"] if self.half_life else []
        needs += ["slot_row", "slot_column"] if self.slots else []
        return read_rows(batch, self.schema, self.titles, needs=needs)

    def _check_merge(self, other: AutoTrainer) -> None:
        """Raises DataError where another cannot be merged."""
        names = ("schema", "titles", "seed", "memory", "with_towers", "artworks", "half_life")
        for what in (*names, "slots"):
            if getattr(self, what) != getattr(other, what):
                said = "towers" if what == "with_towers" else what
                raise DataError(f"trainers of different {said} cannot be merged")
        if [*self.titles] != [*other.titles]:
            raise DataError("trainers whose titles stand in another order cannot be merged")
        mine, theirs = self.candidates, other.candidates
        if (mine.l2, mine.tower_l2) != (theirs.l2, theirs.tower_l2):
            raise DataError("trainers of different candidates cannot be merged: begin both anew")
        if twice := sorted(self.sources.keys() & other.sources.keys()):
            raise DataError(f"both trainers have learned from {twice[0]!r}: not merged")
        self._check_towers(other)


def _pooled(titles: Titles) -> bool:
    """Whether artworks are so many that λ and a prior are found from all of them."""
    return sum(map(len, titles.values())) >= POOLED


def _candidates(titles: Titles, *, towers: bool) -> tuple[dict[str, L2], dict[str, L2]]:
    """Names and λ of candidates, without and with a tower."""
    if _pooled(titles):
        return POOLED_LINEAR, POOLED_TOWERS if towers else {}
    return LINEAR, TOWERS if towers else {}
