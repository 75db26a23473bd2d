# SPDX-License-Identifier: Apache-2.0
"""Layers against exact arithmetic and the library's tanh (decision.md §4.1)."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import sample, sample_format2
from tests.reference.arrays import Rows
from tests.reference.binary import bits32, round32, tiny
from tests.reference.bundle import open_bundle
from tests.reference.tower import LARGEST, Layer, before_activation, tanh, tower
from tests.reference.write import write

SEEDS = st.integers(0, 2**64 - 1)
WIDE = st.floats(-(2.0**19), 2.0**19, width=32).map(tiny)
NEAR = st.floats(-12, 12, width=32).map(tiny)


def layer(random_: random.Random, inputs: int) -> Layer:
    """A random layer as the reader gives it."""
    rows, activation = random_.choice(["f32", "i8"]), random_.choice(["identity", "relu", "tanh"])
    described = sample_format2.layer(random_, inputs, activation, rows)
    words = [f"{i}" for i in range(inputs - 1)]
    features = [["weights", "w", words]] if words else []
    return open_bundle(write({"features": features, "tower": [described]})).tower[0]


def inputs_of(random_: random.Random, count: int) -> list[float]:
    return [*(sample.clean(random_, 1.0) for _ in range(count - 1)), 1.0]


@settings(max_examples=1000)
@given(NEAR | WIDE)
def test_tanh_is_the_nearest_binary32_or_its_neighbour_at_a_tie(y: float) -> None:
    true = math.tanh(y)
    place = 2.0 ** (math.frexp(true)[1] - 24) if true else 0.0
    assert abs(tanh(y) - true) <= 0.5001 * place
    assert tanh(-y) == -tanh(y)
    assert abs(tanh(y)) <= 1


@given(st.integers(0, 2**20))
def test_tanh_is_seamless_where_its_pieces_meet(steps: int) -> None:
    low = 2.0**-6 - steps * 2.0**-30
    high = 2.0**-6 + steps * 2.0**-29
    assert tanh(low) <= tanh(2.0**-6) <= tanh(high)


@settings(max_examples=60)
@given(SEEDS)
def test_an_output_is_near_the_exact_one(seed: int) -> None:
    random_ = sample.seeded(seed)
    inputs = random_.randint(1, 40)
    its, x = layer(random_, inputs), inputs_of(random_, inputs)
    for o in range(its.outputs):
        terms = [Fraction(a) * Fraction(row[o]) for a, row in zip(x, its.weights, strict=True)]
        scale = Fraction(its.scales[o]) if its.scales else Fraction(1)
        exact = sum(terms) * scale + Fraction(its.bias[o])
        size = sum(map(abs, terms)) * scale + abs(Fraction(its.bias[o]))
        cut = min(max(exact, Fraction(-LARGEST)), Fraction(LARGEST))
        assert abs(Fraction(before_activation(its, x, o)) - cut) <= size * (inputs + 4) / 2**24


@settings(max_examples=60)
@given(SEEDS)
def test_every_output_is_clean_and_of_its_activation(seed: int) -> None:
    random_ = sample.seeded(seed)
    its, x = layer(random_, 12), inputs_of(random_, 12)
    for o, output in enumerate(tower([its], x)):
        y = before_activation(its, x, o)
        expected = {"identity": y, "relu": max(y, 0.0), "tanh": tanh(y)}[its.activation]
        assert output == tiny(expected)
        assert bits32(output) != bits32(-0.0)
        assert output == 0 or 2.0**-50 <= abs(output) <= LARGEST


@given(SEEDS)
def test_inputs_that_are_0_may_be_left_out(seed: int) -> None:
    random_ = sample.seeded(seed)
    its = layer(random_, 12)
    x = [random_.choice([0.0, element]) for element in inputs_of(random_, 12)]
    kept = [i for i, element in enumerate(x) if element]
    sparse = Layer(
        its.activation, its.outputs, its.rows, tuple(its.weights[i] for i in kept), its.scales,
        its.bias,
    )  # fmt: skip
    assert tower([sparse], [x[i] for i in kept]) == tower([its], x)


def one(activation: str, weights: Rows, bias: float, scales: tuple[float, ...] = ()) -> Layer:
    return Layer(activation, 1, "i8" if scales else "f32", weights, scales, (bias,))


@pytest.mark.parametrize(
    ("its", "x", "expected"),
    [
        (one("identity", ((2.0,), (0.5,)), 0.25), [1.5, 1.0], 3.75),
        (one("relu", ((2.0,), (-5.0,)), 0.25), [1.5, 1.0], 0.0),
        (one("relu", ((2.0,), (-1.0,)), 0.0), [0.5, 1.0], 0.0),
        (one("identity", ((127.0,), (-127.0,)), 0.5, (0.0,)), [1.0, 1.0], 0.5),
        (one("identity", ((-127.0,),), 0.0, (0.0,)), [1.0], 0.0),
        (one("identity", ((10.0,), (-3.0,)), 0.5, (0.25,)), [1.0, 2.0], 1.5),
        (one("identity", ((2.0**19,),), 2.0**19), [2.0], LARGEST),
        (one("tanh", ((-(2.0**19),),), -1.0), [2.0], -1.0),
        (one("identity", ((2.0**-50,),), 0.0), [0.5], 0.0),
        # In slot order: 2²⁴ + 1 is 2²⁴, then 1 comes too late.
        (one("identity", ((2.0**12,), (1.0,), (-(2.0**12),)), 0.0), [2.0**12, 1.0, 2.0**12], 0.0),
    ],
)
def test_small_layers_come_out_as_by_hand(its: Layer, x: list[float], expected: float) -> None:
    (output,) = tower([its], x)
    assert bits32(output) == bits32(round32(expected))


def test_layers_follow_one_another() -> None:
    double = one("identity", ((2.0,),), 0.5)
    assert tower([double, double, double], [1.0]) == [2 * (2 * 2.5 + 0.5) + 0.5]
    assert tower([], [0.5, 1.0]) == [0.5, 1.0]
