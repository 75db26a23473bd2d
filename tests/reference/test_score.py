# SPDX-License-Identifier: Apache-2.0
"""The reference's binary32 arithmetic against exact rational numbers (decision.md §4)."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tests.reference.binary import bits32, from_bits32, is_clean, round32, tiny
from tests.reference.score import quantise, score_f32, score_i8

CLEAN = st.floats(-1000, 1000, width=32).map(tiny)
U = st.lists(CLEAN, max_size=40).map(lambda x: [*x, 1.0])


def nearest32(x: Fraction) -> float:
    """The binary32 nearest to x by exact arithmetic alone, for |x| in the normal range."""
    if x == 0:
        return 0.0
    exponent = 0
    while abs(x) / Fraction(2) ** exponent >= 2**24:
        exponent += 1
    while abs(x) / Fraction(2) ** exponent < 2**23:
        exponent -= 1
    return float(round(x / Fraction(2) ** exponent) * Fraction(2) ** exponent)


@given(CLEAN, CLEAN)
def test_rounding_twice_is_rounding_once(a: float, b: float) -> None:
    assert round32(a * b) == nearest32(Fraction(a) * Fraction(b))
    assert round32(a + b) == nearest32(Fraction(a) + Fraction(b))
    if b:
        assert round32(a / b) == nearest32(Fraction(a) / Fraction(b))


@given(st.integers(0, 2**32 - 1))
def test_clean_is_zero_or_between_the_two_powers(bits: int) -> None:
    x = from_bits32(bits)
    assert is_clean(bits) == (bits == 0 or 2.0**-50 <= abs(x) < 2.0**20)


def test_tiny_leaves_one_zero_only() -> None:
    assert bits32(tiny(-0.0)) == bits32(tiny(2.0**-51)) == bits32(tiny(-(2.0**-51))) == 0
    assert tiny(2.0**-50) == 2.0**-50


@given(U, st.data())
def test_an_f32_score_is_near_the_exact_one(u: list[float], data: st.DataObject) -> None:
    weights = data.draw(st.lists(CLEAN, min_size=len(u), max_size=len(u)))
    bias = data.draw(CLEAN)
    row = weights + [0.0] * (-len(u) % 8)
    exact = sum(Fraction(a) * Fraction(w) for a, w in zip(u, weights, strict=True))
    size = sum(abs(a * w) for a, w in zip(u, weights, strict=True)) + abs(bias)
    score = score_f32(u, row, bias)
    assert abs(score - (exact + Fraction(bias))) <= Fraction(size) * 16 / 2**24
    assert bits32(score) != bits32(-0.0)


def test_the_lanes_are_added_as_a_tree_and_not_from_left_to_right() -> None:
    # 2¹⁰ + 2⁻¹⁴ is 2¹⁰ again: only an order that adds 2¹⁰ and −2¹⁰ first keeps both small ones.
    u = [1.0] * 8
    row = [2.0**10, 0.0, 2.0**-14, 0.0, -(2.0**10), 0.0, 2.0**-14, 0.0]
    assert score_f32(u, row, 0.0) == 2.0**-13


@given(U)
def test_quantised_u_stays_within_127_and_half_a_step(u: list[float]) -> None:
    q, sigma = quantise(u)
    assert all(-127 <= code <= 127 for code in q)
    assert max(map(abs, q)) == 127
    assert all(abs(code * sigma - x) <= sigma * 0.50001 for code, x in zip(q, u, strict=True))


def test_quantising_rounds_halves_to_even() -> None:
    assert quantise([127.0, 0.5, 1.5, 2.5, -0.5, -1.5]) == ([127, 0, 2, 2, 0, -2], 1.0)
    assert quantise([0.0, 0.0]) == ([0, 0], 0.0)


@given(U, st.data())
def test_an_i8_score_is_near_the_exact_one(u: list[float], data: st.DataObject) -> None:
    codes = data.draw(st.lists(st.integers(-127, 127), min_size=len(u), max_size=len(u)))
    scale = data.draw(st.sampled_from([0.0, 2.0**-50, 0.01, 3.0]).map(round32))
    q, sigma = quantise(u)
    score = score_i8(q, sigma, codes, scale, 0.0)
    exact = sum(a * b for a, b in zip(q, codes, strict=True)) * Fraction(sigma) * Fraction(scale)
    assert abs(score - exact) <= abs(exact) / 2**22
    assert bits32(score) != bits32(-0.0)
