# SPDX-License-Identifier: Apache-2.0
"""Trainers: from logged rewards to a PolicyModel, each with `fit`, `partial_fit` and `merge`."""

from __future__ import annotations

from .auto import AutoTrainer
from .batch import Batch
from .chain import rows_of_title
from .features import ArtworkFeatures
from .gradient import Epoch, GradientTower
from .lift import from_onnx, from_torch
from .linear import LinearTrainer
from .neural import NeuralLinearTrainer
from .random_tower import RandomTower

__all__ = [
    "ArtworkFeatures",
    "AutoTrainer",
    "Batch",
    "Epoch",
    "GradientTower",
    "LinearTrainer",
    "NeuralLinearTrainer",
    "RandomTower",
    "from_onnx",
    "from_torch",
    "rows_of_title",
]
