# SPDX-License-Identifier: Apache-2.0
"""What the demonstration counts as a reward, when it is settled, and when its first day begins."""

from __future__ import annotations

HOUR_MS = 3_600_000

MINUTES = 10.0
"""A play of at least so many minutes earns 1, a shorter one or none 0."""

WINDOW_MS = 36 * HOUR_MS
"""It has to have happened within this time after the first showing."""

LATENESS_MS = 12 * HOUR_MS
"""So long reports are waited for after the window; then a 0 is settled; later plays correct it."""

SETTLED_MS = WINDOW_MS + LATENESS_MS
"""Of what was shown on a day everything is settled two nights later."""

START_MS = 1_741_824_000_000
"""13 March 2025, 0 h UTC: the first day of a draw epoch of 28 days (1970-01-01 + 720 · 28 days)."""
