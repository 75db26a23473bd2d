# SPDX-License-Identifier: Apache-2.0
"""The parts of offering a sequence: which bundles will do, which came before, and their deltas."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress

from tuf.api.metadata import Targets

from ..errors import PublishError
from ..format.document import Document
from .delta import CODEC, delta
from .files import DENY, Files
from .offers import Catalogue, Delta, Offer, Record
from .repository import State

WORTHWHILE = 0.5
"""A delta longer than this share of the bundle is not offered."""


def checked(bundles: Sequence[bytes], policy: str | None) -> list[Document]:
    """The bundles of one release, each opened and its test vectors run.

    Raises PublishError where they do not belong together, and edgeart.EdgeartError where one is
    damaged or computes something else here than where it was written.
    """
    if not bundles:
        raise PublishError("give a bundle")
    documents = []
    for data in bundles:
        document = Document(data)
        if not document.policy.verify():
            raise PublishError(
                f"the bundle of policy {document.name!r}, sequence {document.sequence} has no test "
                f"vectors, so that no device could tell whether it computes the same; write it "
                f"with edgeart-export"
            )
        documents.append(document)
    names = {(document.name, document.sequence) for document in documents}
    if len(names) > 1:
        raise PublishError(
            f"one release is one policy and sequence, not {sorted(names)}; add them one by one"
        )
    formats = [document.format for document in documents]
    if len(set(formats)) < len(formats):
        raise PublishError(f"two bundles of one format, {formats}: a device could not choose")
    name = documents[0].name
    if policy is not None and policy != name:
        raise PublishError(f"the bundle is of policy {name!r}, not {policy!r}")
    return documents


def published(files: Files, state: State, policy: str, sequence: int) -> list[Offer]:
    """The offers of a sequence as they were last signed, found in kept targets metadata.

    Raises PublishError where no kept version speaks of it.
    """
    current = state.targets.signed
    for version in range(current.version, 0, -1):
        path = files.role("targets", version)
        if not path.exists():
            continue
        targets = current if version == current.version else files.read(Targets, path).signed
        found = []
        for name, target in targets.targets.items():
            if name != DENY:
                # An old version may say what this publisher would not say today.
                with suppress(PublishError):
                    sha256 = target.hashes["sha256"]
                    offer = Offer.read(name, sha256, target.length, target.custom)
                    if (offer.policy, offer.sequence) == (policy, sequence):
                        found.append(offer)
        if found:
            return found
    raise PublishError(
        f"no kept targets metadata speaks of sequence {sequence} of policy {policy!r}; publish its "
        f"model again with `publish add`"
    )


def before(
    files: Files, state: State, catalogue: Catalogue, record: Record, policy: str, count: int
) -> list[Document]:
    """The last `count` bundles that devices are likely to have, the newest first."""
    offers = catalogue.of(policy)
    for sequence in record.good:
        if len(offers) >= count:
            break
        offers += published(files, state, policy, sequence)
    return [Document(files.load_bundle(offer)) for offer in offers[:count]]


def write_delta(files: Files, base: Document, target: Document) -> Delta | None:
    """Writes the delta between two bundles; None where it would not be worth a download."""
    data = delta(base, target)
    if data is None or len(data) > WORTHWHILE * len(target.data):
        return None
    sha256 = hashlib.sha256(data).hexdigest()
    files.write_once(files.delta(target.name, sha256), data)
    return Delta(hashlib.sha256(base.data).hexdigest(), sha256, len(data), CODEC)
