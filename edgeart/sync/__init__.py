# SPDX-License-Identifier: Apache-2.0
"""Policy sync: signed bundles from a static repository, installed so that nothing can be bricked.

`Syncer` does it; docs/syncing.md tells how, native/spec/sync.md exactly what.
"""

# A start needs the state and the bundles, and nothing of networks.
# ruff: noqa: PLC0415

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeart.sync.delta import apply_delta
    from edgeart.sync.installation import Installation
    from edgeart.sync.status import PolicyStatus, SyncStatus
    from edgeart.sync.syncer import Syncer
    from edgeart.sync.trial import Tally

__all__ = ["Installation", "PolicyStatus", "SyncStatus", "Syncer", "Tally", "apply_delta"]

_PLACES = {
    "Installation": "installation", "PolicyStatus": "status", "SyncStatus": "status",
    "Syncer": "syncer", "Tally": "trial", "apply_delta": "delta",
}  # fmt: skip


def __getattr__(name: str) -> object:
    """Loads a public name when it is first used."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(f"edgeart.sync.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'edgeart.sync' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__]
