# SPDX-License-Identifier: Apache-2.0
"""`edgeart select` and `edgeart explain`: decisions for one context, and where they come from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

import edgeart
from edgeart.explain_view import aligned, lines_of, values_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


class _Asked(NamedTuple):
    """What both commands are asked about."""

    policy: edgeart.Policy
    context: edgeart.Context
    limits: edgeart.Limits


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments that describe a context and limits."""
    command.add_argument(
        "--title", action="append", default=[], metavar="T", help="a title; repeatable"
    )
    command.add_argument(
        "--context", default="{}", metavar="JSON", help="fields; @file or - to read them"
    )
    command.add_argument("--seed", type=int, default=0, help="decides the draws (0)")
    command.add_argument(
        "--unit", type=int, default=0, help="the member profile, which decides the cell (0)"
    )
    for option, metavar, text in (
        ("--deny", "TITLE=ARTWORK", "do not show it: where it would be another is drawn"),
        ("--candidates", "TITLE=ARTWORK", "the host has it; the title's others play no part"),
        ("--require", "ATTRIBUTE", "only artworks that have it"),
        ("--forbid", "ATTRIBUTE", "no artwork that has it"),
    ):  # fmt: skip
        command.add_argument(
            option, action="append", default=[], metavar=metavar, help=f"{text}; repeatable"
        )


def select(options: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, object]:
    """Decides titles for one context and shows each choice with its propensity."""
    policy, context, limits = _asked(options, parser)
    found, rows = [], [("title", "artwork", "propensity", "score", "reason")]
    for title in options.title:
        decision = policy.select(context, title, limits=limits)
        entry: dict[str, object] = {
            "title": title,
            "artwork": decision.artwork,
            "propensity": decision.propensity,
            "n": decision.n,
            "total": decision.total,
            "score": decision.score,
            "reason": decision.reason,
            "cell": decision.cell,
        }
        rows.append((title, decision.artwork or "-", f"{decision.propensity:.6f}",
                     f"{decision.score:.6f}", decision.reason))  # fmt: skip
        if options.all:
            c = policy.candidates(context, title, limits=limits)
            entry["candidates"] = []
            for artwork, n, score, no in zip(c.artworks, c.n, c.scores, c.denied, strict=True):
                entry["candidates"].append(  # type: ignore[attr-defined]
                    {"artwork": artwork, "propensity": n / c.total, "score": score,
                     "denied": bool(no)}
                )  # fmt: skip
                chosen = "chosen" if artwork == decision.artwork else "denied" if no else ""
                rows.append(("", artwork, f"{n / c.total:.6f}", f"{score:.6f}", chosen))
        found.append(entry)
    if not options.json:
        print(*aligned(rows), "", _footer(context), sep="\n")
    return _of(context) | {"decisions": found}


def explain(options: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, object]:
    """Shows what each feature of a context adds to the score of the artwork that is chosen, and to
    its lead over the runner-up, the best of the others.

    Without a tower a feature adds its part of the sum that the score is. With a tower it adds what
    changes when its value replaces "missing", the mean of two orders of the features. Both add up
    from the baseline to the score.
    """
    policy, context, limits = _asked(options, parser)
    found = [policy.explain(context, title, limits=limits) for title in options.title]
    if not options.json:
        for explanation in found:
            print(*lines_of(explanation, context), "", sep="\n")
        print(_footer(context))
    return _of(context) | {"explanations": [values_of(explanation) for explanation in found]}


def _asked(options: argparse.Namespace, parser: argparse.ArgumentParser) -> _Asked:
    if not options.title:
        parser.error(f"{options.command}: give at least one --title; `edgeart inspect` shows some")
    values = _values(options, parser)
    policy = edgeart.Policy.open(options.file)
    limits = policy.limits(
        denied=_artworks(policy, "deny", options, parser),
        required=options.require,
        forbidden=options.forbid,
        candidates=_artworks(policy, "candidates", options, parser),
    )
    return _Asked(policy, policy.context(values, seed=options.seed, unit=options.unit), limits)


def _values(options: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, object]:
    text = options.context
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    try:
        values = json.loads(text)
    except ValueError as error:
        parser.error(f"{options.command}: --context is not JSON: {error}")
    if not isinstance(values, dict):
        parser.error(f'{options.command}: --context is a JSON object such as {{"country": "US"}}')
    return values


def _artworks(
    policy: edgeart.Policy,
    name: str,
    options: argparse.Namespace,
    parser: argparse.ArgumentParser,
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in getattr(options, name):
        if "=" not in text:
            parser.error(f"{options.command}: --{name} {text!r}: write TITLE=ARTWORK")
        # Ids may hold "=": the first cut that leaves a title of the bundle is meant.
        cuts = [i for i, letter in enumerate(text) if letter == "="]
        cut = next((i for i in cuts if text[:i] in policy.titles), cuts[0])
        found.setdefault(text[:cut], []).append(text[cut + 1 :])
    return found


def _of(context: edgeart.Context) -> dict[str, object]:
    policy = context.policy
    return {
        "policy": policy.name,
        "sequence": policy.sequence,
        "seed": context.seed,
        "unit": context.unit,
        "cell": context.cell,
        "report": context.report._asdict(),
    }


def _footer(context: edgeart.Context) -> str:
    policy, report = context.policy, context.report
    cell = "" if context.cell is None else f", cell {context.cell}"
    return (
        f"policy {policy.name}, sequence {policy.sequence}, seed {context.seed}{cell}; context: "
        f"{report.missing} missing, {report.other} other, {report.clipped} clipped, "
        f"{report.ignored} ignored"
    )
