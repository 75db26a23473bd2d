# SPDX-License-Identifier: Apache-2.0
"""`python -m edgeart_export.demo`: decides and explains a page, then trains and evaluates."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

import edgeart

from ..errors import ExportError
from .audience import Audience
from .homepage import show_homepage
from .study import show_study
from .week import add_options, show_days


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demonstration and returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m edgeart_export.demo",
        description="Decides and explains a page, trains and evaluates on a log, then turns the "
        "whole circle for days, all on simulated audiences.",
        epilog="example: python -m edgeart_export.demo --output demo-output",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), help="folder (default ./demo-output)"
    )
    add_options(parser)
    options = parser.parse_args(arguments)
    folder: Path = options.output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"demo: cannot make the folder {folder}: {error}", file=sys.stderr)
        return 1
    out = Console(width=None if sys.stdout.isatty() else 120)
    audience = Audience()
    handmade = show_homepage(audience, folder, out)
    with Progress(console=Console(stderr=True), transient=True) as bars:
        show_study(audience, folder, handmade, out, bars)
    try:
        show_days(
            folder,
            out,
            days=options.days,
            members=options.members,
            seed=options.seed,
            taste=options.taste,
        )
    except (ExportError, edgeart.EdgeartError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    out.print(
        f"\nLook further: edgeart inspect {folder / 'learned.edgeart'}",
        highlight=False,
        soft_wrap=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
