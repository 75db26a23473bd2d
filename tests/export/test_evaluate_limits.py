# SPDX-License-Identifier: Apache-2.0
"""Policies are judged under the limits that held for each logged call, as devices keep to them."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import msgpack
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeart
from edgeart_export import (
    CallLimits,
    Category,
    DataError,
    EpsilonGreedy,
    Explorer,
    Exposures,
    FeatureSchema,
    Fixed,
    GivenModel,
    Greedy,
    Log,
    PolicyModel,
    Softmax,
    SquareCB,
    Thompson,
    Uniform,
    bundle_bytes,
    evaluate,
    promote,
)
from edgeart_export.evaluate import propensities
from edgeart_export.evaluate_shares import Defaults, Shares, rows_of
from edgeart_export.exposures_usable import usable
from edgeart_export.rewards import Prediction
from tests.support.limited_world import COUNTRIES, LIMITS, TITLES, LimitedWorld, model, opened

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
        chooser = edgeart.Selector(CANDIDATE, None, unit=unit.to_bytes(8, "big"), secret=bytes(32))
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


def test_a_promotion_sees_the_gain_under_limits() -> None:
    world = LimitedWorld(units=4000, lift=0.25)
    candidate, incumbent = world.policies
    gain = world.value(candidate) - world.value(incumbent)
    table = world.exposures(1)
    found = promote(candidate, incumbent, loaded(table), lambda _: GivenModel(world.models[1]))
    for name in ("snips", "sndr"):
        own = found.last.gains["incumbent", name]
        assert own.interval is not None
        assert own.interval[0] <= gain <= own.interval[1]
        assert own.better
    assert found.verdict in ("yes", "undecided")
    assert found.limited["candidate"].rows == pytest.approx(len(table) / 2, abs=10)
    assert {*found.limited} == {"candidate", "incumbent", "unpersonalised"}
    told = json.loads(json.dumps(found.to_json()))
    assert told["limited"]["incumbent"] == told["limited"]["candidate"]
    blind = table.drop_columns(["denied", "required", "forbidden", "candidates"])
    doubtful = promote(candidate, incumbent, loaded(blind), lambda _: GivenModel(world.models[1]))
    assert doubtful.verdict == "doubt"


def test_a_candidate_that_would_not_serve_half_of_the_calls_is_not_promoted() -> None:
    """What it shows of the others may be better: nobody asked for a language that it knows."""
    world = LimitedWorld(units=1500, lift=0.25)
    _, incumbent = world.policies
    given, table = GivenModel(world.models[1]), world.exposures(2)
    bare = opened(model("row", 3, 11, ["hdr", "mature"]))
    found = promote(bare, incumbent, loaded(table), lambda _: given)
    assert [night.verdict for night in found.looks] == ["doubt"] * 4
    assert re.match(
        r"the candidate may show nothing in (2,9\d\d|3,000) of [56],\d+ calls",
        found.last.reasons[0],
    )
    # Where it is the incumbent that serves less, the candidate may take its place.
    other = promote(incumbent, bare, loaded(table), lambda _: given)
    assert not any("may show nothing" in reason for reason in other.last.reasons)


# Any limits at all.

NAMES = ("a", "b", "c", "d", "e")
EXPLORERS: tuple[Explorer, ...] = (
    Fixed(),
    Uniform(),
    Greedy(floor=0.05),
    Greedy(),
    EpsilonGreedy(0.2),
    Softmax(0.3),
    SquareCB(gamma=5.0),
    Thompson(floor=0.01),
)
KNOWN = ("x", "y")


def drawn(explorer: Explorer, masks: list[int]) -> edgeart.Policy:
    """Titles t and u of five and of two artworks with these masks over x and y."""
    rng, schema = np.random.default_rng(3), FeatureSchema([Category("c", ["p", "q"])])
    built = PolicyModel(
        *("p", 4, schema, {"t": NAMES, "u": NAMES[:2]}),
        rng.normal(0, 0.4, (7, schema.width)).astype(np.float32),
        np.zeros(7, np.float32),
        explorer,
        variance=rng.uniform(0.01, 0.1, (7, schema.width)).astype(np.float32),
        attributes=list(KNOWN),
        masks=np.array(masks, np.uint32),
    )
    return edgeart.Policy.from_bytes(bundle_bytes(built))


some = st.frozensets(st.sampled_from([*NAMES, "gone"]))
attributes = st.frozensets(st.sampled_from([*KNOWN, "z"]), max_size=2)
call_limits = st.builds(CallLimits, some, attributes, attributes, st.none() | some)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(EXPLORERS),
    st.lists(st.integers(0, 3), min_size=7, max_size=7),
    st.lists(
        st.tuples(st.sampled_from("pq"), st.sampled_from("tu"), st.none() | call_limits),
        min_size=1,
        max_size=12,
    ),
    st.booleans(),
)
def test_shares_under_limits_are_those_of_a_device(
    explorer: Explorer,
    masks: list[int],
    rows: list[tuple[str, str, CallLimits | None]],
    keep: bool,  # noqa: FBT001 - drawn
) -> None:
    policy = drawn(explorer, masks)
    contexts = {c: msgpack.packb({"c": c}) for c in "pq"}
    log = Log(
        [contexts[c] for c, _, _ in rows],
        [title for _, title, _ in rows],
        ["a"] * len(rows),
        np.zeros(len(rows)),
        np.ones(len(rows)),
        limits=[call for _, _, call in rows],
    )
    shares = Shares(policy, keep=keep)
    shares.of(log)
    found, default = shares.of(log), Defaults(policy).of(log)
    for title, prediction in found.items():
        for place, row in enumerate(prediction.rows.tolist()):
            c, _, call = rows[row]
            values = prediction.values[place]
            wanted, first = by_selector(policy, c, title, call)
            assert dict(zip(prediction.artworks, values.tolist(), strict=True)) == wanted
            assert values.sum() == pytest.approx(0 if first is None else 1, abs=1e-15)
            shown = default[title].values[place]
            assert shown.tolist() == [float(a == first) for a in prediction.artworks]


def by_selector(
    policy: edgeart.Policy, c: str, title: str, call: CallLimits | None
) -> tuple[dict[str, float], str | None]:
    """Shares of a title's artworks as a device has them, and its choice without a context.

    The shares are `Policy.propensities` under the very limits that a Selector puts to it, and what
    it shows is among them with the propensity that it says.
    """
    chooser = edgeart.Selector(policy, None, unit=b"u", secret=bytes(32))
    chooser.set_context({"c": c})
    candidates = None
    if call is not None:
        chooser.set_limits(
            denied={title: call.denied}, required=call.required, forbidden=call.forbidden
        )
        candidates = None if call.candidates is None else sorted(call.candidates)
    decision = chooser.select(title, candidates=candidates)
    shares = dict.fromkeys(policy.artworks(title), 0.0)
    if call is not None and not call.required | call.forbidden <= {*KNOWN}:
        assert decision.artwork is None
        assert chooser.errors == {"limits": 1}
        return shares, None
    limits = None
    if call is not None:
        has = shares.keys()
        limits = policy.limits(
            denied={title: call.denied & has},
            required=call.required,
            forbidden=call.forbidden,
            candidates=None if call.candidates is None else {title: call.candidates & has},
        )
    shares |= policy.propensities(policy.context({"c": c}, seed=1), title, limits=limits)
    if decision.artwork is None:
        assert (decision.reason, sum(shares.values())) == ("none", 0)
    else:
        assert decision.propensity == shares[decision.artwork]
    return shares, policy.fallback(title, limits=limits).artwork


# What cannot be judged, and what is said of it.


def small_log(*calls: CallLimits | None, artwork: str = "a") -> Log:
    count = len(calls)
    return Log(
        [{"c": "p"}] * count,
        ["t"] * count,
        [artwork] * count,
        np.arange(count) % 2.0,
        np.full(count, 0.2),
        cluster=np.arange(count),
        limits=calls,
    )


def test_an_artwork_that_the_policy_may_not_show_has_weight_0_and_is_counted() -> None:
    # a has x, all others have nothing: under required x only a is left.
    policy = drawn(Greedy(floor=0.1), [1, 0, 0, 0, 0, 1, 0])
    call = CallLimits(forbidden=frozenset({"x"}))
    found = evaluate(policy, small_log(call, None, None, call))
    assert found.limited.to_json() == {"rows": 2, "ineligible": 2, "nothing": 0}
    assert (found.weights == 0).tolist() == [True, False, False, True]
    assert found.rows == 4


@pytest.mark.parametrize(
    "call",
    [
        CallLimits(required=frozenset({"z"})),  # an attribute that the bundle does not know
        CallLimits(required=frozenset({"y"})),  # one that no artwork has
        CallLimits(denied=frozenset(NAMES)),
        CallLimits(candidates=frozenset({"gone"})),
    ],
)
def test_where_nothing_may_be_shown_there_is_no_estimate_and_it_is_counted(
    call: CallLimits,
) -> None:
    policy = drawn(EpsilonGreedy(0.5), [0] * 7)
    log = small_log(None, call, None, call, None)
    found = evaluate(policy, log, group="c")
    alone = evaluate(policy, log.take(np.array([0, 2, 4])), group="c")
    assert found.limited.to_json() == {"rows": 2, "ineligible": 0, "nothing": 2}
    assert found.rows == 3
    assert found.snips == alone.snips
    assert found.mean_weight == alone.mean_weight
    assert found.clip == alone.clip
    told = found.groups["p"]
    assert told is not None
    assert told.estimates == alone.overall.estimates
    with pytest.raises(DataError, match="may show nothing of what was logged under the limits"):
        evaluate(policy, small_log(call, call))


def test_limits_that_say_nothing_are_none() -> None:
    assert not CallLimits()
    assert CallLimits(candidates=frozenset())
    assert CallLimits(denied=frozenset({"a"}))


def test_replay_has_an_interval_where_all_candidates_were_shown_alike_under_each_limits() -> None:
    call = CallLimits(denied=frozenset({"a", "b"}))
    rng, count = np.random.default_rng(1), 6000
    limits = [None if i % 2 else call for i in range(count)]
    artworks = [str(rng.choice([*(NAMES if i % 2 else NAMES[2:])])) for i in range(count)]
    log = Log(
        [{"c": "p"}] * count,
        ["t"] * count,
        artworks,
        rng.integers(0, 2, count).astype(np.float64),
        np.where(np.arange(count) % 2, 1 / 5, 1 / 3),
        limits=limits,
    )
    liked = drawn(Greedy(), [0] * 7)
    assert evaluate(liked, log).overall.interval("replay") is not None
    assert evaluate(liked, dataclasses.replace(log, limits=None)).overall.interval("replay") is None
