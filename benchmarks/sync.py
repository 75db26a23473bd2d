# SPDX-License-Identifier: Apache-2.0
"""What a check for policies costs a device, beside python-tuf's own client; what a delta costs.

    python -m benchmarks.sync

Both clients ask the same server on loopback, whose answers have nginx's headers, in turns: a check
that finds nothing new, each from a fresh start of its objects. Bytes are those of HTTP, without TCP
and TLS. Deltas are the publisher's own, applied to homepage bundles; memory is what Python
allocates (tracemalloc) beside the base and the delta, the result going to a file. Page latencies
are of a thread that decides the homepage again and again while another one checks without pause.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
import tracemalloc
from email.utils import formatdate
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tuf.ngclient import Updater

import edgeart
from benchmarks.deltas import replaced, retrained
from benchmarks.homepage import TITLES
from edgeart.sync import Syncer, apply_delta
from edgeart_export.format.document import Document
from edgeart_export.publish.delta import delta
from tests.support.fileserver import FileHandler, FileServer, file_server
from tests.support.repository import Repository, policy_bundle

ROUNDS = 300


def nginx(server: FileServer) -> None:
    """Lets a server answer with the headers that nginx sends, as docs/operating.md sets it up."""

    def behave(handler: FileHandler, path: str) -> bool:
        data = handler.server.files.get(path)
        age = "60" if data is None or "timestamp" in path else "31536000, immutable"
        headers = {
            "Server": "nginx/1.22.1", "Date": formatdate(usegmt=True),
            "Content-Type": "application/json" if data is not None else "text/plain",
            "Connection": "keep-alive", "Cache-Control": f"public, max-age={age}",
        }  # fmt: skip
        if data is None:
            handler.answer(404, b"none", **headers)
            return True
        etag = f'"6745c8a2-{len(data):x}-{sha256(data).hexdigest()[:8]}"'
        headers |= {"Last-Modified": formatdate(usegmt=True), "ETag": etag}
        if handler.headers.get("If-None-Match") == etag:
            del headers["Content-Type"]
            handler.answer(304, None, **headers)
        else:
            handler.answer(200, data, **headers, Accept_Ranges="bytes")
        return True

    server.behave = behave


class Fleet:
    """One device of ours and one of python-tuf's."""

    def __init__(self, folder: Path, url: str, repository: Repository) -> None:
        self.folder, self.url, self.repository = folder, url, repository
        (folder / "factory").write_bytes(policy_bundle(10))
        (folder / "tuf").mkdir()

    def ours(self) -> tuple[float, Any]:
        """Seconds of a check, and its status. The state is read from the disk and written back."""
        syncer = Syncer(
            self.folder / "sync", self.url, root=self.repository.anchor,
            policies={"row": self.folder / "factory"}, unit=7, swap=lambda *_: None,
        )  # fmt: skip
        syncer.installed.state.asked = 0.0  # less than five seconds ago
        began = time.perf_counter()
        status = syncer.refresh()
        took = time.perf_counter() - began
        syncer.close()
        assert status.ok, status
        return took, status

    def pythons(self) -> float:
        """Seconds of a check of python-tuf's client."""
        began = time.perf_counter()
        updater = Updater(
            str(self.folder / "tuf"), f"{self.url}/metadata/",
            bootstrap=self.repository.anchor,
        )  # fmt: skip
        updater.refresh()
        return time.perf_counter() - began


def measure_checks(folder: Path, rounds: int) -> dict[str, Any]:
    """Requests, bytes and times of checks that find nothing new."""
    repository = Repository(time.time())
    repository.offer(policy_bundle(11), 11)
    repository.publish()
    with file_server(repository.files) as server:
        nginx(server)
        fleet = Fleet(folder, server.url, repository)
        first = fleet.ours()[1]
        fleet.ours()
        fleet.pythons()
        ours, pythons, status = [], [], first
        for _ in range(rounds):
            took, status = fleet.ours()
            ours.append(took)
            pythons.append(fleet.pythons())
    ratio = statistics.median(ours) / statistics.median(pythons)
    return {
        "first_check": _counted(first),
        "no_change": _counted(status),
        "ours_ms": 1000 * statistics.median(ours),
        "python_tuf_ms": 1000 * statistics.median(pythons),
        "added": ratio - 1,
    }


def _counted(status: Any) -> dict[str, int]:
    return {"requests": status.requests, "sent": status.sent, "received": status.received}


def measure_delta(folder: Path, base: bytes, target: bytes, rounds: int) -> dict[str, Any]:
    """Time and memory of applying one delta."""
    packed = delta(Document(base), Document(target))
    assert packed is not None
    digest, times = sha256(target).digest(), []
    path = folder / "result"
    for _ in range(rounds):
        with path.open("wb") as file:
            began = time.perf_counter()
            apply_delta(base, packed, file.write, length=len(target), digest=digest)
            times.append(time.perf_counter() - began)
    assert path.read_bytes() == target
    tracemalloc.start()
    with path.open("wb") as file:
        apply_delta(base, packed, file.write, length=len(target), digest=digest)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "bytes": len(packed), "of_bundle": len(packed) / len(target),
        "ms": 1000 * statistics.median(times), "ms_worst": 1000 * max(times), "memory": peak,
    }  # fmt: skip


def measure_pages(folder: Path, bundle: bytes, seconds: float) -> dict[str, float]:
    """Latencies of the homepage in milliseconds, at rest and beside checks without pause."""
    policy = edgeart.Policy.from_bytes(bundle)
    selector = edgeart.Selector(policy, None, unit=b"unit", secret=bytes(32))
    selector.set_context({"country": "US", "hour": 20})
    titles = policy.titles[:TITLES]
    repository = Repository(time.time())
    repository.offer(policy_bundle(11), 11)
    repository.publish()
    stop = threading.Event()
    checks = [0]
    # A process of its own: a server's Python would be in the way of the pages as well.
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=_serve, args=(repository.files, sender), daemon=True
    )
    process.start()
    fleet = Fleet(folder, receiver.recv(), repository)
    fleet.ours()

    def check() -> None:
        while not stop.wait(0.02):
            fleet.ours()
            checks[0] += 1

    rest = _pages(selector, titles, seconds)
    thread = threading.Thread(target=check)
    thread.start()
    beside = _pages(selector, titles, seconds)
    stop.set()
    thread.join()
    process.terminate()
    return {
        "p50_at_rest": rest[0], "p999_at_rest": rest[1], "p50_beside": beside[0],
        "p999_beside": beside[1], "checks": checks[0],
    }  # fmt: skip


def _serve(files: dict[str, bytes], sender: Connection) -> None:
    with file_server(files) as server:
        nginx(server)
        sender.send(server.url)
        threading.Event().wait()


def _pages(
    selector: edgeart.Selector, titles: tuple[str, ...], seconds: float
) -> tuple[float, float]:
    times, end = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        selector.page(titles)
        times.append(time.perf_counter() - began)
        time.sleep(0.001)
    times.sort()
    return 1000 * times[len(times) // 2], 1000 * times[len(times) * 999 // 1000]


def main(arguments: list[str] | None = None) -> int:
    """Prints the measurements as JSON; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sync")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of checks ({ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="bundles of a tenth of the titles")
    options = parser.parse_args(arguments)
    titles = TITLES // 10 if options.quick else TITLES
    cases = [next(replaced(titles))]
    name, base, target = list(retrained(titles, 30))[3]  # 1 % more impressions, codes kept
    cases.append((name, base, target))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "checks").mkdir()
        (Path(folder) / "pages").mkdir()
        result = {
            "checks": measure_checks(Path(folder) / "checks", options.rounds),
            "deltas": {
                name: measure_delta(Path(folder), base, target, 20) for name, base, target in cases
            },
            "pages_ms": measure_pages(Path(folder) / "pages", cases[0][1], 10.0),
        }
    json.dump(result, sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
