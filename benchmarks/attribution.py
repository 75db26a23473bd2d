# SPDX-License-Identifier: Apache-2.0
"""Attribution at full size: exact against the generated truth, and what it costs beside its SQL.

`python benchmarks/attribution.py` prints one JSON object. CPU is user and system time of a process
of its own, several of which take turns; `sql` runs the committed SQL files in DuckDB on the same
inputs and settings and writes their results with COPY, nothing else.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # run as a file: the project's folders are not on the path
    sys.path[:0] = [str(ROOT), str(ROOT / "export")]

import duckdb  # noqa: E402

from edgeart_export.attribution import attribute  # noqa: E402
from edgeart_export.attribution.tables import EXPOSURES, landed, with_templates  # noqa: E402
from edgeart_export.engines import Job  # noqa: E402
from edgeart_export.engines.duckdb import (  # noqa: E402
    COUNTS,
    STEPS,
    DuckDBEngine,
    parts,
    sql,
    variables,
)
from tests.support import attribution_truth, impression_generator  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

HOUR = 3_600_000
WINDOW, LATENESS, MINUTES = 24 * HOUR, 48 * HOUR, 10.0
EARLY = datetime(2025, 12, 10, tzinfo=timezone.utc)
LATE = datetime(2026, 6, 1, tzinfo=timezone.utc)
BARS = {"cpu_over_sql": 1.5, "cpu_4n_over_n": 4.6}

EXAMPLE = """
example:
  python benchmarks/attribution.py                        two million impressions, minutes
  python benchmarks/attribution.py --impressions 100000   a quick look

exit codes: 0 exact and within the bars; 1 not; 2 wrong usage
"""


def exactness(folder: Path) -> dict[str, Any]:
    """Two runs, the first without half of the plays, against the plain reading of the rules."""
    plays = sorted(folder.glob("plays-*.parquet"))
    memory = attribution_truth.Memory()
    runs = []
    for now, log in ((EARLY, plays[:1]), (LATE, plays)):
        report = attribute(folder / "landing", folder / "state", folder / "out", plays=log, now=now)
        expected = attribution_truth.attribute(
            folder / "landing",
            log,
            memory,
            window=WINDOW,
            lateness=LATENESS,
            minutes=MINUTES,
            now=round(now.timestamp() * 1000),
        )
        found = attribution_truth.read([report.file] if report.file else [], EXPOSURES.names)
        same = list(found) == expected
        runs.append({"equal": same, "rows": len(expected), "counts": report.counts})
    return {"equal": all(run["equal"] for run in runs), "runs": runs}


def pipeline(folder: Path, memory: str) -> dict[str, int]:
    """What is measured: one run from an empty state."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        report = attribute(
            folder / "landing",
            Path(work) / "state",
            Path(work) / "out",
            plays=sorted(folder.glob("plays-*.parquet")),
            now=LATE,
            engine=DuckDBEngine(memory=memory, temp=Path(work)),
        )
    return report.counts


def sql_alone(folder: Path, memory: str) -> dict[str, int]:
    """The committed SQL on the same inputs, its results written with COPY."""
    files: dict[str, Sequence[Path]] = {
        **landed(folder / "landing"),
        "plays": sorted(folder.glob("plays-*.parquet")),
        "failures": [],
        "emitted": [],
        "credited": [],
    }
    with tempfile.TemporaryDirectory(dir=folder) as work:
        job = Job(
            files=with_templates(files, Path(work)),
            window_ms=WINDOW,
            minutes=MINUTES,
            mature_until=round(LATE.timestamp() * 1000) - WINDOW - LATENESS,
            compact=False,
        )
        settings = {"memory_limit": memory, "temp_directory": work}
        with duckdb.connect(config={**settings, "preserve_insertion_order": False}) as connection:
            for name, value in variables(job).items():
                connection.execute(f"SET VARIABLE {name} = $1", [value])
            for name in STEPS:
                connection.execute(sql(name))
            for number in parts(connection):
                copy(connection, "exposures_out", f"{work}/exposures-{number}.parquet")
            for result in ("emitted", "credited"):
                copy(connection, f"{result}_out", f"{work}/{result}.parquet")
            counted = connection.execute(sql(COUNTS))
            names = [column[0] for column in counted.description or []]
            return dict(zip(names, counted.fetchall()[0], strict=True))


def copy(connection: duckdb.DuckDBPyConnection, view: str, target: str) -> None:
    """Writes a view down."""
    connection.execute(f"COPY (FROM {view}) TO '{target}' (COMPRESSION zstd)")


def measure(runs: dict[str, tuple[str, Path]], memory: str, rounds: int) -> dict[str, Any]:
    """CPU seconds and largest resident memory of processes that take turns."""
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, (what, folder) in runs.items():
            command = [sys.executable, __file__, "--one", what, str(folder), "--memory", memory]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            taken[name].append(json.loads(done.stdout))
    return {
        name: {
            "cpu_seconds": statistics.median(one["cpu_seconds"] for one in every),
            "all_cpu_seconds": [one["cpu_seconds"] for one in every],
            "peak_megabytes": max(one["peak_megabytes"] for one in every),
            "emitted": every[0]["emitted"],
        }
        for name, every in taken.items()
    }


def one(what: str, folder: Path, memory: str) -> dict[str, Any]:
    """In a process of its own: does it once. Imports are not counted, they are the same."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    counts = {"pipeline": pipeline, "sql": sql_alone}[what](folder, memory)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "cpu_seconds": round(cpu, 3),
        "peak_megabytes": round(peak() / 1e6),
        "emitted": counts["emitted"],
    }


def peak() -> int:
    """Largest resident memory of this process in bytes; ru_maxrss also knows its parent's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def compare(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The whole benchmark."""
    small, large = folder / "n", folder / "4n"
    rows = impression_generator.generate(small, options.impressions, seed=1).rows
    impression_generator.generate(large, 4 * options.impressions, seed=2)
    result: dict[str, Any] = {"impressions": options.impressions, "rows": rows}
    if not options.no_truth:
        result["truth"] = exactness(small)
    runs = {
        "sql": ("sql", small),
        "pipeline": ("pipeline", small),
        "pipeline_4n": ("pipeline", large),
    }
    result |= measure(runs, options.memory, options.rounds)
    if result["sql"]["emitted"] != result["pipeline"]["emitted"]:
        message = "the SQL alone and the pipeline gave out different numbers of exposures"
        raise RuntimeError(message)
    result["cpu_over_sql"] = ratio(result, "pipeline", "sql")
    result["cpu_4n_over_n"] = ratio(result, "pipeline_4n", "pipeline")
    result["memory_limit"] = options.memory
    result["bars"] = BARS
    result["met"] = {
        "truth": result.get("truth", {}).get("equal"),
        **{name: result[name] <= bar for name, bar in BARS.items()},
    }
    return result


def ratio(result: dict[str, Any], over: str, under: str) -> float:
    """The median of the rounds' ratios: both of a round saw the same machine."""
    pairs = zip(result[over]["all_cpu_seconds"], result[under]["all_cpu_seconds"], strict=True)
    middle: float = statistics.median(a / b for a, b in pairs)
    return round(middle, 3)


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 where the result is exact and within the bars, 1 where not."""
    parser = argparse.ArgumentParser(
        description="Measures attribution and compares it with the generated truth.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--impressions", type=int, default=2_000_000, help="default 2,000,000")
    parser.add_argument("--memory", default="1GB", help="DuckDB's memory_limit (default 1GB)")
    parser.add_argument("--rounds", type=int, default=3, help="processes per number (default 3)")
    parser.add_argument("--no-truth", action="store_true", help="leave the comparison out")
    parser.add_argument("--folder", type=Path, help="where to generate (default: the system's)")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(one(options.one[0], Path(options.one[1]), options.memory)))
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result = compare(options, Path(folder))
    print(json.dumps(result, indent=1))
    return 0 if all(met is not False for met in result["met"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
