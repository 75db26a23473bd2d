# SPDX-License-Identifier: Apache-2.0
"""The sets: three of the UCI repository, the simulated audience, and two generated ones.

The generated worlds are new for every seed. What the trainers do by default was chosen on sets of
this generated kind, of which `needles` and `patches` are two, not on the recorded ones.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgeart_export.simulate.bandit import Bandit
from edgeart_export.simulate.supervised import drawn, supervised
from edgeart_export.simulate.visits import visits

from . import development
from .own import own

RECORDED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "classification"
VISITS = 20_000
ROWS = 10_000

# File → its separator and the column of the class.
_FILES = {
    "satimage": (None, -1),
    "optdigits": (",", -1),
    "letter-recognition": (",", 0),
}


def _file(name: str) -> Path:
    return RECORDED / f"{name}.data.gz"


def absent(name: str) -> str | None:
    """Why a set is not there; None where it is."""
    if name in _FILES and not _file(name).exists():
        return f"{name}: recorded data that is not part of the repository ({_file(name)})"
    if name not in (known := [*SETS, *DEVELOPMENT]) and not Path(name).exists():
        return f"{name}: neither a set ({', '.join(known)}) nor a file"
    return None


def _recorded(name: str) -> Callable[[int, int | None], Bandit]:
    def made(seed: int, n: int | None) -> Bandit:
        separator, column = _FILES[name]
        with gzip.open(_file(name), "rt", encoding="ascii") as lines:
            rows = [line.split(separator) for line in lines if line.strip()]
        labels = [row.pop(column).strip() for row in rows]
        features = np.array(rows, dtype=np.float64)
        return supervised(name, features, labels, seed=seed, n=n)

    return made


def _audience(seed: int, n: int | None) -> Bandit:
    return visits("audience", seed=seed, n=VISITS if n is None else n)


def needles(seed: int, n: int | None) -> Bandit:
    """Linear with noise: 6 of 50 features decide among 8 artworks, by a softmax of 3·z·W."""
    rng = np.random.default_rng([seed, 21])
    features = rng.normal(size=(ROWS, 50))
    weights = rng.normal(size=(6, 8)) / np.sqrt(6)
    logit = 3 * features[:, :6] @ weights
    chance = np.exp(logit - logit.max(axis=1, keepdims=True))
    chance /= chance.sum(axis=1, keepdims=True)
    return drawn("needles", features, chance, [f"artwork-{i}" for i in range(8)], seed=seed, n=n)


def patches(seed: int, n: int | None) -> Bandit:
    """Not linear: each of 6 artworks is right in four patches of 8 dimensions; 4 more are noise.

    Patches are normal, 0.6 wide, round centres that are normal, 1.5 wide.
    """
    rng = np.random.default_rng([seed, 22])
    centres = rng.normal(0, 1.5, (24, 8))
    patch = rng.integers(24, size=ROWS)
    place = centres[patch] + rng.normal(0, 0.6, (ROWS, 8))
    features = np.hstack([place, rng.normal(size=(ROWS, 4))])
    return supervised("patches", features, patch % 6, seed=seed, n=n)


SETS: dict[str, Callable[[int, int | None], Bandit]] = {
    **{name: _recorded(name) for name in _FILES},
    "audience": _audience,
    "needles": needles,
    "patches": patches,
}
"""Name → the set's bandit for a seed and a number of rounds (None: all rows)."""

DEVELOPMENT: dict[str, Callable[[int, int | None], Bandit]] = {
    "gauss": development.gauss,
    "many": development.many,
    "correlated": development.correlated,
    "pixels": development.pixels,
}
"""The same for sets that are not played unless they are asked for."""


def bandit(name: str, seed: int, n: int | None) -> Bandit:
    """A set's bandit by its name, or by the path of a file (`own`)."""
    made = SETS.get(name) or DEVELOPMENT.get(name)
    return made(seed, n) if made else own(name, seed, n)
