# SPDX-License-Identifier: Apache-2.0
"""Third part of the demonstration: the real circle over many days, a table and report.html."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import edgeart

from ..bundle import write_bundle
from ..errors import ExportError
from ..estimators import Estimate
from ..model import PolicyModel
from ..simulate.audience import Audience
from ..simulate.truth import Strength
from .circle import Circle
from .days import POLICIES, SETTLING, Verdict, judged, live, steps, together
from .days import Circle as Turns
from .homes import homes
from .report import write_report
from .values import ORACLE

DAYS, MEMBERS, SEED = 10, 30_000, 0
_STEPS = {
    "show": "showing and logging",
    "attribute": "uploading and attributing",
    "train": "training",
    "evaluate": "evaluating",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the days alone and returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m edgeart_export.demo.week",
        description="Turns the whole circle for many days of a simulated audience: selectors, "
        "feedback log, upload, collector, attribution, training, evaluation, new bundle.",
        epilog="example: python -m edgeart_export.demo.week --days 8 --no-taste",
    )
    add_options(parser)
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object, no table")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        show_days(
            options.output,
            Console(width=None if sys.stdout.isatty() else 120),
            days=options.days,
            members=options.members,
            seed=options.seed,
            taste=options.taste,
            as_json=options.json,
        )
    except (ExportError, edgeart.EdgeartError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the days."""
    parser.add_argument(
        "--days",
        type=_days,
        default=DAYS,
        help=f"days on which something is shown (default {DAYS})",
    )
    parser.add_argument(
        "--members",
        type=_members,
        default=MEMBERS,
        help=f"size of the audience (default {MEMBERS})",
    )
    parser.add_argument("--seed", type=_whole, default=SEED, help=f"of the world (default {SEED})")
    parser.add_argument(
        "--no-taste",
        dest="taste",
        action="store_false",
        help="a world in which no artwork suits anybody better than another: nothing can be gained",
    )


def show_days(
    folder: Path,
    out: Console,
    *,
    days: int = DAYS,
    members: int = MEMBERS,
    seed: int = SEED,
    taste: bool = True,
    as_json: bool = False,
) -> None:
    """Runs the days, prints their table and writes report.html into the folder.

    What goes around stays in `circle` for those who want to look: feedback logs, landed Parquet,
    exposures, bundles; what an earlier run left there is deleted.
    """
    began = time.monotonic()
    work = folder / "circle"
    if work.exists():
        shutil.rmtree(work)
    (work / "bundles").mkdir(parents=True)
    strength = Strength() if taste else Strength().without_taste()
    audience = Audience(seed, members=members, strength=strength)

    def publish(model: PolicyModel) -> edgeart.Policy:
        path = work / "bundles" / f"{model.name}-{model.sequence:04}.edgeart"
        write_bundle(model, path)
        return edgeart.Policy.open(path)

    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn())
    shown_on = Console(stderr=True)
    with Progress(*columns, TimeElapsedColumn(), console=shown_on, transient=True) as bars:
        task = bars.add_task("starting", total=steps(days))

        def progress(what: str, day: int) -> None:
            bars.update(task, description=f"day {day}: {_STEPS[what]}", advance=1)

        with Circle(audience, work) as circle:
            turns: Turns = circle
            history = live(audience, turns, days, progress, publish)
            counts = circle.counts
        verdicts = judged(history, progress)
    total = together(verdicts, history.days)
    notes = [
        ("impressions logged", f"{counts.shown:,}"),
        ("plays reported", f"{counts.plays:,}"),
        ("events uploaded", f"{counts.events:,} in {counts.batches} batches"),
        ("events lost", f"{sum(counts.lost.values()):,}"),
        ("exposures with a propensity", f"{len(history.exposures):,}"),
        ("left out of estimates", ", ".join(
            f"{count:,} ({why})" for why, count in history.exposures.excluded.items()) or "none"),
        ("rewards corrected by late plays", f"{counts.corrected:,}"),
        ("seconds", f"{time.monotonic() - began:.0f}"),
    ]  # fmt: skip
    report = folder / "report.html"
    write_report(report, history, verdicts, total, homes(history), notes)
    if as_json:
        told = {
            "seed": seed,
            "taste": taste,
            "members": members,
            "days": [verdict.to_json() for verdict in verdicts],
            "total": total.to_json(),
            "held": sum(sum(v.held()) for v in verdicts),
            "intervals": sum(len(v.held()) for v in verdicts),
            "circle": dict(notes),
            "report": str(report),
        }
        print(json.dumps(told, indent=1))
        return
    _print(out, verdicts, total, notes, report)


def _print(
    out: Console,
    verdicts: Sequence[Verdict],
    total: Verdict,
    notes: Sequence[tuple[str, str]],
    report: Path,
) -> None:
    first, last = verdicts[0].name, verdicts[-1].name
    out.print(
        f"\n3. The whole circle: devices, upload, collector, attribution, training, new bundle\n"
        f"Days 1 to {int(first) - 1} by chance, while the first rewards settle; from day {first} "
        f"on each day by the policy of the night before.\nPlays per 100 showings: the truth, and "
        f"what the day's log says, with 95 % intervals clustered by unit.\n",
        highlight=False,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("\nday", no_wrap=True)
    for policy in POLICIES:
        for head in ("\ntrue", f"{policy}\nSNIPS", "\nSNDR"):
            table.add_column(head, justify="right", no_wrap=True)
    table.add_column(f"{ORACLE}\ntrue", justify="right", no_wrap=True)
    for verdict in (*verdicts, total):
        cells = [verdict.name]
        for policy in POLICIES:
            cells.append(f"{100 * verdict.truth[policy]:.2f}")
            estimates = verdict.estimates(policy).values()
            cells += [_pm(estimate, verdict.truth[policy]) for estimate in estimates]
        table.add_row(
            *cells, f"{100 * verdict.truth[ORACLE]:.2f}", end_section=verdict.name == last
        )
    out.print(table)
    held = [held for verdict in verdicts for held in verdict.held()]
    low, high = (100 * x for x in total.gain.interval)
    out.print(
        f"\n{sum(held)} of {len(held)} intervals contain the truth (! marks those that do not). "
        f"Contextual less unpersonalised, all days: {100 * total.gain.value:+.2f} "
        f"({low:+.2f} to {high:+.2f}); it closes {100 * total.closed:.0f} % of the gap between "
        f"unpersonalised and oracle.",
        highlight=False,
    )
    out.print("; ".join(f"{what}: {count}" for what, count in notes), highlight=False)
    out.print(f"Charts and three homepages: {report}", highlight=False, soft_wrap=True)


def _pm(estimate: Estimate, truth: float) -> str:
    low, high = estimate.interval
    return f"{100 * estimate.value:.2f}±{50 * (high - low):.2f}" + (
        " " if low <= truth <= high else "!"
    )


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _days(text: str) -> int:
    # The first learned day comes when the first day's rewards are settled; 28 days are an epoch.
    if not text.isdecimal() or not SETTLING + 2 <= int(text) <= 28:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {SETTLING + 2} to 28")
    return int(text)


def _members(text: str) -> int:
    if not text.isdecimal() or not 500 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 500 to 1000000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
