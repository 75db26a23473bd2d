# SPDX-License-Identifier: Apache-2.0
"""How far quantised scores can be off those of f32 rows and layers, whatever the context is.

Triangle inequalities, from the slots to the scores. Slots lie where decision.md §3 lets them: of a
category one is 1, the absolute values of weights add up to 1, a number or an element of a vector is
at most its clip. Through a layer go |y| ≤ Σ |x|·|w| + |bias| and, as no activation stretches
anything, |y − y'| ≤ Σ |x|·|w − w'| + |x − x'|·|w'|. For i8 rows u itself is taken as multiples of
σ = max |u| / 127, so that each uᵢ is off by σ / 2 at most. What binary32 rounds is allowed for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..model import PolicyModel
from ..model.tower import BOUND
from ..schema import Category, FeatureSchema, Number, Vector, Weights

Doubles = npt.NDArray[np.float64]
Stored = tuple[npt.NDArray[np.float64], bool]
"""Weights as they act, and whether they are i8."""

ROUNDING = 2.0**-24
"""Relative error of one binary32 operation."""


class Inputs:
    """What a vector can be: `most` Σ |xᵢ|·aᵢ for any a ≥ 0, and the largest |xᵢ|."""

    def __init__(self, schema: FeatureSchema) -> None:
        self.size = schema.width
        self._boxed = np.ones(schema.width)  # most of each slot, where slots are independent
        self._shared: list[slice] = []  # slots that share a total of 1
        first = 0
        for feature in schema.features:
            own = slice(first, first + feature.width)
            first = own.stop
            if isinstance(feature, Category | Weights):
                self._shared.append(own)
                self._boxed[own] = 0
            elif isinstance(feature, Vector):
                self._boxed[own] = feature.clip
            elif isinstance(feature, Number):
                self._boxed[own.start] = feature.clip
        self.largest = max(1.0, float(self._boxed.max()))

    def most(self, amounts: Doubles) -> Doubles:
        """Of each row of amounts [n, size]."""
        found: Doubles = amounts @ self._boxed
        for own in self._shared:
            found += amounts[:, own].max(axis=1)
        return found


class Box(Inputs):
    """A vector whose elements are independent, each at most so large."""

    def __init__(self, bounds: Doubles) -> None:
        self.size = len(bounds)
        self._boxed, self._shared = bounds, []
        self.largest = float(bounds.max(initial=0))


def score_bounds(model: PolicyModel, layers: Sequence[Stored], rows: Stored) -> Doubles:
    """Of each row the most that its score can be off, float64 [R].

    layers, rows: what a bundle has in place of the tower's weights [inputs, m] and of the rows'.
    """
    inputs: Inputs = Inputs(model.schema)
    off = np.zeros(inputs.size)  # most that an input is off
    for layer, (stored, _) in zip(model.tower, layers, strict=True):
        exact, acting = layer.weights.T.astype(np.float64), stored.T
        bias = np.abs(layer.bias.astype(np.float64))
        error = _error(inputs, off, exact, acting, bias)
        reach = np.maximum(inputs.most(np.abs(exact)), inputs.most(np.abs(acting))) + bias
        reach = np.minimum(reach, BOUND)
        if layer.activation == "tanh":
            reach = np.minimum(reach, 1.0)
            error = error + 4 * ROUNDING
        off, inputs = np.minimum(error, 2 * reach), Box(reach)
    acting, quantised = rows
    bias = np.abs(model.bias.astype(np.float64))
    bounds = _error(inputs, off, model.weights.astype(np.float64), acting, bias)
    if quantised:
        bounds = bounds + inputs.largest / 127 / 2 * (1 + 8 * ROUNDING) * np.abs(acting).sum(axis=1)
    return bounds


def _error(inputs: Inputs, off: Doubles, exact: Doubles, acting: Doubles, bias: Doubles) -> Doubles:
    """Of each sum [n] over inputs the most that it is off; exact, acting: weights [n, size]."""
    size = np.abs(acting)
    found: Doubles = inputs.most(np.abs(exact - acting)) + size @ off
    # Each of two sums of as many products rounds at most so much.
    largest = inputs.most(np.maximum(size, np.abs(exact))) + bias
    return found + 2 * (inputs.size + 4) * ROUNDING * largest
