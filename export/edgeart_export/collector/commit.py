# SPDX-License-Identifier: Apache-2.0
"""Group commit: batches that arrive together, or during a write, share one file for each table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Protocol

from .batch import Batch, tables
from .errors import CommitError
from .landing import Landing

MOST_BATCHES = 1024
"""Batches of one group; what is more waits for the next. Their bytes are bounded by the caller."""


class Observer(Protocol):
    """Whoever wants to know of commits."""

    def committed(self, batches: Sequence[Batch], seconds: float) -> None:
        """A group is durable."""

    def failed(self) -> None:
        """A group could not be written."""


class GroupCommit:
    """Lands batches in groups, one group after the other.

    linger: seconds that the first batch of a group waits for company. More makes larger files and
    slower answers; while a group is being written the next one gathers anyway.
    """

    def __init__(self, landing: Landing, observer: Observer, *, linger: float = 0.005) -> None:
        self._landing = landing
        self._observer = observer
        self._linger = linger
        self._waiting: list[tuple[Batch, asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="landing")
        self._runner: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to write; to be called in the event loop that `land` will be called in."""
        self._runner = asyncio.get_running_loop().create_task(self._run())

    async def land(self, batch: Batch) -> None:
        """Returns when the batch's events are durable. Raises CommitError if they could not be."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, future))
        self._arrived.set()
        await future

    async def close(self) -> None:
        """Writes what waits, then ends."""
        self._closed = True
        self._arrived.set()
        if self._runner:
            await self._runner
        self._thread.shutdown()

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            if not self._waiting and self._closed:
                return
            if not self._closed:
                await asyncio.sleep(self._linger)
            group = self._take()
            if not self._waiting and not self._closed:
                self._arrived.clear()
            await self._commit(group)

    def _take(self) -> list[tuple[Batch, asyncio.Future[None]]]:
        """The next group: batches of one day, in the order of arrival."""
        ready = self._waiting[:MOST_BATCHES]
        day = _day(ready[0][0])
        count = next((i for i, (batch, _) in enumerate(ready) if _day(batch) != day), len(ready))
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    async def _commit(self, group: list[tuple[Batch, asyncio.Future[None]]]) -> None:
        batches = [batch for batch, _ in group]
        start = time.perf_counter()
        error: BaseException | None = None
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, _write, self._landing, batches)
        except Exception as caught:  # noqa: BLE001 - each waiting request is told
            error = caught
        if error:
            self._observer.failed()
        else:
            self._observer.committed(batches, time.perf_counter() - start)
        for _, future in group:
            if future.done():  # its request was cancelled
                continue
            if error:
                future.set_exception(CommitError(error))
            else:
                future.set_result(None)


def _write(landing: Landing, batches: Sequence[Batch]) -> None:
    landing.write(tables(batches), _day(batches[0]))


def _day(batch: Batch) -> str:
    return datetime.fromtimestamp(batch.received / 1000, tz=timezone.utc).strftime("%Y-%m-%d")
