# SPDX-License-Identifier: Apache-2.0
"""Runs the whole comparison and prints it beside the bars; `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import compare, runs
from benchmarks.report import Report

EXAMPLE = """
example:
  make bench                                 the whole comparison, about two minutes
  make bench RUNS=5                          five of them, and what they agree on
  python -m benchmarks --rounds 10           a quick look
  python -m benchmarks --json >result.json   for machines

Medians with quartiles over the rounds in brackets; ratios are taken round by round. The bars
are the project's own; a row without one is there for orientation. What each row measures:
benchmarks/README.md.
"""


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when everything was measured, whether bars are met or not; 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures edgeart beside onnxruntime, numpy and Vowpal Wabbit.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=40, help="rounds of each race (default 40)")
    parser.add_argument(
        "--runs", type=int, default=1, help="runs of it all, each a process (default 1)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    if options.rounds < 2:
        parser.error("--rounds: at least 2, for a spread")
    if options.runs < 1 or (options.runs > 1 and options.json):
        parser.error("--runs: at least 1; several write build/bench-*.json by themselves")
    if options.runs > 1:
        return several(options.runs, options.rounds)

    report = Report()
    progress = Console(stderr=True, quiet=options.json)
    with progress.status("") as status, tempfile.TemporaryDirectory() as folder:
        for name, step in compare.STEPS.items():
            status.update(f"measuring {name} …")
            step(report, options.rounds, Path(folder))
    if options.json:
        json.dump(report.document(), sys.stdout, indent=1)
        print()
        return 0
    path = report.write()
    console = Console(width=None if sys.stdout.isatty() else 190)
    console.print(report.table())
    for line in report.absent:
        console.print(f"not measured: {line}")
    barred = [row for row in report.rows if row.met is not None]
    console.print(f"{sum(bool(row.met) for row in barred)} of {len(barred)} bars met; {path}")
    return 0


def several(count: int, rounds: int) -> int:
    """Prints what several runs agree on."""
    progress = Console(stderr=True)
    paths = []
    with progress.status("") as status:
        for number in range(1, count + 1):
            status.update(f"run {number} of {count} …")
            paths.append(runs.run(number, rounds))
    console = Console(width=None if sys.stdout.isatty() else 190)
    console.print(runs.summary(runs.documents(paths)))
    console.print(f"{count} runs: {', '.join(str(path) for path in paths)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
