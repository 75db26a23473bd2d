# SPDX-License-Identifier: Apache-2.0
"""Checks the columns of a batch whole, and value by value only where a column breaks a rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .errors import BatchError

Unsigned = npt.NDArray[np.uint64]

MOST_AT = 2**45
"""Milliseconds an event may lie after its segment's start: about 1,100 years. Such a number and
any believable wall clock add up within the years that timestamps can name."""

_F32_MOST = float(np.finfo(np.float32).max)
_NAMES: dict[type, str] = {
    bool: "boolean",
    bytes: "bin",
    dict: "map",
    float: "float",
    list: "list",
    str: "string",
    type(None): "nil",
}


@dataclass(frozen=True)
class Kind:
    """The rule of a column.

    arrow: the type it becomes. kinds: the types its values have, as MessagePack is read.
    holds: whether one value of such a type obeys. whole: the same of a column, which is already
    known to fit `arrow`. instead: what stands in the place of a value that does not, until its row
    is taken out.
    """

    wanted: str
    arrow: pa.DataType
    kinds: frozenset[type]
    holds: Callable[[Any], bool]
    instead: object
    whole: Callable[[pa.Array], bool] = lambda _: True


def unsigned(bits: int, *, least: int = 0, most: int | None = None, or_nil: bool = False) -> Kind:
    """An unsigned integer of so many bits, within bounds."""
    arrow = {8: pa.uint8(), 32: pa.uint32(), 64: pa.uint64()}[bits]
    limit = 2**bits - 1 if most is None else most
    exact = most is None and least == 0

    def whole(column: pa.Array) -> bool:
        if exact or len(column) == 0:
            return True
        bounds = pc.min_max(column).as_py()
        return bool(least <= bounds["min"] and bounds["max"] <= limit)

    return _with_nil(
        Kind(
            f"an unsigned integer from {least} to {limit}",
            arrow,
            frozenset({int}),
            lambda value: least <= value <= limit,
            least,
            whole,
        ),
        or_nil=or_nil,
    )


def text(*, or_nil: bool = False) -> Kind:
    """A string of valid UTF-8."""
    kind = Kind("a string of valid UTF-8", pa.string(), frozenset({str}), _is_utf8, "")
    return _with_nil(kind, or_nil=or_nil)


def binary(*, size: int | None = None, most: int | None = None, or_nil: bool = False) -> Kind:
    """Bytes: exactly `size` of them, or at most `most`."""

    def holds(value: bytes) -> bool:
        return len(value) == size if size is not None else most is None or len(value) <= most

    def whole(column: pa.Array) -> bool:
        if most is None or len(column) == column.null_count:
            return True
        return bool(pc.max(pc.binary_length(column)).as_py() <= most)

    if size is not None:
        wanted, arrow, instead = f"a bin of {size} bytes", pa.binary(size), bytes(size)
    else:
        wanted = "a bin" if most is None else f"a bin of at most {most} bytes"
        arrow, instead = pa.binary(), b""
    kind = Kind(wanted, arrow, frozenset({bytes}), holds, instead, whole)
    return _with_nil(kind, or_nil=or_nil)


def amount() -> Kind:
    """A finite float 32, 0 or more."""
    return Kind(
        "a finite float 32 from 0 on",
        pa.float32(),
        frozenset({float}),
        lambda value: math.isfinite(value) and 0 <= value <= _F32_MOST,
        0.0,
        lambda column: bool(np.all(np.isfinite(column.to_numpy()) & (column.to_numpy() >= 0))),
    )


def _with_nil(kind: Kind, *, or_nil: bool) -> Kind:
    if not or_nil:
        return kind
    return Kind(
        f"nil or {kind.wanted}",
        kind.arrow,
        kind.kinds | {type(None)},
        lambda value: value is None or kind.holds(value),
        None,
        kind.whole,
    )


def _is_utf8(value: str) -> bool:
    # Bytes that are no UTF-8 were read as lone surrogates, which nothing valid contains.
    return not any("\ud800" <= character <= "\udfff" for character in value)


class Rows:
    """The events of one list of a batch: their sequences, and what is wrong with which.

    sequences: uint64 [rows]. errors: index of a row → the first error found in it.
    """

    def __init__(self, place: str, sequences: Unsigned) -> None:
        self.place = place
        self.sequences = sequences
        self.errors: dict[int, str] = {}

    def refuse(self, index: int, error: str) -> None:
        """Takes a row out; the first error is the one that is told."""
        self.errors.setdefault(index, error)

    def column(self, name: str, values: Sequence[Any], kind: Kind) -> pa.Array:
        """The column in Arrow; rows whose value breaks the rule are refused."""
        if set(map(type, values)) <= kind.kinds:
            try:
                column = pa.array(values, kind.arrow)
            except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
                pass  # at least one value does not fit: found below, by its row
            else:
                if kind.whole(column):
                    return column
        kept = []
        for index, value in enumerate(values):
            if type(value) in kind.kinds and kind.holds(value):
                kept.append(value)
                continue
            self.refuse(index, f"{self.place}.{name}: {_described(value, kind)}")
            kept.append(kind.instead)
        return pa.array(kept, kind.arrow)


def _described(value: object, kind: Kind) -> str:
    # The type alone: a value may be a member's, and answers and logs hold no member data.
    if type(value) in kind.kinds:
        return f"not {kind.wanted}"
    return f"{type_name(value)}, not {kind.wanted}"


def type_name(value: object) -> str:
    """MessagePack's name for the type of a value."""
    if type(value) is int:
        return "integer" if value >= 0 else "negative integer"
    return _NAMES.get(type(value), "ext")


def sequences_of(differences: object, place: str, first: int, last: int) -> Unsigned:
    """Sequences from differences: uint64 [rows], strictly ascending within the batch's range.

    Raises BatchError where they are anything else: no answer by ranges could then be right.
    """
    steps = _integers(differences, f"{place}.sequence", 2**32)
    sequences = np.cumsum(steps)
    if len(steps) and (steps[0] < 0 or (steps[1:] < 1).any()):
        raise BatchError(422, f"{place}.sequence: does not strictly ascend")
    return within(sequences.astype(np.uint64), place, first, last)


def within(sequences: Unsigned, place: str, first: int, last: int) -> Unsigned:
    """The sequences themselves, if they lie in the range. Raises BatchError if not."""
    outside = np.flatnonzero((sequences < first) | (sequences > last))
    if len(outside):
        raise BatchError(
            422, f"{place}: element {outside[0]} lies outside the batch's range {first} to {last}"
        )
    return sequences


def times_of(differences: object, rows: Rows) -> npt.NDArray[np.int64]:
    """Milliseconds since the segment's start from differences: int64 [rows]."""
    steps = _integers(differences, f"{rows.place}.at", MOST_AT)
    if len(steps) != len(rows.sequences):
        raise BatchError(422, unequal(rows.place, "at", len(steps), len(rows.sequences)))
    times = np.cumsum(steps)
    for index in np.flatnonzero((times < 0) | (times > MOST_AT)):
        rows.refuse(int(index), f"{rows.place}.at: not from 0 to {MOST_AT}")
        times[index] = 0
    return times


def _integers(values: object, place: str, most: int) -> npt.NDArray[np.int64]:
    """A list of integers, none further than `most` from 0, so that their sum cannot overflow."""
    if type(values) is not list:
        raise BatchError(422, f"{place}: {type_name(values)}, not a list")
    odd = set(map(type, values)) - {int}
    if odd:
        index = next(i for i, value in enumerate(values) if type(value) is not int)
        raise BatchError(422, f"{place}[{index}]: {type_name(values[index])}, not an integer")
    if values and (max(values) > most or min(values) < -most):
        raise BatchError(422, f"{place}: a difference is further from 0 than {most}")
    return np.array(values, dtype=np.int64)


def unequal(place: str, name: str, got: int, wanted: int) -> str:
    """The message for a column of another length than the first."""
    return f"{place}.{name}: {got} elements where sequence has {wanted}"
