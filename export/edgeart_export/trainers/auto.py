# SPDX-License-Identifier: Apache-2.0
"""Linear or with a tower: whichever predicted better what it had not yet learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..explorers import Explorer, Thompson
from ..log import Log
from ..model import PolicyModel, check_titles
from ..schema import FeatureSchema
from .linear import Batch, LinearTrainer
from .neural import NeuralLinearTrainer
from .rows import Names, Rows, joined, read_rows


@dataclass(frozen=True)
class Progress:
    """One batch, predicted before it was learned: summed weights and squared errors."""

    weight: float
    linear: float
    tower: float


class AutoTrainer:
    """Learns both, a LinearTrainer and a NeuralLinearTrainer, and gives the better one's model.

    Every batch is predicted by both before either learns from it (progressive validation: Blum,
    Kalai, Langford 1999, *Beating the hold-out*). The tower is chosen where the mean squared error
    of its predictions over the later half of the rows is smaller; ties go to linear.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        titles: Mapping[str, Sequence[str]],
        *,
        seed: int = 0,
        memory: int = 50_000,
    ) -> None:
        self.schema = schema
        self.titles: dict[str, tuple[str, ...]] = check_titles(titles)
        self.seed, self.memory = seed, memory
        self._names = Names(self.titles)
        self._reset()

    def _reset(self) -> None:
        self.linear = LinearTrainer(self.schema, self.titles)
        self.tower: NeuralLinearTrainer | None = None
        self.progress: list[Progress] = []
        self._kept: list[Rows] = []
        self._learned = 0

    def fit(self, batch: Batch | Log) -> AutoTrainer:
        """Forgets everything and learns from this batch, in ten parts. Returns itself."""
        rows = read_rows(batch, self.schema, self.titles)
        self._reset()
        for part in np.array_split(np.arange(len(rows)), 10):
            self._step(rows.take(part))
        return self

    def partial_fit(self, batch: Batch | Log) -> AutoTrainer:
        """Predicts a batch, then learns from it. Returns itself."""
        self._step(read_rows(batch, self.schema, self.titles))
        return self

    def _step(self, rows: Rows) -> None:
        if not len(rows):
            return
        if self.tower is not None:
            linear = self.linear.solve()[rows.row]
            guess = np.einsum("nk,nk->n", linear, rows.vectors)
            other = self.tower.predict(rows.vectors, rows.row)
            self.progress.append(
                Progress(
                    float(rows.weight.sum()),
                    float(rows.weight @ (rows.reward - guess) ** 2),
                    float(rows.weight @ (rows.reward - other) ** 2),
                )
            )
        self.linear.partial_fit(self._names.batch(rows))
        self._kept.append(rows)
        while len(self._kept) > 1 and sum(map(len, self._kept[1:])) >= self.memory:
            del self._kept[0]
        count = sum(map(len, self._kept))
        if self.tower is None or count >= 1.5 * self._learned:
            self.tower = NeuralLinearTrainer(
                self.schema, self.titles, method="random", seed=self.seed
            )
            self.tower.fit(self._names.batch(joined(self._kept)))
            self._learned = count
        else:
            self.tower.partial_fit(self._names.batch(rows))

    @property
    def scores(self) -> dict[str, float]:
        """The mean squared errors that decide, over the later half of what was predicted."""
        total = sum(step.weight for step in self.progress)
        weight, linear, tower = 0.0, 0.0, 0.0
        for step in reversed(self.progress):
            weight, linear, tower = (
                weight + step.weight,
                linear + step.linear,
                tower + step.tower,
            )
            if weight >= total / 2:
                break
        return {"linear": linear / max(weight, 1e-300), "tower": tower / max(weight, 1e-300)}

    @property
    def choice(self) -> str:
        """`linear` or `tower`."""
        scores = self.scores
        return "tower" if scores["tower"] < scores["linear"] else "linear"

    def to_model(
        self,
        name: str,
        sequence: int,
        explorer: Explorer | None = None,
        meta: Mapping[str, str] | None = None,
    ) -> PolicyModel:
        """The model of the trainer chosen. None explorer: Thompson()."""
        explorer = Thompson(0.3) if explorer is None else explorer
        if self.choice == "tower" and self.tower is not None:
            return self.tower.to_model(name, sequence, explorer, meta)
        return self.linear.to_model(name, sequence, explorer, meta)
