# SPDX-License-Identifier: Apache-2.0
"""Exact heads on a learned tower: what they look at is learned, how certain they are is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from ..errors import DataError, ModelError
from ..log import Log, row_index
from ..model import PolicyModel, check_titles
from ..model.explorers import Explorer, Thompson
from ..model.tower import Layer, check_tower, forward
from ..schema import FeatureSchema, Vector
from . import neural_state
from .batch import Batch
from .constant import with_constant
from .features import ArtworkFeatures
from .gradient import GradientTower
from .linear import L2, Artworks, LinearTrainer
from .neural_state import Saved
from .random_tower import RandomTower
from .rows import Names, Rows, read_rows

Floats = npt.NDArray[np.float64]
Titles = Mapping[str, Sequence[str]]


class NeuralLinearTrainer:
    """A tower, and on its outputs the heads of a LinearTrainer: a ridge an artwork, exact.

    Source: Riquelme, Tucker, Snoek 2018, *Deep Bayesian bandits showdown* (neural-linear).

    tower: how it is come by. A `GradientTower` is trained by torch; the heads are then a ridge
      about the network's own output layer. A `RandomTower` is drawn, hardly slower than a
      LinearTrainer, and as good where artworks are few (docs/neural.md has figures). Layers are
      somebody else's, see `from_onnx` and `from_torch`; an output that is always 1, the heads'
      intercept, is added where the last is none.
    l2: λ of the heads, a number or `auto`; None: 30 for a GradientTower, 0.1 for any other.
    artworks, half_life, slots: as LinearTrainer has them; the prior is one of the tower's outputs.

    `fit` or the first `partial_fit` learns the tower, unless layers were given. From then on
    partial_fit leaves it as it is, and what LinearTrainer promises holds: any split of the rows
    gives the same heads, and merge, of trainers with one tower, is associative. `refit` learns
    the tower anew, starting at the present one, and the heads from the same batch; whoever calls
    it keeps the rows. Raises DataError for what it cannot use, ModelError for unusable layers.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        titles: Titles,
        *,
        tower: GradientTower | RandomTower | Sequence[Layer] | None = None,
        l2: L2 | None = None,
        artworks: Artworks | None = None,
        half_life: timedelta | None = None,
        slots: tuple[int, int] | None = None,
    ) -> None:
        self.schema = schema
        self.titles: dict[str, tuple[str, ...]] = check_titles(titles)
        self._learner: GradientTower | RandomTower | None = None
        self._given: tuple[Layer, ...] | None = None
        if tower is None or isinstance(tower, GradientTower | RandomTower):
            self._learner = GradientTower() if tower is None else tower
        else:
            self._given = with_constant(check_tower(tower, schema.width))
        usual = RandomTower.l2 if self._learner is None else self._learner.l2
        self.l2: L2 = usual if l2 is None else l2
        self.artworks = (
            artworks
            if artworks is None or isinstance(artworks, ArtworkFeatures)
            else ArtworkFeatures(artworks)
        )
        self.half_life, self.slots = half_life, slots
        self._names = Names(self.titles)
        self._reset()

    def _heads(self, tower: Sequence[Layer]) -> LinearTrainer:
        inputs = tower[-1].outputs - 1 if tower else 0
        inner = FeatureSchema([Vector("u", inputs)] if inputs else [])
        return LinearTrainer(
            inner,
            self.titles,
            l2=self.l2,
            artworks=self.artworks,
            half_life=self.half_life,
            slots=self.slots,
        )

    def _reset(self) -> None:
        tower = self._given or ()
        k = tower[-1].outputs if tower else 1
        self._set(tower, np.zeros((len(row_index(self.titles)), k)))

    def _set(self, tower: tuple[Layer, ...], prior: Floats) -> None:
        self.tower: tuple[Layer, ...] = tower
        self.prior: Floats = prior
        self.heads = self._heads(tower)

    def fit(self, batch: Batch | Log) -> NeuralLinearTrainer:
        """Forgets everything, learns a tower, unless one was given, and heads. Returns itself."""
        rows = self._read(batch)
        self._reset()
        return self._learn(rows)

    def partial_fit(self, batch: Batch | Log) -> NeuralLinearTrainer:
        """Learns the heads from one more batch, and a tower if there is none. Returns itself.

        Changes nothing where it raises DataError. A batch without rows brings no tower about.
        """
        return self._learn(self._read(batch))

    def refit(self, batch: Batch | Log) -> NeuralLinearTrainer:
        """Learns tower and heads from this batch alone, the tower from the present one on.

        By gradients the present layers are where it starts, if there are any; a random tower keeps
        its units and looks for new directions. A given tower stays. Returns itself.
        """
        rows = self._read(batch)
        start = (self.tower, self.solve()) if self.tower and not self._given else None
        self._reset()
        return self._learn(rows, start)

    def merge(self, other: NeuralLinearTrainer) -> NeuralLinearTrainer:
        """Adds what another trainer with an equal tower has learned. Returns itself."""
        for what in ("schema", "titles"):
            if getattr(self, what) != getattr(other, what):
                raise DataError(f"trainers of different {what} cannot be merged")
        if not other.tower:
            return self
        if not self.tower:
            self._set(other.tower, other.prior.copy())
        if not same_tower(self.tower, other.tower) or not np.array_equal(self.prior, other.prior):
            raise DataError("trainers of different towers cannot be merged: give all one `tower`")
        self.heads.merge(other.heads)
        return self

    def extended(self, titles: Titles, artworks: Artworks | None = None) -> NeuralLinearTrainer:
        """A trainer that knows these titles and artworks too: see LinearTrainer.

        What is new has, of a network's output layer, the mean of its title's rows, or of all.
        """
        heads = self.heads.extended(titles, artworks)
        made = NeuralLinearTrainer(
            self.schema,
            heads.titles,
            tower=self._given or self._learner,
            l2=self.l2,
            artworks=heads.artworks,
            half_life=self.half_life,
            slots=self.slots,
        )
        old = dict(zip(row_index(self.titles), self.prior, strict=True))
        usual = self.prior.mean(axis=0)
        prior = []
        for title, row in heads.titles.items():
            own = [old[title, artwork] for artwork in row if (title, artwork) in old]
            mean = np.mean(own, axis=0) if own else usual
            prior += [old.get((title, artwork), mean) for artwork in row]
        made._set(self.tower, np.array(prior))
        made.heads = heads
        return made

    def beside(self, other: NeuralLinearTrainer) -> None:
        """Has the tower and the very sums of another: see LinearTrainer.beside."""
        if self.tower is not other.tower:
            self._set(other.tower, other.prior)
        self.heads.beside(other.heads)

    def outputs(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The tower's outputs u, [n, k], for encoded contexts, rounded as the heads learn them."""
        return forward(self.tower, vectors.astype(np.float64)).astype(np.float32)

    def predict(self, vectors: npt.NDArray[np.float32], row: npt.NDArray[np.int64]) -> Floats:
        """Expected rewards of artworks `row` [n] for encoded contexts [n, width]: float64 [n]."""
        if not self.tower:
            return np.zeros(len(row))
        return np.asarray((self.outputs(vectors) * self.solve()[row]).sum(axis=1))

    def solve(self) -> Floats:
        """The weights of the heads: float64 [R, k]."""
        return self.prior + self.heads.solve()

    def noise(self) -> float:
        """σ²: the weighted squared residuals of all artworks over their degrees of freedom."""
        return self.heads.noise()

    def to_model(
        self,
        name: str,
        sequence: int,
        explorer: Explorer | None = None,
        meta: Mapping[str, str] | None = None,
        titles: Titles | None = None,
    ) -> PolicyModel:
        """The model learned so far, with variance σ² / diag(A + λI) of u. None: Thompson().

        titles: those of the model, as LinearTrainer has it. Without a tower, before anything was
        learned, it has none and scores all artworks alike. Raises ModelError where it cannot be a
        policy.
        """
        titles = self.titles if titles is None else check_titles(titles)
        known = row_index(titles).keys() <= row_index(self.titles).keys()
        trainer = self if known else self.extended(titles)
        heads = trainer.heads.to_model(name, sequence, Thompson(), titles=titles)
        if heads.variance is None:
            raise ModelError("the heads know no variances")
        weights = trainer.solve()[trainer.heads.rows_of(titles)]
        variance = heads.variance.astype(np.float64)
        tower = self.tower
        if not tower:
            # The heads see the intercept alone, of which they have learned nothing.
            width = self.schema.width
            weights, variance = (np.repeat(array, width, axis=1) for array in (weights, variance))
        elif tower[-1].activation != "tanh":
            # Outputs of one size, because i8 rows share one step over all of u. By powers of two,
            # which round nothing: scores and variances stay the same.
            size = self.sizes
            last, scale = tower[-1], (1 / size).astype(np.float32)
            scaled = Layer(last.weights * scale, last.bias * scale, last.activation, last.rows)
            tower = (*tower[:-1], scaled)
            weights, variance = weights * size, variance * size**2
        return PolicyModel(
            name=name,
            sequence=sequence,
            schema=self.schema,
            titles=titles,
            weights=weights.astype(np.float32),
            bias=heads.bias,
            variance=variance.astype(np.float32),
            tower=tower,
            explorer=Thompson() if explorer is None else explorer,
            meta=meta or {},
        )

    @property
    def sizes(self) -> Floats:
        """What a model divides the tower's outputs by, and multiplies weights with: [k].

        The power of two nearest to the root mean square of each; 1 for those of a tanh.
        """
        total, solved = float(self.heads.counts.sum()), self.heads.solved[0]
        if not total > 0 or not self.tower or self.tower[-1].activation == "tanh":
            return np.ones(len(solved.l2))
        squares = np.maximum((solved.precision - solved.l2).sum(axis=0), 0) / total
        return np.asarray(np.exp2(np.round(0.5 * np.log2(np.clip(squares, 2.0**-24, 2.0**24)))))

    def save_state(self, path: str | os.PathLike[str]) -> None:
        """Writes tower and heads to one Parquet file (`trainers.neural_state`). Raises OSError."""
        learner = None if self._given else self._learner
        neural_state.save(path, self.heads, Saved(self.schema, self.tower, self.prior, learner))

    @classmethod
    def load_state(cls, path: str | os.PathLike[str]) -> NeuralLinearTrainer:
        """The trainer that `save_state` wrote, equal to the bit. Raises DataError, OSError.

        Functions, such as a GradientTower's `progress`, are not kept.
        """
        heads, saved = neural_state.load(path)
        made = cls(
            saved.schema,
            heads.titles,
            tower=saved.tower if saved.learner is None else saved.learner,
            l2=heads.l2,
            artworks=heads.artworks,
            half_life=heads.half_life,
            slots=heads.slots,
        )
        made._set(saved.tower, saved.prior)
        made.heads = heads
        return made

    def _read(self, batch: Batch | Log) -> Rows:
        needs = ["time"] if self.half_life else []
        needs += ["slot_row", "slot_column"] if self.slots else []
        return read_rows(batch, self.schema, self.titles, needs=needs)

    def _learn(
        self, rows: Rows, start: tuple[tuple[Layer, ...], Floats] | None = None
    ) -> NeuralLinearTrainer:
        if not self.tower:
            counted = rows.take(rows.weight > 0)
            if not len(counted) or self._learner is None:
                return self
            usable = counted.take(counted.new)
            if not len(usable):
                raise DataError("a tower cannot be learned from corrections alone: give one")
            self._set(*self._learner.learn(self.schema, usable, len(self.prior), start))
        if len(rows):
            u = self.outputs(rows.vectors)
            # The heads learn what the network's own output layer leaves: a ridge about it.
            expected = (u * self.prior[rows.row]).sum(axis=1)
            self.heads.partial_fit(self._names.batch(rows, u, expected))
        return self


def same_tower(one: Sequence[Layer], two: Sequence[Layer]) -> bool:
    """Whether two towers compute the same."""
    return len(one) == len(two) and all(
        a.activation == b.activation
        and np.array_equal(a.weights, b.weights)
        and np.array_equal(a.bias, b.bias)
        for a, b in zip(one, two, strict=True)
    )
