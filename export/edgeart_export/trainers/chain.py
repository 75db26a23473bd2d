# SPDX-License-Identifier: Apache-2.0
"""A network that was read step by step, put together as the layers of a tower and tried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import ModelError
from ..examples import sample
from ..model.tower import BOUND, MAX_OUTPUTS, Activation, Layer, check_tower, forward
from ..schema import FeatureSchema

Floats = npt.NDArray[np.float64]

_CONTEXTS = 64
_TOLERANCE = 1e-3
"""Of the largest output: far above what binary32 leaves, far below what a wrong step does."""


@dataclass(frozen=True, eq=False)
class Multiply:
    """A product with weights, float64 [inputs, outputs]; `where` is what errors name."""

    weights: Floats
    where: str


@dataclass(frozen=True, eq=False)
class Add:
    """A sum with a constant, float64 [outputs] or [1]."""

    bias: Floats
    where: str


@dataclass(frozen=True)
class Activate:
    """relu or tanh of every value."""

    activation: Activation
    where: str


Step: TypeAlias = Multiply | Add | Activate


def stack(steps: Sequence[Step], schema: FeatureSchema) -> tuple[Layer, ...]:
    """The steps as layers that take encoded contexts [n, schema.width].

    The network takes all slots, or all but the intercept, which comes last: then its weight is 0.
    Raises ModelError that names the step that does not fit, or says what of the tower's limits is
    passed (8 layers of at most 1,024 outputs).
    """
    layers: list[Layer] = []
    width = inputs_of(steps, schema)
    weights: Floats | None = None
    bias = np.zeros(width)

    def close(activation: Activation) -> None:
        nonlocal weights, bias
        full = np.eye(width) if weights is None else weights
        if not layers and len(full) < schema.width:
            full = np.vstack([full, np.zeros(full.shape[1])])
        layers.append(Layer(full.astype(np.float32), bias.astype(np.float32), activation))
        weights, bias = None, np.zeros(width)

    for step in steps:
        if isinstance(step, Multiply):
            if weights is not None or bias.any():
                close("identity")
            if step.weights.ndim != 2 or len(step.weights) != width:
                raise ModelError(
                    f"{step.where}: weights of shape {step.weights.shape} where {width} values come"
                )
            weights, width = step.weights, step.weights.shape[1]
            if width > MAX_OUTPUTS:
                raise ModelError(
                    f"{step.where}: {width} outputs; a tower's layer has at most {MAX_OUTPUTS}"
                )
            bias = np.zeros(width)
        elif isinstance(step, Add):
            if step.bias.shape not in ((width,), (1,)):
                raise ModelError(
                    f"{step.where}: a constant of shape {step.bias.shape} where {width} values come"
                )
            bias = bias + step.bias
        else:
            close(step.activation)
    if weights is not None or bias.any() or not layers:
        close("identity")
    return check_tower(layers, schema.width)


def inputs_of(steps: Sequence[Step], schema: FeatureSchema) -> int:
    """How many inputs the network takes: as many as the first product, else all slots."""
    for step in steps:
        if isinstance(step, Multiply) and step.weights.ndim == 2:
            inputs = len(step.weights)
            if inputs not in (schema.width, schema.width - 1):
                raise ModelError(
                    f"{step.where}: the network takes {inputs} inputs; the schema has "
                    f"{schema.width} slots, {schema.width - 1} of them without the intercept"
                )
            return inputs
    return schema.width


def check_lifted(
    tower: Sequence[Layer],
    schema: FeatureSchema,
    inputs: int,
    run: Callable[[npt.NDArray[np.float32]], Floats],
) -> None:
    """Compares the tower with the network itself, `run`, on contexts drawn from the schema.

    Raises ModelError where they differ, as they do where values pass the tower's bounds of ±2¹⁹.
    """
    x = schema.encode_many(sample(schema, _CONTEXTS, seed=1))
    wanted = np.asarray(run(x[:, :inputs]), dtype=np.float64).reshape(len(x), -1)
    found = forward(tower, x.astype(np.float64))
    if wanted.shape != found.shape:
        raise ModelError(f"the network gives {wanted.shape[1]} outputs, its tower {found.shape[1]}")
    worst = np.abs(wanted - found).max()
    if not worst <= _TOLERANCE * max(1.0, float(np.abs(wanted).max())):
        raise ModelError(
            f"the network's outputs differ from those of its tower by up to {worst:g}; a tower "
            f"pulls sums back to ±{BOUND:g}, so scale the inputs or the first layer down"
        )


def rows_of_title(
    tower: Sequence[Layer],
) -> tuple[tuple[Layer, ...], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A network whose last layer gives a score an artwork, as (tower, weights, bias) of a model.

    weights: float32 [artworks, k]; bias: float32 [artworks], in the order of the outputs. Raises
    ModelError where the last layer is not linear.
    """
    if not tower or tower[-1].activation != "identity":
        last = f"ends in {tower[-1].activation}" if tower else "has no layer"
        raise ModelError(f"the rows of artworks must be a last, linear layer; the network {last}")
    return tuple(tower[:-1]), tower[-1].weights.T.copy(), tower[-1].bias.copy()
