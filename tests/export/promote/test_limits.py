# SPDX-License-Identifier: Apache-2.0
"""A promotion is decided under the limits of calls, and only where the candidate serves them."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pytest

from edgeart_export import (
    Exposures,
    GivenModel,
    promote,
)
from tests.support.limited_world import LimitedWorld, model
from tests.support.models import opened

CANDIDATE, INCUMBENT = LimitedWorld().policies


def loaded(table: pa.Table) -> Exposures:
    exposures = Exposures()
    exposures.add(table)
    return exposures


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
