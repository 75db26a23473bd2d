# SPDX-License-Identifier: Apache-2.0
"""What the events of a batch consist of, and their lists turned into columns of landing tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .columns import (
    MOST_AT,
    Kind,
    Rows,
    amount,
    binary,
    text,
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
    "cell": unsigned(32, or_nil=True),
    "denied": binary(or_nil=True),
    "subject": text(or_nil=True),
}
_IMPRESSION: dict[str, Kind] = {
    "context": unsigned(32),
    "title": text(),
    "artwork": text(or_nil=True),
    "slot_row": unsigned(32),
    "slot_column": unsigned(32),
}
_SPECIAL: dict[str, Kind] = {
    "reason": unsigned(8),
    "total": unsigned(32, least=1, most=TOTAL),
    "shown": text(or_nil=True),
}
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
_AT = unsigned(64, most=MOST_AT)

Columns = dict[str, pa.Array]


def impressions(rows: Rows, columns: Mapping[str, Any]) -> Columns:
    """Table `impressions`, from a map of lists. Raises BatchError where a list is missing."""
    count = len(rows.sequences)
    found = {"at": _milliseconds(times_of(columns.get("at"), rows))}
    for name, kind in _IMPRESSION.items():
        found[name] = rows.column(name, _listed(rows, columns, name), kind)
    raw = columns.get("n")
    if type(raw) is not bytes or len(raw) != 4 * count:
        raise BatchError(422, f"{rows.place}.n: not a bin of {count} u32")
    n = np.frombuffer(raw, dtype="<u4")
    reason = np.zeros(count, dtype=np.uint8)
    total = np.full(count, TOTAL, dtype=np.uint32)
    shown = np.full(count, None, dtype=object)
    special = columns.get("special", [])
    if special:
        indices, fields = _special(rows, special)
        reason[indices] = fields["reason"].to_numpy()
        total[indices] = fields["total"].to_numpy()
        shown[indices] = fields["shown"].to_numpy(zero_copy_only=False)
    for index in np.flatnonzero(n > total):
        rows.refuse(int(index), f"{rows.place}.n: above its total")
    return {
        **found,
        "n": pa.array(n),
        "total": pa.array(total),
        "reason": pa.array(reason),
        "shown": pa.array(shown, pa.string()),
    }


def _special(rows: Rows, special: object) -> tuple[list[int], Columns]:
    """Which impressions are not plain, and the columns of what they have besides."""
    place = f"{rows.place}.special"
    if type(special) is not list:
        raise BatchError(422, f"{place}: {type_name(special)}, not a list")
    for position, entry in enumerate(special):
        if type(entry) is not list or len(entry) < 4:
            raise BatchError(422, f"{place}[{position}]: not a list [index, reason, total, shown]")
        if type(entry[0]) is not int or not 0 <= entry[0] < len(rows.sequences):
            raise BatchError(422, f"{place}[{position}]: its index is none of an impression")
    indices = [entry[0] for entry in special]
    if len(set(indices)) != len(indices):
        raise BatchError(422, f"{place}: two entries of one index")
    part = Rows(place, rows.sequences[indices])
    columns = {
        name: part.column(name, [entry[position] for entry in special], kind)
        for position, (name, kind) in enumerate(_SPECIAL.items(), start=1)
    }
    for position, error in part.errors.items():
        rows.refuse(indices[position], error)
    return indices, columns


def outcomes(rows: Rows, columns: Mapping[str, Any]) -> Columns:
    """Table `outcomes`, from a map of lists. Raises BatchError where a list is missing."""
    found = {"at": _milliseconds(times_of(columns.get("at"), rows))}
    for name, kind in _OUTCOME.items():
        found[name] = rows.column(name, _listed(rows, columns, name), kind)
    return found


def contexts(rows: Rows, values: list[Any]) -> Columns:
    """Table `contexts`, from bodies."""
    for index, body in enumerate(values):
        if _kind_of(body) != CONTEXT:
            rows.refuse(index, f"{rows.place}: not the body of a context")
    return _body_columns(rows, values, _CONTEXT)


def _body_columns(rows: Rows, values: list[Any], kinds: Mapping[str, Kind]) -> Columns:
    """Bodies `[kind, at, …]` turned into columns; elements beyond those known are ignored."""
    width = 2 + len(kinds)
    instead = [None, 0, *(kind.instead for kind in kinds.values())]
    whole = []
    for index, body in enumerate(values):
        fits = type(body) is list and len(body) >= width
        if not fits:
            rows.refuse(index, f"{rows.place}: not a list of {width} elements")
        whole.append(body if fits else instead)
    _, at, *fields = zip(*whole, strict=False)
    found = {"at": rows.column("at", at, _AT)}
    for (name, kind), column in zip(kinds.items(), fields, strict=False):
        found[name] = rows.column(name, column, kind)
    return found


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
    found = []
    if lost:
        part = _part(rows, lost, "lost")
        columns = _body_columns(part, [values[index] for index in lost], _LOST)
        for position in np.flatnonzero(columns["first"].to_numpy() > columns["last"].to_numpy()):
            part.refuse(int(position), f"{part.place}.first: above last")
        found.append(("losses", part, columns))
    if later:
        part = _part(rows, later, rows.place)
        raw = bodies(data, "others")
        columns = {
            "at": pa.array([_later_at(values[index]) for index in later], pa.uint64()),
            "kind": pa.array(kinds, pa.uint64()),
            "body": pa.array([raw[index] for index in later], pa.binary()),
        }
        found.append(("others", part, columns))
    return found


def _kind_of(body: object) -> int | None:
    if type(body) is list and body and type(body[0]) is int and body[0] >= 0:
        return int(body[0])
    return None


def _part(rows: Rows, indices: list[int], place: str) -> Rows:
    """Some of the rows, with their errors."""
    part = Rows(place, rows.sequences[indices])
    for position, index in enumerate(indices):
        if index in rows.errors:
            part.refuse(position, rows.errors[index])
    return part


def _later_at(body: object) -> int:
    # Every kind so far has its time there; a kind that has none gets its segment's start.
    if type(body) is list and len(body) > 1 and type(body[1]) is int and 0 <= body[1] <= MOST_AT:
        return int(body[1])
    return 0


def _milliseconds(values: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(values.astype(np.uint64))


def _listed(rows: Rows, columns: Mapping[str, Any], name: str) -> list[Any]:
    values = columns.get(name)
    if type(values) is not list:
        what = "missing" if name not in columns else type_name(values)
        raise BatchError(422, f"{rows.place}.{name}: {what}, not a list")
    if len(values) != len(rows.sequences):
        raise BatchError(422, unequal(rows.place, name, len(values), len(rows.sequences)))
    return values
