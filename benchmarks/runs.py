# SPDX-License-Identifier: Apache-2.0
"""Several runs of the comparison, each a process of its own, and what they agree on."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from benchmarks.interleave import Spread
from benchmarks.report import RESULTS, show

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def run(number: int, rounds: int) -> Path:
    """One run; writes build/bench-<number>.json.

    Raises:
        RuntimeError: it failed; its own words are on stderr.
    """
    command = [sys.executable, "-m", "benchmarks", "--json", "--rounds", str(rounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        message = f"run {number} of the comparison ended with status {done.returncode}"
        raise RuntimeError(message)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"bench-{number}.json"
    path.write_text(done.stdout, encoding="utf-8")
    return path


def summary(documents: Sequence[dict[str, Any]]) -> Table:
    """Of each row the median of the runs' medians and their extremes, and how often it met its bar.

    What a bar is about: the ratio where there is one, else our own figure.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("what", "peer", "median of runs [extremes]", "bar", "met in"):
        table.add_column(heading, justify="left", overflow="fold")
    for at, row in enumerate(documents[0]["rows"]):
        rows = [document["rows"][at] for document in documents]
        if any((r["what"], r["peer"]) != (row["what"], row["peer"]) for r in rows):
            message = f"row {at} of the runs differs: {sorted({r['what'] for r in rows})}"
            raise ValueError(message)
        medians = [(r["ratio"] or r["ours"])["median"] for r in rows]
        spread = Spread(statistics.median(medians), min(medians), max(medians))
        met = [r["met"] for r in rows]
        table.add_row(
            row["what"], row["peer"], show(spread, "×" if row["ratio"] else row["unit"]),
            row["bar"], "" if None in met else f"{sum(met)} of {len(met)}",
        )  # fmt: skip
    return table


def documents(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """What the runs wrote."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]
