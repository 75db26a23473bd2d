# SPDX-License-Identifier: Apache-2.0
"""Charts as inline SVG: lines with intervals, and bars. Every axis of values begins at 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

INK, MUTED, GRID = "#14171f", "#5c6370", "#e4e7ec"

_LEFT, _TOP, _BOTTOM = 46.0, 16.0, 44.0


@dataclass(frozen=True)
class Line:
    """One curve: its name and colour, (x, y) points; whiskers: (x, low, middle, high)."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    whiskers: Sequence[tuple[float, float, float, float]] = ()
    dashed: bool = False


@dataclass(frozen=True)
class _Frame:
    width: float
    height: float
    right: float
    across: Callable[[float], float]
    up: Callable[[float], float]

    def svg(self, label: str, body: str) -> str:
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{escape(label, quote=True)}">{body}</svg>'
        )


def lines(
    drawn: Sequence[Line],
    *,
    size: tuple[float, float],
    days: int,
    shaded: tuple[float, float, str],
    unit: str,
    label: str,
) -> str:
    """Curves over days 1 to `days`, named at their right ends; shaded: from, to, its words."""
    highest = max(
        max((y for line in drawn for _, y in line.points), default=1.0),
        max((w[3] for line in drawn for w in line.whiskers), default=0.0),
    )
    frame, top, step = _framed(size, 120.0, (0.5, days + 0.5), highest)
    x0, x1 = frame.across(shaded[0]), frame.across(shaded[1])
    body = (
        f'<rect x="{x0:.1f}" y="{_TOP}" width="{x1 - x0:.1f}" '
        f'height="{frame.up(0) - _TOP:.1f}" fill="#f2f4f7"/>'
        + _text((x0 + x1) / 2, _TOP + 20, shaded[2], anchor="middle", size=11.5)
        + _values(frame, top, step, unit)
        + _days(frame, days)
    )
    # Names at the right ends are kept one line of text apart.
    ends = sorted(
        ((frame.up(line.points[-1][1]), line) for line in drawn if line.points),
        key=lambda end: end[0],  # equal ends keep their order: lines themselves have none
    )
    places: dict[str, float] = {}
    last = -math.inf
    for y, line in ends:
        last = max(y, last + 17)
        places[line.name] = last
    for index, line in enumerate(drawn):
        if not line.points:
            continue
        # Whiskers of different curves stand beside each other.
        aside = (index - (len(drawn) - 1) / 2) * 7
        for x, low, middle, high in line.whiskers:
            cx = frame.across(x) + aside
            body += (
                f'<path d="M{cx:.1f} {frame.up(low):.1f}V{frame.up(high):.1f}" '
                f'stroke="{line.colour}" stroke-width="5" opacity=".22"/>'
                f'<circle cx="{cx:.1f}" cy="{frame.up(middle):.1f}" r="3" fill="#fff" '
                f'stroke="{line.colour}" stroke-width="1.6"/>'
            )
        d = "L".join(f"{frame.across(x):.1f} {frame.up(y):.1f}" for x, y in line.points)
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        body += (
            f'<path d="M{d}" fill="none" stroke="{line.colour}" stroke-width="2.4" '
            f'stroke-linejoin="round" stroke-linecap="round"{dash}/>'
        )
        end = line.points[-1]
        body += _text(
            frame.across(end[0]) + 26,
            places[line.name] + 4,
            f"{line.name} {end[1]:.1f}{unit}",
            colour=line.colour,
            weight=600,
            size=12.5,
        )
    return frame.svg(label, body)


def bars(
    heights: Sequence[float],
    *,
    size: tuple[float, float],
    edges: tuple[float, float],
    unit: str,
    label: str,
    colours: Sequence[str],
    ticks: Sequence[tuple[float, str]],
    written: Sequence[str] = (),
) -> str:
    """Bars that share out the range `edges`; ticks: (x, words); written: above each bar."""
    frame, top, step = _framed(size, 8.0, edges, max(heights, default=1.0))
    body = _values(frame, top, step, unit)
    wide = (edges[1] - edges[0]) / max(len(heights), 1)
    gap = min(6.0, (frame.across(wide) - frame.across(0)) * 0.16)
    for i, height in enumerate(heights):
        x0 = frame.across(edges[0] + i * wide) + gap / 2
        x1 = frame.across(edges[0] + (i + 1) * wide) - gap / 2
        y = frame.up(height)
        body += (
            f'<rect x="{x0:.1f}" y="{y:.1f}" width="{x1 - x0:.1f}" '
            f'height="{max(frame.up(0) - y, 0):.1f}" rx="1.5" fill="{colours[i]}"/>'
        )
        if written:
            body += _text((x0 + x1) / 2, y - 6, written[i], anchor="middle", colour=INK, size=11)
    for x, words in ticks:
        body += _text(frame.across(x), frame.up(0) + 19, words, anchor="middle")
    return frame.svg(label, body)


def _framed(
    size: tuple[float, float], right: float, edges: tuple[float, float], highest: float
) -> tuple[_Frame, float, float]:
    """The frame, the upper end of its axis, and the step between its lines."""
    step = 10.0 ** math.floor(math.log10(max(highest, 1e-9) / 3))
    step *= next(m for m in (1, 2, 5, 10) if highest / (step * m) <= 6)
    top = math.ceil(highest / step - 1e-9) * step
    width, height = size
    room, tall = width - _LEFT - right, height - _TOP - _BOTTOM
    return (
        _Frame(
            width,
            height,
            right,
            lambda x: _LEFT + (x - edges[0]) / (edges[1] - edges[0]) * room,
            lambda y: _TOP + tall * (1 - y / top),
        ),
        top,
        step,
    )


def _values(frame: _Frame, top: float, step: float, unit: str) -> str:
    body = ""
    for i in range(round(top / step) + 1):
        value = i * step
        y = frame.up(value)
        right = frame.width - frame.right
        line = INK if i == 0 else GRID
        body += f'<path d="M{_LEFT} {y:.1f}H{right:.1f}" stroke="{line}" stroke-width="1"/>'
        body += _text(_LEFT - 8, y + 4, f"{value:g}{unit}", anchor="end")
    return body


def _days(frame: _Frame, days: int) -> str:
    y = frame.up(0)
    return "".join(
        _text(frame.across(day), y + 19, str(day), anchor="middle") for day in range(1, days + 1)
    ) + _text(frame.across((days + 1) / 2), y + 38, "day", anchor="middle")


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    colour: str = MUTED,
    size: float = 12,
    weight: int = 400,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" '
        f'font-weight="{weight}" fill="{colour}">{escape(words)}</text>'
    )
