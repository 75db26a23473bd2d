# SPDX-License-Identifier: Apache-2.0
"""Plays all learners on all sets: a table, JSON, and exit code 1 where a bar is missed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from rich.console import Console

from . import ours
from .runs import Kept, Result, Run
from .sets import DEVELOPMENT, SETS, absent
from .table import PEERS, Row, document, row, show, verdict
from .tuning import SMALL, Tuning

SIZES: dict[str, int | None] = {str(SMALL): SMALL, "all": None}


def _told(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def campaign(
    kept: Kept, sets: list[str], sizes: list[str], learners: list[str], seeds: list[int]
) -> tuple[list[Row], dict[str, object]]:
    """The rows of edgeart's learners, and the configurations that the competitors were tuned to."""
    rows: list[Row] = []
    tuned: dict[str, object] = {}
    for name in sets:
        for size in sizes:
            n = SIZES[size]
            results: dict[str, list[Result]] = {}
            for learner in learners:
                config = "{}"
                if learner in PEERS:
                    tuning = Tuning(kept, name, learner)
                    config = (tuning.whole() if n is None else tuning.small())[0]
                    tuned[f"{name}, {size}, {learner}"] = json.loads(config)
                runs = [Run(name, n, learner, config, seed) for seed in seeds]
                results[learner] = kept.play(runs, f"{learner} on {name}, n = {size}")
            rows.extend(
                found
                for learner in ours.LEARNERS
                if (found := row(name, size, learner, results)) is not None
            )
    return rows, tuned


def main() -> int:
    """Prints the table; JSON goes to the file of --json."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=(__doc__ or "").splitlines()[0]
    )
    everybody = [*PEERS, *ours.LEARNERS]
    parser.add_argument(
        "--sets",
        nargs="+",
        default=list(SETS),
        metavar="SET",
        help=f"of {', '.join(SETS)} (all of them by default), {', '.join(DEVELOPMENT)} (on which "
        "settings were chosen); or CSV files of your own, the class in the last column",
    )
    parser.add_argument("--n", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--learners", nargs="+", choices=everybody, default=everybody)
    parser.add_argument("--seeds", type=int, default=10, help="scoring seeds, from 1 on")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--kept", type=Path, default=Path("build/quality/runs.jsonl"))
    parser.add_argument("--json", type=Path, default=Path("build/quality/quality.json"))
    options = parser.parse_args()
    # One thread a run, set before its process starts: runs go side by side.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    reasons = {name: absent(name) for name in options.sets}
    for reason in filter(None, reasons.values()):
        print(f"left out: {reason}", file=sys.stderr)
    present = [name for name, reason in reasons.items() if reason is None]
    kept = Kept(options.kept, jobs=options.jobs, told=_told)
    seeds = list(range(1, options.seeds + 1))
    rows, tuned = campaign(kept, present, options.n, options.learners, seeds)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    found = {**document(rows, tuned), "left_out": [r for r in reasons.values() if r]}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    show(rows, Console(width=140))
    return int(not all(v["met"] for v in verdict(rows).values()))


if __name__ == "__main__":
    sys.exit(main())
