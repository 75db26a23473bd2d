# SPDX-License-Identifier: Apache-2.0
"""Quantised rows stay within half a step of the weights and keep bundle.md's rules."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeart_export.quantize import clean, quantize_rows

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
def test_the_largest_weight_of_a_row_gets_the_largest_code(
    weights: npt.NDArray[np.float32],
) -> None:
    codes, scales = quantize_rows(clean(weights))
    for row, scale in zip(codes, scales, strict=True):
        assert np.abs(row).max() == (127 if scale > 0 else 0)


def test_cleaning_takes_what_is_tiny_and_minus_zero_to_zero() -> None:
    least = np.float32(2.0**-50)
    below = np.nextafter(least, np.float32(0))
    given_ = np.array([least, -least, below, -below, -0.0, 1e-45], np.float32)
    assert clean(given_).tolist() == [least, -least, 0, 0, 0, 0]
    assert not np.signbit(clean(given_)[2:]).any()
