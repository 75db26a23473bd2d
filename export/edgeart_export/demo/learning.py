# SPDX-License-Identifier: Apache-2.0
"""How the demonstration learns: a policy for the next day from the exposures of the days before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..explorers import Explorer, Fixed, SquareCB, Uniform
from ..exposures import Exposures
from ..exposures_usable import cut
from ..model import PolicyModel
from ..schema import Category, FeatureSchema, Number, Weights
from ..trainers import LinearTrainer

Titles = Mapping[str, Sequence[str]]
Tags = Mapping[tuple[str, str], str]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

NAME = "homepage"
TITLE_L2 = 40.0
TAG_L2 = 20.0
ARTWORK_L2 = 60.0
LARGEST_WEIGHT = 5.0
"""Bound of the weights in the titles' own regression: bias is harmless there, variance is not."""
EXPLORER = SquareCB(gamma=2000.0, floor=0.012)


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


def personal(
    exposures: Exposures, rows: Ints, titles: Titles, tags: Tags, sequence: int
) -> PolicyModel:
    """A score per artwork and member, in three steps that each learn what the ones before left.

    Three ridge regressions on the same features: per title (so that a title's popularity is not
    mistaken for an artwork's), weighted as if every artwork had been shown alike (so that it does
    not move with the policy); per tag, over all titles; per artwork. An artwork without exposures
    scores as its title and its tag do, and one whose tag is wrong is set right by its own.

    tags: (title, artwork) → tag, of every artwork that was or is to be shown.
    """
    inputs = schema()
    title, artwork = exposures.title[rows], exposures.artwork[rows]
    vectors = exposures.vectors(rows)
    pairs = list(zip(title.tolist(), artwork.tolist(), strict=True))
    tag = np.array([tags[pair] for pair in pairs])
    alike = np.array([1 / len(titles[t]) for t, _ in pairs])
    weight = np.minimum(alike / exposures.propensity[rows], LARGEST_WEIGHT)
    steps = [(title, [*titles], TITLE_L2, weight), (tag, sorted({*tags.values()}), TAG_L2, None)]
    left = exposures.reward[rows]
    learned: list[dict[str, Floats]] = []
    for group, groups, l2, weights in steps:
        trainer = LinearTrainer(inputs, {g: [g] for g in groups}, l2=l2)
        batch = {"title": group, "artwork": group, "reward": left, "context": vectors}
        trainer.partial_fit(batch if weights is None else {**batch, "weight": weights})
        solved = trainer.solve()
        number = {g: i for i, g in enumerate(groups)}
        own = solved[[number[g] for g in group.tolist()]]
        left = left - np.einsum("ij,ij->i", vectors, own)
        learned.append(dict(zip(groups, solved, strict=True)))
    here = np.array([a in titles[t] for t, a in pairs])
    trainer = LinearTrainer(inputs, titles, l2=ARTWORK_L2)
    trainer.partial_fit(
        {
            "title": title[here],
            "artwork": artwork[here],
            "reward": left[here],
            "context": vectors[here],
        }
    )
    model = trainer.to_model(
        NAME, sequence, EXPLORER, {"exposures": str(len(title)), **cut(exposures, rows)}
    )
    shared = [learned[0][t] + learned[1][tags[t, a]] for t, a in model.artworks]
    return dataclasses.replace(
        model, weights=model.weights + np.array(shared, dtype=np.float32), variance=None
    )


def unpersonalised(
    model: PolicyModel, exposures: Exposures, rows: Ints, sequence: int
) -> PolicyModel:
    """For everybody the artwork of each title with the highest estimated mean.

    The mean is of the model's predictions over all who saw the title, whichever artwork they saw:
    those who were shown an artwork are not everybody. (Means of rewards weighted by propensity are
    so noisy that their best is worse.)
    """
    title, vectors = exposures.title[rows], exposures.vectors(rows)
    best = {}
    for key, part in model.title_rows().items():
        mean = vectors[title == key].mean(axis=0, dtype=np.float64)
        predicted = model.weights[part.start : part.stop] @ mean
        first = model.titles[key][int(np.argmax(predicted))]
        best[key] = [first, *(a for a in model.titles[key] if a != first)]
    return blank(best, sequence, Fixed(), "unpersonalised")
