# SPDX-License-Identifier: Apache-2.0
"""What a server's Retry-After asks for, read alike by upload and sync (RFC 9110 §10.2.3)."""

from __future__ import annotations


def retry_after(value: str, now: float) -> float | None:
    """Seconds to wait, not below 0, of a number or a date; None if absent or nonsense.

    now: seconds since 1970.
    """
    value = value.strip()
    if value.isdigit() and len(value) < 12:
        return float(value)
    if value:
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - seldom needed

        try:
            return max(parsedate_to_datetime(value).timestamp() - now, 0.0)
        except (TypeError, ValueError, OverflowError):
            return None
    return None
