# SPDX-License-Identifier: Apache-2.0
"""How the demonstration learns: a policy for the next day from the exposures of the days before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..exposures import Exposures
from ..exposures.usable import cut
from ..model import PolicyModel
from ..model.explorers import Explorer, Fixed, SquareCB, Uniform
from ..schema import Category, FeatureSchema, Number, Weights
from ..trainers import LinearTrainer

Titles = Mapping[str, Sequence[str]]
Tags = Mapping[tuple[str, str], str]
Ints = npt.NDArray[np.intp]

NAME = "homepage"
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
    """A score per artwork and member: the linear trainer, with tags as what is known of artworks.

    What artworks of a tag have in common is learned within titles, over all of them; an artwork
    without exposures scores as its title and its tag do, and one whose tag is wrong is set right by
    its own. Artworks that are shown no longer still tell of their tags.

    tags: (title, artwork) → tag, of every artwork that was or is to be shown.
    """
    title, artwork = exposures.title[rows], exposures.artwork[rows]
    seen = dict.fromkeys(zip(title.tolist(), artwork.tolist(), strict=True))
    every = {
        t: list(dict.fromkeys([*row, *(a for u, a in seen if u == t)])) for t, row in titles.items()
    }
    trainer = LinearTrainer(schema(), every, artworks=tags)
    trainer.fit(
        {
            "title": title,
            "artwork": artwork,
            "reward": exposures.reward[rows],
            "context": exposures.vectors(rows),
        }
    )
    meta = {"exposures": str(len(title)), **cut(exposures, rows)}
    model = trainer.to_model(NAME, sequence, EXPLORER, meta, titles=titles)
    return dataclasses.replace(model, variance=None)  # no explorer of the demonstration looks


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
