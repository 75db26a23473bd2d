# SPDX-License-Identifier: Apache-2.0
"""A tower in front of the linear trainer: the heads stay exact, what they look at is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..explorers import Explorer, Thompson
from ..log import Log
from ..model import PolicyModel, check_titles
from ..schema import FeatureSchema, Vector
from ..tower import Layer, check_tower, forward
from .linear import Batch, LinearTrainer
from .random_tower import random_tower
from .rows import Rows, read_rows

Floats = npt.NDArray[np.float64]


class NeuralLinearTrainer:
    """Heads of a LinearTrainer on the outputs of a tower.

    fit learns the tower, then the heads, from its batch. partial_fit leaves the tower as it is and
    learns the heads exactly, as LinearTrainer does: once a tower is there (given, or from a fit),
    any split of the rows gives the same model, and merge, which needs equal towers, is associative.
    The first partial_fit of a trainer without a tower is a fit. refit learns a tower anew.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        titles: Mapping[str, Sequence[str]],
        *,
        tower: Sequence[Layer] | None = None,
        units: int = 1024,
        k: int = 128,
        l2: float = 0.03,
        seed: int = 0,
    ) -> None:
        self.schema = schema
        self.titles: dict[str, tuple[str, ...]] = check_titles(titles)
        self.units, self.k, self.l2, self.seed = units, k, l2, seed
        self._given = tower is not None
        self.tower: tuple[Layer, ...] = ()
        self.heads: LinearTrainer | None = None
        if tower is not None:
            self._set_tower(check_tower(tower, schema.width))

    def fit(self, batch: Batch | Log) -> NeuralLinearTrainer:
        """Forgets everything, learns a tower (unless one was given) and heads. Returns itself."""
        rows = read_rows(batch, self.schema, self.titles)
        if not self._given:
            self._learn(rows)
        elif self.heads is not None:
            self._set_tower(self.tower)
        self._add(rows)
        return self

    def partial_fit(self, batch: Batch | Log) -> NeuralLinearTrainer:
        """Learns the heads from one more batch. Returns itself."""
        rows = read_rows(batch, self.schema, self.titles)
        if self.heads is None:
            self._learn(rows)
        self._add(rows)
        return self

    def merge(self, other: NeuralLinearTrainer) -> NeuralLinearTrainer:
        """Adds what another trainer with an equal tower has learned. Returns itself."""
        if other.heads is None:
            return self
        if self.heads is None or not same_tower(self.tower, other.tower):
            raise DataError("trainers of different towers cannot be merged: give both one `tower`")
        self.heads.merge(other.heads)
        return self

    def predict(self, vectors: npt.NDArray[np.float32], row: npt.NDArray[np.int64]) -> Floats:
        """The scores of artworks `row` [n] for encoded contexts [n, width]: float64 [n]."""
        if self.heads is None:
            return np.zeros(len(row))
        weights = self.heads.solve()
        u = forward(self.tower, vectors.astype(np.float64))
        return np.asarray((u * weights[row]).sum(axis=1))

    def to_model(
        self,
        name: str,
        sequence: int,
        explorer: Explorer | None = None,
        meta: Mapping[str, str] | None = None,
    ) -> PolicyModel:
        """The model learned so far. None explorer: Thompson()."""
        if self.heads is None:
            raise DataError("there is no tower yet: fit first, or give one")
        heads = self.heads.to_model(name, sequence, Thompson())
        if heads.variance is None:
            raise DataError("the heads have no variance")
        # A power of two for each output, so that all outputs are of one size where rows of i8 share
        # a scale: scores and variances stay the same to the bit.
        factor = self._factors if self.tower[-1].activation != "tanh" else np.ones(heads.k)
        last = self.tower[-1]
        factor32 = factor.astype(np.float32)
        scaled = Layer(last.weights * factor32, last.bias * factor32, last.activation, last.rows)
        return PolicyModel(
            name=name,
            sequence=sequence,
            schema=self.schema,
            titles=self.titles,
            weights=(heads.weights / factor).astype(np.float32),
            bias=heads.bias,
            variance=(heads.variance / factor**2).astype(np.float32),
            tower=(*self.tower[:-1], scaled),
            explorer=Thompson() if explorer is None else explorer,
            meta=meta or {},
        )

    def _learn(self, rows: Rows) -> None:
        if not len(rows):
            raise DataError("a tower cannot be learned from a batch without rows")
        self._set_tower(
            random_tower(self.schema, rows.vectors, units=self.units, k=self.k, seed=self.seed)
        )

    def _set_tower(self, tower: tuple[Layer, ...]) -> None:
        self.tower = tower
        inner = FeatureSchema([Vector("u", tower[-1].outputs - 1)])
        self.heads = LinearTrainer(inner, self.titles, l2=self.l2)
        self._squares, self._rows = np.zeros(tower[-1].outputs), 0

    def _add(self, rows: Rows) -> None:
        if self.heads is None:
            raise DataError("there is no tower yet: fit first, or give one")
        u = forward(self.tower, rows.vectors.astype(np.float64))
        self._squares += (u**2).sum(axis=0)
        self._rows += len(u)
        self.heads.partial_fit(rows.batch(u))

    @property
    def _factors(self) -> Floats:
        size = np.sqrt(self._squares / max(self._rows, 1))
        powers = -np.round(np.log2(np.clip(size, 2.0**-12, 2.0**12)))
        return np.asarray(np.exp2(powers))


def same_tower(one: Sequence[Layer], two: Sequence[Layer]) -> bool:
    """Whether two towers compute the same."""
    return len(one) == len(two) and all(
        a.activation == b.activation
        and np.array_equal(a.weights, b.weights)
        and np.array_equal(a.bias, b.bias)
        for a, b in zip(one, two, strict=True)
    )
