# SPDX-License-Identifier: Apache-2.0
"""Writes deltas from one bundle to another (sync.md §8.1), table by table and row by row."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..format.document import CHECKSUM_SIZE, WORDS, Document

MAGIC = b"\x89ead\r\n\x1a\n"
CODEC = 1
BLOCK = 65_536
MAX_OPERATIONS = 4_096
"""A reader takes 65,536, but its Python needs some 10 µs for each, and is to be done in 50 ms."""
INSERT, COPY, SUM_BYTES, SUM_WORDS = 1, 2, 3, 4

Match = npt.NDArray[np.int64]
"""For each row of the new table the row of the old one with the same id, or −1."""


def delta(base: Document, target: Document) -> bytes | None:
    """The delta that turns the bytes of `base` into those of `target`.

    None where it would need too many operations, or be no shorter than the target.
    """
    writer = _Writer(base.data, target.data)
    _document(writer, base, target)
    if writer.operations > MAX_OPERATIONS:
        return None
    made = (
        MAGIC
        + CODEC.to_bytes(4, "little")
        + len(target.data).to_bytes(4, "little")
        + hashlib.sha256(base.data).digest()
        + hashlib.sha256(target.data).digest()
        + min((_deflated(writer.stream, s) for s in (0, 1)), key=len)
    )
    return made if len(made) < len(target.data) else None


def _deflated(stream: bytes | bytearray, strategy: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, strategy)
    return packer.compress(stream) + packer.flush()


class _Writer:
    """Operations that write `target` from its first byte on."""

    def __init__(self, base: bytes, target: bytes) -> None:
        self.base, self.target = base, target
        self.stream = bytearray()
        self.operations = 0
        self.done = 0
        self._copy: tuple[int, int] | None = None  # offset and bytes of a copy not yet written

    def copy(self, offset: int, size: int) -> None:
        """Takes bytes that are equal in both; a copy that goes on where one ended is part of it."""
        if size:
            if self._copy and sum(self._copy) == offset:
                self._copy = (self._copy[0], self._copy[1] + size)
            else:
                self.flush()
                self._copy = (offset, size)
            self.done += size

    def insert(self, size: int) -> None:
        """Takes bytes of the target as they are."""
        for n in _blocks(size):
            self._operation(INSERT, [n], self.target[self.done : self.done + n])

    def sum(self, offset: int, size: int, width: int) -> None:
        """Takes bytes as differences from the base, elements of `width` (1 or 4) bytes.

        Where few words differ, bytes say it shorter: planes would tear those words apart.
        """
        for n in _blocks(size):
            old, new = (
                np.frombuffer(data, f"<u{width}", n // width, position)
                for data, position in ((self.base, offset), (self.target, self.done))
            )
            changed = np.count_nonzero(old != new)
            if not changed:
                self.copy(offset, n)
            elif width == 4 and 2 * changed > len(new):
                planes = (new - old).view("u1").reshape(-1, 4).T
                self._operation(SUM_WORDS, [offset, n], planes.tobytes())
            else:
                differences = new.view("u1") - old.view("u1")
                self._operation(SUM_BYTES, [offset, n], differences.tobytes())
            offset += n

    def flush(self) -> None:
        if self._copy:
            self.operations += 1
            self.stream += bytes([COPY]) + _leb(self._copy[0]) + _leb(self._copy[1])
            self._copy = None

    def _operation(self, code: int, numbers: Sequence[int], data: bytes) -> None:
        self.flush()
        self.operations += 1
        self.stream += bytes([code]) + b"".join(map(_leb, numbers)) + data
        self.done += len(data)

    def span(self, offset: int, size: int, new: int, width: int = 1) -> None:
        """`size` bytes of the base that stand for `new` bytes of the target, whatever they are."""
        if size == new:
            self.sum(offset, size, width if size % width == 0 else 1)
        else:
            self.insert(new)


def _blocks(size: int) -> Iterator[int]:
    for start in range(0, size, BLOCK):
        yield min(BLOCK, size - start)


def _leb(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _document(writer: _Writer, base: Document, target: Document) -> None:
    titles, order, artworks = _matches(base, target)
    texts = {"title_text": titles, "artwork_text": artworks}
    tables = {
        "title_ends": titles, "title_hash": titles, "title_rows": titles, "title_scale": titles,
        "title_order": order, "artwork_ends": artworks, "masks": artworks, "weights": artworks,
        "scales": artworks, "bias": artworks, "variance_codes": artworks,
    }  # fmt: skip
    for key, field in target.fields.items():
        old = base.fields.get(key)
        if old is None:
            writer.insert(field.end - writer.done)
            continue
        # What stands between the data: keys, headers, padding; all before the first key, too.
        between = field.data - writer.done
        writer.span(max(0, old.data - between), min(between, old.data), between)
        size, before = field.end - field.data, old.end - old.data
        if key in texts:
            ends = key.replace("text", "ends")
            _text(writer, old.data, texts[key], _edges(base, ends), _edges(target, ends))
        elif key in tables and _row(base, key, before) == _row(target, key, size) != 0:
            width = 4 if key in WORDS else 1
            _table(writer, old.data, tables[key], _row(target, key, size), width)
        else:
            writer.span(old.data, before, size, 4 if key in WORDS else 1)
    writer.insert(len(target.data) - CHECKSUM_SIZE - writer.done)
    writer.insert(CHECKSUM_SIZE)
    writer.flush()


def _row(document: Document, key: str, size: int) -> int:
    """Bytes of a row of a table of this size; 0 without rows."""
    policy = document.policy
    rows = len(policy.titles) if key.startswith("title_") else policy.artwork_count
    return size // rows if rows else 0


def _table(writer: _Writer, offset: int, match: Match, width: int, element: int) -> None:
    for first, last, old in _runs(match):
        if old < 0:
            writer.insert((last - first) * width)
        else:
            writer.sum(offset + old * width, (last - first) * width, element)


def _text(writer: _Writer, offset: int, match: Match, old_ends: Match, ends: Match) -> None:
    for first, last, old in _runs(match):
        size = int(ends[last] - ends[first])
        if old < 0:
            writer.insert(size)
        else:
            writer.copy(offset + int(old_ends[old]), size)


def _runs(match: Match) -> Iterator[tuple[int, int, int]]:
    """(first, last exclusive, first old row or −1) of rows whose old rows follow each other."""
    steps = np.diff(match)
    breaks = np.flatnonzero(np.where(match[:-1] < 0, steps != 0, steps != 1)) + 1
    edges = [0, *breaks.tolist(), len(match)] if len(match) else []
    for first, last in pairwise(edges):
        yield first, last, int(match[first])


def _edges(document: Document, key: str) -> Match:
    """The ends of a string table, with the 0 where the first string starts before them."""
    return np.concatenate([[0], np.frombuffer(document.array(key), "<u4").astype(np.int64)])


def _matches(base: Document, target: Document) -> tuple[Match, Match, Match]:
    """Which old row each title, each entry of title_order and each artwork comes from."""
    old_titles, titles = (list(d.policy.titles) for d in (base, target))
    where = {title: index for index, title in enumerate(old_titles)}
    match = np.array([where.get(title, -1) for title in titles], np.int64)

    old_order, order = (np.frombuffer(d.array("title_order"), "<u4") for d in (base, target))
    rank = np.empty(len(old_order), np.int64)
    rank[old_order] = np.arange(len(old_order))
    ordered = match[order]
    ranked = np.where(ordered < 0, -1, rank[ordered] if len(rank) else -1)

    old_rows, rows = (_artworks(document) for document in (base, target))
    place = {key: index for index, key in enumerate(old_rows)}
    return match, ranked, np.array([place.get(key, -1) for key in rows], np.int64)


def _artworks(document: Document) -> list[tuple[str, str]]:
    """(title, artwork) of every row."""
    policy = document.policy
    return [(title, artwork) for title in policy.titles for artwork in policy.artworks(title)]
