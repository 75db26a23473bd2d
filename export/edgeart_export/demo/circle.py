# SPDX-License-Identifier: Apache-2.0
"""The real circle on one machine: devices that log and upload, a collector, attribution."""

from __future__ import annotations

import heapq
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from urllib.request import urlopen

import msgpack
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import edgeart

from ..attribution import attribute
from ..engines.duckdb import DuckDBEngine
from ..errors import ExportError
from ..exposures.exposures import COLUMNS
from ..reward import QualityPlay
from ..simulate.audience import DAY_MS, Audience, Wave
from .reward import LATENESS_MS, MINUTES, START_MS, WINDOW_MS

TRAVELLING = 10
"""One member in so many has devices that upload only every third night."""

_LOG_BYTES = 1 << 28


@dataclass
class Counts:
    """What went around so far. lost: events, by reason, that devices or server dropped."""

    shown: int = 0
    plays: int = 0
    batches: int = 0
    events: int = 0
    corrected: int = 0
    lost: dict[str, int] = field(default_factory=dict)


@dataclass(order=True)
class _Later:
    """A report of a play that is still to come."""

    at_ms: int
    order: int
    selector: edgeart.Selector = field(compare=False)
    ref: str | None = field(compare=False)
    minutes: float = field(compare=False)


class Circle:
    """Devices, collector and attribution in one folder; a context manager that ends the collector.

    Thousands of devices share two feedback logs, which a real device would not; each has its own
    Selector with its own unit. All clocks are the simulation's: `now_ms`.
    """

    def __init__(self, audience: Audience, folder: Path) -> None:
        self._audience = audience
        self._folder = folder
        self._now = START_MS
        self._later: list[_Later] = []
        # From the seed, so that the same seed gives the same days.
        self._secret = sha256(b"device secret %d" % audience.seed).digest()
        self._token = secrets.token_urlsafe(24)
        self._stack = ExitStack()
        self._busy = False  # whether anything was shown since last night
        self.counts = Counts()

    def __enter__(self) -> Circle:  # noqa: PYI034 - nobody inherits it
        with ExitStack() as stack:
            url = stack.enter_context(_Collector(self._folder, self._token)).url
            self._logs = [
                stack.enter_context(
                    edgeart.FeedbackLog(
                        self._folder / "devices" / name,
                        max_bytes=_LOG_BYTES,
                        segment_bytes=1 << 18,
                        clock=lambda: self._now,
                        ticks=lambda: self._now,
                    )
                )
                for name in ("home", "travelling")
            ]
            self._uploaders = [
                edgeart.Uploader(log, url, token=lambda: self._token) for log in self._logs
            ]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    # By day.

    def show(self, policy: edgeart.Policy, wave: Wave) -> None:
        """Every visit gets its page from a Selector; what is seen is logged, plays follow later."""
        titles = self._audience.catalogue.titles
        keys = [title.id for title in titles]
        defaults = {key: policy.artworks(key)[0] for key in keys}
        number = {(t.id, a.name): i for t in titles for i, a in enumerate(t.artworks)}
        edges = np.searchsorted(wave.visit, np.arange(len(wave.member) + 1)).tolist()
        row, column = wave.row.tolist(), wave.column.tolist()
        showings, unloaded = wave.showings.tolist(), wave.unloaded.tolist()
        seen: list[int] = []
        refs: list[tuple[edgeart.Selector, str | None]] = []
        visits = zip(
            wave.member.tolist(), wave.time.tolist(), wave.contexts, wave.pages, strict=True
        )
        for visit, (member, at, values, page) in enumerate(visits):
            self._pass(START_MS + at)
            selector = edgeart.Selector(
                policy,
                self._logs[member % TRAVELLING == 0],
                unit=b"member %d" % member,
                secret=self._secret,
            )
            selector.set_context(msgpack.unpackb(values))
            decided = selector.page([keys[t] for t in page])
            for view in range(edges[visit], edges[visit + 1]):
                decision = decided[row[view] * 4 + column[view]]
                title, artwork = decision.title, decision.artwork
                instead = defaults[title] if unloaded[view] else None
                ref = None
                for _ in range(showings[view]):
                    ref = selector.shown(decision, slot=(row[view], column[view]), instead=instead)
                if ref is None or artwork is None:
                    raise ExportError(f"{title} could not be shown: {selector.last_error}")
                seen.append(number[title, instead or artwork])
                refs.append((selector, ref))
        self._busy = True
        self.counts.shown += int(wave.showings.sum())
        followed = self._audience.respond(wave, np.array(seen))
        for view in np.flatnonzero(followed.taken).tolist():
            end = START_MS + int(wave.time[wave.visit[view]] + followed.delay[view])
            minutes = float(followed.minutes[view])
            selector, ref = refs[view]
            self._report(selector, ref, end, minutes)
            if minutes > 20:  # an app reports while the play goes on; the largest counts
                self._report(selector, ref, end - 600_000, minutes - 10)

    def night(self, day: int) -> Iterable[pa.Table]:
        """Uploads, and attributes what has landed; what attribution gives out that is new."""
        self._pass(START_MS + day * DAY_MS)
        self._upload(self._uploaders[0])
        if day % 3 == 0 or not self._busy:
            self._upload(self._uploaders[1])
        self._busy = False
        report = attribute(
            self._folder / "landing",
            self._folder / "attribution",
            self._folder / "exposures",
            reward=QualityPlay(minutes=MINUTES, window=timedelta(milliseconds=WINDOW_MS)),
            lateness=timedelta(milliseconds=LATENESS_MS),
            now=datetime.fromtimestamp(self._now / 1000, tz=timezone.utc),
            engine=DuckDBEngine("1GB", None, None),
        )
        self.counts.corrected += report.counts["corrected"]
        self.counts.lost.update(report.losses)
        if report.file is not None:
            yield pq.read_table(report.file, columns=list(COLUMNS))

    def _upload(self, uploader: edgeart.Uploader) -> None:
        status = uploader.run_once()
        if status.state != "done" or status.refused:
            raise ExportError(f"the upload ended as {status.state}: {status.error}")
        self.counts.batches += status.segments
        self.counts.events += status.events

    # By moment.

    def _report(
        self, selector: edgeart.Selector, ref: str | None, at_ms: int, minutes: float
    ) -> None:
        later = _Later(at_ms, self.counts.plays, selector, ref, minutes)
        heapq.heappush(self._later, later)
        self.counts.plays += 1

    def _pass(self, until_ms: int) -> None:
        """Lets time pass, and what was to happen in it happen."""
        while self._later and self._later[0].at_ms <= until_ms:
            later = heapq.heappop(self._later)
            self._now = max(self._now, later.at_ms)
            later.selector.outcome(later.ref, minutes=later.minutes)
        self._now = max(self._now, until_ms)


class _Collector:
    """`edgeart-export collect` as a process of its own; ended by SIGTERM."""

    def __init__(self, folder: Path, token: str) -> None:
        self._folder = folder
        tokens = folder / "tokens.txt"
        tokens.write_text(f"{sha256(token.encode()).hexdigest()} devices\n", encoding="ascii")
        self._log = folder / "collector.log"
        command = [sys.executable, "-m", "edgeart_export", "collect", "--json", "--port", "0"]
        options = ["--landing", str(folder / "landing"), "--tokens", str(tokens), "--drain", "0"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
                [*command, *options], stderr=log, stdout=log
            )
        self.url = ""

    def __enter__(self) -> _Collector:  # noqa: PYI034
        try:
            self.url = self._ready()
        except BaseException:
            self._process.kill()
            raise
        return self

    def _ready(self) -> str:
        """Waits until it listens; its address."""
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            for line in self._log.read_bytes().splitlines():
                if b'"ready"' in line:
                    known = json.loads(line)
                    url = f"http://{known['host']}:{known['port']}"
                    with urlopen(f"{url}/health", timeout=10):  # noqa: S310 - our own address
                        return url
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        said = self._log.read_text(encoding="utf-8", errors="replace").strip()
        raise ExportError(f"the collector did not start: {said[-500:] or 'it said nothing'}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)
