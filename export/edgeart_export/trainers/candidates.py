# SPDX-License-Identifier: Apache-2.0
"""Candidates that learn from the same rows: their sums once, what each makes of them by its λ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from ..model.tower import Layer
from .linear import L2, Artworks, LinearTrainer
from .neural import NeuralLinearTrainer
from .random_tower import RandomTower
from .rows import Names, Rows

Floats = npt.NDArray[np.float64]
Titles = Mapping[str, Sequence[str]]


class Candidates:
    """LinearTrainers that differ in λ, and NeuralLinearTrainers on one tower that do.

    first: a trainer without a tower, whose settings and rows all have. l2, tower_l2: names of the
    candidates and their λ. The sums of contexts are those of `first`, the others stand beside it;
    the sums of the tower's outputs are those of the first candidate with a tower. There is no tower
    until `found` or `adopt` brings one.

    snapshot: the weights that predict, by candidate, [R, k]; None before `remember`.
    """

    def __init__(
        self, first: LinearTrainer, l2: Mapping[str, L2], tower_l2: Mapping[str, L2]
    ) -> None:
        self.l2, self.tower_l2 = dict(l2), dict(tower_l2)
        self.names = Names(first.titles)
        self.linear: dict[str, LinearTrainer] = {}
        for name, value in self.l2.items():
            made = LinearTrainer(
                first.schema,
                first.titles,
                l2=value,
                artworks=first.artworks,
                half_life=first.half_life,
                slots=first.slots,
            )
            made.beside(first)
            self.linear[name] = made
        self.first.sources = dict(first.sources)
        self.towers: dict[str, NeuralLinearTrainer] = {}
        self.snapshot: dict[str, Floats] | None = None

    @property
    def first(self) -> LinearTrainer:
        """The trainer that has the sums of contexts."""
        return next(iter(self.linear.values()))

    @property
    def base(self) -> NeuralLinearTrainer | None:
        """The trainer that has the tower and the sums of its outputs; None without a tower."""
        return next(iter(self.towers.values()), None)

    def learn(self, rows: Rows) -> None:
        """Lets all learn these rows."""
        self.first.partial_fit(self.names.batch(rows))
        self._beside()
        self.learn_towers(rows)

    def learn_towers(self, rows: Rows) -> None:
        """Lets those with a tower learn these rows, if there is one."""
        if self.base is not None:
            self.base.partial_fit(self.names.batch(rows))
            self._stand()

    def found(self, rows: Rows, tower: RandomTower) -> None:
        """A new tower from all rows so far, and what stands on it."""
        self.adopt(self._on(tower).fit(self.names.batch(rows)))

    def stand_on(self, tower: Sequence[Layer]) -> None:
        """A given tower, and what stands on it."""
        self.adopt(self._on(tower))

    def _on(self, tower: RandomTower | Sequence[Layer]) -> NeuralLinearTrainer:
        first = self.first
        return NeuralLinearTrainer(
            first.schema,
            first.titles,
            tower=tower,
            artworks=first.artworks,
            half_life=first.half_life,
            slots=first.slots,
        )

    def adopt(self, base: NeuralLinearTrainer) -> None:
        """Takes a trainer's tower and sums: all candidates with a tower stand on them."""
        self.towers = {}
        for name, l2 in self.tower_l2.items():
            self.towers[name] = NeuralLinearTrainer(
                base.schema,
                base.titles,
                tower=base.tower,
                l2=l2,
                artworks=base.artworks,
                half_life=base.half_life,
                slots=base.slots,
            )
            self.towers[name].beside(base)

    def remember(self) -> None:
        """From now on all predict with the weights that they have now."""
        names = [*self.linear, *self.towers]
        self.snapshot = {
            name: trainer.solve() for name, trainer in zip(names, self.all(names), strict=True)
        }

    def all(self, names: Sequence[str]) -> list[LinearTrainer | NeuralLinearTrainer]:
        """The trainers of candidates of these names. Raises KeyError."""
        return [self.linear[n] if n in self.linear else self.towers[n] for n in names]

    def predict(self, rows: Rows) -> dict[str, Floats]:
        """The rewards [n] that each expects of rows, by `snapshot`; nobody before there is one."""
        found: dict[str, Floats] = {}
        if self.snapshot is None:
            return found
        outputs = self.base.outputs(rows.vectors) if self.base is not None else rows.vectors
        for name, weights in self.snapshot.items():
            vectors = rows.vectors if name in self.linear else outputs
            found[name] = (vectors * weights[rows.row]).sum(axis=1).astype(np.float64)
        return found

    def merge(self, other: Candidates) -> None:
        """Adds the other's sums of contexts; what stands on towers is for who calls it."""
        self.first.merge(other.first)
        self._beside()

    def merge_towers(self, other: Candidates) -> None:
        """Adds the other's sums of the outputs of an equal tower."""
        if self.base is not None and other.base is not None:
            self.base.merge(other.base)
            self._stand()

    def extended(
        self,
        titles: Titles,
        artworks: Artworks | None,
        l2: Mapping[str, L2] | None = None,
        tower_l2: Mapping[str, L2] | None = None,
    ) -> Candidates:
        """The same, or candidates of other λ, that know these titles and artworks too.

        They have sums of their own. There is a snapshot where nothing is new.
        """
        first = self.first.extended(titles, artworks)
        made = Candidates(
            first, self.l2 if l2 is None else l2, self.tower_l2 if tower_l2 is None else tower_l2
        )
        if self.base is not None:
            made.adopt(self.base.extended(titles, artworks))
        same = (made.first.titles, made.l2, made.tower_l2) == (
            self.first.titles,
            self.l2,
            self.tower_l2,
        )
        if same and self.snapshot is not None:
            made.snapshot = dict(self.snapshot)
        return made

    def _beside(self) -> None:
        for linear in islice(self.linear.values(), 1, None):
            linear.beside(self.first)

    def _stand(self) -> None:
        if self.base is not None:
            for tower in islice(self.towers.values(), 1, None):
                tower.beside(self.base)
