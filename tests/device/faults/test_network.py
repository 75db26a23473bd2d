# SPDX-License-Identifier: Apache-2.0
"""Rows 23 to 29 and 34: servers that refuse, lie, hesitate or are not there."""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import msgpack
import pytest

import edgeart
from edgeart import upload
from edgeart.feedback import FeedbackLog
from edgeart.selector import Selector
from edgeart.upload import Uploader
from tests.support.bundles import bundle
from tests.support.loopback import Collector, Handler, bodies, store

MakeSelector = Callable[[FeedbackLog], Selector]


class Clock:
    """Stands in for time.time in the uploader's back-off."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(upload, "time", clock)
    return clock


def show(selector: Selector, count: int, row: int = 0) -> None:
    for i in range(count):
        assert selector.shown(selector.select("title-3"), slot=(row, i)) is not None


def slots(server: Collector, row: int = 0) -> list[int]:
    assert not server.arrived.contradictions
    shown = server.arrived.of_kind(2).values()
    return sorted(body[7] for body in shown if body[6] == row)


def test_row_23_a_413_halves_the_batch_down_to_the_single_event_which_is_quarantined(
    tmp_path: Path, server: Collector, selector_of: MakeSelector
) -> None:
    def too_large_with_slot_13(handler: Handler, body: bytes) -> None:
        batch = msgpack.unpackb(zlib.decompress(body))
        if any(event[0] == 2 and event[7] == 13 for _, event in bodies(batch)):
            handler.answer(413)
        else:
            store(handler, body)

    server.behave = too_large_with_slot_13
    with FeedbackLog(tmp_path) as log:
        show(selector_of(log), 40)
        status = Uploader(log, server.url).run_once()
        assert (status.state, status.refused, status.events) == ("done", 1, 40)
        assert slots(server) == [i for i in range(40) if i != 13]
        assert log.lost == {"refused": 1}
        assert len(list((tmp_path / "quarantine").glob("*.eaf"))) == 1
        server.behave = None
        assert Uploader(log, server.url).run_once().events == 1  # the lost event itself
    (lost,) = server.arrived.of_kind(4).values()
    assert lost[2:4] == ["refused", 1]


@pytest.mark.parametrize("status", [400, 422, 500])
def test_row_24_a_poisonous_segment_at_the_head_does_not_hold_up_the_rest(
    tmp_path: Path, server: Collector, selector_of: MakeSelector, clock: Clock, status: int
) -> None:
    def choke_on_the_first(handler: Handler, body: bytes) -> None:
        key = handler.headers["Idempotency-Key"]
        if key.split("/")[1].startswith("00000000"):
            handler.answer(status)
        else:
            store(handler, body)

    server.behave = choke_on_the_first
    with FeedbackLog(tmp_path) as log:
        selector = selector_of(log)
        uploader = Uploader(log, server.url)
        for row in range(4):
            show(selector, 10, row)
            log.seal()
        for _ in range(3):
            uploader.run_once()
            clock.now += 10_000
        for row in range(1, 4):
            assert slots(server, row) == list(range(10))
        assert slots(server, 0) == []
        assert len(log.store.sealed()) == (1 if status == 500 else 0)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("0", 5, 10), ("120", 120, 150), ("99999999999", 3600, 3600), ("garbage", 0, 5),
        ("date", 600, 760), ("-5", 0, 5), ("Wed, 99 Foo 2099", 0, 5),
    ],
)  # fmt: skip
def test_row_25_retry_after_is_obeyed_within_bounds(
    tmp_path: Path, server: Collector, selector_of: MakeSelector, clock: Clock,
    header: str, least: float, most: float,
) -> None:  # fmt: skip
    value = formatdate(clock.now + 600, usegmt=True) if header == "date" else header
    server.behave = lambda handler, _: handler.answer(429, headers=[("Retry-After", value)])
    with FeedbackLog(tmp_path) as log:
        show(selector_of(log), 5)
        uploader = Uploader(log, server.url)
        status = uploader.run_once()
        assert status.state == "failed"
        assert least <= status.retry_in <= most
        assert uploader.run_once().state == ("waiting" if status.retry_in else "failed")
        # A restart does not forget.
        assert Uploader(log, server.url).run_once().retry_in == uploader.run_once().retry_in
        server.behave = None
        clock.now += 4000
        assert uploader.run_once().state == "done"
    assert slots(server) == list(range(5))


def test_row_26_a_401_asks_for_a_fresh_token_once_and_then_backs_off(
    tmp_path: Path, server: Collector, selector_of: MakeSelector, clock: Clock
) -> None:
    tokens = iter(["old", "stale", "fresh"])

    def check(handler: Handler, body: bytes) -> None:
        if handler.headers["Authorization"] == "Bearer fresh":
            store(handler, body)
        else:
            handler.answer(401)

    server.behave = check
    with FeedbackLog(tmp_path) as log:
        show(selector_of(log), 5)
        uploader = Uploader(log, server.url, token=lambda: next(tokens))
        assert uploader.run_once().error == "HTTP status 401"
        assert len(server.requests) == 2
        clock.now += 4000
        assert uploader.run_once().state == "done"
        assert slots(server) == list(range(5))

        def broken() -> str:
            raise RuntimeError("no keychain")

        show(selector_of(log), 5, 1)
        status = Uploader(log, server.url, token=broken).run_once()
        assert status.state == "failed"
        assert status.error == "token: RuntimeError: no keychain"
        assert len(log.store.sealed()) == 1


def test_row_27_an_hour_of_5xx_costs_a_bounded_number_of_requests(
    tmp_path: Path, server: Collector, selector_of: MakeSelector, clock: Clock
) -> None:
    server.behave = lambda handler, _: handler.answer(503)
    with FeedbackLog(tmp_path) as log:
        selector = selector_of(log)
        for row in range(3):
            show(selector, 10, row)
            log.seal()
        uploader = Uploader(log, server.url)
        end = clock.now + 3600
        while clock.now < end:
            uploader.run_once()
            clock.now += 1
        assert 3 <= len(server.requests) <= 60
        server.behave = None
        clock.now += 3600
        assert uploader.run_once().state == "done"
    assert [slots(server, row) for row in range(3)] == [list(range(10))] * 3


def test_row_28_a_reply_of_one_byte_a_second_is_cut_off_at_the_deadline(
    tmp_path: Path, server: Collector, selector_of: MakeSelector
) -> None:
    over = threading.Event()

    def drip(handler: Handler, _: bytes) -> None:
        try:
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 1000:
                handler.wfile.write(bytes([byte]))
                if over.wait(0.05):
                    break
        except OSError:
            return

    server.behave = drip
    with FeedbackLog(tmp_path) as log:
        show(selector_of(log), 5)
        started = time.monotonic()
        status = Uploader(log, server.url, timeout=0.5).run_once()
        took = time.monotonic() - started
        over.set()
        assert status.state == "failed"
        assert took < 20  # a thousand bytes would take fifty seconds
        assert len(log.store.sealed()) == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"<html>Please log in</html>", b"", b"{}", b'{"stored": [], "refused": []}',
        b'{"stored": [[0, 3]], "refused": []}', b'{"stored": [[1, 99]], "refused": []}',
        b'{"stored": "all", "refused": []}', b"[" * 5000,
    ],
)  # fmt: skip
def test_row_29_a_200_that_does_not_account_for_every_event_deletes_nothing(
    tmp_path: Path, server: Collector, selector_of: MakeSelector, reply: bytes
) -> None:
    server.behave = lambda handler, _: handler.answer(200, reply)
    with FeedbackLog(tmp_path) as log:
        show(selector_of(log), 5)
        uploader = Uploader(log, server.url, first_retry=0.0)
        status = uploader.run_once()
        assert status.state == "failed"
        assert status.error is not None
        assert len(log.store.sealed()) == 1
        server.behave = None
        assert uploader.run_once().state == "done"
    assert slots(server) == list(range(5))


def test_row_34_close_keeps_its_word_with_the_network_down(
    tmp_path: Path, row: edgeart.Policy
) -> None:
    path = tmp_path / "row.edgeart"
    path.write_bytes(bundle("i8"))
    # Accepts nothing and answers nothing: the worst kind of down.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        client = edgeart.Client(
            tmp_path / "app", policies={"row": path}, unit=b"unit",
            feedback_url=f"http://127.0.0.1:{deaf.getsockname()[1]}", upload_seconds=0.01,
        )  # fmt: skip
        selector = client["row"]
        show(selector, 20)
        time.sleep(0.2)  # an upload is under way
        started = time.monotonic()
        client.close(timeout=1.0)
        assert time.monotonic() - started < 5.0
    with FeedbackLog(tmp_path / "app" / "feedback") as log:
        assert sum(segment.span for segment in log.store.sealed()) >= 20
