# SPDX-License-Identifier: Apache-2.0
"""Estimators equal values worked out by hand, are unbiased, and their errors are the true ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeart_export import DataError, doubly_robust, effective_sample_size, ips, snips
from edgeart_export.estimators import Estimate, Floats, mean

REWARD = np.array([1.0, 0.0, 1.0, 0.0])
WEIGHT = np.array([2.0, 0.5, 0.5, 1.0])


def test_ips_by_hand() -> None:
    # w·r = 2, 0, ½, 0: mean 0.625; squares about it 1.890625 + 0.390625·2 + 0.015625 = 2.6875.
    found = ips(REWARD, WEIGHT)
    assert found.value == pytest.approx(0.625, abs=1e-15)
    assert found.se == pytest.approx(math.sqrt(2.6875 / 3 / 4), abs=1e-15)


def test_snips_by_hand() -> None:
    # Σw·r = 2.5, Σw = 4: 0.625. Σ w²(r − V)² = 4·0.140625 + ¼·0.390625 + ¼·0.140625 + 0.390625.
    found = snips(REWARD, WEIGHT)
    assert found.value == pytest.approx(0.625, abs=1e-15)
    assert found.se == pytest.approx(math.sqrt(4 / 3 * 1.0859375) / 4, abs=1e-15)


def test_doubly_robust_by_hand() -> None:
    logged = np.array([0.5, 0.25, 0.5, 0.0])
    target = np.array([0.75, 0.25, 0.5, 0.25])
    # ψ = 0.75+2·0.5, 0.25−0.5·0.25, 0.5+0.5·0.5, 0.25 = 1.75, 0.125, 0.75, 0.25.
    found = doubly_robust(REWARD, WEIGHT, logged, target)
    assert found.value == pytest.approx(0.71875, abs=1e-15)
    psi = [1.75, 0.125, 0.75, 0.25]
    squares = sum((x - 0.71875) ** 2 for x in psi)
    assert found.se == pytest.approx(math.sqrt(squares / 3 / 4), abs=1e-15)


def test_effective_sample_size_by_hand() -> None:
    assert effective_sample_size(WEIGHT) == pytest.approx(16 / 5.5)
    assert effective_sample_size(np.ones(7)) == 7
    assert effective_sample_size(np.zeros(3)) == 0


def test_intervals_are_196_standard_errors_wide() -> None:
    low, high = Estimate(1.0, 0.1).interval
    assert (low, high) == (pytest.approx(0.8040036), pytest.approx(1.1959964))


def test_clusters_by_hand() -> None:
    # Terms 1, 2 and 3, 6 in two clusters: mean 3, cluster sums about it −3 and +3.
    found = mean(np.array([1.0, 2.0, 3.0, 6.0]), np.array([5, 5, 9, 9]))
    assert found.value == 3
    assert found.se == pytest.approx(math.sqrt(2 / 1 * 18) / 4)


COLUMN = hnp.arrays(np.float64, 12, elements=st.floats(0.01, 10))


@given(COLUMN, COLUMN)
def test_clusters_of_one_row_are_no_clusters(reward: Floats, weight: Floats) -> None:
    each = np.arange(12)[::-1].copy()
    for estimator in (ips, snips):
        one, other = estimator(reward, weight), estimator(reward, weight, each)
        assert one.value == other.value
        assert one.se == pytest.approx(other.se, rel=1e-9, abs=1e-12)


@given(COLUMN, st.floats(0.1, 10), st.floats(-5, 5))
def test_snips_ignores_the_scale_of_weights_and_follows_a_shift_of_rewards(
    weight: Floats, scale: float, shift: float
) -> None:
    reward = np.arange(12.0)
    before = snips(reward, weight)
    scaled, shifted = snips(reward, weight * scale), snips(reward + shift, weight)
    assert scaled.value == pytest.approx(before.value, rel=1e-9)
    assert scaled.se == pytest.approx(before.se, rel=1e-9)
    assert shifted.value == pytest.approx(before.value + shift, rel=1e-9, abs=1e-9)
    assert shifted.se == pytest.approx(before.se, rel=1e-6)


@given(COLUMN)
def test_with_weights_of_one_all_are_the_mean_and_its_standard_error(reward: Floats) -> None:
    ones = np.ones(12)
    wanted = (reward.mean(), reward.std(ddof=1) / math.sqrt(12))
    for found in (
        ips(reward, ones),
        snips(reward, ones),
        doubly_robust(reward, ones, np.full(12, 0.3), np.full(12, 0.3)),
    ):
        assert (found.value, found.se) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def test_what_has_no_standard_error_is_refused() -> None:
    with pytest.raises(DataError, match="needs at least 2 rows, not 1"):
        ips(np.ones(1), np.ones(1))
    with pytest.raises(DataError, match="needs at least 2 clusters, not 1"):
        ips(np.ones(3), np.ones(3), np.zeros(3, np.int64))
    with pytest.raises(DataError, match="all importance weights are 0"):
        snips(np.ones(3), np.zeros(3))


class Simulation:
    """Two contexts, three artworks, known chances: 1,500 logs of 400 rows by a skewed policy."""

    chances = np.array([[0.2, 0.5, 0.8], [0.6, 0.3, 0.1]])
    logging = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
    target = np.array([[0.1, 0.2, 0.7], [0.5, 0.4, 0.1]])
    truth = float((chances * target).sum(axis=1).mean())
    logs, rows = 1500, 400

    def __init__(self) -> None:
        rng = np.random.default_rng(11)
        x = rng.integers(2, size=(self.logs, self.rows))
        cumulative = self.logging.cumsum(axis=1)[x]
        a = (rng.random((self.logs, self.rows, 1)) > cumulative).sum(axis=2)
        self.reward = (rng.random(x.shape) < self.chances[x, a]).astype(np.float64)
        self.weight = self.target[x, a] / self.logging[x, a]
        self.x, self.a = x, a


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return Simulation()


@pytest.mark.parametrize("name", ["ips", "snips", "dr", "dr with a wrong model"])
def test_estimates_are_unbiased_and_intervals_cover(simulation: Simulation, name: str) -> None:
    sim = simulation
    model = sim.chances if name == "dr" else 1 - sim.chances
    found = []
    for i in range(sim.logs):
        reward, weight = sim.reward[i], sim.weight[i]
        if name == "ips":
            found.append(ips(reward, weight))
        elif name == "snips":
            found.append(snips(reward, weight))
        else:
            logged = model[sim.x[i], sim.a[i]]
            target = (model * sim.target).sum(axis=1)[sim.x[i]]
            found.append(doubly_robust(reward, weight, logged, target))
    values = np.array([estimate.value for estimate in found])
    errors = np.array([estimate.se for estimate in found])
    spread = values.std(ddof=1)
    # Four standard errors of the mean of so many logs; SNIPS is biased by less than that here.
    assert abs(values.mean() - sim.truth) < 4 * spread / math.sqrt(sim.logs)
    assert errors.mean() == pytest.approx(spread, rel=0.08)
    inside = [low <= sim.truth <= high for low, high in (e.interval for e in found)]
    assert 0.93 < np.mean(inside) < 0.97


def test_a_right_reward_model_makes_doubly_robust_tighter(simulation: Simulation) -> None:
    sim = simulation
    target = (sim.chances * sim.target).sum(axis=1)[sim.x[0]]
    logged = sim.chances[sim.x[0], sim.a[0]]
    tight = doubly_robust(sim.reward[0], sim.weight[0], logged, target)
    assert tight.se < ips(sim.reward[0], sim.weight[0]).se
