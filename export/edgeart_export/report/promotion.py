# SPDX-License-Identifier: Apache-2.0
"""The report of `promote`: the verdict first, then why, and what the log could have shown."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from ..estimators import effective_sample_size
from ..exposures.usable import said
from ..files import write_atomically
from ..promote import Promotion
from ..promote.look import (
    DOUBT,
    ESTIMATORS,
    INCUMBENT,
    NO,
    RIVALS,
    UNDECIDED,
    UNPERSONALISED,
    YES,
    Gain,
    Look,
)
from ..promote.promotion import DAY_MS, Side
from .intervals import Mark, forest, nights, weights
from .page import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    RED,
    counted,
    head,
    notes,
    page,
    pair,
    section,
    shares,
    table,
    tiles,
)

WORDS = {
    YES: ("Promote the candidate", GREEN),
    NO: ("Keep the incumbent", RED),
    UNDECIDED: ("The log cannot tell yet", AMBER),
    DOUBT: ("Look into the log first", AMBER),
}
"""A verdict's headline and colour."""

_COLOURS = {"sndr": BLUE, "snips": GREY}


def write_promotion(path: Path, found: Promotion) -> None:
    """Writes the report as one HTML file."""
    write_atomically(path, promotion_page(found).encode())


def promotion_page(found: Promotion) -> str:
    """The report as HTML. Values are rewards per 100 exposures."""
    last, (words, colour) = found.last, WORDS[found.verdict]
    candidate, incumbent = found.candidate, found.incumbent
    body = (
        head(
            "edgeart · promotion",
            words,
            colour,
            f"Candidate {candidate.name}, sequence {candidate.sequence}, against the incumbent "
            f"{incumbent.name}, sequence {incumbent.sequence}, on {last.rows:,} exposures of "
            f"{last.units:,} units from {said(found.since)[:10]} to "
            f"{said(last.until - 1)[:10]}, none of which trained either of them.",
            last.reasons,
        )
        + tiles(
            [
                (relative(last, INCUMBENT), _tile(last, INCUMBENT)),
                (relative(last, UNPERSONALISED), _tile(last, UNPERSONALISED)),
                (_detectable(last), "smallest gain over the incumbent that shows in 4 of 5 logs"),
                (
                    f"{last.effective['candidate']:,.0f}",
                    f"of {last.rows:,} exposures is what the log is worth to the candidate",
                ),
            ]
        )
        + pair(_over(found, INCUMBENT), _over(found, UNPERSONALISED))
        + _groups(found)
        + pair(_values(last), _weights(found))
        + notes(
            "What went in",
            [
                ("left out", counted(found.left_out)),
                ("decided by", shares(found.reasons)),
                *((f"{n}: limits", told.said()) for n, told in found.limited.items() if told.rows),
                ("candidate trained until", _until(candidate)),
                ("incumbent trained until", _until(incumbent)),
                ("largest weight", f"{found.weights.max():.3g}"),
                ("effective sample size", f"{effective_sample_size(found.weights):,.0f}"),
            ],
        )
    )
    return page(f"{candidate.name}: {words.lower()}", body)


def relative(last: Look, rival: str) -> str:
    """The SNDR gain over a rival as a share of the rival's value."""
    value = last.values[rival]
    gain = last.gains[rival, "sndr"].estimate.value
    return f"{100 * gain / value:+.1f} %" if value > 0 else f"{100 * gain:+.2f}"


def _tile(last: Look, rival: str) -> str:
    gain, value = last.gains[rival, "sndr"], last.values[rival]
    if gain.interval is None:
        return f"over the {RIVALS[rival]}; no interval"
    unit = " %" if value > 0 else ""
    low, high = (100 * edge / value if value > 0 else 100 * edge for edge in gain.interval)
    return f"over the {RIVALS[rival]}; {low:+.1f} to {high:+.1f}{unit} at any number of looks"


def _detectable(last: Look) -> str:
    found, value = last.gains[INCUMBENT, "sndr"].detectable, last.values[INCUMBENT]
    if found is None:
        return "–"
    return f"{100 * found / value:.1f} %" if value > 0 else f"{100 * found:.2f}"


def _over(found: Promotion, rival: str) -> str:
    series = []
    for name in ESTIMATORS:
        marks = [
            Mark(_day(night.until), 100 * gain.estimate.value, _hundred(gain), _COLOURS[name])
            for night in found.looks
            for gain in [night.gains[rival, name]]
        ]
        series.append((name.upper(), marks))
    chart = nights(
        series,
        size=(540, 300),
        label=f"Gain over the {RIVALS[rival]} by night with 95 % confidence sequences",
    )
    return section(
        f"Gain over the {RIVALS[rival]}",
        "Reward per 100 exposures, night by night, each from all exposures so far. Bars: 95 % "
        "confidence sequence, which holds at all nights together; none where there is too little.",
        chart,
    )


def _groups(found: Promotion) -> str:
    last = found.last
    if not last.groups:
        return ""
    marks = []
    for name, gain in last.groups.items():
        if gain is None:
            marks.append(Mark(name, 0.0, None, GREY))
        else:
            colour = RED if gain.worse else GREEN if gain.better else GREY
            marks.append(Mark(name, 100 * gain.estimate.value, _hundred(gain), colour))
    chart = forest(
        marks, width=1080, unit="", zero=True, label="Gain over the incumbent by member group"
    )
    return section(
        f"Gain over the incumbent by {found.group}",
        f"Reward per 100 exposures, SNDR. The {len(marks)} intervals hold all together, at any "
        f"number of looks (5 % shared among them, Bonferroni): a group is significantly worse off "
        f"where its interval lies left of 0.",
        chart,
    )


def _values(last: Look) -> str:
    rows = [
        (name, f"{100 * last.values[name]:.3f}", f"{last.effective[name]:,.0f}")
        for name in ("candidate", *RIVALS)
    ]
    return section(
        "What each would have earned",
        "Reward per 100 exposures by SNDR, and the effective sample size. The gains above are more "
        "exact than differences of these: they are paired.",
        table(("policy", "SNDR", "effective sample"), rows),
    )


def _weights(found: Promotion) -> str:
    return section(
        "Weights of the candidate",
        "How much likelier the candidate shows what was logged than the policy that decided it; "
        "share of exposures. Few exposures of large weight carry little.",
        weights(found.weights, size=(520, 260)),
    )


def _hundred(gain: Gain) -> tuple[float, float] | None:
    return None if gain.interval is None else (100 * gain.interval[0], 100 * gain.interval[1])


def _day(until: int) -> str:
    """The night's date, as day and month."""
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=until - DAY_MS)
    return f"{moment.day}.{moment.month}."


def _until(side: Side) -> str:
    return "not said" if side.trained_until is None else said(side.trained_until)
