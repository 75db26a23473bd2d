# SPDX-License-Identifier: Apache-2.0
"""Generated sets that settings of the trainers are chosen on, and nobody is judged by.

A seed is a world. They are played by name (`--sets gauss correlated many pixels`), not by default.
"""

from __future__ import annotations

import numpy as np

from edgeart_export.simulate.bandit import Bandit
from edgeart_export.simulate.supervised import supervised


def gauss(seed: int, n: int | None) -> Bandit:
    """Ten classes, each a normal cloud in 20 dimensions: nearly linear."""
    rng = np.random.default_rng([seed, 92])
    centres = rng.normal(0, 0.9, (10, 20))
    labels = rng.integers(10, size=10_000)
    features = centres[labels] + rng.normal(size=(10_000, 20))
    return supervised("gauss", features, labels, seed=seed, n=n)


def many(seed: int, n: int | None) -> Bandit:
    """26 classes of two clouds each in 16 dimensions, rounded to halves."""
    rng = np.random.default_rng([seed, 93])
    centres = rng.normal(0, 1.2, (52, 16))
    cloud = rng.integers(52, size=20_000)
    features = np.round(2 * (centres[cloud] + rng.normal(size=(20_000, 16))))
    return supervised("many", features, cloud % 26, seed=seed, n=n)


def correlated(seed: int, n: int | None) -> Bandit:
    """20 classes of two clouds each, in 16 dimensions of which few directions vary much."""
    rng = np.random.default_rng([seed, 95])
    mixed = rng.normal(size=(16, 16)) @ np.diag(0.75 ** np.arange(16))
    centres = rng.normal(0, 1.2, (40, 16))
    cloud = rng.integers(40, size=20_000)
    features = (centres[cloud] + rng.normal(size=(20_000, 16))) @ mixed
    return supervised("correlated", np.round(3 * features), cloud % 20, seed=seed, n=n)


def pixels(seed: int, n: int | None) -> Bandit:
    """Ten classes of pictures of 8 × 8 grey levels: five blots each, a little out of place."""
    rng = np.random.default_rng([seed, 96])
    grid = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(64, 2)
    blots = rng.uniform(0, 7, (10, 5, 2))
    labels = rng.integers(10, size=6000)
    places = blots[labels] + rng.normal(0, 0.5, (6000, 5, 2))
    distance = ((grid[None, :, None, :] - places[:, None]) ** 2).sum(axis=-1)
    ink = 10 * np.exp(-distance / 1.2).sum(axis=2)
    features = np.clip(np.round(ink + rng.normal(0, 0.4, ink.shape)), 0, 16)
    return supervised("pixels", features, labels, seed=seed, n=n)
