# SPDX-License-Identifier: Apache-2.0
"""What a check, and the state it left, look like to an application."""

from __future__ import annotations

import errno
from typing import NamedTuple

from edgeart.errors import SyncError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_GOOD = frozenset({"ok", "waiting", "never"})
_GOOD_FOR_ONE = frozenset({"unknown", "current", "staged", "restored", "kept"})
_MISSED = 3.0  # intervals without a successful check, after which a device says that it is stale


class PolicyStatus(NamedTuple):
    """One policy on this device. docs/syncing.md lists the codes."""

    source: str  # what runs: trial, active, previous, factory or defaults
    sequence: int  # of what runs; 0 for defaults
    code: str  # what the last check came to for this policy
    text: str  # the same for people


class SyncStatus(NamedTuple):
    """What a check came to. docs/syncing.md lists the codes."""

    code: str  # ok, waiting, busy, or that of what failed
    text: str  # the same for people
    policies: dict[str, PolicyStatus]
    checked: float  # last successful check, seconds since 1970; 0: never
    stale_since: float | None  # seconds since 1970, where checks have failed for too long
    retry_in: float  # seconds until the next check
    requests: int = 0
    sent: int = 0  # bytes of requests, headers and all, without TLS
    received: int = 0  # of answers, likewise

    @property
    def ok(self) -> bool:
        """Whether the check was successful."""
        return self.code == "ok"

    def error_of(self, policy: str) -> str | None:
        """Code of what failed for a policy, in the check or in its own part of it; or None."""
        if self.code not in _GOOD:
            return self.code
        status = self.policies.get(policy)
        return None if status is None or status.code in _GOOD_FOR_ONE else status.code


def stale_since(checked: float, interval: float, now: float) -> float | None:
    """Since when a device has been without word, if that is long: its last successful check."""
    return checked if checked and now - checked > _MISSED * interval else None


def of_disk(error: OSError) -> SyncError:
    """The same as a SyncError."""
    code = "storage"
    if error.errno in _NO_SPACE:
        code = "no_space"
    elif error.errno in _READ_ONLY:
        code = "read_only"
    place = f" {error.filename}" if error.filename else ""
    return SyncError(f"cannot write{place}: {error.strerror or error}", code=code)
