# SPDX-License-Identifier: Apache-2.0
"""Under any limits shares are those of a device; what may not be shown is said and counted."""

from __future__ import annotations

import dataclasses

import msgpack
import numpy as np
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
    FeatureSchema,
    Fixed,
    Greedy,
    Log,
    PolicyModel,
    Softmax,
    SquareCB,
    Thompson,
    Uniform,
    bundle_bytes,
    evaluate,
)
from edgeart_export.evaluate.shares import Defaults, Shares

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
