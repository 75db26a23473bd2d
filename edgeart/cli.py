# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart`: looks into a bundle, checks it, decides with it and times it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import edgeart
from edgeart.bench import bench
from edgeart.errors import BundleError, ContextError, EdgeartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OK, FAILED, USAGE = 0, 1, 2

_EPILOG = """\
exit status: 0 it worked, 1 a bundle, title or context was refused, 2 the command was misused

examples:
  edgeart inspect policy.edgeart --title title-7
  edgeart verify policy.edgeart
  edgeart select policy.edgeart --title title-7 --context '{"country": "US"}' --seed 42 --all
  edgeart select policy.edgeart --title title-7 --context @context.json --deny title-7=couple
  edgeart bench policy.edgeart --titles 3000 --seconds 5 --json
  edgeart log app/feedback
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
    for run, text in (
        (_inspect, "what is in a bundle"),
        (_verify, "open a bundle and run its test vectors"),
        (_select, "decide titles and show the propensities"),
        (_bench, "time a bundle on this machine"),
        (_log, "what a feedback log holds"),
    ):
        command = commands.add_parser(
            run.__name__[1:],
            help=text,
            description=f"{run.__doc__}",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        what = "the log's directory" if run is _log else "the bundle"
        command.add_argument("file", help=what)
        command.add_argument("--json", action="store_true", help="print JSON, for machines")
        if run in (_inspect, _select):
            command.add_argument(
                "--title", action="append", default=[], metavar="T", help="a title; repeatable"
            )
        if run is _select:
            command.add_argument(
                "--context", default="{}", metavar="JSON", help="fields; @file or - to read them"
            )
            command.add_argument("--seed", type=int, default=0, help="decides the draws (0)")
            command.add_argument("--unit", type=int, default=0, help="the member profile (0)")
            command.add_argument(
                "--deny", action="append", default=[], metavar="TITLE=ARTWORK", help="repeatable"
            )
            command.add_argument("--all", action="store_true", help="show all candidates, too")
        if run is _bench:
            command.add_argument(
                "--titles", type=int, default=3000, metavar="N", help="titles of a page (3000)"
            )
            command.add_argument(
                "--seconds", type=float, default=4.0, metavar="S", help="time to spend (4)"
            )
    parser.set_defaults(run=_nothing, json=False)
    return parser


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
        parser.error("name a command: inspect, verify, select, bench or log")
    print(f"edgeart {edgeart.__version__}")
    return {}


def _inspect(options: argparse.Namespace, _: argparse.ArgumentParser) -> dict[str, object]:
    """Shows what is in a bundle: its features, titles, artworks, explorer and sizes."""
    policy = edgeart.Policy.open(options.file)
    explorer = policy.explorer
    result: dict[str, object] = {
        "name": policy.name,
        "sequence": policy.sequence,
        "format": policy.format,
        "size": policy.size,
        "sections": _sections(policy),
        "explorer": explorer._asdict(),
        "rows": policy.rows,
        "k": policy.k,
        "slots": policy.slots,
        "titles": len(policy.titles),
        "artworks": policy.artwork_count,
        "test_vectors": policy.vector_count,
        "features": [feature._asdict() for feature in policy.features],
        "meta": policy.meta,
        "artworks_of": {title: list(policy.artworks(title)) for title in options.title},
    }
    if options.json:
        return result
    parameter = f", parameter {explorer.parameter:g}" if explorer.parameter else ""
    sizes = (f"{name} {size:,}" for name, size in _sections(policy).items())
    lines = [
        ("policy", f"{policy.name}, sequence {policy.sequence}, format {policy.format}"),
        ("explorer", f"{explorer.kind}, floor {explorer.floor:g}{parameter}"),
        ("titles", f"{len(policy.titles):,}: {_some(policy.titles)}"),
        ("artworks", f"{policy.artwork_count:,} {policy.rows} rows of {policy.k}"),
        ("vectors", f"{policy.vector_count} (edgeart verify runs them)"),
        ("bytes", f"{policy.size:,}: {', '.join(sizes)}"),
        *(("meta", f"{key}: {value}") for key, value in policy.meta.items()),
    ]
    _table(lines)
    print()
    _table(
        [("feature", "kind", "slots", "words and numbers")]
        + [(f.name, f.kind, f"{f.first}-{f.first + f.width - 1}", _detail(f))
           for f in policy.features]
        + [("(intercept)", "", str(policy.slots - 1), "")]
    )  # fmt: skip
    for title in options.title:
        print(f"\n{title}")
        for i, artwork in enumerate(policy.artworks(title)):
            print(f"  {artwork}{' (default)' if i == 0 else ''}")
    return result


def _sections(policy: edgeart.Policy) -> dict[str, int]:
    """Bytes by purpose, from the counts (native/spec/bundle.md §4); they add up to the size."""
    rows, titles = policy.artwork_count, len(policy.titles)
    if policy.rows == "i8":
        weights = rows * (-(-policy.k // 16) * 16 + 4)  # codes and a scale
    else:
        weights = rows * -(-policy.k // 8) * 8 * 4
    sizes = {"weights": weights, "bias": 4 * rows, "index": 20 * titles + 4 * rows}
    return sizes | {"ids and the rest": policy.size - sum(sizes.values())}


def _detail(feature: edgeart.Feature) -> str:
    if feature.words:
        return _some(feature.words)
    if feature.kind == "vector":
        return f"clip {feature.clip:g}"
    indicator = ", and a slot for missing" if feature.indicator else ""
    return f"(x - {feature.centre:g}) / {feature.scale:g}, clip {feature.clip:g}{indicator}"


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:5]) + (", …" if len(words) > 5 else "")


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


def _select(options: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, object]:
    """Decides titles for one context and shows the choice with its propensity."""
    if not options.title:
        parser.error("select: give at least one --title; `edgeart inspect` shows some")
    values = _values(options.context, parser)
    policy = edgeart.Policy.open(options.file)
    context = policy.context(values, seed=options.seed, unit=options.unit)
    denied = policy.denied(_denials(policy, options.deny, parser))
    found, rows = [], [("title", "artwork", "propensity", "score", "reason")]
    for title in options.title:
        decision = policy.select(context, title, denied=denied)
        entry: dict[str, object] = {
            "title": title,
            "artwork": decision.artwork,
            "propensity": decision.propensity,
            "n": decision.n,
            "total": decision.total,
            "score": decision.score,
            "reason": decision.reason,
        }
        rows.append((title, decision.artwork or "-", f"{decision.propensity:.6f}",
                     f"{decision.score:.6f}", decision.reason))  # fmt: skip
        if options.all:
            c = policy.candidates(context, title, denied=denied)
            entry["candidates"] = []
            for artwork, n, score, no in zip(c.artworks, c.n, c.scores, c.denied, strict=True):
                entry["candidates"].append(  # type: ignore[attr-defined]
                    {"artwork": artwork, "propensity": n / c.total, "score": score,
                     "denied": bool(no)}
                )  # fmt: skip
                chosen = "chosen" if artwork == decision.artwork else "denied" if no else ""
                rows.append(("", artwork, f"{n / c.total:.6f}", f"{score:.6f}", chosen))
        found.append(entry)
    report = context.report
    if not options.json:
        _table(rows)
        print(
            f"\npolicy {policy.name}, sequence {policy.sequence}, seed {options.seed}; context: "
            f"{report.missing} missing, {report.other} other, {report.clipped} clipped, "
            f"{report.ignored} ignored"
        )
    return {
        "policy": policy.name,
        "sequence": policy.sequence,
        "seed": options.seed,
        "unit": options.unit,
        "report": report._asdict(),
        "decisions": found,
    }


def _values(text: str, parser: argparse.ArgumentParser) -> dict[str, object]:
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    try:
        values = json.loads(text)
    except ValueError as error:
        parser.error(f"select: --context is not JSON: {error}")
    if not isinstance(values, dict):
        parser.error('select: --context is a JSON object such as {"country": "US"}')
    return values


def _denials(
    policy: edgeart.Policy, texts: Iterable[str], parser: argparse.ArgumentParser
) -> dict[str, list[str]]:
    denied: dict[str, list[str]] = {}
    for text in texts:
        if "=" not in text:
            parser.error(f"select: --deny {text!r}: write TITLE=ARTWORK")
        # Ids may hold "=": the first cut that leaves a title of the bundle is meant.
        cuts = [i for i, letter in enumerate(text) if letter == "="]
        cut = next((i for i in cuts if text[:i] in policy.titles), cuts[0])
        denied.setdefault(text[:cut], []).append(text[cut + 1 :])
    return denied


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
        _table(rows)
        print(*result["notes"], sep="\n")
    return dict(result)


def _log(options: argparse.Namespace, _: argparse.ArgumentParser) -> dict[str, object]:
    """Shows what a feedback log holds, segment by segment; a log in use may be looked at."""
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


def _table(rows: Iterable[Sequence[str]]) -> None:
    """Prints rows with their columns aligned."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
