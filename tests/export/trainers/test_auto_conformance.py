# SPDX-License-Identifier: Apache-2.0
"""Auto keeps the promises of all trainers, with what it predicted, kept and chose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeart_export import AutoTrainer, Layer, RandomTower
from edgeart_export.trainers import auto, validated
from tests.export.trainers.conformance import SCHEMA, TITLES, Table, TrainerConformance, part

MANY = {**TITLES, **{f"title-{i}": [f"artwork-{j}" for j in range(5)] for i in range(20)}}
ONE = {"eight": ["duel", "crowd", "laugh"]}


class TestLinear(TrainerConformance):
    """Candidates without a tower; rows of a batch stand in order of time.

    Where rows come in another order, or their number is another, what had been predicted is not
    the same, and where a tower was learned anew neither: sums of contexts are.
    """

    # The sums agree to the last bits; what an iteration makes of them may differ in some more.
    rtol, atol = 1e-7, 1e-9
    times = 4
    towers = False

    def trainer(self, **settings: Any) -> AutoTrainer:
        return AutoTrainer(SCHEMA, self.titles, towers=self.towers, seed=3, **settings)

    def rows(self, count: int, seed: int = 5) -> Table:
        batch = super().rows(count, seed)
        return part(batch, np.argsort(batch["time"]))

    def sums(self, trainer: AutoTrainer) -> dict[str, npt.NDArray[Any]]:
        names = ("A", "b", "counts", "squares")
        found = {f"linear {name}": getattr(trainer.linear["linear"], name) for name in names}
        for name, linear in trainer.linear.items():
            found[f"weights of {name}"] = linear.solve()
        return found

    def numbers(self, trainer: AutoTrainer) -> dict[str, npt.NDArray[Any]]:
        found = self.sums(trainer)
        for name, tower in trainer.towers.items():
            found |= {f"{name} {n}": getattr(tower.heads, n) for n in ("A", "b", "counts")}
            found |= {f"{name} layer {i}": layer.weights for i, layer in enumerate(tower.tower)}
            found[f"weights of {name}"] = tower.solve()
        for name, snapshot in (trainer.candidates.snapshot or {}).items():
            found[f"snapshot of {name}"] = snapshot
        found["scores"] = np.array([*trainer.scores.values()])
        found["errors"] = np.array([*trainer.progress.errors().values()])
        found["parts"] = np.array([*sorted(trainer.progress.parts)])
        found["counted"] = np.array([trainer._rows, trainer._learned, trainer._boundary])
        found["kept"] = trainer._kept.rows().vectors
        model = trainer.to_model("p", 1)
        return {**found, "model": model.weights, "choice": np.array([*trainer.choice.encode()])}

    def test_batches_cross_boundaries_and_something_was_predicted(self) -> None:
        trainer = self.ready().partial_fit(self.rows(80))
        assert len(trainer.progress.parts) >= 2
        assert trainer.progress.rows > 150
        assert max(trainer.scores.values()) > 0
        assert bool(trainer.towers) == self.towers

    def test_a_state_comes_back_to_the_bit_after_more_was_learned(self, tmp_path: Path) -> None:
        trainer = self.ready()
        for seed, count in enumerate((10, 33, 8, 61)):
            trainer.save_state(tmp_path / "state.parquet")
            back = AutoTrainer.load_state(tmp_path / "state.parquet")
            batch = self.rows(count, seed)
            found, again = (self.numbers(t.partial_fit(batch)) for t in (trainer, back))
            assert found.keys() == again.keys()
            for name, array in found.items():
                np.testing.assert_array_equal(array, again[name], err_msg=name)
            assert trainer.to_model("p", 1).explorer == back.to_model("p", 1).explorer


class TestTowers(TestLinear):
    """With towers, of one title or few: small ones, as nothing promised depends on their size."""

    towers = True

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            validated, "RandomTower", lambda k, seed: RandomTower(64, min(k, 24), seed)
        )


class TestOneTitle(TestTowers):
    """With towers, of one title."""

    titles = ONE


class TestGivenTower(TestTowers):
    """With a tower that was given: merging needs no rows."""

    def trainer(self, **settings: Any) -> AutoTrainer:
        rng = np.random.default_rng(4)
        layers = (
            Layer(rng.normal(0, 0.5, (SCHEMA.width, 12)), rng.normal(0, 0.1, 12)),
            Layer(rng.normal(0, 0.5, (12, 6)), rng.normal(0, 0.1, 6), "tanh"),
        )
        return super().trainer(tower=layers, memory=50, **settings)

    def sums(self, trainer: AutoTrainer) -> dict[str, npt.NDArray[Any]]:
        found = super().sums(trainer)
        for name, tower in trainer.towers.items():
            found |= {f"{name} {n}": getattr(tower.heads, n) for n in ("A", "b", "counts")}
        return found


class TestPooled(TestTowers):
    """With towers, of artworks enough for a prior that is a function of their features."""

    titles = MANY

    def trainer(self, **settings: Any) -> AutoTrainer:
        tags = {
            (title, artwork): ["people", "bright"][i % 2 :]
            for title, artworks in self.titles.items()
            for i, artwork in enumerate(artworks)
        }
        made = super().trainer(**{"artworks": tags, **settings})
        assert [*made.linear] == [*auto.POOLED_LINEAR]
        return made
