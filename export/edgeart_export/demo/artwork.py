# SPDX-License-Identifier: Apache-2.0
"""Draws an artwork as SVG: a motif in the colours of its title; the same for the same names."""

from __future__ import annotations

from html import escape

from ..simulate.catalogue import Title
from .colours import colours, seeded
from .motifs import HEIGHT, MOTIFS, WIDTH


def artwork_svg(title: Title, artwork: str, motif: str) -> str:
    """The content of an SVG of WIDTH × HEIGHT; ids in it begin with title and artwork."""
    c = colours(title).under(motif)
    key = f"{title.id}-{artwork}"
    rng = seeded(key)
    sky = (
        f'<defs><linearGradient id="{key}-sky" x1="0" y1="0" x2="0" y2="1">'
        f'<stop offset="0" stop-color="{c.top}"/><stop offset="1" stop-color="{c.bottom}"/>'
        f'</linearGradient><linearGradient id="{key}-fade" x1="0" y1="0" x2="0" y2="1">'
        f'<stop offset=".5" stop-color="#000" stop-opacity="0"/>'
        f'<stop offset="1" stop-color="#000" stop-opacity=".62"/></linearGradient></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#{key}-sky)"/>'
    )
    drawn = MOTIFS[motif](c, rng, title.name)
    if motif == "lettering":
        return sky + drawn
    name = (
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#{key}-fade)"/>'
        f'<text x="16" y="163" font-size="21" font-weight="700" letter-spacing="-.2" '
        f'fill="#fff">{escape(title.name)}</text>'
    )
    return sky + drawn + name
