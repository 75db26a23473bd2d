# SPDX-License-Identifier: Apache-2.0
"""What the service knows of its titles: genres, popularity, artworks, their tags, when they ran."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GENRES = ("comedy", "romance", "thriller", "drama", "documentary", "family")

MOTIFS = (
    "laugh",
    "couple",
    "chase",
    "portrait",
    "landscape",
    "child",
    "night",
    "ensemble",
    "archive",
    "lettering",
)

# Title id → its name, its two genres (the first weighs twice) and how popular it is, from 0 to 1.
TITLES: dict[str, tuple[str, str, str, float]] = {
    "harbour-lights": ("Harbour Lights", "romance", "drama", 0.95),
    "glass-canyon": ("Glass Canyon", "thriller", "drama", 0.9),
    "two-left-shoes": ("Two Left Shoes", "comedy", "romance", 0.86),
    "little-giants": ("Little Giants", "family", "comedy", 0.8),
    "night-ferry": ("Night Ferry", "thriller", "romance", 0.76),
    "the-long-winter": ("The Long Winter", "drama", "documentary", 0.7),
    "last-call-lisbon": ("Last Call, Lisbon", "romance", "comedy", 0.64),
    "salt-and-cedar": ("Salt & Cedar", "drama", "romance", 0.58),
    "paper-moons": ("Paper Moons", "family", "drama", 0.52),
    "the-beekeepers": ("The Beekeepers", "documentary", "family", 0.46),
    "north-by-tram": ("North by Tram", "comedy", "thriller", 0.42),
    "sunday-orchestra": ("Sunday Orchestra", "drama", "comedy", 0.36),
    "deep-field": ("Deep Field", "documentary", "thriller", 0.3),
    "the-understudy": ("The Understudy", "comedy", "drama", 0.24),
    "wolf-hour": ("Wolf Hour", "thriller", "family", 0.18),
    "a-house-of-rain": ("A House of Rain", "romance", "documentary", 0.12),
}

FEWEST, MOST = 4, 10
WRONG_TAGS = 1 / 8
FOREVER = 10_000


@dataclass(frozen=True)
class Artwork:
    """One artwork: its motif, what its tag says, and the days it may be shown (both included)."""

    name: str
    motif: str
    tag: str
    first_day: int = 1
    last_day: int = FOREVER

    def on(self, day: int) -> bool:
        """Whether it can be shown on a day."""
        return self.first_day <= day <= self.last_day


@dataclass(frozen=True)
class Title:
    """One title with all artworks it ever had; the first of them is its default."""

    id: str
    name: str
    genres: tuple[float, ...]  # over GENRES, adding up to 1
    popularity: float
    artworks: tuple[Artwork, ...]


class Catalogue:
    """The service's titles; the same for one seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        self.titles = tuple(_title(rng, key) for key in TITLES)

    def on(self, day: int) -> dict[str, list[str]]:
        """Title id → the artworks that may be shown on this day, the default first."""
        return {
            title.id: [artwork.name for artwork in title.artworks if artwork.on(day)]
            for title in self.titles
        }

    def tags(self) -> dict[tuple[str, str], str]:
        """(title id, artwork) → its tag, right or wrong, of every artwork there ever was."""
        return {(t.id, artwork.name): artwork.tag for t in self.titles for artwork in t.artworks}


def _title(rng: np.random.Generator, key: str) -> Title:
    name, first, second, popularity = TITLES[key]
    genres = [0.0] * len(GENRES)
    genres[GENRES.index(first)], genres[GENRES.index(second)] = 2 / 3, 1 / 3
    count = int(rng.integers(FEWEST, MOST))  # what is added later makes it MOST at most
    motifs = [MOTIFS[i] for i in rng.permutation(len(MOTIFS))[: count + 1].tolist()]
    artworks = []
    for i, motif in enumerate(motifs):
        tag = MOTIFS[int(rng.integers(len(MOTIFS)))] if rng.random() < WRONG_TAGS else motif
        added, withdrawn = int(rng.integers(4, 9)), int(rng.integers(4, 9))
        if i == count:  # every title gets one more artwork some day
            artworks.append(Artwork(motif, motif, tag, first_day=added))
        elif i >= FEWEST and rng.random() < 0.2:
            artworks.append(Artwork(motif, motif, tag, last_day=withdrawn))
        else:
            artworks.append(Artwork(motif, motif, tag))
    return Title(key, name, tuple(genres), popularity, tuple(artworks))
