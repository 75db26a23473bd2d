# SPDX-License-Identifier: Apache-2.0
"""A simulated audience, in which the true chance of a play is known for every artwork.

A member has a country, a taste (weights over six genres), a device and an hour. An artwork shows a
motif, and a motif speaks to some genres. The chance that a member plays a title on seeing one of
its artworks is

    1 / (1 + exp(−(base of the title + appeal of the artwork + 3 · Σ taste · genres of the artwork
                   + 0.4 · (dark artwork after 20 h))))

so it is not linear in the context, as in life no trained model is quite right. Everything follows
from a seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..schema import Category, FeatureSchema, Number, Weights

Floats = npt.NDArray[np.float64]

GENRES = ("comedy", "romance", "thriller", "drama", "documentary", "family")
COUNTRIES = ("US", "GB", "BR", "DE")
DEVICES = ("tv", "phone", "tablet")

# Motif → what it says to each of GENRES.
MOTIFS: dict[str, tuple[float, ...]] = {
    "laugh": (1.0, 0.1, -0.3, 0.0, -0.2, 0.4),
    "couple": (0.2, 1.0, -0.2, 0.3, -0.3, 0.0),
    "chase": (-0.1, -0.2, 1.0, 0.0, -0.2, -0.2),
    "portrait": (0.0, 0.2, 0.2, 0.9, 0.1, -0.2),
    "landscape": (-0.1, 0.1, 0.0, 0.2, 1.0, 0.1),
    "child": (0.2, 0.0, -0.4, 0.2, 0.0, 1.0),
    "night": (-0.2, 0.1, 0.7, 0.3, 0.1, -0.4),
    "ensemble": (0.5, 0.2, 0.1, 0.4, 0.0, 0.5),
    "archive": (-0.2, -0.1, 0.1, 0.4, 0.8, -0.1),
    "lettering": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
}
DARK = ("chase", "night")

# Title → how many artworks it has; motifs are dealt to it by the seed.
TITLES: dict[str, int] = {
    "harbour-lights": 8,
    "the-long-winter": 6,
    "two-left-shoes": 10,
    "paper-moons": 5,
    "salt-and-cedar": 7,
    "night-ferry": 9,
    "the-beekeepers": 4,
    "north-by-tram": 8,
    "sunday-orchestra": 6,
    "glass-canyon": 10,
    "little-giants": 7,
    "last-call-lisbon": 8,
}


@dataclass(frozen=True, eq=False)
class Members:
    """n members: field maps as an app would give them, and the taste [n, genres] and hour [n]."""

    contexts: list[dict[str, object]]
    taste: Floats
    hour: Floats


class Audience:
    """Titles, artworks and how members respond to them; the same for one seed."""

    def __init__(self, seed: int = 7) -> None:
        self.seed = seed
        rng = np.random.default_rng([seed, 0])
        self.titles: dict[str, list[str]] = {}
        self.genres: dict[str, Floats] = {}
        self._base: dict[str, float] = {}
        self._appeal: dict[str, Floats] = {}
        for title, count in TITLES.items():
            motifs = [[*MOTIFS][i] for i in rng.permutation(len(MOTIFS))[:count].tolist()]
            self.titles[title] = motifs
            told = np.array([MOTIFS[motif] for motif in motifs])
            self.genres[title] = told + rng.normal(0, 0.15, told.shape)
            self._base[title] = float(rng.normal(-2.2, 0.4))
            self._appeal[title] = rng.normal(0, 0.25, count)

    def schema(self) -> FeatureSchema:
        """What the simulated app tells of a member."""
        return FeatureSchema(
            [
                Category("country", COUNTRIES),
                Weights("taste", GENRES),
                Category("device", DEVICES),
                Number("hour", mean=15.0, std=5.0),
            ]
        )

    def members(self, count: int, draw: int) -> Members:
        """`count` members; another `draw` gives others."""
        rng = np.random.default_rng([self.seed, 1, draw])
        taste = rng.dirichlet(np.full(len(GENRES), 0.35), size=count).round(3)
        hour = rng.integers(7, 24, size=count)
        country = rng.choice(COUNTRIES, p=(0.5, 0.2, 0.2, 0.1), size=count)
        device = rng.choice(DEVICES, p=(0.6, 0.3, 0.1), size=count)
        contexts: list[dict[str, object]] = [
            {
                "country": str(country[i]),
                "taste": {g: w for g, w in zip(GENRES, taste[i].tolist(), strict=True) if w},
                "device": str(device[i]),
                "hour": int(hour[i]),
            }
            for i in range(count)
        ]
        total = taste.sum(axis=1, keepdims=True)
        return Members(contexts, taste / total, hour.astype(np.float64))

    def chances(self, members: Members, title: str) -> Floats:
        """The true chance of a play for each artwork of a title: [members, artworks]."""
        dark = np.array([motif in DARK for motif in self.titles[title]])
        late = (members.hour >= 20)[:, None] & dark
        logit = self._base[title] + self._appeal[title] + 3 * members.taste @ self.genres[title].T
        chances: Floats = 1 / (1 + np.exp(-(logit + 0.4 * late)))
        return chances
