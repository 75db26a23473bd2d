# SPDX-License-Identifier: Apache-2.0
"""What open feedback logs get unasked: their events on the disk, and a stream after a fork."""

from __future__ import annotations

import os
import threading
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Log(Protocol):
        """A FeedbackLog, as far as it is looked after here."""

        sync_error: OSError | None

        def sync(self) -> None:
            """Returns when everything recorded before is on the disk. Raises OSError."""

        def forked(self) -> None:
            """In the child of a fork: goes on by itself."""


_open: weakref.WeakSet[Log] = weakref.WeakSet()


def opened(log: Log) -> None:
    """From now on forks are told to this log."""
    _open.add(log)


def closed(log: Log) -> None:
    """No longer."""
    _open.discard(log)


def start_syncing(log: Log, until: threading.Event, seconds: float) -> threading.Thread:
    """A thread that syncs a log every so many seconds, until it is closed or nobody has it."""
    thread = threading.Thread(
        target=_keep_synced, args=(weakref.ref(log), until, seconds), name="edgeart-log",
        daemon=True,
    )  # fmt: skip
    thread.start()
    return thread


def _keep_synced(log_of: weakref.ref[Log], until: threading.Event, seconds: float) -> None:
    while not until.wait(seconds):
        log = log_of()
        if log is None:
            return
        try:
            log.sync()
        except OSError as error:
            log.sync_error = error
        del log


def _after_fork() -> None:
    """Every log of the parent goes on in the child."""
    for log in list(_open):
        log.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
