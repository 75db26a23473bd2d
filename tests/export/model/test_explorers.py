# SPDX-License-Identifier: Apache-2.0
"""Explorers refuse what a bundle would, and say which parameter and which range."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given

from edgeart_export import (
    EpsilonGreedy,
    Explorer,
    ExplorerError,
    Fixed,
    Greedy,
    Softmax,
    SquareCB,
    Thompson,
    Ucb,
    Uniform,
    parse_explorer,
)
from tests.support.explorers import EXPLORERS


@given(EXPLORERS)
def test_wire_form_is_kind_floor_parameters_without_minus_zero(explorer: Explorer) -> None:
    kind, floor, *parameters = explorer.wire()
    assert kind == explorer.kind
    assert floor == explorer.floor
    assert parameters == [*explorer.parameters.values()]
    assert all(math.copysign(1, x) == 1 for x in (floor, *parameters) if isinstance(x, float))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Greedy(floor=1.5), r"greedy: floor must be 0 to 1, not 1\.5"),
        (lambda: Greedy(floor=-0.1), "greedy: floor must be 0 to 1"),
        (lambda: Greedy(floor=math.nan), "greedy: floor must be 0 to 1, not nan"),
        (lambda: EpsilonGreedy(2), "epsilon_greedy: epsilon must be 0 to 1, not 2"),
        (lambda: Softmax(0), "softmax: temperature must be .* not 0"),
        (lambda: Softmax(math.inf), "softmax: temperature must be .* not inf"),
        (lambda: SquareCB(2.0**41), "squarecb: gamma must be 0 to"),
        (lambda: SquareCB("50"), "squarecb: gamma must be a number, not '50'"),
        (lambda: SquareCB(gamma=True), "squarecb: gamma must be a number, not True"),
        (lambda: Thompson(0), "thompson: scale must be .* not 0"),
        (lambda: Ucb(2**21), "ucb: scale must be .* not 2097152"),
        (Explorer, "Explorer is a base; use one of fixed,"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(
    make: Callable[[], Explorer], message: str
) -> None:
    with pytest.raises(ExplorerError, match=message):
        make()


def test_text_form_is_read_back() -> None:
    for explorer in (Fixed(), Greedy(floor=0.25), SquareCB(50.0, floor=0.002), Softmax(0.5)):
        assert parse_explorer(str(explorer)) == explorer
    assert parse_explorer("uniform") == Uniform()
    assert parse_explorer("thompson") == Thompson(1.0)
    assert parse_explorer("ucb:scale=2,floor=0.01") == Ucb(2.0, floor=0.01)


@given(EXPLORERS)
def test_json_form_is_read_back(explorer: Explorer) -> None:
    assert Explorer.from_json(json.loads(json.dumps(explorer.to_json()))) == explorer


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"kind": "best"}, "its kind must be one of fixed, uniform"),
        ("greedy", "describes no explorer"),
        ({"kind": "softmax"}, "describes no softmax: .*temperature"),
        ({"kind": "greedy", "gamma": 1}, "describes no greedy: .*gamma"),
        ({"kind": "greedy", "floor": 2}, "greedy: floor must be 0 to 1"),
    ],
)
def test_json_without_meaning_is_refused(described: object, message: str) -> None:
    with pytest.raises(ExplorerError, match=message):
        Explorer.from_json(described)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("best", "no explorer is called 'best'; use one of fixed, uniform, greedy"),
        ("squarecb", "squarecb: gamma is missing; write squarecb:gamma="),
        ("greedy:gamma=1", "greedy: cannot read 'gamma=1'; give each of floor"),
        ("greedy:floor", "greedy: cannot read 'floor'"),
        ("greedy:floor=.1,floor=.2", "greedy: cannot read 'floor=.2'; .* at most once"),
        ("greedy:floor=much", "greedy: floor must be a number, not 'much'"),
        ("greedy:floor=nan", "greedy: floor must be a number, not 'nan'"),
    ],
)
def test_text_without_meaning_is_refused_with_its_part(text: str, message: str) -> None:
    with pytest.raises(ExplorerError, match=message):
        parse_explorer(text)


def test_floor_of_a_title_is_at_most_an_even_share() -> None:
    assert Greedy(floor=0.05).floor_for(10) == 0.05
    assert Greedy(floor=0.05).floor_for(34) == 1 / 34
