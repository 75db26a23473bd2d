# SPDX-License-Identifier: Apache-2.0
"""Lets 10,000 devices check for policies in virtual time, and counts what their server sees.

    python -m tests.support.polls --devices 10000

The moments are those of the package's own schedule (edgeart/sync/schedule.py) with its own state;
the server and the clock are simulated. In five days there are: an installation of all devices at
one moment, a release, an hour in which the server is busy and says so, an hour in which it says
nothing at all, and an evening on which half of the devices start within five minutes. A check in a
hundred fails by itself. Prints JSON.
"""

# Moments of a simulation need no secrecy.
# ruff: noqa: S311

from __future__ import annotations

import argparse
import heapq
import json
import random

from edgeart.sync import schedule
from edgeart.sync.state import DEFAULT_INTERVAL, State

HOUR = 3600.0
DAY = 24 * HOUR
START = 1_800_000_000.0
RELEASE = 1.5 * DAY
BUSY = (2.0 * DAY, 2.0 * DAY + HOUR)  # 503 with Retry-After
SILENT = (3.0 * DAY, 3.0 * DAY + HOUR)
EVENING = 4.0 * DAY  # half of the devices start
END = 5.0 * DAY
BIN = 60.0  # seconds


class Fleet:
    """Devices with their states, and the requests they made."""

    def __init__(self, devices: int, source: random.Random) -> None:
        self.source = source
        self.states = [State() for _ in range(devices)]
        self.polls: list[float] = []
        self.released: list[float] = []  # when each device has the release
        self._has = [False] * devices

    def run(self) -> None:
        """Five days."""
        queue: list[tuple[float, int]] = []
        for index, state in enumerate(self.states):
            schedule.settle(state, START, self.source)
            heapq.heappush(queue, (state.due, index))
        restarted = False
        while queue[0][0] < START + END:
            now, index = heapq.heappop(queue)
            if not restarted and now >= START + EVENING:
                restarted = True
                self._restart()
            state = self.states[index]
            left = schedule.wait_left(state, now, asked_for=False)
            if left <= 1e-6:
                self._check(index, now)
            heapq.heappush(queue, (max(state.due, now + 1e-3), index))

    def _restart(self) -> None:
        """Half of the devices start: a start reads the state and asks nobody."""
        for index in range(0, len(self.states), 2):
            state = State(self.states[index].packed())
            schedule.settle(state, START + EVENING + self.source.uniform(0, 300), self.source)
            self.states[index] = state

    def _check(self, index: int, now: float) -> None:
        state, at = self.states[index], now - START
        self.polls.append(at)
        state.asked = now
        if BUSY[0] <= at < BUSY[1]:
            schedule.failed(state, now, HOUR, self.source)
        elif SILENT[0] <= at < SILENT[1] or self.source.random() < 0.01:
            schedule.failed(state, now, None, self.source)
        else:
            schedule.succeeded(state, now, self.source)
            if at >= RELEASE and not self._has[index]:
                self._has[index] = True
                self.released.append(at)

    def peak(self, first: float, last: float) -> float:
        """Largest number of checks in a minute of a time, over the mean of an undisturbed day."""
        bins: dict[int, int] = {}
        for at in self.polls:
            if first <= at < last:
                bins[int(at // BIN)] = bins.get(int(at // BIN), 0) + 1
        return max(bins.values(), default=0) / self.mean()

    def mean(self) -> float:
        """Checks a minute on an undisturbed day, the second."""
        return sum(DAY <= at < 2 * DAY for at in self.polls) / (DAY / BIN)

    def reached(self, share: float) -> float:
        """Intervals from a release until this share of the devices has it."""
        needed = int(share * len(self.states)) - 1
        return (sorted(self.released)[needed] - RELEASE) / DEFAULT_INTERVAL


def simulate(devices: int, seed: int = 1, source: random.Random | None = None) -> dict[str, float]:
    """What a server sees of so many devices; peaks are of a minute, over the mean of a good day."""
    fleet = Fleet(devices, source or random.Random(seed))
    fleet.run()
    return {
        "devices": devices,
        "checks": len(fleet.polls),
        "checks_per_device_and_day": len(fleet.polls) / devices / (END / DAY),
        "mean_per_minute": fleet.mean(),
        "peak_after_installation": fleet.peak(0.0, DAY),
        "peak_undisturbed": fleet.peak(DAY, 2 * DAY),
        "peak_busy_hour_and_after": fleet.peak(BUSY[0], BUSY[1] + 6 * HOUR),
        "peak_silent_hour_and_after": fleet.peak(SILENT[0], SILENT[1] + 6 * HOUR),
        "peak_when_half_start": fleet.peak(EVENING, EVENING + HOUR),
        "release_half_intervals": fleet.reached(0.5),
        "release_99_percent_intervals": fleet.reached(0.99),
    }


def main() -> None:
    """Runs the simulation and prints what it counted."""
    parser = argparse.ArgumentParser(description="Lets many devices check in virtual time.")
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(simulate(options.devices, options.seed), indent=2))


if __name__ == "__main__":
    main()
