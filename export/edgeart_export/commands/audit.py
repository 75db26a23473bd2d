# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export audit`: repeats what devices decided, says what does not repeat."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..errors import ExportError
from . import tables
from .parts import EXIT_DOUBT, EXIT_OK, command, database

_ABOUT = """\
Repeats every landed decision from its bundle, to the bit, and looks for events that are missing.
"""

_EXAMPLE = """\
audit landing/ --bundles bundles/ --out audit.parquet

`attribute --audit audit.parquet` then leaves out what does not repeat. BUNDLES holds every bundle
that devices decided by, factory bundles too, under any names. Causes and columns: docs/auditing.md.

exit codes: 0 everything repeats and nothing is missing; 1 failed, the message says where and what
to do; 2 wrong usage; 3 audited, but something does not repeat or is missing
"""

_WORDS = {
    "bundle_missing": "the bundle that decided is not among the bundles",
    "policy_differs": "the bundle has another name or sequence than the context says",
    "context_lost": "the context never landed",
    "context_differs": "copies of the context say different things",
    "context_unreadable": "the bundle cannot encode the context",
    "cell_unknown": "the bundle has no cell of that name",
    "candidates_unfit": "the candidates do not go with the bundle's titles",
    "reason_differs": "the decision came about otherwise",
    "artwork_differs": "another artwork comes out",
    "n_differs": "another propensity comes out",
}
_SHOWN = 5


def register(commands: Any) -> None:
    """Adds the command to the subparsers of `edgeart-export`."""
    sub = command(commands, "audit", _audit, _ABOUT, _EXAMPLE)
    sub.add_argument("landing", type=Path, help="what the collector wrote")
    sub.add_argument("--bundles", type=Path, required=True, metavar="DIR", help="see below")
    sub.add_argument(
        "--out", type=Path, metavar="FILE", help="write what does not repeat (Parquet)"
    )
    database(sub, "most memory for contexts and DuckDB's buffers (default 1GB)")
    sub.add_argument("--json", action="store_true", help="print one JSON object, no progress")


def _audit(options: argparse.Namespace) -> int:
    try:
        from ..audit import audit  # noqa: PLC0415 - what only this command needs
        from ..engines.duckdb import DuckDBEngine  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ExportError(f"{error.name} is not installed; run: pip install duckdb") from None
    with tables.progress(quiet=options.json) as step:
        bar: list[Callable[[int], None]] = []

        def progress(done: int, rows: int) -> None:
            if not bar:
                bar.append(step("repeating", rows))
            bar[0](done)

        report = audit(
            options.landing,
            options.bundles,
            options.out,
            engine=DuckDBEngine(options.memory, options.temp, options.threads),
            progress=progress,
        )
    tables.show(report.to_json(), options.json, _table)
    return EXIT_DOUBT if report.failed or report.missing else EXIT_OK


def _table(report: Mapping[str, Any]) -> None:
    """The report for people."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    for words, count in _rows(report):
        table.add_row(words, f"{count:,}")
    rate = report["impressions"] / max(report["seconds"], 1e-9)
    table.add_row(f"{report['seconds']:.1f} s, impressions a second", f"{rate:,.0f}")
    tables.show_table(table)
    console = Console(highlight=False, soft_wrap=True)
    for stream, first, last in report["gaps"][:_SHOWN]:
        console.print(f"missing: stream {stream:016x}, events {first:08x} to {last:08x}")
    if len(report["gaps"]) > _SHOWN:
        console.print(f"and {len(report['gaps']) - _SHOWN} more ranges at least; --json lists them")
    if report["file"]:
        console.print(f"wrote {report['file']}", markup=False)


def _rows(report: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    yield "impressions read (copies included)", report["impressions"]
    yield "repeat to the bit", report["repeated"]
    yield "had no context: nothing was drawn", report["undrawn"]
    yield "do not repeat", report["failed"]
    for cause, count in report["failures"].items():
        yield f"  {_WORDS[cause]} ({cause})", count
    yield "events missing that no device reports as lost", report["missing"]
