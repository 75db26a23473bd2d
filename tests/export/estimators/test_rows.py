# SPDX-License-Identifier: Apache-2.0
"""Estimates of rows: formulas, and intervals that hold where rewards are rare."""

from __future__ import annotations

import numpy as np
import pytest

from edgeart_export.estimators import Rows, snips

CHANCE = 0.018
FLOOR = 0.012


def rare(rng: np.random.Generator, n: int = 4000, members: int = 800) -> Rows:
    """A log of a policy with a small floor, judged for one that always shows one artwork.

    Most often the logging policy shows another artwork, and then at the floor: few rows carry all
    of the weight, and few of those have a reward.
    """
    likely = rng.random(n) < 0.1
    propensity = np.where(likely, 1 - 5 * FLOOR, FLOOR)
    shown = rng.random(n) < propensity
    return Rows(
        weight=shown / propensity,
        reward=(rng.random(n) < CHANCE).astype(np.float64),
        of_shown=rng.normal(CHANCE, 0.003, n),
        of_target=rng.normal(CHANCE, 0.003, n),
        cluster=rng.integers(0, members, n),
    )


def test_intervals_hold_where_few_rows_carry_the_weight() -> None:
    rng = np.random.default_rng(7)
    held = {"snips": 0, "sndr": 0}
    for _ in range(400):
        rows = rare(rng)
        for name, terms in (("snips", rows.snips), ("sndr", rows.sndr)):
            low, high = terms.estimate().interval
            held[name] += low <= CHANCE <= high
    assert min(held.values()) >= 0.93 * 400


def test_squares_that_were_seen_alone_would_not_hold_there() -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        rows = rare(rng)
        low, high = snips(rows.reward, rows.weight, rows.cluster).interval
        held += low <= CHANCE <= high
    assert held < 0.9 * 400


def test_no_interval_is_shorter_than_the_clustered_one() -> None:
    rows = rare(np.random.default_rng(1))
    plain = snips(rows.reward, rows.weight, rows.cluster)
    found = rows.snips.estimate()
    assert found.value == pytest.approx(plain.value, rel=1e-12)
    assert found.se >= plain.se * (1 - 1e-9)


def test_with_much_data_both_errors_agree() -> None:
    rng = np.random.default_rng(2)
    n = 200_000
    propensity = np.full(n, 0.25)
    rows = Rows(
        weight=(rng.random(n) < propensity) / propensity,
        reward=(rng.random(n) < 0.3).astype(np.float64),
        of_shown=np.full(n, 0.3),
        of_target=np.full(n, 0.3),
        cluster=np.arange(n),
    )
    plain = snips(rows.reward, rows.weight, rows.cluster)
    assert rows.snips.estimate().se == pytest.approx(plain.se, rel=0.02)


def test_a_policy_does_not_differ_from_itself() -> None:
    rows = rare(np.random.default_rng(3))
    difference = rows.sndr.minus(rows.sndr).estimate()
    assert difference.value == 0
    assert difference.se == pytest.approx(0, abs=1e-15)


def test_rewards_of_one_member_that_come_together_widen_the_interval() -> None:
    rng = np.random.default_rng(4)
    members, each = 300, 40
    of_member = np.repeat(rng.random(members) < 0.3, each).astype(np.float64)
    together = Rows(
        weight=np.ones(members * each),
        reward=of_member,
        of_shown=np.full(members * each, 0.3),
        of_target=np.full(members * each, 0.3),
        cluster=np.repeat(np.arange(members), each),
    )
    apart = Rows(
        together.weight,
        rng.permutation(of_member),
        together.of_shown,
        together.of_target,
        together.cluster,
    )
    assert together.snips.estimate().se > 4 * apart.snips.estimate().se
