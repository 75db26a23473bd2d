# SPDX-License-Identifier: Apache-2.0
"""Loads the Open Bandit Dataset's CSV files: real impressions with true logging propensities.

Layout: github.com/st-tech/zr-obp, folder `obd/`; Saito, Aihara, Matsutani, Narita 2020, *Open
Bandit Dataset and Pipeline*, arXiv 2008.07146. One row is one fashion item shown at one of three
positions of a page. Here the items are the artworks of one title, and the position is part of the
context, because one exposure is one place on the page.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from .errors import DataError
from .log import Log
from .schema import Category, FeatureSchema

Half = Literal["first", "second", "all"]
TITLE = "campaign"
"""The title that all items are artworks of."""

_USER = "user_feature_"
_AFFINITY = "user-item_affinity_"
_COLUMNS = ("timestamp", "item_id", "position", "click", "propensity_score")


@dataclass(frozen=True, eq=False)
class Items:
    """The item context file: id and features of every candidate, by ascending id.

    numeric: float64 [items] (`item_feature_0`); categories: per item its other features.
    """

    path: Path
    ids: tuple[int, ...]
    numeric: npt.NDArray[np.float64]
    categories: tuple[tuple[str, ...], ...]

    def artworks(self) -> list[str]:
        """The artwork ids, `item-<id>`, in the order of `ids`."""
        return [artwork_id(item) for item in self.ids]


@dataclass(frozen=True, eq=False)
class Impressions:
    """n rows of a log file in order of time (equal times in order of the file).

    timestamp: datetime64[us] UTC [n]. item, position: int64 [n]. click: float64 [n], 0 or 1.
    propensity: float64 [n]. user: object (str) [n, user features]. affinity: float32
    [n, items], the log's user-item affinities; [n, 0] unless asked for.
    """

    path: Path
    timestamp: npt.NDArray[np.datetime64]
    item: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    click: npt.NDArray[np.float64]
    propensity: npt.NDArray[np.float64]
    user: npt.NDArray[np.object_]
    affinity: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.item)

    def half(self, which: Half) -> Impressions:
        """The first or second half in time (the first is the shorter of an odd number), or all."""
        middle = len(self) // 2
        part = {"first": slice(0, middle), "second": slice(middle, None), "all": slice(None)}[which]
        return self.take(part)

    def take(self, part: slice | npt.NDArray[np.intp]) -> Impressions:
        """The rows of a slice, or of these numbers in this order."""
        return Impressions(
            path=self.path,
            timestamp=self.timestamp[part],
            item=self.item[part],
            position=self.position[part],
            click=self.click[part],
            propensity=self.propensity[part],
            user=self.user[part],
            affinity=self.affinity[part],
        )

    def contexts(self) -> list[dict[str, object]]:
        """The context of every row: `position` and `user_feature_…`, all categories."""
        names = ["position", *(f"{_USER}{i}" for i in range(self.user.shape[1]))]
        return [
            dict(zip(names, (str(position), *user), strict=True))
            for position, user in zip(self.position.tolist(), self.user.tolist(), strict=True)
        ]

    def log(self) -> Log:
        """The rows as decisions of one title; the reward is the click."""
        return Log(
            contexts=self.contexts(),
            title=[TITLE] * len(self),
            artwork=[artwork_id(item) for item in self.item.tolist()],
            reward=self.click,
            propensity=self.propensity,
        )

    def schema(self, max_words: int = 32) -> FeatureSchema:
        """Categories with the words of these rows, most frequent first, at most `max_words` each.

        A word that is rarer, or that only later rows have, falls into the feature's other slot.
        """
        contexts = self.contexts()
        if not contexts:
            raise DataError(f"{self.path}: no rows to take a vocabulary from")
        features = []
        for name in contexts[0]:
            counts = Counter(str(context[name]) for context in contexts)
            ranked = sorted(counts, key=lambda word: (-counts[word], word))
            features.append(Category(name, ranked[:max_words]))
        return FeatureSchema(features)


def artwork_id(item: int) -> str:
    """The artwork id of an item."""
    return f"item-{item}"


def load_items(path: str | os.PathLike[str]) -> Items:
    """Reads an item context file, gzipped or not. Raises DataError with file and line, OSError."""
    rows: dict[int, tuple[float, tuple[str, ...]]] = {}
    with _reader(Path(path)) as reader:
        header = _header(Path(path), reader, ("item_id",))
        features = [c for c in header if c.startswith("item_feature_")]
        for line in _lines(Path(path), reader, header):
            item = line.integer("item_id", 0)
            if item in rows:
                raise line.error("item_id", f"{item} stands there twice")
            numeric = line.number("item_feature_0") if "item_feature_0" in features else 0.0
            words = tuple(line.text(c) for c in features if c != "item_feature_0")
            rows[item] = (numeric, words)
    if not rows:
        raise DataError(f"{path}: no items")
    ids = tuple(sorted(rows))
    return Items(
        path=Path(path),
        ids=ids,
        numeric=np.array([rows[item][0] for item in ids]),
        categories=tuple(rows[item][1] for item in ids),
    )


def load_impressions(
    path: str | os.PathLike[str],
    *,
    items: Items | None = None,
    affinity: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Impressions:
    """Reads a log file, gzipped or not, and sorts it by time.

    items: refuse rows of an item that is not among them. affinity: also read the user-item
    affinities. progress: called now and then with the number of rows read. Raises DataError with
    file and line, OSError.
    """
    source = Path(path)
    known = None if items is None else set(items.ids)
    times: list[datetime] = []
    numbers: list[tuple[int, int, int, float]] = []
    users: list[list[str]] = []
    affinities: list[list[float]] = []
    with _reader(source) as reader:
        header = _header(source, reader, _COLUMNS)
        user_columns = _numbered(header, _USER)
        affinity_columns = _numbered(header, _AFFINITY) if affinity else []
        for line in _lines(source, reader, header):
            item = line.integer("item_id", 0)
            if known is not None and item not in known:
                raise line.error("item_id", f"{item} is not in {items and items.path}")
            click = line.integer("click", 0)
            propensity = line.number("propensity_score")
            if click > 1:
                raise line.error("click", f"{click} is neither 0 nor 1")
            if not 0 < propensity <= 1:
                raise line.error("propensity_score", f"{propensity} is not above 0 and at most 1")
            times.append(line.time("timestamp"))
            numbers.append((item, line.integer("position", 1), click, propensity))
            users.append([line.text(column) for column in user_columns])
            affinities.append([line.number(column) for column in affinity_columns])
            if progress is not None and len(numbers) % 1000 == 0:
                progress(len(numbers))
    if not numbers:
        raise DataError(f"{source}: no rows after the header")
    if progress is not None:
        progress(len(numbers))
    stamps = np.array(times, dtype="datetime64[us]")
    columns = np.array(numbers, dtype=np.float64)
    loaded = Impressions(
        path=source,
        timestamp=stamps,
        item=columns[:, 0].astype(np.int64),
        position=columns[:, 1].astype(np.int64),
        click=columns[:, 2],
        propensity=columns[:, 3],
        user=np.array(users, dtype=object).reshape(len(numbers), len(user_columns)),
        affinity=np.array(affinities, dtype=np.float32).reshape(len(numbers), -1),
    )
    return loaded.take(np.argsort(stamps, kind="stable"))


@dataclass
class _Line:
    """One row with its place, so that every error can say where it is."""

    path: Path
    number_: int
    columns: dict[str, int]
    cells: Sequence[str]

    def error(self, column: str, what: str) -> DataError:
        return DataError(f"{self.path}, line {self.number_}, column {column}: {what}")

    def text(self, column: str) -> str:
        return self.cells[self.columns[column]]

    def integer(self, column: str, least: int) -> int:
        text = self.text(column)
        if not (text.isascii() and text.isdigit()) or int(text) < least:
            raise self.error(column, f"{text!r} is not a whole number from {least} on")
        return int(text)

    def number(self, column: str) -> float:
        try:
            value = float(self.text(column))
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise self.error(column, f"{self.text(column)!r} is not a finite number")
        return value

    def time(self, column: str) -> datetime:
        try:
            moment = datetime.fromisoformat(self.text(column))
        except ValueError:
            raise self.error(column, f"{self.text(column)!r} is not an ISO 8601 time") from None
        if moment.tzinfo is None:
            return moment
        return moment.astimezone(timezone.utc).replace(tzinfo=None)


def _lines(path: Path, reader: _Rows, header: Sequence[str]) -> Iterator[_Line]:
    columns = {name: i for i, name in enumerate(header)}
    for cells in reader:
        if len(cells) != len(header):
            raise DataError(
                f"{path}, line {reader.line_num}: {len(cells)} cells under {len(header)} columns"
            )
        yield _Line(path, reader.line_num, columns, cells)


def _header(path: Path, reader: _Rows, needed: Sequence[str]) -> list[str]:
    header = next(iter(reader), [])
    missing = [name for name in needed if name not in header]
    if missing:
        raise DataError(f"{path}, line 1: no column {', '.join(missing)}; is it the right file?")
    return header


def _numbered(header: Sequence[str], prefix: str) -> list[str]:
    """The columns `prefix0`, `prefix1`, … as far as they go without a gap."""
    count = 0
    while f"{prefix}{count}" in header:
        count += 1
    return [f"{prefix}{i}" for i in range(count)]


class _Rows:
    """csv.reader whose failures name the file and the line."""

    def __init__(self, path: Path, lines: Iterator[str]) -> None:
        self._path = path
        self._reader = csv.reader(lines, strict=True)

    @property
    def line_num(self) -> int:
        return self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        try:
            yield from self._reader
        except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
            raise DataError(f"{self._path}, after line {self.line_num}: {error}") from error


@contextmanager
def _reader(path: Path) -> Iterator[_Rows]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    with ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        data = stack.enter_context(gzip.open(raw)) if packed else raw
        yield _Rows(path, iter(io.TextIOWrapper(data, encoding="utf-8", newline="")))
