# SPDX-License-Identifier: Apache-2.0
"""What auto predicts, keeps and merges: no row by who learned it, on a tower that all have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from edgeart_export import (
    AutoTrainer,
    DataError,
    FeatureSchema,
    LinearTrainer,
    NeuralLinearTrainer,
    RandomTower,
    Vector,
    bundle_bytes,
)
from edgeart_export.trainers import auto
from edgeart_export.trainers.neural import same_tower

SCHEMA = FeatureSchema([Vector("x", 4)])
TITLES = {"t": ["a", "b"], "u": ["c"]}
LAYERS = RandomTower(units=32, k=6, seed=5)


def batch(count: int, seed: int) -> dict[str, Any]:
    """Rewards that follow ±x₀·x₁ in title t."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4)).astype(np.float32)
    shown = rng.integers(0, 3, count)
    sign = np.array([1.0, -1.0, 0.0])[shown]
    return {
        "title": ["ttu"[s] for s in shown],
        "artwork": ["abc"[s] for s in shown],
        "reward": 0.5 + 0.2 * x[:, 0] * x[:, 1] * sign + 0.1 * rng.normal(size=count),
        "context": np.hstack([x, np.ones((count, 1), np.float32)]),
    }


def both(*batches: dict[str, Any]) -> dict[str, Any]:
    return {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}


def trainer(**settings: Any) -> AutoTrainer:
    return AutoTrainer(SCHEMA, TITLES, **settings)


def tower(made: AutoTrainer) -> Any:
    return made.towers["tower"].tower


@pytest.mark.parametrize("size", [1, 37, 200])
def test_no_row_is_predicted_by_who_has_learned_it(size: int) -> None:
    """Every context is met once and its reward is luck: who learned it knows it, else nobody."""
    count = 200
    rng = np.random.default_rng(8)
    reward = rng.choice([-1.0, 1.0], count)
    x = np.hstack([np.eye(count, dtype=np.float32), np.ones((count, 1), np.float32)])
    made = AutoTrainer(FeatureSchema([Vector("x", count)]), {"t": ["a"]}, towers=size > 1)
    for first in range(0, count, size):
        some = slice(first, first + size)
        m = len(reward[some])
        made.partial_fit(
            {"title": ["t"] * m, "artwork": ["a"] * m, "reward": reward[some], "context": x[some]}
        )
    assert made.progress.rows == 100
    assert max(made.scores.values()) < 0.1
    made.candidates.remember()
    known = made.candidates.predict(made._read({  # what a leak would look like
        "title": ["t"] * count, "artwork": ["a"] * count, "reward": reward, "context": x,
    }))  # fmt: skip
    assert np.corrcoef(known["linear"], reward)[0, 1] > 0.95


def test_corrections_are_learned_and_not_predicted() -> None:
    first, right = batch(300, 1), batch(300, 1)
    first["reward"] = np.zeros(300)
    late = {**right, "previous": first["reward"]}
    made = trainer().fit(first)
    predicted = made.progress.rows
    made.partial_fit(late)
    assert made.progress.rows == predicted == 200
    whole = trainer().fit(right)
    for one, two in (
        (made.linear["linear"], whole.linear["linear"]),
        (made.towers["tower"].heads, whole.towers["tower"].heads),
    ):
        assert one.counts.sum() == two.counts.sum() == 300
        np.testing.assert_allclose(one.rewards, two.rewards, rtol=1e-9)


def test_corrections_alone_bring_no_tower_about() -> None:
    late = {**batch(150, 1), "previous": np.zeros(150)}
    made = trainer().partial_fit(late)
    assert not made.towers
    assert made.partial_fit(batch(100, 2)).towers


def test_within_memory_a_merged_tower_is_learned_from_the_rows_of_both() -> None:
    one, two = batch(250, 1), batch(330, 2)
    merged = trainer(seed=4).partial_fit(one).merge(trainer(seed=4).partial_fit(two))
    alone = NeuralLinearTrainer(SCHEMA, TITLES, tower=RandomTower(seed=4)).fit(both(one, two))
    for a, b in zip(tower(merged), alone.tower, strict=True):
        np.testing.assert_allclose(a.weights, b.weights, rtol=1e-3, atol=1e-5)
    x, row = both(one, two)["context"], np.zeros(580, dtype=np.int64)
    np.testing.assert_allclose(
        merged.towers["tower"].predict(x, row), alone.predict(x, row), atol=1e-4
    )
    assert len(merged._kept) == 580


def test_merged_the_choice_is_that_of_the_added_statistics() -> None:
    made = [trainer().partial_fit(batch(300, seed)) for seed in range(3)]
    scores = [m.scores for m in made]
    merged = made[0].merge(made[1]).merge(made[2])
    assert merged.progress.rows == 600
    assert merged.choice in auto.TOWERS
    for name, score in merged.scores.items():
        assert min(s[name] for s in scores) <= score + 0.05
        assert score <= max(s[name] for s in scores) + 0.05
    before = merged.progress.rows
    merged.partial_fit(batch(200, 9))  # the next are predicted by what all have learned
    assert merged.progress.rows == before + 200
    assert max(merged.progress.parts) >= 900


@pytest.mark.parametrize("turned", [False, True])
def test_who_is_within_memory_learns_on_the_tower_of_who_is_not(turned: bool) -> None:  # noqa: FBT001
    far = trainer(memory=500).partial_fit(batch(700, 1))
    near = trainer(memory=500).partial_fit(batch(200, 2))
    stays = tower(far)
    merged = near.merge(far) if turned else far.merge(near)
    assert same_tower(tower(merged), stays)
    expected = NeuralLinearTrainer(SCHEMA, TITLES, tower=stays, l2=auto.TOWERS["tower"])
    expected.partial_fit(batch(700, 1)).partial_fit(batch(200, 2))
    np.testing.assert_allclose(merged.towers["tower"].heads.A, expected.heads.A, rtol=1e-6)
    np.testing.assert_allclose(merged.towers["tower"].solve(), expected.solve(), rtol=1e-5)
    assert not len(merged._kept)
    merged.partial_fit(batch(900, 3))
    assert same_tower(tower(merged), stays)


def test_towers_that_stay_must_be_equal() -> None:
    one, two = (trainer(memory=300).partial_fit(batch(400, seed)) for seed in (1, 2))
    before = bundle_bytes(one.to_model("p", 1))
    with pytest.raises(DataError, match=r"beyond their memory of 300 rows.*give both one `tower`"):
        one.merge(two)
    assert bundle_bytes(one.to_model("p", 1)) == before
    assert one.linear["linear"].counts.sum() == 400


def test_with_one_tower_any_number_of_rows_can_be_merged_in_any_order() -> None:
    layers = NeuralLinearTrainer(SCHEMA, TITLES, tower=LAYERS).fit(batch(100, 7)).tower

    def made(seed: int) -> AutoTrainer:
        return trainer(memory=300, tower=layers).partial_fit(batch(400, seed))

    left = made(1).merge(made(2)).merge(made(3))
    right = made(3).merge(made(1).merge(made(2)))
    whole = made(1).partial_fit(batch(400, 2)).partial_fit(batch(400, 3))
    for other in (right, whole):
        np.testing.assert_allclose(
            left.towers["tower"].heads.A, other.towers["tower"].heads.A, rtol=1e-9
        )
    assert left.scores == pytest.approx(right.scores, rel=1e-7)
    assert same_tower(tower(left), layers)
    near = trainer(memory=300).partial_fit(batch(200, 5))
    both_ways = [
        trainer(memory=300, tower=layers).merge(near),
        trainer(memory=300).partial_fit(batch(200, 5)).merge(made(6)),
    ]
    for merged in both_ways:
        assert same_tower(tower(merged), layers)
        assert same_tower(tower(merged.partial_fit(batch(90, 8))), layers)
        counted = merged.linear["linear"].counts.sum()
        assert merged.towers["tower"].heads.counts.sum() == counted
    assert same_tower(tower(made(1).fit(batch(200, 4))), layers)
    with pytest.raises(DataError, match="towers=False: leave one of them out"):
        trainer(towers=False, tower=layers)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": 1}, "different seed"),
        ({"memory": 10}, "different memory"),
        ({"towers": False}, "different towers cannot"),
        ({"slots": (2, 2)}, "different slots"),
        ({"artworks": {("t", "a"): "dark"}}, "different artworks"),
    ],
)
def test_trainers_of_other_settings_are_not_merged(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        trainer().merge(trainer(**settings))


def test_trainers_are_not_merged_that_would_learn_twice_or_stand_otherwise() -> None:
    turned = AutoTrainer(SCHEMA, {"u": ["c"], "t": ["a", "b"]})
    with pytest.raises(DataError, match="titles stand in another order"):
        trainer().merge(turned)
    one, two = trainer(), trainer()
    one.sources, two.sources = {"1": 5}, {"2": 6}
    assert one.merge(two).sources == {"1": 5, "2": 6}
    with pytest.raises(DataError, match="both trainers have learned from '2'"):
        one.merge(two)


# What is new.


def test_with_nothing_new_it_goes_on_as_if_it_were_the_same() -> None:
    made = trainer().partial_fit(batch(250, 1))
    again = made.extended({"t": ["b"]})
    for one in (made, again):
        one.partial_fit(batch(333, 2))
    assert again.scores == made.scores
    assert bundle_bytes(again.to_model("p", 1)) == bundle_bytes(made.to_model("p", 1))


def test_new_artworks_keep_what_was_learned_and_take_part() -> None:
    made = trainer().partial_fit(batch(400, 1))
    scores, choice = made.scores, made.choice
    wider = made.extended({"new": ["z"], "t": ["d", "a"]})
    assert wider.titles == {"t": ("a", "b", "d"), "u": ("c",), "new": ("z",)}
    assert wider.scores == pytest.approx(scores, rel=1e-12)
    assert wider.choice == choice
    assert made.titles == {"t": ("a", "b"), "u": ("c",)}
    old = wider.towers["tower"].heads
    assert old.counts[old.rows_of(TITLES)].sum() == 400
    rows = {**batch(500, 2), "title": ["new"] * 500, "artwork": ["z"] * 500}
    wider.partial_fit(rows)
    assert wider.progress.rows == 800
    assert wider.counts.tolist()[-1] == 500
    model = wider.to_model("p", 1, titles={"new": ["z"], "t": ["d", "b", "later"]})
    assert model.titles == {"new": ("z",), "t": ("d", "b", "later")}
    bundle_bytes(model)


def test_with_many_artworks_candidates_are_others() -> None:
    made = trainer().partial_fit(batch(400, 1))
    many = {f"title {i}": [f"a{j}" for j in range(10)] for i in range(10)}
    wider = made.extended(many)
    assert [*wider.scores] == [*auto.POOLED_LINEAR, *auto.POOLED_TOWERS]
    assert set(wider.scores.values()) == {0.0}
    assert wider.towers["tower"].l2 == auto.POOLED_TOWERS["tower"]
    wider.partial_fit(batch(400, 2))
    assert wider.progress.rows == 400
    assert wider.towers["tower"].heads.counts.sum() == 800
    assert wider.choice == "tower"


# On disk.


def test_a_state_that_cannot_be_used_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "auto.parquet"
    trainer().partial_fit(batch(250, 1)).save_state(path)
    with pytest.raises(DataError, match=r"auto\.parquet: the state of a 'auto' trainer, not lin"):
        LinearTrainer.load_state(path)
    plain = tmp_path / "plain.parquet"
    LinearTrainer(SCHEMA, TITLES).save_state(plain)
    with pytest.raises(DataError, match=r"plain\.parquet: the state of a 'linear' trainer, not au"):
        AutoTrainer.load_state(plain)
    table = pq.read_table(path)
    described = json.loads(table.schema.metadata[b"edgeart.trainer"])
    for change, message in (
        ({"candidates": {"linear": 3.0}}, "the snapshot is not that of the candidates"),
        ({"counted": None}, "missing or unusable entry of auto"),
        ({"counted": [251, 200, 200]}, "250 rows were kept of 251"),
        ({"seed": ...}, "missing or unusable entry of auto: 'seed'"),
    ):
        entry = {**described["auto"], **change}
        entry = {name: value for name, value in entry.items() if value is not ...}
        text = json.dumps({**described, "auto": entry}).encode()
        changed = table.replace_schema_metadata({b"edgeart.trainer": text})
        pq.write_table(changed, tmp_path / "changed.parquet")
        with pytest.raises(DataError, match=rf"changed\.parquet: .*({message})"):
            AutoTrainer.load_state(tmp_path / "changed.parquet")
    for column in ("kept", "snapshot", "progress", "heads_sums"):
        pq.write_table(table.drop_columns([column]), tmp_path / "less.parquet")
        with pytest.raises(DataError, match=rf"less\.parquet: .*{column}"):
            AutoTrainer.load_state(tmp_path / "less.parquet")
