# SPDX-License-Identifier: Apache-2.0
"""Laws of the explorers and the accuracy of exp (decision.md §5)."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.binary import round32
from tests.reference.explore import TOTAL, integers
from tests.reference.exponential import exp
from tests.reference.features import Explorer

SCORES = st.lists(
    st.floats(-(2.0**20), 2.0**20, width=32).map(lambda x: x + 0.0), min_size=1, max_size=256
)
FLOORS = st.one_of(st.sampled_from([0.0, 1.0, 2.0**-31, 0.05]), st.floats(0.0, 1.0))
EXPLORERS = st.one_of(
    st.builds(Explorer, st.sampled_from(["fixed", "uniform", "greedy"]), FLOORS),
    st.builds(Explorer, st.just("epsilon_greedy"), FLOORS, st.floats(0.0, 1.0)),
    st.builds(Explorer, st.just("softmax"), FLOORS, st.floats(2.0**-20, 2.0**20)),
    st.builds(Explorer, st.just("squarecb"), FLOORS, st.floats(0.0, 2.0**40)),
)


def units_in_last_place(got: float, x: float) -> float:
    """How far got is from exp(x), in units of exp(x)'s last place."""
    with localcontext() as context:
        context.prec = 60
        true = Decimal(x).exp()
        return float(abs(Decimal(got) - true) / Decimal(math.ulp(float(true))))


@given(st.floats(-64.0, 0.0))
def test_exp_is_within_two_units_in_the_last_place(x: float) -> None:
    assert units_in_last_place(exp(x), x) <= 2


def test_exp_holds_at_the_edges_of_its_pieces() -> None:
    assert exp(0.0) == exp(-0.0) == 1.0
    assert exp(-64.0) > 0.0
    assert exp(math.nextafter(-64.0, -math.inf)) == 0.0
    for k in range(92):
        edge = -(k + 0.5) * math.log(2)
        for x in (edge, math.nextafter(edge, 0.0), math.nextafter(edge, -math.inf)):
            assert units_in_last_place(exp(x), x) <= 2


@given(EXPLORERS, SCORES)
def test_the_integers_add_up_and_keep_the_floor(explorer: Explorer, scores: list[float]) -> None:
    n = integers(explorer, scores)
    assert sum(n) == TOTAL
    floor = min(Fraction(explorer.floor), Fraction(1, len(scores)))
    assert all(Fraction(value, TOTAL) > floor - Fraction(1, TOTAL) for value in n)


@given(EXPLORERS, SCORES)
def test_a_better_score_never_has_less(explorer: Explorer, scores: list[float]) -> None:
    n = integers(explorer, scores)
    best = scores.index(max(scores))
    anchor = 0 if explorer.kind in ("fixed", "uniform") else best
    assert n[anchor] == max(n)
    others = [value for _, value in sorted((scores[i], n[i]) for i in range(len(n)) if i != anchor)]
    # Where two pieces of exp meet, its last bit may step the wrong way.
    slack = 1 if explorer.kind == "softmax" else 0
    assert all(low <= high + slack for low, high in pairwise(others))


@given(SCORES, FLOORS)
def test_uniform_is_even_to_a_rounding(scores: list[float], floor: float) -> None:
    n = integers(Explorer("uniform", floor), scores)
    assert max(n[1:], default=0) - min(n[1:], default=0) == 0
    assert all(abs(value - TOTAL // len(n)) <= len(n) for value in n)


@given(SCORES, FLOORS, st.floats(0.0, 2.0**40))
def test_squarecb_follows_its_formula(scores: list[float], floor: float, gamma: float) -> None:
    n = integers(Explorer("squarecb", floor, gamma), scores)
    best, count = scores.index(max(scores)), len(scores)
    least = min(math.floor(floor * TOTAL), TOTAL // count)
    for i in set(range(count)) - {best}:
        gap = Fraction(scores[best]) - Fraction(scores[i])
        exact = least + (TOTAL - count * least) / (count + Fraction(gamma) * gap)
        assert abs(n[i] - exact) < 1.001


@given(
    st.lists(st.floats(-30, 30, width=32).map(round32), min_size=1, max_size=20),
    st.floats(0.5, 100.0),
)
def test_softmax_follows_its_formula(scores: list[float], temperature: float) -> None:
    n = integers(Explorer("softmax", 0.0, temperature), scores)
    best = scores.index(max(scores))
    terms = [math.exp((score - scores[best]) / temperature) for score in scores]
    for i in set(range(len(n))) - {best}:
        assert abs(n[i] - TOTAL * terms[i] / sum(terms)) < 1.001


@pytest.mark.parametrize(
    ("explorer", "scores", "expected"),
    [
        (Explorer("greedy", 0.0), [1.0, 2.0, 2.0], [0, TOTAL, 0]),
        (Explorer("fixed", 0.0), [1.0, 2.0, 2.0], [TOTAL, 0, 0]),
        (Explorer("uniform", 0.0), [1.0, 2.0, 2.0], [715827884, 715827882, 715827882]),
        (Explorer("greedy", 0.25), [1.0, 2.0], [TOTAL // 4, TOTAL * 3 // 4]),
        (Explorer("greedy", 1.0), [1.0, 2.0, 3.0], [715827882, 715827882, 715827884]),
        (Explorer("epsilon_greedy", 0.0, 0.5), [5.0, 1.0], [TOTAL * 3 // 4, TOTAL // 4]),
        (Explorer("squarecb", 0.0, 4.0), [2.0, 1.5], [TOTAL * 3 // 4, TOTAL // 4]),
        (Explorer("softmax", 0.0, 1.0), [0.0], [TOTAL]),
    ],
)
def test_small_cases_come_out_as_by_hand(
    explorer: Explorer, scores: list[float], expected: list[int]
) -> None:
    assert integers(explorer, scores) == expected
