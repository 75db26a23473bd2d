# SPDX-License-Identifier: Apache-2.0
"""What is installed on a device and which bundle of it runs: no network, no signatures, no tuf."""

from __future__ import annotations

import os
import time
from hashlib import sha256
from typing import NamedTuple

from edgeart import segments
from edgeart.errors import LogBusyError, SyncError
from edgeart.sums import bucket
from edgeart.sync import files, schedule
from edgeart.sync.machine import Machine
from edgeart.sync.offers import LARGEST_DENY, read_deny
from edgeart.sync.plan import MOST_STARTS
from edgeart.sync.serving import Serving, reads_format
from edgeart.sync.state import Minima, Slots, State
from edgeart.sync.status import PolicyStatus, SyncStatus, of_disk, stale_since
from edgeart.sync.store import BlobStore
from edgeart.sync.trial import CALM_SECONDS, Tally, verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeart.sync.machine import Done
    from edgeart.sync.serving import Swap

    Denied = Callable[[dict[str, list[str]]], None]


class _Trial(NamedTuple):
    sha256: str
    since: float  # by the clock that does not jump


class Installation:
    """The directory of a sync, opened by a process that lets its bundles run.

    Arguments are those of Syncer. Nothing here raises for what a disk does; `problem` says it.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        policies: Mapping[str, str | os.PathLike[str]],
        unit: int,
        swap: Swap | None = None,
        deny: Denied | None = None,
        tally: Callable[[str], Tally] | None = None,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = os.path.abspath(directory)
        self.problem: SyncError | None = None  # what a disk, or another process, last refused
        self.done: dict[str, Done] = {}  # by policy, what the last check came to
        self.clock = clock
        self._ticks = ticks
        self._unit = unit
        self._serves = swap is not None
        self._denied, self._tally = deny, tally
        self._lock: int | None = None
        self._trials: dict[str, _Trial] = {}
        self.store = BlobStore(self.directory)
        self.slots = Slots(self.directory)
        self.state, self.minima = State(), Minima()
        self._take_lock()
        self.serving = Serving(policies, self.store, swap)
        self._load()

    # Starting: what runs before any network was asked.

    def take(self) -> bool:
        """Whether this process may change the directory: from its start, or since another ended.

        As long as it may not, it runs what the other process has installed.
        """
        if self._lock is None:
            self._take_lock()
            self._load()
        return self._lock is not None

    def _take_lock(self) -> None:
        try:
            os.makedirs(self.directory, exist_ok=True)
            self._lock = segments.lock(self.directory)
            self.store.create()
            self.problem = None
        except LogBusyError:
            self.problem = SyncError("another process syncs this directory", code="busy")
        except OSError as error:
            self.problem = of_disk(error)

    def release(self) -> None:
        """Gives the directory back."""
        if self._lock is not None:
            self.pause_trials()
            os.close(self._lock)
            self._lock = None

    def _load(self) -> None:
        """Reads the state, applies the deny list, and lets each policy's best bundle run."""
        try:
            self.state = self.slots.load()
            self.minima = self.slots.load_minima(self.state)
        except OSError as error:
            self.problem = of_disk(error)
        self.machine = Machine(
            self.state, self.minima, self.serving.factories,
            version=version(), reads=reads_format, bucket=self._bucket,
            present=self.store, bases=self.serving.base, serves=self._serves,
        )  # fmt: skip
        self._load_deny()
        for name in self.serving.factories:
            if self.state.of(name).trial is not None and self._serves:
                self._start_trial(name)
            self.serve(name)

    def _load_deny(self) -> None:
        try:
            data = files.read(os.path.join(self.directory, "deny.json"), LARGEST_DENY)
            if data is None or sha256(data).hexdigest() != self.state.deny:
                self.state.deny = ""  # fetched again; what is here acts until then
            if data is not None:
                self.deny(read_deny(data))
        except OSError as error:
            self.problem = of_disk(error)
            self.state.deny = ""
        except SyncError:
            self.state.deny = ""

    def deny(self, titles: dict[str, list[str]]) -> None:
        """Lets a deny list act."""
        if self._denied is not None:
            self._denied(titles)

    def _start_trial(self, name: str) -> None:
        """Counts this start, durably: a trial that cannot be counted is not begun."""
        policy = self.state.of(name)
        if self._lock is None:
            self.machine.held_back.add(name)
            return
        if policy.starts >= MOST_STARTS:
            self.machine.revert(name)
        else:
            self.machine.started(name)
        if not self.save():
            self.machine.held_back.add(name)

    def save(self) -> bool:
        """Writes the state; False where the disk will not have it."""
        try:
            self.slots.save(self.state)
        except OSError as error:
            self.problem = of_disk(error)
            return False
        return True

    def serve(self, name: str) -> None:
        """What is to run by the rules, runs."""
        last, policy = self.tally(name), self.state.of(name)
        before = self.serving.running.get(name)
        running = self.serving.serve(name, policy, self.machine.facts(name, self.now()))
        if running.source != "trial" or running.sha256 is None:
            self._trials.pop(name, None)
        elif before is None or before.sha256 != running.sha256:
            self._trials[name] = _Trial(running.sha256, self._ticks())
            if before is not None:
                policy.before = tuple(last)

    def now(self) -> float:
        """Seconds since 1970: this clock, but not before what a trusted publisher has signed."""
        return max(self.clock(), self.state.floor[0])

    def _bucket(self, domain: str, salt: str) -> int:
        return bucket(domain, self._unit, salt)

    # Trials.

    @property
    def in_trial(self) -> bool:
        """Whether any bundle is in its trial in this process."""
        return bool(self._trials)

    def tally(self, name: str) -> Tally:
        """Pages under the policy that serves a name."""
        return Tally(0, 0) if self._tally is None else self._tally(name)

    def judge(self) -> None:
        """Ends the trials that have proved something, well or badly."""
        for name, trial in list(self._trials.items()):
            policy = self.state.of(name)
            tally, seconds = self.tally(name), self._ticks() - trial.since
            before, (pages, failed, earlier) = Tally(*policy.before), policy.tried
            total = Tally(pages + tally.pages, failed + tally.failed)
            good = verdict(before, total, earlier + seconds)
            if good is not None:
                self.end_trial(name, trial.sha256, good=good)
            elif policy.starts and tally.pages and seconds >= CALM_SECONDS:
                policy.starts = 0  # this process has come through
                self.save()

    def pause_trials(self) -> None:
        """Writes down how far the trials have come, as the process ends as it should."""
        for name, trial in self._trials.items():
            policy = self.state.of(name)
            tally, seconds = self.tally(name), int(self._ticks() - trial.since)
            pages, failed, earlier = policy.tried
            policy.tried = (pages + tally.pages, failed + tally.failed, earlier + seconds)
            policy.starts = max(policy.starts - 1, 0)
        if self._trials:
            self._trials.clear()
            self.save()

    def end_trial(self, name: str, digest: str, *, good: bool) -> None:
        """Ends the trial of a bundle: it stays, or is never used again."""
        trial = self.state.of(name).trial
        if trial is None or trial.sha256 != digest:
            return
        if good:
            self.machine.commit(name)
        else:
            self.machine.revert(name)
        self.save()
        self.serve(name)

    # Telling.

    def status(
        self, code: str | None = None, text: str = "", counts: tuple[int, int, int] = (0, 0, 0)
    ) -> SyncStatus:
        """How things stand. code: of the check; without it that of the last one."""
        state = self.state
        if code is None:
            code, text = state.error or ("ok" if state.checked else "never", "")
        policies = {}
        for name, running in self.serving.running.items():
            result, why = self.done.get(name, ("unknown", "not checked by this process"))
            policies[name] = PolicyStatus(running.source, running.sequence, result, why)
        left = schedule.wait_left(state, self.clock(), asked_for=False)
        since = stale_since(state.checked, state.interval, self.now())
        return SyncStatus(code, text, policies, state.checked, since, max(left, 0.0), *counts)


def version() -> str:
    """Of this library."""
    import edgeart  # noqa: PLC0415 - it loads what says so when it is asked

    return str(edgeart.__version__)
