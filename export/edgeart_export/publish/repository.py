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
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from ..errors import PublishError
from .catalogue import read_catalogue
from .files import Files
from .keys import KeyRing
from .offers import Catalogue

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
            if not _holds(root, found):
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
        The files of `targets/` are there.
        """
        state = self.load()
        if root is not None:
            self._stage(Metadata(root), state.root.signed.version + 1, state.days["root"])
        if targets is not None:
            version = state.targets.signed.version + 1
            self._stage(Metadata(targets), version, state.days["targets"])
        return self.complete(ring)

    def complete(self, ring: KeyRing) -> Outcome:
        """Signs what is staged with the keys at hand, and publishes it if that suffices.

        Targets are signed anew, too, where root gives them keys that have not signed them.
        """
        root, targets = self._staged(Root), self._staged(Targets)
        if root is not None and targets is None:
            targets = self._anew(root)
        served = self._served_root()
        holding = root or served
        if holding is None:
            raise PublishError(f"{self.files.path} holds no repository; `publish init` makes one")
        missing = self._lacking(holding.signed, ring)
        if root is not None:
            before = self._root_before(root)
            keys = {*_keys(root, "root"), *_keys(before, "root")}
            self._sign(root, keys, ring)
            self._restage(root)
            verdict = root.signed.get_root_verification_result(
                before and before.signed, root.signed_bytes, root.signatures
            )
            if not verdict:
                missing["root"] = sorted(verdict.unsigned)
        if targets is not None:
            self._sign(targets, {*_keys(holding, "targets"), *_keys(served, "targets")}, ring)
            self._restage(targets)
            if not _holds(holding, targets):
                unsigned = set(_keys(holding, "targets")) - set(targets.signatures)
                missing["targets"] = sorted(unsigned)
        if missing:
            return Outcome(published=False, versions={}, missing=missing)
        return self._publish(ring, holding, root, targets)

    def _anew(self, root: Metadata[Root]) -> Metadata[Targets] | None:
        """The next version of the targets metadata, if what is served does not hold under root."""
        _, snapshot = self._served()
        if snapshot is None:
            return None
        version = snapshot.signed.meta["targets.json"].version
        targets = self.files.read(Targets, self.files.role("targets", version))
        if _holds(root, targets):
            return None
        self._stage(Metadata(targets.signed), version + 1, _days(root.signed)["targets"])
        return self._staged(Targets)

    def create(self, ring: KeyRing, root: Root, targets: Targets) -> Outcome:
        """Makes the first version of everything, in folders that are there."""
        days = _days(root)
        self._stage(Metadata(root), 1, days["root"])
        self._stage(Metadata(targets), 1, days["targets"])
        return self.complete(ring)

    def refresh(self, ring: KeyRing) -> Outcome:
        """Signs timestamp anew, and snapshot where half of its time is over.

        A change that waits for signatures goes on waiting. Raises PublishError without the keys.
        """
        root = self._served_root()
        if root is None:
            raise PublishError(f"{self.files.path} holds no repository; `publish init` makes one")
        if missing := self._lacking(root.signed, ring):
            raise PublishError(
                f"the keys at hand do not suffice for {' and '.join(missing)}; give --keys"
            )
        return self._publish(ring, root, None, None)

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
        """Writes all, in an order in which a reader finds at any moment what it needs.

        Where root gives a role other keys, the old ones sign as well if they are at hand. Then what
        they signed holds under both roots, and root can come last; otherwise it comes first, and a
        device that checks in between keeps what it has.
        """
        files, days = self.files, _days(holding.signed)
        served = self._served_root()
        old_timestamp, old = self._served()
        if targets is None and old is not None and not self._worn(old, holding, days["snapshot"]):
            snapshot = old
        else:
            version = old.signed.version + 1 if old else 1
            meta = dict(old.signed.meta) if old else {}
            if targets is not None:
                meta["targets.json"] = _meta(targets, _checked(targets))
            snapshot = Metadata(
                Snapshot(version=version, expires=self._expiry(days["snapshot"]), meta=meta)
            )
            self._sign(snapshot, {*_keys(holding, "snapshot"), *_keys(served, "snapshot")}, ring)
        timestamp = Metadata(
            Timestamp(
                version=old_timestamp.signed.version + 1 if old_timestamp else 1,
                expires=self._expiry(days["timestamp"]),
                snapshot_meta=_meta(
                    snapshot,
                    # As it is served, which another version of python-tuf may have written.
                    files.role("snapshot", snapshot.signed.version).read_bytes()
                    if snapshot is old
                    else _checked(snapshot),
                ),
                unrecognized_fields={"edgeart": {"at": int(self.now.timestamp())}},
            )
        )
        self._sign(timestamp, {*_keys(holding, "timestamp"), *_keys(served, "timestamp")}, ring)
        rest = [found for found in (targets, snapshot, timestamp) if found is not None]
        bridged = served is not None and all(_holds(served, found) for found in rest)
        order = [*rest, root] if bridged else [root, *rest]
        written = [found for found in order if found is not None and found is not old]
        contents = [_checked(found) for found in written]
        for found, data in zip(written, contents, strict=True):
            role = found.signed.type
            named = None if role == "timestamp" else found.signed.version
            # Until a timestamp leads to them, targets and snapshot are nobody's: what an
            # interrupted change left of them may be replaced.
            write = files.write_once if role == "root" else files.replace
            write(files.role(role, named), data)
        for found in written:
            (files.staged / f"{found.signed.type}.json").unlink(missing_ok=True)
        versions = {f.signed.type: f.signed.version for f in (root, *rest) if f is not None}
        return Outcome(published=True, versions=versions)

    def _worn(self, snapshot: Metadata[Snapshot], root: Metadata[Root], days: int) -> bool:
        """Whether a snapshot is to be signed anew: half of its time over, or its keys no more."""
        return (
            not _holds(root, snapshot)
            or snapshot.signed.expires - self.now < timedelta(days=days) / 2
        )

    def _served(self) -> tuple[Metadata[Timestamp] | None, Metadata[Snapshot] | None]:
        """Timestamp and snapshot as they are served, whoever signed them; None before the first."""
        path = self.files.role("timestamp", None)
        if not path.exists():
            return None, None
        timestamp = self.files.read(Timestamp, path)
        version = timestamp.signed.snapshot_meta.version
        return timestamp, self.files.read(Snapshot, self.files.role("snapshot", version))

    def _lacking(self, root: Root, ring: KeyRing) -> dict[str, list[str]]:
        """The online roles for which too few keys are at hand, and the keys that are not."""
        lacking = {}
        for role in ONLINE:
            keyids = root.roles[role].keyids
            missing = sorted(keyid for keyid in keyids if not ring.has(keyid))
            if len(keyids) - len(missing) < root.roles[role].threshold:
                lacking[role] = missing
        return lacking

    def _served_root(self) -> Metadata[Root] | None:
        versions = self.files.root_versions()
        return self.files.read(Root, self.files.role("root", versions[-1])) if versions else None

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


def _keys(root: Metadata[Root] | None, role: str) -> list[str]:
    return list(root.signed.roles[role].keyids) if root else []


def _holds(root: Metadata[Root], found: Metadata[Any]) -> bool:
    """Whether enough of the keys that root gives a role have signed it."""
    role, payload = found.signed.type, found.signed_bytes
    return bool(root.signed.get_verification_result(role, payload, found.signatures))


def _days(root: Root) -> dict[str, int]:
    return {**DAYS, **root.unrecognized_fields.get("edgeart", {}).get("days", {})}


def _meta(found: Metadata[Any], data: bytes) -> MetaFile:
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
