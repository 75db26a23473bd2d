# SPDX-License-Identifier: Apache-2.0
"""What a feedback log lost: counted by reason, and told in the log as soon as there is room."""

from __future__ import annotations

import msgpack

from edgeart.events import LOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeart.events import ActiveSegment


class Losses:
    """Lost events of one process. Its owner's mutex guards it.

    lost: how many, by reason. unreported: what no segment tells of yet, as the fields of `lost`
    events (native/spec/feedback.md §4): reason, count, stream, first and last sequence.
    """

    def __init__(self) -> None:
        self.lost: dict[str, int] = {}
        self.unreported: list[tuple[str, int, int, int, int]] = []

    def add(self, reason: str, count: int, stream: int, first: int, last: int) -> None:
        """Counts events; those that follow the last ones for the same reason join them."""
        self.lost[reason] = self.lost.get(reason, 0) + count
        if self.unreported:
            reason_, count_, stream_, first_, last_ = self.unreported[-1]
            if (reason_, stream_, last_) == (reason, stream, first - 1):
                self.unreported.pop()
                count, first = count + count_, first_
        self.unreported.append((reason, count, stream, first, last))

    def report(self, active: ActiveSegment, ticks: int) -> None:
        """Writes down what was lost, as far as there is room. ticks: milliseconds, now."""
        while self.unreported:
            fields = b"".join(map(msgpack.packb, self.unreported[0]))
            if not active.event(LOST, ticks - active.started, fields, 7):
                return
            self.unreported.pop(0)
