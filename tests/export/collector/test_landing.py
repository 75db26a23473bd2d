# SPDX-License-Identifier: Apache-2.0
"""Landed files are whole or not there, in the right order, and batches that meet share them."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from edgeart_export.arrow_schemas import LANDING
from edgeart_export.collector import landing as landing_module
from edgeart_export.collector.batch import Batch as Decoded
from edgeart_export.collector.batch import decode
from edgeart_export.collector.batch import tables as tables_of
from edgeart_export.collector.commit import MOST_BATCHES, GroupCommit
from edgeart_export.collector.errors import CommitError, LandingError
from edgeart_export.collector.landing import (
    INCOMING,
    STALE_SECONDS,
    Landing,
    LocalLanding,
    StoreLanding,
    open_landing,
)
from tests.support.batches import Batch, Context, Impression, Later, Lost, Outcome, page
from tests.support.collectors import files, landed

DAY = "2027-01-15"
NOON = 1_800_014_400_000  # 2027-01-15 12:00 UTC
EVERY = Batch([Context(0), Impression(1, context=0), Outcome(2), Lost(3), Later(4)])


def tables(batch: Batch = EVERY) -> Mapping[str, pa.Table]:
    return tables_of([decode(batch.packed(), NOON)])


def local(folder: Path) -> Landing:
    return LocalLanding(folder)


def moved(folder: Path) -> Landing:
    return StoreLanding(pafs.LocalFileSystem(), str(folder))


def put(folder: Path) -> Landing:
    """As an object store is written to: no temporary file, one PUT."""
    store = StoreLanding(pafs.LocalFileSystem(), str(folder))
    store._atomic = True
    for table in LANDING:
        (folder / table / f"date={DAY}").mkdir(parents=True, exist_ok=True)
    return store


@pytest.mark.parametrize("make", [local, moved, put])
def test_every_table_lands_under_its_day_and_reads_back_equal(
    make: Callable[[Path], Landing], tmp_path: Path
) -> None:
    make(tmp_path).write(tables(), DAY)
    for name, table in tables().items():
        assert landed(tmp_path, name).equals(table)
        assert [path.parent.name for path in files(tmp_path, name)] == [f"date={DAY}"]
    assert not list((tmp_path / INCOMING).glob("*"))


def test_another_engine_reads_the_types_and_the_day(tmp_path: Path) -> None:
    local(tmp_path).write(tables(), DAY)
    described = duckdb.sql(f"DESCRIBE FROM '{tmp_path}/impressions/*/*.parquet'").fetchall()
    assert [(row[0], row[1]) for row in described] == [
        ("stream", "UBIGINT"),
        ("sequence", "UINTEGER"),
        ("at", "TIMESTAMP WITH TIME ZONE"),
        ("received", "TIMESTAMP WITH TIME ZONE"),
        ("context", "UINTEGER"),
        ("title", "VARCHAR"),
        ("artwork", "VARCHAR"),
        ("n", "UINTEGER"),
        ("total", "UINTEGER"),
        ("reason", "UTINYINT"),
        ("slot_row", "UINTEGER"),
        ("slot_column", "UINTEGER"),
        ("shown", "VARCHAR"),
        ("candidates", "BLOB"),
        ("host_candidates", "VARCHAR[]"),
        ("date", "DATE"),
    ]


def test_a_table_without_rows_makes_no_file(tmp_path: Path) -> None:
    local(tmp_path).write(tables(Batch([Impression(0)])), DAY)
    assert [name for name in LANDING if (tmp_path / name).exists()] == ["impressions"]


def test_a_write_that_fails_leaves_nothing_to_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    flush = os.fsync

    def fails_at_the_third(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(28, "No space left on device")
        flush(descriptor)

    store = local(tmp_path)
    monkeypatch.setattr(landing_module.os, "fsync", fails_at_the_third)
    with pytest.raises(OSError, match="No space"):
        store.write(tables(), DAY)
    assert calls == 3
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    store.write(tables(), DAY)
    assert landed(tmp_path, "impressions").num_rows == 1


def test_contexts_are_visible_and_durable_before_the_impressions_that_name_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    flush, rename = landing_module._flush, Path.rename

    def flushes(folder: Path) -> None:
        steps.append(f"flush {folder.relative_to(tmp_path)}")
        flush(folder)

    def renames(path: Path, target: Path) -> Path:
        steps.append(f"rename {target.parent.relative_to(tmp_path)}")
        return rename(path, target)

    store = local(tmp_path)
    store.write(tables(), DAY)  # the folders are there now
    monkeypatch.setattr(landing_module, "_flush", flushes)
    monkeypatch.setattr(Path, "rename", renames)
    store.write(tables(), DAY)
    order = ["contexts", "losses", "others", "outcomes", "impressions"]
    assert steps == [f"{step} {name}/date={DAY}" for name in order for step in ("rename", "flush")]


def test_what_a_killed_process_left_is_swept_after_a_day(tmp_path: Path) -> None:
    local(tmp_path)
    old, young = tmp_path / INCOMING / "a.contexts.tmp", tmp_path / INCOMING / "b.contexts.tmp"
    for path in (old, young):
        path.write_bytes(b"half")
    then = time.time() - STALE_SECONDS - 60
    os.utime(old, (then, then))
    local(tmp_path)
    assert (old.exists(), young.exists()) == (False, True)


def test_a_folder_removed_under_way_is_made_again(tmp_path: Path) -> None:
    store = local(tmp_path / "landing")
    store.write(tables(), DAY)
    for path in sorted((tmp_path / "landing").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (tmp_path / "landing").rmdir()
    store.write(tables(), DAY)
    assert landed(tmp_path / "landing", "contexts").num_rows == 1


def test_places_are_opened_by_path_and_by_uri(tmp_path: Path) -> None:
    assert isinstance(open_landing(tmp_path / "a"), LocalLanding)
    assert isinstance(open_landing(f"file://{tmp_path}/b"), LocalLanding)
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "c", "nosuch://bucket/prefix"):
        with pytest.raises(LandingError, match=str(place)):
            open_landing(place)


class Seen:
    """A landing that notes its writes, and waits before each for a permit."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, int]] = []
        self.entered = threading.Semaphore(0)
        self.permit = threading.Semaphore(0)
        self.error: Exception | None = None

    def write(self, tables: Mapping[str, pa.Table], day: str) -> None:
        self.entered.release()
        assert self.permit.acquire(timeout=30)
        if self.error:
            raise self.error
        self.writes.append((day, sum(table.num_rows for table in tables.values())))


class Counted:
    """An observer."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.failures = 0

    def committed(self, batches: Sequence[Decoded], seconds: float) -> None:
        assert seconds >= 0
        self.groups.append(len(batches))

    def failed(self) -> None:
        self.failures += 1


def decoded(sequence: int, received: int = NOON) -> Decoded:
    return decode(Batch([Impression(sequence)]).packed(), received)


async def until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come to that")


def test_batches_that_come_during_a_write_are_written_together() -> None:
    async def scenario() -> None:
        place, seen = Seen(), Counted()
        commit = GroupCommit(place, seen, linger=0)
        commit.start()
        first = asyncio.create_task(commit.land(decoded(0)))
        await until(lambda: place.entered.acquire(blocking=False))
        others = [asyncio.create_task(commit.land(decoded(n))) for n in range(1, 10)]
        await asyncio.sleep(0.01)
        assert not first.done()
        place.permit.release()
        await first
        assert not any(task.done() for task in others)  # answered only when written
        place.permit.release()
        await asyncio.gather(*others)
        assert place.writes == [(DAY, 1), (DAY, 9)]
        assert seen.groups == [1, 9]
        await commit.close()

    asyncio.run(scenario())


def test_a_group_holds_one_day_and_a_bounded_number() -> None:
    async def scenario() -> None:
        place, seen = Seen(), Counted()
        commit = GroupCommit(place, seen, linger=0.02)
        commit.start()
        today, tomorrow = decoded(0), decoded(0, NOON + 86_400_000)
        batches = [today] * (MOST_BATCHES + 1) + [tomorrow]
        waiting = [asyncio.create_task(commit.land(batch)) for batch in batches]
        for _ in range(3):
            place.permit.release()
        await asyncio.gather(*waiting)
        assert place.writes == [(DAY, MOST_BATCHES), (DAY, 1), ("2027-01-16", 1)]
        await commit.close()

    asyncio.run(scenario())


def test_a_failed_write_fails_its_batches_and_no_others() -> None:
    async def scenario() -> None:
        place, seen = Seen(), Counted()
        commit = GroupCommit(place, seen, linger=0)
        commit.start()
        place.error = OSError(28, "No space left on device")
        place.permit.release()
        with pytest.raises(CommitError, match="No space left"):
            await commit.land(decoded(0))
        place.error = None
        place.permit.release()
        await commit.land(decoded(1))
        assert (place.writes, seen.failures, seen.groups) == ([(DAY, 1)], 1, [1])
        await commit.close()

    asyncio.run(scenario())


def test_a_request_that_went_away_disturbs_nobody_and_closing_writes_what_waits() -> None:
    async def scenario() -> None:
        place, seen = Seen(), Counted()
        commit = GroupCommit(place, seen, linger=0.01)
        commit.start()
        gone = asyncio.create_task(commit.land(decoded(0)))
        stays = asyncio.create_task(commit.land(decoded(1)))
        await asyncio.sleep(0)
        gone.cancel()
        place.permit.release()
        await commit.close()
        await stays
        assert place.writes == [(DAY, 2)]

    asyncio.run(scenario())


def test_rows_of_many_batches_keep_their_streams(tmp_path: Path) -> None:
    async def scenario() -> None:
        commit = GroupCommit(local(tmp_path), Counted(), linger=0.02)
        commit.start()
        batches = [decode(page(20, stream=stream).packed(), NOON) for stream in range(1, 9)]
        await asyncio.gather(*(commit.land(batch) for batch in batches))
        await commit.close()

    asyncio.run(scenario())
    assert len(files(tmp_path, "impressions")) == len(files(tmp_path, "contexts")) == 1
    rows = landed(tmp_path, "impressions")
    assert rows["stream"].value_counts().to_pylist() == [
        {"values": stream, "counts": 20} for stream in range(1, 9)
    ]
