# SPDX-License-Identifier: Apache-2.0
"""Weights become signed bytes with scales (bundle.md §4, §6.1, `i8`), variances `e5m3` codes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LEAST = np.float32(2.0**-50)
BOUND = np.float32(2.0**20)
STABLE = 0.75
"""Steps by which a weight may be off its code before `stable_rows` gives it another."""


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


def stable_rows(
    weights: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int8],
    scales: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """As `quantize_rows`, but staying with earlier codes [R, k] and scales [R] where they will do.

    A row keeps its scale while that is at most a third larger than the one it would get now, and
    no weight is beyond what code 127 stands for; 0 is the scale of a row that is new. Then a code
    is kept while the weight is within STABLE = .75 of a step of it (hysteresis): so a weight that
    moves little does not change the bundle. No weight is off by more than one step of
    `quantize_rows`, whose own bound is half of one.
    """
    fresh, wanted = quantize_rows(weights)
    divisor = np.where(scales > 0, scales, np.float32(1)).astype(np.float64)
    largest = np.abs(weights).max(axis=1, initial=0) / divisor
    keep = (scales > 0) & (largest <= 127.5) & (largest >= 127 * STABLE)
    places = weights / divisor[:, None]
    nearest = np.rint(places).clip(-127, 127)
    held = np.where(np.abs(places - codes) <= STABLE, codes, nearest).astype(np.int8)
    return np.where(keep[:, None], held, fresh), np.where(keep, scales, wanted)


def quantize_layer(
    weights: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Codes int8 [inputs, outputs] and scales float32 [outputs] for a layer's clean weights.

    As `quantize_rows`, with a scale for each output.
    """
    codes, scales = quantize_rows(np.ascontiguousarray(weights.T))
    return np.ascontiguousarray(codes.T), scales


# The number of code 255; code c stands for (1 + (c mod 8)/8) · 2^(⌊c/8⌋ − 31).
_LARGEST = 1.875


def encode_variances(
    variances: npt.NDArray[np.float32],
    previous: tuple[npt.NDArray[np.uint8], float] | None = None,
) -> tuple[npt.NDArray[np.uint8], np.float32]:
    """Codes uint8 [R, k] and the one variance_scale for clean variances ≥ 0 (bundle.md §4.1).

    The scale lets the largest variance have the largest code; each variance gets the code whose
    number times the scale is nearest, the even one of two. What is less than half of the least
    number, 31 octaves below the largest, becomes 0.

    previous: codes (0 where there are none) and scale to stay with as `stable_rows` does. The scale
    is kept while it serves the largest variance as well, a code while its variance is within STABLE
    of a step of it.
    """
    largest = float(variances.max(initial=0))
    # Not below what is clean; nor 0, where all variances are: any factor serves them.
    scale = np.float32(max(largest / _LARGEST, float(LEAST))) if largest > 0 else np.float32(1)
    if previous is not None and 0.9375 <= largest / previous[1] <= _LARGEST:
        scale = np.float32(previous[1])
    numbers = variances.astype(np.float64) / float(scale)
    # 32 octaves of eight steps: below the first, 2^-31, steps go on evenly down to 0, though the
    # format has only their two ends, 0 and the number of code 1.
    octave = np.clip(np.frexp(numbers)[1] - 1, -31, 0)
    places = (np.ldexp(numbers, -octave) - 1) * 8 + 8 * (octave + 31)
    codes = np.rint(places)
    least = 1.125 * 2.0**-31
    codes = np.where(numbers < least, np.where(numbers > least / 2, 1, 0), codes)
    if previous is not None:
        old = previous[0].astype(np.float64)
        near = (old > 0) & (numbers >= least) & (np.abs(places - old) <= STABLE)
        codes = np.where(near, old, codes)
    return codes.clip(0, 255).astype(np.uint8), scale


def decode_variances(codes: npt.NDArray[np.uint8], scale: np.float32) -> npt.NDArray[np.float32]:
    """What codes stand for, as devices compute it: the code's binary32 times the scale."""
    bits = codes.astype(np.uint32) * np.uint32(2**20) + np.uint32(96 * 2**23)
    numbers = np.where(codes == 0, np.float32(0), bits.view(np.float32))
    product: npt.NDArray[np.float32] = (numbers * scale).astype(np.float32)
    return product


def relative_error(wanted: npt.NDArray[np.float32], got: npt.NDArray[np.float32]) -> float:
    """The largest |got − wanted| / |wanted| over the elements that are not 0; 0 without any."""
    known = wanted != 0
    w = wanted[known].astype(np.float64)
    return float((np.abs(got[known] - w) / np.abs(w)).max(initial=0))
