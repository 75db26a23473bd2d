# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export attribute`: from landed events to exposures with rewards."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..errors import DataError, ExportError
from ..reward import QualityPlay, parse_duration
from . import tables
from .parts import command, database, moment

_ABOUT = """\
Turns landed impressions, outcomes and play logs into exposures with rewards: each exposure once,
when its reward is settled, and a second time if a late play turns its 0 into a 1.
"""

_EXAMPLE = """\
attribute --landing landing/ --state attribution/ --out exposures/ \\
      --window 24h --lateness 48h --minutes 10 --plays plays/*.parquet

A run reads all that has landed and writes one Parquet file with what is new; run it again as often
as you like. Give every run all play logs, not only the new ones: an older play may be what shows
that a title had been started before it was shown. The state folder remembers what was given out:
it belongs to one --out and one definition of the reward. A run that is killed changes nothing, or
is finished by the next one.
Columns, rules and the words of the report: docs/attribution.md.

exit codes: 0 done, also where nothing was new; 1 failed, the message says where and what to do;
2 wrong usage
"""

_WORDS = {
    "impressions": "impressions read",
    "duplicates": "of them duplicates",
    "not_repeated": "left out: the audit could not repeat them",
    "no_context": "without a context (the device had none)",
    "lost_context": "without a context (it was lost)",
    "shown_instead": "another artwork was shown instead",
    "clock_ahead": "with a clock ahead of the collector's",
    "exposures": "exposures known",
    "emitted": "exposures given out",
    "positive": "of them with reward",
    "corrected": "corrected from 0 to 1",
    "censored": "exposures held back (too early for a 0)",
    "outcomes_matched": "outcomes matched",
    "outcomes_unmatched": "outcomes of no known impression",
    "outcomes_unusable": "outcomes without usable minutes",
    "plays_by_ref": "plays matched by ref",
    "plays_by_subject": "plays matched by subject and title",
    "plays_unmatched": "plays matched with nothing",
    "plays_autoplay": "plays left out as autoplay",
    "plays_unusable": "plays left out as unusable rows",
}


def register(commands: Any) -> None:
    """Adds the command to the subparsers of `edgeart-export`."""
    brief = "Turns landed events and play logs into exposures with rewards."
    sub = command(commands, "attribute", run, _ABOUT, _EXAMPLE, brief=brief)
    folder: dict[str, Any] = {"type": Path, "required": True, "metavar": "DIR"}
    sub.add_argument("--landing", **folder, help="what the collector wrote")
    sub.add_argument("--state", **folder, help="what earlier runs gave out; made if missing")
    sub.add_argument("--out", **folder, help="where exposures go, a file a run")
    sub.add_argument(
        "--window",
        type=_duration,
        default=timedelta(hours=24),
        help="how long after the first showing a play counts (default 24h)",
    )
    sub.add_argument(
        "--lateness",
        type=_duration,
        default=timedelta(hours=48),
        help="how long after the window to wait for plays before a 0 (default 48h)",
    )
    sub.add_argument(
        "--minutes", type=_minutes, default=10.0, help="a play of fewer earns 0 (default 10)"
    )
    sub.add_argument(
        "--plays",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="external play logs, all of them: started, minutes, and ref or subject and title",
    )
    sub.add_argument(
        "--audit",
        type=Path,
        metavar="FILE",
        help="what `audit --out` wrote: impressions that do not repeat are left out, those that it "
        "has not seen wait",
    )
    sub.add_argument(
        "--now",
        type=moment,
        help="decide as of this moment, such as 2026-01-31T06:00:00Z (default: the clock)",
    )
    database(sub, "most memory for DuckDB's buffers (default 1GB)")
    sub.add_argument("--json", action="store_true", help="print one JSON object, no progress")


def run(options: argparse.Namespace) -> int:
    """Attributes once and reports. Raises ExportError or OSError."""
    try:
        from ..attribution import attribute  # noqa: PLC0415 - what only this command needs
        from ..engines.duckdb import DuckDBEngine  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ExportError(f"{error.name} is not installed; run: pip install duckdb") from None
    with tables.progress(quiet=options.json) as step:
        current: list[Callable[[int], None]] = []

        def progress(what: str, done: int, steps: int) -> None:
            for finish in current:
                finish(1)
            current[:] = [step(f"{done + 1}/{steps} {what}", 1)] if done < steps else []

        engine = DuckDBEngine(options.memory, options.temp, options.threads, progress)
        report = attribute(
            options.landing,
            options.state,
            options.out,
            reward=QualityPlay(minutes=options.minutes, window=options.window),
            lateness=options.lateness,
            plays=options.plays,
            audit=options.audit,
            now=options.now,
            engine=engine,
        )
    tables.show(report.to_json(), options.json, _table)
    for note in _notes(report.counts):
        Console(stderr=True, highlight=False, soft_wrap=True).print(note)
    return 0


def _table(report: Mapping[str, Any]) -> None:
    """The report for people."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    for name, words in _WORDS.items():
        table.add_row(words, f"{report['counts'][name]:,}")
    for reason, events in report["losses"].items():
        table.add_row(escape(f"events lost on devices ({reason})"), f"{events:,}")
    table.add_row(f"run {report['run']} as of {report['now']}", f"{report['seconds']:.1f} s")
    tables.show_table(table)
    wrote = f"wrote {report['file']}" if report["file"] else "nothing new, nothing written"
    Console(highlight=False, soft_wrap=True).print(wrote, markup=False)


def _notes(counts: Mapping[str, int]) -> Iterator[str]:
    """What should not be so, and where to look."""
    known = counts["impressions"] - counts["duplicates"]
    if counts["lost_context"] * 100 > known:
        yield (
            f"note: {counts['lost_context']} of {known} impressions refer to contexts that never "
            f"landed; look for a collector whose files are missing in --landing"
        )
    if counts["clock_ahead"] * 100 > known:
        yield (
            f"note: {counts['clock_ahead']} of {known} impressions claim to be later than their "
            f"receipt and were put at its time; if that is most of them, look at the collector's "
            f"clock"
        )


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _minutes(text: str) -> float:
    try:
        return QualityPlay(minutes=float(text)).minutes
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0") from None
