# SPDX-License-Identifier: Apache-2.0
"""Times statements in alternating rounds, so that their ratios share the machine's moods.

What is counted is the process's CPU time: what else runs on the machine takes caches and clock
rate from all alike, but no time from one of them. On an idle machine it is the time on the wall.
"""

from __future__ import annotations

import gc
import statistics
import time
import timeit
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUND = 0.004  # seconds a statement runs within one round, at least


@dataclass(frozen=True)
class Contestant:
    """A statement to time; compiled into the timing loop, so that no call is added to it.

    scale: what a result is multiplied with, for a statement that does only a part of the work.
    """

    name: str
    statement: str
    names: Mapping[str, object]
    scale: float = 1.0


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of repeated measurements, all in one unit."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """From at least two measurements."""
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


class Race:
    """CPU seconds per execution of each contestant, one entry a round."""

    def __init__(self, contestants: Sequence[Contestant], rounds: int) -> None:
        timers = [
            timeit.Timer(c.statement, timer=time.process_time, globals=dict(c.names))
            for c in contestants
        ]
        counts = [_repetitions(timer) for timer in timers]
        self.seconds: dict[str, list[float]] = {c.name: [] for c in contestants}
        gc.collect()
        for turn in range(rounds):
            # Who comes first changes from round to round: nobody always inherits a warm cache.
            for step in range(len(contestants)):
                at = (turn + step) % len(contestants)
                seconds = timers[at].timeit(counts[at]) / counts[at]
                self.seconds[contestants[at].name].append(seconds * contestants[at].scale)

    def time(self, name: str) -> Spread:
        """Seconds per execution."""
        return Spread.of(self.seconds[name])

    def ratio(self, over: str, under: str) -> Spread:
        """How many times as long `over` takes as `under`, round by round."""
        pairs = zip(self.seconds[over], self.seconds[under], strict=True)
        return Spread.of([a / b for a, b in pairs])

    def __contains__(self, name: str) -> bool:
        return name in self.seconds


def _repetitions(timer: timeit.Timer) -> int:
    count = 1
    timer.timeit(1)  # the first execution may still be loading something
    while (seconds := timer.timeit(count)) < ROUND:
        count = max(count + 1, min(count * 10, int(1.2 * count * ROUND / max(seconds, 1e-9))))
    return count
