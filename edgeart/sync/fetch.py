# SPDX-License-Identifier: Apache-2.0
"""Gets files over HTTP within bounds: of time, rate and size, whatever the other side does."""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from edgeart.errors import SyncError
from edgeart.retry import retry_after
from edgeart.sync.timed import TimedSocket, connected

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

_DRAINED = 16_384  # bytes of an answer nobody wants that are read so that the connection stays good
_CHUNK = 65_536
_REPEATED = (BrokenPipeError, ConnectionResetError)  # an idle connection that was closed meanwhile


class Answer(NamedTuple):
    """What a server said to one request."""

    status: int  # 200, 206, 304 or 404 (which stands for 403 too, where the caller asks for it)
    etag: str | None
    start: int  # byte of the file that the body begins with: not 0 for 206 alone
    body: Iterator[bytes]


class Fetcher:
    """Requests to one server over one connection, which is kept between them.

    url: of the folder that paths are relative to, http(s)://host[:port][/path]. token: called for
    a bearer token when there is none yet, and once after a 401. proxy: http://host:port; without
    it none is used, whatever the environment says. patience: seconds any request may take on top
    of what its size allows at least_rate, in bytes a second. tls: a context of the application's.

    Redirections, and bodies with a Content-Encoding, are refused: what is fetched lies where it is
    said to lie, and takes as many bytes as it is said to take. Looking a host's name up is the
    one step that no deadline can cut off. One thread at a time, but for `cancel`.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Callable[[], str] | None = None,
        proxy: str | None = None,
        patience: float = 15.0,
        least_rate: float = 4096.0,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"sync url {url!r}: give http(s)://host[:port][/path]")
        self._https = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port or (443 if self._https else 80)
        self._path = parts.path.rstrip("/")
        self._token_of = token
        self._token: str | None = None
        self._proxy = None if proxy is None else _address(proxy)
        self._patience, self._least_rate = patience, least_rate
        self._tls = tls
        self._clock = clock
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._fresh = True  # nothing was asked over this connection yet
        self._end = self._request_end = clock()
        self.cancelled = False
        self.requests = self.sent = self.received = 0  # since the last `begin`; bytes without TLS

    def begin(self, seconds: float) -> None:
        """Starts a session: all requests until the next `begin` end within so many seconds."""
        self._end = self._clock() + seconds
        self.requests = self.sent = self.received = 0

    def left(self) -> float:
        """Seconds that the request under way may still take. Raises SyncError."""
        if self.cancelled:
            raise SyncError("the refresh was stopped", code="stopped")
        left = min(self._end, self._request_end) - self._clock()
        if left <= 0:
            raise SyncError("the server was too slow: the deadline passed", code="slow")
        return left

    def cancel(self) -> None:
        """Ends a request under way, from another thread, and every later one at once."""
        self.cancelled = True
        sock = self._socket
        if sock is not None:
            try:
                # Not SSLSocket.shutdown, which takes the session from under the other thread.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                return  # gone already

    def close(self) -> None:
        """Gives the connection up."""
        connection, self._connection = self._connection, None
        sock, self._socket = self._socket, None
        if connection is not None:
            connection.close()
        if sock is not None:  # a handshake that failed has no connection yet
            sock.close()

    def whole(
        self, path: str, limit: int, *, etag: str | None = None, absent: tuple[int, ...] = (404,)
    ) -> tuple[Answer, bytes]:
        """A whole file, as for `get`; b"" with 304 and 404. Raises SyncError."""
        answer = self.get(path, limit, etag=etag, absent=absent)
        return answer, b"".join(answer.body)

    def get(
        self,
        path: str,
        limit: int,
        *,
        etag: str | None = None,
        start: int = 0,
        absent: tuple[int, ...] = (404,),
    ) -> Answer:
        """Asks for a file of at most limit bytes.

        etag: of what is here already; the answer may then be 304. start: byte to go on from; the
        answer may be 206, or 200 with the whole file. absent: statuses that mean there is no such
        file. The body's iterator raises SyncError as this method does, and is to be read to its
        end before the next request. Raises SyncError.
        """
        self._request_end = self._clock() + self._patience + limit / self._least_rate
        headers = {"Accept-Encoding": "identity", "User-Agent": "edgeart"}
        if etag is not None:
            headers["If-None-Match"] = etag
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            if self._token is None:
                self._renew_token()
            response = self._asked(path, headers)
            if response.status == 401 and self._token_of is not None:
                self._discard(response)
                self._renew_token()
                response = self._asked(path, headers)
            return self._answer(path, response, limit, start, etag is not None, absent)
        except SyncError:
            self.close()
            raise
        except TimeoutError as error:
            self.close()
            raise SyncError(f"{self._host}: too slow, {path}", code="slow") from error
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            if self.cancelled:
                raise SyncError("the refresh was stopped", code="stopped") from error
            raise SyncError(
                f"{self._host}: {type(error).__name__}: {error}, asking for {path}", code="network"
            ) from error

    # One request.

    def _asked(self, path: str, headers: dict[str, str]) -> HTTPResponse:
        try:
            return self._ask(path, headers)
        except _REPEATED:
            if self._fresh:
                raise
            self.close()
            return self._ask(path, headers)

    def _ask(self, path: str, headers: dict[str, str]) -> HTTPResponse:
        # Where an answer ended with the connection http.client has dropped the socket.
        if self._connection is None or self._connection.sock is None:
            self._connect()
        connection = self._connection
        assert connection is not None  # noqa: S101 - _connect makes it
        target = f"{self._path}/{quote(path)}"
        if self._proxy is not None and not self._https:
            target = f"http://{self._host}:{self._port}{target}"
        self.requests += 1
        connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
        default = self._port == (443 if self._https else 80)
        connection.putheader("Host", self._host if default else f"{self._host}:{self._port}")
        for name, value in headers.items():
            connection.putheader(name, value)
        if self._token is not None:
            connection.putheader("Authorization", f"Bearer {self._token}")
        connection.endheaders()
        response = connection.getresponse()
        self._fresh = False
        return response

    def _connect(self) -> None:
        host, port = self._proxy or (self._host, self._port)
        self._fresh = True
        sock = self._socket = connected(host, port, self)
        if self._https:
            if self._proxy is not None:
                self._tunnel(sock)
            import ssl  # noqa: PLC0415 - costs what only https should pay

            context = self._tls or ssl.create_default_context()
            secure = context.wrap_socket(
                sock, server_hostname=self._host, do_handshake_on_connect=False
            )
            sock = self._socket = secure
            secure.settimeout(self.left())
            secure.do_handshake()
        self._connection = HTTPConnection(self._host, self._port)
        self._connection.sock = TimedSocket(sock, self)

    def _tunnel(self, sock: socket.socket) -> None:
        name = f"{self._host}:{self._port}"
        connection = HTTPConnection(self._host, self._port)
        # http.client takes the answer for the last one, and would close the socket after it.
        connection.sock = TimedSocket(sock, self, closes=False)
        connection.putrequest("CONNECT", name, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", name)
        connection.endheaders()
        response = connection.getresponse()
        if response.status != 200:
            raise SyncError(f"the proxy answered {response.status}", code="network")

    def _renew_token(self) -> None:
        if self._token_of is None:
            return
        try:
            self._token = self._token_of()
        except Exception as error:  # the app's own code: anything
            raise SyncError(f"token: {type(error).__name__}: {error}", code="token") from error

    # One answer.

    def _answer(
        self,
        path: str,
        response: HTTPResponse,
        limit: int,
        start: int,
        conditional: bool,  # noqa: FBT001 - one private caller
        absent: tuple[int, ...],
    ) -> Answer:
        status = response.status
        if status in absent:
            self._discard(response)
            return Answer(404, None, 0, iter(()))
        if status == 304 and conditional:
            self._discard(response)
            return Answer(304, None, 0, iter(()))
        if status == 206 and start:
            begins = response.getheader("Content-Range", "").partition("-")[0]
            if begins != f"bytes {start}":
                raise SyncError(f"{path}: {begins!r} was sent, not what was asked", code="http")
        elif status == 200:
            start = 0
        else:
            raise self._refused(path, response)
        if response.getheader("Content-Encoding", "identity") != "identity":
            raise SyncError(f"{path}: sent with a Content-Encoding nobody asked for", code="http")
        length = response.length
        if length is not None and start + length > limit:
            raise SyncError(f"{path}: {start + length} bytes, of {limit} at most", code="too_large")
        body = self._body(path, response, start, limit)
        return Answer(status, response.getheader("ETag"), start, body)

    def _body(self, path: str, response: HTTPResponse, start: int, limit: int) -> Iterator[bytes]:
        got = start
        try:
            while True:
                chunk = response.read(_CHUNK)
                if not chunk:
                    break
                got += len(chunk)
                if got > limit:
                    break
                yield chunk
        except SyncError:
            self.close()
            raise
        except TimeoutError as error:
            self.close()
            raise SyncError(f"{path}: too slow", code="slow") from error
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            code = "stopped" if self.cancelled else "network"
            raise SyncError(f"{path}: {type(error).__name__}: {error}", code=code) from error
        finally:
            if response.length or not response.isclosed():  # nothing good can follow on it
                response.close()
                self.close()
        if got > limit:
            raise SyncError(f"{path}: more than {limit} bytes", code="too_large")
        if response.length:
            raise SyncError(f"{path}: ended {response.length} bytes early", code="network")

    def _refused(self, path: str, response: HTTPResponse) -> SyncError:
        status = response.status
        if status == 401:
            self._token = None
        after = (
            retry_after(response.getheader("Retry-After", ""), time.time())
            if status != 404
            else None
        )
        code = {401: "denied", 403: "denied", 404: "missing", 429: "busy_server",
                503: "busy_server"}.get(status, "http")  # fmt: skip
        self.close()
        return SyncError(f"{path}: HTTP status {status}", code=code, retry_after=after)

    def _discard(self, response: HTTPResponse) -> None:
        """Reads an answer that nobody wants, if it is short; else gives the connection up."""
        if response.length is None or response.length > _DRAINED:
            self.close()
        else:
            response.read()


def _address(proxy: str) -> tuple[str, int]:
    parts = urlsplit(proxy)
    if parts.scheme != "http" or not parts.hostname or not parts.port:
        raise ValueError(f"proxy {proxy!r}: give http://host:port")
    return parts.hostname, parts.port
