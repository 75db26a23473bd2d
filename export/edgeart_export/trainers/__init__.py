# SPDX-License-Identifier: Apache-2.0
"""Trainers: from logged rewards to a PolicyModel, each with `fit`, `partial_fit` and `merge`."""

from __future__ import annotations

from .batch import Batch
from .features import ArtworkFeatures
from .linear import LinearTrainer

__all__ = ["ArtworkFeatures", "Batch", "LinearTrainer"]
