# SPDX-License-Identifier: Apache-2.0
"""Estimates as sums of ratios: clusters, differences and the bootstrap do what they say."""

from __future__ import annotations

import numpy as np
import pytest

from edgeart_export import DataError
from edgeart_export.estimators import (
    Rows,
    clipped_ips,
    direct_method,
    ips,
    replay,
    self_normalised_doubly_robust,
    snips,
)
from edgeart_export.estimators.terms import Groups, _student

NAMES = ("ips", "snips", "dr", "sndr", "dm", "replay")


def rows(seed: int, units: int = 200, each: int = 5, *, apart: bool = False) -> Rows:
    """Rows of units that differ in how much they play; apart: every row its own cluster."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(units), each)
    eager = rng.uniform(0.1, 0.9, units)[unit]
    n = len(unit)
    return Rows(
        weight=rng.uniform(0.2, 2.0, n),
        reward=(rng.random(n) < eager).astype(np.float64),
        of_shown=rng.uniform(0.3, 0.6, n),
        of_target=rng.uniform(0.3, 0.6, n),
        cluster=None if apart else unit * 1_000_003 - 7,
        likeliest=(rng.random(n) < 0.4).astype(np.float64),
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_term_is_what_leaving_its_cluster_out_changes(name: str) -> None:
    """ψ summed over a cluster is n times the change of V, to the first order in 1 / clusters."""
    found = rows(1)
    terms = getattr(found, name)
    sums = terms.groups.sums(terms.terms)
    for unit in (0, 37, 199):
        kept = found.take(np.repeat(np.arange(200), 5) != unit)
        change = terms.value - getattr(kept, name).value
        assert change * len(found) == pytest.approx(sums[unit], rel=0.1, abs=0.02)


def test_functions_and_rows_agree() -> None:
    found = rows(2)
    reward, weight, cluster = found.reward, found.weight, found.cluster
    assert found.likeliest is not None
    for one, other in (
        (ips(reward, weight, cluster), found.ips),
        (snips(reward, weight, cluster), found.snips),
        (clipped_ips(reward, weight, 0.8, cluster), found.clipped(0.8)),
        (replay(reward, found.likeliest, cluster), found.replay),
        (direct_method(found.of_target, cluster), found.dm),
        (
            self_normalised_doubly_robust(reward, weight, found.of_shown, found.of_target, cluster),
            found.sndr,
        ),
    ):
        assert one.value == pytest.approx(other.value, rel=1e-12)
        assert one.se == pytest.approx(other.seen().se, rel=1e-9)


def test_clipping_bounds_weights_from_above_alone() -> None:
    found = rows(3)
    by_hand = np.mean(np.minimum(found.weight, 0.8) * found.reward)
    assert found.clipped(0.8).value == pytest.approx(by_hand, rel=1e-12)
    assert found.clipped(100.0).value == pytest.approx(found.ips.value, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_bootstrap_and_the_delta_method_agree_on_many_clusters(name: str) -> None:
    terms = getattr(rows(4, units=1500), name)
    low, high = terms.bootstrap(seed=1)
    wide = terms.seen().interval
    assert low == pytest.approx(wide[0], abs=0.1 * (wide[1] - wide[0]))
    assert high == pytest.approx(wide[1], abs=0.1 * (wide[1] - wide[0]))


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(8, 2.3060), (10, 2.2281), (30, 2.0423), (120, 1.9799)]
)
def test_quantiles_of_students_t_are_those_of_the_tables(freedom: float, quantile: float) -> None:
    assert _student(freedom) == pytest.approx(quantile, abs=6e-4)


def test_the_bootstrap_leans_towards_the_long_tail_of_rare_rewards() -> None:
    rng = np.random.default_rng(3)
    reward = (rng.random(3000) < 0.01).astype(np.float64)
    terms = Rows(np.ones(3000), reward, np.zeros(3000), np.zeros(3000)).ips
    low, high = terms.bootstrap()
    assert high - terms.value > 1.1 * (terms.value - low)


def test_the_bootstrap_follows_from_its_seed() -> None:
    terms = rows(5).sndr
    assert terms.bootstrap(seed=1) == rows(5).sndr.bootstrap(seed=1)
    assert terms.bootstrap(seed=1) != terms.bootstrap(seed=2)


def test_the_bootstrap_draws_clusters_and_not_rows() -> None:
    together, apart = rows(6, units=300, each=20), rows(6, units=300, each=20, apart=True)
    wide, narrow = (np.diff(r.ips.bootstrap()).item() for r in (together, apart))
    assert wide > 1.8 * narrow


def test_more_clusters_than_bags_are_dealt_to_bags() -> None:
    many = rows(7, units=9000, each=2)
    assert many.groups.bags(many.reward).shape == (4096,)
    assert many.groups.bags(many.reward).sum() == pytest.approx(many.reward.sum())
    low, high = many.snips.bootstrap(resamples=500)
    wide = many.snips.seen().interval
    assert high - low == pytest.approx(wide[1] - wide[0], rel=0.15)


def test_a_paired_difference_is_surer_than_its_parts() -> None:
    one = rows(8)
    other = Rows(one.weight * 1.02, one.reward, one.of_shown, one.of_target + 0.001, one.cluster)
    for name in ("ips", "dr", "sndr"):
        apart = getattr(one, name).minus(getattr(other, name))
        assert apart.value == pytest.approx(
            getattr(one, name).value - getattr(other, name).value, abs=1e-12
        )
        assert apart.estimate().se < 0.2 * getattr(one, name).estimate().se


@pytest.mark.parametrize("cluster", [[5, 5, 9, 9, -3], [2**62, 2**62, 4, 4, 0], [1, 1, 2, 2, 0]])
def test_clusters_may_be_any_integers(cluster: list[int]) -> None:
    groups = Groups(np.array(cluster), 5)
    assert groups.count == 3
    assert sorted(groups.sums(np.array([1.0, 2.0, 10.0, 20.0, 100.0])).tolist()) == [3, 30, 100]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="3 clusters for 5 rows"):
        Groups(np.array([1, 2, 3]), 5)
    one = rows(9, units=1)
    with pytest.raises(DataError, match="needs at least 2 clusters, not 1"):
        one.ips.bootstrap()
    nothing = Rows(np.zeros(4), np.ones(4), np.zeros(4), np.zeros(4), likeliest=np.zeros(4))
    with pytest.raises(DataError, match="there is nothing to replay"):
        _ = nothing.replay.value
    with pytest.raises(DataError, match="all importance weights are 0"):
        _ = nothing.sndr.value
    with pytest.raises(DataError, match="which rows show the policy's likeliest artwork"):
        _ = Rows(np.ones(4), np.ones(4), np.zeros(4), np.zeros(4)).replay


def test_effective_numbers_by_hand() -> None:
    found = Rows(
        weight=np.array([2.0, 2.0, 1.0, 1.0]),
        reward=np.array([1.0, 0.0, 0.0, 0.0]),
        of_shown=np.zeros(4),
        of_target=np.zeros(4),
        cluster=np.array([1, 1, 2, 3]),
    )
    # Σw² = 10, Σw³ = 18; cluster sums 4, 1, 1.
    assert found.effective_rewarded == pytest.approx(1000 / 324 / 4)
    assert found.effective_clusters == pytest.approx(36 / 18)
    alike = Rows(np.ones(8), np.ones(8), np.zeros(8), np.zeros(8))
    assert alike.effective_rewarded == pytest.approx(8)
    none = Rows(np.zeros(3), np.ones(3), np.zeros(3), np.zeros(3))
    assert none.effective_rewarded == 0


def test_days_can_be_joined_and_rows_taken() -> None:
    one, two = rows(10), rows(11)
    joined = Rows.joined([one, two])
    assert len(joined) == 2000
    again = joined.take(np.arange(1000))
    for name in ("snips", "sndr", "replay"):
        assert getattr(again, name).value == pytest.approx(getattr(one, name).value, rel=1e-12)
    plain = Rows(two.weight, two.reward, two.of_shown, two.of_target)
    assert Rows.joined([one, plain]).cluster is None
