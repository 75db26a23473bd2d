# SPDX-License-Identifier: Apache-2.0
"""Somebody else's small torch network, lifted into a tower. Imports torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..errors import ModelError
from ..model.tower import Layer
from ..schema import FeatureSchema
from .chain import Activate, Add, Multiply, Step, check_lifted, inputs_of, stack

Floats = npt.NDArray[np.float64]

SUPPORTED = "Linear, ReLU, Tanh, Sequential; Identity, Flatten, Dropout passed through"


def lift(module: nn.Module, schema: FeatureSchema) -> tuple[Layer, ...]:
    """See `edgeart_export.from_torch`."""
    steps = _steps(module, "")
    tower = stack(steps, schema)
    check_lifted(tower, schema, inputs_of(steps, schema), lambda x: _run(module, x))
    return tower


def _steps(module: nn.Module, path: str) -> list[Step]:
    """What a module does, in order; `path` is its name inside the whole, as torch gives it."""
    where = f"module {path or 'given'} ({type(module).__name__})"
    # Exact types: a subclass may have overridden what it does.
    kind = type(module)
    if kind is nn.Sequential:
        return [
            step
            for name, child in module.named_children()
            for step in _steps(child, f"{path}.{name}" if path else name)
        ]
    if isinstance(module, nn.Linear) and kind is nn.Linear:
        steps: list[Step] = [Multiply(_array(module.weight).T, where)]
        if module.bias is not None:
            steps.append(Add(_array(module.bias), where))
        return steps
    if kind is nn.ReLU:
        return [Activate("relu", where)]
    if kind is nn.Tanh:
        return [Activate("tanh", where)]
    if kind in (nn.Identity, nn.Dropout):
        return []
    if isinstance(module, nn.Flatten) and kind is nn.Flatten and module.start_dim == 1:
        return []
    raise ModelError(
        f"{where} has no place in a tower; supported are {SUPPORTED}. Give a network with a "
        f"forward of its own as the Sequential it amounts to"
    )


def _array(parameter: torch.Tensor) -> Floats:
    values: Floats = parameter.detach().to("cpu", torch.float64).numpy()
    return values


def _run(module: nn.Module, x: npt.NDArray[np.float32]) -> Floats:
    """The module's outputs, dropout off; the module is left in the mode it was in."""
    modes = {part: part.training for part in module.modules()}
    first = next(module.parameters(), torch.zeros(1))
    module.eval()
    try:
        with torch.no_grad():
            given = torch.from_numpy(x.copy()).to(first.device, first.dtype)
            return _array(module(given))
    finally:
        for part, training in modes.items():
            part.training = training
