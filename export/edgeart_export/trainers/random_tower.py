# SPDX-License-Identifier: Apache-2.0
"""A tower that is drawn, not trained: random units, then the directions in which they vary."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..schema import Category, FeatureSchema, Number, Weights
from ..tower import MAX_OUTPUTS, Activation, Layer

Floats = npt.NDArray[np.float64]

_BLOCK = 4096
"""Contexts at a time: 32 MB of units of which there are 1,024."""


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


def random_tower(
    schema: FeatureSchema,
    vectors: npt.NDArray[np.float32],
    *,
    units: int = 1024,
    k: int = 128,
    seed: int = 0,
) -> tuple[Layer, ...]:
    """Two layers for contexts like `vectors` [n, width], n ≥ 1: at most k outputs and a constant.

    The first layer has `units` outputs (at most 1,024): relu of random directions of the
    standardised context, whose inner products approximate the arc-cosine kernel of order 1 (Cho,
    Saul 2009, *Kernel methods for deep learning*; Rahimi, Recht 2008, *Random features for
    large-scale kernel machines*), and, where there is room, pairs relu(z), relu(−z) for each slot,
    whose difference is the slot itself, so that what is linear stays so. The second layer is linear
    and takes the first k principal components of these over the contexts (kernel principal
    components: Schölkopf, Smola, Müller 1998), fewer where fewer vary. In them the precision of a
    head is nearly diagonal, which is what a bundle stores of it. The last output is always 1, the
    heads' intercept. Rewards are not looked at. Same seed, same contexts: same tower.
    """
    centre, factor = standardise(schema, vectors)
    hidden = _hidden(centre, factor, units, seed)
    mean, basis = _components(hidden, vectors, k)
    linear = np.concatenate([basis, np.zeros((hidden.outputs, 1))], axis=1)
    return (
        hidden,
        layer(linear, np.append(-(mean @ basis), 1.0), "identity"),
    )


def layer(weights: Floats, bias: Floats, activation: Activation) -> Layer:
    """A layer of these numbers, rounded to binary32."""
    return Layer(weights.astype(np.float32), bias.astype(np.float32), activation)


def _hidden(centre: Floats, factor: Floats, units: int, seed: int) -> Layer:
    """The random layer; standardising is folded into its weights and bias."""
    rng = np.random.default_rng(seed)
    used = np.flatnonzero(factor)
    dimensions = max(1, len(used))
    pairs = used if 2 * len(used) <= min(units, MAX_OUTPUTS) // 2 else used[:0]
    drawn = min(units, MAX_OUTPUTS) - 2 * len(pairs)
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
    values, directions = np.linalg.eigh(squares / len(vectors) - np.outer(mean, mean))
    kept = np.flatnonzero(values > _LEAST)[::-1][: max(1, k)]
    basis = directions[:, kept]
    # Signs are the eigensolver's choice; the largest element decides, so that they mean something.
    signs = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(len(kept))])
    return mean + origin, basis * signs
