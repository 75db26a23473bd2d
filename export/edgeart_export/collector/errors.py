# SPDX-License-Identifier: Apache-2.0
"""What the collector raises: a batch nobody could store, tokens or a folder it cannot use."""

from __future__ import annotations

from ..errors import ExportError


class BatchError(ExportError, ValueError):
    """A body is no batch of feedback.md §5. Raised by `inflate` and `decode`.

    status: the HTTP status that tells a device what to do: 400 and 422 set the batch aside, 413
    sends it in halves. The message names the place and never a value, which might be a member's.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class TokenError(ExportError, ValueError):
    """A token file cannot be used; says which line. Raised by `TokenFile`."""


class CommitError(ExportError, OSError):
    """A group of batches could not be written. Raised by `GroupCommit.land`; the cause is in it."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"not written: {type(cause).__name__}: {cause}")
        self.__cause__ = cause


class LandingError(ExportError, OSError):
    """A landing folder cannot be used. Raised by `open_landing`."""
