# SPDX-License-Identifier: Apache-2.0
"""The linear trainer keeps the promises of all trainers, in each of its settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeart_export import LinearTrainer
from tests.export.trainers.conformance import SCHEMA, TITLES, TrainerConformance


class TestRidge(TrainerConformance):
    """A fixed λ about 0."""

    def trainer(self, **settings: Any) -> LinearTrainer:
        return LinearTrainer(SCHEMA, TITLES, **{"l2": 2.0, **settings})

    def numbers(self, trainer: LinearTrainer) -> dict[str, npt.NDArray[Any]]:
        names = ("A", "b", "counts", "rewards", "squares")
        found = {name: getattr(trainer, name) for name in names}
        return {**found, "weights": trainer.solve(), "noise": np.array(trainer.noise())}
