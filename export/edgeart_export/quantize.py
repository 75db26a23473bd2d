# SPDX-License-Identifier: Apache-2.0
"""Rows of binary32 weights become signed bytes with one scale a row (bundle.md §4, `i8`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LEAST = np.float32(2.0**-50)
BOUND = np.float32(2.0**20)


def clean(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """`values` with everything below 2⁻⁵⁰ in magnitude, −0 too, as +0 (bundle.md §1).

    What is too large or not finite stays and is for the caller to refuse.
    """
    return np.where(np.abs(values) < LEAST, np.float32(0), values).astype(np.float32)


def quantize_rows(
    weights: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Codes int8 [R, k] in −127…127 and scales float32 [R] for clean weights [R, k].

    Symmetric: scale = max |w| / 127 of the row, code = w / scale rounded half to even, so that
    code · scale is within half a scale of w. A row whose scale would not be clean is all zero.
    """
    if weights.size == 0:
        return np.zeros(weights.shape, np.int8), np.zeros(len(weights), np.float32)
    scales = clean((np.abs(weights).max(axis=1) / np.float32(127)).astype(np.float32))
    divisor = np.where(scales > 0, scales, np.float32(1))[:, None].astype(np.float64)
    codes = np.rint(weights / divisor).clip(-127, 127)
    return np.where(scales[:, None] > 0, codes, 0).astype(np.int8), scales
