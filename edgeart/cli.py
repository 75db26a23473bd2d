# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart`: looks into bundles and logs, decides, syncs, and times it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from inspect import cleandoc
from pathlib import Path

import edgeart
from edgeart.bench import bench
from edgeart.cli_decide import add_arguments, explain, select
from edgeart.cli_inspect import inspect
from edgeart.cli_sync import status, sync, sync_arguments
from edgeart.errors import BundleError, ContextError, EdgeartError
from edgeart.explain_view import aligned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OK, FAILED, USAGE = 0, 1, 2

_EPILOG = """\
exit status: 0 it worked, 1 a bundle, title, context or limit was refused, a logged decision does
not repeat or a check for newer policies failed, 2 the command was misused

examples:
  edgeart inspect policy.edgeart --title title-7
  edgeart verify policy.edgeart
  edgeart select policy.edgeart --title title-7 --context '{"country": "US"}' --seed 42 --all
  edgeart select policy.edgeart --title title-7 --context @context.json --deny title-7=couple
  edgeart select policy.edgeart --title title-7 --require lang_en --forbid mature
  edgeart explain policy.edgeart --title title-7 --context '{"country": "US"}' --seed 42
  edgeart bench policy.edgeart --titles 3000 --seconds 5 --json
  edgeart log app/feedback
  edgeart log app/feedback --why 9f0c21d4a5b6e7f8-0000002a --bundle policy.edgeart
  edgeart sync app --url https://policies.example --root root.json --policy row=row.edgeart
  edgeart status app
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        result: dict[str, object] = options.run(options, parser)
        if options.json:
            print(json.dumps(result, ensure_ascii=False, indent=2))
        sys.stdout.flush()
        if result.get("repeats") is False or result.get("ok") is False:
            return FAILED
    except BrokenPipeError:  # comes from printing: no command writes to a pipe of its own
        # The reader has what it wanted; Python must not try to write the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (EdgeartError, OSError) as error:
        return _report(error, options)
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgeart",
        description="Chooses which artwork represents a title, with exact propensities.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    commands = parser.add_subparsers(metavar="command", dest="command")
    for name, run, text in (
        ("inspect", inspect, "what is in a bundle"),
        ("verify", _verify, "open a bundle and run its test vectors"),
        ("select", select, "decide titles and show the propensities"),
        ("explain", explain, "which features spoke for the artwork that is chosen"),
        ("bench", _bench, "time a bundle on this machine"),
        ("log", _log, "what a feedback log holds, and why an artwork was shown"),
        ("sync", sync, "check for newer policies"),
        ("status", status, "how the sync of an application's directory stands"),
    ):
        command = commands.add_parser(
            name,
            help=text,
            description=cleandoc(f"{run.__doc__}"),
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        command.add_argument("file", help=_FILES.get(name, "the bundle"))
        command.add_argument("--json", action="store_true", help="print JSON, for machines")
        if name in _ARGUMENTS:
            _ARGUMENTS[name](command)
    parser.set_defaults(run=_nothing, json=False)
    return parser


def _inspect_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--title", action="append", default=[], metavar="T", help="a title; repeatable"
    )


def _select_arguments(command: argparse.ArgumentParser) -> None:
    add_arguments(command)
    command.add_argument("--all", action="store_true", help="show all candidates, too")


def _bench_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--titles", type=int, default=3000, metavar="N", help="titles of a page (3000)"
    )
    command.add_argument(
        "--seconds", type=float, default=4.0, metavar="S", help="time to spend (4)"
    )


def _log_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--why", metavar="REF", help="repeat and explain the impression with this ref"
    )
    command.add_argument("--bundle", metavar="FILE", help="the bundle that decided it; with --why")


_ARGUMENTS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "inspect": _inspect_arguments,
    "select": _select_arguments,
    "explain": add_arguments,
    "bench": _bench_arguments,
    "log": _log_arguments,
    "sync": sync_arguments,
}
_FILES = {
    "log": "the log's directory",
    "sync": "the application's directory",
    "status": "the application's directory",
}


def _report(error: Exception, options: argparse.Namespace) -> int:
    """Says what was refused, to machines on standard output and to people on standard error."""
    message = str(error)
    if isinstance(error, OSError):
        message = f"cannot read {error.filename or options.file}: {error.strerror or error}"
    if options.json:
        result: dict[str, object] = {"ok": False, "error": type(error).__name__, "message": message}
        if isinstance(error, (BundleError, ContextError)):
            result |= {"status": error.status, "offset": error.offset}
        print(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        print(f"edgeart: {message}", file=sys.stderr)
    return FAILED


def _nothing(options: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, object]:
    if not options.version:
        parser.error("name a command: inspect, verify, select, explain, bench, log, sync or status")
    print(f"edgeart {edgeart.__version__}")
    return {}


def _verify(options: argparse.Namespace, _: argparse.ArgumentParser) -> dict[str, object]:
    """Checks a bundle as a device does when it opens it, then runs its test vectors."""
    policy = edgeart.Policy.open(options.file)
    vectors = policy.verify()
    if not options.json:
        print(
            f"{options.file}: good. Policy {policy.name}, sequence {policy.sequence}: format, "
            f"limits, checksum and all {policy.size:,} bytes checked"
        )
        if vectors:
            print(f"{vectors} test vectors hold: scores and integers n of all "
                  f"{policy.artwork_count:,} artworks")  # fmt: skip
        else:
            print("it holds no test vectors, so its arithmetic was not compared with its writer's")
    return {
        "ok": True,
        "name": policy.name,
        "sequence": policy.sequence,
        "size": policy.size,
        "vectors": vectors,
        "artworks": policy.artwork_count,
    }


def _bench(options: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, object]:
    """Times select, a page, encoding and opening in this process. One call is one sample."""
    if options.titles < 1 or options.seconds <= 0:
        parser.error("bench: --titles and --seconds are above 0")
    data = Path(options.file).read_bytes()
    edgeart.Policy.open(options.file)  # names the file where the bytes are refused
    result = bench(data, options.titles, options.seconds)
    if not options.json:
        rows = [("what", "p50 µs", "p99 µs", "p99.9 µs", "samples")]
        for what, t in result["times"].items():
            rows.append((what, f"{t['p50']:.2f}", f"{t['p99']:.2f}", f"{t['p99.9']:.2f}",
                         f"{t['samples']:,}"))  # fmt: skip
        print(*aligned(rows), *result["notes"], sep="\n")
    return dict(result)


def _log(options: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, object]:
    """Shows what a feedback log holds, segment by segment; a log in use may be looked at.

    With --why the decision behind one impression is repeated by the bundle that made it, compared
    to the bit, and explained.
    """
    if (options.why is None) != (options.bundle is None):
        parser.error("log: --why and --bundle go together: which impression, and what decided it")
    if options.why is not None:
        return _why(options, parser)
    from edgeart.log_view import events_of, line_of, read_log  # noqa: PLC0415 - one command's

    found = []
    total = 0
    for state, segment in read_log(Path(options.file)):
        events = list(events_of(segment))
        total += len(segment.events)
        found.append({"stream": f"{segment.stream:016x}", "state": state, "events": events})
        if not options.json:
            newer = ", of a newer format" if segment.newer else ""
            print(f"segment of stream {segment.stream:016x}, {state}{newer}: "
                  f"{len(segment.events)} events, {segment.used:,} bytes")  # fmt: skip
            print(*map(line_of, events), sep="\n")
    if not options.json:
        print(f"{total} events in {len(found)} segments")
    return {"segments": found, "events": total}


def _why(options: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, object]:
    from edgeart.segments import parse_ref  # noqa: PLC0415 - one command's
    from edgeart.why import report, values, why  # noqa: PLC0415 - likewise

    try:
        parse_ref(options.why)
    except ValueError as error:
        parser.error(f"log: --why: {error}")
    found = why(Path(options.file), options.why, edgeart.Policy.open(options.bundle))
    if not options.json:
        print(*report(found), sep="\n")
    return values(found)
