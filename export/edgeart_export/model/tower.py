# SPDX-License-Identifier: Apache-2.0
"""The tower: dense layers that turn an encoded context into the vector the rows act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ..errors import ModelError
from .arrays import numbers

Rows = Literal["i8", "f32"]
Activation = Literal["identity", "relu", "tanh"]
MAX_LAYERS = 8
MAX_OUTPUTS = 1024
BOUND = 2.0**19
"""An output beyond ± this is pulled back, before the activation (decision.md §4.1)."""


@dataclass(frozen=True, eq=False, repr=False)
class Layer:
    """One dense layer: activation(inputs · weights + bias).

    weights: float32 [inputs, outputs]; bias: float32 [outputs]; 1 to 1,024 outputs. activation:
    `identity`, `relu` or `tanh`. rows: how a bundle stores the weights, `i8` with a scale for each
    output, or `f32`; None is as the writer is told for everything.

    Arrays are copied, made read-only and cleaned as those of PolicyModel. Raises ModelError.
    """

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    activation: Activation = "relu"
    rows: Rows | None = None

    def __post_init__(self) -> None:
        if self.activation not in get_args(Activation):
            raise ModelError(
                f"a layer's activation must be one of {', '.join(get_args(Activation))}, not "
                f"{self.activation!r}"
            )
        if self.rows is not None and self.rows not in get_args(Rows):
            raise ModelError(f"a layer's rows must be 'i8', 'f32' or None, not {self.rows!r}")
        shape = np.shape(self.weights)
        if len(shape) != 2 or not 1 <= shape[1] <= MAX_OUTPUTS or not 1 <= shape[0] <= MAX_OUTPUTS:
            raise ModelError(
                f"a layer's weights have shape {shape}; [inputs, outputs] is needed, each 1 to "
                f"{MAX_OUTPUTS}"
            )
        set_ = object.__setattr__
        meaning = "[inputs, outputs]", "[outputs]"
        weights = numbers("a layer's weights", self.weights, shape, meaning[0], _weight_place)
        bias = numbers("a layer's bias", self.bias, shape[1:], meaning[1], _bias_place)
        set_(self, "weights", weights)
        set_(self, "bias", bias)

    def __repr__(self) -> str:
        return f"<Layer of {self.inputs} inputs, {self.outputs} outputs, {self.activation}>"

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return int(self.weights.shape[1])


def _weight_place(index: tuple[int, ...]) -> str:
    return f"input {index[0]}, output {index[1]}"


def _bias_place(index: tuple[int, ...]) -> str:
    return f"output {index[0]}"


def check_tower(layers: object, slots: int) -> tuple[Layer, ...]:
    """`layers` as a tuple whose widths fit, from `slots` on. Raises ModelError."""
    if not isinstance(layers, Sequence):
        raise ModelError(f"tower must be a sequence of Layer, not {type(layers).__name__}")
    tower = tuple(layers)
    if len(tower) > MAX_LAYERS:
        raise ModelError(f"the tower has {len(tower)} layers; at most {MAX_LAYERS} are allowed")
    width, giver = slots, "the schema has"
    for i, layer in enumerate(tower):
        if not isinstance(layer, Layer):
            raise ModelError(f"tower layer {i} must be a Layer, not {layer!r}")
        if layer.inputs != width:
            raise ModelError(
                f"tower layer {i} has {layer.inputs} inputs where {giver} {width} "
                f"{'outputs' if i else 'slots'}; its weights are [inputs, outputs]"
            )
        width, giver = layer.outputs, f"layer {i} has"
    return tower


def forward(tower: Sequence[Layer], vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What the layers make of encoded contexts [n, slots], in binary64: u, [n, k].

    As decision.md §4.1 but for rounding, from weights in full precision: for predictions on a
    server, not for decisions.
    """
    u = vectors
    for layer in tower:
        u = np.clip(u @ layer.weights.astype(np.float64) + layer.bias, -BOUND, BOUND)
        if layer.activation == "relu":
            u = np.maximum(u, 0)
        elif layer.activation == "tanh":
            u = np.tanh(u)
    return u
