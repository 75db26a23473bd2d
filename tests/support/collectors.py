# SPDX-License-Identifier: Apache-2.0
"""Starts collectors, as processes that can be killed or inside a test, and talks to them."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from edgeart_export.arrow_schemas import LANDING
from tests.support.batches import Batch, headers

COMMAND = """
import argparse, sys
from edgeart_export.collector.cli import register
parser = argparse.ArgumentParser()
register(parser.add_subparsers(required=True))
options = parser.parse_args()
{before}
sys.exit(options.run(options))
"""


@dataclass
class Answer:
    """What a server said."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Process:
    """A collector process. lines: what it logged, as JSON objects."""

    popen: subprocess.Popen[str]
    port: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)
    logged: str = ""
    ready: threading.Event = field(default_factory=threading.Event)

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        return request(self.port, method, path, body, headers)

    def post(self, batch: Batch | bytes, token: str | None = None) -> Answer:
        """Sends a batch as a device does."""
        body = batch.body() if isinstance(batch, Batch) else batch
        return self.request("POST", "/v1/feedback", body, headers(token))

    def read(self) -> None:
        """Follows its standard error until that ends."""
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.logged += line
            if line.startswith("{"):
                self.lines.append(json.loads(line))
                if self.lines[-1]["event"] == "ready":
                    self.port = self.lines[-1]["port"]
                    self.ready.set()
        self.ready.set()


@contextmanager
def collecting(
    landing: Path, *options: str, tokens: Path | None = None, before: str = ""
) -> Iterator[Process]:
    """The command `collect` on a free port. before: code that the process runs first."""
    who = ["--tokens", str(tokens)] if tokens else ["--insecure-no-auth"]
    arguments = ["collect", "--landing", str(landing), "--port", "0", "--json", *who, *options]
    popen = subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(before=before), *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )
    process = Process(popen)
    follower = threading.Thread(target=process.read)
    follower.start()
    try:
        assert process.ready.wait(60), "the collector did not start in time"
        assert process.port, f"the collector did not start:\n{process.logged}"
        yield process
    finally:
        popen.kill()
        popen.wait()
        follower.join()
        assert popen.stderr is not None
        popen.stderr.close()


def request(
    port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        given = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, response.read(), given)
    finally:
        connection.close()


def metric(process: Process, name: str, labels: str = "") -> float:
    """The value of one sample on the metrics page; 0 where it is not there."""
    text = process.request("GET", "/metrics").body.decode()
    pattern = rf"^edgeart_collector_{re.escape(name + labels)} (\S+)$"
    match = re.search(pattern, text, re.MULTILINE)
    return float(match[1]) if match else 0.0


def files(landing: Path, table: str) -> list[Path]:
    """The files a reader sees, wherever they are."""
    return sorted((landing / table).rglob("*.parquet"))


def landed(landing: Path, table: str) -> pa.Table:
    """All rows of a table, repetitions too."""
    found = [pq.read_table(path, partitioning=None) for path in files(landing, table)]
    for each in found:
        assert each.schema.equals(LANDING[table])
    return pa.concat_tables(found) if found else LANDING[table].empty_table()
