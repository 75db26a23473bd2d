# SPDX-License-Identifier: Apache-2.0
"""Quantised rows stay within half a step of the weights and keep bundle.md's rules."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeart_export.quantize import (
    LEAST,
    clean,
    decode_variances,
    encode_variances,
    quantize_layer,
    quantize_rows,
    relative_error,
    squared_error,
)

WEIGHTS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(0, 5), st.integers(1, 9)),
    elements=st.floats(-(2.0**19), 2.0**19, width=32),
)


@given(WEIGHTS)
def test_codes_and_scales_follow_the_format(weights: npt.NDArray[np.float32]) -> None:
    weights = clean(weights)
    codes, scales = quantize_rows(weights)
    assert codes.dtype == np.int8
    assert scales.dtype == np.float32
    assert codes.min(initial=0) >= -127
    assert np.array_equal(scales, clean(scales))
    assert (scales >= 0).all()
    back = codes * scales[:, None].astype(np.float64)
    # A row too small for a clean scale becomes zero; it is below 127 · 2⁻⁵⁰.
    step = np.where(scales > 0, scales, np.float32(2 * 127 * 2.0**-50))[:, None]
    assert (np.abs(back - weights) <= step * 0.50001).all()


@given(WEIGHTS)
def test_the_largest_weight_of_a_row_gets_one_of_the_largest_codes(
    weights: npt.NDArray[np.float32],
) -> None:
    codes, scales = quantize_rows(clean(weights))
    for row, scale in zip(codes, scales, strict=True):
        assert scale == 0 or 111 <= np.abs(row).max() <= 127
        assert scale != 0 or not row.any()


@given(WEIGHTS)
def test_no_row_is_worse_than_with_its_largest_weight_at_127(
    weights: npt.NDArray[np.float32],
) -> None:
    weights = clean(weights)
    plain = clean((np.abs(weights).max(axis=1, initial=0) / np.float32(127)).astype(np.float32))
    divisor = np.where(plain > 0, plain, 1).astype(np.float64)[:, None]
    codes = np.rint(weights / divisor).clip(-127, 127).astype(np.int8)
    before = squared_error(weights, codes, plain)
    after = squared_error(weights, *quantize_rows(weights))
    assert ((after <= before) | (plain == 0)).all()


def test_the_scale_with_the_least_squared_error_is_found() -> None:
    """At 127 the row (1, 0.512) becomes 127 and 65.024; at 125 it is 125 and 64, exactly."""
    weights = np.array([[1.0, 0.512]], np.float32)
    codes, scales = quantize_rows(weights)
    assert codes.tolist() == [[125, 64]]
    assert scales[0] == np.float32(1 / 125)


def test_rows_of_trained_sizes_lose_a_fifth_of_the_squared_error() -> None:
    weights = np.random.default_rng(7).normal(0, 0.05, (3000, 32)).astype(np.float32)
    plain = (np.abs(weights).max(axis=1) / np.float32(127)).astype(np.float32)
    codes = np.rint(weights / plain[:, None].astype(np.float64)).astype(np.int8)
    before = squared_error(weights, codes, plain).sum()
    assert squared_error(weights, *quantize_rows(weights)).sum() <= 0.8 * before


@given(hnp.arrays(np.int8, (3, 6), elements=st.integers(-127, 127)))
def test_rows_that_codes_stand_for_get_no_error(codes: npt.NDArray[np.int8]) -> None:
    weights = codes.astype(np.float32) / np.float32(1024)
    large = np.abs(codes.astype(int)).max(axis=1) >= 112
    error = squared_error(weights, *quantize_rows(weights))
    assert (error[large] == 0).all()


def test_cleaning_takes_what_is_tiny_and_minus_zero_to_zero() -> None:
    least = np.float32(2.0**-50)
    below = np.nextafter(least, np.float32(0))
    given_ = np.array([least, -least, below, -below, -0.0, 1e-45], np.float32)
    assert clean(given_).tolist() == [least, -least, 0, 0, 0, 0]
    assert not np.signbit(clean(given_)[2:]).any()


@given(WEIGHTS)
def test_a_layer_has_a_scale_for_each_output(weights: npt.NDArray[np.float32]) -> None:
    weights = clean(weights)
    codes, scales = quantize_layer(weights)
    by_output, wanted = quantize_rows(weights.T)
    assert codes.shape == weights.shape
    assert np.array_equal(codes, by_output.T)
    assert np.array_equal(scales, wanted)


VARIANCES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(0, 5), st.integers(1, 9)),
    elements=st.floats(0, 2.0**20, width=32, exclude_max=True),
)


@given(VARIANCES)
def test_a_variance_is_off_by_at_most_a_sixteenth(variances: npt.NDArray[np.float32]) -> None:
    variances = clean(variances)
    codes, scale = encode_variances(variances)
    assert codes.dtype == np.uint8
    assert scale.dtype == np.float32
    assert np.float32(2.0**-50) <= scale < np.float32(2.0**20)
    back = decode_variances(codes, scale)
    assert np.isfinite(back).all()
    assert (back[variances == 0] == 0).all()
    # What is 31 octaves below the largest, and the first step above it, goes to a neighbour.
    kept = variances >= scale * np.float32(1.125 * 2.0**-31)
    assert relative_error(variances[kept], back[kept]) <= 1 / 16
    assert (back[~kept] <= scale * np.float32(1.125 * 2.0**-31)).all()


def test_every_code_stands_for_its_number_and_is_given_for_it() -> None:
    """bundle.md §4.1, word for word: (1 + m/8)·2^(e − 31); 0 for code 0."""
    numbers = [0.0] + [(1 + c % 8 / 8) * 2.0 ** (c // 8 - 31) for c in range(1, 256)]
    variances = np.array([numbers], np.float32)
    codes, scale = encode_variances(variances)
    assert scale == 1
    assert codes.tolist() == [[*range(256)]]
    assert decode_variances(codes, scale).tolist() == [numbers]


def test_a_variance_gets_the_nearest_code() -> None:
    rng = np.random.default_rng(5)
    variances = np.exp2(rng.uniform(-31, 0, (1, 2000))).astype(np.float32) * np.float32(1.875)
    variances[0, 0] = 1.875
    codes, scale = encode_variances(variances)
    every = decode_variances(np.arange(256, dtype=np.uint8), scale).astype(np.float64)
    nearest = np.abs(every[:, None] - variances[0]).min(axis=0)
    got = np.abs(decode_variances(codes, scale)[0].astype(np.float64) - variances[0])
    assert np.array_equal(got, nearest)


def test_the_least_variances_keep_a_clean_scale() -> None:
    for value in (0.0, LEAST):
        codes, scale = encode_variances(np.full((1, 1), value, np.float32))
        assert scale >= LEAST
        assert decode_variances(codes, scale)[0, 0] == value
