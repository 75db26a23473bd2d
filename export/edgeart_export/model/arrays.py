# SPDX-License-Identifier: Apache-2.0
"""Arrays of a model, checked: right shape, real, finite, bounded; copied, cleaned and constant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..errors import ModelError
from ..quantize import BOUND, clean


def numbers(
    what: str,
    values: object,
    shape: tuple[int, ...],
    meaning: str,
    place: Callable[[tuple[int, ...]], str],
    remedy: str = "rescale it",
) -> npt.NDArray[np.float32]:
    """`values` as a read-only array of clean binary32 (bundle.md §1).

    what: its name; meaning: the shape in words; place: says where an index lies; remedy: what to do
    about numbers too large. All four are for the message. Raises ModelError.
    """
    try:
        given = np.asarray(values)
    except ValueError as error:
        raise ModelError(f"{what} must be an array of shape {shape}: {error}") from None
    if given.dtype.kind not in "fiu":
        raise ModelError(f"{what}: real numbers are needed, not {given.dtype}")
    with np.errstate(over="ignore"):  # what overflows is refused below, with its place
        array = given.astype(np.float32)
    if array.shape != shape:
        raise ModelError(f"{what} has shape {array.shape}; {meaning} is {shape}")
    unfit = ~(np.abs(array) < BOUND)
    if unfit.any():
        value = array[tuple(np.argwhere(unfit)[0])]
        raise ModelError(
            f"{what} must be finite and below 2**20 in magnitude, not {value}: "
            f"{first(unfit, place)}; {remedy}"
        )
    array = clean(array)
    array.setflags(write=False)
    return array


def first(marked: npt.NDArray[np.bool_], place: Callable[[tuple[int, ...]], str]) -> str:
    """Where the first marked element lies, and how many more there are."""
    found = np.argwhere(marked)
    others = len(found) - 1
    return place(tuple(found[0].tolist())) + (f" (and {others} more)" if others else "")
