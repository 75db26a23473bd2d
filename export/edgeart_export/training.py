# SPDX-License-Identifier: Apache-2.0
"""Training on attribution's exposures, night after night, each exposure and correction once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .errors import DataError
from .exposures import WEIGHTED_REASONS
from .trainers import AutoTrainer, LinearTrainer

_COLUMNS = {
    "title": "title",
    "artwork": "artwork",
    "map": "context",
    "reward": "reward",
    "previous": "previous",
    "propensity": "propensity",
    "shown_first": "time",
    "slot_row": "slot_row",
    "slot_column": "slot_column",
}
"""Columns of exposures (docs/attribution.md), and what a trainer calls them."""

TRAINERS = ("linear", "auto")
"""Kinds of trainers that learn from exposures."""

_DECIDES = ("n", "reason", "shown")
_ROWS = 1 << 17
_FIRST = 1 << 20
"""Exposures that a layer is learned from, if one is to be learned."""

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Found:
    """What files of exposures hold. files: their names, in the order given.

    pairs: title → artworks that were shown, as they came. until: the latest exposure, milliseconds
    since 1970, up to which zeros are settled: of younger ones only those with a play are there, so
    that they cannot be learned from yet. None where there is no zero.
    """

    files: dict[str, Path]
    pairs: dict[str, list[str]]
    until: int | None


def exposure_files(given: Sequence[Path]) -> list[Path]:
    """Parquet files, and those of folders by name. Raises DataError where there is none."""
    files: list[Path] = []
    for path in given:
        files += sorted(path.glob("**/*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"no Parquet file of exposures in {', '.join(map(str, given))}")
    return files


def look(files: Sequence[Path]) -> Found:
    """Reads what has to be known before anything is learned. Raises DataError, OSError."""
    named: dict[str, Path] = {}
    pairs: dict[str, dict[str, None]] = {}
    until: int | None = None
    for path in files:
        if path.name in named:
            raise DataError(f"two files are called {path.name}; exposures would be learned twice")
        named[path.name] = path
        table = _read(path, ["title", "artwork", "reward", "previous", "shown_first", *_DECIDES])
        usable = table.filter(_usable(table))
        shown = usable.group_by(["title", "artwork"]).aggregate([])
        for title, artwork in zip(
            shown.column("title").to_pylist(), shown.column("artwork").to_pylist(), strict=True
        ):
            pairs.setdefault(title, {})[artwork] = None
        zeros = table.filter(
            pc.and_(pc.equal(table.column("reward"), 0), pc.is_null(table.column("previous")))
        )
        if len(zeros):
            last = int(pc.max(_milliseconds(zeros.column("shown_first"))).as_py())
            until = last if until is None else max(until, last)
    return Found(named, {title: sorted(row) for title, row in sorted(pairs.items())}, until)


def learn(
    trainer: LinearTrainer | AutoTrainer,
    found: Found,
    learned: Mapping[str, int],
    progress: Progress | None = None,
) -> tuple[dict[str, int], dict[str, int]]:
    """Learns what is settled and was not learned before.

    learned: file name → the moment up to which its exposures were learned by earlier runs. Returns
    the same after this run, and how many exposures were used or left out, by why: `used`,
    `corrections`, `learned before`, `too young`, `no propensity behind`. A file that still has
    younger exposures has to be given again. progress: called with the number of rows read.
    Raises DataError; then the trainer may have learned a part.
    """
    if found.until is None:
        raise DataError("there is no exposure without reward: nothing is settled yet")
    counts = dict.fromkeys(
        ("used", "corrections", "learned before", "too young", "no propensity behind"), 0
    )
    after = dict(learned)
    waiting: list[pa.Table] = []
    done = 0
    for name, path in found.files.items():
        for table in _tables(path):
            done += len(table)
            usable = _settled(table, learned.get(name), found.until, counts)
            if _awaits_layer(trainer):
                waiting.append(usable)
                if sum(map(len, waiting)) >= _FIRST:
                    trainer.fit(pa.concat_tables(waiting))
                    waiting = []
            elif len(usable):
                trainer.partial_fit(usable)
            if progress is not None:
                progress(done)
        after[name] = max(found.until, learned.get(name, found.until))
    if waiting:
        trainer.fit(pa.concat_tables(waiting))
    return after, counts


def _awaits_layer(trainer: LinearTrainer | AutoTrainer) -> bool:
    """Whether a first fit has a layer to learn."""
    return isinstance(trainer, LinearTrainer) and trainer.rank is not None and trainer.layer is None


def _settled(table: pa.Table, before: int | None, until: int, counts: dict[str, int]) -> pa.Table:
    """The rows to learn from, in a trainer's columns; the others are counted."""
    time = _milliseconds(table.column("shown_first"))
    behind = _usable(table)
    old = pc.less_equal(time, -1 << 62 if before is None else before)
    young = pc.greater(time, until)
    counts["no propensity behind"] += _count(pc.invert(behind))
    counts["learned before"] += _count(pc.and_(behind, old))
    counts["too young"] += _count(pc.and_(behind, young))
    kept = pc.and_(behind, pc.invert(pc.or_(old, young)))
    chosen = table.filter(kept)
    corrections = _count(pc.is_valid(chosen.column("previous")))
    counts["corrections"] += corrections
    counts["used"] += len(chosen) - corrections
    return pa.table({theirs: chosen.column(name) for name, theirs in _COLUMNS.items()})


def _usable(table: pa.Table) -> pa.ChunkedArray:
    """Where a propensity stands behind what was shown."""
    chance = pc.and_(
        pc.is_in(table.column("reason"), pa.array(WEIGHTED_REASONS, table.column("reason").type)),
        pc.greater(table.column("n"), 0),
    )
    return pc.and_(chance, pc.is_null(table.column("shown")))


def _count(marks: pa.ChunkedArray) -> int:
    return int(pc.sum(marks).as_py() or 0)


def _milliseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.timestamp("ms", tz=column.type.tz), safe=False)
    return pc.cast(column, pa.int64())


def _read(path: Path, columns: list[str]) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            _check(path, file, columns)
            return file.read(columns)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: no Parquet file: {error}") from None


def _tables(path: Path) -> Iterator[pa.Table]:
    columns = [*_COLUMNS, *_DECIDES]
    with pq.ParquetFile(path) as file:
        _check(path, file, columns)
        for batch in file.iter_batches(_ROWS, columns=columns):
            yield pa.Table.from_batches([batch])


def _check(path: Path, file: pq.ParquetFile, columns: list[str]) -> None:
    missing = set(columns) - set(file.schema_arrow.names)
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(sorted(missing))}; exposures are what "
            f"`edgeart-export attribute` writes"
        )
