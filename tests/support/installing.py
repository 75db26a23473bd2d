# SPDX-License-Identifier: Apache-2.0
"""Kills a device at every file call of an installation, and looks at what it left.

A process of its own, without threads, that forks for every case:

    python -m tests.support.installing DIRECTORY URL ROOT FACTORY UNIT NOW MODE [all]

DIRECTORY holds a device as it is before the installation. all: kills also at calls that change
nothing, which is like the call before them. Prints one line of JSON: calls there
are, what each killed device served at once, and after a check that nobody disturbed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeart.policy import Policy
from edgeart.sync import Syncer, Tally
from edgeart.sync.trial import LEAST_PAGES, LEAST_SECONDS
from tests.support.disk import Disk


class Process:
    """What runs on the device: a check, and pages enough to end the trial."""

    def __init__(self, directory: Path, now: float) -> None:
        _, _, url, root, factory, unit = sys.argv[:6]
        self.ticks = 0.0
        self.policy: Policy | None = None
        self.denied: dict[str, list[str]] = {}
        self.now = now
        self.syncer = Syncer(
            directory / "sync", url,
            root=root, policies={"row": factory}, unit=int(unit), swap=self._swap, deny=self._deny,
            tally=lambda _: Tally(LEAST_PAGES, 0), clock=lambda: self.now,
            ticks=lambda: self.ticks, source=random.Random(1),  # noqa: S311 - jitter
        )  # fmt: skip

    def _swap(self, _: str, policy: Policy | None) -> None:
        self.policy = policy

    def _deny(self, titles: dict[str, list[str]]) -> None:
        self.denied = titles

    def install(self) -> None:
        """A check, and the trial."""
        assert self.syncer.refresh().ok
        self.ticks += LEAST_SECONDS
        self.syncer.judge()

    def serves(self) -> list[Any]:
        """Sequence and source of what serves, having decided, and the number of denied titles."""
        running = self.syncer.status().policies["row"]
        assert self.policy is not None
        assert self.policy.verify() > 0
        context = self.policy.context({"country": "US"}, seed=1)
        assert self.policy.select(context, "title-3").artwork is not None
        assert self.policy.sequence == running.sequence
        return [running.sequence, running.source, len(self.denied)]


def in_a_fork(action: Callable[[], object]) -> int:
    """Exit status of a child that does it; negative for a signal. What it returns is printed."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            action()
            status = 0
        except BaseException as error:  # noqa: BLE001 - the parent reports it
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            status = 1
        sys.stderr.flush()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Runs the campaign."""
    directory, now, mode = Path(sys.argv[1]), float(sys.argv[6]), sys.argv[7]
    changing = sys.argv[8:] != ["all"]
    import tuf.ngclient._internal.trusted_metadata_set  # noqa: F401 - once, not in each fork

    work = directory.parent / f"killed-{mode}"
    found = []
    at = 1
    while True:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(directory, work)
        disk = Disk(str(work), mode, at, changing=changing)

        def install(disk: Disk = disk) -> None:
            with disk.installed():
                process = Process(work, now)
                process.install()
                process.now += 10
                assert process.syncer.refresh().ok

        status = in_a_fork(install)
        if status == 0:
            break
        assert status == -signal.SIGKILL, f"call {at}, {mode}: exit status {status}"
        report = work / "report"

        def look(report: Path = report) -> None:
            process = Process(work, now + 1.0)
            at_once = process.serves()
            process.now += 100_000
            process.install()
            report.write_text(json.dumps([at_once, process.serves()]), encoding="utf-8")

        assert in_a_fork(look) == 0, f"call {at}, {mode}: the device that was left"
        found.append([at, *json.loads(report.read_text(encoding="utf-8"))])
        at += 1
    print(json.dumps({"mode": mode, "found": found}))


if __name__ == "__main__":
    main()
