# SPDX-License-Identifier: Apache-2.0
"""Policies are judged under the limits that held for each logged call, as devices keep to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import msgpack
import numpy as np
import pyarrow as pa
import pytest

import edgeart
from edgeart_export import (
    CallLimits,
    Exposures,
    GivenModel,
    Log,
    evaluate,
)
from edgeart_export.evaluate import propensities
from edgeart_export.evaluate.reward_models import Prediction
from edgeart_export.evaluate.shares import rows_of
from edgeart_export.exposures.usable import usable
from tests.support.limited_world import COUNTRIES, LIMITS, TITLES, LimitedWorld

CANDIDATE, INCUMBENT = LimitedWorld().policies
LOGS = 16


def loaded(table: pa.Table) -> Exposures:
    exposures = Exposures()
    exposures.add(table)
    return exposures


def log_of(world: LimitedWorld, seed: int) -> Log:
    exposures = loaded(world.exposures(seed))
    return exposures.take(usable(exposures, world.policies).rows)


# A world in which half of the calls are limited.


@pytest.fixture(scope="module")
def logs() -> list[Log]:
    return [log_of(LimitedWorld(), seed) for seed in range(LOGS)]


def test_under_limits_estimates_hold_the_truth_and_without_them_they_do_not(
    logs: list[Log],
) -> None:
    world = LimitedWorld()
    truth, judge = world.value(CANDIDATE), GivenModel(world.models[1])
    found = [evaluate(CANDIDATE, log, reward_model=judge) for log in logs]
    for name in ("snips", "sndr", "ips", "dr"):
        estimates = [each.overall.estimates[name] for each in found]
        held = sum(low <= truth <= high for low, high in (e.interval for e in estimates))
        assert held >= LOGS - 3, name
        mean = float(np.mean([e.value for e in estimates]))
        error = float(np.sqrt(np.mean([e.se**2 for e in estimates]) / LOGS))
        assert abs(mean - truth) < 3.5 * error, name
    weight = [each.mean_weight for each in found]
    error = float(np.sqrt(np.mean([w.se**2 for w in weight]) / LOGS))
    assert abs(float(np.mean([w.value for w in weight])) - 1) < 3.5 * error
    assert all(each.mean_weight_holds for each in found)
    assert [each.limited.rows for each in found] == [
        sum(call is not None for call in log.limits or ()) for log in logs
    ]
    assert min(each.limited.rows for each in found) > 2900
    assert {each.limited.ineligible for each in found} == {0}

    blind = [evaluate(CANDIDATE, dataclasses.replace(log, limits=None)) for log in logs]
    assert not any(each.mean_weight_holds for each in blind)
    assert sum(low <= truth <= high for low, high in (e.snips.interval for e in blind)) <= 3
    assert all(each.mean_weight.value < 0.9 for each in blind)


def test_a_policy_that_logged_under_limits_gets_weight_1_everywhere(logs: list[Log]) -> None:
    found = evaluate(INCUMBENT, logs[0])
    assert np.abs(found.weights - 1).max() < 1e-12
    assert found.snips.value == pytest.approx(float(logs[0].reward.mean()), rel=1e-12)


def test_the_truth_is_what_devices_show() -> None:
    """`LimitedWorld.value` against what the candidate's own Selectors choose."""
    world = LimitedWorld()
    shares, shown = world.shares(CANDIDATE), np.zeros((2, 3, 4, 6))
    for unit in range(3000):
        chooser = edgeart.Selector(
            CANDIDATE,
            None,
            unit=unit.to_bytes(8, "big"),
            secret=bytes(32),
            clock=lambda: 0,  # what is drawn changes with the epoch
        )
        chooser.set_context({"country": ("DE", "US", "BR")[unit // 2 % 3]})
        if unit % 2:
            chooser.set_limits(**LIMITS)
        for t, decision in enumerate(chooser.page(list(TITLES))):
            place = TITLES[decision.title].index(str(decision.artwork))
            at = unit % 2, unit // 2 % 3, t, place
            shown[at] += 1
            assert decision.propensity == shares[at]
    often = shown / 500
    assert np.abs(often - shares).max() < 5 * np.sqrt(0.25 / 500)
    assert (often[shares == 0] == 0).all()
    assert (shares[1] == 0).any()


class Told:
    """A reward model that knows the chances of the world."""

    def __init__(self, world: LimitedWorld) -> None:
        self.world = world

    def predict(self, log: Log) -> dict[str, Prediction]:
        """The chances of every artwork for the rows of a log."""
        assert log.limits is not None
        found = {}
        for t, (title, artworks) in enumerate(TITLES.items()):
            rows = np.flatnonzero([each == title for each in log.title])
            values = [
                self.world.chances[
                    int(log.limits[row] is not None), COUNTRIES.index(country_of(log, row)), t
                ]
                for row in rows.tolist()
            ]
            found[title] = Prediction(rows, artworks, np.array(values))
        return found


def country_of(log: Log, row: int) -> str:
    values = log.contexts[row]
    assert isinstance(values, bytes)
    return str(msgpack.unpackb(values)["country"])


@pytest.mark.parametrize("policy", [CANDIDATE, INCUMBENT], ids=["candidate", "incumbent"])
def test_the_model_alone_is_right_where_it_knows_the_truth(policy: edgeart.Policy) -> None:
    """DM is Σ π q̂ with π under each call's limits: with the true q̂ there is nothing left to err."""
    world = LimitedWorld(units=60)
    exposures = loaded(world.exposures(1))
    exposures.know([INCUMBENT])
    log = exposures.log(np.arange(len(exposures)))
    found = evaluate(policy, log, reward_model=Told(world))
    assert found.overall.estimates["dm"].value == pytest.approx(world.value(policy), abs=1e-12)


def every_outcome(policy: edgeart.Policy) -> Iterator[tuple[dict[str, Any], float]]:
    """Each row that the incumbent may log, and with which probability it does."""
    for country in ("DE", "US", "BR"):
        context = policy.context({"country": country}, seed=0)
        for title in TITLES:
            for call, limits in CALLS:
                shares = policy.propensities(context, title, limits=limits)
                for artwork, share in shares.items():
                    if share > 0:
                        row = {"context": {"country": country}, "title": title, "call": call}
                        yield row | {"artwork": artwork, "propensity": share}, share


CALLS = [
    (None, None),
    (
        CallLimits(required=frozenset({"de"}), forbidden=frozenset({"mature"})),
        INCUMBENT.limits(required=["de"], forbidden=["mature"]),
    ),
]


@pytest.mark.parametrize("limited", [True, False])
def test_the_expected_weight_is_1_to_the_last_digit_where_limits_are_applied(
    limited: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    rows, share = zip(*every_outcome(INCUMBENT), strict=True)
    log = Log(
        [row["context"] for row in rows],
        [row["title"] for row in rows],
        [row["artwork"] for row in rows],
        np.zeros(len(rows)),
        np.array(share),
        limits=[row["call"] for row in rows] if limited else None,
    )
    expected = np.array(share) * rows_of(log, propensities(CANDIDATE, log), None).weight
    of_call = {}
    for call in (None, CALLS[1][0]):
        mine = np.array([row["call"] == call for row in rows])
        of_call[call is not None] = float(expected[mine].sum()) / (3 * len(TITLES))
    assert of_call[False] == pytest.approx(1, abs=1e-12)
    if limited:
        assert of_call[True] == pytest.approx(1, abs=1e-12)
    else:
        assert of_call[True] < 0.9
