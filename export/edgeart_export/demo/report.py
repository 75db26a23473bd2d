# SPDX-License-Identifier: Apache-2.0
"""Writes report.html: the days in charts and three homepages, in one file that needs no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..files import write_atomically
from ..report.charts import Line, bars, lines
from .artwork import artwork_svg
from .days import CONTEXTUAL, POLICIES, UNIFORM, UNPERSONALISED, History, Verdict
from .homes import Card, Home
from .style import STYLE
from .values import ORACLE

COLOURS = {
    UNIFORM: "#7a818e",
    UNPERSONALISED: "#b26a00",
    CONTEXTUAL: "#0b63ce",
    ORACLE: "#14171f",
}
CARDS = 8
_BINS = 20


@dataclass(frozen=True, eq=False)
class Choices:
    """Propensities [n] of what learned policies chose on the days `learned`; by day what share of
    showings was explored.
    """

    propensities: npt.NDArray[np.float64]
    explored: dict[int, float]
    learned: frozenset[int]


def choices(history: History) -> Choices:
    """Looks at every exposure: was its artwork the one with the largest probability?"""
    chosen: list[npt.NDArray[np.float64]] = []
    explored: dict[int, float] = {}
    for day in history.days:
        log = history.exposures.log(history.exposures.of_sequence(day.number))
        if day.model is None:
            explored[day.number] = 1 - float(log.propensity.mean())
            continue
        largest = np.zeros(len(log))
        for target in day.policies[CONTEXTUAL].of(log).values():
            largest[target.rows] = target.values.max(axis=1)
        chosen.append(log.propensity)
        explored[day.number] = float(np.mean(log.propensity < largest - 1e-9))
    learned = frozenset(day.number for day in history.days if day.model is not None)
    return Choices(np.concatenate(chosen), explored, learned)


def write_report(
    path: Path,
    history: History,
    verdicts: Sequence[Verdict],
    total: Verdict,
    homes: Sequence[Home],
    notes: Sequence[tuple[str, str]],
) -> None:
    """Writes the report. notes: (what, how many) of the circle, for its last lines."""
    looked_at = choices(history)
    days = len(history.days)
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>edgeart: {days} days</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}</style></head><body><main>
{_head(total, verdicts, days)}
{_curves(verdicts, days)}
<div class="pair">{_exploration(looked_at, days)}{_propensities(looked_at)}</div>
{_table(verdicts, total)}
{_homes(homes)}
{_notes(notes)}
</main></body></html>
"""
    write_atomically(path, page.encode())


def _head(total: Verdict, verdicts: Sequence[Verdict], days: int) -> str:
    held = [held for verdict in verdicts for held in verdict.held()]
    low, high = (100 * x for x in total.gain.interval)
    first, last = verdicts[0].name, verdicts[-1].name
    tiles = (
        (f"{100 * total.truth[CONTEXTUAL]:.2f} %", "true plays per showing, contextual policy"),
        (f"{100 * total.truth[UNPERSONALISED]:.2f} %", "the best single artwork per title instead"),
        (f"{100 * total.closed:.0f} %", "of the way from there to an all-knowing oracle"),
        (f"{sum(held)} of {len(held)}", "95 % intervals contain the truth"),
    )
    drawn = "".join(f"<div><b>{a}</b><span>{escape(b)}</span></div>" for a, b in tiles)
    return f"""<header><p class="kicker">edgeart · a simulated audience</p>
<h1>Which picture, for whom: {days} days of learning</h1>
<p class="lead">Every title has several artworks. For {int(first) - 1} days chance chose among them;
from day {first} on each day's policy had learned from what was shown before, and still chose by
known probabilities. Because of these, its value and that of others can be estimated from the log
alone; because the audience is simulated, the truth is known beside it. Against the best
unpersonalised choice the log says {low:+.2f} to {high:+.2f} points (days {first} to {last}).</p>
<div class="tiles">{drawn}</div></header>"""


def _curves(verdicts: Sequence[Verdict], days: int) -> str:
    drawn = []
    for name in (*POLICIES, ORACLE):
        points = [(float(v.name), 100 * v.truth[name]) for v in verdicts]
        whiskers = []
        if name != ORACLE:
            for v in verdicts:
                estimate = v.estimates(name)["sndr"]
                low, high = estimate.interval
                whiskers.append((float(v.name), 100 * low, 100 * estimate.value, 100 * high))
        drawn.append(Line(name, COLOURS[name], points, whiskers, dashed=name == ORACLE))
    first = float(verdicts[0].name)
    chart = lines(
        drawn,
        size=(1080, 400),
        days=days,
        shaded=(0.5, first - 0.5, "chance decides, rewards settle"),
        unit=" %",
        label="True plays per showing by day with estimates and their 95 % intervals",
    )
    return f"""<section><h2>Plays per showing</h2>
<p>Lines: the truth, over the places really seen that day. Rings and bars: what the log of that day
says of the same policy (SNDR, 95 % intervals clustered by unit). The oracle knows every
member's mind; nothing in the log can estimate it.</p>{chart}</section>"""


def _exploration(looked_at: Choices, days: int) -> str:
    heights = [100 * looked_at.explored[day] for day in range(1, days + 1)]
    chart = bars(
        heights,
        size=(520, 300),
        edges=(0.5, days + 0.5),
        unit=" %",
        label="Share of exploration by day",
        colours=[
            COLOURS[CONTEXTUAL] if day in looked_at.learned else "#c3c8d1"
            for day in range(1, days + 1)
        ],
        ticks=[(float(day), str(day)) for day in range(1, days + 1)],
        written=[f"{h:.0f}" for h in heights],
    )
    return f"""<section><h2>Share of exploration</h2>
<p>Showings in which another artwork than the best-scored one was chosen, by day. Grey: chance
alone.</p>{chart}</section>"""


def _propensities(looked_at: Choices) -> str:
    counts, _ = np.histogram(looked_at.propensities, bins=_BINS, range=(0.0, 1.0))
    heights = (100 * counts / max(counts.sum(), 1)).tolist()
    chart = bars(
        heights,
        size=(520, 300),
        edges=(0.0, 1.0),
        unit=" %",
        label="Histogram of propensities",
        colours=[COLOURS[CONTEXTUAL]] * _BINS,
        ticks=[(t / 5, f"{t / 5:g}") for t in range(6)],
    )
    smallest = looked_at.propensities.min(initial=1.0)
    return f"""<section><h2>Propensities</h2>
<p>With which probability the shown artwork had been chosen, learned policies only; share of
showings. The smallest is {smallest:.4f}.</p>{chart}</section>"""


def _table(verdicts: Sequence[Verdict], total: Verdict) -> str:
    heads = "".join(f'<th colspan="3">{name}</th>' for name in POLICIES)
    under = "<th>true</th><th>SNIPS</th><th>SNDR</th>" * len(POLICIES)
    rows = "".join(_row(v) for v in (*verdicts, total))
    return f"""<section><h2>Day by day</h2>
<p>Plays per 100 showings, ± half of the 95 % interval. An interval that misses the truth is marked
with a dot.</p><table><thead><tr><th rowspan="2">day</th>{heads}<th>oracle</th></tr>
<tr>{under}<th>true</th></tr></thead><tbody>{rows}</tbody></table></section>"""


def _row(verdict: Verdict) -> str:
    cells = ""
    for name in POLICIES:
        cells += f'<td class="true">{100 * verdict.truth[name]:.2f}</td>'
        for estimate in verdict.estimates(name).values():
            low, high = estimate.interval
            missed = "" if low <= verdict.truth[name] <= high else ' class="missed"'
            cells += f"<td{missed}>{100 * estimate.value:.2f}<i>±{50 * (high - low):.2f}</i></td>"
    last = f'<td class="true">{100 * verdict.truth[ORACLE]:.2f}</td>'
    return f"<tr><th>{escape(verdict.name)}</th>{cells}{last}</tr>"


def _homes(homes: Sequence[Home]) -> str:
    symbols, screens = {}, ""
    for home in homes:
        cards = ""
        for card in home.cards[:CARDS]:
            key = f"art-{card.title.id}-{card.artwork}"
            drawing = artwork_svg(card.title, card.artwork, card.motif)
            symbols[key] = f'<symbol id="{key}" viewBox="0 0 320 180">{drawing}</symbol>'
            cards += _card(card, key)
        taste = "".join(
            f'<li><span>{escape(genre)}</span><i style="width:{100 * share:.0f}%"></i>'
            f"<b>{100 * share:.0f} %</b></li>"
            for genre, share in home.taste[:3]
        )
        screens += (
            f'<article><h3>{escape(home.who)}</h3><ul class="taste">{taste}</ul>'
            f'<p class="small">of {home.plays} earlier plays known</p>'
            f'<div class="screen">{cards}</div></article>'
        )
    hidden = (
        f'<svg width="0" height="0" style="position:absolute">{"".join(symbols.values())}</svg>'
    )
    return f"""{hidden}<section><h2>One homepage, three members</h2>
<p>The next morning's policy. Each member has the titles in their own order, and each title in the
picture chosen for them. Below it the probability it was chosen with, and what set its score apart
from the title's average artwork, in points of plays per 100 showings.</p>
<div class="homes">{screens}</div></section>"""


def _card(card: Card, key: str) -> str:
    name = f"{card.title.name}: {card.artwork}"
    why = ", ".join(f"{words} {points:+.1f}" for words, points in card.reasons)
    if not card.best:
        why = "tried out, to learn"
    badge = "" if card.best else "<em>explored</em>"
    return (
        f'<figure><div class="frame"><svg viewBox="0 0 320 180" role="img" '
        f'aria-label="{escape(name, quote=True)}"><use href="#{key}"/></svg>{badge}</div>'
        f"<figcaption><b>{100 * card.share:.0f} %</b> {escape(why or 'no better than others')}"
        f"</figcaption></figure>"
    )


def _notes(notes: Sequence[tuple[str, str]]) -> str:
    listed = "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in notes)
    return f'<section class="notes"><h2>What went around</h2><dl>{listed}</dl></section>'
