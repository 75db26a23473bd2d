# SPDX-License-Identifier: Apache-2.0
"""The one exception of the reference: bytes that the specifications refuse, and where."""

from __future__ import annotations


class Refused(ValueError):  # noqa: N818  (a verdict about bytes, not a failure of the reader)
    """A bundle or a context is refused. Raised by `bundle.open_bundle` and `context.encode`."""

    def __init__(self, status: str, offset: int) -> None:
        """status: a name such as `EA_E_TYPE`; offset: bytes from the start of what was read."""
        super().__init__(f"{status} at offset {offset}")
        self.status = status
        self.offset = offset
