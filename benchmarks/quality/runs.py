# SPDX-License-Identifier: Apache-2.0
"""One learner on one set with one seed: how it is played, and where its result is kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import Any, TypeAlias

from edgeart_export.simulate.bandit import Bandit, Learner, progressive

from . import ours
from .mabwiser_peer import MabWiser
from .sets import bandit as bandit_of
from .vowpal import VowpalWabbit

BATCH = 100
PROTOCOL = 1
"""Part of every kept result's key: another number where sets, rounds or peers' code change."""

Result: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """set, n (None: all rows) and seed; learner `vw`, `mabwiser`, `auto` or `linear`.

    config: settings of a peer as JSON; edgeart has none.
    """

    set: str
    n: int | None
    learner: str
    config: str
    seed: int

    @property
    def key(self) -> str:
        """What a kept result is found by: the run and the versions of what plays it."""
        return json.dumps([PROTOCOL, *asdict(self).values(), _version(self.learner)])


def _version(learner: str) -> str:
    if learner in ours.LEARNERS:
        return ours.fingerprint()
    return version({"vw": "vowpal-wabbit-next", "mabwiser": "mabwiser"}[learner])


def make(run: Run, bandit: Bandit) -> Learner:
    """The run's learner. Raises ValueError for one that does not exist."""
    config = json.loads(run.config)
    if run.learner == "vw":
        return VowpalWabbit(bandit, **config, seed=run.seed)
    if run.learner == "mabwiser":
        return MabWiser(bandit, **config, seed=run.seed)
    if run.learner in ours.LEARNERS:
        return ours.learner(run.learner, bandit, run.seed)
    raise ValueError(f"no learner is called {run.learner!r}; use vw, mabwiser, auto or linear")


def play(run: Run) -> Result:
    """The score of a run, the bandit's uniform and best rewards, and the CPU seconds it took."""
    bandit = bandit_of(run.set, run.seed, run.n)
    began = process_time()
    progress = progressive(bandit, make(run, bandit), batch=BATCH)
    return {
        "key": run.key,
        **asdict(run),
        "score": bandit.score(progress.artwork),
        "uniform": bandit.uniform,
        "best": bandit.best,
        "rounds": len(bandit),
        "seconds": round(process_time() - began, 2),
    }


class Kept:
    """Results in a file, a line of JSON each; what is there is not played again.

    A line is written at once and whole; one that an interrupted process left unfinished is
    dropped and played again.
    """

    def __init__(self, path: Path, *, jobs: int, told: Callable[[str], None]) -> None:
        self.path, self.jobs, self.told = path, jobs, told
        self._results: dict[str, Result] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            whole, _, broken = path.read_text(encoding="utf-8").rpartition("\n")
            if broken:
                print(f"{path}: its last line is not whole and is done again", file=sys.stderr)
                path.write_text(whole + "\n" if whole else "", encoding="utf-8")
            for line in whole.splitlines():
                result = json.loads(line)
                self._results[result["key"]] = result

    def play(self, runs: Sequence[Run], what: str) -> list[Result]:
        """The results of these runs, in their order. what: for the progress."""
        keys = [run.key for run in runs]
        left = [run for run, key in zip(runs, keys, strict=True) if key not in self._results]
        for done, result in enumerate(self._played(left), start=1):
            self._results[result["key"]] = result
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
            self.told(f"{what}: {done} of {len(left)} ({result['learner']}, {result['seconds']} s)")
        return [self._results[key] for key in keys]

    def _played(self, runs: list[Run]) -> Iterator[Result]:
        if self.jobs == 1 or len(runs) < 2:
            yield from map(play, runs)
            return
        # Fresh processes: a fork would take numpy's threads along.
        pool = ProcessPoolExecutor(min(self.jobs, len(runs)), mp_context=get_context("spawn"))
        with pool:
            try:
                for future in as_completed([pool.submit(play, run) for run in runs]):
                    yield future.result()
            except BaseException:  # a run that failed, or Ctrl-C: start no more
                pool.shutdown(wait=False, cancel_futures=True)
                raise
