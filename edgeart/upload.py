# SPDX-License-Identifier: Apache-2.0
"""Sends sealed segments to a collector, each until it has arrived, and never in the app's way."""

# Jitter needs no cryptographic random numbers.
# ruff: noqa: S311

from __future__ import annotations

import json
import os
import random
import threading
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from edgeart.batch import pack_batch
from edgeart.events import read_segment
from edgeart.retry import retry_after

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeart.feedback import FeedbackLog
    from edgeart.segments import Sealed

_LARGEST_ANSWER = 1 << 20  # bytes
_LARGEST_BATCH = 65_536  # events


class UploadStatus(NamedTuple):
    """What one run of an upload did."""

    state: str  # done, waiting (backing off), failed or stopped
    segments: int  # that arrived
    events: int  # that arrived
    refused: int  # events the server will never take
    pending: int  # segments still here
    error: str | None  # of the last request, where it failed
    retry_in: float  # seconds until the next request may be made


class _FailedError(Exception):
    """A request that is to be made again later."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class _Answer(NamedTuple):
    status: int
    body: bytes
    retry_after: float | None


class Uploader:
    """Uploads a log's sealed segments, oldest first.

    Each arrives at least once, and exactly once after the server's dedup.

    url: of the collector, without /v1/feedback. token: called for the bearer token when there is
    none yet, and once after a 401. timeout: seconds for one whole request. first_retry,
    longest_retry: bounds in seconds of the back-off, which doubles with each failure, is drawn
    with full jitter, and is kept across restarts.
    """

    def __init__(
        self,
        log: FeedbackLog,
        url: str,
        *,
        token: Callable[[], str] | None = None,
        timeout: float = 30.0,
        first_retry: float = 5.0,
        longest_retry: float = 3600.0,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"feedback url {url!r}: give http(s)://host[:port][/path]")
        self._https = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path.rstrip("/") + "/v1/feedback"
        self.log = log
        self._token_of = token
        self._token: str | None = None
        self.timeout = timeout
        self.first_retry, self.longest_retry = first_retry, longest_retry
        self._state_path = os.path.join(log.store.directory, "upload.json")
        self._failures, self._not_before = self._load()
        self._stop = threading.Event()
        self._busy = threading.Lock()
        self._connection: HTTPConnection | None = None
        self._thread: threading.Thread | None = None
        self.status: UploadStatus | None = None  # of the last run

    # Running.

    def start(self, interval: float = 60.0) -> None:
        """Uploads every `interval` seconds, give or take half, in a thread of its own."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, args=(interval,), name="edgeart-upload", daemon=True
            )
            self._thread.start()

    def _run(self, interval: float) -> None:
        while not self._stop.wait(random.uniform(0.5, 1.5) * interval):
            self.run_once()

    def stop(self, timeout: float = 0.0) -> None:
        """Ends the thread; a request under way is cut off. Returns within timeout seconds."""
        self._stop.set()
        connection = self._connection
        if connection is not None:
            _cut(connection)
        if self._thread is not None:
            self._thread.join(timeout)

    def run_once(self, *, seal: bool = True) -> UploadStatus:
        """Sends what there is, until all has arrived or a request fails.

        seal: also what has not filled its segment yet. Never raises for what a network, a server or
        a disk does; the status says it.
        """
        with self._busy:
            arrived = events = refused = 0
            error: str | None = None
            state = "done"
            try:
                pending = self.log.seal() if seal else self.log.store.sealed()
                # After a failure another segment goes first: one that a server cannot digest must
                # not hold up the rest.
                turn = self._failures % max(len(pending), 1)
                for segment in pending[turn:] + pending[:turn]:
                    if self._stop.is_set():
                        state = "stopped"
                        break
                    if self._wait_left() > 0:
                        state = "waiting"
                        break
                    try:
                        sent = self._send(segment)
                    finally:
                        self.log.store.in_flight.discard(segment.path)
                    if sent is not None:
                        self._save(0, 0)
                        arrived += 1
                        events += sent[0]
                        refused += sent[1]
                left = len(self.log.store.sealed())
            except _FailedError as failure:
                state, error = "failed", str(failure)
                self._back_off(failure.retry_after)
                left = len(self.log.store.sealed())
            except OSError as failure:
                state, error, left = "failed", f"{type(failure).__name__}: {failure}", -1
            self.status = UploadStatus(
                state, arrived, events, refused, left, error, self._wait_left()
            )
            return self.status

    # One segment.

    def _send(self, sealed: Sealed) -> tuple[int, int] | None:
        """Sends one segment whole; numbers of events that arrived and that were refused.

        None for one that was purged meanwhile, or that only a newer library can read.
        """
        self.log.store.in_flight.add(sealed.path)
        try:
            with open(sealed.path, "rb") as file:
                segment = read_segment(file.read(), sealed.stream, sealed.first)
        except FileNotFoundError:
            return None
        if segment.newer:
            return None
        refused: list[tuple[int, int]] = []
        ranges = [
            (first, min(first + _LARGEST_BATCH - 1, sealed.last))
            for first in range(sealed.first, sealed.last + 1, _LARGEST_BATCH)
        ][::-1]
        set_aside = False
        while ranges:
            first, last = ranges.pop()
            body = pack_batch(sealed.stream, segment.started, first, last, segment.events)
            answer = self._post(body, f"{sealed.stream:016x}/{first:08x}-{last:08x}")
            if answer.status == 413 and first < last:
                middle = (first + last) // 2
                ranges += [(middle + 1, last), (first, middle)]
            elif answer.status in (400, 413, 415, 422):
                refused.append((first, last))
                set_aside = True
            else:
                refused += _covered(answer.body, first, last)
        lost = 0
        for first, last in refused:
            lost += sum(first <= sequence <= last for sequence, _ in segment.events)
            self.log.refused(sealed, first, last)
        if set_aside:
            self.log.store.set_aside(sealed)
        else:
            self.log.store.remove(sealed)
        return len(segment.events) - lost, lost

    def _post(self, body: bytes, key: str) -> _Answer:
        """One batch, with a fresh token if the old one is refused. Raises _FailedError."""
        if self._token is None:
            self._fetch_token()
        answer = self._request(body, key)
        if answer.status == 401 and self._token_of is not None:
            self._fetch_token()
            answer = self._request(body, key)
        if answer.status not in (200, 400, 413, 415, 422):
            self._token = None if answer.status == 401 else self._token
            raise _FailedError(f"HTTP status {answer.status}", answer.retry_after)
        return answer

    def _fetch_token(self) -> None:
        if self._token_of is None:
            return
        try:
            self._token = self._token_of()
        except Exception as error:  # the app's own code: anything
            raise _FailedError(f"token: {type(error).__name__}: {error}") from error

    def _request(self, body: bytes, key: str) -> _Answer:
        kind = HTTPSConnection if self._https else HTTPConnection
        connection = kind(self._host, self._port, timeout=self.timeout)
        self._connection = connection
        # Timeouts of a socket are per read: a server that sends a byte a second would hold us for
        # ever. The timer bounds the whole.
        deadline = threading.Timer(self.timeout, _cut, (connection,))
        deadline.daemon = True
        deadline.start()
        try:
            connection.putrequest("POST", self._path, skip_accept_encoding=True)
            connection.putheader("Content-Type", "application/vnd.edgeart.feedback")
            connection.putheader("Content-Encoding", "deflate")
            connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Idempotency-Key", key)
            if self._token is not None:
                connection.putheader("Authorization", f"Bearer {self._token}")
            connection.endheaders(body)
            response = connection.getresponse()
            data = response.read(_LARGEST_ANSWER + 1)
            expected = response.getheader("Content-Length", "")
            if len(data) > _LARGEST_ANSWER or (expected.isdigit() and int(expected) != len(data)):
                raise _FailedError(
                    f"an answer of {len(data)} bytes, where {expected or 'few'} were due"
                )
            return _Answer(
                response.status,
                data,
                retry_after(response.getheader("Retry-After", ""), time.time()),
            )
        except (OSError, HTTPException, ValueError) as error:
            raise _FailedError(f"{type(error).__name__}: {error}") from error
        finally:
            deadline.cancel()
            self._connection = None
            connection.close()

    # Backing off.

    def _wait_left(self) -> float:
        """Seconds until the next request; a clock that was set back cannot stretch it."""
        left = self._not_before - time.time()
        return min(max(left, 0.0), self.longest_retry)

    def _back_off(self, retry_after: float | None) -> None:
        """Full jitter (Brooker 2015, Exponential Backoff And Jitter), or what the server asked."""
        self._failures += 1
        most = min(self.longest_retry, self.first_retry * 2.0 ** min(self._failures - 1, 30))
        delay = random.uniform(0, most)
        if retry_after is not None:
            # Spread as well, and never sooner than we would go on our own for the first time.
            least = min(max(retry_after, self.first_retry), self.longest_retry)
            delay = min(least * random.uniform(1.0, 1.25), self.longest_retry)
        self._save(self._failures, time.time() + delay)

    def _load(self) -> tuple[int, float]:
        try:
            with open(self._state_path, encoding="utf-8") as file:
                state = json.load(file)
            return int(state["failures"]), float(state["not_before"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, 0.0  # nothing to remember: at worst one request comes too soon

    def _save(self, failures: int, not_before: float) -> None:
        if (failures, not_before) == (self._failures, self._not_before):
            return
        self._failures, self._not_before = failures, not_before
        temporary = self._state_path + ".new"
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump({"failures": failures, "not_before": not_before}, file)
            os.replace(temporary, self._state_path)
        except OSError:
            return  # kept in memory; a restart may come too soon, once


def _cut(connection: HTTPConnection) -> None:
    """Wakes whoever waits for this connection, with an error."""
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(2)
        except OSError:
            return  # gone already


def _covered(answer: bytes, first: int, last: int) -> list[tuple[int, int]]:
    """The refused ranges of an answer that accounts for every sequence. Raises _FailedError."""
    try:
        content = json.loads(answer)
        stored = [(int(a), int(b)) for a, b in content["stored"]]
        refused = [(int(r["first"]), int(r["last"])) for r in content["refused"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _FailedError(f"a 200 that is no answer of a collector: {answer[:80]!r}") from error
    after = first
    for a, b in sorted(stored + refused):
        if a > after or b < a:
            break
        after = max(after, b + 1)
    if after <= last:
        raise _FailedError(f"a 200 that does not account for event {after} of {first} to {last}")
    return refused
