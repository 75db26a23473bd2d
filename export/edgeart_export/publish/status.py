# SPDX-License-Identifier: Apache-2.0
"""What a repository offers, to whom, and which of its signatures run out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ..errors import PublishError
from .deny import denied
from .files import Files
from .offers import Offer
from .repository import Repository

EARLY = 0.25
"""A signature with less than this share of its time left is worth a warning."""


def describe(repository: Repository) -> dict[str, Any]:
    """The status as JSON. Raises PublishError for a repository that no device would follow."""
    state, files = repository.load(), repository.files
    catalogue = state.catalogue()
    root = state.root.signed
    signed = {
        "root": root,
        "targets": state.targets.signed,
        "snapshot": state.snapshot.signed,
        "timestamp": state.timestamp.signed,
    }
    warnings = []
    for role, found in signed.items():
        left = found.expires - repository.now
        if left < timedelta(days=state.days[role]) * EARLY:
            remedy = "publish renew" if role in ("root", "targets") else "publish refresh-timestamp"
            when = "has run out" if left <= timedelta(0) else f"runs out {found.expires:%F %R} UTC"
            warnings.append(f"{role} {when}: run `{remedy}`")
    waiting = sorted(path.stem for path in files.staged.glob("*.json"))
    if waiting:
        warnings.append(f"a change of {' and '.join(waiting)} waits for signatures: `publish sign`")
    warnings += filter(None, (_damage(files, offer) for offer in catalogue.offers.values()))
    return {
        "repository": str(files.path),
        "roles": {
            role: {
                "version": found.version,
                "expires": found.expires.isoformat(),
                "threshold": root.roles[role].threshold,
                "keys": list(root.roles[role].keyids),
            }
            for role, found in signed.items()
        },
        "interval": catalogue.interval,
        "policies": {
            name: {
                **record.to_json(),
                "offers": [
                    {"target": offer.target, **offer.custom(), "length": offer.length}
                    for offer in catalogue.of(name)
                ],
            }
            for name, record in sorted(catalogue.records.items())
        },
        "denied": sum(map(len, denied(files, state).values())),
        "waiting": waiting,
        "bytes": files.size(),
        "warnings": warnings,
    }


def _damage(files: Files, offer: Offer) -> str | None:
    """What is wrong with an offer's file."""
    try:
        files.load_bundle(offer)
    except PublishError as error:
        return str(error)
    return None
