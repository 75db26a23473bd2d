# SPDX-License-Identifier: Apache-2.0
"""What artworks have in common is found, helps where data is scarce, and is not popularity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import cold_start
from edgeart_export import FeatureSchema, LinearTrainer, Vector

K, SLOTS, TAGS = 8, 6, 4


class World:
    """Titles with rewards x·(θₜ + W·tag + δ) and normal noise; contexts are normal."""

    def __init__(self, seed: int, *, titles: int, own: float, noise: float) -> None:
        self.rng = np.random.default_rng(seed)
        self.titles = {f"t{t}": [f"a{t}-{a}" for a in range(K)] for t in range(titles)}
        self.schema = FeatureSchema([Vector("x", SLOTS - 1)])
        self.tag = self.rng.integers(0, TAGS, (titles, K))
        self.map = self.rng.normal(0, 0.3, (SLOTS, TAGS))
        level = self.rng.normal(0, 0.5, (titles, 1, SLOTS))
        self.rows = level + self.map.T[self.tag] + self.rng.normal(0, own, (titles, K, SLOTS))
        self.noise = noise

    def features(self) -> dict[tuple[str, str], str]:
        pairs = [(t, a) for t, row in self.titles.items() for a in row]
        return {p: f"tag {tag}" for p, tag in zip(pairs, self.tag.ravel().tolist(), strict=True)}

    def contexts(self, count: int) -> Any:
        x = self.rng.normal(size=(count, SLOTS)).astype(np.float32)
        x[:, -1] = 1
        return x

    def batch(self, each: int) -> dict[str, Any]:
        count = self.tag.size * each
        t = np.repeat(np.arange(len(self.titles)), K * each)
        a = self.rng.integers(0, K, count)
        x = self.contexts(count)
        return {
            "title": [f"t{i}" for i in t.tolist()],
            "artwork": [f"a{i}-{j}" for i, j in zip(t.tolist(), a.tolist(), strict=True)],
            "context": x,
            "reward": np.einsum("nk,nk->n", x, self.rows[t, a])
            + self.rng.normal(0, self.noise, count),
        }

    def closed(self, weights: Any) -> float:
        """The share of the gap between uniform and best choice that the greedy one closes."""
        x = self.contexts(4000).astype(np.float64)
        t = self.rng.integers(0, len(self.titles), 4000)
        truth = np.einsum("nk,nak->na", x, self.rows[t])
        scores = np.einsum("nk,nak->na", x, weights.reshape(-1, K, SLOTS)[t])
        got = truth[np.arange(4000), scores.argmax(axis=1)].mean()
        return float((got - truth.mean()) / (truth.max(axis=1).mean() - truth.mean()))


@pytest.mark.parametrize("own", [0.1, 0.4])
def test_lambda_is_the_ratio_of_noise_to_what_artworks_differ_by(own: float) -> None:
    world = World(1, titles=60, own=own, noise=1.0)
    trainer = LinearTrainer(world.schema, world.titles, artworks=world.features())
    prior = trainer.fit(world.batch(40)).prior
    assert prior is not None
    truth = 1.0 / own**2
    assert truth / 1.6 < prior.l2[0] < truth * 1.6
    assert prior.noise == pytest.approx(1.0, rel=0.05)


def test_scarce_data_is_helped_by_what_artworks_have_in_common() -> None:
    closed = {}
    for name, settings in {"ridge": {"l2": 1.0}, "alone": {}, "features": {}}.items():
        world = World(2, titles=80, own=0.1, noise=4.0)
        known = world.features() if name == "features" else None
        trainer = LinearTrainer(world.schema, world.titles, artworks=known, **settings)
        closed[name] = world.closed(trainer.fit(world.batch(15)).solve())
    assert closed["features"] > 1.5 * closed["ridge"]
    assert closed["features"] > closed["alone"] >= closed["ridge"] - 0.03


def test_with_much_data_an_artwork_is_what_its_own_data_says() -> None:
    world = World(3, titles=5, own=0.5, noise=0.5)
    trainer = LinearTrainer(world.schema, world.titles).fit(world.batch(800))
    np.testing.assert_allclose(trainer.solve().reshape(5, K, SLOTS), world.rows, atol=0.12)


def test_a_new_artwork_scores_as_the_prior_does() -> None:
    world = World(4, titles=30, own=0.1, noise=1.0)
    trainer = LinearTrainer(world.schema, world.titles, artworks=world.features())
    trainer.fit(world.batch(40))
    new = {"t3": ["a3-0", "new"], "t99": ["first", "second"]}
    tags = {("t3", "new"): "tag 1", ("t99", "first"): "tag 1", ("t99", "second"): "tag 2"}
    model = trainer.extended(new, tags).to_model("p", 1, titles=new)
    assert model.artworks == [("t3", "a3-0"), ("t3", "new"), ("t99", "first"), ("t99", "second")]
    prior, solved = trainer.prior, trainer.solve()
    assert prior is not None
    assert trainer.artworks is not None
    np.testing.assert_allclose(model.weights[0], solved[3 * K], rtol=1e-4, atol=1e-6)
    f = trainer.artworks.matrix([("t0", "a0-0")]) * 0
    f[0, trainer.artworks.names.index("tag 1")] = 1
    expected = prior.row(f)[0] - prior.shared + prior.title_mean[3]
    np.testing.assert_allclose(model.weights[1], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.weights[2], prior.row(f)[0], rtol=1e-4, atol=1e-6)
    # What tells two artworks of a title without data apart is what the map says of their tags.
    told = model.weights[2] - model.weights[3]
    assert np.corrcoef(told, world.map[:, 1] - world.map[:, 2])[0, 1] > 0.9
    assert model.variance is not None
    np.testing.assert_allclose(model.variance[2], trainer.noise() / prior.l2, rtol=0.2)


def test_one_artwork_shown_a_million_times_is_still_one_artwork() -> None:
    # Two tags in ten titles; one artwork of the second tag is far better by itself, and shown so
    # much that it outweighs all others by its data.
    rng = np.random.default_rng(6)
    titles = {f"t{t}": ["a", "b"] for t in range(10)}
    tags = {(t, a): f"tag {a}" for t in titles for a in "ab"}
    schema = FeatureSchema([])
    rows: list[tuple[str, str, float]] = []
    for t in titles:
        for a in "ab":
            count = 20_000 if (t, a) == ("t0", "b") else 40
            mean = 1.0 if (t, a) == ("t0", "b") else 0.0
            rows += [(t, a, r) for r in rng.normal(mean, 1.0, count).tolist()]
    trainer = LinearTrainer(schema, titles, artworks=tags)
    trainer.fit(
        {
            "title": [t for t, _, _ in rows],
            "artwork": [a for _, a, _ in rows],
            "reward": [r for _, _, r in rows],
            "context": np.ones((len(rows), 1), np.float32),
        }
    )
    assert trainer.prior is not None
    assert trainer.artworks is not None
    names = trainer.artworks.names
    gap = trainer.prior.map[0, names.index("tag b")] - trainer.prior.map[0, names.index("tag a")]
    assert abs(gap) < 0.3
    assert trainer.solve()[1, 0] - trainer.solve()[0, 0] > 0.5


def test_effects_of_places_are_taken_out() -> None:
    # An artwork was shown lower down than the other, where everything earns less.
    rng = np.random.default_rng(7)
    count = 6000
    second = rng.random(count) < 0.5
    place = np.where(second, rng.integers(1, 4, count), rng.integers(0, 2, count))
    reward = 0.5 + 0.1 * second - 0.3 * place + rng.normal(0, 0.1, count)
    batch = {
        "title": ["t"] * count,
        "artwork": np.where(second, "b", "a"),
        "reward": reward,
        "context": np.ones((count, 1), np.float32),
        "slot_row": place,
        "slot_column": np.zeros(count, np.int64),
    }
    titles = {"t": ["a", "b"]}
    blind = LinearTrainer(FeatureSchema([]), titles).fit(batch).solve()[:, 0]
    seeing = LinearTrainer(FeatureSchema([]), titles, slots=(4, 1)).fit(batch).solve()[:, 0]
    assert blind[1] - blind[0] < -0.2
    assert seeing[1] - seeing[0] == pytest.approx(0.1, abs=0.02)


def test_a_catalogue_half_new_loses_less_than_half_with_features() -> None:
    found = cold_start.campaign(2, titles=60, members=2500)
    assert found["met"]
    assert found["regret"]["features, half new"] < found["regret"]["uncentred, half new"]
