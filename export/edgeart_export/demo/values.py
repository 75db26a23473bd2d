# SPDX-License-Identifier: Apache-2.0
"""What policies are truly worth on the views a day really had; possible only in a simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..log import Log
from ..simulate.audience import Audience, Wave
from .estimates import Shares
from .reward import MINUTES, WINDOW_MS

ORACLE = "oracle"


def true_values(
    audience: Audience, waves: Sequence[Wave], policies: Mapping[str, Shares]
) -> dict[str, float]:
    """The exact mean reward per view if each policy decided all views, and of the oracle.

    The oracle shows every member the artwork with the largest chance among those of the day.
    Every policy must have the artworks of that day and no others.
    """
    sums = dict.fromkeys((*policies, ORACLE), 0.0)
    count = 0
    for wave in waves:
        log = _as_log(audience, wave)
        count += len(log)
        for title in wave.by_title:
            known = audience.catalogue.titles[title]
            live = [i for i, artwork in enumerate(known.artworks) if artwork.on(wave.day)]
            sums[ORACLE] += audience.chances(wave, title)[:, live].max(axis=1).sum()
        for name, shares in policies.items():
            for key, target in shares.of(log).items():
                sums[name] += _value(audience, wave, key, target.artworks, target.values)
    counted = audience.truth.counted(WINDOW_MS, MINUTES)
    return {name: counted * total / count for name, total in sums.items()}


def _value(
    audience: Audience,
    wave: Wave,
    key: str,
    artworks: Sequence[str],
    shares: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> float:
    """Σ over the title's views of Σ over artworks of propensity · chance."""
    titles = audience.catalogue.titles
    title = next(i for i, known in enumerate(titles) if known.id == key)
    place = {artwork.name: i for i, artwork in enumerate(titles[title].artworks)}
    chances = audience.chances(wave, title)[:, [place[artwork] for artwork in artworks]]
    return float((shares * chances).sum())


def _as_log(audience: Audience, wave: Wave) -> Log:
    """The views of a wave; artwork, reward and propensity are of no meaning in it."""
    count = len(wave.visit)
    return Log(
        contexts=[wave.contexts[v] for v in wave.visit.tolist()],
        title=[audience.catalogue.titles[t].id for t in wave.title.tolist()],
        artwork=[""] * count,
        reward=np.zeros(count),
        propensity=np.ones(count),
    )
