# SPDX-License-Identifier: Apache-2.0
"""Heads on a tower keep all trainers' promises, and towers are learned as they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest

import edgeart
from edgeart_export import (
    DataError,
    FeatureSchema,
    GradientTower,
    Layer,
    LinearTrainer,
    ModelError,
    NeuralLinearTrainer,
    Number,
    RandomTower,
    Vector,
    bundle_bytes,
)
from edgeart_export.model.tower import forward
from tests.export.trainers.conformance import SCHEMA, TITLES, TrainerConformance, rows

RNG = np.random.default_rng(4)
GIVEN = (
    Layer(RNG.normal(0, 0.5, (SCHEMA.width, 12)), RNG.normal(0, 0.1, 12)),
    Layer(RNG.normal(0, 0.5, (12, 6)), RNG.normal(0, 0.1, 6), "tanh"),
)


FEATURES = {
    ("seven", "couple"): ["people"],
    ("seven", "laugh"): ["people", "bright"],
    ("seven", "night"): ["dark"],
    ("eight", "duel"): ["dark"],
}


class NeuralConformance(TrainerConformance):
    """What is compared are the heads' sums: the tower is the same."""

    saves = True

    def numbers(self, trainer: NeuralLinearTrainer) -> dict[str, npt.NDArray[Any]]:
        names = ("A", "b", "counts", "squares")
        found = {name: getattr(trainer.heads, name) for name in names}
        for i, layer in enumerate(trainer.tower):
            found |= {f"weights {i}": layer.weights, f"bias {i}": layer.bias}
        return {**found, "weights": trainer.solve(), "prior": trainer.prior}


class TestGiven(NeuralConformance):
    """Somebody else's tower: fit and partial_fit learn the same."""

    def trainer(self, **settings: Any) -> NeuralLinearTrainer:
        return NeuralLinearTrainer(SCHEMA, TITLES, tower=GIVEN, **settings)


class TestGivenWithPrior(TestGiven):
    """The same with λ and a prior of all artworks by empirical Bayes."""

    def trainer(self, **settings: Any) -> NeuralLinearTrainer:
        return super().trainer(**{"l2": "auto", **settings})


class TestGivenWithFeatures(TestGiven):
    """The same with a prior that is a function of artwork features, about a fixed λ."""

    rtol, atol = 1e-8, 1e-10

    def trainer(self, **settings: Any) -> NeuralLinearTrainer:
        return super().trainer(**{"artworks": FEATURES, **settings})


class TestRandom(NeuralConformance):
    """A random tower, learned from other rows before partial_fit begins."""

    fit_is_partial_fit = False

    def trainer(self, **settings: Any) -> NeuralLinearTrainer:
        return NeuralLinearTrainer(SCHEMA, TITLES, tower=RandomTower(units=64, k=9), **settings)

    def ready(self, **settings: Any) -> NeuralLinearTrainer:
        tower = self.trainer().fit(rows(60, seed=77)).tower
        return NeuralLinearTrainer(SCHEMA, TITLES, tower=tower, **settings)


class TestGradient(TestRandom):
    """A trained tower. Its network's output layer is what the heads are a ridge about."""

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        pytest.importorskip("torch", reason="torch is needed to train a tower by gradients")

    def trainer(self, **settings: Any) -> NeuralLinearTrainer:
        tower = GradientTower(hidden=(8,), k=5, epochs=3)
        return NeuralLinearTrainer(SCHEMA, TITLES, tower=tower, **settings)


# Heads and tower together.

WIDE = FeatureSchema([Vector("x", 6)])
ARTS = {"t": ["a", "b", "c"]}


def batch(count: int, seed: int = 1, noise: float = 0.1) -> dict[str, Any]:
    """Rewards that follow products of slots, another for each artwork."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 6)).astype(np.float32)
    shown = rng.integers(0, 3, count)
    truth = np.stack([x[:, 0] * x[:, 1], x[:, 2] * x[:, 3], -x[:, 0] * x[:, 1]], axis=1)
    return {
        "title": ["t"] * count,
        "artwork": ["abc"[s] for s in shown],
        "reward": 2.0 + truth[np.arange(count), shown] + noise * rng.normal(size=count),
        "context": np.hstack([x, np.ones((count, 1), np.float32)]),
        "truth": truth,
    }


def gain(trainer: NeuralLinearTrainer, count: int = 2000) -> float:
    """Mean truth of the best by the trainer, on fresh contexts; 0 by chance, about 1 at best."""
    fresh = batch(count, seed=999)
    scores = np.stack(
        [trainer.predict(fresh["context"], np.full(count, r)) for r in range(3)], axis=1
    )
    return float(fresh["truth"][np.arange(count), scores.argmax(axis=1)].mean())


def test_a_random_tower_learns_what_is_not_linear() -> None:
    trainer = NeuralLinearTrainer(WIDE, ARTS, tower=RandomTower(units=512, k=96)).fit(batch(3000))
    linear = LinearTrainer(WIDE, ARTS, l2=1.0).fit(batch(3000))
    fresh = batch(2000, seed=999)
    chosen = (fresh["context"] @ linear.solve().T).argmax(axis=1)
    assert abs(fresh["truth"][np.arange(2000), chosen].mean()) < 0.2
    best = fresh["truth"].max(axis=1).mean()
    assert gain(trainer) > 0.8 * best


def test_bundles_decide_as_the_trainer_predicts_whatever_the_outputs_sizes() -> None:
    """Rows of i8 share one step, so a small output beside a large one must not be lost."""
    trainer = NeuralLinearTrainer(WIDE, ARTS, tower=RandomTower(units=256, k=64)).fit(batch(3000))
    model = trainer.to_model("p", 1)
    x = batch(300, seed=5)["context"]
    u = forward(model.tower, x.astype(np.float64))
    sizes = np.sqrt((u**2).mean(axis=0))
    assert 0.4 < sizes.min() < sizes.max() < 2.5
    wanted = np.stack([trainer.predict(x, np.full(300, r)) for r in range(3)], axis=1)
    for kind, close in (("f32", 1e-3), ("i8", 0.3)):
        policy = edgeart.Policy.from_bytes(bundle_bytes(model, rows=kind))
        found = np.stack(
            [np.asarray(policy.scores(policy.context({"x": row[:6].tobytes()}, seed=0)))
             for row in x]
        )  # fmt: skip
        np.testing.assert_allclose(found, wanted, atol=close)
        gap = np.sort(wanted, axis=1)
        clear = gap[:, -1] - gap[:, -2] > 2 * close
        assert clear.sum() > 80
        assert (found.argmax(axis=1) == wanted.argmax(axis=1))[clear].all()


def test_sizes_change_neither_scores_nor_variances() -> None:
    trainer = NeuralLinearTrainer(WIDE, ARTS, tower=RandomTower(units=64, k=8)).fit(batch(500))
    model, heads = trainer.to_model("p", 1), trainer.heads.to_model("h", 1)
    x = batch(50, seed=5)["context"].astype(np.float64)
    u, plain = forward(model.tower, x), forward(trainer.tower, x)
    assert model.variance is not None
    assert heads.variance is not None
    np.testing.assert_allclose(u @ model.weights.T, plain @ heads.weights.T, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(u**2 @ model.variance.T, plain**2 @ heads.variance.T, rtol=1e-5)


def test_the_last_output_is_one_and_is_added_once() -> None:
    one = NeuralLinearTrainer(SCHEMA, TITLES, tower=GIVEN)
    again = NeuralLinearTrainer(SCHEMA, TITLES, tower=one.tower)
    assert [len(t.tower[-1].bias) for t in (one, again)] == [7, 7]
    x = SCHEMA.encode_many(rows(20)["context"]).astype(np.float64)
    np.testing.assert_array_equal(forward(one.tower, x)[:, -1].astype(np.float32), 1.0)
    np.testing.assert_array_equal(forward(one.tower, x)[:, :-1], forward(GIVEN, x))
    for activation in ("relu", "identity"):
        layer = Layer(GIVEN[0].weights, GIVEN[0].bias, activation)
        made = NeuralLinearTrainer(SCHEMA, TITLES, tower=[layer])
        np.testing.assert_array_equal(forward(made.tower, x)[:, -1], 1.0)


def test_towers_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ModelError, match="no layers: use LinearTrainer"):
        NeuralLinearTrainer(SCHEMA, TITLES, tower=())
    full = Layer(np.ones((SCHEMA.width, 1024)), np.zeros(1024))
    with pytest.raises(ModelError, match="1024 outputs, which leaves none for the intercept"):
        NeuralLinearTrainer(SCHEMA, TITLES, tower=[full])
    with pytest.raises(ModelError, match="tower layer 0 has 12 inputs where the schema has 8"):
        NeuralLinearTrainer(SCHEMA, TITLES, tower=GIVEN[1:])


def test_trainers_of_different_towers_are_not_merged() -> None:
    one, two = (
        NeuralLinearTrainer(SCHEMA, TITLES, tower=RandomTower(units=32, k=4, seed=s)).fit(rows(50))
        for s in (1, 2)
    )
    with pytest.raises(DataError, match="different towers cannot be merged: give all one `tower`"):
        one.merge(two)
    other = NeuralLinearTrainer(SCHEMA, {"seven": ["couple"]}, tower=GIVEN)
    with pytest.raises(DataError, match="different titles"):
        NeuralLinearTrainer(SCHEMA, TITLES, tower=GIVEN).merge(other)


def test_without_a_tower_all_artworks_score_alike() -> None:
    trainer = NeuralLinearTrainer(SCHEMA, TITLES, tower=RandomTower(units=32, k=4))
    for _ in range(2):
        model = trainer.to_model("p", 1)
        assert not model.tower
        assert not model.weights.any()
        trainer.partial_fit(rows(0))
    assert trainer.partial_fit(rows(30)).to_model("p", 1).tower


def test_refitting_a_random_tower_looks_for_new_directions_with_the_same_units() -> None:
    trainer = NeuralLinearTrainer(WIDE, ARTS, tower=RandomTower(units=64, k=8)).fit(batch(100))
    first = trainer.tower
    trainer.refit(batch(1000, seed=3))
    assert first[1].weights.shape == trainer.tower[1].weights.shape
    assert not np.array_equal(first[1].weights, trainer.tower[1].weights)
    assert trainer.heads.counts.sum() == 1000
    given = NeuralLinearTrainer(SCHEMA, TITLES, tower=GIVEN).fit(rows(50))
    kept = given.tower
    assert given.refit(rows(30)).tower is kept


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"units": 0}, "units must be an int from 1 to 1024"), ({"k": 1024}, "k must be an int from")],
)
def test_a_random_tower_without_sense_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        RandomTower(**settings)


def test_a_slot_that_never_varies_and_a_rare_word_do_no_harm() -> None:
    schema = FeatureSchema([Number("n", mean=5.0, std=2.0), Vector("x", 3)])
    count = 400
    x = np.zeros((count, schema.width), np.float32)
    x[:, 2] = RNG.normal(size=count)
    x[0, 1] = 1.0  # the number was missing once
    x[:, 3], x[:, -1] = 3.0, 1.0
    reward = x[:, 2].astype(np.float64)
    made = {"title": ["t"] * count, "artwork": ["a"] * count, "reward": reward, "context": x}
    trainer = NeuralLinearTrainer(schema, ARTS, tower=RandomTower(units=64, k=16)).fit(made)
    found = trainer.predict(x, np.zeros(count, dtype=np.int64))
    np.testing.assert_allclose(found[1:], reward[1:], atol=0.1)


def test_a_state_that_is_not_one_is_refused_by_name(tmp_path: Path) -> None:
    plain = tmp_path / "plain.parquet"
    LinearTrainer(SCHEMA, TITLES).fit(rows(20)).save_state(plain)
    with pytest.raises(DataError, match=r"plain\.parquet: the state of a linear trainer"):
        NeuralLinearTrainer.load_state(plain)
    made = tmp_path / "made.parquet"
    NeuralLinearTrainer(SCHEMA, TITLES, tower=GIVEN).fit(rows(20)).save_state(made)
    table = pq.read_table(made)
    described = json.loads(table.schema.metadata[b"edgeart.tower"])
    for change, message in (
        ({"format": 2}, "a tower of another format than 1"),
        ({"layers": []}, "tower and heads do not fit each other"),
        ({"learner": {"kind": "oracle"}}, "missing or unusable entry of the tower: 'oracle'"),
        ({"prior": "?"}, "missing or unusable entry of the tower"),
    ):
        text = json.dumps({**described, **change}).encode()
        metadata = {**table.schema.metadata, b"edgeart.tower": text}
        pq.write_table(table.replace_schema_metadata(metadata), made)
        with pytest.raises(DataError, match=rf"made\.parquet: {message}"):
            NeuralLinearTrainer.load_state(made)


def test_a_trainer_without_a_tower_keeps_how_it_would_come_by_one(tmp_path: Path) -> None:
    learner = RandomTower(units=32, k=4, seed=9)
    NeuralLinearTrainer(SCHEMA, TITLES, tower=learner).save_state(tmp_path / "s")
    back = NeuralLinearTrainer.load_state(tmp_path / "s").fit(rows(30))
    fresh = NeuralLinearTrainer(SCHEMA, TITLES, tower=learner).fit(rows(30))
    assert bundle_bytes(back.to_model("p", 1)) == bundle_bytes(fresh.to_model("p", 1))


def test_where_no_slot_varies_only_the_level_is_learned() -> None:
    trainer = NeuralLinearTrainer(SCHEMA, TITLES, tower=RandomTower(units=32, k=4)).fit(rows(1))
    assert [layer.outputs for layer in trainer.tower] == [32, 1]
    bundle_bytes(trainer.to_model("p", 1))


def test_a_tower_is_not_learned_from_corrections_alone() -> None:
    batch = {**rows(20), "previous": np.zeros(20)}
    trainer = NeuralLinearTrainer(SCHEMA, TITLES, tower=RandomTower(units=32, k=4))
    with pytest.raises(DataError, match="cannot be learned from corrections alone: give one"):
        trainer.partial_fit(batch)
    learned = trainer.partial_fit({**rows(20), "weight": np.zeros(20)})
    assert not learned.tower
    assert learned.partial_fit(rows(20)).partial_fit(batch).tower


def test_corrections_are_learned_about_the_prior_as_rewards_are() -> None:
    """A row corrected later is the row with its last reward, also where heads have a prior."""
    pytest.importorskip("torch", reason="torch is needed to train a tower by gradients")
    tower = GradientTower(hidden=(8,), k=5, epochs=3)
    first = rows(40)
    one = NeuralLinearTrainer(SCHEMA, TITLES, tower=tower).fit(first)
    last = {**first, "reward": 1 - first["reward"]}
    one.partial_fit({**last, "previous": first["reward"]})
    two = NeuralLinearTrainer(SCHEMA, TITLES, tower=tower).fit(first)
    two.heads = two._heads(two.tower)
    two.partial_fit(last)
    np.testing.assert_allclose(one.solve(), two.solve(), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(one.noise(), two.noise(), rtol=1e-8)
