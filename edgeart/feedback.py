# SPDX-License-Identifier: Apache-2.0
"""The feedback log: what was shown and what followed, safe from the moment a call returns."""

from __future__ import annotations

import errno
import os
import threading

import msgpack

from edgeart import segments, upkeep
from edgeart.clocks import ticks_ms, wall_ms
from edgeart.errors import LogError
from edgeart.events import OUTCOME, STATUS, ActiveSegment
from edgeart.losses import Losses
from edgeart.segments import parse_ref, ref_of
from edgeart.store import SegmentStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from edgeart.decision import Decision
    from edgeart.events import ContextRecord
    from edgeart.host import HostDecision
    from edgeart.segments import Sealed

_LAST_SEQUENCE = 0xFFFFFFFE
_RETRY_MS = 1000  # after a failed allocation: a full disk must not cost every event a system call
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class FeedbackLog:
    """A directory of segments that belongs to this process.

    directory: created if need be. consent: True records; False records nothing and deletes what
    is there; None (not known yet) records nothing. max_bytes: of all segments; beyond it the
    oldest are dropped, counted and reported. max_age_days: likewise by age. segment_bytes: of one
    segment's file. sync_seconds: what a power cut may cost (a killed process loses nothing); 0:
    only `sync` and sealing reach the disk. clock: milliseconds since 1970; ticks: milliseconds of
    a clock that does not jump.

    Any number of threads may use one log. A fork goes on with a stream of its own. Raises
    LogBusyError where another process has the directory, LogError where it cannot be used.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        consent: bool | None = True,
        max_bytes: int = 16 << 20,
        max_age_days: float = 60,
        segment_bytes: int = 1 << 16,
        sync_seconds: float = 5.0,
        clock: Callable[[], int] = wall_ms,
        ticks: Callable[[], int] = ticks_ms,
    ) -> None:
        if not 4096 <= segment_bytes <= 1 << 26 or max_bytes < 2 * segment_bytes:
            raise ValueError(
                f"segment_bytes {segment_bytes}, max_bytes {max_bytes}: a segment has 4,096 bytes "
                "to 64 MiB, and the log room for two"
            )
        self.store = SegmentStore(directory, max_bytes, max_age_days)
        self.segment_bytes = segment_bytes
        self.sync_seconds = sync_seconds
        self.clock = clock
        self.ticks = ticks
        self.sync_error: OSError | None = None  # the last one of the thread that syncs
        self._consent = consent
        self._reset()
        if consent is False:
            self._purge()
        upkeep.opened(self)

    def _reset(self) -> None:
        """State of a process that has written nothing yet: at the start, and after a fork."""
        self._mutex = threading.RLock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._active: ActiveSegment | None = None
        self._sealing = threading.Lock()  # taken before the mutex, and held while a disk works
        self._bounding = threading.Lock()  # taken last: what is dropped is dropped, counted, once
        self._full: list[tuple[ActiveSegment, int]] = []  # to be sealed; with their stream
        self._losses = Losses()
        self._room = 0  # bytes that new segments may take before the directory is looked at again
        self._retry_at = -(1 << 62)
        self._failure = "io"
        self._new_stream()

    def _new_stream(self) -> None:
        self._stream = int.from_bytes(os.urandom(8), "little") or 1
        self._prefix = f"{self._stream:016x}-"
        self._next = 0  # sequence with which the next segment starts

    @property
    def lost(self) -> dict[str, int]:
        """Events lost by this process, by reason."""
        return self._losses.lost

    # Recording.

    @property
    def consent(self) -> bool | None:
        """True, False or None; setting it takes effect at once. False deletes what is stored."""
        return self._consent

    @consent.setter
    def consent(self, value: bool | None) -> None:
        with self._sealing, self._mutex:
            self._consent = value
            if value is False:
                self._purge()

    def shown(
        self,
        decision: Decision | HostDecision,
        context: ContextRecord | None,
        *,
        slot: tuple[int, int] = (0, 0),
        instead: str | None = None,
    ) -> str | None:
        """Records that a decision was really seen; its ref, or None without consent.

        context: what it was decided under; None if none could be used. slot: row and column on the
        page, from 0. instead: what the application showed in the decision's place.
        """
        with self._mutex:
            if self._consent is not True:
                return None
            for active in self._segments():
                at = self.ticks() - active.started
                known = active.context(context, at)
                if known is None:
                    continue
                sequence = active.impression(decision, known, at, slot, instead)
                if sequence is not None:
                    return f"{self._prefix}{sequence:08x}"
            return self._dropped()

    def outcome(self, ref: str, *, minutes: float) -> None:
        """Records what followed an impression: the minutes played so far, of which the most count.

        ref: what `shown` returned, in this process or an earlier one. Raises ValueError.
        """
        stream, sequence = parse_ref(ref)
        if not 0 <= minutes < 1e9:
            raise ValueError(f"minutes {minutes!r}: give a number from 0 to a billion")
        played = msgpack.packb(float(minutes), use_single_float=True)
        fields = msgpack.packb(stream) + msgpack.packb(sequence) + played
        self._record(OUTCOME, fields, 5)

    def status(
        self,
        policy: str,
        sequence: int,
        source: str,
        checked: int,
        stale_since: int | None,
        error: str | None,
    ) -> None:
        """Records how a policy's sync stands: native/spec/feedback.md §4. Times in milliseconds."""
        values = (policy, sequence, source, checked, stale_since, error)
        self._record(STATUS, b"".join(map(msgpack.packb, values)), 2 + len(values))

    def _record(self, kind: int, fields: bytes, count: int) -> None:
        with self._mutex:
            if self._consent is not True:
                return
            for active in self._segments():
                if active.event(kind, self.ticks() - active.started, fields, count):
                    return
            self._dropped()

    def _segments(self) -> Iterator[ActiveSegment]:
        """The segment to write to and, if it is full, a fresh one; none without room for it."""
        if self._active is not None:
            if self._losses.unreported:
                self._losses.report(self._active, self.ticks())
            yield self._active
            self._retire(self._active)
        active = self._start()
        if active is not None:
            yield active
            raise LogError(f"an event does not fit a segment of {self.segment_bytes} bytes")

    def _start(self) -> ActiveSegment | None:
        """A fresh segment, or None where the disk has no room for one."""
        if self._closed.is_set():
            raise LogError(f"feedback log {self.store.directory} is closed")
        ticks = self.ticks()
        if ticks < self._retry_at:
            return None
        if self._next > _LAST_SEQUENCE - (1 << 24):
            self._new_stream()  # more events than a segment can hold: none runs out inside
        try:
            if self._room < self.segment_bytes:
                # Full segments that wait to be sealed take their room as well.
                self._count(self._bound(self.segment_bytes * (len(self._full) + 1)))
            else:
                # `seal` has looked, on another thread's time: no need to list a full directory.
                self._room -= self.segment_bytes
            active = ActiveSegment(
                self.store.directory, self.segment_bytes, self._stream, self._next,
                now=self.clock(), ticks=ticks,
            )  # fmt: skip
        except OSError as error:
            self._retry_at = ticks + _RETRY_MS
            self._failure = "no_space" if error.errno in _NO_SPACE else "io"
            return None
        self._active = active
        self._losses.report(active, self.ticks())
        if self._thread is None and self.sync_seconds > 0:
            self._thread = upkeep.start_syncing(self, self._closed, self.sync_seconds)
        return active

    def _dropped(self) -> str:
        """Counts an event that found no room; it has a sequence, and so a ref, all the same."""
        sequence, self._next = self._next, self._next + 1
        self._losses.add(self._failure, 1, self._stream, sequence, sequence)
        return ref_of(self._stream, sequence)

    # Segments.

    def _retire(self, active: ActiveSegment) -> None:
        """Ends a segment; sealing is left to the next `sync`, away from the caller's time."""
        self._next = active.next
        self._active = None
        active.close()
        self._full.append((active, self._stream))

    def _seal_full(self) -> None:
        """Gives every full segment its final name. Raises OSError, and keeps it for later then.

        Without the mutex: nobody who shows an artwork waits for a disk.
        """
        with self._sealing:
            for active, stream in list(self._full):
                segments.seal(
                    active.path, active.descriptor, active.used, stream, active.first,
                    active.next - 1,
                )  # fmt: skip
                os.close(active.descriptor)
                self._full.remove((active, stream))

    def seal(self) -> list[Sealed]:
        """Ends the segment being written, if it holds anything; all sealed ones, oldest first.

        Raises OSError.
        """
        with self._mutex:
            if self._losses.unreported and self._consent is True and not self._closed.is_set():
                # What was lost is told even where nothing else is recorded any more.
                if self._active is not None:
                    self._losses.report(self._active, self.ticks())
                else:
                    self._start()
            active = self._active
            if active is not None and active.next > active.first:
                self._retire(active)
        self._seal_full()
        with self._sealing:
            dropped = self._bound(0)  # without the mutex: a full directory takes its time
            with self._mutex:
                self._count(dropped)
                unsealed = len(self._full) + (self._active is not None)
                self._room = self.store.room - unsealed * self.segment_bytes
        return self.store.sealed()

    def sync(self) -> None:
        """Returns when everything recorded before is on the disk. Raises OSError."""
        self._seal_full()
        with self._mutex:
            descriptor = os.dup(self._active.descriptor) if self._active else None
        if descriptor is not None:  # outside of the mutex: a disk takes its time
            try:
                getattr(os, "fdatasync", os.fsync)(descriptor)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Seals what is open and gives the directory back. Nothing is recorded after it."""
        if self._closed.is_set():
            return
        try:
            self.seal()
        except OSError as error:
            self.sync_error = error  # recovery seals it the next time
        with self._mutex:
            if self._closed.is_set():
                return
            self._closed.set()
            active = self._active
            if active is not None and active.next == active.first:
                self._active = None
                active.close()
                os.close(active.descriptor)
                os.unlink(active.path)
            self.store.release()
            upkeep.closed(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _bound(self, room: int) -> list[tuple[Sealed, str]]:
        """Drops the oldest segments beyond the bounds; the caller has to count them."""
        with self._bounding:
            return self.store.bound(room)

    def _count(self, dropped: list[tuple[Sealed, str]]) -> None:
        """Counts the events of segments that were dropped. Under the mutex."""
        for segment, reason in dropped:
            self._losses.add(reason, segment.span, segment.stream, segment.first, segment.last)

    def _purge(self) -> None:
        """Deletes everything that was recorded, without a word of it in the log."""
        for active, _ in self._full:
            os.close(active.descriptor)
        self._full.clear()
        if self._active is not None:
            self._active.close()
            os.close(self._active.descriptor)
            self._active = None
        self._losses.unreported.clear()
        self._new_stream()
        self.store.purge()

    def forked(self) -> None:
        """In the child of a fork: leaves the parent's segments alone and starts a new stream."""
        actives = [active for active, _ in self._full]
        if self._active is not None:
            self._active.close()
            actives.append(self._active)
        for active in actives:
            os.close(active.descriptor)
        self.store.in_flight.clear()
        self._reset()

    def refused(self, segment: Sealed, first: int, last: int) -> None:
        """Counts events of a segment that a server will never take."""
        with self._mutex:
            self._losses.add("refused", last - first + 1, segment.stream, first, last)

    def __repr__(self) -> str:
        return f"<FeedbackLog {self.store.directory!r}, stream {self._stream:016x}>"
