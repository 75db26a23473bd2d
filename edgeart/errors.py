# SPDX-License-Identifier: Apache-2.0
"""Every exception this package raises by itself; each also is the builtin people expect."""

from __future__ import annotations


class EdgeartError(Exception):
    """Base of all errors of this package. `str()` is the message, for KeyErrors too."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class BundleError(EdgeartError, ValueError):
    """A bundle was refused. Raised by `Policy.open` and `Policy.from_bytes`.

    status: identifier such as "EA_E_CRC" (native/spec/bundle.md §8).
    offset: byte of the bundle at which the violation was found.
    """

    def __init__(self, message: str = "", *, status: str = "", offset: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.offset = offset


class VectorError(BundleError):
    """A test vector inside a bundle does not hold here. Raised by `Policy.verify`.

    vector: index of the first that failed; status is "EA_E_VECTOR", offset 0.
    """

    def __init__(self, message: str = "", *, status: str = "", vector: int = 0) -> None:
        super().__init__(message, status=status)
        self.vector = vector


class ContextError(EdgeartError, ValueError):
    """A context cannot be used. Raised by `Policy.context` and `Policy.encode`.

    status: identifier such as "EA_E_TYPE" (native/spec/decision.md §3).
    offset: byte of the MessagePack map at which the violation was found; 0 where there is no map.
    field:  name of the field it lies in, or None if it lies in none.
    """

    def __init__(
        self, message: str = "", *, status: str = "", offset: int = 0, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.offset = offset
        self.field = field


class UnknownTitleError(EdgeartError, KeyError):
    """The bundle does not have this title. Raised wherever one title is named.

    A page does not raise it: there the decision's reason is "unknown_title".
    """


class UnknownArtworkError(EdgeartError, KeyError):
    """The title does not have this artwork. Raised by `Policy.limits` and `artwork_attributes`."""


class UnknownAttributeError(EdgeartError, KeyError):
    """The bundle does not have this attribute. Raised by `Policy.limits`."""


class ForeignContextError(EdgeartError, ValueError):
    """A Context or Limits was given to another policy than the one that made it."""


class RepetitionError(EdgeartError, ValueError):
    """A logged decision cannot be repeated with this bundle. Raised by `Repetition` and `why`."""


class GraphError(EdgeartError, ValueError):
    """An ONNX graph does not fit the policy, or gives unusable numbers. Raised by `OnnxPolicy`."""


class LogError(EdgeartError, OSError):
    """The feedback log cannot be used or cannot take an event. Raised by `FeedbackLog`."""


class LogBusyError(LogError):
    """Another process has this feedback log's directory. Raised by `FeedbackLog`."""


class SyncError(EdgeartError):
    """A step of a policy sync failed. `Syncer.refresh` turns it into a status; it raises none.

    code: one word that stays the same from version to version; docs/syncing.md lists them.
    retry_after: seconds for which the server asked to be left alone, None if it did not.
    """

    def __init__(
        self, message: str = "", *, code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


# What to do about a refused bundle, by status; the native library's own sentence says what it is.
_REMEDIES = {
    "EA_E_MAGIC": "check that this file is a bundle and not, say, an error page saved in its place",
    "EA_E_VERSION": "upgrade edgeart, or publish a bundle of the format this version reads",
    "EA_E_UNSUPPORTED": "upgrade edgeart, or export without the kind it does not know",
    "EA_E_TRUNCATED": "fetch the bundle again: the end is missing",
    "EA_E_CRC": "fetch the bundle again: its bytes are damaged",
    "EA_E_TRAILING": "fetch the bundle again: something was appended",
}
_EXPORT = "export the bundle again: its writer broke a rule of the format (native/spec/bundle.md)"


def bundle_remedy(status: str) -> str:
    """What a person can do about a bundle refused with this status."""
    return _REMEDIES.get(status, _EXPORT)
