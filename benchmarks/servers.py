# SPDX-License-Identifier: Apache-2.0
"""Collectors of every temper, each in a process of its own so that none shares ours.

python -m benchmarks.servers KIND     prints its port and serves until its input ends
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DEAD = "http://127.0.0.1:9"
"""The discard port, at which nobody listens."""

BYTE_SECONDS = 0.2
"""A slow server's time for each byte of its answer."""


class Handler(BaseHTTPRequestHandler):
    """Answers as its kind does: honest, slow, lying, or with a status."""

    kind = "honest"

    def do_POST(self) -> None:
        """One batch."""
        self.rfile.read(int(self.headers["Content-Length"]))
        first, last = self.headers["Idempotency-Key"].split("/")[1].split("-")
        stored = [[int(first, 16), int(last, 16)]]
        answer: object = {"stored": stored, "refused": []}
        if self.kind == "lying":
            answer = {"stored": [[0, 0]], "refused": "nothing at all"}
        data = json.dumps(answer).encode()
        self.send_response(int(self.kind) if self.kind.isdigit() else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for byte in data if self.kind == "slow" else ():
            time.sleep(BYTE_SECONDS)
            self.wfile.write(bytes([byte]))
        if self.kind != "slow":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    """The server of a process."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients hang up on the slow one: nothing to say about it."""


@contextmanager
def server(kind: str) -> Iterator[str]:
    """The URL of a server of this kind, which runs while the block does; "dead" needs none."""
    if kind == "dead":
        yield DEAD
        return
    command = [sys.executable, "-m", "benchmarks.servers", kind]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError(f"the {kind} server has no pipes")
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


def main() -> int:
    """Serves until standard input ends, so that it does not outlive who started it."""
    Handler.kind = sys.argv[1]
    serving = Server(("127.0.0.1", 0), Handler)
    print(serving.server_address[1], flush=True)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
