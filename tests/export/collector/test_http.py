# SPDX-License-Identifier: Apache-2.0
"""The collector over HTTP, as a process of its own: answers, faults, kills and a clean end."""

from __future__ import annotations

import hashlib
import json
import resource
import signal
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgeart_export.collector.landing import INCOMING
from tests.support.batches import (
    Batch,
    Context,
    Impression,
    Later,
    Lost,
    Outcome,
    headers,
    page,
)
from tests.support.collectors import Process, collecting, files, landed, metric

KNOWN = "VGhlIHR2LWFwcCBtYXkgc2VuZA+/=="
OTHER = "another"
EVERY = [Context(10), Impression(11, context=10), Outcome(12), Lost(13), Later(15)]


def entry(token: str, name: str) -> str:
    return f"{hashlib.sha256(token.encode()).hexdigest()} {name}\n"


def until(true: Callable[[], bool]) -> None:
    for _ in range(2000):
        if true():
            return
        time.sleep(0.005)
    raise AssertionError("it did not come to that")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("collector")


@pytest.fixture(scope="module")
def tokens(folder: Path) -> Path:
    path = folder / "tokens.txt"
    path.write_text(f"# clients\n\n{entry(KNOWN, 'tv app')}")
    return path


@pytest.fixture(scope="module")
def collector(folder: Path, tokens: Path) -> Iterator[Process]:
    with collecting(folder / "landing", tokens=tokens) as process:
        yield process


def rows_of(folder: Path, table: str, stream: int) -> list[dict[str, Any]]:
    return [row for row in landed(folder / "landing", table).to_pylist() if row["stream"] == stream]


def test_a_batch_is_on_disk_when_the_answer_comes(collector: Process, folder: Path) -> None:
    answer = collector.post(Batch(EVERY, stream=501, first=9, last=20), KNOWN)
    assert answer.status == 200
    assert answer.json == {"stored": [[9, 20]], "refused": []}
    for table in ("contexts", "impressions", "outcomes", "losses", "others"):
        assert len(rows_of(folder, table, 501)) == 1
    (impression,) = rows_of(folder, "impressions", 501)
    assert (impression["sequence"], impression["title"]) == (11, "title-7")


def test_refused_events_are_named_and_the_others_stored(collector: Process, folder: Path) -> None:
    listed = [Impression(0), Impression(1, slot_row=2**32), Impression(2)]
    answer = collector.post(Batch(listed, stream=502), KNOWN)
    assert answer.status == 200
    assert answer.json["stored"] == [[0, 0], [2, 2]]
    (refused,) = answer.json["refused"]
    assert (refused["first"], refused["last"]) == (1, 1)
    assert "impressions.slot_row" in refused["error"]
    assert [row["sequence"] for row in rows_of(folder, "impressions", 502)] == [0, 2]


def test_a_batch_need_not_be_compressed(collector: Process) -> None:
    given = headers(KNOWN)
    del given["Content-Encoding"]
    batch = Batch([Outcome(0)], stream=503)
    answer = collector.request("POST", "/v1/feedback", batch.packed(), given)
    assert (answer.status, answer.json["stored"]) == (200, [[0, 0]])


def test_a_body_may_come_in_chunks(collector: Process) -> None:
    body = page(500, stream=504).body()
    chunks = (body[start : start + 700] for start in range(0, len(body), 700))
    answer = collector.request("POST", "/v1/feedback", chunks, headers(KNOWN))
    assert (answer.status, answer.json["stored"]) == (200, [[0, 500]])


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer wrong", f"Basic {KNOWN}", f"Bearer {KNOWN}x", f"Bearer x {KNOWN}"],
)
def test_who_is_not_known_is_turned_away(collector: Process, authorization: str | None) -> None:
    given = headers()
    if authorization is not None:
        given["Authorization"] = authorization
    answer = collector.request("POST", "/v1/feedback", page(3).body(), given)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Type", "application/json"),
        ("Content-Type", ""),
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", "deflate, deflate"),
    ],
)
def test_another_type_or_encoding_is_not_supported(
    collector: Process, name: str, value: str
) -> None:
    given = {**headers(KNOWN), name: value}
    answer = collector.request("POST", "/v1/feedback", page(3).body(), given)
    assert answer.status == 415
    assert answer.json["error"].startswith(name.lower())


LARGE = bytes(2**20 + 1)


def chunked() -> Iterator[bytes]:
    for _ in range(3 * 2**4):
        yield bytes(2**16)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (LARGE, 413),
        (LARGE * 4, 413),
        (chunked, 413),
        (zlib.compress(bytes(2**24 + 1)), 413),
        (zlib.compress(bytes(2**29), 9)[: 2**20], 413),
        (page(70_000).body(), 413),
        (b"", 400),
        (b"no zlib", 400),
        (zlib.compress(b"\xc1"), 400),
        (zlib.compress(b"\x80"), 422),
        (Batch([Impression(0)], extra={"format": 2}).body(), 422),
    ],
    ids=[
        "a byte too much",
        "four times too much",
        "too much in chunks",
        "inflates to a byte too much",
        "bomb",
        "too many events",
        "empty",
        "no zlib",
        "no MessagePack",
        "empty map",
        "newer format",
    ],
)
def test_what_is_no_batch_is_answered_with_the_status_that_helps(
    collector: Process, body: Any, status: int
) -> None:
    given = body() if callable(body) else body
    answer = collector.request("POST", "/v1/feedback", given, headers(KNOWN))
    assert answer.status == status
    assert answer.json["error"]


def test_there_is_nothing_else_there(collector: Process) -> None:
    assert collector.request("GET", "/v1/feedback").status == 405
    assert collector.request("POST", "/v1/other").status == 404


def test_health_says_ready(collector: Process) -> None:
    answer = collector.request("GET", "/health")
    assert (answer.status, answer.json) == (200, {"status": "ready"})


def test_metrics_are_in_the_format_of_prometheus_and_count(collector: Process) -> None:
    def samples() -> dict[tuple[str, str], float]:
        answer = collector.request("GET", "/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return {
            (sample.name, ",".join(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(answer.body.decode())
            for sample in family.samples
        }

    before = samples()
    batch = Batch([*EVERY, Impression(14, slot_row=-1)], stream=505)
    assert collector.post(batch, KNOWN).status == 200
    assert collector.post(b"x", KNOWN).status == 400
    after = samples()
    grown = {
        key: value - before.get(key, 0)
        for key, value in after.items()
        if value != before.get(key, 0)
    }

    def of(name: str, label: str = "") -> float:
        return grown[f"edgeart_collector_{name}", label]

    assert (of("requests_total", "200"), of("requests_total", "400")) == (1, 1)
    tables = ("contexts", "impressions", "outcomes", "losses", "others")
    assert [of("events_stored_total", table) for table in tables] == [1] * 5
    assert of("events_refused_total") == 1
    assert of("received_bytes_total") == len(batch.body()) + 1
    assert of("inflated_bytes_total") == len(batch.packed())
    assert of("commit_seconds_count") == of("commit_batches_count") == 1
    assert (of("batch_events_count"), of("batch_events_sum")) == (1, 5)
    assert after["edgeart_collector_requests_under_way", ""] == 0


def test_batches_that_come_together_share_files(tmp_path: Path) -> None:
    count = 24
    bodies = [page(20, stream=stream).body() for stream in range(1, count + 1)]
    with collecting(tmp_path, "--linger", "0.5") as process:
        with ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(process.post, bodies))
        groups = metric(process, "commit_batches_count")
    assert [answer.status for answer in answers] == [200] * count
    assert len(files(tmp_path, "impressions")) == groups < count / 3
    rows = landed(tmp_path, "impressions")
    assert rows.num_rows == 20 * count
    assert set(rows["stream"].to_pylist()) == set(range(1, count + 1))


def test_two_collectors_share_a_folder(tmp_path: Path) -> None:
    with collecting(tmp_path) as one, collecting(tmp_path) as two:
        with ThreadPoolExecutor(8) as pool:
            jobs = [
                pool.submit((one, two)[stream % 2].post, page(10, stream=stream))
                for stream in range(1, 21)
            ]
        assert [job.result().status for job in jobs] == [200] * 20
    assert landed(tmp_path, "impressions").num_rows == 200


def test_tokens_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "tokens.txt"
    path.write_text(entry(KNOWN, "one"))
    with collecting(tmp_path / "landing", tokens=path) as process:
        batch = Batch([Outcome(0)])
        assert process.post(batch, OTHER).status == 401
        path.write_text(entry(KNOWN, "one") + entry(OTHER, "two"))
        assert process.post(batch, OTHER).status == 200
        path.write_text("spoilt\n")
        assert process.post(batch, OTHER).status == 200  # what was known stays known
        path.write_text(entry(OTHER, "two") + "\n")
        assert process.post(batch, KNOWN).status == 401
    # only now is all that the process logged sure to have been read
    told = [(line["level"], line["event"]) for line in process.lines]
    assert told.count(("info", "tokens read again")) == 2
    assert told.count(("error", "tokens not read again")) == 1


KILLED = """
import os, pathlib, signal
rename, calls = pathlib.Path.rename, []
def killed(path, target):
    calls.append(target)
    if len(calls) == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, target)
pathlib.Path.rename = killed
"""


@pytest.mark.parametrize("at", [1, 2])
def test_killed_between_write_and_rename_shows_no_half_file_and_a_retry_lands_once(
    tmp_path: Path, at: int
) -> None:
    batch = page(50, stream=9)
    with collecting(tmp_path, before=KILLED.format(at=at)) as process:
        with pytest.raises(OSError):  # noqa: PT011 - reset or closed, as it happens
            process.post(batch)
        assert process.popen.wait(10) == -signal.SIGKILL
    assert landed(tmp_path, "contexts").num_rows == at - 1
    assert landed(tmp_path, "impressions").num_rows == 0
    assert len(list((tmp_path / INCOMING).glob("*.tmp"))) == 3 - at
    with collecting(tmp_path) as process:
        for _ in range(2):  # the second time as if the answer had been lost
            assert process.post(batch).json["stored"] == [[0, 50]]
    for table, count in (("contexts", 1), ("impressions", 50)):
        rows = landed(tmp_path, table)
        keys = set(zip(rows["stream"].to_pylist(), rows["sequence"].to_pylist(), strict=True))
        # Whatever lies there twice is equal but for the time of receipt.
        contents = {tuple(row.values()) for row in rows.drop_columns(["received"]).to_pylist()}
        assert len(keys) == len(contents) == count


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of another process")
def test_no_space_is_answered_with_503_shows_nothing_and_ends_by_itself(tmp_path: Path) -> None:
    batch = page(2000, stream=9)
    with collecting(tmp_path) as process:
        # A file may not grow beyond this: the write fails in the kernel, as on a full disk.
        pid = process.popen.pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (2000, before[1]))
        answer = process.post(batch)
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        assert process.request("GET", "/health").status == 200
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        assert process.post(batch).status == 200
        assert metric(process, "commit_failures_total") == 1
    (line,) = [line for line in process.lines if line["event"] == "commit failed"]
    assert "File too large" in line["error"]
    assert landed(tmp_path, "impressions").num_rows == 2000


def begin(port: int, body: bytes) -> socket.socket:
    """A request of which half the body is sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    lines = ["POST /v1/feedback HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers().items()]
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + body[: len(body) // 2])
    return connection


def refused(process: Process) -> bool:
    try:
        process.request("GET", "/health")
    except ConnectionRefusedError:
        return True
    except OSError:  # closed while it was being asked
        return False
    return False


def test_sigterm_answers_what_had_begun_and_sends_away_what_is_new(tmp_path: Path) -> None:
    body = page(100, stream=9).body()
    with collecting(tmp_path, "--drain", "3600") as process:
        with begin(process.port, body) as connection:
            until(lambda: metric(process, "requests_under_way") == 1)
            process.popen.send_signal(signal.SIGTERM)
            until(lambda: process.request("GET", "/health").status == 503)
            assert process.request("GET", "/health").json == {"status": "draining"}
            assert metric(process, "draining") == 1
            turned_away = process.post(page(5, stream=10))
            assert (turned_away.status, turned_away.headers["retry-after"]) == (503, "5")
            process.popen.send_signal(signal.SIGTERM)  # no more waiting
            until(lambda: refused(process))
            connection.sendall(body[len(body) // 2 :])
            answer = connection.makefile("rb").read()
        assert process.popen.wait(20) == 0
    assert answer.startswith(b"HTTP/1.1 200")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"stored": [[0, 100]], "refused": []}
    assert set(landed(tmp_path, "impressions")["stream"].to_pylist()) == {9}
    assert [line["event"] for line in process.lines] == ["ready", "draining", "stopped"]


@pytest.mark.parametrize(("number", "drain"), [(signal.SIGTERM, "0.1"), (signal.SIGINT, "3600")])
def test_signals_end_it_with_exit_code_0(
    tmp_path: Path, number: signal.Signals, drain: str
) -> None:
    with collecting(tmp_path, "--drain", drain) as process:
        process.popen.send_signal(number)
        assert process.popen.wait(20) == 0


def test_a_port_that_is_taken_is_an_error_with_its_number(tmp_path: Path) -> None:
    from edgeart_export.collector.app import Collector
    from edgeart_export.collector.auth import anyone
    from edgeart_export.collector.landing import open_landing
    from edgeart_export.collector.server import serve

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=str(port)):
            serve(Collector(open_landing(tmp_path), anyone), host="127.0.0.1", port=port)


def test_more_requests_than_bounded_are_asked_to_come_again(tmp_path: Path) -> None:
    body = page(100).body()
    with collecting(tmp_path, "--most-under-way", "1") as process:
        with begin(process.port, body) as connection:
            until(lambda: metric(process, "requests_under_way") == 1)
            answer = process.post(page(5))
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            connection.sendall(body[len(body) // 2 :])
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert process.post(page(5)).status == 200


def test_logs_hold_no_member_data(tmp_path: Path) -> None:
    member = "comedy-lover"
    document = Batch([Context(0, subject=member), Impression(1, title=member)]).document()
    document["contexts"][0][1][4] = member
    document["impressions"]["artwork"][0] = [member]
    with collecting(tmp_path) as process:
        answer = process.post(Batch([Impression(1)], extra=document))
        assert len(answer.json["refused"]) == 2
        assert process.post(Batch([Impression(1)], extra={"stream": member})).status == 422
    told = [line for line in process.lines if "refused" in line["event"]]
    assert len(told) == 2
    assert member not in answer.body.decode() + process.logged
