# SPDX-License-Identifier: Apache-2.0
"""Linear or with a tower: whichever told more of the rewards before it had learned them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..log import Log
from ..model import PolicyModel, check_titles
from ..model.explorers import Explorer, Thompson
from ..model.tower import Layer
from ..schema import FeatureSchema
from . import heads
from .batch import Batch
from .linear import L2, LinearTrainer
from .neural import NeuralLinearTrainer
from .progress import Progress
from .random_tower import RandomTower
from .rows import Names, Rows, joined, read_rows

SCALE = 0.3
"""Of Thompson sampling, as factor of the standard deviations; docs/neural.md has the figures."""

LINEAR: dict[str, L2] = {"linear": 3.0, "linear-30": 30.0, "linear-sparse": "sparse"}
TOWERS: dict[str, L2] = {"tower": 0.1, "tower-1": 1.0, "tower-0.01": 0.01}
"""Candidates of one title or few, in the order in which ties are decided, and their λ."""

POOLED_LINEAR: dict[str, L2] = {"linear": "auto", "linear-10": 10.0}
POOLED_TOWERS: dict[str, L2] = {"tower": 1.0}
"""Candidates from POOLED artworks on, which are enough to find λ and a prior from."""

POOLED = 100
_TIE = 0.005
"""Candidates that leave so much more of the variance unexplained than the best are as good."""

_SMALLEST = 100  # rows of a part, unless the batch ends
_GROWTH = 1.5  # rows to rows of the last time, when a tower is learned anew
_WORK = 1e8  # artworks × outputs³ of a tower: a second or so to solve all heads


class AutoTrainer:
    """Trains candidates side by side and gives the model of the best of them.

    Candidates are LinearTrainers and NeuralLinearTrainers on a RandomTower, each with more than one
    λ: 3, 30 and `sparse` for contexts, 0.1, 1 and 0.01 for towers; from 100 artworks on empirical
    Bayes and 10 for contexts and 1 for towers. Each predicts rows before it learns them; the one
    whose predictions explained the largest share of the rewards is chosen, ties, which are
    differences of up to 0.5 % in what is left unexplained, go to the earlier, `linear` first
    (`trainers.progress` has the statistic). A batch is taken in parts, none larger than all that
    was learned before or 100 rows, in order of `time` where there is one; so a first large batch
    validates too.

    The tower is learned anew whenever the rows have grown by half, from all of them, until there
    are `memory`; then it stays, and rows are no longer kept. There is one configuration for
    everything. Rows in another order or other batches may give another choice, so there is no
    merge. seed: of the random tower; the same seed and batches give the same model. towers: False
    leaves candidates with a tower out.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        titles: Mapping[str, Sequence[str]],
        *,
        seed: int = 0,
        memory: int = 50_000,
        towers: bool = True,
    ) -> None:
        self.schema = schema
        self.titles: dict[str, tuple[str, ...]] = check_titles(titles)
        self.seed, self.memory = seed, memory
        self._with_towers = towers
        self._names = Names(self.titles)
        self._title = heads.title_of_rows(self.titles)
        self._reset()

    def _reset(self) -> None:
        pooled = len(self._title) >= POOLED
        self._towers = POOLED_TOWERS if pooled else TOWERS
        if not self._with_towers:
            self._towers = {}
        self.linear = {
            name: LinearTrainer(self.schema, self.titles, l2=l2)
            for name, l2 in (POOLED_LINEAR if pooled else LINEAR).items()
        }
        self.towers: dict[str, NeuralLinearTrainer] = {}
        self.progress = Progress(len(self.titles), (*self.linear, *self._towers))
        self._kept: list[Rows] = []
        self._rows = self._learned = 0

    def fit(self, batch: Batch | Log) -> AutoTrainer:
        """Forgets everything and learns from this batch. Returns itself."""
        rows = self._read(batch)
        self._reset()
        return self._learn(rows)

    def partial_fit(self, batch: Batch | Log) -> AutoTrainer:
        """Learns from one more batch; changes nothing where it raises DataError. Returns itself."""
        return self._learn(self._read(batch))

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

    def to_model(
        self,
        name: str,
        sequence: int,
        explorer: Explorer | None = None,
        meta: Mapping[str, str] | None = None,
    ) -> PolicyModel:
        """The chosen candidate's model. None explorer: Thompson(0.3). Raises ModelError."""
        choice = self.choice
        chosen = self.linear[choice] if choice in self.linear else self.towers[choice]
        noise = chosen.noise()
        error = max(self.progress.errors()[choice], noise)
        scale = SCALE * math.sqrt(error / noise) if noise > 0 else SCALE
        return chosen.to_model(name, sequence, explorer or Thompson(min(scale, 100.0)), meta)

    def best_fixed(self) -> dict[str, str]:
        """Per title the artwork of the best mean reward (0 for one never shown): no context."""
        return self.linear["linear"].best_fixed()

    def _read(self, batch: Batch | Log) -> Rows:
        return read_rows(batch, self.schema, self.titles)

    def _learn(self, rows: Rows) -> AutoTrainer:
        time = rows.more.get("time")
        if time is not None:
            rows = rows.take(np.argsort(time, kind="stable"))
        first = 0
        while first < len(rows):
            size = max(self._rows, _SMALLEST)
            part = rows.take(slice(first, first + size))
            self._validate(part)
            self._add(part)
            first += size
        return self

    def _validate(self, rows: Rows) -> None:
        """Lets all candidates predict rows that none has learned."""
        rows = rows.take(rows.new)
        if not self._rows or not len(rows):
            return
        predicted = {
            name: (rows.vectors * trainer.solve()[rows.row]).sum(axis=1).astype(np.float64)
            for name, trainer in self.linear.items()
        }
        for name, tower in self.towers.items():
            predicted[name] = tower.predict(rows.vectors, rows.row)
        chance = rows.more.get("propensity", np.ones(len(rows)))
        title = self._title[rows.row]
        self.progress.add(title, rows.reward, predicted, rows.weight, chance)

    def _add(self, rows: Rows) -> None:
        """Lets all candidates learn rows."""
        for linear in self.linear.values():
            linear.partial_fit(self._names.batch(rows))
        self._rows += len(rows)
        if not self._towers:
            return
        if self._rows <= self.memory:
            self._kept.append(rows)
        if self._rows <= self.memory and self._rows >= _GROWTH * self._learned:
            self._learned = self._rows
            self._found(self._names.batch(joined(self._kept)))
        else:
            for trainer in self.towers.values():
                trainer.partial_fit(self._names.batch(rows))
        if self._rows > self.memory:
            self._kept.clear()

    def _found(self, batch: dict[str, object]) -> None:
        """A new tower from all rows so far, and what stands on it."""
        tower: RandomTower | Sequence[Layer] = RandomTower(k=self._k(), seed=self.seed)
        for name, l2 in self._towers.items():
            made = NeuralLinearTrainer(self.schema, self.titles, tower=tower, l2=l2)
            self.towers[name] = made.fit(batch)
            tower = made.tower  # the others stand on the same

    def _k(self) -> int:
        """Outputs of a tower: fewer where artworks are many, for time and memory."""
        return int(np.clip((_WORK / len(self._title)) ** (1 / 3), 32, 128))
