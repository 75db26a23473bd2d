# SPDX-License-Identifier: Apache-2.0
"""From a batch of feedback.md §5 to rows of the landing tables, and the answer by ranges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pyarrow as pa

from ..arrow_schemas import LANDING
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

    columns: by table, then by column, without refused events; only tables that have rows.
    received: milliseconds since 1970-01-01 UTC. size: bytes, inflated.
    """

    stream: int
    first: int
    last: int
    received: int
    size: int
    columns: Mapping[str, Columns]
    refused: tuple[Refused, ...]

    @property
    def events(self) -> dict[str, int]:
        """How many events of each table are to be stored."""
        return {table: len(columns["sequence"]) for table, columns in self.columns.items()}

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


def tables(batches: Iterable[Batch]) -> dict[str, pa.Table]:
    """The rows of some batches in Arrow, by table, in the order of the batches."""
    listed = list(batches)
    found = {}
    for name, schema in LANDING.items():
        parts = [batch.columns[name] for batch in listed if name in batch.columns]
        if parts:
            arrays = [
                pa.array(list(chain.from_iterable(part[field.name] for part in parts)), field.type)
                for field in schema
            ]
            found[name] = pa.Table.from_arrays(arrays, schema=schema)
    return found


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
    impression_rows, impression_lists = _lists(document, "impressions", head)
    outcome_rows, outcome_lists = _lists(document, "outcomes", head)
    other_rows, other_bodies = _pairs(document, "others", head)
    every = [context_rows, impression_rows, outcome_rows, other_rows]
    count = sum(map(len, every))
    if count > MAX_EVENTS:
        raise BatchError(413, f"batch: {count} events where {MAX_EVENTS} may be; send halves")
    _refuse_repeated(every, count)

    parts: list[tuple[str, Rows, Columns]] = []
    if context_rows:
        parts.append(("contexts", context_rows, contexts(context_rows, context_bodies)))
    if impression_rows:
        columns = impressions(impression_rows, impression_lists)
        parts.append(("impressions", impression_rows, columns))
    if outcome_rows:
        parts.append(("outcomes", outcome_rows, outcomes(outcome_rows, outcome_lists)))
    if other_rows:
        parts += others(other_rows, other_bodies, data)

    stored: dict[str, Columns] = {}
    refused: dict[int, str] = {}
    for name, rows, columns in parts:
        refused |= {rows.sequences[index]: error for index, error in rows.errors.items()}
        if len(rows.errors) < len(rows):
            stored[name] = _stored(rows, columns, head, received)
    return Batch(head.stream, head.first, head.last, received, len(data), stored, _ranges(refused))


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
            _whole(document, "stream", 2**64 - 1),
            _whole(document, "first", 2**32 - 2),
            _whole(document, "last", 2**32 - 2),
            _whole(document, "started", 2**64 - 1),
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


def _pairs(document: Mapping[Any, Any], key: str, head: _Head) -> tuple[Rows, list[Any]]:
    """A list of `[sequence, body]`: its rows, and the bodies."""
    pairs = document.get(key, [])
    if type(pairs) is not list:
        raise BatchError(422, f"{key}: {type_name(pairs)}, not a list")
    for index, pair in enumerate(pairs):
        if type(pair) is not list or len(pair) != 2:
            raise BatchError(422, f"{key}[{index}]: not a list [sequence, body]")
        if type(pair[0]) is not int:
            raise BatchError(422, f"{key}[{index}]: its sequence is {type_name(pair[0])}")
    sequences = within([pair[0] for pair in pairs], key, head.first, head.last)
    return Rows(key, sequences), [pair[1] for pair in pairs]


def _lists(document: Mapping[Any, Any], key: str, head: _Head) -> tuple[Rows, dict[str, Any]]:
    """A map of lists: its rows, and the lists by name, of which only the sequences are checked."""
    lists = document.get(key, {"sequence": []})
    if type(lists) is not dict:
        raise BatchError(422, f"{key}: {type_name(lists)}, not a map of lists")
    return Rows(key, sequences_of(lists.get("sequence"), key, head.first, head.last)), lists


def _refuse_repeated(every: Sequence[Rows], count: int) -> None:
    """Refuses events whose sequence another event has too: which one is meant is not known."""
    if len(set().union(*(rows.sequences for rows in every))) == count:
        return
    seen: set[int] = set()
    repeated: set[int] = set()
    for sequence in chain.from_iterable(rows.sequences for rows in every):
        (repeated if sequence in seen else seen).add(sequence)
    for rows in every:
        for index, sequence in enumerate(rows.sequences):
            if sequence in repeated:
                rows.refuse(index, f"{rows.place}: several events of this sequence")


def _stored(rows: Rows, columns: Columns, head: _Head, received: int) -> Columns:
    """All columns of a table, for the rows that have no errors."""
    known = 0 < head.started <= MOST_STARTED
    found: Columns = {
        **columns,
        "at": [head.started + at for at in columns["at"]] if known else [received] * len(rows),
        "stream": [head.stream] * len(rows),
        "sequence": rows.sequences,
        "received": [received] * len(rows),
    }
    if rows.errors:
        keep = [index for index in range(len(rows)) if index not in rows.errors]
        found = {name: [values[index] for index in keep] for name, values in found.items()}
    return found


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
