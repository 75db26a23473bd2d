# SPDX-License-Identifier: Apache-2.0
"""How the demonstration learns: a policy for the next day from the exposures of the days before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from ..explorers import Explorer, Fixed, SquareCB, Uniform
from ..model import PolicyModel
from ..schema import Category, FeatureSchema, Number, Weights
from ..trainers import LinearTrainer
from .exposures import Exposures

Titles = Mapping[str, Sequence[str]]

NAME = "homepage"
TITLE_L2 = 40.0
ARTWORK_L2 = 40.0
LARGEST_WEIGHT = 5.0
"""Bound of the weights in the titles' own regression: bias is harmless there, variance is not."""
PRIOR_EXPOSURES = 150.0
"""As many exposures at its title's mean are added to an artwork's before artworks are compared."""
EXPLORER = SquareCB(gamma=800.0, floor=0.02)


def schema() -> FeatureSchema:
    """What the simulated service tells of a member."""
    return FeatureSchema(
        [
            Category("country", ["US", "GB", "BR", "DE"]),
            Category("device", ["tv", "phone", "tablet"]),
            Number("hour", mean=17.0, std=5.0, indicator=False),
            Weights("taste", ["comedy", "romance", "thriller", "drama", "documentary", "family"]),
        ]
    )


def blank(titles: Titles, sequence: int, explorer: Explorer, name: str = NAME) -> PolicyModel:
    """A policy that knows nothing."""
    inputs, rows = schema(), sum(map(len, titles.values()))
    return PolicyModel(
        name=name,
        sequence=sequence,
        schema=inputs,
        titles=titles,
        weights=np.zeros((rows, inputs.width), dtype=np.float32),
        bias=np.zeros(rows, dtype=np.float32),
        explorer=explorer,
    )


def uniform(titles: Titles, sequence: int) -> PolicyModel:
    """Every artwork alike: where a service begins."""
    return blank(titles, sequence, Uniform())


def personal(exposures: Exposures, titles: Titles, sequence: int) -> PolicyModel:
    """A score per artwork and member: the title's own reward plus how the artwork differs from it.

    Two ridge regressions on the same features. The first is per title, weighted as if every artwork
    had been shown alike (so that it does not move with the policy). The second is per artwork, on
    what the first leaves over. An artwork without exposures scores like its title on average,
    and a title's popularity is not mistaken for an artwork's.
    """
    rows = np.arange(len(exposures))
    vectors = exposures.vectors(rows)
    title = np.array(exposures.title)
    reward = np.array(exposures.reward)
    alike = np.array([len(titles[t]) for t in exposures.title]) * np.array(exposures.propensity)
    base = LinearTrainer(exposures.schema, {t: [t] for t in titles}, l2=TITLE_L2)
    base.partial_fit(
        {
            "title": title,
            "artwork": title,
            "reward": reward,
            "context": vectors,
            "weight": np.minimum(1 / alike, LARGEST_WEIGHT),
        }
    )
    shared = base.solve()
    number = {t: i for i, t in enumerate(titles)}
    expected = np.einsum("ij,ij->i", vectors, shared[[number[t] for t in exposures.title]])
    known = [i for i in rows.tolist() if exposures.artwork[i] in titles[exposures.title[i]]]
    trainer = LinearTrainer(exposures.schema, titles, l2=ARTWORK_L2)
    trainer.partial_fit(
        {
            "title": title[known],
            "artwork": np.array(exposures.artwork)[known],
            "reward": (reward - expected)[known],
            "context": vectors[known],
        }
    )
    own = trainer.to_model(NAME, sequence, EXPLORER, {"trained on": f"{len(rows)} exposures"})
    per_title = [len(artworks) for artworks in titles.values()]
    weights = own.weights + np.repeat(shared, per_title, axis=0).astype(np.float32)
    return dataclasses.replace(own, weights=weights, variance=None)


def unpersonalised(exposures: Exposures, titles: Titles, sequence: int) -> PolicyModel:
    """For everybody the artwork of each title that would earn most if shown to everybody.

    Means are self-normalised by propensity, as those who were shown an artwork are not everybody,
    and drawn towards the title's mean as if by PRIOR_EXPOSURES more.
    """
    pairs = [(t, a) for t, artworks in titles.items() for a in artworks]
    row = {pair: i for i, pair in enumerate(pairs)}
    at = np.array([row.get(p, -1) for p in zip(exposures.title, exposures.artwork, strict=True)])
    weight = 1 / np.array(exposures.propensity)[at >= 0]
    reward, at = np.array(exposures.reward)[at >= 0], at[at >= 0]
    total, squares, earned = (
        np.bincount(at, weights=w, minlength=len(pairs))
        for w in (weight, weight**2, weight * reward)
    )
    size = np.divide(total**2, squares, out=np.zeros(len(pairs)), where=squares > 0)
    mean = np.divide(earned, total, out=np.zeros(len(pairs)), where=total > 0)
    best, first = {}, 0
    for title, artworks in titles.items():
        part = slice(first, first + len(artworks))
        first = part.stop
        of_title = earned[part].sum() / max(total[part].sum(), 1.0)
        value = size[part] * mean[part] + PRIOR_EXPOSURES * of_title
        choice = artworks[int(np.argmax(value / (size[part] + PRIOR_EXPOSURES)))]
        best[title] = sorted(artworks, key=lambda artwork, choice=choice: artwork != choice)
    return blank(best, sequence, Fixed(), "unpersonalised")
