# SPDX-License-Identifier: Apache-2.0
"""The reference's binary32 arithmetic against exact rational numbers (decision.md §4)."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.reference.binary import bits32, from_bits32, is_clean, round32, tiny
from tests.reference.bundle import open_bundle
from tests.reference.score import quantise, score_f32, score_i8, variance_of, variances
from tests.reference.write import write

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


def test_codes_of_variances_are_their_formula() -> None:
    numbers = [variance_of(code) for code in range(256)]
    assert numbers[0] == 0.0
    for code in range(1, 256):
        assert numbers[code] == (1 + code % 8 / 8) * 2.0 ** (code // 8 - 31)
        assert is_clean(bits32(numbers[code]))
    assert sorted(numbers) == numbers
    # Between two neighbours a number is rounded by at most a sixteenth of itself.
    for low, high in pairwise(numbers[1:]):
        assert (high - low) / 2 <= (low + high) / 2 / 16


def uncertain(u: list[float], codes: list[int], scale: float) -> float:
    """The variance of one row's score."""
    features = [["weights", "w", [f"{i}" for i in range(len(u) - 1)]]] if u[1:] else []
    description = {
        "features": features, "titles": {"t": ["a"]}, "weights": [[0.0] * len(u)],
        "variance": {"codes": [codes], "scale": scale},
    }  # fmt: skip
    found = variances(open_bundle(write(description)), u)
    assert found is not None
    return found[0]


@given(U, st.data())
def test_a_variance_is_near_the_exact_one(u: list[float], data: st.DataObject) -> None:
    codes = data.draw(st.lists(st.integers(0, 255), min_size=len(u), max_size=len(u)))
    scale = data.draw(st.sampled_from([2.0**-50, 0.01, 1.0, 1000.0]).map(round32))
    exact = sum(
        Fraction(a) * Fraction(a) * Fraction(variance_of(code))
        for a, code in zip(u, codes, strict=True)
    ) * Fraction(scale)
    variance = uncertain(u, codes, scale)
    lost = len(u) * 2.0**-50 * scale + 2.0**-50  # squares and the result below 2⁻⁵⁰
    assert abs(variance - exact) <= exact * 16 / 2**24 + Fraction(lost)
    assert variance == 0 or variance >= 2.0**-50


def test_a_variance_comes_out_as_by_hand() -> None:
    # 0.5²·2⁰ + 1²·2⁻¹, twice; code 248 is 2⁰, 240 is 2⁻¹.
    assert uncertain([0.5, 1.0], [248, 240], 2.0) == 1.5
    assert uncertain([2.0**-25, 0.0], [248, 255], 1.0) == 2.0**-50
    assert uncertain([2.0**-26, 0.0], [255, 255], 1.0) == 0.0
    assert uncertain([1.0], [0], 1000.0) == 0.0


def test_a_policy_without_variances_has_none() -> None:
    assert variances(open_bundle(write({"format": 2})), [1.0]) is None
