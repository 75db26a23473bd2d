# SPDX-License-Identifier: Apache-2.0
"""The report of `evaluate`: what policies would have earned, how surely, and for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..estimators import Estimate
from ..evaluate import Evaluation
from ..evaluate.judged import NAMES, Judged
from ..files import write_atomically
from .intervals import Mark, forest, weights
from .page import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    counted,
    head,
    notes,
    page,
    section,
    shares,
    table,
    warnings,
)

Named = Sequence[tuple[str, Evaluation]]


def write_evaluation(
    path: Path, found: Named, logged: Estimate, source: Mapping[str, Any], group: str | None
) -> None:
    """Writes the report as one HTML file.

    found: what each policy is called, and its evaluation. logged: the mean reward of the log.
    source: what it was read from, as `evaluate --json` says.
    """
    write_atomically(path, evaluation_page(found, logged, source, group).encode())


def evaluation_page(
    found: Named, logged: Estimate, source: Mapping[str, Any], group: str | None
) -> str:
    """The report as HTML. Values are rewards per 100 exposures."""
    trusted = [(name, e) for name, e in found if e.mean_weight_holds and not e.doubts]
    headline, colour, lead = _headline(trusted, logged, len(found))
    first = found[0][1]
    body = (
        head("edgeart · evaluation", headline, colour, f"{lead} From {first.rows:,} exposures.")
        + warnings([*_warnings(found)])
        + _intervals(found, logged)
        + _table(found)
        + (_groups(found, group) if group else "")
        + f'<div class="pair">{"".join(_weights(name, e) for name, e in found)}</div>'
        + notes("What went in", _notes(source, found))
    )
    return page("What policies would have earned", body)


def _headline(trusted: Named, logged: Estimate, count: int) -> tuple[str, str, str]:
    """The headline, its colour, and what to know of it."""
    if not trusted:
        return (
            "The log says too little",
            AMBER,
            "None of the policies has an interval that can be trusted; see why below.",
        )
    best, value = max(trusted, key=lambda pair: _best(pair[1]).value)
    low, high = _best(value).interval
    what = f"{best}: {100 * _best(value).value:.2f} ({100 * low:.2f} to {100 * high:.2f})"
    mean = f"{100 * logged.value:.2f}"
    if low > logged.interval[1]:
        return (
            f"{best} would have earned more",
            GREEN,
            f"{what} rewards per 100 exposures; the logging policy earned {mean}.",
        )
    return (
        "No policy stands out" if count > 1 else "It does not stand out",
        BLUE,
        f"The best is {what} rewards per 100 exposures; the logging policy earned {mean}.",
    )


def _best(e: Evaluation) -> Estimate:
    return e.sndr or e.snips


def _warnings(found: Named) -> Sequence[str]:
    said = []
    for name, e in found:
        if not e.mean_weight_holds:
            said.append(
                f"{name}: the mean importance weight is {e.mean_weight.value:.4f} ± "
                f"{e.mean_weight.se:.4f}, not 1: logged propensities or candidates differ from "
                f"what was really done. Do not trust its row"
            )
        if e.doubts:
            said.append(f"{name}: no interval, because {'; '.join(e.doubts)}")
        for title, floor, candidates in e.floors[:3]:
            said.append(
                f"{name}: {candidates} candidates of title {title} cannot each have a floor of "
                f"{floor:g}; there the policy is uniform whatever its scores are"
            )
    return said


def _mark(name: str, judged: Judged, estimator: str, colour: str) -> Mark:
    interval = judged.interval(estimator)
    return Mark(
        name,
        100 * judged.estimates[estimator].value,
        None if interval is None else (100 * interval[0], 100 * interval[1]),
        colour,
    )


def _intervals(found: Named, logged: Estimate) -> str:
    low, high = logged.interval
    marks = [Mark("as logged", 100 * logged.value, (100 * low, 100 * high), GREY)]
    for name, e in found:
        marks += [
            _mark(f"{name} {NAMES[own]}", e.overall, own, BLUE)
            for own in ("snips", "sndr")
            if own in e.overall.estimates
        ]
    return section(
        "What each would have earned",
        "Reward per 100 exposures with 95 % intervals, clustered by unit. They are for one look at "
        "one log; whether a policy may replace another, promote decides.",
        forest(marks, width=1080, unit="", zero=False, label="Values of policies"),
    )


def _table(found: Named) -> str:
    names = [n for n in NAMES if any(n in e.overall.estimates for _, e in found)]
    rows = []
    for name, e in found:
        cells = [_cell(e.overall, n) for n in names]
        weight = f"{e.mean_weight.value:.4f}" + ("" if e.mean_weight_holds else " fails")
        sizes = (f"{e.effective_sample_size:,.0f}", f"{e.largest_weight:.3g}", weight)
        rows.append((f"{name} ({e.explorer})", *cells, *sizes))
    return section(
        "All estimators",
        "Reward per 100 exposures. Effective sample: so many exposures of its own the log is worth "
        "to the policy. The mean weight must be 1 but for chance. In parentheses: what may be off "
        "by more than chance, DM by what its model does not know, replay by how it was logged.",
        table(("policy", *(NAMES[n] for n in names), "ESS", "max w", "mean w"), rows),
    )


def _cell(judged: Judged, name: str) -> str:
    if name not in judged.estimates:
        return "–"
    value = f"{100 * judged.estimates[name].value:.3f}"
    return f"({value})" if name in judged.without else value


def _groups(found: Named, group: str) -> str:
    drawn = ""
    for name, e in found:
        estimator = "sndr" if e.sndr is not None else "snips"
        marks = [
            Mark(who, 0.0, None, GREY) if part is None else _mark(who, part, estimator, BLUE)
            for who, part in e.groups.items()
        ]
        drawn += section(
            f"{name} by {group}",
            f"Reward per 100 exposures of each group's members, {NAMES[estimator]}.",
            forest(marks, width=1080, unit="", zero=False, label=f"{name} by {group}"),
        )
    return drawn


def _weights(name: str, e: Evaluation) -> str:
    return section(
        f"Weights of {name}",
        "How much likelier it shows what was logged than the policy that decided it; share of "
        "exposures.",
        weights(e.weights, size=(520, 240)),
    )


def _notes(source: Mapping[str, Any], found: Named) -> list[tuple[str, str]]:
    listed = [("read from", str(source["log"]))]
    if "left_out" in source:
        listed += [
            ("units", f"{source['units']:,}"),
            ("first shown", f"{source['from']} to {source['to']}"),
            ("decided by", shares(source["reasons"])),
            ("left out", counted(source["left_out"])),
        ]
    listed += [(f"{name}: limits", e.limited.said()) for name, e in found if e.limited.rows]
    return [*listed, ("largest weight of clipped IPS", f"{found[0][1].clip:.3g}")]
