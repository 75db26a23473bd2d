# SPDX-License-Identifier: Apache-2.0
"""Draws the motifs of artworks as SVG, each filling the frame above the title's name."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from html import escape

from .colours import Colours, mix, readable, turned

WIDTH, HEIGHT = 320, 180


def _laugh(c: Colours, rng: random.Random, _: str) -> str:
    x, y, r = 160 + rng.uniform(-30, 30), 92.0, 64.0
    return (
        _confetti(c, rng, 34)
        + _circle(x, y, r, c.accent)
        + _circle(x, y, r - 5, c.light)
        + _path(f"M{x - 34} {y - 12}q11 -16 22 0", stroke=c.accent, width=6)
        + _path(f"M{x + 12} {y - 12}q11 -16 22 0", stroke=c.accent, width=6)
        + _path(f"M{x - 36} {y + 8}h72a36 36 0 0 1 -72 0z", fill=c.accent)
        + _path(f"M{x - 20} {y + 36}a24 16 0 0 1 40 0a36 36 0 0 1 -40 0z", fill=c.shape)
        + _circle(x - 46, y + 8, 9, c.shape, 0.35)
        + _circle(x + 46, y + 8, 9, c.shape, 0.35)
    )


def _couple(c: Colours, rng: random.Random, _: str) -> str:
    x = 160 + rng.uniform(-36, 36)
    dark, warm = mix(c.shape, "#000000", 0.3), mix("#b5683f", c.light, 0.3)
    return (
        _circle(x, 84, 88, c.light, 0.3)
        + _circle(x, 84, 62, c.light, 0.45)
        + _path(f"M{x} 34q-9 -20 -20 -8q-8 12 20 30q28 -18 20 -30q-11 -12 -20 8z", fill=c.accent)
        + _path(f"M{x - 62} 92q-6 -44 30 -44q34 2 28 60l-14 20h-40z", fill=dark)
        + _bust(x - 32, 84, 23, c.shape)
        + _circle(x - 28, 84, 21, c.light)
        + _path(f"M{x - 52} 84q0 -28 24 -26q14 2 18 14q-24 -2 -42 12z", fill=dark)
        + _bust(x + 34, 78, 24, mix(c.shape, c.top, 0.4))
        + _circle(x + 30, 80, 22, warm)
        + _path(f"M{x + 6} 76q2 -24 26 -24q26 2 24 34q-10 -4 -12 -18q-20 8 -38 8z", fill="#2a1c1a")
        + _path(f"M{x - 24} 90q5 4 10 0M{x + 16} 88q5 4 10 0", stroke=dark, width=2.5)
    )


def _chase(c: Colours, rng: random.Random, _: str) -> str:
    x = 150 + rng.uniform(-20, 40)
    lines = "".join(
        _path(
            f"M{rng.uniform(-20, 90):.0f} {y:.0f}h{rng.uniform(50, 190):.0f}",
            stroke=c.light,
            width=rng.choice((1.5, 2.5)),
            opacity=rng.uniform(0.15, 0.55),
        )
        for y in (rng.uniform(14, 118) for _ in range(16))
    )
    return (
        _path(f"M0 180L{x - 20} 92h40L320 180z", fill=c.shape)
        + _path(f"M{x - 2} 96h4l26 84h-56z", fill=c.accent, opacity=0.75)
        + f'<g transform="skewX(-12)">{lines}</g>'
        + _circle(x + 44, 34, 11, c.light)
        + _path(f"M{x + 40} 44l-18 34l26 14l-16 34", stroke=c.light, width=11)
        + _path(f"M{x + 22} 80l-28 16l-26 -6", stroke=c.light, width=11)
        + _path(f"M{x + 38} 50l24 18l22 -14M{x + 36} 50l-30 2l-12 20", stroke=c.light, width=9)
    )


def _portrait(c: Colours, rng: random.Random, _: str) -> str:
    x = rng.choice((108.0, 212.0))
    side = 1 if x < 160 else -1
    return (
        _path(f"M{x} 0h{side * 230}v180h{-side * 230}z", fill=c.shape, opacity=0.28)
        + _circle(x, 84, 92, c.accent, 0.35)
        + _path(f"M{x - 96} 180q10 -62 96 -62t96 62z", fill=c.shape)
        + f'<rect x="{x - 19}" y="88" width="38" height="48" rx="16" fill="{c.light}"/>'
        + f'<ellipse cx="{x}" cy="72" rx="42" ry="52" fill="{c.light}"/>'
        + _path(f"M{x} 20a42 52 0 0 {1 if side > 0 else 0} 0 104z", fill=c.shape, opacity=0.5)
        + _path(f"M{x - 44} 70q-8 -62 44 -62t46 60q-10 -30 -44 -34q-40 0 -46 36z", fill=c.shape)
        + _path(f"M{x - 25} 70q7 -6 15 0M{x + 10} 70q8 -6 15 0", stroke=c.shape, width=4)
        + _path(f"M{x - 11} 102q11 5 22 0", stroke=c.shape, width=4)
    )


def _landscape(c: Colours, rng: random.Random, _: str) -> str:
    hills = "".join(
        _hill(rng, base, swing, mix(c.bottom, c.shape, depth))
        for base, swing, depth in ((88, 26, 0.3), (112, 20, 0.6), (140, 14, 0.95))
    )
    x = rng.uniform(60, 260)
    return _circle(x, 62, 40, c.light, 0.35) + _circle(x, 62, 27, c.accent) + hills


def _child(c: Colours, rng: random.Random, _: str) -> str:
    x = 110 + rng.uniform(-24, 60)
    kite_x, kite_y = x + 74, 36 + rng.uniform(-8, 10)
    return (
        _cloud(rng.uniform(20, 80), 40, c.light)
        + _cloud(rng.uniform(200, 270), 74, c.light)
        + _hill(rng, 136, 10, c.shape)
        + _path(f"M{x + 9} 106Q{x + 50} 100 {kite_x} {kite_y}", stroke=c.light, width=1.6)
        + f'<g transform="rotate(18 {kite_x} {kite_y})">'
        + _path(f"M{kite_x} {kite_y - 30}l22 26l-22 32l-22 -32z", fill=c.accent)
        + _path(
            f"M{kite_x} {kite_y - 30}v58M{kite_x - 22} {kite_y - 4}h44", stroke=c.light, width=2
        )
        + "</g>"
        + _circle(x, 90, 12, mix("#b5683f", c.light, 0.25))
        + _path(f"M{x - 12} 90a12 12 0 0 1 24 0q-12 -8 -24 0z", fill="#4a2c2a")
        + _path(f"M{x - 11} 134l4 -31h14l4 31z", fill=turned(c.accent, 0.5))
        + _path(f"M{x + 5} 108l6 -4M{x - 4} 134v13M{x + 4} 134v13", stroke="#4a2c2a", width=5)
    )


def _night(c: Colours, rng: random.Random, _: str) -> str:
    stars = "".join(
        _circle(rng.uniform(4, 316), rng.uniform(4, 80), rng.choice((0.7, 1.1, 1.6)), "#fff", 0.8)
        for _ in range(40)
    )
    moon = rng.uniform(50, 270)
    skyline, x = "", 0.0
    while x < WIDTH:
        width, top = rng.uniform(20, 44), rng.uniform(62, 122)
        skyline += (
            f'<rect x="{x:.0f}" y="{top:.0f}" width="{width:.0f}" height="120" fill="{c.shape}"/>'
        )
        for wx in range(int(x) + 5, int(x + width) - 6, 8):
            for wy in range(int(top) + 7, 150, 11):
                if rng.random() < 0.42:
                    lit = c.accent if rng.random() < 0.75 else c.light
                    skyline += f'<rect x="{wx}" y="{wy}" width="4" height="6" fill="{lit}"/>'
        x += width + rng.choice((0.0, 0.0, 4.0))
    return stars + _circle(moon, 44, 46, c.light, 0.12) + _circle(moon, 44, 24, c.light) + skyline


def _ensemble(c: Colours, rng: random.Random, _: str) -> str:
    tints = [c.shape, c.accent, mix(c.shape, c.top, 0.45), mix(c.accent, c.bottom, 0.5), c.light]
    rng.shuffle(tints)
    places = [(44, 82), (276, 84), (98, 70), (222, 72), (160, 58)]
    rays = "".join(
        _path(f"M160 190L{160 + 420 * math.cos(a):.0f} {190 + 420 * math.sin(a):.0f}"
              f"L{160 + 420 * math.cos(a + 0.1):.0f} {190 + 420 * math.sin(a + 0.1):.0f}z",
              fill=c.light, opacity=0.22)
        for a in (math.pi + i * math.pi / 9 for i in range(10))
    )  # fmt: skip
    return rays + "".join(_bust(x, y, 25, tint) for (x, y), tint in zip(places, tints, strict=True))


def _archive(c: Colours, rng: random.Random, _: str) -> str:
    photos = ""
    for i, x in enumerate((78, 236, 158)):
        turn, ground = rng.uniform(-13, 13), (c.shape, c.bottom, c.top)[i]
        inner = _hill(rng, 82, 9, ground, left=x - 44, right=x + 44, bottom=106)
        photos += (
            f'<g transform="rotate({turn:.1f} {x} 76)">'
            f'<rect x="{x - 53}" y="21" width="110" height="112" fill="#000" opacity=".22"/>'
            f'<rect x="{x - 55}" y="18" width="110" height="112" fill="#fbf6ea"/>'
            f'<rect x="{x - 45}" y="28" width="90" height="78" '
            f'fill="{mix(c.light, c.bottom, 0.4)}"/>'
            f"{_circle(x + rng.uniform(-24, 24), 52, 11, c.accent, 0.85)}{inner}</g>"
        )
    holes = "".join(
        f'<rect x="{x}" y="{y}" width="10" height="7" rx="2" fill="{c.light}" opacity=".75"/>'
        for x in range(6, WIDTH, 20)
        for y in (3, 138)
    )
    band = f'<rect y="0" width="{WIDTH}" height="13" fill="{c.shape}"/>'
    return band + band.replace('y="0"', 'y="135"') + holes + photos


def _lettering(c: Colours, rng: random.Random, name: str) -> str:
    words = name.upper().split()
    # A line is as wide as the frame allows; bold capitals are about 0.72 of their size wide.
    lines = words if len(words) > 1 else [name.upper()]
    if len(lines) > 3:
        lines = [" ".join(lines[:-2]), *lines[-2:]]
    sizes = [min(64.0, 284 / (0.72 * len(line))) for line in lines]
    scale = min(1.0, 132 / (sum(sizes) * 0.98))
    sizes = [size * scale for size in sizes]
    y = (HEIGHT - sum(sizes) * 0.98) / 2
    drawn = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{c.shape}"/>'
    cx, cy = rng.choice(((290, 20), (30, 165), (300, 160)))
    for r, tint in ((130, c.bottom), (92, c.top), (52, c.accent)):
        drawn += _circle(cx, cy, r, tint, 0.55)
    for i, (line, size) in enumerate(zip(lines, sizes, strict=True)):
        y += size * 0.98
        tint = c.light if i % 2 == 0 else c.accent
        drawn += (
            f'<text x="18" y="{y - size * 0.16:.1f}" font-size="{size:.1f}" font-weight="800" '
            f'letter-spacing="-.5" fill="{readable(tint, c.shape)}">{escape(line)}</text>'
        )
    return drawn


MOTIFS: dict[str, Callable[[Colours, random.Random, str], str]] = {
    "laugh": _laugh,
    "couple": _couple,
    "chase": _chase,
    "portrait": _portrait,
    "landscape": _landscape,
    "child": _child,
    "night": _night,
    "ensemble": _ensemble,
    "archive": _archive,
    "lettering": _lettering,
}


# Shapes.


def _circle(x: float, y: float, r: float, fill: str, opacity: float = 1.0) -> str:
    seen = "" if opacity == 1 else f' opacity="{opacity:.2g}"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{fill}"{seen}/>'


def _path(
    d: str, *, fill: str = "none", stroke: str = "", width: float = 0.0, opacity: float = 1.0
) -> str:
    line = ""
    if stroke:
        line = f' stroke="{stroke}" stroke-width="{width:g}" stroke-linecap="round"'
        line += ' stroke-linejoin="round"'
    seen = "" if opacity == 1 else f' opacity="{opacity:.2g}"'
    return f'<path d="{d}" fill="{fill}"{line}{seen}/>'


def _bust(x: float, y: float, r: float, fill: str) -> str:
    """A head of radius r at (x, y) on shoulders that reach the lower edge."""
    wide = r * 1.9
    return _circle(x, y, r, fill) + _path(
        f"M{x - wide:.0f} 180v-14q4 -{r * 1.9:.0f} {wide:.0f} -{r * 2:.0f}"
        f"q{wide - 4:.0f} {r * 0.1:.0f} {wide:.0f} {r * 2:.0f}v14z",
        fill=fill,
    )


def _hill(
    rng: random.Random,
    base: float,
    swing: float,
    fill: str,
    left: float = 0,
    right: float = WIDTH,
    bottom: float = HEIGHT,
) -> str:
    steps = 4
    width = (right - left) / steps
    points = [base + rng.uniform(-swing, swing) for _ in range(steps + 1)]
    d = f"M{left:.0f} {points[0]:.0f}"
    for i in range(steps):
        x = left + i * width
        d += (
            f"C{x + width / 2:.0f} {points[i]:.0f} {x + width / 2:.0f} {points[i + 1]:.0f} "
            f"{x + width:.0f} {points[i + 1]:.0f}"
        )
    return _path(f"{d}V{bottom:.0f}H{left:.0f}z", fill=fill)


def _cloud(x: float, y: float, fill: str) -> str:
    parts = ((0, 0, 14), (17, -7, 17), (36, -1, 13))
    return "".join(_circle(x + dx, y + dy, r, fill, 0.85) for dx, dy, r in parts)


def _confetti(c: Colours, rng: random.Random, count: int) -> str:
    tints = (c.light, c.shape, c.accent)
    return "".join(
        f'<rect x="{rng.uniform(0, 316):.0f}" y="{rng.uniform(0, 150):.0f}" width="7" height="4" '
        f'fill="{rng.choice(tints)}" opacity=".8" '
        f'transform="rotate({rng.uniform(-20, 20):.0f} 160 90)"/>'
        for _ in range(count)
    )
