# SPDX-License-Identifier: Apache-2.0
"""Charts of intervals as inline SVG: gains over nights, estimates below each other, weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .charts import GRID, INK, MUTED, bars
from .page import BLUE, PALE


@dataclass(frozen=True)
class Mark:
    """A value with its interval, None where there is none. name: its row or its night."""

    name: str
    value: float
    interval: tuple[float, float] | None
    colour: str


def nights(
    series: Sequence[tuple[str, Sequence[Mark]]], *, size: tuple[float, float], label: str
) -> str:
    """Intervals night after night beside each other for each series, named at the top.

    Every series has the same nights. The line of 0 is drawn through.
    """
    every = [mark for _, marks in series for mark in marks]
    low, high, step = _axis(every)
    width, height = size
    left, right, top, bottom = 58.0, 12.0, 34.0, 40.0
    count = len(series[0][1])

    def across(night: float) -> float:
        return left + (night + 0.5) / count * (width - left - right)

    def up(value: float) -> float:
        return top + (high - value) / (high - low) * (height - top - bottom)

    body = ""
    for i in range(round(low / step), round(high / step) + 1):
        y, zero = up(i * step), i == 0
        body += (
            f'<path d="M{left} {y:.1f}H{width - right:.1f}" stroke="{INK if zero else GRID}" '
            f'stroke-width="{1.4 if zero else 1}"/>'
            + _text(left - 8, y + 4, f"{i * step:+g}" if i else "0", anchor="end")
        )
    every_so = max(1, math.ceil(count / 10))
    for night in range(0, count, every_so):
        body += _text(across(night), height - 18, series[0][1][night].name, anchor="middle")
    x = left
    for index, (name, marks) in enumerate(series):
        colour = marks[-1].colour
        body += f'<circle cx="{x + 5:.1f}" cy="14" r="4.5" fill="{colour}"/>'
        body += _text(x + 15, 18, name, colour=INK)
        x += 30 + 7 * len(name)
        aside = (index - (len(series) - 1) / 2) * min(9.0, (width - left - right) / count / 3)
        for night, mark in enumerate(marks):
            cx = across(night) + aside
            body += _whisker(cx, up, mark)
    return _svg(size, label, body)


def forest(marks: Sequence[Mark], *, width: float, label: str, unit: str, zero: bool) -> str:
    """Estimates one below the other with their intervals; zero: whether the axis shows 0."""
    low, high, step = _axis(marks, zero=zero)
    left, right, row = 190.0, 190.0, 30.0
    height = 26 + row * len(marks) + 30

    def across(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - right)

    body = ""
    for i in range(round(low / step), round(high / step) + 1):
        x = across(i * step)
        line = INK if i == 0 and zero else GRID
        body += f'<path d="M{x:.1f} 8V{height - 30:.1f}" stroke="{line}"/>'
        sign = "+" if zero and i > 0 else ""
        body += _text(x, height - 12, f"{sign}{i * step:g}{unit}", anchor="middle")
    for number, mark in enumerate(marks):
        y = 26 + row * number
        body += _text(left - 14, y + 4, mark.name, anchor="end", colour=INK, size=13)
        said = "too few rows"
        if mark.interval is not None:
            one, other = (across(edge) for edge in mark.interval)
            body += (
                f'<path d="M{one:.1f} {y}H{other:.1f}" stroke="{mark.colour}" stroke-width="5" '
                f'opacity=".3"/>'
            )
            value, lowest, highest = (
                f"{x:{'+' if zero else ''}.2f}" for x in (mark.value, *mark.interval)
            )
            said = f"{value} ({lowest} to {highest})"
        body += (
            f'<circle cx="{across(mark.value):.1f}" cy="{y}" r="4.2" fill="#fff" '
            f'stroke="{mark.colour}" stroke-width="2"/>'
        )
        body += _text(width - right + 14, y + 4, said, colour=INK if mark.interval else MUTED)
    return _svg((width, height), label, body)


def weights(weight: npt.NDArray[np.float64], *, size: tuple[float, float]) -> str:
    """How importance weights spread: the share of rows by powers of two."""
    edges = [0.0, *(2.0**i for i in range(-4, 8))]
    heights = [100 * float(np.mean(weight == 0))]
    heights += [100 * float(np.mean((weight > a) & (weight <= b))) for a, b in pairwise(edges)]
    heights.append(100 * float(np.mean(weight > edges[-1])))
    names = ["0", *(f"≤{_short(edge)}" for edge in edges[1:]), f">{_short(edges[-1])}"]
    while len(heights) > 6 and heights[-1] == 0:  # nothing is that heavy
        heights.pop()
        names.pop()
    return bars(
        heights,
        size=size,
        edges=(0.0, float(len(heights))),
        unit=" %",
        label="Share of exposures by importance weight",
        colours=[PALE, *[BLUE] * (len(heights) - 1)],
        ticks=[(i + 0.5, name) for i, name in enumerate(names)],
    )


def _short(edge: float) -> str:
    return f"{edge:g}" if edge >= 1 else f"1/{round(1 / edge)}"


def _axis(marks: Sequence[Mark], *, zero: bool = True) -> tuple[float, float, float]:
    """Lower and upper end of an axis, and the step between its lines."""
    edges = [0.0] if zero else []
    for mark in marks:
        edges += [mark.value, *(mark.interval or ())]
    finite = [edge for edge in edges if math.isfinite(edge)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    if high - low < 1e-9:
        high = low + 1.0
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= 6)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def _whisker(cx: float, up: Callable[[float], float], mark: Mark) -> str:
    if mark.interval is None:
        return ""
    low, high = mark.interval
    return (
        f'<path d="M{cx:.1f} {up(low):.1f}V{up(high):.1f}" stroke="{mark.colour}" '
        f'stroke-width="5" opacity=".28"/>'
        f'<circle cx="{cx:.1f}" cy="{up(mark.value):.1f}" r="3" fill="#fff" '
        f'stroke="{mark.colour}" stroke-width="1.7"/>'
    )


def _svg(size: tuple[float, float], label: str, body: str) -> str:
    return (
        f'<svg viewBox="0 0 {size[0]:g} {size[1]:g}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{body}</svg>'
    )


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    colour: str = MUTED,
    size: float = 12,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" '
        f'fill="{colour}">{escape(words)}</text>'
    )
