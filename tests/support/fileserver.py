# SPDX-License-Identifier: Apache-2.0
"""A static web server on loopback that knows Range and ETag, and can be told to misbehave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[["FileHandler", str], bool]


class FileHandler(BaseHTTPRequestHandler):
    """Serves the server's `files`, unless its `behave` has answered already."""

    server: FileServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.lstrip("/").split("?")[0]
        self.server.requests.append((path, dict(self.headers)))
        if self.server.behave is not None and self.server.behave(self, path):
            return
        self.serve(path)

    def serve(self, path: str, files: Mapping[str, bytes] | None = None) -> None:
        """What an honest server does."""
        data = (self.server.files if files is None else files).get(path)
        if data is None:
            self.answer(404, b"no such file")
            return
        etag = f'"{sha256(data).hexdigest()[:16]}"'
        if self.server.conditional and self.headers.get("If-None-Match") == etag:
            self.answer(304, None, ETag=etag)
            return
        wanted = self.headers.get("Range", "")
        if self.server.ranges and wanted.startswith("bytes=") and wanted.endswith("-"):
            start = int(wanted[6:-1])
            if start >= len(data):
                self.answer(416, b"")
                return
            content = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.answer(206, data[start:], **{"ETag": etag, "Content-Range": content})
            return
        self.answer(200, data, ETag=etag)

    def answer(self, status: int, body: bytes | None, **headers: str) -> None:
        """One whole answer. body: None sends no length either, as with 304."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body:
            self.wfile.write(body)

    def hang_up(self) -> bool:
        """Ends the connection without a word, as a network does that is not there."""
        self.close_connection = True
        return True

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class FileServer(ThreadingHTTPServer):
    """The server: files and behaviour may be exchanged at any time."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), FileHandler)
        self.files = files
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.behave: Behaviour | None = None
        self.ranges = self.conditional = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def asked(self, part: str) -> int:
        """Requests so far for a path that holds these words."""
        return sum(part in path for path, _ in self.requests)

    def handle_error(self, *_: object) -> None:
        """Clients hang up in these tests: nothing to say about it."""


@contextmanager
def file_server(files: dict[str, bytes]) -> Iterator[FileServer]:
    """A server that listens while the block runs."""
    server = FileServer(files)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
