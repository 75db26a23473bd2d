# SPDX-License-Identifier: Apache-2.0
"""Rows 11 to 17, 28 to 30, 39, 42 and 46 of the sync fault table: servers that misbehave."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeart.errors import SyncError
from edgeart.retry import retry_after
from edgeart.sync import apply_delta
from edgeart.sync.fetch import Fetcher
from edgeart.sync.offers import parse_name
from tests.device.sync.conftest import FACTORY, FIRST, SECOND, Device
from tests.support.fileserver import FileHandler, file_server
from tests.support.repository import Repository, delta_of, operation, policy_bundle

Misbehave = Callable[[FileHandler, str], bool]
SECOND_DIGEST = sha256(policy_bundle(SECOND)).hexdigest()


def offers_second(repository: Repository, **more: object) -> str:
    path = repository.offer(policy_bundle(SECOND), SECOND, **more)
    repository.publish()
    return path


def on(part: str, answer: Callable[[FileHandler, str], object]) -> Misbehave:
    """Misbehaves for paths that hold these words."""

    def behave(handler: FileHandler, path: str) -> bool:
        if part not in path:
            return False
        answer(handler, path)
        return True

    return behave


def recovered(device: Device) -> int:
    """What serves once the server behaves again."""
    device.server.behave = None
    return device.synced()


def test_row_11_a_flipped_bit_in_a_bundle_of_the_right_length_is_never_run(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    path = offers_second(repository)
    good = repository.files[path]
    repository.files[path] = good[:500] + bytes([good[500] ^ 1]) + good[501:]
    status = device.check()
    assert status.ok
    assert status.policies["row"].code == "mismatch"
    assert device.sequence() == FIRST
    assert not device.blob(good).exists()
    repository.files[path] = good
    assert recovered(device) == SECOND


@pytest.mark.parametrize("part", ["timestamp", "snapshot", "targets.json", "deny", ".edgeart"])
@pytest.mark.parametrize("how", ["said", "unsaid", "chunked"])
def test_row_12_an_oversize_or_endless_body_is_cut_off(
    device: Device, repository: Repository, part: str, how: str
) -> None:
    device.has(FIRST)
    repository.deny({"title-1": ["art-1-0"]})
    offers_second(repository)
    sent = [0]

    def flood(handler: FileHandler, _: str) -> None:
        handler.close_connection = True
        handler.send_response_only(200)
        if how == "said":
            handler.send_header("Content-Length", str(1 << 40))
        elif how == "chunked":
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        piece = b"x" * 65_536
        while sent[0] < 1 << 28:
            if how == "chunked":
                handler.wfile.write(b"10000\r\n" + piece + b"\r\n")
            else:
                handler.wfile.write(piece)
            sent[0] += len(piece)

    device.server.behave = on(part, flood)
    status = device.check()
    assert "too_large" in (status.code, status.policies["row"].code)
    assert status.received < 3 << 20
    assert device.sequence() == (FIRST if part != "deny" else SECOND)
    device.server.behave = None
    assert device.check().ok
    device.use()
    assert device.sequence() == SECOND


def test_row_13_a_body_with_a_content_encoding_is_refused(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    path = offers_second(repository)
    bomb = gzip.compress(bytes(1 << 24))
    device.server.behave = on(
        ".edgeart", lambda handler, _: handler.answer(200, bomb, Content_Encoding="gzip")
    )
    assert len(bomb) > len(repository.files[path])
    assert device.check().policies["row"].code == "http"
    assert device.sequence() == FIRST
    assert recovered(device) == SECOND


def test_row_13_a_delta_that_inflates_without_end_is_cut_off() -> None:
    base, result = bytes(1000), bytes(range(100))
    bomb = zlib.compress(bytes(1 << 24), 9)
    inserts = zlib.compress(operation(1, 65_536, data=bytes(65_536)) * 300, 9)
    for stream in (bomb, inserts):
        written: list[bytes] = []
        with pytest.raises(SyncError) as refusal:
            apply_delta(
                base, delta_of(base, result, b"", stream=stream), written.append,
                length=len(result), digest=sha256(result).digest(),
            )  # fmt: skip
        assert refusal.value.code == "delta"
        assert sum(map(len, written)) <= len(result)


def test_row_13_a_window_beyond_the_limit_is_refused() -> None:
    base, result = bytes(1000), bytes(range(100))
    stream = bytearray(zlib.compress(operation(1, 100, data=result), 9))
    stream[0] = 0x88  # a window of 64 KiB, which zlib's format leaves room for
    stream[1] += 31 - (stream[0] * 256 + stream[1]) % 31
    with pytest.raises(SyncError, match="damaged"):
        apply_delta(
            base, delta_of(base, result, b"", stream=bytes(stream)), bytes,
            length=len(result), digest=sha256(result).digest(),
        )  # fmt: skip


@pytest.mark.parametrize("part", ["timestamp", ".edgeart"])
@pytest.mark.parametrize("slow", ["headers", "body"])
def test_row_14_a_byte_now_and_then_does_not_outlast_the_deadline(
    device: Device, repository: Repository, part: str, slow: str
) -> None:
    device.has(FIRST)
    offers_second(repository)
    stopped = []

    def drip(handler: FileHandler, path: str) -> None:
        data = repository.files[path]
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data)
        if slow == "body":
            handler.wfile.write(head)
        handler.close_connection = True
        for byte in data if slow == "body" else head + data:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.02)
            if stopped:
                return

    device.server.behave = on(part, drip)
    device.start(timeout=0.6)
    began = time.monotonic()
    status = device.check()
    took = time.monotonic() - began
    stopped.append(True)
    assert "slow" in (status.code, status.policies["row"].code), status
    # A drip of the whole would take half a minute; what is judged is that it was cut off.
    assert took < 15
    assert device.sequence() == FIRST
    device.start(timeout=30.0)
    assert recovered(device) == SECOND


def test_row_14_a_rate_below_the_least_is_cut_off_before_the_deadline_of_the_check() -> None:
    clock = [0.0]

    def drip(handler: FileHandler, _: str) -> None:
        handler.close_connection = True
        handler.send_response_only(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        for _second in range(400):
            handler.wfile.write(bytes(100))
            clock[0] += 1.0
            time.sleep(0.001)

    with file_server({}) as server:
        server.behave = on("", drip)
        fetcher = Fetcher(server.url, patience=15.0, least_rate=10_000.0, clock=lambda: clock[0])
        fetcher.begin(1_000_000.0)
        with pytest.raises(SyncError) as refusal:
            fetcher.whole("file", 1_000_000)
        fetcher.close()
        assert refusal.value.code == "slow"
        assert 100 <= clock[0] < 400  # 15 s and 100 s for a million bytes


def half(repository: Repository, path: str) -> Misbehave:
    """Breaks off in the middle of a bundle."""
    data = repository.files[path]

    def send(handler: FileHandler, _: str) -> None:
        handler.close_connection = True
        handler.send_response_only(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])

    return on(".edgeart", send)


def test_row_15_a_download_goes_on_where_it_broke_off_also_after_a_restart(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    path = offers_second(repository)
    device.server.behave = half(repository, path)
    assert device.check().policies["row"].code == "network"
    assert device.sequence() == FIRST
    device.start()
    device.server.behave = None
    device.server.requests.clear()
    device.has(SECOND)
    (asked,) = (headers for name, headers in device.server.requests if ".edgeart" in name)
    assert int(asked["Range"].removeprefix("bytes=").removesuffix("-")) > 1000


def test_row_15_a_server_that_ignores_range_sends_it_all(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    path = offers_second(repository)
    device.server.behave = half(repository, path)
    device.check()
    device.server.ranges = False
    assert recovered(device) == SECOND


@pytest.mark.parametrize("what", ["replaced", "shorter", "wrong_range"])
def test_row_15_a_blob_that_was_replaced_meanwhile_is_fetched_anew(
    device: Device, repository: Repository, what: str
) -> None:
    device.has(FIRST)
    path = offers_second(repository)
    good = repository.files[path]
    other = bytes(len(good)) if what != "shorter" else bytes(10)
    device.server.behave = half(repository, path)
    device.check()
    part = device.blob(good).with_suffix(".part")
    assert part.stat().st_size == len(good) // 2
    if what == "wrong_range":
        device.server.behave = on(
            ".edgeart",
            lambda handler, name: handler.answer(
                206, good[7:], Content_Range=f"bytes 7-{len(good) - 1}/{len(good)}"
            ) if "Range" in handler.headers else handler.serve(name),
        )  # fmt: skip
    elif what == "replaced":
        part.write_bytes(bytes(len(good) // 2))
        device.server.behave = None
    else:
        device.server.behave = on(
            ".edgeart",
            lambda handler, name: handler.serve(
                name, {path: other if "Range" in handler.headers else good}
            ),
        )
    assert device.check().policies["row"].code == "staged"
    device.use()
    assert (device.sequence(), device.source()) == (SECOND, "active")


def test_row_16_a_delta_makes_the_bundle_of_the_one_that_is_here(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    delta = repository.delta(policy_bundle(FIRST), policy_bundle(SECOND))
    offers_second(repository, deltas=[delta])
    device.has(SECOND)
    assert device.server.asked(".delta") == 1
    assert device.server.asked(f"{SECOND_DIGEST}.12") == 0
    assert device.blob(policy_bundle(SECOND)).read_bytes() == policy_bundle(SECOND)


def test_row_16_a_delta_may_start_from_the_factory_bundle(
    device: Device, repository: Repository
) -> None:
    delta = repository.delta(policy_bundle(FACTORY), policy_bundle(SECOND))
    offers_second(repository, deltas=[delta])
    device.has(SECOND)
    assert device.server.asked(".delta") == 1
    assert device.server.asked(".edgeart") == 0


def test_row_16_a_delta_against_a_bundle_that_is_not_here_is_not_fetched(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    delta = repository.delta(policy_bundle(9), policy_bundle(SECOND))
    offers_second(repository, deltas=[delta])
    device.has(SECOND)
    assert device.server.asked(".delta") == 0


@pytest.mark.parametrize(
    "header",
    [
        {"base": bytes(32)}, {"result": bytes(32)}, {"length": 5}, {"codec": 2},
        {"magic": b"\x89eax\r\n\x1a\n"}, {"stream": b"no zlib"}, {"operations": operation(9)},
        {"operations": operation(2, 0, 40)}, {"operations": operation(1, 3, data=b"abc") * 70_000},
    ],
    ids=lambda header: next(iter(header)),
)  # fmt: skip
def test_row_16_and_17_a_delta_that_will_not_do_is_replaced_by_the_whole_bundle(
    device: Device, repository: Repository, header: dict[str, object]
) -> None:
    device.has(FIRST)
    delta = repository.delta(policy_bundle(FIRST), policy_bundle(SECOND), **header)
    offers_second(repository, deltas=[delta])
    device.has(SECOND)
    assert device.server.asked(".delta") == 1
    assert device.server.asked(f"{SECOND_DIGEST}.12") == 1


def test_row_16_a_delta_that_is_gone_or_damaged_is_replaced_by_the_whole_bundle(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    delta = repository.delta(policy_bundle(FIRST), policy_bundle(SECOND))
    offers_second(repository, deltas=[delta])
    repository.files[f"targets/row/{delta['sha256']}.delta"] = b"other bytes"
    assert device.synced() == SECOND


BASE = bytes(range(256)) * 4
NUMBERS = st.one_of(st.integers(0, 1100), st.integers(0, 1 << 33))
OPERATIONS = st.lists(
    st.tuples(st.integers(0, 6), NUMBERS, NUMBERS, st.binary(max_size=64)), max_size=12
)


@given(OPERATIONS, st.integers(1, 3000), st.binary(max_size=4))
def test_row_17_hostile_operations_are_refused_or_stay_in_bounds(
    operations: list[tuple[int, int, int, bytes]], length: int, tail: bytes
) -> None:
    packed = b"".join(
        operation(kind, *((n,) if kind == 1 else (offset, n)), data=data)
        for kind, offset, n, data in operations
    )
    result = bytes(length)
    delta = delta_of(BASE, result, b"", stream=zlib.compress(packed + tail))
    written = bytearray()
    refused = refusal_of(BASE, delta, written, result)
    # Operations may write the zeros that are asked for; then nothing may follow them.
    assert refused == "delta" or written == result
    assert len(written) <= length


def refusal_of(base: bytes, delta: bytes, written: bytearray, result: bytes) -> str | None:
    """Code of the refusal, None where the delta was applied."""
    digest = sha256(result).digest()
    try:
        apply_delta(base, delta, written.extend, length=len(result), digest=digest)
    except SyncError as error:
        return error.code
    return None


@given(st.binary(max_size=200), st.binary(max_size=200), st.data())
def test_row_17_a_mutated_delta_gives_the_very_result_or_nothing(
    base: bytes, result: bytes, data: st.DataObject
) -> None:
    result = result or b"x"
    delta = bytearray(delta_of(base, result))
    for _ in range(data.draw(st.integers(1, 4))):
        delta[data.draw(st.integers(0, len(delta) - 1))] = data.draw(st.integers(0, 255))
    written = bytearray()
    refused = refusal_of(base, bytes(delta), written, result)
    assert refused == "delta" or written == result


PORTAL = b"<html><body>Please accept the terms to use this network</body></html>"


@pytest.mark.parametrize("part", ["", "timestamp", "snapshot", "targets.json", "deny", ".edgeart"])
def test_row_28_a_captive_portal_changes_nothing(
    device: Device, repository: Repository, part: str
) -> None:
    device.has(FIRST)
    repository.deny({"title-1": ["art-1-0"]})
    offers_second(repository)
    device.server.behave = on(
        part, lambda handler, _: handler.answer(200, PORTAL, Content_Type="text/html")
    )
    status = device.check()
    codes = (status.code, status.policies["row"].code)
    assert {"malformed", "mismatch", "too_large"} & set(codes), codes
    assert device.sequence() == (FIRST if part != "deny" else SECOND)
    assert device.denied == ({} if part != ".edgeart" else {"title-1": ["art-1-0"]})
    device.server.behave = None
    assert device.check().ok
    device.use()
    assert device.sequence() == SECOND
    assert device.denied == {"title-1": ["art-1-0"]}


def test_row_28_a_redirection_to_a_portal_is_not_followed(device: Device) -> None:
    device.has(FIRST)
    device.server.behave = on(
        "", lambda handler, _: handler.answer(302, b"", Location=f"{device.server.url}/portal")
    )
    assert device.check().code == "http"
    assert device.server.asked("portal") == 0
    assert device.sequence() == FIRST


def test_row_29_304_without_a_local_blob_fetches_it(device: Device, repository: Repository) -> None:
    device.has(FIRST)
    device.stop()
    device.blob(policy_bundle(FIRST)).unlink()
    device.start()
    assert device.sequence() == FACTORY
    device.server.requests.clear()
    status = device.check()
    assert status.policies["row"].code == "restored"
    assert (device.sequence(), device.source()) == (FIRST, "active")
    assert [name for name, _ in device.server.requests if "targets/row" in name]
    assert device.server.asked("targets.json") == 0  # nothing else was new


def test_row_29_304_that_nobody_asked_for_is_an_error(device: Device) -> None:
    device.server.behave = on("timestamp", lambda handler, _: handler.answer(304, None))
    assert device.check().code == "http"
    assert device.sequence() == FACTORY


def test_row_30_after_a_failed_installation_304_does_not_leave_it_stuck(
    device: Device, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.has(FIRST)
    offers_second(repository)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("edgeart.sync.store._receive", full)
        assert device.check().policies["row"].code == "no_space"
    device.server.requests.clear()
    device.has(SECOND)
    (conditional,) = (
        headers for name, headers in device.server.requests if name.endswith("timestamp.json")
    )
    assert "If-None-Match" in conditional
    assert device.server.asked("targets.json") == 0


TRAVERSALS = [
    "../../evil.edgeart", "row/../../../12.f1.edgeart", "/etc/passwd", "row/12.f1.edgeart/../x",
    "row\\12.f1.edgeart", "row/.12.f1.edgeart", "./12.f1.edgeart", "../12.f1.edgeart",
    "row/12.f1.edgeart\n", "row/12.f01.edgeart", "row/+12.f1.edgeart", "row/12.f1.edgeart.edgeart",
    "row//12.f1.edgeart", "%2e%2e/12.f1.edgeart", "row/12.f1.EDGEART", "row/१२.f1.edgeart",
]  # fmt: skip


@pytest.mark.parametrize("name", TRAVERSALS)
def test_row_39_a_target_name_that_is_a_path_is_never_taken(
    device: Device, repository: Repository, name: str
) -> None:
    device.has(FIRST)
    before = {str(path) for path in device.directory.rglob("*")}
    custom = {"policy": "row", "sequence": SECOND, "format": 1,
              "rollout": {"percent": 10_000, "salt": "s"}}  # fmt: skip
    repository.add(name, policy_bundle(SECOND), custom)
    repository.publish()
    status = device.check()
    assert status.ok, "a mistake of one target is no other's"
    assert status.policies["row"].code == "malformed" or status.text.startswith("skipped: ")
    assert device.sequence() == FIRST
    after = {str(path) for path in device.directory.rglob("*")}
    assert after == before
    del repository.targets.targets[name]
    repository.now = device.now
    offers_second(repository)
    assert device.synced() == SECOND


@given(st.text(max_size=30))
def test_row_39_names_that_are_taken_are_harmless(text: str) -> None:
    for name in (
        text,
        f"{text}/12.f1.edgeart",
        f"row/{text}.f1.edgeart",
        f"row/12.f{text}.edgeart",
    ):
        found = parse_name(name)
        if found is not None:
            policy, sequence, format_ = found
            assert name == f"{policy}/{sequence}.f{format_}.edgeart"
            assert "/" not in policy
            assert not policy.startswith(".")
            assert policy.isascii()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("retry_after", ["3600", "", "nonsense", "99999999999999999999"])
def test_row_42_a_server_that_is_busy_for_an_hour_is_not_pestered(
    device: Device, repository: Repository, status: int, retry_after: str
) -> None:
    device.has(FIRST)
    offers_second(repository)
    headers = {"Retry-After": retry_after} if retry_after else {}
    device.server.behave = on(
        "timestamp", lambda handler, _: handler.answer(status, b"later", **headers)
    )
    device.now += 90_000
    device.server.requests.clear()
    assert device.syncer is not None
    began = device.now
    while device.now < began + 3600:  # its own timer and an impatient application, for an hour
        device.syncer.refresh(asked_for=device.now % 600 < 1)
        device.now += 1.0
    asked = device.server.asked("timestamp")
    # Uniform waits below 2, 4, 8 … minutes; 3600 seconds leave room for one request.
    assert asked == 1 if retry_after == "3600" else 1 <= asked <= 30
    assert device.sequence() == FIRST
    device.now += 100_000
    assert recovered(device) == SECOND


def test_row_42_a_busy_server_is_left_alone_also_after_a_restart(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    device.server.behave = on(
        "timestamp", lambda handler, _: handler.answer(503, b"", Retry_After="3600")
    )
    assert device.check().code == "busy_server"
    device.server.requests.clear()
    for _ in range(20):
        device.start()
        assert device.again().code == "waiting"
    assert device.server.requests == []


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("part", ["metadata/timestamp", ".edgeart"])
def test_row_46_a_refused_token_is_renewed_once_and_then_waited_for(
    device: Device, repository: Repository, status: int, part: str
) -> None:
    tokens: list[str] = []

    def fresh() -> str:
        tokens.append(f"token-{len(tokens)}")
        return tokens[-1]

    device.start(token=fresh)
    device.has(FIRST)
    offers_second(repository)
    device.server.behave = on(part, lambda handler, _: handler.answer(status, b"no"))
    device.server.requests.clear()
    count = len(tokens)
    result = device.check()
    assert "denied" in (result.code, result.policies["row"].code)
    assert device.server.asked(part) == (2 if status == 401 else 1)
    assert len(tokens) == count + (status == 401)
    assert device.sequence() == FIRST
    assert device.syncer is not None
    began = device.now
    device.server.requests.clear()
    while device.now < began + 3600:
        device.syncer.refresh(asked_for=False)
        device.now += 1.0
    assert device.server.asked(part) <= 30
    assert recovered(device) == SECOND


def test_row_46_a_token_that_expired_is_replaced_within_the_check(device: Device) -> None:
    valid = ["one"]
    device.start(token=lambda: valid[0])
    device.server.behave = lambda handler, _: (
        handler.headers["Authorization"] != f"Bearer {valid[0]}"
        and (handler.answer(401, b"") or True)
    )
    device.has(FIRST)
    valid[0] = "two"
    assert device.check().ok


def test_row_46_a_token_callable_that_raises_is_reported(device: Device) -> None:
    def broken() -> str:
        raise RuntimeError("signed out")

    device.start(token=broken)
    status = device.check()
    assert status.code == "token"
    assert "signed out" in status.text
    assert device.sequence() == FACTORY


def test_retry_after_is_a_number_or_a_date_and_never_in_the_past() -> None:
    date, then = "Wed, 21 Oct 2015 07:28:00 GMT", 1_445_412_480.0
    assert retry_after(date, then - 60) == 60.0
    assert retry_after(date, then + 60) == 0.0
    assert retry_after("soon", then) is None
    assert retry_after("120", then) == 120.0
