# SPDX-License-Identifier: Apache-2.0
"""The colours of the demonstration's titles, and how they change with what a picture shows."""

from __future__ import annotations

import colorsys
import hashlib
import random
from dataclasses import dataclass

from ..simulate.catalogue import GENRES, Title

# Sky above and below, what stands in it, what catches the eye, what is light.
_PALETTES: dict[str, tuple[str, str, str, str, str]] = {
    "comedy": ("#ffd166", "#ff9f5a", "#d1495b", "#1d3557", "#fff6e0"),
    "romance": ("#ffb5a7", "#d1618a", "#6d2e5b", "#ffe0b5", "#fff0ea"),
    "thriller": ("#16313f", "#274c5b", "#0a1a22", "#e4572e", "#bfd7d9"),
    "drama": ("#5b6c9d", "#d8a47f", "#2b2d4a", "#f2cc8f", "#f7efe2"),
    "documentary": ("#7fb8ad", "#dfe0b8", "#1f5c57", "#ef9f4b", "#f7f3e3"),
    "family": ("#5cc3f2", "#cdeefb", "#2f7f6f", "#ffc83d", "#ffffff"),
}


@dataclass(frozen=True)
class Colours:
    """A title's colours as #rrggbb."""

    top: str
    bottom: str
    shape: str
    accent: str
    light: str

    def under(self, motif: str) -> Colours:
        """The colours in the light of a motif: dark by night, faded in an archive."""
        if motif in ("night", "chase"):
            dark = [mix(c, "#0b1026", amount) for c, amount in zip(self._all(), _DARK, strict=True)]
            return Colours(*dark)
        if motif == "archive":
            return Colours(*(mix(c, "#b8a07e", 0.55) for c in self._all()[:3]), *self._all()[3:])
        return self

    def _all(self) -> tuple[str, ...]:
        return self.top, self.bottom, self.shape, self.accent, self.light


_DARK = (0.78, 0.5, 0.72, 0.0, 0.12)


def colours(title: Title) -> Colours:
    """Its first genre's palette, turned a little so that no two titles look alike."""
    genre = GENRES[max(range(len(GENRES)), key=lambda i: title.genres[i])]
    turn = (seeded(title.id).random() - 0.5) * 0.14
    return Colours(*(turned(colour, turn) for colour in _PALETTES[genre]))


def seeded(key: str) -> random.Random:
    """Random numbers that are the same for the same key."""
    # Pictures need no secrecy.
    return random.Random(hashlib.sha256(key.encode()).digest())  # noqa: S311


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _hex(rgb: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * min(max(v, 0), 1)):02x}" for v in rgb)


def mix(one: str, other: str, amount: float) -> str:
    """A colour between two, from one (0) to the other (1)."""
    pairs = zip(_rgb(one), _rgb(other), strict=True)
    return _hex(tuple(a + (b - a) * amount for a, b in pairs))


def turned(colour: str, turn: float) -> str:
    """The colour with its hue turned, 1 being all the way round."""
    hue, light, saturation = colorsys.rgb_to_hls(*_rgb(colour))
    return _hex(colorsys.hls_to_rgb((hue + turn) % 1, light, saturation))


def readable(colour: str, ground: str) -> str:
    """The colour, or white or near black where it could not be read on that ground."""

    def light(c: str) -> float:
        red, green, blue = _rgb(c)
        return 0.3 * red + 0.59 * green + 0.11 * blue

    if abs(light(colour) - light(ground)) > 0.35:
        return colour
    return "#ffffff" if light(ground) < 0.6 else "#14171f"
