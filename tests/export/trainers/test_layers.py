# SPDX-License-Identifier: Apache-2.0
"""A learned layer looks where artworks differ, ships as the tower, and stays as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import edgeart
from edgeart_export import (
    DataError,
    FeatureSchema,
    Greedy,
    Layer,
    LinearTrainer,
    Vector,
    bundle_bytes,
    write_onnx,
)
from edgeart_export.model.tower import forward
from edgeart_export.trainers import layers

WIDE = 120
SCHEMA = FeatureSchema([Vector("x", WIDE)])
TITLES = {f"t{t}": ["a", "b", "c"] for t in range(20)}


def batch(seed: int, count: int = 12_000) -> tuple[dict[str, Any], Any]:
    """Contexts of 120 numbers, of which two directions tell artworks apart, and loud others."""
    rng = np.random.default_rng(seed)
    truth = np.linalg.qr(np.random.default_rng(1).normal(size=(WIDE, 2)))[0]
    x = rng.normal(size=(count, WIDE))
    x[:, :30] *= 3.0
    rows = np.random.default_rng(2).normal(size=(len(TITLES), 3, 2))
    # What all artworks of a title have in common is larger, and is not to be looked at.
    common = np.random.default_rng(3).normal(size=(len(TITLES), WIDE)) * 0.05
    t, a = rng.integers(0, len(TITLES), count), rng.integers(0, 3, count)
    reward = np.einsum("nr,nr->n", x @ truth, rows[t, a]) + np.einsum("nw,nw->n", x, common[t])
    return {
        "title": [f"t{i}" for i in t.tolist()],
        "artwork": ["abc"[i] for i in a.tolist()],
        "context": np.hstack([x, np.ones((count, 1))]).astype(np.float32),
        "reward": reward + rng.normal(0, 1, count),
    }, truth


def test_the_layer_holds_the_directions_that_tell_artworks_apart() -> None:
    rows, truth = batch(5)
    trainer = LinearTrainer(SCHEMA, TITLES, rank=5).fit(rows)
    assert trainer.layer is not None
    weights = trainer.layer.weights[:WIDE, :4].astype(np.float64)
    fitted = weights @ np.linalg.lstsq(weights, truth, rcond=None)[0]
    held = np.linalg.norm(fitted, axis=0)
    # Four directions of 120 at random would hold a sixth of them.
    assert (held > 0.75).all(), f"of the true directions {held} is within reach"
    u = layers.apply(trainer.layer, rows["context"])
    assert (u[:, -1] == 1).all()
    np.testing.assert_allclose(u[:, :-1].mean(axis=0), 0, atol=1e-3)
    assert trainer.solve().shape == (60, 5)


def test_the_model_ships_the_layer_as_its_tower(tmp_path: Any) -> None:
    rows, _ = batch(6)
    model = LinearTrainer(SCHEMA, TITLES, rank=4).fit(rows).to_model("p", 1, Greedy())
    assert (model.k, len(model.tower)) == (4, 1)
    policy = edgeart.Policy.from_bytes(bundle_bytes(model, rows="f32"))
    for x in rows["context"][:20]:
        u = forward(model.tower, x[None].astype(np.float64))[0]
        best = int(np.argmax(u @ model.weights[:3].T.astype(np.float64)))
        context = policy.context({"x": x[:WIDE].tolist()}, seed=1)
        assert policy.select(context, "t0").artwork == "abc"[best]
    write_onnx(model, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size > 0


def test_fit_learns_the_layer_anew_unless_it_was_given() -> None:
    one, two = batch(7)[0], batch(8)[0]
    trainer = LinearTrainer(SCHEMA, TITLES, rank=4)
    first = trainer.fit(one).layer
    assert trainer.partial_fit(two).layer is first
    assert not layers.equal(trainer.fit(two).layer, first)
    given = LinearTrainer(SCHEMA, TITLES, layer=first)
    assert given.fit(two).layer is first
    with pytest.raises(DataError, match="different layers"):
        given.merge(trainer)


def test_without_a_layer_there_is_nothing_to_add_to() -> None:
    rows = batch(9, 50)[0]
    trainer = LinearTrainer(SCHEMA, TITLES, rank=4)
    with pytest.raises(DataError, match="no layer has been learned yet"):
        trainer.partial_fit(rows)
    with pytest.raises(DataError, match="no layer has been learned yet"):
        trainer.to_model("p", 1)
    empty = {name: column[:0] for name, column in rows.items()}
    with pytest.raises(DataError, match="cannot be learned from a batch without rows"):
        trainer.fit(empty)
    with pytest.raises(DataError, match="rank must be 2 to the schema's 121 slots, not 122"):
        LinearTrainer(SCHEMA, TITLES, rank=122)


def test_a_layer_given_by_hand_must_fit() -> None:
    weights = np.zeros((WIDE + 1, 3), np.float32)
    weights[-1, -1] = 1
    bias = np.zeros(3, np.float32)
    assert LinearTrainer(SCHEMA, TITLES, layer=Layer(weights, bias, "identity")).rank == 3
    with pytest.raises(DataError, match="must be linear and have 121 inputs"):
        LinearTrainer(SCHEMA, TITLES, layer=Layer(weights, bias, "relu"))
    with pytest.raises(DataError, match="must be linear and have 121 inputs"):
        LinearTrainer(SCHEMA, TITLES, layer=Layer(weights[1:], bias, "identity"))
    with pytest.raises(DataError, match="last output of `layer` must be 1"):
        LinearTrainer(SCHEMA, TITLES, layer=Layer(0 * weights, bias, "identity"))


def test_the_layer_comes_back_from_a_state(tmp_path: Any) -> None:
    trainer = LinearTrainer(SCHEMA, TITLES, rank=4).fit(batch(10)[0])
    trainer.save_state(tmp_path / "state.parquet")
    back = LinearTrainer.load_state(tmp_path / "state.parquet")
    assert layers.equal(back.layer, trainer.layer)
    np.testing.assert_array_equal(back.solve(), trainer.solve())
    more = batch(11)[0]
    np.testing.assert_array_equal(back.fit(more).solve(), trainer.fit(more).solve())
