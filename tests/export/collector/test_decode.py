# SPDX-License-Identifier: Apache-2.0
"""Batches become rows: all of them, equal to what was sent, or refused with the place."""

from __future__ import annotations

import itertools
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeart_export.arrow_schemas import LANDING
from edgeart_export.collector.batch import Batch as Decoded
from edgeart_export.collector.batch import decode, tables
from edgeart_export.collector.errors import BatchError
from edgeart_export.collector.wire import MAX_EVENTS, MAX_INFLATED, inflate
from tests.support.batches import (
    WHOLE,
    Batch,
    Context,
    Event,
    Impression,
    Later,
    Lost,
    Outcome,
    pack,
    page,
)

RECEIVED = 1_800_000_999_000
TABLES: dict[type, str] = {
    Context: "contexts",
    Impression: "impressions",
    Outcome: "outcomes",
    Lost: "losses",
    Later: "others",
}


def as_row(event: Event, batch: Batch, received: int) -> dict[str, Any]:
    """The row an event should become."""
    if isinstance(event, Later):
        own: dict[str, Any] = {"kind": event.elements[0], "body": pack(list(event.elements))}
        at = event.elements[1]
    else:
        own = {name: getattr(event, name) for name in event.__dataclass_fields__}
        at = own.pop("at")
    if isinstance(event, Lost):
        own["lost_stream"] = own.pop("stream")
    if isinstance(event, Outcome):
        own["minutes"] = struct.unpack("f", struct.pack("f", event.minutes))[0]
    if isinstance(event, Context) and isinstance(event.cell, int):
        own["cell"] = str(event.cell)
    if isinstance(event, Impression):
        named = isinstance(event.candidates, list)
        own["host_candidates"] = event.candidates if named else None
        own["candidates"] = None if named else event.candidates
    known = 0 < batch.started <= 2**47
    own.pop("sequence", None)
    return {
        "stream": batch.stream,
        "sequence": event.sequence,
        "at": batch.started + at if known else received,
        "received": received,
        **own,
    }


def rows(decoded: Decoded) -> dict[str, list[dict[str, Any]]]:
    """All rows by table, times as milliseconds."""
    found = {}
    for name, table in tables([decoded]).items():
        assert table.schema.equals(LANDING[name])
        listed = table.set_column(2, "at", table["at"].cast("int64"))
        listed = listed.set_column(3, "received", listed["received"].cast("int64"))
        found[name] = sorted(listed.to_pylist(), key=lambda row: int(row["sequence"]))
    return found


def expected(batch: Batch, received: int = RECEIVED) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for event in sorted(batch.events, key=lambda event: event.sequence):
        found.setdefault(TABLES[type(event)], []).append(as_row(event, batch, received))
    return found


U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
AT = st.integers(0, 2**45)
TEXT = st.text(max_size=8)
MAYBE_TEXT = st.none() | TEXT
MINUTES = st.floats(0, 2.0**127, width=32)
TOTALS = st.integers(1, WHOLE)
CANDIDATES = st.none() | st.binary(max_size=32) | st.lists(TEXT, max_size=4)


@st.composite
def impressions(draw: st.DrawFn, sequence: int) -> Impression:
    plain = draw(st.booleans())
    total = WHOLE if plain else draw(TOTALS)
    return Impression(
        sequence,
        draw(AT),
        draw(U32),
        draw(TEXT),
        draw(MAYBE_TEXT),
        draw(st.integers(0, total)),
        draw(U32),
        draw(U32),
        0 if plain else draw(st.integers(0, 255)),
        total,
        None if plain else draw(MAYBE_TEXT),
        None if plain else draw(CANDIDATES),
    )


def events(sequence: int) -> st.SearchStrategy[Event]:
    this = st.just(sequence)
    blobs = st.binary(max_size=20)
    digests = st.binary(min_size=16, max_size=16)
    contexts = st.builds(
        Context,
        this,
        AT,
        TEXT,
        U64,
        digests,
        blobs,
        U64,
        U64,
        st.none() | TEXT | U32,
        st.none() | blobs,
        MAYBE_TEXT,
        U32,
        U32,
    )
    ends = st.tuples(U32, U32).map(sorted)
    lost = st.builds(
        lambda at, reason, count, stream, end: Lost(sequence, at, reason, count, stream, *end),
        AT,
        TEXT,
        U64,
        U64,
        ends,
    )
    values = st.none() | st.booleans() | U64 | TEXT | blobs | st.lists(U32, max_size=3)
    later = st.builds(
        lambda kind, at, rest: Later(sequence, (kind, at, *rest)),
        st.integers(5, 2**64 - 1),
        AT,
        st.lists(values, max_size=3),
    )
    outcomes = st.builds(Outcome, this, AT, U64, U32, MINUTES)
    return st.one_of(contexts, impressions(sequence), outcomes, lost, later)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    sequences = draw(st.lists(st.integers(0, 2**32 - 2), min_size=1, max_size=8, unique=True))
    listed = [draw(events(sequence)) for sequence in sequences]
    stream = draw(st.integers(1, 2**64 - 1))
    started = draw(st.just(0) | st.integers(1, 2**47) | st.just(2**64 - 1))
    return Batch(listed, stream, started, extra=draw(st.just({}) | st.just({"new": [1, {}]})))


@given(batches())
def test_what_is_decoded_is_what_was_encoded(batch: Batch) -> None:
    decoded = decode(batch.packed(), RECEIVED)
    assert rows(decoded) == expected(batch)
    first, last = batch.range()
    assert decoded.answer() == {"stored": [[first, last]], "refused": []}


def test_every_kind_of_event_is_stored_in_its_table() -> None:
    listed = [Context(3), Impression(4), Outcome(5), Lost(6), Later(7)]
    decoded = decode(Batch(listed).packed(), RECEIVED)
    assert decoded.events == dict.fromkeys(LANDING, 1)


def test_a_reader_ignores_elements_and_keys_that_came_later() -> None:
    document = Batch([Context(0), Impression(1, n=0, candidates=b"\x01"), Lost(2)]).document()
    document["contexts"][0][1].append("later")
    document["impressions"]["special"][0].append("later")
    document["impressions"]["weather"] = ["rain"]
    document["others"][0][1].append({"later": 1})
    document["again"] = None
    assert decode(pack(document), RECEIVED).answer() == {"stored": [[0, 2]], "refused": []}


def test_a_batch_of_revision_1_is_stored_as_it_was() -> None:
    """Contexts ended in the subject and their cell was a number, entries of special in shown."""
    document = Batch([Context(0, subject="s"), Context(1, cell=3), Impression(2, n=0)]).document()
    for _, body in document["contexts"]:
        del body[11:]
    document["impressions"]["special"] = [[0, 50, WHOLE, None]]
    decoded = decode(pack(document), RECEIVED)
    assert decoded.answer() == {"stored": [[0, 2]], "refused": []}
    found = rows(decoded)
    assert [row["cell"] for row in found["contexts"]] == [None, "3"]
    assert [(row["required"], row["forbidden"]) for row in found["contexts"]] == [(0, 0)] * 2
    (impression,) = found["impressions"]
    assert impression["reason"] == 50
    assert impression["candidates"] is impression["host_candidates"] is None


def test_only_the_last_elements_of_a_context_may_be_left_out() -> None:
    document = Batch([Context(0, required=5, forbidden=9)]).document()
    body = document["contexts"][0][1]
    for length, wanted in ((13, (5, 9)), (12, (5, 0)), (11, (0, 0))):
        del body[length:]
        (row,) = rows(decode(pack(document), RECEIVED))["contexts"]
        assert (row["required"], row["forbidden"]) == wanted
    del body[10:]
    decoded = decode(pack(document), RECEIVED)
    assert [r.error for r in decoded.refused] == ["contexts: not a list of 11 elements"]


def test_bitmaps_and_names_of_candidates_lie_in_columns_of_their_own() -> None:
    given: list[Any] = [b"\x05", ["a", "b"], None, []]
    listed = [Impression(i, reason=60, candidates=each) for i, each in enumerate(given)]
    found = rows(decode(Batch(listed).packed(), RECEIVED))["impressions"]
    assert [row["candidates"] for row in found] == [b"\x05", None, None, None]
    assert [row["host_candidates"] for row in found] == [None, ["a", "b"], None, []]


def test_lists_that_are_not_there_are_empty() -> None:
    document = {"format": 1, "stream": 9, "first": 4, "last": 6, "started": 0}
    decoded = decode(pack(document), RECEIVED)
    assert decoded.events == {}
    assert decoded.answer() == {"stored": [[4, 6]], "refused": []}


def test_the_body_of_a_later_kind_is_kept_byte_for_byte() -> None:
    # The same list in longer forms than a packer would choose, with float 32 and float 64.
    body = b"\xdc\x00\x04\xcd\x00\x63\xce\x00\x00\x00\x05\xca\x3f\x80\x00\x00\xcb" + bytes(8)
    data = pack(Batch([Lost(0), Later(1)]).document())
    assert data.count(pack(list(Later(1).elements))) == 1
    data = data.replace(pack(list(Later(1).elements)), body)
    (row,) = tables([decode(data, RECEIVED)])["others"].to_pylist()
    assert (row["kind"], row["body"]) == (99, body)


def test_the_clock_of_receipt_stands_in_where_the_device_had_none() -> None:
    for started in (0, 2**47 + 1, 2**64 - 1):
        decoded = decode(Batch([Impression(0, at=5)], started=started).packed(), RECEIVED)
        assert tables([decoded])["impressions"]["at"].cast("int64").to_pylist() == [RECEIVED]


def broken(change: Callable[[dict[str, Any]], object]) -> bytes:
    """Six events, sequences 10 to 15, of which a change has spoilt something."""
    listed = [
        Context(10),
        Impression(11, context=10),
        Impression(12, context=10, reason=10, total=WHOLE - 5),
        Impression(13, context=10),
        Outcome(14),
        Lost(15),
    ]
    document = Batch(listed).document()
    change(document)
    return pack(document)


TRUE: Any = True


def put(*path: Any) -> Callable[[dict[str, Any]], object]:
    """A change that puts the last argument at the place the others name."""
    *way, last, value = path

    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for step in way:
            place = place[step]
        place[last] = value

    return change


NOT_UTF8 = "\udc80"

ONE_EVENT = {
    "a title that is no string": (put("impressions", "title", 1, b"x"), 12, "impressions.title"),
    "a title that is no UTF-8": (put("impressions", "title", 0, NOT_UTF8), 11, "impressions.title"),
    "an artwork that is a number": (put("impressions", "artwork", 2, 5), 13, "impressions.artwork"),
    "a context below 0": (put("impressions", "context", 0, -1), 11, "impressions.context"),
    "a context above u32": (put("impressions", "context", 0, 2**32), 11, "impressions.context"),
    "a slot that is true": (put("impressions", "slot_row", 0, TRUE), 11, "impressions.slot_row"),
    "a slot that is a float": (
        put("impressions", "slot_column", 0, 1.0),
        11,
        "impressions.slot_column",
    ),
    "n above its total": (
        put("impressions", "n", struct.pack("<3I", 5, WHOLE - 4, 5)),
        12,
        "impressions.n",
    ),
    "a reason above 255": (
        put("impressions", "special", 0, 1, 256),
        12,
        "impressions.special.reason",
    ),
    "a total of 0": (put("impressions", "special", 0, 2, 0), 12, "impressions.special.total"),
    "shown as bytes": (put("impressions", "special", 0, 3, b""), 12, "impressions.special.shown"),
    "candidates as a string": (
        put("impressions", "special", 0, [1, 0, WHOLE, None, "a"]),
        12,
        "impressions.special.candidates",
    ),
    "a bitmap of 33 bytes": (
        put("impressions", "special", 0, [1, 0, WHOLE, None, bytes(33)]),
        12,
        "impressions.special.candidates",
    ),
    "257 names": (
        put("impressions", "special", 0, [1, 60, WHOLE, None, ["a"] * 257]),
        12,
        "impressions.special.candidates",
    ),
    "a name that is no string": (
        put("impressions", "special", 0, [1, 60, WHOLE, None, ["a", 5]]),
        12,
        "impressions.special.candidates",
    ),
    "a name that is no UTF-8": (
        put("impressions", "special", 0, [1, 60, WHOLE, None, [NOT_UTF8]]),
        12,
        "impressions.special.candidates",
    ),
    "a cell that is true": (put("contexts", 0, 1, 8, TRUE), 10, "contexts.cell"),
    "required above u32": (put("contexts", 0, 1, 11, 2**32), 10, "contexts.required"),
    "forbidden that is nil": (put("contexts", 0, 1, 12, None), 10, "contexts.forbidden"),
    "an impression before the segment": (
        put("impressions", "at", [0, 0, -1]),
        13,
        "impressions.at",
    ),
    "minutes that are NaN": (put("outcomes", "minutes", 0, float("nan")), 14, "outcomes.minutes"),
    "infinite minutes": (put("outcomes", "minutes", 0, float("inf")), 14, "outcomes.minutes"),
    "minutes below 0": (put("outcomes", "minutes", 0, -1.0), 14, "outcomes.minutes"),
    "minutes that are an integer": (put("outcomes", "minutes", 0, 7), 14, "outcomes.minutes"),
    "a short digest": (put("contexts", 0, 1, 4, b"123"), 10, "contexts.digest"),
    "a context map of 65,537 bytes": (put("contexts", 0, 1, 5, bytes(65_537)), 10, "contexts.map"),
    "a policy that is nil": (put("contexts", 0, 1, 2, None), 10, "contexts.policy"),
    "a short context": (put("contexts", 0, 1, [1, 0, "row"]), 10, "contexts"),
    "a context of another kind": (put("contexts", 0, 1, 0, 2), 10, "contexts"),
    "a context that is a map": (put("contexts", 0, 1, {}), 10, "contexts"),
    "an extension type for nil": (
        put("impressions", "artwork", 0, msgpack.ExtType(5, b"")),
        11,
        "impressions.artwork",
    ),
    "a timestamp for nil": (
        put("impressions", "artwork", 0, msgpack.Timestamp(5)),
        11,
        "impressions.artwork",
    ),
    "a loss that ends before it begins": (put("others", 0, 1, 5, 1), 15, "lost.first"),
    "an impression among the others": (put("others", 0, 1, [2, 0]), 15, "others"),
    "an other without a kind": (put("others", 0, 1, ["x"]), 15, "others"),
    "an other that is no list": (put("others", 0, 1, 4), 15, "others"),
}


@pytest.mark.parametrize(("change", "sequence", "place"), ONE_EVENT.values(), ids=list(ONE_EVENT))
def test_one_malformed_event_does_not_refuse_the_others(
    change: Callable[[dict[str, Any]], object], sequence: int, place: str
) -> None:
    document = msgpack.unpackb(broken(lambda _: None), unicode_errors="surrogateescape")
    change(document)
    data = msgpack.packb(document, use_single_float=True, unicode_errors="surrogateescape")
    decoded = decode(data, RECEIVED)
    answer = decoded.answer()
    assert answer["stored"] == [
        part for part in ([10, sequence - 1], [sequence + 1, 15]) if part[0] <= part[1]
    ]
    (refused,) = decoded.refused
    assert (refused.first, refused.last) == (sequence, sequence)
    assert refused.error.split(":")[0] == place
    kept = {row["sequence"] for table in tables([decoded]).values() for row in table.to_pylist()}
    assert kept == set(range(10, 16)) - {sequence}


def test_neighbours_refused_for_one_reason_are_told_together() -> None:
    listed = [Impression(sequence, slot_row=2**32) for sequence in (5, 6, 7, 9)]
    decoded = decode(Batch([*listed, Impression(8)]).packed(), RECEIVED)
    assert [(r.first, r.last) for r in decoded.refused] == [(5, 7), (9, 9)]
    assert decoded.answer()["stored"] == [[8, 8]]


def test_events_that_share_a_sequence_are_refused_all() -> None:
    document = Batch([Impression(4), Outcome(5), Impression(6)]).document()
    document["outcomes"]["sequence"] = [6]
    decoded = decode(pack(document), RECEIVED)
    assert [(r.first, r.last) for r in decoded.refused] == [(6, 6)]
    assert decoded.events == {"impressions": 1}


WHOLE_BATCH = {
    "a newer format": (put("format", 2), "format: 2"),
    "format true": (put("format", TRUE), "format: boolean"),
    "no stream": (lambda d: d.pop("stream"), "stream: missing"),
    "stream 0": (put("stream", 0), "stream: 0"),
    "a stream below 0": (put("stream", -1), "stream: negative"),
    "a wrong range": (put("first", 16), "first: above last"),
    "the last sequence": (put("last", 2**32 - 1), "last: integer"),
    "started as a string": (put("started", "now"), "started: string"),
    "contexts as a map": (put("contexts", {}), "contexts: map, not a list"),
    "impressions as a list": (put("impressions", []), "impressions: list, not a map"),
    "a column that is missing": (
        lambda d: d["impressions"].pop("title"),
        "impressions.title: missing",
    ),
    "columns of unequal length": (
        lambda d: d["impressions"]["title"].pop(),
        "impressions.title: 2 elements where sequence has 3",
    ),
    "times of unequal length": (
        lambda d: d["outcomes"]["at"].append(1),
        "outcomes.at: 2 elements where sequence has 1",
    ),
    "no sequences": (lambda d: d["outcomes"].pop("sequence"), "outcomes.sequence: nil"),
    "a sequence that is a string": (
        put("impressions", "sequence", 1, "1"),
        "impressions.sequence[1]: string",
    ),
    "sequences that stand still": (
        put("impressions", "sequence", 1, 0),
        "impressions.sequence: does not",
    ),
    "a huge step": (put("impressions", "at", 1, 2**63), "impressions.at: a difference"),
    "an event outside of the range": (
        put("impressions", "sequence", 2, 9),
        "impressions: element 2 lies outside",
    ),
    "a context outside of the range": (
        put("contexts", 0, 0, 9),
        "contexts: element 0 lies outside",
    ),
    "n of another size": (put("impressions", "n", bytes(11)), "impressions.n: not a bin of 3"),
    "special as a map": (put("impressions", "special", {1: 2}), "impressions.special: map"),
    "special of a wrong index": (
        put("impressions", "special", 0, 0, 3),
        "impressions.special[0]: its index",
    ),
    "a short special": (put("impressions", "special", 0, [1]), "impressions.special[0]: not a"),
    "special twice": (
        lambda d: d["impressions"]["special"].append(d["impressions"]["special"][0]),
        "impressions.special: two entries",
    ),
    "an other that is no pair": (put("others", 0, [1]), "others[0]: not a list"),
    "an other without a sequence": (put("others", 0, 0, None), "others[0]: its sequence"),
}


@pytest.mark.parametrize(("change", "message"), WHOLE_BATCH.values(), ids=list(WHOLE_BATCH))
def test_a_batch_whose_events_are_not_clear_is_refused_with_the_place(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(BatchError) as caught:
        decode(broken(change), RECEIVED)
    assert caught.value.status == 422
    assert str(caught.value).startswith(message)


BYTES = {
    "nothing": (b"", 400),
    "half a batch": (broken(lambda _: None)[:-3], 400),
    "something behind it": (broken(lambda _: None) + b"\xc0", 400),
    "an invalid byte": (b"\xc1", 400),
    "a list": (b"\x90", 422),
    "a map for a key": (b"\x81\x80\x80", 400),
    "a thousand levels": (b"\x91" * 5000 + b"\xc0", 400),
    "a list longer than the bytes": (b"\xdd\xff\xff\xff\xff", 400),
}


@pytest.mark.parametrize(("data", "status"), BYTES.values(), ids=list(BYTES))
def test_what_is_no_batch_at_all_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(BatchError) as caught:
        decode(data, RECEIVED)
    assert caught.value.status == status


def test_more_events_than_a_batch_may_have_are_to_be_halved() -> None:
    assert sum(decode(page(MAX_EVENTS - 1).packed(), RECEIVED).events.values()) == MAX_EVENTS
    with pytest.raises(BatchError) as caught:
        decode(page(MAX_EVENTS).packed(), RECEIVED)
    assert caught.value.status == 413


def test_batches_whose_hosts_name_much_are_to_be_halved() -> None:
    """Whatever a device wrote down arrives, in as many pieces as it takes."""
    named = [f"{i}" for i in range(256)]
    listed = [Impression(i, reason=60, candidates=named) for i in range(8000)]
    with pytest.raises(BatchError, match="send halves") as caught:
        decode(Batch(listed).packed(), RECEIVED)
    assert caught.value.status == 413
    for half in (listed[:4000], listed[4000:]):
        assert decode(Batch(half).packed(), RECEIVED).events == {"impressions": 4000}


BOMBS = {
    "short strings": b"\xdd\x00\x01\x00\x00" + b"\xa2ab" * 65_536,
    "empty lists and maps": b"\xdd\x00\x01\x00\x00" + b"\x90\x80" * 32_768,
    "lists that promise more": b"\xdd\x00\x02\x00\x00",
}


@pytest.mark.parametrize("unit", BOMBS.values(), ids=list(BOMBS))
def test_a_body_of_tiny_values_does_not_fill_the_memory(unit: bytes) -> None:
    count = min(MAX_INFLATED // len(unit), 65_535)
    data = b"\xdc" + count.to_bytes(2, "big") + unit * count
    tracemalloc.start()
    try:
        with pytest.raises(BatchError):
            decode(data, RECEIVED)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * MAX_INFLATED


MUTATED = Batch([Context(0), Impression(1), Impression(2, shown="x"), Outcome(3), Lost(4)])


@given(st.data())
def test_any_bytes_are_decoded_or_refused(data: st.DataObject) -> None:
    raw = bytearray(MUTATED.packed())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(raw) - 1))
        raw[position] = data.draw(st.integers(0, 255))
    decoded_or_refused(bytes(raw))


ANYTHING = st.recursive(
    st.none() | st.booleans() | U64 | st.floats(width=32) | TEXT | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_any_value_at_any_place_is_decoded_or_refused(data: st.DataObject) -> None:
    document = MUTATED.document()
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inside = place[key]
        if isinstance(inside, (dict, list)) and inside and data.draw(st.booleans()):
            place = inside
            continue
        place[key] = data.draw(ANYTHING)
        break
    decoded_or_refused(pack(document))


def decoded_or_refused(data: bytes) -> None:
    """Nothing but a BatchError; or an answer whose ranges cover the batch's, each sequence once."""
    try:
        decoded = decode(data, RECEIVED)
    except BatchError:
        return
    answer: Any = decoded.answer()
    parts = answer["stored"] + [[r["first"], r["last"]] for r in answer["refused"]]
    parts.sort()
    assert parts[0][0] == decoded.first
    assert parts[-1][1] == decoded.last
    assert all(low[1] + 1 == high[0] for low, high in itertools.pairwise(parts))


def test_inflating_gives_back_what_was_compressed() -> None:
    data = page(128).packed()
    assert inflate(zlib.compress(data)) == data
    assert len(inflate(zlib.compress(bytes(MAX_INFLATED)))) == MAX_INFLATED


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (zlib.compress(bytes(MAX_INFLATED + 1)), 413),
        (zlib.compress(bytes(2**28), 9), 413),
        (zlib.compress(b"x" * 100)[:-2], 400),
        (zlib.compress(b"x" * 100)[:-1] + b"\x00", 400),
        (zlib.compress(b"x") + b"x", 400),
        (b"plain", 400),
        (b"", 400),
    ],
    ids=["a byte too much", "bomb", "cut", "checksum", "something behind it", "plain", "empty"],
)
def test_what_does_not_inflate_within_bounds_is_refused(body: bytes, status: int) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BatchError) as caught:
            inflate(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.status == status
    assert peak < 4 * MAX_INFLATED
