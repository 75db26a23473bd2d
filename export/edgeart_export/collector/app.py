# SPDX-License-Identifier: Apache-2.0
"""The collector as an ASGI application: feedback.md §5 over HTTP."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .auth import Check
from .batch import Batch, decode
from .commit import GroupCommit
from .errors import BatchError, CommitError
from .landing import Landing
from .metrics import CONTENT_TYPE, Metrics
from .wire import MAX_BODY, inflate

MEDIA_TYPE = "application/vnd.edgeart.feedback"

DISCARD = 2**23
"""How much of a body that will be refused is read and thrown away. A client that still sends when
the connection closes sees a reset instead of the answer, and would never send halves."""

MOST_DECODED = 2**25
"""Bytes, inflated, of batches decoded and not landed yet. Decoded they take about eight times as
much, compressed often a hundredth: so a batch whose turn has not come stays compressed."""

log = logging.getLogger(__name__)


class Collector:
    """One collector: its state, and its answers.

    check: see `auth.Check`. linger: see `GroupCommit`. most_under_way: requests at the same time,
    which bounds memory (each holds at most a body); more are asked to come again. body_seconds:
    how long a client may take to send a body.
    """

    def __init__(
        self,
        landing: Landing,
        check: Check,
        *,
        linger: float = 0.005,
        most_under_way: int = 256,
        body_seconds: float = 30.0,
    ) -> None:
        self.metrics = Metrics()
        self.draining = False
        self._check = check
        self._most_under_way = most_under_way
        self._body_seconds = body_seconds
        self._under_way = 0
        self._commit = GroupCommit(landing, self.metrics, linger=linger)
        # One at a time: an inflated batch with its objects may take a hundred megabytes.
        self._decoding = ThreadPoolExecutor(1, thread_name_prefix="decoding")
        self._turn = asyncio.Lock()
        self._room = asyncio.Event()
        self._room.set()
        self._decoded_bytes = 0

    def application(self) -> Starlette:
        """The ASGI application; any ASGI server runs it."""
        return Starlette(
            routes=[
                Route("/v1/feedback", self._feedback, methods=["POST"]),
                Route("/health", self._health, methods=["GET"]),
                Route("/metrics", self._metrics, methods=["GET"]),
            ],
            lifespan=self._lifespan,
        )

    def drain(self) -> None:
        """From now on new batches are sent away with 503; those that have begun are answered."""
        self.draining = True
        self.metrics.draining.set(1)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._commit.start()
        yield
        self.drain()
        await self._commit.close()
        self._decoding.shutdown()

    async def _health(self, _request: Request) -> Response:
        state = "draining" if self.draining else "ready"
        return JSONResponse({"status": state}, 503 if self.draining else 200)

    async def _metrics(self, _request: Request) -> Response:
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)

    async def _feedback(self, request: Request) -> Response:
        self._under_way += 1
        self.metrics.under_way.inc()
        status = 500
        try:
            response = await self._answer(request)
            status = response.status_code
        finally:
            self._under_way -= 1
            self.metrics.under_way.dec()
            self.metrics.answered(status)
        return response

    async def _answer(self, request: Request) -> Response:
        client, refusal = await self._admitted(request)
        try:
            reading = self._read(request, keep=refusal is None)
            body = await asyncio.wait_for(reading, self._body_seconds)
        except asyncio.TimeoutError:
            return _error(408, f"body: not here within {self._body_seconds:g} s")
        except ClientDisconnect:
            return _error(400, "body: the connection ended inside it")  # for the counter alone
        if refusal:
            return refusal
        if body is None:
            return _error(413, f"body: more than {MAX_BODY} bytes; send halves")
        try:
            batch = await self._decoded(request, body)
        except BatchError as error:
            _note(logging.WARNING, "batch refused", client, status=error.status, error=str(error))
            return _error(error.status, str(error))
        try:
            return await self._landed(batch, client)
        finally:
            self._hold(-batch.size)

    async def _landed(self, batch: Batch, client: str) -> Response:
        for refused in batch.refused[:1]:
            _note(
                logging.WARNING,
                "events refused",
                client,
                stream=f"{batch.stream:016x}",
                first=refused.first,
                error=refused.error,
                ranges=len(batch.refused),
            )
        try:
            await self._commit.land(batch)
        except CommitError as error:
            _note(logging.ERROR, "commit failed", client, error=str(error))
            return _error(503, "the events could not be written", retry_after=10)
        return JSONResponse(batch.answer())

    async def _admitted(self, request: Request) -> tuple[str, Response | None]:
        """The client's name, and the answer if the request goes no further."""
        if self.draining:
            return "", _error(503, "shutting down", retry_after=5)
        if self._under_way > self._most_under_way:
            return "", _error(503, "too many requests at the same time", retry_after=1)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        name = self._check(token.strip() if scheme.lower() == "bearer" else "")
        if inspect.isawaitable(name):
            name = await name
        if name is None:
            return "", _error(401, "authorization: not a bearer token that is known here")
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given != MEDIA_TYPE:
            return name, _error(415, f"content-type: must be {MEDIA_TYPE}")
        if _encoding(request) not in {"deflate", "identity"}:
            return name, _error(415, "content-encoding: must be deflate or identity")
        return name, None

    async def _read(self, request: Request, *, keep: bool) -> bytes | None:
        """The body; None if it is larger than a batch may be, or not to be kept."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            self.metrics.received(len(chunk))
            if size > MAX_BODY or not keep:
                chunks.clear()
            else:
                chunks.append(chunk)
            if size > DISCARD:
                break
        return b"".join(chunks) if size <= MAX_BODY and keep else None

    async def _decoded(self, request: Request, body: bytes) -> Batch:
        def work() -> Batch:
            data = inflate(body) if _encoding(request) == "deflate" else body
            batch = decode(data, received=time.time_ns() // 1_000_000)
            self.metrics.decoded(batch)
            return batch

        async with self._turn:
            await self._room.wait()
            batch = await asyncio.get_running_loop().run_in_executor(self._decoding, work)
            self._hold(batch.size)
        return batch

    def _hold(self, size: int) -> None:
        """Counts what is decoded and not landed yet; beyond the bound nothing more is decoded."""
        self._decoded_bytes += size
        if self._decoded_bytes < MOST_DECODED:
            self._room.set()
        else:
            self._room.clear()


def _encoding(request: Request) -> str:
    return request.headers.get("content-encoding", "identity").strip().lower()


def _error(status: int, message: str, *, retry_after: int | None = None) -> Response:
    headers = {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": message}, status, headers)


def _note(level: int, event: str, client: str, **fields: object) -> None:
    """One line of the log: no values of events, only where and what kind of fault."""
    log.log(level, event, extra={"fields": {"client": client, **fields}})
