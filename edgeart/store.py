# SPDX-License-Identifier: Apache-2.0
"""The directory of a feedback log: found segments, bounds, quarantine, the lock."""

from __future__ import annotations

import os
import time

from edgeart import segments
from edgeart.errors import LogError
from edgeart.events import read_segment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeart.segments import Sealed

_QUARANTINED = 16  # segments kept for a person to look at
_DAY_MS = 86_400_000


class SegmentStore:
    """Sealed segments in a directory that this process has locked.

    Raises LogBusyError where another process has it, LogError where it cannot be used. Methods
    raise OSError.
    """

    def __init__(
        self, directory: str | os.PathLike[str], max_bytes: int, max_age_days: float
    ) -> None:
        self.directory = os.path.abspath(directory)
        self.quarantine = os.path.join(self.directory, "quarantine")
        self.max_bytes = max_bytes
        self.max_age_ms = max_age_days * _DAY_MS
        self.in_flight: set[str] = set()  # paths that an upload is reading
        self.room = 0  # bytes below max_bytes, when `bound` last looked
        try:
            os.makedirs(self.directory, exist_ok=True)
            self._lock = segments.lock(self.directory)
            self._recover()
        except LogError:
            raise
        except OSError as error:
            raise LogError(f"feedback log {self.directory}: {error.strerror or error}") from error

    def release(self) -> None:
        """Gives the directory back."""
        os.close(self._lock)

    def sealed(self) -> list[Sealed]:
        """All sealed segments, oldest first."""
        return [segment for segment, _, _ in segments.sealed_in(self.directory)]

    def _recover(self) -> None:
        """Seals what earlier processes left open."""
        for path, stream, first in segments.actives_in(self.directory):
            descriptor = os.open(path, os.O_RDWR | segments.BINARY)
            try:
                segment = read_segment(os.read(descriptor, 1 << 26), stream, first)
                if segment.newer:
                    continue  # for the newer library that wrote it
                if segment.events:
                    last = segment.events[-1][0]
                    segments.seal(path, descriptor, segment.used, stream, first, last)
                else:
                    os.unlink(path)
            finally:
                os.close(descriptor)

    def bound(self, room: int) -> list[tuple[Sealed, str]]:
        """Drops the oldest segments beyond the bounds, so that `room` more bytes fit.

        The dropped ones, each with the reason: size or age.
        """
        oldest = time.time() * 1000 - self.max_age_ms  # by the files' own clock
        sized = segments.sealed_in(self.directory)
        total = room + sum(size for _, _, size in sized)
        dropped = []
        for segment, modified, size in sized:
            too_old = modified // 1_000_000 < oldest
            if segment.path not in self.in_flight and (too_old or total > self.max_bytes):
                segments.remove(segment.path)
                total -= size
                dropped.append((segment, "age" if too_old else "size"))
        self.room = max(self.max_bytes - total, 0)
        return dropped

    def remove(self, segment: Sealed) -> None:
        """Deletes a segment that has arrived; a purge may have come first."""
        segments.remove(segment.path)

    def set_aside(self, segment: Sealed) -> None:
        """Moves a segment to the quarantine, of which the newest few are kept."""
        os.makedirs(self.quarantine, exist_ok=True)
        if os.path.exists(segment.path):
            name = os.path.basename(segment.path)
            os.replace(segment.path, os.path.join(self.quarantine, name))
        for old, _, _ in segments.sealed_in(self.quarantine)[:-_QUARANTINED]:
            segments.remove(old.path)

    def purge(self) -> None:
        """Deletes every segment, open ones and the quarantine too."""
        for folder in (self.directory, self.quarantine):
            if os.path.isdir(folder):
                for name in os.listdir(folder):
                    if name.endswith(segments.SUFFIX):
                        segments.remove(os.path.join(folder, name))
