# SPDX-License-Identifier: Apache-2.0
"""Repeats what devices decided, to the bit; what does not repeat does not train."""

from __future__ import annotations

from .run import Audit, audit

__all__ = ["Audit", "audit"]
