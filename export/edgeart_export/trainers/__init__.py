# SPDX-License-Identifier: Apache-2.0
"""Trainers: from logged rewards to a PolicyModel, each with `fit`, `partial_fit` and `merge`."""

from __future__ import annotations

from .linear import LinearTrainer

__all__ = ["LinearTrainer"]
