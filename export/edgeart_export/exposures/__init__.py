# SPDX-License-Identifier: Apache-2.0
"""The unit of training and evaluation: reading exposures, and which of them can be used."""

from __future__ import annotations

from .exposures import REASONS, WEIGHTED_REASONS, Exposures

__all__ = ["REASONS", "WEIGHTED_REASONS", "Exposures"]
