# SPDX-License-Identifier: Apache-2.0
"""Offers and records in the signed targets metadata, read and written (sync.md §4, §5)."""

from __future__ import annotations

from tuf.api.metadata import TargetFile, Targets

from ..errors import PublishError
from .files import DENY
from .offers import FORMAT, Catalogue, Offer, Record


def read_catalogue(targets: Targets) -> Catalogue:
    """Offers and records as they are signed. Raises PublishError where sync.md is broken."""
    said = targets.unrecognized_fields.get("edgeart")
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise PublishError("the targets metadata has no field edgeart of format 1 (sync.md §5)")
    catalogue = Catalogue(interval=said["interval"])
    for name, target in targets.targets.items():
        if name != DENY:
            offer = Offer.read(name, target.hashes["sha256"], target.length, target.custom)
            catalogue.offers[name] = offer
    for policy, record in said["policies"].items():
        catalogue.records[policy] = Record.read(record)
    return catalogue


def write_catalogue(targets: Targets, catalogue: Catalogue) -> None:
    """Puts offers and records into the metadata; the deny list stays as it is."""
    deny = targets.targets[DENY]
    targets.targets = {DENY: deny}
    for name, offer in sorted(catalogue.offers.items()):
        targets.targets[name] = TargetFile(
            offer.length, {"sha256": offer.sha256}, name, {"custom": offer.custom()}
        )
    targets.unrecognized_fields["edgeart"] = catalogue.field()
