# SPDX-License-Identifier: Apache-2.0
"""Events of the feedback log as bytes: written to a segment in memory, and read back."""

# The modules of this package share its private names.
# ruff: noqa: SLF001

from __future__ import annotations

import os
from mmap import mmap
from typing import NamedTuple

import msgpack

from edgeart import segments
from edgeart._native import ffi, lib
from edgeart.decision import Decision
from edgeart.errors import LogError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgeart.host import HostDecision

NO_CONTEXT = 0xFFFFFFFF
CONTEXT, IMPRESSION, OUTCOME, LOST, STATUS = 1, 2, 3, 4, 5
_SEGMENT_SIZE = ffi.sizeof("ea_segment")
_IMPRESSION_SIZE = ffi.sizeof("ea_impression")
_FULL: int = lib.EA_E_CAPACITY
_NONE: int = lib.EA_NONE
_shown: Any = lib.ea_segment_shown


_HOST_REASONS = {
    "none": lib.EA_REASON_NONE,
    "unknown_title": lib.EA_REASON_UNKNOWN_TITLE,
    "fallback": lib.EA_REASON_FALLBACK,
    "host_uniform": lib.EA_REASON_HOST_UNIFORM,
}


class ContextRecord:
    """A context as the log writes it: all a repetition of its decisions needs, but the bundle.

    values: the context map with declared features only. digest: 16 bytes. cell: its name. denied:
    the bitmap. required, forbidden: sets of attributes.
    """

    __slots__ = ("count", "tail")

    def __init__(  # noqa: PLR0913 - keywords, as many as the log has elements
        self,
        *,
        policy: str,
        sequence: int,
        digest: bytes,
        values: bytes,
        seed: int,
        unit_epoch: int,
        cell: str | None = None,
        denied: bytes | None = None,
        subject: str | None = None,
        required: int = 0,
        forbidden: int = 0,
    ) -> None:
        denied = denied.rstrip(b"\0") or None if denied else None
        fields: tuple[object, ...] = (
            policy, sequence, digest, values, seed, unit_epoch, cell, denied, subject,
        )  # fmt: skip
        if required or forbidden:  # left out where they say nothing
            fields += (required, forbidden)
        self.count = 2 + len(fields)  # elements of the event
        self.tail = b"".join(map(msgpack.packb, fields))


class ActiveSegment:
    """A segment in a mapped file, being written. One thread at a time."""

    __slots__ = ("contexts", "descriptor", "first", "handle", "memory", "path", "started")

    def __init__(
        self, directory: str, size: int, stream: int, first: int, *, now: int, ticks: int
    ) -> None:
        """Allocates the file. now: wall clock; ticks: what `at` counts from. Raises OSError."""
        self.path = os.path.join(directory, segments.active_name(stream, first))
        self.descriptor = segments.allocate(self.path, size)
        self.memory = mmap(self.descriptor, size)
        self.started = ticks
        self.first = first
        self.contexts: dict[ContextRecord, int] = {}
        self.handle = ffi.new("ea_segment *", (_SEGMENT_SIZE,))
        # The pointer stays good without the buffer: the map is closed in close() alone.
        memory = ffi.from_buffer(self.memory)
        _check(lib.ea_segment_start(self.handle, memory, size, stream, first, max(now, 0)))

    @property
    def next(self) -> int:
        """Sequence of the next event."""
        return int(self.handle.next)

    @property
    def used(self) -> int:
        """Bytes up to the end of the last event."""
        return int(self.handle.used)

    def event(self, kind: int, at: int, fields: bytes, count: int) -> bool:
        """Appends [kind, at, *fields], count elements in all; False where it does not fit."""
        body = bytes((0x90 | count, kind)) + msgpack.packb(at) + fields
        return _fitted(lib.ea_segment_append(self.handle, body, len(body)))

    def context(self, record: ContextRecord | None, at: int) -> int | None:
        """Sequence of a context here, appended if need be; None where it does not fit."""
        if record is None:
            return NO_CONTEXT
        sequence = self.contexts.get(record)
        if sequence is None:
            sequence = self.next
            if not self.event(CONTEXT, at, record.tail, record.count):
                return None
            self.contexts[record] = sequence
        return sequence

    def impression(
        self,
        decision: Decision | HostDecision,
        context: int,
        at: int,
        slot: tuple[int, int],
        instead: str | None,
    ) -> int | None:
        """Appends an impression; its sequence, or None where it does not fit."""
        sequence: int = self.handle.next
        if instead is None and decision.__class__ is Decision:
            record = decision._record
            if record.row != _NONE:
                policy = decision._policy._handle
                status = _shown(self.handle, policy, record, context, slot[0], slot[1], at)
                return sequence if not status or _fitted(status) else None
        if isinstance(decision, Decision):
            reason = decision._record.reason
        else:
            reason = _HOST_REASONS[decision.reason]
        candidates = getattr(decision, "_candidates", None)
        if candidates is not None:
            body = msgpack.packb(
                [IMPRESSION, at, context, decision.title, decision.artwork, decision.n, *slot,
                 reason, decision.total, instead, candidates],
                unicode_errors="replace",
            )  # fmt: skip
            fits = _fitted(lib.ea_segment_append(self.handle, body, len(body)))
            return sequence if fits else None
        texts, keep = [], []
        for text in (decision.title, decision.artwork, instead):
            data = None if text is None else text.encode("utf-8", "replace")
            pointer = ffi.NULL if data is None else ffi.from_buffer(data)
            keep.append(pointer)
            texts.append((pointer, len(data or b"")))
        fields = (
            _IMPRESSION_SIZE, context, decision.n, decision.total, reason, *slot, 0, at, *texts,
        )  # fmt: skip
        status = lib.ea_segment_impression(self.handle, ffi.new("ea_impression *", fields))
        return sequence if _fitted(status) else None

    def close(self) -> None:
        """Ends writing: unmaps the file, leaves its descriptor open. No event may follow."""
        self.handle.memory = ffi.NULL
        self.memory.close()


def _fitted(status: int) -> bool:
    if status == _FULL:
        return False
    _check(status)
    return True


def _check(status: int) -> None:
    if status:
        text = ffi.string(lib.ea_status_text(status)).decode()
        raise LogError(f"feedback log: {text}")


class Segment(NamedTuple):
    """A segment that was read."""

    stream: int
    started: int  # wall clock, milliseconds since 1970; 0 where the header was damaged
    newer: bool  # of a format that this library does not know: no events were read
    events: list[tuple[int, bytes]]  # sequence and body (native/spec/feedback.md §4)
    used: int  # bytes up to the end of the last event


def read_segment(data: bytes, stream: int, first: int) -> Segment:
    """Reads all intact events; stream and first sequence are those of the file's name."""
    header: Any = ffi.new("ea_header *", (ffi.sizeof("ea_header"),))
    status = lib.ea_segment_header(data, len(data), header)
    if status == lib.EA_E_VERSION:
        return Segment(stream, 0, newer=True, events=[], used=len(data))
    started = 0 if status else header.time
    frame: Any = ffi.new("ea_frame *", (ffi.sizeof("ea_frame"), 0, first))
    memory = ffi.from_buffer(data)
    events: list[tuple[int, bytes]] = []
    used = segments.HEADER_SIZE
    while True:
        _check(lib.ea_segment_next(memory, len(data), stream, frame))
        if frame.body == ffi.NULL:
            return Segment(stream, started, newer=False, events=events, used=used)
        events.append((frame.sequence, bytes(ffi.buffer(frame.body, frame.size))))
        used = frame.next
