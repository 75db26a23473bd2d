# SPDX-License-Identifier: Apache-2.0
"""Trainers: from logged rewards to a PolicyModel, each with `fit`, `partial_fit` and `merge`."""

from __future__ import annotations

from .auto import AutoTrainer
from .chain import rows_of_title
from .gradient import Epoch, GradientTower
from .lift import from_onnx, from_torch
from .linear import LinearTrainer
from .neural import NeuralLinearTrainer
from .random_tower import RandomTower

__all__ = [
    "AutoTrainer",
    "Epoch",
    "GradientTower",
    "LinearTrainer",
    "NeuralLinearTrainer",
    "RandomTower",
    "from_onnx",
    "from_torch",
    "rows_of_title",
]
