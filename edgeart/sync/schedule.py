# SPDX-License-Identifier: Apache-2.0
"""When a device checks (native/spec/sync.md §10): free of clocks, so that it can be simulated."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import random

    from edgeart.sync.state import State

LEAST_WAIT = 5.0  # seconds between two checks, whoever asks for them
LONGEST_WAIT = 86_400.0  # seconds that a server's Retry-After is believed
SHORTEST_INTERVAL, LONGEST_INTERVAL = 60, 604_800
_FIRST_BACK_OFF = 300.0  # seconds; 60 would make the peak after an hour's silence 7 times the mean


def settle(state: State, now: float, source: random.Random) -> None:
    """Gives a state a next check, if it has none that can be meant.

    now: seconds since 1970. A clock that was set back, or had been ahead, makes the remembered
    moments meaningless: what lies further away than any of them can lie is drawn anew.
    """
    longest = max(1.5 * state.interval, LONGEST_WAIT)
    if not 0 < state.due <= now + longest:
        state.due = now + source.uniform(0, state.interval)
    if state.not_before > now + LONGEST_WAIT:
        state.not_before = now
    if state.asked > now:
        state.asked = now - LEAST_WAIT


def succeeded(state: State, now: float, source: random.Random) -> None:
    """After a successful check."""
    state.failures = 0
    state.not_before = 0.0
    state.due = now + state.interval * source.uniform(0.5, 1.5)


def failed(state: State, now: float, retry_after: float | None, source: random.Random) -> None:
    """After any other: full jitter (Brooker 2015, Exponential Backoff And Jitter).

    retry_after: seconds the server asked for. They are spread as well, so that not all come back
    at once.
    """
    state.failures += 1
    most = min(state.interval, _FIRST_BACK_OFF * 2.0 ** min(state.failures, 30))
    wait = max(source.uniform(0, most), LEAST_WAIT)
    state.not_before = 0.0
    if retry_after is not None:
        asked = min(retry_after * source.uniform(1.0, 1.25), LONGEST_WAIT)
        wait = max(wait, asked)
        state.not_before = now + asked
    state.due = now + wait


def wait_left(state: State, now: float, *, asked_for: bool) -> float:
    """Seconds until a check may be made, 0 or less if it may be made now.

    asked_for: by the application, and not because its time has come. What a server asked for holds
    for both.
    """
    least = max(state.asked + LEAST_WAIT, state.not_before) - now
    return least if asked_for else max(least, state.due - now)
