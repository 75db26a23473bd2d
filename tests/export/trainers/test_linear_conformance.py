# SPDX-License-Identifier: Apache-2.0
"""The linear trainer keeps the promises of all trainers, in each of its settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeart_export import Layer, LinearTrainer
from tests.export.trainers.conformance import SCHEMA, TITLES, TrainerConformance, rows


class TestRidge(TrainerConformance):
    """A fixed λ about 0."""

    def trainer(self, **settings: Any) -> LinearTrainer:
        return LinearTrainer(SCHEMA, TITLES, **{"l2": 2.0, **settings})

    def numbers(self, trainer: LinearTrainer) -> dict[str, npt.NDArray[Any]]:
        names = ("A", "b", "counts", "rewards", "squares")
        found = {name: getattr(trainer, name) for name in names}
        return {**found, "weights": trainer.solve(), "noise": np.array(trainer.noise())}


class TestPooled(TestRidge):
    """λ found by empirical Bayes, about a prior that is a function of artwork features."""

    # The sums agree to the last bits; what an iteration makes of them may differ in some more.
    rtol, atol = 1e-8, 1e-10

    def trainer(self, **settings: Any) -> LinearTrainer:
        tags = {
            ("seven", "couple"): "people",
            ("seven", "laugh"): ["people", "bright"],
            ("eight", "duel"): "dark",
            ("eight", "crowd"): "people",
        }
        return LinearTrainer(SCHEMA, TITLES, **{"artworks": tags, **settings})


class TestSparse(TestRidge):
    """λ of every slot found by empirical Bayes."""

    rtol, atol = 1e-8, 1e-10

    def trainer(self, **settings: Any) -> LinearTrainer:
        return LinearTrainer(SCHEMA, TITLES, **{"l2": "sparse", **settings})


class TestSlots(TestRidge):
    """Effects of places on the page are taken out."""

    def trainer(self, **settings: Any) -> LinearTrainer:
        return LinearTrainer(SCHEMA, TITLES, **{"l2": 2.0, "slots": (4, 3), **settings})


class TestRank(TestRidge):
    """A linear layer, given, between contexts and rows."""

    def trainer(self, **settings: Any) -> LinearTrainer:
        rng = np.random.default_rng(3)
        weights = np.zeros((SCHEMA.width, 4), np.float32)
        weights[:-1, :3] = rng.normal(size=(SCHEMA.width - 1, 3))
        weights[-1, 3] = 1.0
        layer = Layer(weights, np.zeros(4, np.float32), "identity")
        return LinearTrainer(SCHEMA, TITLES, **{"layer": layer, **settings})


class TestLearnedRank(TestRank):
    """The same with a layer that a first fit has learned."""

    fit_is_partial_fit = False

    def trainer(self, **settings: Any) -> LinearTrainer:
        return LinearTrainer(SCHEMA, TITLES, **{"rank": 4, **settings})

    def ready(self, **settings: Any) -> LinearTrainer:
        layer = self.trainer().fit(rows(50, seed=1)).layer
        return LinearTrainer(SCHEMA, TITLES, layer=layer, **settings)
