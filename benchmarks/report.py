# SPDX-License-Identifier: Apache-2.0
"""Puts what was measured into a table and a JSON file."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from benchmarks.interleave import Spread

RESULTS = Path(__file__).resolve().parents[1] / "build"
PACKAGES = ("edgeart", "numpy", "onnxruntime", "vowpalwabbit", "vowpal-wabbit-next")

Unit = Literal["s", "B", "×"]


@dataclass(frozen=True)
class Row:
    """One measurement of ours, and where there is a peer or a bar, those beside it.

    ratio: how many times as much as ours the peer needs (above 1, ours is the smaller); where there
    is one, it is what the bar is about.
    """

    what: str
    ours: Spread
    unit: Unit = "s"
    peer: str = ""
    theirs: Spread | None = None
    ratio: Spread | None = None
    bar: str = ""
    met: bool | None = None


@dataclass
class Report:
    """All rows of a run, with what could not be measured and why."""

    rows: list[Row] = field(default_factory=list)
    details: dict[str, float] = field(default_factory=dict)  # seconds, for the JSON alone
    absent: list[str] = field(default_factory=list)

    def table(self) -> Table:
        """What | ours | peer | theirs | ratio | bar | met, each median [quartiles]."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in ("what", "ours", "peer", "theirs", "ratio", "bar", "met"):
            right = heading in {"ours", "theirs", "ratio"}
            table.add_column(heading, justify="right" if right else "left", overflow="fold")
        for row in self.rows:
            table.add_row(
                row.what,
                show(row.ours, row.unit),
                row.peer,
                show(row.theirs, row.unit) if row.theirs else "",
                _ratio(row.ratio) if row.ratio else "",
                row.bar,
                {True: "yes", False: "NO", None: ""}[row.met],
            )
        return table

    def document(self) -> dict[str, object]:
        """Everything as JSON values; seconds and bytes."""
        return {
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": {
                "system": platform.platform(),
                "processor": _processor(),
                "cpus": os.cpu_count(),
                "python": platform.python_version(),
            },
            "versions": {name: _version(name) for name in PACKAGES},
            "rows": [asdict(row) for row in self.rows],
            "details": self.details,
            "absent": self.absent,
        }

    def write(self) -> Path:
        """Writes build/bench-<time>.json and returns its path."""
        RESULTS.mkdir(exist_ok=True)
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%fZ")
        path = RESULTS / f"bench-{stamp}.json"
        path.write_text(json.dumps(self.document(), indent=1) + "\n", encoding="utf-8")
        return path


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def show(spread: Spread, unit: Unit) -> str:
    """A median with its quartiles in brackets, in a unit that suits its size."""
    if unit == "×":
        return _ratio(spread)
    steps = {
        "s": ((1e-6, 1e-9, "ns"), (1e-3, 1e-6, "µs"), (1.0, 1e-3, "ms"), (float("inf"), 1.0, "s")),
        "B": ((1e3, 1.0, "B"), (1e6, 1e3, "kB"), (float("inf"), 1e6, "MB")),
    }[unit]
    size, name = next((size, name) for limit, size, name in steps if abs(spread.median) < limit)
    middle = f"{_number(spread.median / size)} {name}"
    if spread.low == spread.high:
        return middle
    return f"{middle} [{_number(spread.low / size)}–{_number(spread.high / size)}]"


def _ratio(spread: Spread) -> str:
    if spread.median < 1:
        middle, low, high = (
            f"1/{_number(1 / value)}" for value in (spread.median, spread.low, spread.high)
        )
        return f"{middle} [{low}–{high}]"
    return f"{_number(spread.median)}× [{_number(spread.low)}–{_number(spread.high)}]"
