# SPDX-License-Identifier: Apache-2.0
"""Sockets that keep to a deadline of the whole, not of each read as their own timeouts are."""

from __future__ import annotations

import io
import socket

from edgeart.errors import SyncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgeart.sync.fetch import Fetcher


class TimedSocket:
    """A socket as http.client needs it, none of whose calls outlasts the fetcher's deadline."""

    def __init__(self, sock: socket.socket, fetcher: Fetcher, *, closes: bool = True) -> None:
        self.sock = sock
        self.fetcher = fetcher
        self._closes = closes
        self._readers = 0
        self._given_up = False

    def sendall(self, data: bytes) -> None:
        """All of it, or an error."""
        self.sock.settimeout(self.fetcher.left())
        self.sock.sendall(data)
        self.fetcher.sent += len(data)

    def makefile(self, _: str) -> io.BufferedReader:
        """What answers are read from."""
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def reader_closed(self) -> None:
        """One answer has been read, or given up."""
        self._readers -= 1
        if self._given_up:
            self.close()

    def close(self) -> None:
        """Gives it back, once no answer is being read from it any more."""
        self._given_up = True
        if self._closes and self._readers <= 0:
            self.sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, timed: TimedSocket) -> None:
        self.timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        fetcher = self.timed.fetcher
        self.timed.sock.settimeout(fetcher.left())
        count = self.timed.sock.recv_into(buffer)
        fetcher.received += count
        return count

    def close(self) -> None:
        """Once."""
        if not self.closed:
            super().close()
            self.timed.reader_closed()


def connected(host: str, port: int, fetcher: Fetcher) -> socket.socket:
    """A socket connected to the first address that answers, all of them within the deadline."""
    failure: OSError = OSError(f"no address of {host}")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(fetcher.left())
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        except SyncError:
            sock.close()
            raise
        else:
            return sock
    raise failure
