# SPDX-License-Identifier: Apache-2.0
"""What the collector does with clients that stall or leave, and with checks of tokens."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from edgeart_export.collector import app
from edgeart_export.collector.app import Collector
from edgeart_export.collector.auth import Check, TokenFile, anyone
from edgeart_export.collector.errors import TokenError
from tests.support.batches import MEDIA_TYPE, Batch, Outcome

BATCH = Batch([Outcome(0)])
KNOWN = "known"


class Kept:
    """A landing in memory."""

    def __init__(self) -> None:
        self.rows = 0
        self.writes = 0

    def write(self, tables: Mapping[str, pa.Table], day: str) -> None:
        assert len(day) == 10
        self.writes += 1
        self.rows += sum(table.num_rows for table in tables.values())


class Client:
    """Speaks ASGI to the application: messages to it, the answer from it."""

    def __init__(self, collector: Collector, token: str = KNOWN) -> None:
        self.application = collector.application()
        self.token = token

    async def post(self, *messages: dict[str, Any]) -> tuple[int, Any]:
        """Sends the messages, then nothing more; status and body of the answer."""
        (answer,) = await self.together([*messages])
        return answer

    async def together(self, *requests: list[dict[str, Any]]) -> list[tuple[int, Any]]:
        """Requests at the same time."""
        async with self.application.router.lifespan_context(self.application):
            return await asyncio.gather(*map(self._one, requests))

    async def _one(self, messages: list[dict[str, Any]]) -> tuple[int, Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            if messages:
                return messages.pop(0)
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        given = {
            "content-type": MEDIA_TYPE,
            "content-encoding": "deflate",
            "authorization": f"Bearer {self.token}",
        }
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/feedback",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        await self.application(scope, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])


def whole(body: bytes) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": False}


def part(body: bytes) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": True}


def answered(collector: Collector, status: int) -> float | None:
    return collector.metrics.registry.get_sample_value(
        "edgeart_collector_requests_total", {"status": str(status)}
    )


def test_a_client_that_stalls_is_told_so_in_time() -> None:
    kept = Kept()
    collector = Collector(kept, anyone, body_seconds=0.05)
    status, body = asyncio.run(Client(collector).post(part(BATCH.body()[:10])))
    assert status == 408
    assert "0.05 s" in body["error"]
    assert (kept.rows, answered(collector, 408)) == (0, 1)


def test_a_client_that_leaves_within_its_body_stores_nothing() -> None:
    kept = Kept()
    collector = Collector(kept, anyone)
    asyncio.run(Client(collector).post(part(BATCH.body()[:10]), {"type": "http.disconnect"}))
    assert (kept.rows, answered(collector, 400)) == (0, 1)
    assert collector.metrics.registry.get_sample_value("edgeart_collector_requests_under_way") == 0


def test_a_client_that_leaves_after_its_body_is_stored_all_the_same() -> None:
    kept = Kept()
    collector = Collector(kept, anyone)
    asyncio.run(Client(collector).post(whole(BATCH.body()), {"type": "http.disconnect"}))
    assert kept.rows == 1


@pytest.mark.parametrize(("bound", "writes"), [(2**25, 1), (1, 3)])
def test_batches_are_decoded_no_faster_than_they_are_landed(
    bound: int, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MOST_DECODED", bound)
    kept = Kept()
    client = Client(Collector(kept, anyone, linger=0.5 if writes == 1 else 0))
    answers = asyncio.run(client.together(*([whole(BATCH.body())] for _ in range(3))))
    assert [status for status, _ in answers] == [200] * 3
    assert (kept.rows, kept.writes) == (3, writes)


async def asks_elsewhere(token: str) -> str | None:
    await asyncio.sleep(0)
    return "tv-app" if token == KNOWN else None


def looks_up(token: str) -> str | None:
    return {KNOWN: "tv-app"}.get(token)


@pytest.mark.parametrize("check", [looks_up, asks_elsewhere])
def test_the_check_of_tokens_is_any_function(check: Check) -> None:
    kept = Kept()
    status, _ = asyncio.run(Client(Collector(kept, check)).post(whole(BATCH.body())))
    assert (status, kept.rows) == (200, 1)
    status, _ = asyncio.run(Client(Collector(kept, check), "x").post(whole(BATCH.body())))
    assert (status, kept.rows) == (401, 1)


def test_a_check_that_fails_lets_nobody_in() -> None:
    def fails(_token: str) -> str | None:
        raise ConnectionError("no answer from where tokens are known")

    kept = Kept()
    collector = Collector(kept, fails)
    with pytest.raises(ConnectionError):  # a server answers 500
        asyncio.run(Client(collector).post(whole(BATCH.body())))
    assert (kept.rows, answered(collector, 500)) == (0, 1)


def entry(token: str, name: str) -> str:
    return f"{hashlib.sha256(token.encode()).hexdigest()} {name}\n"


def test_a_token_file_names_the_client_and_knows_no_other(tmp_path: Path) -> None:
    path = tmp_path / "tokens.txt"
    path.write_text(f"# clients\n\n{entry('one', 'tv app')}  {entry('two', 'web')}")
    check = TokenFile(path)
    assert [check(token) for token in ("one", "two", "", "One", "one ")] == [
        "tv app",
        "web",
        None,
        None,
        None,
    ]
    assert check(entry("one", "")[:64]) is None  # the hash is not the token
    os.remove(path)  # noqa: PTH107 - as a deployment would
    assert check("one") == "tv app"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no token"),
        ("# nobody\n", "holds no token"),
        (f"{entry('one', 'one')}a+token== two\n", "line 2"),
        (entry("one", ""), "line 1"),
        (None, "No such file"),
    ],
)
def test_a_token_file_that_cannot_be_used_is_named_at_the_start(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "tokens.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TokenError, match=message) as caught:
        TokenFile(path)
    assert str(path) in str(caught.value)
