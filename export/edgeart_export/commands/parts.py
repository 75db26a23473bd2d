# SPDX-License-Identifier: Apache-2.0
"""What the commands of `edgeart-export` share: their frame, common arguments, readers of values."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_DOUBT = 0, 1, 2, 3

Run = Callable[[argparse.Namespace], int]


def command(
    commands: Any,
    name: str,
    run: Run,
    about: str,
    example: str = "",
    *,
    brief: str = "",
    epilog: str = "",
) -> argparse.ArgumentParser:
    """Adds a command to the subparsers and gives its own parser.

    about: what it does; in the list of commands `brief` says it, where that is given. example: what
    follows `edgeart-export`, ends the help, unless `epilog` does.
    """
    sub: argparse.ArgumentParser = commands.add_parser(
        name,
        help=brief or about,
        description=about,
        epilog=epilog or f"example:\n  edgeart-export {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.set_defaults(run=run)
    return sub


def half(sub: argparse.ArgumentParser, about: str) -> None:
    """Which half of a log."""
    sub.add_argument("--half", choices=("first", "second", "all"), default="all", help=about)


def database(sub: argparse.ArgumentParser, memory: str) -> None:
    """What DuckDB may use. memory: what is said of --memory."""
    sub.add_argument("--memory", type=size, default="1GB", help=memory)
    sub.add_argument(
        "--temp", type=Path, metavar="DIR", help="where DuckDB puts what memory does not hold"
    )
    sub.add_argument("--threads", type=threads, help="threads of DuckDB (default: all cores)")


def positive(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def at_least(least: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least` on."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
        return int(text)

    return read


def moment(text: str) -> datetime:
    """A moment on the command line, UTC where it names no zone."""
    try:
        # Python 3.10 does not know the Z.
        value = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a moment such as 2026-01-31T06:00:00Z"
        ) from None
    return value if value.tzinfo else value.replace(tzinfo=timezone.utc)


def size(text: str) -> str:
    """An amount of memory, as DuckDB reads it."""
    if not re.fullmatch(r"\d+(\.\d+)?\s*([kKmMgGtT]i?)?[bB]", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount of memory such as 512MB")
    return text


def threads(text: str) -> int:
    """A number of threads."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of threads from 1 on")
    return int(text)
