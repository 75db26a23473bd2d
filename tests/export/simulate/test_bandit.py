# SPDX-License-Identifier: Apache-2.0
"""Simulated bandits: what they earn, when learners hear of it, and that a bundle decides."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import pytest

import edgeart
from edgeart_export import DataError, Greedy, LinearTrainer, Thompson, Uniform, bundle_bytes
from edgeart_export.simulate.bandit import Bandit, batches, progressive
from edgeart_export.simulate.deployed import Deployed
from edgeart_export.simulate.supervised import drawn, supervised
from edgeart_export.simulate.visits import visits

RNG = np.random.default_rng(5)
LABELS = RNG.choice(["x", "y", "z"], size=900)
FEATURES = RNG.normal(size=(900, 4)) + 4 * (LABELS[:, None] == ["x", "y", "z", "none"])


def small(seed: int = 1, n: int | None = None) -> Bandit:
    return supervised("small", FEATURES, LABELS, seed=seed, n=n)


class Recorder:
    """Shows artwork 0 and writes down what happens."""

    def __init__(self) -> None:
        self.events: list[tuple[str, list[int]]] = []
        self.heard: list[float] = []

    def decide(self, rounds: Any) -> Any:
        self.events.append(("decide", rounds.tolist()))
        return np.zeros(len(rounds), dtype=np.int64), np.ones(len(rounds))

    def learn(self, rounds: Any, artwork: Any, propensity: Any, reward: Any) -> None:
        assert (artwork == 0).all()
        assert (propensity == 1).all()
        self.events.append(("learn", rounds.tolist()))
        self.heard.extend(reward.tolist())


def test_only_the_rows_own_class_earns() -> None:
    bandit = small()
    assert bandit.titles == {"title": ("x", "y", "z")}
    rounds = np.arange(len(bandit))
    earned = np.stack([bandit.reward(rounds, np.full(900, a)) for a in range(3)], axis=1)
    assert (earned.sum(axis=1) == 1).all()
    # The rows are shuffled, whole: the class is still the one whose feature is raised.
    raised = bandit.vectors[:, :3].argmax(axis=1)
    assert (earned.argmax(axis=1) == raised).mean() > 0.95


def test_features_are_standardised_and_the_intercept_comes_last() -> None:
    bandit = small()
    assert bandit.vectors.shape == (900, 5)
    np.testing.assert_allclose(bandit.vectors[:, :4].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(bandit.vectors[:, :4].std(axis=0), 1, atol=1e-5)
    assert (bandit.vectors[:, 4] == 1).all()


def test_a_constant_feature_is_nothing() -> None:
    features = np.hstack([FEATURES, np.full((900, 1), 7.0)])
    assert (supervised("c", features, LABELS, seed=1).vectors[:, 4] == 0).all()


def test_a_seed_is_an_order_of_the_rows() -> None:
    one, again, other = small(1), small(1), small(2)
    assert one.contexts == again.contexts != other.contexts
    assert sorted(one.contexts) == sorted(other.contexts)
    assert small(1, n=100).contexts == one.contexts[:100]


def test_scores_are_0_for_uniform_and_1_for_the_best() -> None:
    chance = np.array([[0.1, 0.5], [0.8, 0.2], [0.3, 0.3]])
    bandit = drawn("d", np.eye(3), chance, ["x", "y"], seed=3)
    assert bandit.best == pytest.approx((0.5 + 0.8 + 0.3) / 3)
    assert bandit.uniform == pytest.approx(2.2 / 6)
    best = np.nanargmax(bandit.chance, axis=1)
    assert bandit.score(best) == pytest.approx(1)
    assert bandit.score(best) + bandit.score(1 - best) == pytest.approx(0)  # their mean is uniform


def test_luck_is_the_same_whoever_decides_and_as_often_as_chances_say() -> None:
    chance = np.tile([0.2, 0.7], (20_000, 1))
    bandit = drawn("d", np.ones((20_000, 1)), chance, ["x", "y"], seed=3)
    rounds = np.arange(20_000)
    worse, better = (bandit.reward(rounds, np.full(20_000, a)) for a in (0, 1))
    assert abs(worse.mean() - 0.2) < 0.015
    assert abs(better.mean() - 0.7) < 0.015
    assert (worse <= better).all()


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_a_learner_hears_of_a_batch_after_so_many_further_ones(delay: int) -> None:
    bandit, learner = small(n=95), Recorder()
    progress = progressive(bandit, learner, batch=10, delay=delay)
    decided = [rounds for what, rounds in learner.events if what == "decide"]
    learned = [rounds for what, rounds in learner.events if what == "learn"]
    assert decided == [rounds.tolist() for rounds in batches(95, 10)]
    assert learned == decided[: 9 - delay]
    for place, (what, rounds) in enumerate(learner.events):
        if what == "learn":  # batches decided so far, this one and `delay` more
            before = sum(event == "decide" for event, _ in learner.events[:place])
            assert before == decided.index(rounds) + 1 + delay
    rounds = np.arange(len(learner.heard))
    assert learner.heard == bandit.reward(rounds, np.zeros_like(rounds)).tolist()
    assert progress.artwork.tolist() == [0] * 95


def test_the_exported_bundle_decides() -> None:
    bandit = small(n=250)
    trainer = LinearTrainer(bandit.schema, bandit.titles)
    learner = Deployed(bandit, trainer, seed=4, explorer=Greedy())
    progress = progressive(bandit, learner)
    # What it has after the last batch it heard of is what the trainer exports.
    data = bundle_bytes(trainer.to_model("small", 3, Greedy()), rows="i8")
    assert learner.policy.digest == edgeart.Policy.from_bytes(data).digest
    policy = edgeart.Policy.from_bytes(data)
    last = [
        policy.select(policy.context(bandit.contexts[i], seed=0), "title").artwork
        for i in range(200, 250)
    ]
    assert [["x", "y", "z"][a] for a in progress.artwork[200:].tolist()] == last
    assert (progress.propensity == 1).all()


def test_draws_come_from_the_seed_and_propensities_are_the_policys() -> None:
    bandit = small(n=300)

    def play(seed: int) -> Any:
        trainer = LinearTrainer(bandit.schema, bandit.titles)
        return progressive(bandit, Deployed(bandit, trainer, seed=seed, explorer=Uniform()))

    one, again, other = play(1), play(1), play(2)
    assert (one.artwork == again.artwork).all()
    assert (one.artwork != other.artwork).any()
    np.testing.assert_allclose(one.propensity, 1 / 3, atol=1e-6)
    assert np.bincount(one.artwork, minlength=3).min() > 60


def test_a_deployed_trainer_learns() -> None:
    bandit = small()
    trainer = LinearTrainer(bandit.schema, bandit.titles, l2=10.0)
    progress = progressive(bandit, Deployed(bandit, trainer, seed=1, explorer=Thompson()))
    assert bandit.score(progress.artwork) > 0.6


def test_visits_are_rounds_of_many_titles() -> None:
    bandit = visits("audience", seed=3, n=3000)
    assert len(bandit) == 3000
    assert len(bandit.titles) == 16
    assert bandit.contexts == visits("audience", seed=3, n=3000).contexts
    counts = [len(artworks) for _, artworks in bandit.names]
    assert np.isfinite(bandit.chance).sum(axis=1).tolist() == [counts[t] for t in bandit.title]
    assert 0 < bandit.uniform < bandit.best < 0.3
    fields = msgpack.unpackb(bandit.contexts[0])
    assert {"country", "device", "hour"} <= fields.keys() <= {"country", "device", "hour", "taste"}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="3 labels for 900 rows"):
        supervised("s", FEATURES, LABELS[:3], seed=1)
    with pytest.raises(DataError, match="901 rounds were asked for, there are 900 rows"):
        small(n=901)
    with pytest.raises(DataError, match="every artwork of a round's title needs a chance"):
        drawn("d", np.eye(2), np.full((2, 2), np.nan), ["x", "y"], seed=1)
    with pytest.raises(DataError, match="chances must be 0 to 1"):
        drawn("d", np.eye(2), np.full((2, 2), 1.5), ["x", "y"], seed=1)
    with pytest.raises(ValueError, match="batch 0 must be 1 or more"):
        progressive(small(), Recorder(), batch=0)
