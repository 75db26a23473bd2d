# SPDX-License-Identifier: Apache-2.0
"""Deltas by known answers; state, offers, schedule and trials by their rules."""

from __future__ import annotations

import json
import random
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeart.errors import SyncError
from edgeart.sums import bucket
from edgeart.sync import Tally, apply_delta, schedule
from edgeart.sync.offers import LARGEST_SEQUENCE, Target, read_deny, read_offers
from edgeart.sync.state import NOT_OURS, Held, Minima, Slots, State, frame, read_frame
from edgeart.sync.trial import verdict

VECTORS = Path(__file__).parents[3] / "native" / "vectors" / "sync.json"
DIGEST = sha256(b"x").hexdigest()


def known() -> Any:
    if not VECTORS.exists():
        pytest.skip("the known answers are in the checkout, not in the wheel")
    return json.loads(VECTORS.read_text(encoding="utf-8"))


def joined(pieces: Any) -> bytes:
    """Bytes of the known answers: hex, or pieces of hex with how often each is repeated."""
    if isinstance(pieces, str):
        return bytes.fromhex(pieces)
    return b"".join(bytes.fromhex(piece) * times for piece, times in pieces)


def test_buckets_are_those_of_the_known_answers() -> None:
    buckets = known()["buckets"]
    assert len(buckets) > 20
    for unit, salt, rollout, arm in buckets:
        key = int(unit, 16)
        assert (bucket("ea-roll0", key, salt), bucket("ea-roll1", key, salt)) == (rollout, arm)


def test_deltas_give_the_known_results_or_are_refused() -> None:
    vectors = known()
    base = joined(vectors["base"])
    refused = 0
    for case in vectors["deltas"]:
        delta = joined(case["delta"])
        written = bytearray()
        length = int.from_bytes(delta[12:16], "little") if "length" not in case else case["length"]
        digest = delta[48:80]
        if case["result"] is None:
            refused += 1
            with pytest.raises(SyncError) as refusal:
                apply_delta(base, delta, written.extend, length=length, digest=digest)
            assert refusal.value.code == "delta", case["name"]
        else:
            result = joined(case["result"])
            apply_delta(base, delta, written.extend, length=len(result), digest=digest)
            assert written == result, case["name"]
    assert 10 < refused < len(vectors["deltas"]) - 5


# State.


def full_state() -> State:
    state = State()
    policy = state.of("row")
    policy.active, policy.trial = Held(DIGEST, 12, 1, 99), Held(DIGEST, 13, 2, 98)
    policy.tried, policy.before, policy.starts = (3, 1, 20), (100, 2), 2
    policy.killed, policy.serve, policy.max_stale, policy.minimum = frozenset({9}), "factory", 7, 4
    policy.quarantine(DIGEST, "1.0", "vectors")
    state.roles["targets"] = (7, ("key-1", "key-2"))
    state.floor, state.etag, state.etag_of = (1_800_000_000, ("key-3",)), '"x"', DIGEST
    state.checked, state.due, state.error = 12.5, 99.5, ("slow", "too slow")
    return state


def test_a_state_reads_back_as_it_was_written(tmp_path: Path) -> None:
    state = full_state()
    slots = Slots(str(tmp_path))
    for _ in range(3):
        slots.save(state)
    slots.save_minima(minima := Minima({"row": [12, ["key-1"]]}))
    read = Slots(str(tmp_path))
    found = read.load()
    assert found.packed() == state.packed()
    assert read.load_minima(found).packed() == minima.packed()
    assert found.of("row").active == Held(DIGEST, 12, 1, 99)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["minimum", "state-0", "state-1"]


def test_slots_are_written_in_turn_and_the_newer_counts(tmp_path: Path) -> None:
    slots = Slots(str(tmp_path))
    state = slots.load()
    contents = []
    for interval in range(100, 106):
        state.interval = interval
        slots.save(state)
        contents.append([(tmp_path / f"state-{i}").read_bytes()
                         for i in range(2) if (tmp_path / f"state-{i}").exists()])  # fmt: skip
        assert Slots(str(tmp_path)).load().interval == interval
    for before, after in pairwise(contents[1:]):
        assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


@given(st.binary(max_size=300))
def test_no_bytes_at_all_make_a_state_of_their_own(data: bytes) -> None:
    assert read_frame(data) is None


@given(st.integers(0, 2000), st.integers(0, 7))
def test_a_flipped_bit_spoils_a_frame(at: int, bit: int) -> None:
    whole = frame(7, full_state().packed())
    assert read_frame(whole) is not None
    at %= len(whole)
    damaged = bytearray(whole)
    damaged[at] ^= 1 << bit
    assert read_frame(bytes(damaged)) is None
    assert read_frame(whole[:at]) is None
    assert read_frame(whole + b"x") is None


WORDS = st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 1 << 40) | WORDS | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([*sorted(full_state().packed()), "later"])


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_a_frame_of_something_else_is_passed_over(content: dict[str, Any]) -> None:
    try:
        packed = State(content).packed()
    except NOT_OURS:
        return  # Slots passes it over; anything else would end a start
    assert State(packed).packed() == packed


def test_a_state_that_grew_too_large_is_not_written(tmp_path: Path) -> None:
    state = State({"later": "x" * 70_000})
    with pytest.raises(OSError, match="65536"):
        Slots(str(tmp_path)).save(state)


# Offers.


def custom(**more: Any) -> dict[str, Any]:
    return {"policy": "row", "sequence": 12, "format": 1,
            "rollout": {"percent": 10_000, "salt": "s"}} | more  # fmt: skip


def signed(**more: Any) -> dict[str, Any]:
    record = {"minimum": 1, "killed": [], "serve": "newest", "max_stale": 0}
    return {"format": 1, "interval": 3600, "policies": {"row": record | more}}


DENY = {"deny.json": Target(10, DIGEST, None)}


def offered(entry: object, length: int = 1000, digest: str = DIGEST) -> Any:
    return read_offers(DENY | {"row/12.f1.edgeart": Target(length, digest, entry)}, signed())


@pytest.mark.parametrize(
    "entry",
    [
        None, [], custom(policy="other"), custom(sequence=13), custom(format=True),
        custom(rollout=1), custom(rollout={"percent": 10_001, "salt": "s"}),
        custom(rollout={"percent": True, "salt": "s"}), custom(rollout={"percent": 1, "salt": ""}),
        custom(rollout={"percent": 1, "salt": "é" * 33}),
        custom(arm={"name": "a", "from": 5, "to": 5, "salt": "s"}),
        custom(arm={"name": "", "from": 0, "to": 5, "salt": "s"}),
        custom(arm={"name": "a", "from": 0, "to": 10_001, "salt": "s"}),
        custom(arm={"name": "a", "from": 0, "to": 5}), custom(deltas={}), custom(deltas=[{}] * 17),
        custom(deltas=[{"base": DIGEST, "sha256": "../x", "length": 5, "codec": 1}]),
        custom(deltas=[{"base": DIGEST, "sha256": DIGEST, "length": 5}]),
    ],
)  # fmt: skip
def test_an_offer_that_breaks_a_rule_is_skipped_and_reported(entry: object) -> None:
    offers = offered(entry)
    assert offers.offers == {}
    assert list(offers.broken) == ["row"]


def test_an_offer_reads_as_it_is_signed() -> None:
    arm = {"name": "a", "from": 0, "to": 5000, "salt": "t"}
    deltas = [
        {"base": DIGEST, "sha256": DIGEST, "length": 10, "codec": 1},
        {"base": DIGEST, "sha256": DIGEST, "length": 10, "codec": 9},  # of a later version
        {"base": DIGEST, "sha256": DIGEST, "length": 2000, "codec": 1},  # longer than the bundle
    ]
    (offer,) = offered(custom(arm=arm, deltas=deltas, later="ignored")).offers["row"]
    assert (offer.sequence, offer.format, offer.length) == (12, 1, 1000)
    assert (offer.rollout.end, offer.arm.first, offer.arm.end) == (10_000, 0, 5000)
    assert len(offer.deltas) == 1
    assert offer.path == f"targets/row/{DIGEST}.12.f1.edgeart"
    assert offer.path_of(offer.deltas[0]) == f"targets/row/{DIGEST}.delta"


@pytest.mark.parametrize(
    ("length", "digest"), [(0, DIGEST), (1 << 27, DIGEST), (5, "abc"), (5, "")]
)
def test_an_offer_of_a_size_or_hash_that_will_not_do_is_skipped(length: int, digest: str) -> None:
    assert "row" in offered(custom(), length, digest).broken


@pytest.mark.parametrize(
    "more",
    [
        {"minimum": 0}, {"minimum": LARGEST_SEQUENCE + 1}, {"minimum": "1"}, {"killed": 5},
        {"killed": [0]}, {"killed": list(range(1, 66))}, {"serve": 5}, {"max_stale": -1},
        {"max_stale": None},
    ],
)  # fmt: skip
def test_a_record_that_breaks_a_rule_is_skipped_and_reported(more: dict[str, Any]) -> None:
    offers = read_offers(DENY, signed(**more))
    assert offers.records == {}
    assert list(offers.broken) == ["row"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "malformed"), ({}, "malformed"), ({"format": 2}, "newer"),
        ({"format": True, "interval": 3600, "policies": {}}, "malformed"),
        ({"format": 1, "interval": 59, "policies": {}}, "malformed"),
        ({"format": 1, "interval": 604_801, "policies": {}}, "malformed"),
        ({"format": 1, "interval": 3600, "policies": []}, "malformed"),
    ],
)  # fmt: skip
def test_metadata_that_say_nothing_to_this_version_are_refused(content: Any, code: str) -> None:
    with pytest.raises(SyncError) as refusal:
        read_offers(DENY, content)
    assert refusal.value.code == code


@given(st.text(max_size=20), VALUES, VALUES)
def test_whatever_is_signed_it_is_read_or_refused(name: str, entry: Any, content: Any) -> None:
    targets = DENY | {name: Target(5, DIGEST, entry), "row/12.f1.edgeart": Target(5, DIGEST, entry)}
    for field in (
        content,
        signed() | {"policies": content},
        signed() | {"policies": {name: content}},
    ):
        try:
            read_offers(targets, field)
        except SyncError as error:  # noqa: PERF203 - one at a time is the point
            assert error.code in ("malformed", "newer")  # noqa: PT017 - or it is read


@given(st.binary(max_size=100) | VALUES.map(lambda value: json.dumps(value, default=str).encode()))
def test_whatever_a_deny_list_says_it_is_read_or_refused(data: bytes) -> None:
    try:
        titles = read_deny(data)
    except SyncError as error:
        assert error.code in ("malformed", "newer")  # noqa: PT017 - or it is read
    else:
        assert all(isinstance(a, str) for artworks in titles.values() for a in artworks)


def test_a_deny_list_of_too_many_artworks_is_refused() -> None:
    content = {"format": 1, "titles": {"t": ["a"] * 65_537}}
    with pytest.raises(SyncError, match="65536"):
        read_deny(json.dumps(content).encode())


# Schedule and trials.


def test_the_next_check_keeps_within_its_bounds() -> None:
    source = random.Random(1)  # noqa: S311 - jitter
    for _ in range(500):
        state, now = State(), 1e9
        schedule.settle(state, now, source)
        assert 0 <= state.due - now <= state.interval
        schedule.succeeded(state, now, source)
        assert 0.5 <= (state.due - now) / state.interval <= 1.5
        for failures in range(1, 20):
            schedule.failed(state, now, None, source)
            most = min(state.interval, 300.0 * 2.0**failures)
            assert schedule.LEAST_WAIT <= state.due - now <= most
        for asked in (0.0, 10.0, 3600.0, 1e12):
            schedule.failed(state, now, asked, source)
            assert min(asked, 86_400) <= state.due - now <= max(86_400, state.interval)
        schedule.succeeded(state, now, source)
        assert (state.failures, state.not_before) == (0, 0.0)


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.integers(0, 99))
def test_no_remembered_moment_keeps_a_device_from_checking(
    now: float, due: float, not_before: float, seed: int
) -> None:
    """A clock that was years ahead when they were remembered, say."""
    state = State()
    state.due, state.not_before, state.asked = due, not_before, due
    schedule.settle(state, now, random.Random(seed))  # noqa: S311 - jitter
    assert schedule.wait_left(state, now, asked_for=False) <= 1.5 * 86_400


@pytest.mark.parametrize(
    ("before", "trial", "seconds", "expected"),
    [
        ((0, 0), (20, 0), 60, True), ((0, 0), (19, 0), 600, None), ((0, 0), (200, 0), 59, None),
        ((0, 0), (3, 3), 0, False), ((0, 0), (2, 2), 600, None), ((0, 0), (100, 5), 60, True),
        ((0, 0), (100, 6), 60, False), ((100, 100), (100, 100), 60, True),
        ((100, 10), (100, 15), 60, True), ((100, 10), (100, 16), 60, False),
    ],
)  # fmt: skip
def test_a_trial_ends_by_its_rules(
    before: tuple[int, int],
    trial: tuple[int, int],
    seconds: float,
    expected: bool | None,  # noqa: FBT001 - a parameter
) -> None:
    assert verdict(Tally(*before), Tally(*trial), seconds) is expected
