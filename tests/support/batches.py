# SPDX-License-Identifier: Apache-2.0
"""Builds upload batches as native/spec/feedback.md §5 describes them, one event after the other."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import msgpack

WHOLE = 2**31
NO_CONTEXT = 2**32 - 1
MEDIA_TYPE = "application/vnd.edgeart.feedback"


@dataclass(frozen=True)
class Context:
    """What was known of a member, kind 1."""

    sequence: int
    at: int = 0
    policy: str = "row"
    policy_sequence: int = 1
    digest: bytes = bytes(range(16))
    map: bytes = b"\x80"
    seed: int = 42
    unit_epoch: int = 7
    cell: str | int | None = None  # a number in revision 1 of the format
    denied: bytes | None = None
    subject: str | None = None
    required: int = 0
    forbidden: int = 0

    def body(self) -> list[Any]:
        """The list of feedback.md §4."""
        return [1, *astuple(self)[1:]]


@dataclass(frozen=True)
class Impression:
    """A decision that was seen, kind 2."""

    sequence: int
    at: int = 0
    context: int = NO_CONTEXT
    title: str = "title-7"
    artwork: str | None = "couple"
    n: int = WHOLE // 2
    slot_row: int = 0
    slot_column: int = 0
    reason: int = 0
    total: int = WHOLE
    shown: str | None = None
    candidates: bytes | list[str] | None = None

    @property
    def plain(self) -> bool:
        """Whether the last four elements may be left out."""
        return (self.reason, self.total, self.shown, self.candidates) == (0, WHOLE, None, None)


@dataclass(frozen=True)
class Outcome:
    """What followed an impression, kind 3."""

    sequence: int
    at: int = 0
    ref_stream: int = 1
    ref_sequence: int = 0
    minutes: float = 42.0


@dataclass(frozen=True)
class Lost:
    """Events that are missing, and why, kind 4."""

    sequence: int
    at: int = 0
    reason: str = "no_space"
    count: int = 1
    stream: int = 1
    first: int = 0
    last: int = 0

    def body(self) -> list[Any]:
        """The list of feedback.md §4."""
        return [4, *astuple(self)[1:]]


@dataclass(frozen=True)
class Later:
    """An event of a kind that came later."""

    sequence: int
    elements: tuple[Any, ...] = (99, 5, "new")

    def body(self) -> list[Any]:
        """The list as it is."""
        return list(self.elements)


Event = Context | Impression | Outcome | Lost | Later


@dataclass(frozen=True)
class Batch:
    """Events of one stream, in any order. first, last: the range, by default that of the events."""

    events: Sequence[Event]
    stream: int = 0x1234_5678_9ABC_DEF0
    started: int = 1_800_000_000_000
    first: int | None = None
    last: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def range(self) -> tuple[int, int]:
        """First and last sequence."""
        sequences = [event.sequence for event in self.events]
        first = min(sequences) if self.first is None else self.first
        return first, max(sequences) if self.last is None else self.last

    def document(self) -> dict[str, Any]:
        """The map before it is packed; a test may break it."""
        events = sorted(self.events, key=lambda event: event.sequence)
        first, last = self.range()
        impressions = [event for event in events if isinstance(event, Impression)]
        outcomes = [event for event in events if isinstance(event, Outcome)]
        return {
            "format": 1,
            "stream": self.stream,
            "first": first,
            "last": last,
            "started": self.started,
            "contexts": [[e.sequence, e.body()] for e in events if isinstance(e, Context)],
            "impressions": {
                **_timed(impressions),
                **_lists(impressions, ("context", "title", "artwork", "slot_row", "slot_column")),
                "n": struct.pack(f"<{len(impressions)}I", *(e.n for e in impressions)),
                "special": [
                    [index, e.reason, e.total, e.shown]
                    + ([] if e.candidates is None else [e.candidates])
                    for index, e in enumerate(impressions)
                    if not e.plain
                ],
            },
            "outcomes": {
                **_timed(outcomes),
                **_lists(outcomes, ("ref_stream", "ref_sequence", "minutes")),
            },
            "others": [[e.sequence, e.body()] for e in events if isinstance(e, (Lost, Later))],
            **self.extra,
        }

    def packed(self) -> bytes:
        """MessagePack, not compressed."""
        return pack(self.document())

    def body(self) -> bytes:
        """The body of the request."""
        return zlib.compress(self.packed())

    def key(self) -> str:
        """The idempotency key."""
        first, last = self.range()
        return f"{self.stream:016x}/{first:08x}-{last:08x}"


def pack(document: Any) -> bytes:
    """MessagePack as devices write it: minutes are the only floats, of 32 bits."""
    return bytes(msgpack.packb(document, use_single_float=True))


def page(count: int, *, stream: int = 77, start: int = 0, titles: int = 3000) -> Batch:
    """A context and so many plain impressions of it, the shape of most batches."""
    impressions = [
        Impression(
            start + 1 + i,
            at=5 * i,
            context=start,
            title=f"title-{i % titles}",
            artwork=f"art-{i % 10}",
            n=WHOLE // (1 + i % 10),
            slot_row=i // 40,
            slot_column=i % 40,
        )
        for i in range(count)
    ]
    return Batch([Context(start), *impressions], stream=stream)


def headers(token: str | None = None) -> dict[str, str]:
    """What a device sends with a body."""
    given = {"Content-Type": MEDIA_TYPE, "Content-Encoding": "deflate"}
    if token is not None:
        given["Authorization"] = f"Bearer {token}"
    return given


def _timed(events: Iterable[Impression | Outcome]) -> dict[str, list[int]]:
    listed = list(events)
    return {
        "sequence": _differences([event.sequence for event in listed]),
        "at": _differences([event.at for event in listed]),
    }


def _differences(values: Sequence[int]) -> list[int]:
    return [value - before for before, value in zip([0, *values], values, strict=False)]


def _lists(events: Sequence[Event], names: Iterable[str]) -> dict[str, list[Any]]:
    return {name: [getattr(event, name) for event in events] for name in names}
