# SPDX-License-Identifier: Apache-2.0
"""Auto takes the tower where the truth is not linear, and not where it is."""

from __future__ import annotations

import numpy as np

from edgeart_export import AutoTrainer, FeatureSchema, Vector

SCHEMA = FeatureSchema([Vector("x", 4)])
TITLES = {"t": ["a", "b"]}


def batches(count: int, *, linear: bool) -> list[dict[str, object]]:
    """Batches of 200 rows whose rewards follow x₀, or the product x₀·x₁."""
    rng = np.random.default_rng(3)
    made: list[dict[str, object]] = []
    for _ in range(count):
        x = rng.normal(size=(200, 4)).astype(np.float32)
        shown = rng.integers(0, 2, 200)
        signal = x[:, 0] if linear else x[:, 0] * x[:, 1]
        made.append(
            {
                "title": ["t"] * 200,
                "artwork": ["ab"[s] for s in shown],
                "reward": 0.5 + 0.2 * signal * (2 * shown - 1) + 0.1 * rng.normal(size=200),
                "context": np.hstack([x, np.ones((200, 1), np.float32)]),
            }
        )
    return made


def trained(*, linear: bool) -> AutoTrainer:
    trainer = AutoTrainer(SCHEMA, TITLES)
    for batch in batches(10, linear=linear):
        trainer.partial_fit(batch)
    return trainer


def test_the_tower_is_chosen_where_the_truth_is_not_linear() -> None:
    trainer = trained(linear=False)
    assert trainer.choice == "tower"
    assert trainer.scores["tower"] < 0.7 * trainer.scores["linear"]
    assert trainer.to_model("p", 1).tower


def test_linear_is_chosen_where_the_truth_is_linear() -> None:
    trainer = trained(linear=True)
    assert trainer.choice == "linear"
    assert not trainer.to_model("p", 1).tower
