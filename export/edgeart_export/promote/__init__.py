# SPDX-License-Identifier: Apache-2.0
"""Whether a candidate policy should replace the incumbent."""

from __future__ import annotations

from .promotion import Promotion, promote

__all__ = ["Promotion", "promote"]
