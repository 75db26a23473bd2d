# SPDX-License-Identifier: Apache-2.0
"""Checks the columns of a batch whole, and value by value only where a column breaks a rule.

Whole means: by functions that run over a list without coming back to Python for each value. The
lists become Arrow later, those of all batches of a group at once, because making an Arrow array
costs as much as a hundred of its values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import Any

from .errors import BatchError

MOST_AT = 2**45
"""Milliseconds an event may lie after its segment's start: about 1,100 years. Such a number and
any believable wall clock add up within the years that timestamps can name."""

_F32_MOST = (2 - 2**-23) * 2.0**127
_NIL: type = type(None)
_NAMES: dict[type, str] = {
    bool: "boolean",
    bytes: "bin",
    dict: "map",
    float: "float",
    list: "list",
    str: "string",
    _NIL: "nil",
}


@dataclass(frozen=True)
class Kind:
    """The rule of a column.

    kinds: the types its values have, as MessagePack is read. whole: whether a list of values of
    these types obeys, nil aside. instead: what stands in the place of a value that does not, until
    its row is taken out.
    """

    wanted: str
    kinds: frozenset[type]
    whole: Callable[[Sequence[Any]], bool]
    instead: object

    def or_nil(self) -> Kind:
        """The same rule, for a column that may have nil."""
        wanted = f"nil or {self.wanted}"
        return replace(self, wanted=wanted, kinds=self.kinds | {_NIL}, instead=None)

    def holds(self, values: Sequence[Any]) -> bool:
        """Whether all values obey."""
        kinds = set(map(type, values))
        if not kinds <= self.kinds:
            return False
        if _NIL in kinds:
            values = [value for value in values if value is not None]
        return not values or self.whole(values)


def unsigned(bits: int, *, least: int = 0, most: int | None = None) -> Kind:
    """An unsigned integer of so many bits, within bounds."""
    limit = 2**bits - 1 if most is None else most
    return Kind(
        f"an unsigned integer from {least} to {limit}",
        frozenset({int}),
        lambda values: least <= min(values) and max(values) <= limit,
        least,
    )


def text() -> Kind:
    """A string of valid UTF-8."""
    return Kind("a string of valid UTF-8", frozenset({str}), _are_utf8, "")


def binary(*, size: int | None = None, most: int = 2**32 - 1) -> Kind:
    """Bytes: exactly `size` of them, or at most `most`."""
    if size is not None:
        wanted, sizes = f"a bin of {size} bytes", {size}
        return Kind(
            wanted, frozenset({bytes}), lambda values: set(map(len, values)) == sizes, bytes(size)
        )
    wanted = f"a bin of at most {most} bytes"
    return Kind(wanted, frozenset({bytes}), lambda values: max(map(len, values)) <= most, b"")


def either(wanted: str, *kinds: Kind) -> Kind:
    """One of several rules, which have no type in common; instead: that of the first."""

    def whole(values: Sequence[Any]) -> bool:
        groups = [[value for value in values if type(value) in kind.kinds] for kind in kinds]
        return all(kind.holds(group) for kind, group in zip(kinds, groups, strict=True))

    return Kind(wanted, frozenset().union(*(k.kinds for k in kinds)), whole, kinds[0].instead)


def texts(*, most: int) -> Kind:
    """A list of at most so many strings of valid UTF-8."""
    return Kind(
        f"a list of at most {most} strings of valid UTF-8",
        frozenset({list}),
        lambda values: (
            max(map(len, values)) <= most and text().holds([*chain.from_iterable(values)])
        ),
        [],
    )


def amount() -> Kind:
    """A finite float 32, 0 or more."""
    return Kind(
        "a finite float 32 from 0 on",
        frozenset({float}),
        # NaN first: among others it would make min and max depend on the order.
        lambda values: (
            all(map(math.isfinite, values)) and min(values) >= 0 and max(values) <= _F32_MOST
        ),
        0.0,
    )


def _are_utf8(values: Sequence[str]) -> bool:
    # Bytes that are no UTF-8 were read as lone surrogates, which cannot be encoded.
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return False
    return True


class Rows:
    """The events of one list of a batch: their sequences, and what is wrong with which.

    place: the list's name in the batch. errors: index of a row → the first error found in it.
    """

    def __init__(self, place: str, sequences: list[int]) -> None:
        self.place = place
        self.sequences = sequences
        self.errors: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.sequences)

    def refuse(self, index: int, error: str) -> None:
        """Takes a row out; the first error is the one that is told."""
        self.errors.setdefault(index, error)

    def column(self, name: str, values: Sequence[Any], kind: Kind) -> Sequence[Any]:
        """The values, fit for Arrow; rows whose value breaks the rule are refused."""
        if kind.holds(values):
            return values
        kept = []
        for index, value in enumerate(values):
            holds = kind.holds((value,))
            if not holds:
                self.refuse(index, f"{self.place}.{name}: {_described(value, kind)}")
            kept.append(value if holds else kind.instead)
        return kept


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


def sequences_of(differences: object, place: str, first: int, last: int) -> list[int]:
    """Sequences from differences, strictly ascending within the batch's range.

    Raises BatchError where they are anything else: no answer by ranges could then be right.
    """
    steps = _integers(differences, f"{place}.sequence", 2**32)
    if steps and (steps[0] < 0 or min(steps[1:], default=1) < 1):
        raise BatchError(422, f"{place}.sequence: does not strictly ascend")
    return within(list(accumulate(steps)), place, first, last)


def within(sequences: list[int], place: str, first: int, last: int) -> list[int]:
    """The sequences themselves, if they lie in the range. Raises BatchError if not."""
    if sequences and (min(sequences) < first or max(sequences) > last):
        index = next(i for i, each in enumerate(sequences) if not first <= each <= last)
        raise BatchError(
            422, f"{place}: element {index} lies outside the batch's range {first} to {last}"
        )
    return sequences


def times_of(differences: object, rows: Rows) -> Sequence[int]:
    """Milliseconds since the segment's start from differences."""
    steps = _integers(differences, f"{rows.place}.at", MOST_AT)
    if len(steps) != len(rows):
        raise BatchError(422, unequal(rows, "at", len(steps)))
    return rows.column("at", list(accumulate(steps)), AT)


AT = unsigned(64, most=MOST_AT)


def _integers(values: object, place: str, most: int) -> list[int]:
    """A list of integers, none further than `most` from 0."""
    if type(values) is not list:
        raise BatchError(422, f"{place}: {type_name(values)}, not a list")
    if not set(map(type, values)) <= {int}:
        index = next(i for i, value in enumerate(values) if type(value) is not int)
        raise BatchError(422, f"{place}[{index}]: {type_name(values[index])}, not an integer")
    if values and (max(values) > most or min(values) < -most):
        raise BatchError(422, f"{place}: a difference is further from 0 than {most}")
    return values


def unequal(rows: Rows, name: str, got: int) -> str:
    """The message for a column of another length than that of the sequences."""
    return f"{rows.place}.{name}: {got} elements where sequence has {len(rows)}"
