# SPDX-License-Identifier: Apache-2.0
"""The simulated audience as a bandit: a round is one title on one member's homepage."""

from __future__ import annotations

import numpy as np

from ..schema import Category, FeatureSchema, Number, Weights
from .audience import COUNTRIES, DEVICES, Audience
from .bandit import Bandit
from .catalogue import GENRES
from .truth import Strength

MEMBERS = 8_000

SCHEMA = FeatureSchema(
    [
        Category("country", list(COUNTRIES)),
        Weights("taste", list(GENRES)),
        Category("device", list(DEVICES)),
        Number("hour", mean=15, std=6, indicator=False),
    ]
)
"""What the service knows of a visit (`audience.Wave.contexts`)."""


def visits(name: str, *, seed: int, n: int, strength: Strength | None = None) -> Bandit:
    """The first n views of the days from 1 on; the reward is that the member takes the title.

    Artworks are those that may be shown on day 1. Unlike in `Audience.respond` a title that was
    taken stays on the member's pages, so that the rounds are the same whatever a learner shows.
    """
    audience = Audience(seed, members=MEMBERS, strength=strength)
    titles = audience.catalogue.titles
    shown = [[i for i, artwork in enumerate(title.artworks) if artwork.on(1)] for title in titles]
    most = max(map(len, shown))
    contexts: list[bytes] = []
    title_parts, chance_parts = [], []
    day = 0
    while len(contexts) < n:
        day += 1
        for wave in audience.day(day):
            chance = np.full((len(wave.visit), most), np.nan)
            for title, views in wave.by_title.items():
                columns = shown[title]
                chance[views, : len(columns)] = audience.chances(wave, title)[:, columns]
            contexts.extend(wave.contexts[visit] for visit in wave.visit.tolist())
            title_parts.append(wave.title)
            chance_parts.append(chance)
    return Bandit(
        name=name,
        schema=SCHEMA,
        titles={
            title.id: [title.artworks[i].name for i in columns]
            for title, columns in zip(titles, shown, strict=True)
        },
        contexts=contexts[:n],
        title=np.concatenate(title_parts)[:n],
        chance=np.concatenate(chance_parts)[:n],
        luck=np.random.default_rng([seed, 12]).random(n),
    )
