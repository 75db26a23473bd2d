# SPDX-License-Identifier: Apache-2.0
"""A small collector on loopback for device tests, which can be told to misbehave."""

from __future__ import annotations

import json
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from typing import Any

import msgpack


class Arrived:
    """Everything that was stored, as it would be after the read-time dedup."""

    def __init__(self) -> None:
        self.batches = 0
        self.wire = 0  # events, repetitions included
        self.events: dict[tuple[int, int], list[Any]] = {}  # (stream, sequence): body
        self.contradictions: list[tuple[int, int]] = []  # names that came with two contents

    def store(self, compressed: bytes) -> dict[str, Any]:
        batch = msgpack.unpackb(zlib.decompress(compressed))
        self.batches += 1
        for sequence, body in bodies(batch):
            name = (batch["stream"], sequence)
            self.wire += 1
            if self.events.setdefault(name, body) != body:
                self.contradictions.append(name)
        return {"stored": [[batch["first"], batch["last"]]], "refused": []}

    def of_kind(self, kind: int) -> dict[tuple[int, int], list[Any]]:
        return {name: body for name, body in self.events.items() if body[0] == kind}


def bodies(batch: dict[str, Any]) -> Iterator[tuple[int, list[Any]]]:
    """The events of a batch, put together again from its columns."""
    for sequence, body in batch["contexts"] + batch["others"]:
        yield sequence, body
    shown = batch["impressions"]
    n = [value for (value,) in struct.iter_unpack("<I", shown["n"])]
    special = {index: rest for index, *rest in shown["special"]}
    columns = zip(
        accumulate(shown["sequence"]), accumulate(shown["at"]), shown["context"], shown["title"],
        shown["artwork"], n, shown["slot_row"], shown["slot_column"], strict=True,
    )  # fmt: skip
    for index, (sequence, *body) in enumerate(columns):
        yield sequence, [2, *body, *special.get(index, [])]
    played = batch["outcomes"]
    outcomes = zip(
        accumulate(played["sequence"]), accumulate(played["at"]), played["ref_stream"],
        played["ref_sequence"], played["minutes"], strict=True,
    )  # fmt: skip
    for sequence, *body in outcomes:
        yield sequence, [3, *body]


Answer = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    """Answers as the server's `behave` says, or stores."""

    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        behave = self.server.behave
        (behave or store)(self, body)

    def answer(self, status: int, content: object = None, headers: object = ()) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers:  # type: ignore[attr-defined]
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def store(handler: Handler, body: bytes) -> None:
    """What an honest collector does."""
    with handler.server.mutex:
        answer = handler.server.arrived.store(body)
    handler.answer(200, answer)


class Collector(ThreadingHTTPServer):
    """The server: `behave` may be exchanged at any time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.arrived = Arrived()
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.behave: Answer | None = None
        self.mutex = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Clients are killed in these tests: nothing to say about it."""


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector that listens while the block runs."""
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
