# SPDX-License-Identifier: Apache-2.0
"""The output of a tower that is always 1: the intercept of the heads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ModelError
from ..model.tower import MAX_OUTPUTS, Activation, Layer

_FAR = 20.0  # tanh of it is 1 in binary32: 1 − 8.5e-18


def constant_bias(activation: Activation) -> float:
    """The bias with which an output without weights is 1."""
    return _FAR if activation == "tanh" else 1.0


def with_constant(tower: Sequence[Layer]) -> tuple[Layer, ...]:
    """The tower with a last output that is always 1; as it is where it has one.

    Raises ModelError for one without layers, or whose last has no room.
    """
    if not tower:
        raise ModelError("a tower of no layers: use LinearTrainer, whose heads see the context")
    last = tower[-1]
    bias = constant_bias(last.activation)
    if not last.weights[:, -1].any() and (
        last.bias[-1] == bias or (last.activation == "tanh" and last.bias[-1] > _FAR)
    ):
        return tuple(tower)
    if last.outputs == MAX_OUTPUTS:
        raise ModelError(
            f"the tower's last layer has {MAX_OUTPUTS} outputs, which leaves none for the "
            f"intercept; give one with {MAX_OUTPUTS - 1}"
        )
    weights = np.concatenate([last.weights, np.zeros((last.inputs, 1), np.float32)], axis=1)
    widened = Layer(weights, np.append(last.bias, np.float32(bias)), last.activation, last.rows)
    return (*tower[:-1], widened)
