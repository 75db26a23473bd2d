# SPDX-License-Identifier: Apache-2.0
"""Weights become signed bytes with scales (bundle.md §4, §6.1, `i8`), variances `e5m3` codes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LEAST = np.float32(2.0**-50)
BOUND = np.float32(2.0**20)
LEVELS = (127.0, *np.arange(112, 127, 0.25).tolist(), 127.25)
"""Candidates for what the largest |w| of a row is in units of its scale. Fewer cost more than luck
makes good; more than 127.5 would be cut off. The whole ones give rows of codes · scale their codes
back."""
_ROWS = 1024
"""Rows whose scales are sought together: what that needs stays in a processor's cache."""
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

    Symmetric: code = w / scale rounded half to even. The scale of a row is the one of LEVELS (the
    number its largest |w| becomes), or the least-squares factor of the codes that gave, with the
    smallest Σ (w − code · scale)²: which of them happens to lie well matters more than how fine
    they are, the more so the shorter a row is. No code is cut off, so that code · scale is within
    half a scale of w. A row whose scale would not be clean is all zero.
    """
    codes, scales = np.zeros(weights.shape, np.int8), np.zeros(len(weights), np.float32)
    for start in range(0, len(weights), _ROWS if weights.size else 1):
        part = slice(start, start + _ROWS)
        scales[part] = _scales(weights[part])
        codes[part] = _codes(weights[part], scales[part])
    return codes, scales


def squared_error(
    weights: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int8],
    scales: npt.NDArray[np.float32],
) -> npt.NDArray[np.float64]:
    """Σ (w − code · scale)² of each row, float64 [R]."""
    off = weights - codes * scales[:, None].astype(np.float64)
    found: npt.NDArray[np.float64] = np.einsum("ij,ij->i", off, off)
    return found


def _scales(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The best scale of each row."""
    largest = np.abs(weights).max(axis=1, initial=0)
    best = np.zeros(len(weights), np.float32)
    least = np.full(len(weights), np.inf)

    def consider(scales: npt.NDArray[np.float32], allowed: npt.NDArray[np.bool_]) -> None:
        scales = clean(scales)
        error = squared_error(weights, _codes(weights, scales), scales)
        better = allowed & (scales > 0) & (error < least)
        best[better], least[better] = scales[better], error[better]

    every = np.ones(len(weights), np.bool_)
    for level in LEVELS:
        consider((largest / np.float32(level)).astype(np.float32), every)
    codes = _codes(weights, best).astype(np.float64)
    squares = np.einsum("ij,ij->i", codes, codes)
    factor = np.einsum("ij,ij->i", codes, weights) / np.where(squares > 0, squares, 1)
    consider(factor.astype(np.float32), largest <= 127.5 * factor)
    return best


def _codes(
    weights: npt.NDArray[np.float32], scales: npt.NDArray[np.float32]
) -> npt.NDArray[np.int8]:
    divisor = np.where(scales > 0, scales, np.float32(1))[:, None].astype(np.float64)
    codes = np.rint(weights / divisor).clip(-127, 127)
    return np.where(scales[:, None] > 0, codes, 0).astype(np.int8)


def stable_rows(
    weights: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int8],
    scales: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """As `quantize_rows`, but staying with earlier codes [R, k] and scales [R] where they will do.

    A row keeps its scale while its largest |w| is 95.25 to 127.5 of it; 0 is the scale of a row
    that is new. Then a code is kept while the weight is within STABLE = .75 of a step of it
    (hysteresis): so a weight that moves little does not change the bundle. No weight is off by more
    than 1/127 of the row's largest; with codes of `quantize_rows` by at most half of 1/112.
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
