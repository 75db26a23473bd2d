# SPDX-License-Identifier: Apache-2.0
"""The normal distribution in binary32 against the library's functions (decision.md §5.2)."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import exponential
from tests.reference.binary import bits32, round32, tiny
from tests.reference.exponential import FARTHEST, bell, normal

DISTANCES = st.floats(0, FARTHEST, width=32).map(tiny)


def phi(z: float) -> float:
    a = min(abs(z), FARTHEST)
    return normal(z, a, bell(a))


def true_phi(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


@settings(max_examples=1000)
@given(DISTANCES)
def test_the_bell_is_the_exponential_to_a_part_in_800_000(a: float) -> None:
    # a² / 2 up to 32 in binary32 is off by 2⁻²⁰ and so, relatively, is its exponential.
    assert abs(bell(a) / math.exp(-a * a / 2) - 1) <= 1.25e-6


def test_the_bell_is_one_in_the_middle_and_no_subnormal_at_the_end() -> None:
    assert bell(0.0) == 1.0
    assert 2.0**-47 < bell(FARTHEST) < 2.0**-46


@settings(max_examples=1000)
@given(DISTANCES)
def test_the_distribution_function_is_near_the_true_one(z: float) -> None:
    # 7.5·10⁻⁸ is the approximation's own error; the rest is the rounding of its seven steps.
    assert abs(phi(z) - true_phi(z)) <= 3e-7
    assert abs(phi(-z) - true_phi(-z)) <= 3e-7


@pytest.mark.parametrize("z", [i / 64 for i in range(6 * 64)])
def test_a_small_probability_is_right_to_half_a_percent(z: float) -> None:
    assert abs(phi(-z) / true_phi(-z) - 1) <= 5e-3


@given(DISTANCES)
def test_both_sides_add_up_to_one(z: float) -> None:
    if z:
        assert abs(phi(z) + phi(-z) - 1) <= 2.0**-24
    assert 0 <= phi(-z) <= 0.5000001
    assert bits32(phi(-z)) != bits32(-0.0)


def test_the_distribution_function_ends_where_its_argument_is_cut_off() -> None:
    assert phi(100.0) == phi(8.0) == 1.0
    assert phi(-100.0) == phi(-8.0) == 0.0
    assert phi(-7.99) == 0.0  # below 2⁻⁵⁰
    assert phi(-7.0) > 0.0


def test_the_constants_are_binary32_and_those_of_the_handbook() -> None:
    published = [0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429]
    for ours, theirs in zip(exponential.B_32, published, strict=True):
        assert ours == round32(theirs / math.sqrt(2 * math.pi))
    assert round32(0.2316419) == exponential.P_32
    assert round32(1 / math.log(2)) == exponential.LOG2_E_32
    split = Fraction(exponential.LN2_HIGH_32) + Fraction(exponential.LN2_LOW_32)
    assert abs(float(split) - math.log(2)) < 2.0**-44
    for j, ours in enumerate(exponential.COEFFICIENTS_32):
        exact = Fraction(1, math.factorial(j))
        neighbours = [ours, math.nextafter(ours, 0), ours * (1 + 2.0**-23), ours * (1 - 2.0**-23)]
        assert min(neighbours, key=lambda x: abs(Fraction(x) - exact)) in (ours, neighbours[1])
        assert round32(ours) == ours
