# SPDX-License-Identifier: Apache-2.0
"""The signed metadata of a repository: read and judged, changed, signed, and written in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from ..errors import PublishError
from .files import DENY, Files
from .keys import KeyRing
from .offers import Catalogue, Offer, Record

DAYS = {"root": 365, "targets": 180, "snapshot": 14, "timestamp": 3}
"""How long each role's signature holds, where `init` says nothing else."""
ONLINE = ("snapshot", "timestamp")
LIMITS = {"root": 65_536, "snapshot": 65_536, "timestamp": 16_384, "targets": 2**20}
"""Bytes that a device reads of each role at most (sync.md §2)."""


@dataclass(frozen=True)
class State:
    """The metadata that holds now, each verified by root."""

    root: Metadata[Root]
    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: Metadata[Targets]

    @property
    def days(self) -> dict[str, int]:
        """How long each role's signature holds."""
        return _days(self.root.signed)

    def catalogue(self) -> Catalogue:
        """Offers and records. Raises PublishError where the metadata is not as sync.md says."""
        return read_catalogue(self.targets.signed)


@dataclass(frozen=True)
class Outcome:
    """What became of a change. missing: by role the ids of keys of which some have yet to sign."""

    published: bool
    versions: dict[str, int]
    missing: dict[str, list[str]] = field(default_factory=dict)


class Repository:
    """A repository on disk. now: the moment of signing.

    Every change is first put together in `staged`, and published as soon as the signatures suffice;
    a process that is killed in between leaves a change that `sign` completes.
    """

    def __init__(self, path: Path, *, now: datetime | None = None) -> None:
        self.files = Files(path)
        self.now = (now or datetime.now(timezone.utc)).replace(microsecond=0)

    def load(self) -> State:
        """The metadata as it is served. Raises PublishError where a device would refuse it."""
        files, versions = self.files, self.files.root_versions()
        if not versions:
            raise PublishError(f"{files.path} holds no repository; `publish init` makes one")
        root = files.read(Root, files.role("root", versions[-1]))
        timestamp = files.read(Timestamp, files.role("timestamp", None))
        version = timestamp.signed.snapshot_meta.version
        snapshot = files.read(Snapshot, files.role("snapshot", version))
        version = snapshot.signed.meta["targets.json"].version
        targets = files.read(Targets, files.role("targets", version))
        for role, found in (("timestamp", timestamp), ("snapshot", snapshot), ("targets", targets)):
            if not root.signed.get_verification_result(role, found.signed_bytes, found.signatures):
                raise PublishError(
                    f"{role} metadata is not signed as root {versions[-1]} asks: complete the "
                    f"change under way with `publish sign`, or `publish refresh-timestamp`"
                )
        return State(root, timestamp, snapshot, targets)

    def check_idle(self) -> None:
        """Raises PublishError where a change waits for signatures."""
        if waiting := sorted(path.name for path in self.files.staged.glob("*.json")):
            raise PublishError(
                f"a change waits for signatures ({', '.join(waiting)} in {self.files.staged}): "
                f"complete it with `publish sign`, or drop it with `publish sign --discard`"
            )

    def commit(
        self, ring: KeyRing, *, root: Root | None = None, targets: Targets | None = None
    ) -> Outcome:
        """Signs what has changed with the keys at hand; publishes it if they suffice.

        root, targets: the next versions but for version and expiry; None leaves them as they are.
        Targets are signed anew where root gives them other keys. The files of `targets/` are there.
        """
        state = self.load()
        holding = root or state.root.signed
        if targets is None and _keys(holding, "targets") != _keys(state.root.signed, "targets"):
            targets = state.targets.signed
        if root is not None:
            self._stage(Metadata(root), state.root.signed.version + 1, state.days["root"])
        if targets is not None:
            days = _days(holding)["targets"]
            self._stage(Metadata(targets), state.targets.signed.version + 1, days)
        return self.complete(ring)

    def complete(self, ring: KeyRing) -> Outcome:
        """Signs what is staged with the keys at hand, and publishes it if that suffices."""
        root, targets = self._staged(Root), self._staged(Targets)
        holding = root or self._served_root()
        missing: dict[str, list[str]] = {}
        if root is not None:
            before = self._root_before(root)
            keys = {*_keys(root.signed, "root"), *(_keys(before.signed, "root") if before else ())}
            self._sign(root, sorted(keys), ring)
            self._restage(root)
            verdict = root.signed.get_root_verification_result(
                before and before.signed, root.signed_bytes, root.signatures
            )
            if not verdict:
                missing["root"] = sorted(verdict.unsigned)
        if targets is not None:
            self._sign(targets, sorted(_keys(holding.signed, "targets")), ring)
            self._restage(targets)
            result = holding.signed.get_verification_result(
                "targets", targets.signed_bytes, targets.signatures
            )
            if not result:
                missing["targets"] = sorted(result.unsigned)
        for role in ONLINE:
            lacking = [keyid for keyid in _keys(holding.signed, role) if not ring.has(keyid)]
            held = len(_keys(holding.signed, role)) - len(lacking)
            if held < holding.signed.roles[role].threshold:
                missing[role] = sorted(lacking)
        if not missing:
            return self._publish(ring, holding, root, targets)
        if root is None and targets is None:  # then there is nothing that could wait
            raise PublishError(f"keys of {' and '.join(missing)} are needed; give their --keys")
        return Outcome(published=False, versions={}, missing=missing)

    def create(self, ring: KeyRing, root: Root, targets: Targets) -> Outcome:
        """Makes the first version of everything, in folders that are there."""
        days = _days(root)
        self._stage(Metadata(root), 1, days["root"])
        self._stage(Metadata(targets), 1, days["targets"])
        return self.complete(ring)

    def refresh(self, ring: KeyRing) -> Outcome:
        """Signs timestamp anew, and snapshot where half of its time is over."""
        self.check_idle()
        return self.complete(ring)

    def discard(self) -> None:
        """Drops the change that waits. Raises PublishError where a part of it is served already."""
        root = self._staged(Root)
        if root and root.signed.version in self.files.root_versions():
            raise PublishError(f"root {root.signed.version} is served already: complete the change")
        for path in self.files.staged.glob("*.json"):
            path.unlink()

    def _publish(
        self,
        ring: KeyRing,
        holding: Metadata[Root],
        root: Metadata[Root] | None,
        targets: Metadata[Targets] | None,
    ) -> Outcome:
        """Writes all, in the order in which a reader at any moment finds what it needs."""
        files = self.files
        days = _days(holding.signed)
        old_timestamp, old = self._served()
        snapshot = old
        if targets is not None or old is None or self._worn(old, holding, days["snapshot"]):
            version = old.signed.version + 1 if old else 1
            meta = dict(old.signed.meta) if old else {}
            if targets is not None:
                meta["targets.json"] = _meta(targets)
            signed = Snapshot(version=version, expires=self._expiry(days["snapshot"]), meta=meta)
            snapshot = Metadata(signed)
            self._sign(snapshot, _keys(holding.signed, "snapshot"), ring)
        if snapshot is None:
            raise RuntimeError("a repository without a snapshot")
        timestamp = Metadata(
            Timestamp(
                version=old_timestamp.signed.version + 1 if old_timestamp else 1,
                expires=self._expiry(days["timestamp"]),
                snapshot_meta=_meta(snapshot),
                unrecognized_fields={"edgeart": {"at": int(self.now.timestamp())}},
            )
        )
        self._sign(timestamp, _keys(holding.signed, "timestamp"), ring)
        for found in (root, targets, snapshot):
            if found is not None:
                path = files.role(found.signed.type, found.signed.version)
                # Until a timestamp leads to them, targets and snapshot are nobody's: what an
                # interrupted change left of them may be replaced.
                write = files.write_once if found is root or found is old else files.replace
                write(path, _checked(found))
        files.replace(files.role("timestamp", None), _checked(timestamp))
        for path in files.staged.glob("*.json"):
            path.unlink()
        written = (found for found in (root, targets, snapshot, timestamp) if found is not None)
        versions = {found.signed.type: found.signed.version for found in written}
        return Outcome(published=True, versions=versions)

    def _worn(self, snapshot: Metadata[Snapshot], root: Metadata[Root], days: int) -> bool:
        """Whether a snapshot is to be signed anew: half of its time over, or its keys no more."""
        role = root.signed.get_verification_result(
            "snapshot", snapshot.signed_bytes, snapshot.signatures
        )
        return not role or snapshot.signed.expires - self.now < timedelta(days=days) / 2

    def _served(self) -> tuple[Metadata[Timestamp] | None, Metadata[Snapshot] | None]:
        """Timestamp and snapshot as they are served, whoever signed them; None before the first."""
        path = self.files.role("timestamp", None)
        if not path.exists():
            return None, None
        timestamp = self.files.read(Timestamp, path)
        version = timestamp.signed.snapshot_meta.version
        return timestamp, self.files.read(Snapshot, self.files.role("snapshot", version))

    def _served_root(self) -> Metadata[Root]:
        version = self.files.root_versions()[-1:]
        if not version:
            raise PublishError(f"{self.files.path} holds no repository")
        return self.files.read(Root, self.files.role("root", version[0]))

    def _root_before(self, root: Metadata[Root]) -> Metadata[Root] | None:
        version = root.signed.version - 1
        return self.files.read(Root, self.files.role("root", version)) if version else None

    def _stage(self, found: Metadata[Any], version: int, days: int) -> None:
        found.signed.version = version
        found.signed.expires = self._expiry(days)
        self._restage(found)

    def _restage(self, found: Metadata[Any]) -> None:
        self.files.replace(self.files.staged / f"{found.signed.type}.json", _checked(found))

    def _staged(self, role: Any) -> Metadata[Any] | None:
        path = self.files.staged / f"{role.type}.json"
        return self.files.read(role, path) if path.exists() else None

    def _expiry(self, days: int) -> datetime:
        return self.now + timedelta(days=days)

    @staticmethod
    def _sign(found: Metadata[Any], keyids: Iterable[str], ring: KeyRing) -> None:
        try:
            for keyid in keyids:
                if ring.has(keyid) and keyid not in found.signatures:
                    found.sign(ring.signer(keyid), append=True)
        except RepositoryError as error:
            raise PublishError(f"{found.signed.type}: {error}") from error


def read_catalogue(targets: Targets) -> Catalogue:
    """Offers and records as they are signed. Raises PublishError where sync.md is broken."""
    said = targets.unrecognized_fields.get("edgeart")
    if not isinstance(said, dict) or said.get("format") != 1:
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


def _keys(root: Root, role: str) -> list[str]:
    return list(root.roles[role].keyids)


def _days(root: Root) -> dict[str, int]:
    return {**DAYS, **root.unrecognized_fields.get("edgeart", {}).get("days", {})}


def _meta(found: Metadata[Any]) -> MetaFile:
    data = found.to_bytes()
    return MetaFile(found.signed.version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})


def _checked(found: Metadata[Any]) -> bytes:
    """A role's bytes. Raises PublishError where devices would not read them all."""
    data = found.to_bytes()
    limit = LIMITS[found.signed.type]
    if len(data) > limit:
        raise PublishError(
            f"{found.signed.type} metadata would have {len(data)} bytes, devices read {limit}: "
            f"offer fewer bundles or deltas"
        )
    return data
