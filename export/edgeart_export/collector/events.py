# SPDX-License-Identifier: Apache-2.0
"""What the events of a batch consist of, and their lists turned into columns of landing tables."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from operator import gt
from typing import Any

from .columns import (
    AT,
    Kind,
    Rows,
    amount,
    binary,
    either,
    text,
    texts,
    times_of,
    type_name,
    unequal,
    unsigned,
)
from .errors import BatchError
from .wire import bodies

TOTAL = 2**31
"""n and total of decision.md §5: a propensity is n / total."""

CONTEXT, IMPRESSION, OUTCOME, LOST = 1, 2, 3, 4

# Fields after kind and `at`, in the order of feedback.md §4.
_CONTEXT: dict[str, Kind] = {
    "policy": text(),
    "policy_sequence": unsigned(64),
    "digest": binary(size=16),
    "map": binary(most=65_536),
    "seed": unsigned(64),
    "unit_epoch": unsigned(64),
    # A number where the device wrote revision 1 of the format.
    "cell": either("a string of valid UTF-8", text(), unsigned(32)).or_nil(),
    "denied": binary().or_nil(),
    "subject": text().or_nil(),
}
_CONTEXT_LATER: dict[str, tuple[Kind, object]] = {  # with what holds where they are left out
    "required": (unsigned(32), 0),
    "forbidden": (unsigned(32), 0),
}
MOST_CANDIDATES = 256
_IMPRESSION: dict[str, Kind] = {
    "context": unsigned(32),
    "title": text(),
    "artwork": text().or_nil(),
    "slot_row": unsigned(32),
    "slot_column": unsigned(32),
}
_SPECIAL: dict[str, tuple[Kind, object]] = {  # with what holds where nothing is said
    "reason": (unsigned(8), 0),
    "total": (unsigned(32, least=1, most=TOTAL), TOTAL),
    "shown": (text().or_nil(), None),
    "candidates": (
        either(
            f"a bin of at most {MOST_CANDIDATES // 8} bytes or a list of at most "
            f"{MOST_CANDIDATES} strings",
            binary(most=MOST_CANDIDATES // 8),
            texts(most=MOST_CANDIDATES),
        ).or_nil(),
        None,
    ),
}
_SPECIAL_LEAST = 4
"""Elements of an entry of `special`, its index included; those after them may be left out."""
_OUTCOME: dict[str, Kind] = {
    "ref_stream": unsigned(64),
    "ref_sequence": unsigned(32),
    "minutes": amount(),
}
_LOST: dict[str, Kind] = {
    "reason": text(),
    "count": unsigned(64),
    "lost_stream": unsigned(64),
    "first": unsigned(32),
    "last": unsigned(32),
}

Columns = dict[str, Sequence[Any]]
"""The columns a table has of its own, and `at` in milliseconds since the segment's start."""


def contexts(rows: Rows, values: list[Any]) -> Columns:
    """Table `contexts`, from bodies."""
    for index, body in enumerate(values):
        if _kind_of(body) != CONTEXT:
            rows.refuse(index, f"{rows.place}: not the body of a context")
    found = _body_columns(rows, values, _CONTEXT, _CONTEXT_LATER)
    if int in set(map(type, found["cell"])):
        found["cell"] = [None if cell is None else str(cell) for cell in found["cell"]]
    return found


def impressions(rows: Rows, lists: Mapping[str, Any]) -> Columns:
    """Table `impressions`, from a map of lists. Raises BatchError where one is not as it must."""
    found = _list_columns(rows, lists, _IMPRESSION)
    raw = lists.get("n")
    if type(raw) is not bytes or len(raw) != 4 * len(rows):
        raise BatchError(422, f"{rows.place}.n: not a bin of {len(rows)} u32")
    found["n"] = n = struct.unpack(f"<{len(rows)}I", raw)
    found |= _special(rows, lists.get("special", []))
    given = found.pop("candidates")
    # A column of Arrow has one type: bitmaps and names lie in two.
    found["candidates"] = [value if type(value) is bytes else None for value in given]
    found["host_candidates"] = [value if type(value) is list else None for value in given]
    if any(map(gt, n, found["total"])):
        for index, (part, total) in enumerate(zip(n, found["total"], strict=True)):
            if part > total:
                rows.refuse(index, f"{rows.place}.n: above its total")
    return found


def outcomes(rows: Rows, lists: Mapping[str, Any]) -> Columns:
    """Table `outcomes`, from a map of lists. Raises BatchError where one is not as it must be."""
    return _list_columns(rows, lists, _OUTCOME)


def others(rows: Rows, values: list[Any], data: bytes) -> list[tuple[str, Rows, Columns]]:
    """Tables `losses` and `others`, from bodies; `data`: the batch's bytes."""
    lost: list[int] = []
    later: list[int] = []
    kinds: list[int] = []
    for index, body in enumerate(values):
        kind = _kind_of(body)
        if kind is None or kind in {CONTEXT, IMPRESSION, OUTCOME}:
            rows.refuse(index, f"{rows.place}: not a list that begins with a kind kept here")
        if kind == LOST:
            lost.append(index)
        else:
            later.append(index)
            kinds.append(kind or 0)
    found: list[tuple[str, Rows, Columns]] = []
    if lost:
        part = _part(rows, lost, "lost")
        columns = _body_columns(part, [values[index] for index in lost], _LOST)
        for position, (first, last) in enumerate(
            zip(columns["first"], columns["last"], strict=True)
        ):
            if first > last:
                part.refuse(position, f"{part.place}.first: above last")
        found.append(("losses", part, columns))
    if later:
        raw = bodies(data, "others")
        columns = {
            "at": [_later_at(values[index]) for index in later],
            "kind": kinds,
            "body": [raw[index] for index in later],
        }
        found.append(("others", _part(rows, later, rows.place), columns))
    return found


def _list_columns(rows: Rows, lists: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Columns:
    """Columns from a map of lists of equal length."""
    found: Columns = {"at": times_of(lists.get("at"), rows)}
    for name, kind in kinds.items():
        values = lists.get(name)
        if type(values) is not list:
            what = "missing" if name not in lists else type_name(values)
            raise BatchError(422, f"{rows.place}.{name}: {what}, not a list")
        if len(values) != len(rows):
            raise BatchError(422, unequal(rows, name, len(values)))
        found[name] = rows.column(name, values, kind)
    return found


def _special(rows: Rows, special: object) -> Columns:
    """The columns of what only those impressions have that are not plain."""
    place = f"{rows.place}.special"
    if type(special) is not list:
        raise BatchError(422, f"{place}: {type_name(special)}, not a list")
    for position, entry in enumerate(special):
        if type(entry) is not list or len(entry) < _SPECIAL_LEAST:
            raise BatchError(422, f"{place}[{position}]: not a list [index, reason, total, shown]")
        if type(entry[0]) is not int or not 0 <= entry[0] < len(rows):
            raise BatchError(422, f"{place}[{position}]: its index is none of an impression")
    indices = [entry[0] for entry in special]
    if len(set(indices)) != len(indices):
        raise BatchError(422, f"{place}: two entries of one index")
    part = _part(rows, indices, place)
    found: Columns = {}
    for position, (name, (kind, otherwise)) in enumerate(_SPECIAL.items(), start=1):
        column = [otherwise] * len(rows)
        said = [e[position] if len(e) > position else otherwise for e in special]
        values = part.column(name, said, kind)
        for index, value in zip(indices, values, strict=True):
            column[index] = value
        found[name] = column
    for position, error in part.errors.items():
        rows.refuse(indices[position], error)
    return found


def _body_columns(
    rows: Rows,
    values: list[Any],
    kinds: Mapping[str, Kind],
    later: Mapping[str, tuple[Kind, object]] | None = None,
) -> Columns:
    """Bodies `[kind, at, …]` turned into columns; elements beyond those known are ignored.

    later: elements after those of `kinds` that may be left out, from the last one on.
    """
    later = later or {}
    width = 2 + len(kinds)
    left_out = [otherwise for _, otherwise in later.values()]
    instead = [None, 0, *(kind.instead for kind in kinds.values()), *left_out]
    whole = []
    for index, body in enumerate(values):
        fits = type(body) is list and len(body) >= width
        if not fits:
            rows.refuse(index, f"{rows.place}: not a list of {width} elements")
            whole.append(instead)
        elif len(body) < len(instead):
            whole.append([*body, *left_out[len(body) - width :]])
        else:
            whole.append(body)
    _, at, *fields = zip(*whole, strict=False)
    found: Columns = {"at": rows.column("at", at, AT)}
    every = {**kinds, **{name: kind for name, (kind, _) in later.items()}}
    for (name, kind), column in zip(every.items(), fields, strict=False):
        found[name] = rows.column(name, column, kind)
    return found


def _kind_of(body: object) -> int | None:
    if type(body) is list and body and type(body[0]) is int and body[0] >= 0:
        return int(body[0])
    return None


def _part(rows: Rows, indices: list[int], place: str) -> Rows:
    """Some of the rows, with their errors."""
    part = Rows(place, [rows.sequences[index] for index in indices])
    for position, index in enumerate(indices if rows.errors else ()):
        if index in rows.errors:
            part.refuse(position, rows.errors[index])
    return part


def _later_at(body: object) -> int:
    # Every kind so far has its time there; one that has none gets its segment's start.
    if type(body) is list and len(body) > 1 and AT.holds((body[1],)):
        return int(body[1])
    return 0
