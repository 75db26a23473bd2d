# SPDX-License-Identifier: Apache-2.0
"""The clocks of this machine, in milliseconds."""

from __future__ import annotations

import time


def wall_ms() -> int:
    """Milliseconds since 1970-01-01 UTC, as this machine believes."""
    return time.time_ns() // 1_000_000


def ticks_ms() -> int:
    """Milliseconds of a clock that does not jump."""
    return time.monotonic_ns() // 1_000_000
