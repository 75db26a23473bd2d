# SPDX-License-Identifier: Apache-2.0
"""A tower that is drawn, not trained: random units, then the directions in which they vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..model.tower import MAX_OUTPUTS, Activation, Layer
from ..schema import Category, FeatureSchema, Number, Weights
from .rows import Rows

Floats = npt.NDArray[np.float64]

_BLOCK = 4096
"""Contexts at a time: 32 MB of units of which there are 1,024."""


_MORE, _ROUNDS = 32, 4
"""Directions more than asked for, and rounds, of the iteration for the leading ones."""


def standardise(schema: FeatureSchema, vectors: npt.NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Centre and factor of every slot, float64 [width] each, from encoded contexts [n, width].

    (x − centre) · factor has mean 0. A number's slot and each of a vector's gets variance 1; the
    slots of a category and of weights share one factor, with which their variances add up to 1, so
    that a rare word is not blown up; a missing indicator and the intercept are left as they are,
    the intercept as 0. A slot that does not vary here gets the factor 0.
    """
    centre = vectors.mean(axis=0, dtype=np.float64)
    variance = vectors.var(axis=0, dtype=np.float64)
    factor = np.zeros(schema.width)
    first = 0
    for feature in schema.features:
        slots = slice(first, first + feature.width)
        first += feature.width
        if isinstance(feature, Category | Weights):
            factor[slots] = _inverse_root(variance[slots].sum())
        else:
            factor[slots] = _inverse_root(variance[slots])
            if isinstance(feature, Number) and feature.indicator:
                factor[slots.stop - 1] = 1.0
    factor[variance <= _LEAST] = 0.0
    return centre, factor


_LEAST = 2.0**-40
"""A variance up to this is none: it is what rounding leaves of a slot that never changes."""


def _inverse_root(variance: Floats | np.floating) -> Floats:
    return np.asarray(1.0 / np.sqrt(np.maximum(variance, _LEAST)))


@dataclass(frozen=True)
class RandomTower:
    """One layer of random units and one of the directions in which they vary; nothing is trained.

    The first layer has `units` outputs (1 to 1,024): relu of random directions of the standardised
    context, whose inner products approximate the arc-cosine kernel of order 1 (Cho, Saul 2009,
    *Kernel methods for deep learning*; Rahimi, Recht 2008, *Random features for large-scale kernel
    machines*), and, where there is room, pairs relu(z), relu(−z) for each slot, whose difference is
    the slot itself, so that what is linear stays so. The second layer is linear and takes the first
    k (1 to 1,023) principal components of these over the contexts (kernel principal components:
    Schölkopf, Smola, Müller 1998), fewer where fewer vary. In them the precision of a head is
    nearly diagonal, which is what a bundle keeps of it. Its last output is always 1, the heads'
    intercept. Rewards are not looked at. The same seed and contexts give the same tower.
    """

    units: int = 1024
    k: int = 128
    seed: int = 0
    l2: ClassVar[float] = 0.1

    def __post_init__(self) -> None:
        for name, most in (("units", MAX_OUTPUTS), ("k", MAX_OUTPUTS - 1)):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= most:
                raise DataError(f"{name} must be an int from 1 to {most}, not {value!r}")

    def learn(
        self,
        schema: FeatureSchema,
        rows: Rows,
        artworks: int,
        start: tuple[Sequence[Layer], Floats] | None = None,  # noqa: ARG002 - a seed is a start
    ) -> tuple[tuple[Layer, ...], Floats]:
        """The tower for contexts as those of rows (n ≥ 1), and 0 for its rows, [R, outputs]."""
        centre, factor = standardise(schema, rows.vectors)
        hidden = _hidden(centre, factor, self.units, self.seed)
        mean, basis = _components(hidden, rows.vectors, self.k)
        linear = np.concatenate([basis, np.zeros((hidden.outputs, 1))], axis=1)
        last = layer(linear, np.append(-(mean @ basis), 1.0), "identity")
        return (hidden, last), np.zeros((artworks, last.outputs))


def layer(weights: Floats, bias: Floats, activation: Activation) -> Layer:
    """A layer of these numbers, rounded to binary32."""
    return Layer(weights.astype(np.float32), bias.astype(np.float32), activation)


def _hidden(centre: Floats, factor: Floats, units: int, seed: int) -> Layer:
    """The random layer; standardising is folded into its weights and bias."""
    rng = np.random.default_rng(seed)
    used = np.flatnonzero(factor)
    dimensions = max(1, len(used))
    pairs = used if 2 * len(used) <= units // 2 else used[:0]
    drawn = units - 2 * len(pairs)
    directions = np.zeros((len(centre), drawn))
    directions[used] = rng.normal(size=(len(used), drawn)) / np.sqrt(dimensions)
    # The arc-cosine kernel of the context with a constant 1 beside it. √(2/units) makes the inner
    # product of a typical context with itself about 1, whatever the number of units.
    offset = rng.normal(size=drawn)
    scale = np.sqrt(2.0 / max(1, drawn))
    straight = np.zeros((len(centre), len(pairs)))
    straight[pairs, np.arange(len(pairs))] = 1.0 / np.sqrt(dimensions)
    weights = np.concatenate([directions * scale, straight, -straight], axis=1) * factor[:, None]
    bias = np.concatenate([offset * scale, np.zeros(2 * len(pairs))])
    return layer(weights, bias - centre @ weights, "relu")


def _components(hidden: Layer, vectors: npt.NDArray[np.float32], k: int) -> tuple[Floats, Floats]:
    """Mean of the units [units] and the directions of largest variance [units, ≤ k]."""
    weights = hidden.weights.astype(np.float64)
    total, squares = np.zeros(hidden.outputs), np.zeros((hidden.outputs, hidden.outputs))
    # About the first context, so that sums of squares do not cancel.
    origin = np.maximum(vectors[0] @ weights + hidden.bias, 0)
    for first in range(0, len(vectors), _BLOCK):
        part = np.maximum(vectors[first : first + _BLOCK] @ weights + hidden.bias, 0) - origin
        total += part.sum(axis=0)
        squares += part.T @ part
    mean = total / len(vectors)
    values, directions = _leading(squares / len(vectors) - np.outer(mean, mean), k)
    basis = directions[:, values > _LEAST]
    # Signs are the eigensolver's choice; the largest element decides, so that they mean something.
    signs = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])])
    return mean + origin, basis * signs


def _leading(covariance: Floats, k: int) -> tuple[Floats, Floats]:
    """The k largest eigenvalues and their vectors, largest first: [k], [n, k]; fewer if n is.

    By subspace iteration where k is small beside n: a tenth of the time of finding all (Halko,
    Martinsson, Tropp 2011, *Finding structure with randomness*, algorithm 4.4). Always from the
    same start.
    """
    n, size = len(covariance), k + _MORE
    if 2 * size >= n:
        values, directions = np.linalg.eigh(covariance)
        return values[::-1][:k], directions[:, ::-1][:, :k]
    q = np.random.default_rng(0).normal(size=(n, size))
    for _ in range(_ROUNDS):
        q = np.linalg.qr(covariance @ q)[0]
    values, turn = np.linalg.eigh(q.T @ covariance @ q)
    return values[::-1][:k], (q @ turn)[:, ::-1][:, :k]
