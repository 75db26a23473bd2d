# SPDX-License-Identifier: Apache-2.0
"""Repeats landed decisions by columns: which of many impressions come out as they were logged.

The contexts of a pass are put in an order in which those of one bundle, cell and limits are
neighbours. A batch is sorted by that order; then each such group is one native call, and what comes
out is compared column by column. Only impressions with candidates of their own are repeated singly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

import edgeart
from edgeart import ContextError, Repeater, Repetition, RepetitionError

from ..attribution.tables import FAILURES
from ..bundle.folder import Bundles
from ..exposures import REASONS

Ints = npt.NDArray[np.int64]

NONE = 2**32 - 1
"""As a context: there was none; as a row: no artwork (feedback.md §4, decision.md §7)."""
RECORD = np.dtype(
    [("title", "u4"), ("row", "u4"), ("n", "u4"), ("total", "u4"), ("score", "f4"),
     ("reason", "u2"), ("cell", "u2")]
)  # fmt: skip
SETTING = ("digest", "policy", "policy_sequence", "cell", "denied", "required", "forbidden")
"""What contexts of one group share."""


class Verdict(IntEnum):
    """What became of repeating an impression; from BUNDLE_MISSING on it must not train."""

    REPEATED = 0
    UNDRAWN = 1  # no context, so that nothing was drawn: there is nothing to repeat
    BUNDLE_MISSING = 10
    CONTEXT_LOST = 11
    CONTEXT_DIFFERS = 12  # copies of the context event disagree
    CONTEXT_UNREADABLE = 13  # the bundle cannot encode the map
    CELL_UNKNOWN = 14
    CANDIDATES_UNFIT = 15  # they are not of the kind that the bundle's titles ask for
    POLICY_DIFFERS = 16  # the bundle has another name or sequence than the context says
    REASON_DIFFERS = 20
    ARTWORK_DIFFERS = 21
    N_DIFFERS = 22  # n or total


class Known:
    """A policy and what the audit asks of it again and again."""

    def __init__(self, policy: edgeart.Policy) -> None:
        self.policy = policy
        self._units: dict[str | None, int | None] = {}

    def unit(self, cell: str | None) -> int | None:
        """Some unit of a cell, None where the policy has no such cell."""
        if cell not in self._units:
            try:
                self._units[cell] = self.policy.unit_of_cell(cell)
            except LookupError:
                self._units[cell] = None
        return self._units[cell]


@dataclass(frozen=True)
class Group:
    """Contexts of one bundle, cell and limits, or why none of them can be repeated."""

    known: Known | None
    repeater: Repeater | None
    verdict: Verdict


class Contexts:
    """The contexts of a pass, as `audit.tables.Tables.contexts` gives them, in order of groups."""

    def __init__(self, table: pa.Table, bundles: Bundles) -> None:
        code: Ints = np.zeros(len(table), np.int64)
        for name in SETTING:
            found = table.column(name).combine_chunks().dictionary_encode(null_encoding="encode")
            size = max(1, len(found.dictionary))
            _, code = np.unique(
                code * size + found.indices.to_numpy(zero_copy_only=False), return_inverse=True
            )
        order = np.argsort(code, kind="stable")
        self.group = code[order]  # of each place
        self.place = np.empty(len(order), np.int64)  # of each id
        self.place[table.column("id").to_numpy()[order]] = np.arange(len(order))
        # Offsets of 64 bits: the maps of a pass may be more than 2 GiB.
        maps = table.column("map").cast(pa.large_binary()).combine_chunks()
        self.maps = maps.take(pa.array(order))
        table = table.drop_columns(["map"]).take(pa.array(order))
        self.seeds = table.column("seed").to_numpy()
        self.differs = table.column("differs").to_numpy(zero_copy_only=False)
        self.digests = table.column("digest")
        settings = table.select(SETTING).take(pa.array(_starts(self.group))).to_pylist()
        self.policies: list[Known] = []
        number: dict[bytes, int] = {}  # of a bundle's policy among them
        for digest in dict.fromkeys(setting["digest"] for setting in settings):
            policy = bundles.find(digest)
            number[digest] = -1 if policy is None else len(self.policies)
            self.policies += [] if policy is None else [Known(policy)]
        # The ids of all artworks, policy after policy, and where each policy begins.
        ids = [pa.array(each.policy.artwork_ids(), pa.large_string()) for each in self.policies]
        self.artworks = pa.concat_arrays([pa.array([], pa.large_string()), *ids])
        self.first = np.cumsum([0, *map(len, ids)])
        # Of each group the policy's number, the group itself, and its verdict.
        self.policy = np.array([number[setting["digest"]] for setting in settings], np.int64)
        known = [*self.policies, None]
        self.groups = [_group(known[number[s.pop("digest")]], s) for s in settings]
        self.verdicts = np.array([group.verdict for group in self.groups], np.uint8)


def _group(known: Known | None, setting: dict[str, Any]) -> Group:
    if known is None:
        return Group(None, None, Verdict.BUNDLE_MISSING)
    said = setting.pop("policy"), setting.pop("policy_sequence")
    if said != (known.policy.name, known.policy.sequence):
        return Group(known, None, Verdict.POLICY_DIFFERS)
    unit = known.unit(setting.pop("cell"))
    if unit is None:
        return Group(known, None, Verdict.CELL_UNKNOWN)
    return Group(known, Repeater(known.policy, unit=unit, **setting), Verdict.REPEATED)


class Repeated:
    """A batch of impressions (columns as of `audit/impressions.sql`), repeated.

    verdict: uint8, of each impression. record: what came out, where anything did.
    """

    def __init__(self, batch: pa.RecordBatch, contexts: Contexts) -> None:
        count = batch.num_rows
        self.batch, self.contexts = batch, contexts
        self.record = np.zeros(count, RECORD)
        self.record["row"] = NONE
        self.host: dict[int, str | None] = {}  # artworks drawn of the host's own, by impression
        held = _numbers(batch, "held", fill=-1)
        self.held = held >= 0
        self.place = contexts.place[held] if len(contexts.place) else np.zeros(count, np.int64)
        self.verdict = self._before()
        restricted = ~(_is_null(batch, "candidates") & _is_null(batch, "host_candidates"))
        due = self.verdict == Verdict.REPEATED
        rows = np.flatnonzero(due & ~restricted)
        # Stable sorting is quick where rows are sorted already, as those of one context are.
        rows = rows[np.argsort(self.place[rows], kind="stable")]
        for group, part in _runs(rows, contexts.group[self.place[rows]]):
            self._pages(contexts.groups[group], part)
        rows = np.flatnonzero(due & restricted)
        self._singly(rows[np.argsort(self.place[rows], kind="stable")])
        self._compare()

    def _before(self) -> npt.NDArray[np.uint8]:
        """What contexts alone decide."""
        verdict = np.full(self.batch.num_rows, Verdict.CONTEXT_LOST, np.uint8)
        verdict[_numbers(self.batch, "context") == NONE] = Verdict.UNDRAWN
        at = self.place[self.held]
        verdict[self.held] = np.where(
            self.contexts.differs[at],
            np.uint8(Verdict.CONTEXT_DIFFERS),
            self.contexts.verdicts[self.contexts.group[at]],
        )
        return verdict

    @cached_property
    def _titles(self) -> tuple[npt.NDArray[np.int32], list[str]]:
        """The title of each impression as a place in the list of them."""
        found = self.batch.column("title").dictionary_encode()
        return found.indices.to_numpy(), found.dictionary.to_pylist()

    @cached_property
    def _indices(self) -> dict[Known, npt.NDArray[np.uint32]]:
        """Of each policy, the indices of those titles."""
        return {}

    def _index(self, known: Known, rows: Ints) -> npt.NDArray[np.uint32]:
        if known not in self._indices:
            prepared = known.policy.page_titles(self._titles[1])
            self._indices[known] = np.frombuffer(prepared.indices, np.uint32)
        return self._indices[known][self._titles[0][rows]]

    def _pages(self, group: Group, rows: Ints) -> None:
        """Repeats impressions of one group, sorted by context, in one call."""
        known, repeater = group.known, group.repeater
        assert known is not None and repeater is not None  # noqa: PT018, S101 - REPEATED has both
        places = self.place[rows]
        first = _starts(places)
        ends = np.append(first[1:], len(rows)).astype(np.uint64)
        maps, map_ends = _joined(self.contexts.maps.take(pa.array(places[first])))
        found = repeater.pages(
            maps,
            map_ends.data,
            self.contexts.seeds[places[first]].data,
            self._index(known, rows).data,
            ends.data,
        )
        self.record[rows] = np.frombuffer(found.raw, RECORD)
        unreadable = np.frombuffer(found.statuses, np.int32) != 0
        if unreadable.any():
            of_row = np.repeat(unreadable, np.diff(np.append(first, len(rows))))
            self.verdict[rows[of_row]] = Verdict.CONTEXT_UNREADABLE

    def _singly(self, rows: Ints) -> None:
        """Repeats impressions, sorted by context, that have candidates of their own."""
        columns = ("title", "candidates", "host_candidates")
        given = self.batch.select(columns).take(pa.array(rows)).to_pylist()
        repetition, last = None, -1
        for row, place, (title, bitmap, names) in zip(
            rows.tolist(), self.place[rows].tolist(), map(dict.values, given), strict=True
        ):
            if place != last:
                repetition, last = self._repetition(place), place
            if repetition is None:
                self.verdict[row] = Verdict.CONTEXT_UNREADABLE
                continue
            try:
                found = repetition.decide(title, bitmap if names is None else names)
            except (RepetitionError, ValueError):
                self.verdict[row] = Verdict.CANDIDATES_UNFIT
                continue
            at = NONE if found.row is None else found.row
            self.record[row] = (0, at, found.n, found.total, 0, NUMBERS[found.reason], 0)
            if names is not None:
                self.host[row] = found.artwork

    def _repetition(self, place: int) -> Repetition | None:
        group = self.contexts.groups[self.contexts.group[place]]
        assert group.known is not None  # noqa: S101 - REPEATED has one
        values, seed = self.contexts.maps[place].as_py(), int(self.contexts.seeds[place])
        try:
            return Repetition(group.known.policy, values=values, seed=seed, repeater=group.repeater)
        except ContextError:
            return None

    def _compare(self) -> None:
        """Turns REPEATED into what differs, where something does."""
        record, verdict = self.record, np.zeros(len(self.record), np.uint8)
        n, total, reason = (_numbers(self.batch, name) for name in ("n", "total", "reason"))
        verdict[(record["n"] != n) | (record["total"] != total)] = Verdict.N_DIFFERS
        verdict[~self._same_artwork()] = Verdict.ARTWORK_DIFFERS
        verdict[record["reason"] != reason] = Verdict.REASON_DIFFERS
        self.verdict = np.where(self.verdict == Verdict.REPEATED, verdict, self.verdict)

    def _same_artwork(self) -> npt.NDArray[np.bool_]:
        logged = self.batch.column("artwork")
        same = _equal(self.contexts.artworks.take(self._chosen()), logged.cast(pa.large_string()))
        for row, artwork in self.host.items():
            same[row] = artwork == logged[row].as_py()
        return same

    def _chosen(self) -> pa.Array:
        """Of each impression the place of what came out in `contexts.artworks`, or null."""
        row = self.record["row"]
        if not len(self.contexts.group):
            return pa.nulls(len(row), pa.int64())
        policy = self.contexts.policy[self.contexts.group[self.place]]
        none = (row == NONE) | (policy < 0) | ~self.held
        return pa.array(np.where(none, 0, self.contexts.first[policy] + row), mask=none)

    def failures(self) -> pa.Table:
        """The impressions that must not train, in the columns of `attribution.tables.FAILURES`."""
        rows = np.flatnonzero(self.verdict >= Verdict.BUNDLE_MISSING)
        logged = self.batch.take(pa.array(rows))
        verdict, record = self.verdict[rows], self.record[rows]
        nothing = verdict < Verdict.REASON_DIFFERS  # came out
        causes = [Verdict(value).name.lower() for value in verdict.tolist()]
        columns = {
            **{name: logged.column(name) for name in LOGGED},
            "cause": pa.array(causes, pa.string()),
            "digest": self.contexts.digests.take(pa.array(self.place[rows], mask=~self.held[rows])),
            "repeated_artwork": self._came_out(rows, nothing),
            **{f"repeated_{name}": pa.array(record[name], mask=nothing)
               for name in ("n", "total", "reason")},
        }  # fmt: skip
        return pa.table({each.name: columns[each.name] for each in FAILURES}).cast(FAILURES)

    def _came_out(self, rows: Ints, nothing: npt.NDArray[np.bool_]) -> pa.Array:
        """The artworks of these rows, null where nothing did."""
        found = self.contexts.artworks.take(self._chosen().take(pa.array(rows))).to_pylist()
        found = [self.host.get(*each) for each in zip(rows.tolist(), found, strict=True)]
        return pa.array(found, pa.string(), mask=nothing)


LOGGED = ("stream", "sequence", "context", "title", "artwork", "n", "total", "reason")
"""What failures keep of an impression."""
NUMBERS = {words: number for number, words in REASONS.items()}
"""Reasons as records have them."""


def _runs(rows: Ints, key: Ints) -> Iterator[tuple[int, Ints]]:
    """Rows by their key, where equal keys are neighbours."""
    for start, part in zip(_starts(key), np.split(rows, _starts(key)[1:]), strict=False):
        yield int(key[start]), part  # of no rows split makes one part, to which there is no start


def _starts(key: Ints) -> Ints:
    """Where keys differ from the one before."""
    return np.flatnonzero(np.append(True, key[1:] != key[:-1])) if len(key) else key


def _joined(maps: pa.Array) -> tuple[memoryview, npt.NDArray[np.uint64]]:
    """The bytes of binaries one after the other, and where each one ends."""
    _, offsets, data = maps.buffers()
    at = np.frombuffer(offsets, np.int64)[maps.offset : maps.offset + len(maps) + 1]
    return memoryview(data or b"")[at[0] : at[-1]], (at[1:] - at[0]).astype(np.uint64)


def _equal(left: pa.Array, right: pa.Array) -> npt.NDArray[np.bool_]:
    """Where two columns of texts agree; null agrees with null."""
    same = pc.fill_null(pc.equal(left, right), fill_value=False)
    both = pc.and_(pc.is_null(left), pc.is_null(right))
    found: npt.NDArray[np.bool_] = pc.or_(same, both).to_numpy(zero_copy_only=False)
    return found


def _numbers(batch: pa.RecordBatch, name: str, fill: int | None = None) -> npt.NDArray[Any]:
    column = batch.column(name)
    if fill is not None:
        column = pc.fill_null(column, fill)
    found: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return found


def _is_null(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = batch.column(name).is_null().to_numpy(zero_copy_only=False)
    return found
