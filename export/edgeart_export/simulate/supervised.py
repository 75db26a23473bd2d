# SPDX-License-Identifier: Apache-2.0
"""Classification data as a bandit: features are the context, classes the artworks of one title."""

from __future__ import annotations

from collections.abc import Sequence

import msgpack
import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..schema import FeatureSchema, Vector
from .bandit import Bandit, Floats, Ints

TITLE = "title"
CLIP = 8.0  # standard deviations


def supervised(
    name: str,
    features: npt.NDArray[np.floating],
    labels: Sequence[object] | npt.NDArray[np.generic],
    *,
    seed: int,
    n: int | None = None,
) -> Bandit:
    """The rows in random order; showing the artwork of the row's class earns 1, any other 0.

    features: [rows, d], standardised over all rows and clipped to ±8, as one Vector feature "x"; a
    constant one becomes 0. labels: [rows]. n: take so many rows; None takes all. The conversion is
    that of Dudík, Langford, Li 2011, *Doubly robust policy evaluation and learning*, §5.
    Raises DataError where there are not as many labels as rows, or fewer rows than n.
    """
    classes, artwork = np.unique(np.asarray(labels), return_inverse=True)
    if len(artwork) != len(features):
        raise DataError(f"{name}: {len(artwork)} labels for {len(features)} rows of features")
    chance = np.zeros((len(features), len(classes)))
    chance[np.arange(len(features)), artwork] = 1.0
    return drawn(name, features, chance, [str(c) for c in classes.tolist()], seed=seed, n=n)


def drawn(
    name: str,
    features: npt.NDArray[np.floating],
    chance: Floats,
    artworks: Sequence[str],
    *,
    seed: int,
    n: int | None = None,
) -> Bandit:
    """As `supervised`, from the chance that each artwork earns: float64 [rows, artworks]."""
    rows = len(features)
    if n is not None and not 1 <= n <= rows:
        raise DataError(f"{name}: {n} rounds were asked for, there are {rows} rows")
    rng = np.random.default_rng([seed, 11])
    order: Ints = rng.permutation(rows)[:n]
    deviation = features.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    standard = ((features - features.mean(axis=0)) / scale).astype("<f4")[order]
    return Bandit(
        name=name,
        schema=FeatureSchema([Vector("x", features.shape[1], clip=CLIP)]),
        titles={TITLE: list(artworks)},
        contexts=[msgpack.packb({"x": row.tobytes()}) for row in standard],
        title=np.zeros(len(order), dtype=np.int64),
        chance=chance[order],
        luck=rng.random(len(order)),
    )
