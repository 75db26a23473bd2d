# SPDX-License-Identifier: Apache-2.0
"""Audits a million decisions of six explorers and says how many a second were repeated.

`python -m benchmarks.audit` prints one JSON object. What is timed is the whole of `audit`: reading
Parquet, repeating, comparing, writing what fails, and looking for missing events. Decisions are
made by pages as an application makes them, under cells, limits and candidates; once as many to a
context as a device shows of a page, once (a tenth of them) a single one to each. Then devices as
they are (`audit_devices`) show, log and upload some more to a collector, which are audited too, and
whose exposures evaluation has to find the same propensities for.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import edgeart
from benchmarks.audit_devices import Fleet, judged
from edgeart_export.audit import Audit, audit
from edgeart_export.engines.duckdb import DuckDBEngine
from tests.support.audit_world import EXPLORERS, World, write_bundles

BAR = 1_000_000  # decisions a second
SHAPES = {"page": (5, 30, 1.0), "single": (1, 1, 0.1)}
"""Fewest and most impressions of a context; share of the decisions, as making them takes longer."""


def measure(folder: Path, shape: str, decisions: int, rounds: int, threads: int) -> dict[str, Any]:
    """Audits of one landing folder of so many decisions."""
    fewest, most, share = SHAPES[shape]
    world = World(write_bundles(folder / "bundles"), seed=1, fewest=fewest, most=most)
    rows = world.land(folder / shape, round(decisions * share))
    return timed_audits(folder, shape, rounds, threads) | {"contexts": rows["contexts"]}


def measure_devices(folder: Path, impressions: int, rounds: int, threads: int) -> dict[str, Any]:
    """Audits and exposures of what devices showed."""
    bundles = write_bundles(folder / "bundles")
    fleet = Fleet([edgeart.Policy.open(path) for path in bundles], folder / "fleet", seed=2)
    began = time.perf_counter()
    counts = fleet.run(impressions, folder / "devices")
    seconds = time.perf_counter() - began
    found = timed_audits(folder, "devices", rounds, threads)
    failures = folder / "failures.parquet"
    return {
        **found,
        "shown": counts,
        "shown_and_landed_in_seconds": round(seconds, 1),
        "evaluated": judged(folder / "devices", failures, folder / "attribution", bundles),
    }


def timed_audits(folder: Path, shape: str, rounds: int, threads: int) -> dict[str, Any]:
    """What audits of a landing folder found, and the medians of what they took."""
    timed = [once(folder, shape, threads) for _ in range(rounds)]
    report = timed[0][0]
    seconds = statistics.median(wall for _, wall, _ in timed)
    cpu = statistics.median(used for _, _, used in timed)
    return {
        "decisions": report.impressions,
        "repeated": report.repeated,
        "undrawn": report.undrawn,
        "differences": report.failed,
        "missing": report.missing,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu, 3),
        "a_second": round(report.impressions / seconds),
        "a_cpu_second": round(report.impressions / cpu),
    }


def once(folder: Path, shape: str, threads: int) -> tuple[Audit, float, float]:
    """One audit, and its seconds on the wall and of the processor."""
    wall, used = time.perf_counter(), time.process_time()
    report = audit(
        folder / shape,
        folder / "bundles",
        folder / "failures.parquet",
        engine=DuckDBEngine(threads=threads),
    )
    return report, time.perf_counter() - wall, time.process_time() - used


def faithful(found: dict[str, Any]) -> bool:
    """Whether everything that was shown landed, repeats, and is judged as it was decided."""
    landed = found["decisions"] == found["shown"]["impressions"]
    same = found["differences"] == found["missing"] == found["evaluated"]["differ"] == 0
    return bool(landed and same)


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 where nothing differs and the bar is met, 1 where not."""
    parser = argparse.ArgumentParser(description="Measures the audit of landed decisions.")
    parser.add_argument("--decisions", type=int, default=1_000_000, help="default 1,000,000")
    parser.add_argument(
        "--devices", type=int, default=200_000, help="impressions of devices (default 200,000)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="audits per number (default 5)")
    parser.add_argument("--threads", type=int, default=1, help="of DuckDB (default 1)")
    parser.add_argument("--folder", type=Path, help="where to generate (default: the system's)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result: dict[str, Any] = {
            shape: measure(Path(folder), shape, options.decisions, options.rounds, options.threads)
            for shape in SHAPES
        }
        devices = measure_devices(Path(folder), options.devices, options.rounds, options.threads)
    result["devices"] = devices
    result |= {"explorers": list(EXPLORERS), "threads": options.threads, "bar_a_second": BAR}
    result["met"] = {
        "differences": all(result[shape]["differences"] == 0 for shape in SHAPES),
        "a_second": result["page"]["a_cpu_second"] >= BAR,
        "devices": faithful(devices),
    }
    print(json.dumps(result, indent=1))
    return 0 if all(result["met"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
