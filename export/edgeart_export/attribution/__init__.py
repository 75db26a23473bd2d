# SPDX-License-Identifier: Apache-2.0
"""From landed events to exposures with rewards (docs/attribution.md)."""

from __future__ import annotations

from .run import Report, attribute

__all__ = ["Report", "attribute"]
