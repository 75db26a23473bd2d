# SPDX-License-Identifier: Apache-2.0
"""Writes groups of rows into a landing folder so that a reader sees whole files or none."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from ..arrow_schemas import LANDING
from .errors import LandingError

INCOMING = ".incoming"
"""Files that are not finished yet are here, out of the way of readers, who look in the tables'
folders for `*.parquet`."""

STALE_SECONDS = 86_400
"""A file so old in `INCOMING` was left behind by a process that was killed."""

_PUTS_ARE_ATOMIC = ("s3", "gcs", "abfs")


class Landing(Protocol):
    """A place for landing tables; any number of processes may write to one at the same time."""

    def write(self, tables: Mapping[str, pa.Table], day: str) -> None:
        """Stores rows, by table name, under `date=day`; when it returns they are durable.

        Raises OSError if they could not be stored. Some tables may be visible then, in the order
        of `LANDING`: writing the same rows again is right, since readers drop repeated events.
        """


def open_landing(place: str | os.PathLike[str]) -> Landing:
    """A landing folder: a path, made if it is missing, or a URI such as `s3://bucket/prefix`.

    Raises:
        LandingError: it cannot be used.
    """
    try:
        if isinstance(place, str) and "://" in place:
            filesystem, path = pafs.FileSystem.from_uri(place)
            if isinstance(filesystem, pafs.LocalFileSystem):
                return LocalLanding(Path(path))
            return StoreLanding(filesystem, path)
        return LocalLanding(Path(place))
    except (OSError, ValueError) as error:
        raise LandingError(f"landing folder {os.fspath(place)} cannot be used: {error}") from None


class LocalLanding:
    """A folder of this machine: written aside, flushed to disk, renamed, the folder flushed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / INCOMING
        self._made: set[Path] = set()
        self._make(self._incoming)
        self._sweep()

    def write(self, tables: Mapping[str, pa.Table], day: str) -> None:
        """See `Landing.write`."""
        name = str(uuid.uuid4())
        waiting: list[tuple[Path, Path]] = []
        try:
            self._make(self._incoming)
            # All bytes first: a full disk shows here, before anything is visible.
            for table in _in_order(tables):
                aside = self._incoming / f"{name}.{table}.tmp"
                waiting.append((aside, self._folder / table / f"date={day}"))
                _write_durably(aside, _parquet(tables[table]))
            for aside, folder in waiting:
                self._make(folder)
                aside.rename(folder / f"{name}.parquet")
                _flush(folder)
        except BaseException:
            for aside, _ in waiting:
                with suppress(OSError):  # renamed already, or the disk is gone; a sweep follows
                    aside.unlink()
            raise

    def _make(self, folder: Path) -> None:
        """Makes a folder and those above it, each on disk before anything is put into it."""
        if folder in self._made and folder.is_dir():
            return
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            _flush(folder.parent)
        self._made.add(folder)

    def _sweep(self) -> None:
        oldest = time.time() - STALE_SECONDS
        for left in self._incoming.glob("*.tmp"):
            with suppress(FileNotFoundError):  # another process sweeps too
                if left.stat().st_mtime < oldest:
                    left.unlink()


class StoreLanding:
    """Any filesystem of `pyarrow.fs`. In an object store a PUT appears whole or not at all;
    elsewhere a file is written aside and moved. How durable that is, is the store's promise.
    """

    def __init__(self, filesystem: pafs.FileSystem, path: str) -> None:
        self._filesystem = filesystem
        self._path = path.rstrip("/")
        self._atomic = filesystem.type_name in _PUTS_ARE_ATOMIC
        if not self._atomic:
            filesystem.create_dir(f"{self._path}/{INCOMING}", recursive=True)

    def write(self, tables: Mapping[str, pa.Table], day: str) -> None:
        """See `Landing.write`."""
        name = str(uuid.uuid4())
        # Whole in memory first: a stream that fails half way is closed, and with that published.
        files = [(table, _parquet(tables[table])) for table in _in_order(tables)]
        for table, content in files:
            folder = f"{self._path}/{table}/date={day}"
            target = f"{folder}/{name}.parquet"
            if self._atomic:
                self._put(target, content)
                continue
            aside = f"{self._path}/{INCOMING}/{name}.{table}.tmp"
            self._put(aside, content)
            self._filesystem.create_dir(folder, recursive=True)
            self._filesystem.move(aside, target)

    def _put(self, path: str, content: pa.Buffer) -> None:
        with self._filesystem.open_output_stream(path) as stream:
            stream.write(content)


def _in_order(tables: Mapping[str, pa.Table]) -> list[str]:
    return [name for name in LANDING if name in tables and tables[name].num_rows]


def _parquet(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _write_durably(path: Path, content: pa.Buffer) -> None:
    with path.open("xb", buffering=0) as file:
        view = memoryview(content)
        while view:  # an unbuffered write may take less than all
            view = view[file.write(view) :]
        os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
