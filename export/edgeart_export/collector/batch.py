# SPDX-License-Identifier: Apache-2.0
"""From a batch of feedback.md §5 to rows of the landing tables, and the answer by ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ..arrow_schemas import LANDING, TIME
from .columns import Rows, sequences_of, type_name, within
from .errors import BatchError
from .events import Columns, contexts, impressions, others, outcomes
from .wire import MAX_EVENTS, unpack

FORMAT = 1
MOST_STARTED = 2**47
"""A wall clock beyond this (the year 6429) is taken as not known, like 0."""


@dataclass(frozen=True)
class Refused:
    """Events that are malformed and will never be accepted."""

    first: int
    last: int
    error: str


@dataclass(frozen=True)
class Batch:
    """A decoded batch.

    tables: by name, with the schemas of `arrow_schemas`, without refused events; only those that
    have rows. received: milliseconds since 1970-01-01 UTC.
    """

    stream: int
    first: int
    last: int
    received: int
    tables: Mapping[str, pa.Table]
    refused: tuple[Refused, ...]

    @property
    def events(self) -> dict[str, int]:
        """How many events of each table are to be stored."""
        return {name: table.num_rows for name, table in self.tables.items()}

    def answer(self) -> dict[str, object]:
        """The answer of feedback.md §5: ranges that together cover the batch's."""
        stored = []
        start = self.first
        for refused in self.refused:
            if refused.first > start:
                stored.append([start, refused.first - 1])
            start = refused.last + 1
        if start <= self.last:
            stored.append([start, self.last])
        return {
            "stored": stored,
            "refused": [{"first": r.first, "last": r.last, "error": r.error} for r in self.refused],
        }


def decode(data: bytes, received: int) -> Batch:
    """The rows of a batch, inflated before.

    received: when it came, milliseconds since 1970-01-01 UTC. A malformed event is refused alone;
    what leaves unclear which events there are makes the whole batch malformed.

    Raises:
        BatchError: the batch is malformed, or has too many events (status 413).
    """
    document = unpack(data)
    head = _Head.read(document)
    context_rows, context_bodies = _pairs(document, "contexts", head)
    impression_rows, impression_lists = _columns(document, "impressions", head)
    outcome_rows, outcome_lists = _columns(document, "outcomes", head)
    other_rows, other_bodies = _pairs(document, "others", head)
    every = [context_rows, impression_rows, outcome_rows, other_rows]
    count = sum(len(rows.sequences) for rows in every)
    if count > MAX_EVENTS:
        raise BatchError(413, f"batch: {count} events where {MAX_EVENTS} may be; send halves")
    _refuse_repeated(every)

    parts = others(other_rows, other_bodies, data)
    if len(context_rows.sequences):
        parts.append(("contexts", context_rows, contexts(context_rows, context_bodies)))
    if len(impression_rows.sequences):
        columns = impressions(impression_rows, impression_lists)
        parts.append(("impressions", impression_rows, columns))
    if len(outcome_rows.sequences):
        parts.append(("outcomes", outcome_rows, outcomes(outcome_rows, outcome_lists)))

    tables: dict[str, pa.Table] = {}
    refused: dict[int, str] = {}
    for name, rows, columns in parts:
        tables[name] = _table(name, rows, columns, head, received)
        refused |= {int(rows.sequences[index]): error for index, error in rows.errors.items()}
    return Batch(
        head.stream,
        head.first,
        head.last,
        received,
        {name: tables[name] for name in LANDING if name in tables and tables[name].num_rows},
        _ranges(refused),
    )


@dataclass(frozen=True)
class _Head:
    stream: int
    first: int
    last: int
    started: int

    @classmethod
    def read(cls, document: Mapping[Any, Any]) -> _Head:
        """The fields about the whole batch. Raises BatchError where one is not as it must be."""
        kind = document.get("format")
        if type(kind) is not int or kind != FORMAT:
            what = kind if type(kind) is int else type_name(kind)
            raise BatchError(422, f"format: {what}; this collector reads {FORMAT}")
        head = cls(
            *(
                _whole(document, key, most)
                for key, most in (
                    ("stream", 2**64 - 1),
                    ("first", 2**32 - 2),
                    ("last", 2**32 - 2),
                    ("started", 2**64 - 1),
                )
            )
        )
        if head.stream == 0:
            raise BatchError(422, "stream: 0 is no stream")
        if head.first > head.last:
            raise BatchError(422, "first: above last")
        return head


def _whole(document: Mapping[Any, Any], key: str, most: int) -> int:
    value = document.get(key)
    if type(value) is not int or not 0 <= value <= most:
        what = "missing" if key not in document else type_name(value)
        raise BatchError(422, f"{key}: {what}, not an unsigned integer up to {most}")
    return value


def _pairs(document: Mapping[Any, Any], key: str, head: _Head) -> tuple[Rows, list[list[Any]]]:
    """A list of `[sequence, body]`: its rows, and the bodies."""
    pairs = document.get(key, [])
    if type(pairs) is not list:
        raise BatchError(422, f"{key}: {type_name(pairs)}, not a list")
    for index, pair in enumerate(pairs):
        if type(pair) is not list or len(pair) != 2:
            raise BatchError(422, f"{key}[{index}]: not a list [sequence, body]")
    steps = [pair[0] for pair in pairs]
    for index, step in enumerate(steps):
        if type(step) is not int or not 0 <= step < 2**32:
            raise BatchError(422, f"{key}[{index}]: its sequence is {type_name(step)} or too large")
    sequences = within(np.array(steps, dtype=np.uint64), key, head.first, head.last)
    return Rows(key, sequences), [pair[1] for pair in pairs]


def _columns(document: Mapping[Any, Any], key: str, head: _Head) -> tuple[Rows, dict[str, Any]]:
    """A map of lists: its rows, and the lists by name, of which only the sequences are checked."""
    columns = document.get(key, {"sequence": []})
    if type(columns) is not dict:
        raise BatchError(422, f"{key}: {type_name(columns)}, not a map of lists")
    sequences = sequences_of(columns.get("sequence"), key, head.first, head.last)
    return Rows(key, sequences), columns


def _refuse_repeated(lists: list[Rows]) -> None:
    """Refuses events whose sequence another event has too: which one is meant is not known."""
    every, counts = np.unique(
        np.concatenate([rows.sequences for rows in lists]), return_counts=True
    )
    repeated = every[counts > 1]
    for rows in lists if len(repeated) else ():
        for index in np.flatnonzero(np.isin(rows.sequences, repeated)):
            rows.refuse(int(index), f"{rows.place}: several events of this sequence")


def _table(name: str, rows: Rows, columns: Columns, head: _Head, received: int) -> pa.Table:
    """The table of a list's rows, those without errors."""
    count = len(rows.sequences)
    now = np.full(count, received, dtype=np.int64)
    known = 0 < head.started <= MOST_STARTED
    at = head.started + columns["at"].to_numpy().astype(np.int64) if known else now
    common = {
        "stream": pa.array(np.full(count, head.stream, dtype=np.uint64)),
        "sequence": pa.array(rows.sequences.astype(np.uint32)),
        "at": pa.array(at, TIME),
        "received": pa.array(now, TIME),
    }
    schema = LANDING[name]
    arrays = {**columns, **common}
    table = pa.table([arrays[field] for field in schema.names], schema=schema)
    if rows.errors:
        keep = np.ones(count, dtype=bool)
        keep[list(rows.errors)] = False
        table = table.filter(pa.array(keep))
    return table


def _ranges(refused: Mapping[int, str]) -> tuple[Refused, ...]:
    """Neighbouring sequences refused for the same reason, told together."""
    found: list[Refused] = []
    for sequence in sorted(refused):
        error = refused[sequence]
        if found and found[-1].last + 1 == sequence and found[-1].error == error:
            found[-1] = Refused(found[-1].first, sequence, error)
        else:
            found.append(Refused(sequence, sequence, error))
    return tuple(found)
