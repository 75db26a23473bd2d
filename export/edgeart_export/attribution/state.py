# SPDX-License-Identifier: Apache-2.0
"""What attribution remembers between runs, changed by the rename of one manifest or not at all.

A state folder holds `manifest.json`, `lock`, and the Parquet files the manifest names:
`emitted-*` (exposures given out, with their reward) and `credited-*` (plays that made a reward).
A run writes its files, flushes them to disk, and then replaces the manifest: that is the commit.
Its exposures are written here too and moved to their folder after the commit; a run that dies
in between leaves them to the next one, which moves them before anything else. Files that no
manifest names come from a run that died before its commit; the next run deletes them.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import AttributionError

FORMAT = 1
PARTS = ("emitted", "credited")
COMPACT_AT = 32
"""With so many files of earlier runs a run writes one that stands for them all."""
ROW_GROUP = 131_072


@dataclass(frozen=True)
class Manifest:
    """The state in words. pending: name and folder of the last exposures, perhaps not moved yet."""

    id: str
    run: int
    reward: Mapping[str, object]
    emitted: tuple[str, ...] = ()
    credited: tuple[str, ...] = ()
    pending: tuple[str, str] | None = None
    format: int = FORMAT


class State:
    """An open, locked state folder. Made by `open_state`."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest

    def files(self, part: str) -> list[Path]:
        """The files of one of PARTS that earlier runs left."""
        return [self.folder / name for name in getattr(self.manifest, part)]

    @property
    def compact(self) -> bool:
        """Whether the next run shall write its parts so that they stand for all earlier ones."""
        return len(self.manifest.emitted) >= COMPACT_AT

    def path(self, part: str) -> Path:
        """Where the next run is to write `exposures`, `emitted` or `credited`."""
        manifest = self.manifest
        return self.folder / f"{part}-{manifest.id}-{manifest.run + 1:08d}.parquet"

    def commit(self, out: Path, *, compact: bool) -> Path:
        """Makes the files written at `path(...)` the state, and publishes the exposures in `out`.

        Returns the published file. They have to be on disk already (see `write`).
        """
        manifest = self.manifest
        after = replace(
            manifest,
            run=manifest.run + 1,
            emitted=(*(() if compact else manifest.emitted), self.path("emitted").name),
            credited=(*(() if compact else manifest.credited), self.path("credited").name),
            pending=(self.path("exposures").name, str(out.resolve())),
        )
        # The files' names have to be on disk before a manifest that speaks of them.
        sync_folder(self.folder)
        _write_manifest(self.folder, after)
        self.manifest = after
        published = _publish(self.folder, after)
        _sweep(self.folder, after)
        return published


@contextmanager
def open_state(folder: Path, reward: Mapping[str, object]) -> Iterator[State]:
    """Locks the folder, which is made where it is missing, and ends what a dead run began.

    reward: the definition, as JSON; a state belongs to one. Raises AttributionError where another
    run holds the folder, the definition differs, or the manifest cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AttributionError(
                f"state {folder}: another run is using it; wait for its end"
            ) from None
        manifest = _read_manifest(folder)
        if manifest is None or (manifest.run == 0 and manifest.reward != reward):
            manifest = Manifest(id=secrets.token_hex(4), run=0, reward=reward)
            _write_manifest(folder, manifest)
        if manifest.reward != reward:
            raise AttributionError(
                f"state {folder} was made with the reward {json.dumps(manifest.reward)}, not "
                f"{json.dumps(reward)}: what was given out stays as it is. Give the same "
                f"definition, or a new --state and a new --out to begin again"
            )
        _publish(folder, manifest)
        _sweep(folder, manifest)
        yield State(folder, manifest)


def write(path: Path, schema: pa.Schema, rows: pa.RecordBatchReader) -> int:
    """Writes rows as Parquet with this schema, flushed to disk; returns how many there were."""
    count = 0
    pending: list[pa.RecordBatch] = []
    with path.open("wb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for batch in rows:
                pending.append(_cast(batch, schema))
                count += batch.num_rows
                if sum(part.num_rows for part in pending) >= ROW_GROUP:
                    writer.write_table(pa.Table.from_batches(pending, schema))
                    pending.clear()
            if pending:
                writer.write_table(pa.Table.from_batches(pending, schema))
        file.flush()
        os.fsync(file.fileno())
    return count


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [batch.column(field.name).cast(field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def sync_folder(folder: Path) -> None:
    """Flushes a folder's names to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_manifest(folder: Path) -> Manifest | None:
    path = folder / "manifest.json"
    try:
        read: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        if any(folder.glob("emitted-*.parquet")):
            raise AttributionError(
                f"{path} is missing, but files of earlier runs are there; restore it, or give a "
                f"new --state and a new --out to begin again"
            ) from None
        return None
    except ValueError as error:
        raise AttributionError(f"{path} cannot be read: {error}; restore it") from None
    if not isinstance(read, dict) or read.get("format") != FORMAT:
        raise AttributionError(
            f"{path} is not of format {FORMAT}: another version of edgeart-export wrote it"
        )
    try:
        pending = read["pending"]
        return Manifest(
            id=str(read["id"]),
            run=int(read["run"]),
            reward=dict(read["reward"]),
            emitted=tuple(read["emitted"]),
            credited=tuple(read["credited"]),
            pending=None if pending is None else (str(pending[0]), str(pending[1])),
        )
    except (KeyError, TypeError, IndexError) as error:
        raise AttributionError(f"{path}: missing or unusable entry {error}; restore it") from None


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    temporary = folder / ".manifest.json"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(asdict(manifest), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, folder / "manifest.json")  # noqa: PTH105 - beside fsync, as one reads it
    sync_folder(folder)


def _publish(folder: Path, manifest: Manifest) -> Path:
    """Moves committed exposures to their folder, where they are still here."""
    if manifest.pending is None:
        return folder
    name, out = manifest.pending
    source, target = folder / name, Path(out) / name
    if not source.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(source, target)  # noqa: PTH105
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # Another file system: a copy gets the name when it is whole and on disk.
        hidden = target.parent / f".{name}"
        shutil.copyfile(source, hidden)
        with hidden.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(hidden, target)  # noqa: PTH105
        sync_folder(target.parent)
        source.unlink()
    sync_folder(target.parent)
    sync_folder(folder)
    return target


def _sweep(folder: Path, manifest: Manifest) -> None:
    """Deletes what no manifest names."""
    named = {*manifest.emitted, *manifest.credited}
    for part in (*PARTS, "exposures"):
        for path in folder.glob(f"{part}-*.parquet"):
            if path.name not in named:
                path.unlink()
