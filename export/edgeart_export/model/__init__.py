# SPDX-License-Identifier: Apache-2.0
"""The model and its parts: tower, explorers, cells, attributes; each checked where it is made."""

from __future__ import annotations

from .policy import PolicyModel, check_titles

__all__ = ["PolicyModel", "check_titles"]
