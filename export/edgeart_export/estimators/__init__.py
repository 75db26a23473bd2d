# SPDX-License-Identifier: Apache-2.0
"""Estimators of a policy's value from another policy's log, and what their intervals stand on."""

from __future__ import annotations

from .formulas import (
    Rows,
    clipped_ips,
    direct_method,
    doubly_robust,
    ips,
    mrdr_weight,
    replay,
    self_normalised_doubly_robust,
    snips,
)
from .terms import Clusters, Estimate, Floats, Terms, effective_sample_size, mean

__all__ = [
    "Clusters",
    "Estimate",
    "Floats",
    "Rows",
    "Terms",
    "clipped_ips",
    "direct_method",
    "doubly_robust",
    "effective_sample_size",
    "ips",
    "mean",
    "mrdr_weight",
    "replay",
    "self_normalised_doubly_robust",
    "snips",
]
