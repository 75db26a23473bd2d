# SPDX-License-Identifier: Apache-2.0
"""What edgeart is measured beside; each module offers contestants and says what is missing."""

from __future__ import annotations

import importlib.util


def missing(*modules: str) -> str | None:
    """Why a peer cannot take part, or None if all its modules are installed."""
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None
