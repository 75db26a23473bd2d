# SPDX-License-Identifier: Apache-2.0
"""What an app's calls cost while an uploader is at work beside them, and servers fail it."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import edgeart
from benchmarks.homepage import VALUES, Homepage, homepage
from benchmarks.interleave import Spread
from benchmarks.servers import server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECRET = bytes(range(32))
SERVERS = {
    "uploading": "honest",
    "uploading, a thread busy": "honest",
    "server dead": "dead",
    "server slow": "slow",
    "server lying": "lying",
    "server says 401": "401",
    "server says 429": "429",
    "server says 503": "503",
}
ROUND = 1.5  # seconds
BACKLOG = 250_000  # impressions, 12 MB
BUSY = "uploading, a thread busy"
"""In this row a further thread computes in Python without end, as an app's own threads may."""
CALLS = ("page", "select", "shown", "woken")
"""What an app does: a page of 100 titles; a title; `shown`; waking up from a sleep on time."""


def measure_page(folder: Path, rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Microseconds by call and row: idle, while uploading, and with servers that fail.

    The rows take turns, and in every round another is first. `p99.9` is the median of the rounds,
    `low` and `high` are their quartiles, `above idle` is the median of the differences to the same
    round's idle. Every turn finds the same backlog of full segments, more than it can send; an
    upload that ends is begun again after 0.1 s, where an application would leave it minutes.
    """
    home = homepage("squarecb", "i8")
    log = edgeart.FeedbackLog(folder / "page")
    selector = edgeart.Selector(home.policy, log, unit=b"unit", secret=SECRET)
    selector.set_context(VALUES)
    titles = home.titles[:100]
    backlog = _backlog(folder / "backlog", home)
    of_round: dict[str, list[dict[str, dict[str, float]]]] = {"idle": []}
    with ExitStack() as stack:
        urls: dict[str, str | None] = {"idle": None}
        for row, kind in SERVERS.items():
            urls[row] = stack.enter_context(server(kind))
            of_round[row] = []
        order = list(urls)
        for turn in range(rounds):
            for row in order[turn % len(order) :] + order[: turn % len(order)]:
                for segment in log.seal():
                    log.store.remove(segment)
                for path in backlog:
                    shutil.copy(path, log.store.directory)
                with _uploads(log, urls[row]), _computing(busy=row == BUSY):
                    times = _render(selector, titles)
                of_round[row].append({call: quantiles(sorted(times[call])) for call in CALLS})
    log.close()
    return {
        call: {row: _spread(of_round[row], of_round["idle"], call) for row in of_round}
        for call in CALLS
    }


def _backlog(folder: Path, home: Homepage) -> list[Path]:
    """Sealed segments of an earlier process: full ones, and the last."""
    with edgeart.FeedbackLog(folder, sync_seconds=0) as log:
        selector = edgeart.Selector(home.policy, log, unit=b"unit", secret=SECRET)
        selector.set_context(VALUES)
        page = selector.page(home.titles[:100])
        for i in range(BACKLOG):
            selector.shown(page[i % 100], slot=(0, i % 40))
        return [Path(segment.path) for segment in log.seal()]


def _render(selector: edgeart.Selector, titles: Sequence[str]) -> dict[str, list[int]]:
    """What an app does, for one round: nanoseconds of each call."""
    clock = time.perf_counter_ns
    pause = 300_000
    times: dict[str, list[int]] = {call: [] for call in CALLS}
    end = time.monotonic() + ROUND
    while time.monotonic() < end:
        start = clock()
        page = selector.page(titles)
        decided = clock()
        selector.select(titles[len(times["page"]) % 100])
        selected = clock()
        selector.shown(page[len(times["page"]) % 100])
        shown = clock()
        time.sleep(pause / 1e9)
        times["woken"].append(max(clock() - shown - pause, 0))
        times["page"].append(decided - start)
        times["select"].append(selected - decided)
        times["shown"].append(shown - selected)
    return times


@contextmanager
def _uploads(log: edgeart.FeedbackLog, url: str | None) -> Iterator[None]:
    """A thread that uploads all the while; none without a URL."""
    if url is None:
        yield
        return
    uploader = edgeart.Uploader(log, url, token=lambda: "x" * 40, first_retry=0.0, timeout=0.5)
    stop = threading.Event()

    def upload() -> None:
        while not stop.wait(0.1):
            uploader.run_once()

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        uploader.stop()
        thread.join()


@contextmanager
def _computing(*, busy: bool) -> Iterator[None]:
    """A thread that never waits."""
    stop = False

    def compute() -> None:
        number = 0
        while not stop:
            number = number * 3 % 1_000_003 + 1

    thread = threading.Thread(target=compute)
    if busy:
        thread.start()
    try:
        yield
    finally:
        stop = True
        if busy:
            thread.join()


def _spread(
    rows: list[dict[str, dict[str, float]]], idle: list[dict[str, dict[str, float]]], call: str
) -> dict[str, float]:
    """Medians over the rounds, and the quartiles of p99.9."""
    worst = Spread.of([row[call]["p99.9"] for row in rows])
    above = [r[call]["p99.9"] - i[call]["p99.9"] for r, i in zip(rows, idle, strict=True)]
    return {
        "p50": median(row[call]["p50"] for row in rows),
        "p99": median(row[call]["p99"] for row in rows),
        "p99.9": worst.median,
        "low": worst.low,
        "high": worst.high,
        "above idle": median(above),
    }


def quantiles(ordered: list[int]) -> dict[str, float]:
    """Microseconds of sorted nanoseconds: p50, p99, p99.9."""
    last = len(ordered) - 1
    return {
        name: ordered[round(last * share)] / 1000
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
    }
