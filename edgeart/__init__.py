# SPDX-License-Identifier: Apache-2.0
"""edgeart chooses, on the device, which artwork represents a title, with exact propensities."""

# Imports are late where no decision needs them: they would cost every start.
# ruff: noqa: PLC0415

from __future__ import annotations

from edgeart.context import Context
from edgeart.decision import Decision, Page, PreparedTitles
from edgeart.errors import (
    BundleError,
    ContextError,
    EdgeartError,
    ForeignContextError,
    GraphError,
    LogBusyError,
    LogError,
    RepetitionError,
    SyncError,
    UnknownArtworkError,
    UnknownAttributeError,
    UnknownTitleError,
    VectorError,
)
from edgeart.policy import Policy
from edgeart.titles import Titles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeart.client import Client
    from edgeart.feedback import FeedbackLog
    from edgeart.host import HostDecision
    from edgeart.limits import Limits
    from edgeart.repeat import Repeater, Repetition
    from edgeart.selector import Selector
    from edgeart.sums import crc32c, title_hash
    from edgeart.types import (
        Candidates,
        Cell,
        ExplainedArtwork,
        Explanation,
        Explorer,
        Feature,
        Layer,
        Report,
    )
    from edgeart.upload import Uploader, UploadStatus

    __version__: str

__all__ = [
    "BundleError",
    "Candidates",
    "Cell",
    "Client",
    "Context",
    "ContextError",
    "Decision",
    "EdgeartError",
    "ExplainedArtwork",
    "Explanation",
    "Explorer",
    "Feature",
    "FeedbackLog",
    "ForeignContextError",
    "GraphError",
    "HostDecision",
    "Layer",
    "Limits",
    "LogBusyError",
    "LogError",
    "Page",
    "Policy",
    "PreparedTitles",
    "Repeater",
    "Repetition",
    "RepetitionError",
    "Report",
    "Selector",
    "SyncError",
    "Titles",
    "UnknownArtworkError",
    "UnknownAttributeError",
    "UnknownTitleError",
    "UploadStatus",
    "Uploader",
    "VectorError",
    "crc32c",
    "title_hash",
]

# Where to find what is loaded when it is first named; the rest of __all__ is in edgeart.types.
_LATER = {
    "Client": "edgeart.client",
    "FeedbackLog": "edgeart.feedback",
    "HostDecision": "edgeart.host",
    "Limits": "edgeart.limits",
    "Repeater": "edgeart.repeat",
    "Repetition": "edgeart.repeat",
    "Selector": "edgeart.selector",
    "UploadStatus": "edgeart.upload",
    "Uploader": "edgeart.upload",
    "crc32c": "edgeart.sums",
    "title_hash": "edgeart.sums",
}


def __getattr__(name: str) -> object:
    """Loads what no decision needs when it is first named: edgeart.types and the version."""
    if name == "__version__":
        from importlib.metadata import version

        return version("edgeart")
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(_LATER.get(name, "edgeart.types")), name)
    raise AttributeError(f"module 'edgeart' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
