# SPDX-License-Identifier: Apache-2.0
"""What recording costs: `shown` beside its peers, bytes on the wire, a page while uploading.

    python -m benchmarks.feedback

Peers: sqlite3 (WAL, synchronous NORMAL, one INSERT and commit an event) and snowplow-tracker (its
event store in memory, which a crash loses; a peer for the call's cost alone).
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import msgpack
from rich.console import Console
from rich.table import Table

import edgeart
from benchmarks.homepage import VALUES, homepage
from benchmarks.uploads import SECRET, measure_page, quantiles

EVENTS = 20_000


def main(arguments: list[str] | None = None) -> int:
    """Prints the measurements; returns 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.feedback",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--rounds", type=int, default=12, help="of pages while uploading, 12 s each (default 12)"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        result = {
            "recording": measure_shown(Path(folder)),
            "bytes": measure_bytes(Path(folder)),
            **measure_page(Path(folder), options.rounds),
        }
    if options.json:
        json.dump(result, sys.stdout, indent=1)
        print()
    else:
        show(result)
    return 0


# Calls.


def measure_shown(folder: Path) -> dict[str, dict[str, float]]:
    """Microseconds a call: p50, p99, p99.9. The recorders take turns, call by call."""
    home = homepage("squarecb", "i8")
    log = edgeart.FeedbackLog(folder / "shown")
    selector = edgeart.Selector(home.policy, log, unit=b"unit", secret=SECRET)
    selector.set_context(VALUES)
    page = selector.page(home.titles[:100])
    decisions = [page[i] for i in range(100)]

    def ours(i: int) -> None:
        selector.shown(decisions[i % 100], slot=(0, i % 40))

    database = sqlite3.connect(folder / "events.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute(
        "CREATE TABLE shown (id INTEGER PRIMARY KEY, at, title, artwork, n, slot_row, slot_column)"
    )

    def sqlite(i: int) -> None:
        d = decisions[i % 100]
        database.execute(
            "INSERT INTO shown (at, title, artwork, n, slot_row, slot_column) VALUES (?,?,?,?,?,?)",
            (time.time_ns(), d.title, d.artwork, d.n, 0, i % 40),
        )

    recorders: dict[str, Callable[[int], None]] = {"edgeart": ours, "sqlite3 WAL NORMAL": sqlite}
    snowplow = _snowplow(decisions)
    if snowplow is not None:
        recorders["snowplow-tracker"] = snowplow
    times: dict[str, list[int]] = {name: [] for name in recorders}
    clock = time.perf_counter_ns
    for i in range(EVENTS):
        for name, record in recorders.items():
            start = clock()
            record(i)
            times[name].append(clock() - start)
    log.close()
    database.close()
    return {name: quantiles(sorted(of)) for name, of in times.items()}


def _snowplow(
    decisions: list[edgeart.Decision | edgeart.HostDecision],
) -> Callable[[int], None] | None:
    try:
        peer: Any = import_module("snowplow_tracker")  # Any: the package exports no types
    except ImportError:
        return None

    class Nowhere(peer.Emitter):  # type: ignore[misc]  # Any, see above
        """Keeps events as the real one does until a batch is full, then forgets them."""

        def flush(self) -> None:
            self.event_store.size() and self.event_store.get_events_batch()

    tracker = peer.Tracker("bench", Nowhere("127.0.0.1", batch_size=128))

    def record(i: int) -> None:
        d = decisions[i % 100]
        fields = {"title": d.title, "artwork": d.artwork, "n": d.n, "row": 0, "column": i % 40}
        content = peer.SelfDescribingJson("iglu:example/shown/jsonschema/1-0-0", fields)
        tracker.track(peer.SelfDescribing(content))

    return record


# Bytes.


def measure_bytes(folder: Path) -> dict[str, dict[str, float]]:
    """Bytes an impression, of whole requests with context and all, in batches of 20 and 128."""
    result = {}
    for size in (20, 128):
        with _sink() as (url, sizes):
            log = edgeart.FeedbackLog(folder / f"bytes{size}")
            home = homepage("squarecb", "i8")
            selector = edgeart.Selector(home.policy, log, unit=b"unit", secret=SECRET)
            selector.set_context(VALUES)
            page = selector.page(home.titles[: 3 * size])
            for i in range(size):  # every third title was seen
                selector.shown(page[3 * i], slot=(i // 20, i % 20))
                time.sleep(0.001)
            plain = [
                {"title": d.title, "artwork": d.artwork, "propensity": d.propensity,
                 "row": i // 20, "column": i % 20, "at": time.time_ns() // 1_000_000 + 37 * i}
                for i, d in enumerate(page[3 * i] for i in range(size))
            ]  # fmt: skip
            everything = {"context": dict(VALUES), "unit": 7, "seed": 42, "impressions": plain}
            edgeart.Uploader(log, url, token=lambda: "x" * 40).run_once()
            log.close()
        as_json = json.dumps(everything).encode()
        as_msgpack = msgpack.packb(everything)
        head = sizes[0] - sizes[1]
        result[str(size)] = {
            "edgeart, whole request": sizes[0] / size,
            "edgeart, body": sizes[1] / size,
            "JSON, deflated, same head": (len(zlib.compress(as_json, 9)) + head) / size,
            "msgpack, deflated, same head": (len(zlib.compress(as_msgpack, 9)) + head) / size,
            "JSON": (len(as_json) + head) / size,
        }
    return result


class _sink:  # noqa: N801 - used as a function
    """A server that counts: bytes of the whole request, bytes of its body."""

    def __enter__(self) -> tuple[str, list[int]]:
        sizes: list[int] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                head = len(self.requestline) + 2 + len(self.headers.as_bytes())
                sizes[:] = [head + len(body), len(body)]
                first, last = self.headers["Idempotency-Key"].split("/")[1].split("-")
                stored = [[int(first, 16), int(last, 16)]]
                answer = json.dumps({"stored": stored, "refused": []}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}", sizes

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def show(result: dict[str, dict[str, dict[str, float]]]) -> None:
    """Tables for people."""
    console = Console()
    for title, unit, rows in (
        ("one `shown` call", "µs", result["recording"]),
        ("one impression on the wire", "bytes", result["bytes"]),
        ("a page of 100 titles, uploads beside it", "µs", result["page"]),
        ("one `select` call, uploads beside it", "µs", result["select"]),
        ("one `shown` call, uploads beside it", "µs", result["shown"]),
        ("woken late from a sleep, uploads beside it", "µs", result["woken"]),
    ):
        columns = list(dict.fromkeys(c for row in rows.values() for c in row))
        table = Table(title=f"{title}, {unit}", title_justify="left")
        table.add_column("")
        for column in columns:
            table.add_column(column, justify="right")
        for name, row in rows.items():
            table.add_row(name, *(f"{row[c]:.1f}" for c in columns))
        console.print(table)


if __name__ == "__main__":
    sys.exit(main())
