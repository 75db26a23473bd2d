# SPDX-License-Identifier: Apache-2.0
"""A trained tower: what is learned, when it ends, and that it leaves the host's torch alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from edgeart_export import (
    DataError,
    Epoch,
    FeatureSchema,
    GradientTower,
    LinearTrainer,
    NeuralLinearTrainer,
    Vector,
    bundle_bytes,
)
from edgeart_export.model.tower import forward
from edgeart_export.trainers.gradient import held_out
from edgeart_export.trainers.rows import Rows

torch = pytest.importorskip("torch", reason="torch is needed to train a tower by gradients")

SCHEMA = FeatureSchema([Vector("x", 4)])
ARTS = {"t": ["a", "b", "c"], "u": ["a"]}
QUICK = GradientTower(hidden=(24,), k=8, epochs=30)


def batch(count: int, seed: int = 1, shift: float = 0.0, stretch: float = 1.0) -> dict[str, Any]:
    """Rewards follow ±x₀·x₁ for the artworks a and b of t; the others are never shown."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4))
    shown = rng.integers(0, 2, count)
    reward = 3.0 + 2.0 * x[:, 0] * x[:, 1] * (1 - 2 * shown) + 0.3 * rng.normal(size=count)
    encoded = np.hstack([x * stretch + shift, np.ones((count, 1))]).astype(np.float32)
    return {
        "title": ["t"] * count,
        "artwork": ["ab"[s] for s in shown],
        "reward": reward,
        "context": encoded,
        "cluster": np.arange(count) // 4,
    }


def trained(count: int = 1500, **settings: Any) -> NeuralLinearTrainer:
    tower = GradientTower(**{"hidden": (24,), "k": 8, "epochs": 30, **settings})
    return NeuralLinearTrainer(SCHEMA, ARTS, tower=tower).fit(batch(count))


def error(trainer: NeuralLinearTrainer | LinearTrainer) -> float:
    """Mean squared error on fresh rows, of which 0.09 is noise and 4 what x₀·x₁ brings about."""
    fresh = batch(2000, seed=99)
    row = np.array(["ab".index(a) for a in fresh["artwork"]])
    if isinstance(trainer, LinearTrainer):
        found = (fresh["context"] * trainer.solve()[row]).sum(axis=1)
    else:
        found = trainer.predict(fresh["context"], row)
    return float(((found - fresh["reward"]) ** 2).mean())


def test_it_learns_what_is_not_linear() -> None:
    assert error(LinearTrainer(SCHEMA, ARTS, l2=1.0).fit(batch(1500))) > 3.0
    assert error(trained()) < 1.0
    assert error(trained(activation="tanh", hidden=(24, 16))) < 2.0


def test_layers_are_those_asked_for_and_a_constant() -> None:
    trainer = trained(60, activation="tanh", hidden=(7, 5), k=3, epochs=1)
    assert [(r.outputs, r.activation) for r in trainer.tower] == [
        (7, "tanh"),
        (5, "tanh"),
        (4, "tanh"),
    ]
    u = forward(trainer.tower, batch(20)["context"].astype(np.float64))
    np.testing.assert_array_equal(u[:, -1].astype(np.float32), 1.0)


def test_the_heads_are_a_ridge_about_the_networks_own_output_layer() -> None:
    trainer = trained()
    rows = batch(1500)
    u = forward(trainer.tower, rows["context"].astype(np.float64)).astype(np.float32)
    for r, artwork in enumerate("ab"):
        of = np.array([a == artwork for a in rows["artwork"]])
        x, m = u[of].astype(np.float64), trainer.prior[r]
        left = x.T @ x + trainer.l2 * np.eye(9)
        wanted = m + np.linalg.solve(left, x.T @ (rows["reward"][of] - x @ m))
        np.testing.assert_allclose(trainer.solve()[r], wanted, rtol=1e-6, atol=1e-9)
    assert abs(trainer.prior[:2]).max() > 0.1


def test_only_the_logged_artworks_are_learned() -> None:
    trainer = trained(200, epochs=2)
    assert trainer.prior[:2].all(axis=1).all()
    assert not trainer.prior[2:].any()
    assert not trainer.solve()[2:].any()


def test_where_inputs_lie_does_not_matter() -> None:
    """They are standardised, and that is folded into the first layer."""
    plain = NeuralLinearTrainer(SCHEMA, ARTS, tower=QUICK).fit(batch(800))
    moved = NeuralLinearTrainer(SCHEMA, ARTS, tower=QUICK).fit(batch(800, shift=50, stretch=8))
    row = np.zeros(100, dtype=np.int64)
    one = plain.predict(batch(100, seed=5)["context"], row)
    two = moved.predict(batch(100, seed=5, shift=50, stretch=8)["context"], row)
    assert one.std() > 1.0
    assert np.corrcoef(one, two)[0, 1] > 0.99


def test_the_same_seed_gives_the_same_model_and_another_another() -> None:
    one, two, other = (trained(300, epochs=3, seed=s, threads=1) for s in (1, 1, 2))
    models = [bundle_bytes(t.to_model("p", 1)) for t in (one, two, other)]
    assert models[0] == models[1] != models[2]


def test_the_hosts_torch_stays_as_it_was() -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    seen = []
    trained(100, epochs=2, progress=lambda _: seen.append(torch.get_num_threads()))
    assert seen == [1, 1]
    assert torch.get_num_threads() == threads
    trained(100, epochs=1, threads=None, progress=lambda _: seen.append(torch.get_num_threads()))
    assert seen[2] == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_clusters_are_held_out_whole() -> None:
    cluster = np.random.default_rng(1).integers(0, 200, 3000)
    rows = Rows(
        np.zeros((3000, 2), np.float32), np.zeros(3000, np.int64), np.zeros(3000), np.ones(3000),
        {"cluster": cluster},
    )  # fmt: skip
    held = held_out(rows, 0.2, seed=3)
    assert not set(cluster[held]) & set(cluster[~held])
    assert len(set(cluster[held])) == 40
    alone = Rows(rows.vectors, rows.row, rows.reward, rows.weight)
    assert held_out(alone, 0.2, seed=3).sum() == 600
    assert not held_out(rows.take(slice(0, 15)), 0.2, seed=3).any()
    assert not held_out(rows, 0.0, seed=3).any()


def test_training_ends_where_nothing_gets_better_and_keeps_the_best() -> None:
    """Of noise there is nothing to learn but by heart, which the held-out rows give away."""
    epochs: list[Epoch] = []
    noise = batch(400)
    noise["reward"] = np.random.default_rng(8).normal(size=400)
    tower = GradientTower(
        hidden=(64,), k=32, epochs=200, patience=5, held_out=0.3, progress=epochs.append
    )
    NeuralLinearTrainer(SCHEMA, ARTS, tower=tower).fit(noise)
    last = epochs[-1]
    assert last.number < 100
    assert last.number - last.best == 5
    held = [epoch.held_out for epoch in epochs if epoch.held_out is not None]
    assert len(held) == len(epochs)
    assert [e.number for e in epochs] == list(range(1, len(epochs) + 1))
    if last.best:
        assert int(np.argmin(held)) + 1 == last.best
    assert epochs[-1].loss < epochs[0].loss  # it did learn by heart


def test_training_can_be_cancelled_and_keeps_what_it_has() -> None:
    seen: list[Epoch] = []
    trainer = trained(progress=seen.append, cancel=lambda: len(seen) == 2)
    assert [(e.number, e.epochs) for e in seen] == [(1, 30), (2, 30)]
    assert trainer.tower
    assert trainer.heads.counts.sum() == 1500


def test_what_progress_raises_leaves_the_trainer_as_it_was() -> None:
    def stop(_: Epoch) -> None:
        raise KeyboardInterrupt

    trainer = NeuralLinearTrainer(SCHEMA, ARTS, tower=GradientTower(progress=stop))
    with pytest.raises(KeyboardInterrupt):
        trainer.partial_fit(batch(100))
    assert not trainer.tower


def test_refitting_begins_at_the_present_tower() -> None:
    tower = GradientTower(hidden=(24,), k=8, epochs=30, refit_epochs=1, learning_rate=3e-3)
    trainer = NeuralLinearTrainer(SCHEMA, ARTS, tower=tower).fit(batch(1500))
    before = error(trainer)
    cold = NeuralLinearTrainer(SCHEMA, ARTS, tower=GradientTower(hidden=(24,), k=8, epochs=1))
    assert error(trainer.refit(batch(1500, seed=7))) < 1.2 * before + 0.1
    assert error(cold.fit(batch(1500, seed=7))) > 2 * before
    assert trainer.heads.counts.sum() == 1500


def test_a_logistic_loss_is_for_rewards_from_0_to_1() -> None:
    with pytest.raises(DataError, match="has no logistic loss, which is for rewards from 0 to 1"):
        trained(100, loss="logistic")
    rows = batch(1500)
    rows["reward"] = (rows["reward"] > 3.0).astype(np.float64)
    tower = GradientTower(hidden=(24,), k=8, epochs=30, loss="logistic")
    trainer = NeuralLinearTrainer(SCHEMA, ARTS, tower=tower).fit(rows)
    assert not trainer.prior.any()
    fresh = batch(1000, seed=9)
    found = trainer.predict(fresh["context"], np.zeros(1000, dtype=np.int64))
    right = (found > 0.5) == (fresh["context"][:, 0] * fresh["context"][:, 1] > 0)
    assert right.mean() > 0.8


def test_training_that_diverges_says_so() -> None:
    with pytest.raises(DataError, match=r"training diverged in epoch \d: .* lower learning_rate"):
        trained(500, learning_rate=1e3, activation="relu", hidden=(64,) * 6, weight_decay=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": (0,)}, "hidden must be ints from 1 to 1024"),
        ({"hidden": (4,) * 8}, "8 hidden layers; at most 7 fit"),
        ({"k": 1024}, "k must be ints from 1 to 1023"),
        ({"activation": "gelu"}, "activation must be one of"),
        ({"loss": "hinge"}, "loss must be one of"),
        ({"epochs": 0}, "epochs must be an int above 0"),
        ({"threads": 0}, "threads must be an int above 0"),
        ({"held_out": 1.0}, "held_out must be 0 to 0.9"),
        ({"learning_rate": float("nan")}, "learning_rate must be"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        GradientTower(**settings)


def test_without_torch_the_error_says_what_to_install() -> None:
    script = """
import sys
import numpy as np
from edgeart_export import FeatureSchema, NeuralLinearTrainer, RandomTower
sys.modules["torch"] = None
schema = FeatureSchema([])
batch = {"title": ["t"], "artwork": ["a"], "reward": [1.0], "context": np.ones((1, 1), np.float32)}
NeuralLinearTrainer(schema, {"t": ["a"]}, tower=RandomTower(units=8, k=2)).fit(batch)
try:
    NeuralLinearTrainer(schema, {"t": ["a"]}).fit(batch)
except ImportError as error:
    assert "pip install 'edgeart-export[neural]'" in str(error), error
else:
    raise AssertionError("trained without torch")
"""
    subprocess.run([sys.executable, "-c", script], check=True)
