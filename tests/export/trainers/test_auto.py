# SPDX-License-Identifier: Apache-2.0
"""Auto takes the tower where the truth is not linear, and not where it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import edgeart
from edgeart_export import (
    AutoTrainer,
    DataError,
    FeatureSchema,
    Thompson,
    Uniform,
    Vector,
    bundle_bytes,
)
from edgeart_export.trainers import auto
from tests.export.trainers import conformance

SCHEMA = FeatureSchema([Vector("x", 4)])
TITLES = {"t": ["a", "b"]}


def batch(count: int, seed: int, *, linear: bool) -> dict[str, Any]:
    """Rows whose rewards follow x₀ for one artwork and −x₀ for the other, or ±x₀·x₁."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4)).astype(np.float32)
    shown = rng.integers(0, 2, count)
    signal = x[:, 0] if linear else x[:, 0] * x[:, 1]
    return {
        "title": ["t"] * count,
        "artwork": ["ab"[s] for s in shown],
        "reward": 0.5 + 0.2 * signal * (2 * shown - 1) + 0.1 * rng.normal(size=count),
        "context": np.hstack([x, np.ones((count, 1), np.float32)]),
    }


def trained(*, linear: bool, parts: int = 5, **settings: Any) -> AutoTrainer:
    trainer = AutoTrainer(SCHEMA, TITLES, **settings)
    for seed in range(parts):
        trainer.partial_fit(batch(200, seed, linear=linear))
    return trainer


def test_without_towers_the_best_linear_candidate_is_taken() -> None:
    trainer = trained(linear=False, towers=False)
    assert trainer.choice in auto.LINEAR
    assert set(trainer.scores) == set(auto.LINEAR)
    assert not trainer.to_model("p", 1).tower


def test_before_anything_was_predicted_auto_explores_as_if_it_knew_the_mean_alone() -> None:
    rows = batch(100, 1, linear=True)
    trainer = AutoTrainer(SCHEMA, TITLES, towers=False).partial_fit(rows)
    assert not trainer.progress.rows
    explorer = trainer.to_model("p", 1).explorer
    assert isinstance(explorer, Thompson)
    # Residuals of what was learned from the same rows would say less.
    wanted = auto.SCALE * np.sqrt(np.var(rows["reward"]) / trainer.noise())
    assert explorer.scale == pytest.approx(wanted, rel=1e-9)
    assert explorer.scale > 1.5 * auto.SCALE


@pytest.mark.parametrize("name", [name for name in auto.LINEAR if name != "linear"])
def test_what_shrinks_weights_does_not_starve_exploration(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trained(linear=True, towers=False)
    monkeypatch.setattr(AutoTrainer, "choice", name)
    model, chosen = trainer.to_model("p", 1), trainer.linear[name]
    variance, heads = model.variance, chosen.solved[0]
    assert variance is not None
    least = heads.title_noise[0] / (np.diagonal(chosen.A, axis1=1, axis2=2) + auto.VARIANCE_L2)
    assert (variance >= least * (1 - 1e-6)).all()


def test_one_slot_of_many_is_told_from_noise() -> None:
    """What matters is in one slot of sixty: a λ for each slot, which leaves the noise alone."""
    schema = FeatureSchema([Vector("x", 60)])
    trainer = AutoTrainer(schema, TITLES, towers=False)
    rng = np.random.default_rng(4)
    for _ in range(4):
        x = rng.normal(size=(100, 60)).astype(np.float32)
        shown = rng.integers(0, 2, 100)
        signal = 0.3 * x[:, 7] * (2 * shown - 1)
        trainer.partial_fit(
            {
                "title": ["t"] * 100,
                "artwork": ["ab"[s] for s in shown],
                "reward": 0.5 + signal + 0.3 * rng.normal(size=100),
                "context": np.hstack([x, np.ones((100, 1), np.float32)]),
            }
        )
    assert trainer.choice == "linear-sparse"
    weights = np.abs(trainer.to_model("p", 1).weights[:, :60])
    assert (weights.argmax(axis=1) == 7).all()
    assert np.median(weights) < 0.05 * weights[:, 7].min()


def test_a_tower_is_chosen_where_the_truth_is_not_linear() -> None:
    trainer = trained(linear=False)
    scores = trainer.scores
    assert trainer.choice in auto.TOWERS
    assert scores[trainer.choice] > 0.6
    assert max(scores[name] for name in auto.LINEAR) < 0.1
    model = trainer.to_model("p", 1)
    assert model.tower
    policy = edgeart.Policy.from_bytes(bundle_bytes(model, rows="i8"))
    fresh = batch(300, 99, linear=False)["context"]
    right = 0
    for x in fresh:
        shares = policy.propensities(policy.context({"x": x[:4].tobytes()}, seed=1), "t")
        right += (shares["b"] > 0.5) == (x[0] * x[1] > 0)
    assert right > 250


def test_linear_is_chosen_where_the_truth_is_linear() -> None:
    trainer = trained(linear=True, parts=8)
    scores = trainer.scores
    assert trainer.choice in auto.LINEAR
    assert scores[trainer.choice] > 0.7
    assert not trainer.to_model("p", 1).tower


@pytest.mark.parametrize(
    ("scores", "choice"),
    [
        ({"linear": 0.2, "linear-30": 0.2, "tower": 0.207, "tower-0.01": 0.1}, "linear"),
        ({"linear": 0.2, "linear-30": 0.2, "tower": 0.209, "tower-0.01": 0.1}, "tower"),
        ({"linear": 0.1, "linear-30": 0.2, "tower": 0.2, "tower-0.01": 0.2}, "linear-30"),
        ({"linear": 1.0, "linear-30": 1.0, "tower": 1.0, "tower-0.01": 1.0}, "linear"),
    ],
)
def test_ties_go_to_the_earlier(
    scores: dict[str, float], choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AutoTrainer, "scores", property(lambda _: scores))
    assert AutoTrainer(SCHEMA, TITLES).choice == choice


def test_exploration_is_as_wide_as_predictions_were_wrong() -> None:
    """Residuals of rows that were learned say too little of that, where slots are many."""
    trainer = trained(linear=False, parts=2)
    chosen = trainer.towers[trainer.choice]
    error = trainer.progress.errors()[trainer.choice]
    assert error > chosen.noise()
    scale = auto.SCALE * (error / chosen.noise()) ** 0.5
    assert trainer.to_model("p", 1).explorer == Thompson(scale)


def test_before_anything_was_predicted_it_is_linear() -> None:
    trainer = AutoTrainer(SCHEMA, TITLES)
    assert set(trainer.scores.values()) == {0.0}
    assert trainer.choice == "linear"
    assert trainer.to_model("p", 1).explorer == Thompson(auto.SCALE)
    assert trainer.partial_fit(batch(50, 1, linear=False)).choice == "linear"
    assert trainer.to_model("p", 1, Uniform()).explorer == Uniform()


def test_a_first_large_batch_is_validated_in_growing_parts() -> None:
    trainer = AutoTrainer(SCHEMA, TITLES).fit(batch(1000, 1, linear=False))
    # 100 rows, then as many as before, and what is left: the first were predicted by nobody.
    assert trainer.progress.rows == 900
    assert trainer.choice in auto.TOWERS


def test_rows_are_predicted_in_order_of_time_whatever_their_order() -> None:
    rows = batch(600, 1, linear=False)
    rows["time"] = np.arange(600)
    turned = {name: np.array(column)[::-1] for name, column in rows.items()}
    one, two = (AutoTrainer(SCHEMA, TITLES).fit(b) for b in (rows, turned))
    assert one.scores == two.scores


def test_the_same_seed_gives_the_same_model_and_another_another() -> None:
    one, two, other = (trained(linear=False, parts=2, seed=s).to_model("p", 1) for s in (1, 1, 2))
    assert bundle_bytes(one) == bundle_bytes(two) != bundle_bytes(other)


def test_beyond_its_memory_the_tower_stays_and_heads_learn_on() -> None:
    trainer = trained(linear=False, memory=500)
    first = trainer.towers["tower"]
    tower, weights = first.tower, first.solve()
    trainer.partial_fit(batch(2000, 77, linear=False))
    assert trainer.towers["tower"].tower is tower
    assert not np.array_equal(trainer.towers["tower"].solve(), weights)
    assert trainer.towers["tower"].heads.counts.sum() == 3000
    assert not trainer._kept


def test_a_batch_that_cannot_be_used_changes_nothing() -> None:
    trainer = trained(linear=True, parts=1)
    before = bundle_bytes(trainer.to_model("p", 1))
    for name, value in (("reward", np.nan), ("context", np.inf)):
        bad = batch(5, 1, linear=True)
        bad[name][3] = value
        with pytest.raises(DataError, match="row 3: "):
            trainer.partial_fit(bad)
    assert bundle_bytes(trainer.to_model("p", 1)) == before


def test_fit_forgets() -> None:
    once = AutoTrainer(SCHEMA, TITLES).fit(batch(300, 1, linear=False))
    again = trained(linear=True, parts=1).fit(batch(300, 1, linear=False))
    assert once.scores == again.scores
    assert bundle_bytes(once.to_model("p", 1)) == bundle_bytes(again.to_model("p", 1))


def test_an_empty_batch_changes_nothing() -> None:
    trainer = trained(linear=True, parts=1)
    before = bundle_bytes(trainer.to_model("p", 1))
    assert bundle_bytes(trainer.partial_fit(batch(0, 1, linear=True)).to_model("p", 1)) == before


def test_towers_of_many_artworks_are_narrower() -> None:
    many = {f"t{i}": [f"a{j}" for j in range(10)] for i in range(4000)}
    assert AutoTrainer(SCHEMA, TITLES)._k() == 128
    assert AutoTrainer(SCHEMA, many)._k() == 32
    assert [*AutoTrainer(SCHEMA, many).linear] == [*auto.POOLED_LINEAR]


def test_it_learns_what_all_trainers_can_read() -> None:
    """Contexts as maps, weights, propensities and times: the batch of the conformance suite."""
    trainer = AutoTrainer(conformance.SCHEMA, conformance.TITLES)
    for seed in range(3):
        trainer.partial_fit(conformance.rows(120, seed))
    assert trainer.linear["linear"].counts.sum() == trainer.towers["tower"].heads.counts.sum()
    assert trainer.best_fixed().keys() == conformance.TITLES.keys()
