# SPDX-License-Identifier: Apache-2.0
"""The Update Framework: python-tuf's rules, our fetcher, and what this device remembers.

The workflow is that of TUF's specification, §5.3 to §5.6, in the order of python-tuf's own client;
every verdict on signatures, thresholds, versions, expiry and hashes is TrustedMetadataSet's.
"""

# tuf is an extra, and costs more to import than everything else: only a refresh does.
# ruff: noqa: PLC0415

from __future__ import annotations

import os
from hashlib import sha256
from typing import NamedTuple

from edgeart.errors import SyncError
from edgeart.sync import files
from edgeart.sync.offers import Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any, Protocol

    from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet

    from edgeart.sync.fetch import Answer
    from edgeart.sync.state import Minima, State

    class Get(Protocol):
        """As Fetcher.whole."""

        def __call__(
            self, path: str, limit: int, *, etag: str | None = None, absent: tuple[int, ...] = ...
        ) -> tuple[Answer, bytes]:
            """A whole file."""


# Bytes that are read of a file (native/spec/sync.md §2).
LIMITS = {"root": 1 << 16, "timestamp": 1 << 14, "snapshot": 1 << 16, "targets": 1 << 20}
_MOST_ROOTS = 256
_LONGEST_ETAG = 256  # characters; the state has no room for whatever a server may say
_LATEST = 253_402_300_799  # 9999-12-31, the last second of a datetime


class Trusted(NamedTuple):
    """Verified targets metadata."""

    targets: dict[str, Target]
    signed: object  # the field `edgeart` of its signed part
    signers: tuple[str, ...]  # ids of the keys that signed it


class MetadataFolder:
    """The copies of trusted metadata, in the folder `metadata` of a sync directory."""

    def __init__(self, directory: str) -> None:
        self.directory = os.path.join(directory, "metadata")
        self.failure: OSError | None = None  # what kept a copy from being written, last

    def create(self) -> None:
        """Makes the folder if need be. Raises OSError."""
        os.makedirs(self.directory, exist_ok=True)

    def read(self, name: str, role: str) -> bytes | None:
        """A copy, None where there is none that can be read."""
        try:
            return files.read(os.path.join(self.directory, name), LIMITS[role])
        except OSError as error:
            self.failure = error
            return None

    def keep(self, name: str, data: bytes) -> None:
        """Replaces a copy. A disk that will not take it costs a download the next time, no more."""
        try:
            files.replace(os.path.join(self.directory, name), data)
        except OSError as error:
            self.failure = error


class Trust:
    """One check of a repository's metadata against what the application and the device trust.

    anchor: the root metadata that came with the application. get: `Fetcher.whole`. now: seconds
    since 1970 by the device's clock. Changes state and minima in memory; raises SyncError for
    whatever there is to complain about.
    """

    def __init__(
        self,
        anchor: bytes,
        folder: MetadataFolder,
        state: State,
        minima: Minima,
        get: Get,
        now: float,
    ) -> None:
        self.anchor = anchor
        self.folder = folder
        self.state = state
        self.minima = minima
        self.get = get
        self.now = now

    def check(self) -> Trusted:
        """Follows root, timestamp, snapshot and targets. Raises SyncError."""
        try:
            from tuf.api.exceptions import RepositoryError
            from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
            from tuf.ngclient.config import EnvelopeType
        except ImportError as error:
            raise SyncError(
                f"signatures cannot be verified: {error}; install edgeart[sync]", code="no_tuf"
            ) from error
        try:
            trusted = TrustedMetadataSet(self.anchor, EnvelopeType.METADATA)
            self._roots(trusted)
            self._forget(trusted.root)
            trusted.reference_time = self._reference()
            self._timestamp(trusted)
            self._snapshot(trusted)
            signers = self._targets(trusted)
        except RepositoryError as error:
            raise SyncError(f"{type(error).__name__}: {error}", code=code_of(error)) from error
        targets = {
            name: Target(file.length, str(file.hashes.get("sha256", "")), file.custom)
            for name, file in trusted.targets.targets.items()
        }
        signed = trusted.targets.unrecognized_fields.get("edgeart")
        return Trusted(targets, signed, signers)

    def _roots(self, trusted: TrustedMetadataSet) -> None:
        from tuf.api.exceptions import RepositoryError

        for _ in range(_MOST_ROOTS):
            name = f"{trusted.root.version + 1}.root.json"
            local = self.folder.read(name, "root")
            if local is not None:
                try:
                    trusted.update_root(local)
                    continue
                except RepositoryError:
                    pass  # torn, or of another repository: the server has it
            # A store of objects without the right to list them says 403 for what is not there.
            answer, data = self.get(f"metadata/{name}", LIMITS["root"], absent=(403, 404))
            if answer.status == 404:
                break
            trusted.update_root(data)
            self.folder.keep(name, data)
        anchor = sha256(self.anchor).hexdigest()
        if anchor == self.state.anchor and trusted.root.version < self.state.root:
            raise SyncError(
                f"root {trusted.root.version} is the newest, where {self.state.root} was trusted",
                code="rollback",
            )
        self.state.anchor, self.state.root = anchor, trusted.root.version

    def _forget(self, root: Any) -> None:
        """Forgets what was said by keys that could not say it any more.

        That is how a repository recovers from a key with which somebody had announced versions,
        minima or times far ahead: TUF's recovery from fast-forward attacks (§5.3.11).
        """
        state = self.state
        for role, (_, signers) in list(state.roles.items()):
            if not _in_force(root, role, signers):
                del state.roles[role]
        if not _in_force(root, "timestamp", state.floor[1]):
            state.floor = (0, ())
        for name, (_, signers) in list(self.minima.of.items()):
            if not _in_force(root, "targets", signers):
                del self.minima.of[name]

    def _reference(self) -> datetime:
        """The time by which expiry is judged: the device's, but not before what was signed."""
        from datetime import datetime, timezone

        seconds = min(max(self.now, self.state.floor[0], 0), _LATEST)
        return datetime.fromtimestamp(seconds, timezone.utc)

    def _timestamp(self, trusted: TrustedMetadataSet) -> None:
        from tuf.api.exceptions import EqualVersionNumberError, RepositoryError

        state = self.state
        etag = None
        local = self.folder.read("timestamp.json", "timestamp")
        if local is not None:
            try:
                trusted.update_timestamp(local)
                if state.etag and state.etag_of == sha256(local).hexdigest():
                    etag = state.etag
            except RepositoryError:
                pass  # torn, expired or signed by keys that are gone: the server has another
        answer, data = self.get("metadata/timestamp.json", LIMITS["timestamp"], etag=etag)
        if answer.status == 404:
            raise SyncError("the server has no metadata/timestamp.json", code="missing")
        if answer.status != 304:
            try:
                trusted.update_timestamp(data)
            except EqualVersionNumberError:
                data = local or data
            etag = answer.etag or ""
            state.etag = etag if len(etag) <= _LONGEST_ETAG else ""
            state.etag_of = sha256(data).hexdigest()
        timestamp = trusted.timestamp
        self._not_below("timestamp", timestamp.version)
        said = timestamp.unrecognized_fields.get("edgeart")
        at = said.get("at") if isinstance(said, dict) else None
        kept = state.roles.get("timestamp", (0, ()))[0] == timestamp.version and data == b""
        if not kept:
            signers = _signers(trusted.root, "timestamp", data or local or b"")
            state.roles["timestamp"] = (timestamp.version, signers)
            if isinstance(at, int) and state.floor[0] < at <= _LATEST:
                state.floor = (at, signers)
                trusted.reference_time = self._reference()
            if data and data != local:
                self.folder.keep("timestamp.json", data)

    def _snapshot(self, trusted: TrustedMetadataSet) -> None:
        from tuf.api.exceptions import RepositoryError

        local = self.folder.read("snapshot.json", "snapshot")
        try:
            trusted.update_snapshot(local or b"", trusted=True)
        except RepositoryError:
            meta = trusted.timestamp.snapshot_meta
            data = self._named(trusted, "snapshot", meta.version, meta.length)
            trusted.update_snapshot(data)
            self._not_below("snapshot", trusted.snapshot.version)
            signers = _signers(trusted.root, "snapshot", data)
            self.state.roles["snapshot"] = (trusted.snapshot.version, signers)
            self.folder.keep("snapshot.json", data)

    def _targets(self, trusted: TrustedMetadataSet) -> tuple[str, ...]:
        from tuf.api.exceptions import RepositoryError

        local = self.folder.read("targets.json", "targets")
        remembered = self.state.roles.get("targets")
        try:
            data = local or b""
            trusted.update_targets(data)
            if remembered is not None and remembered[0] == trusted.targets.version:
                return remembered[1]
        except RepositoryError:
            meta = trusted.snapshot.meta.get("targets.json")
            if meta is None:
                raise SyncError("snapshot names no targets.json", code="untrusted") from None
            data = self._named(trusted, "targets", meta.version, meta.length)
            trusted.update_targets(data)
            self._not_below("targets", trusted.targets.version)
            self.folder.keep("targets.json", data)
        signers = _signers(trusted.root, "targets", data)
        self.state.roles["targets"] = (trusted.targets.version, signers)
        return signers

    def _named(
        self, trusted: TrustedMetadataSet, role: str, version: int, length: int | None
    ) -> bytes:
        prefix = f"{version}." if trusted.root.consistent_snapshot else ""
        limit = min(length or LIMITS[role], LIMITS[role])
        answer, data = self.get(f"metadata/{prefix}{role}.json", limit)
        if answer.status == 404:
            raise SyncError(f"the server has no metadata/{prefix}{role}.json", code="missing")
        return data

    def _not_below(self, role: str, version: int) -> None:
        """What was trusted once holds also where its copy is lost."""
        remembered = self.state.roles.get(role, (0, ()))[0]
        if version < remembered:
            raise SyncError(
                f"{role} {version} was sent, where {remembered} was trusted", code="rollback"
            )


def code_of(error: Exception) -> str:
    """The word for one of python-tuf's errors."""
    from tuf.api import exceptions
    from tuf.api.serialization import DeserializationError

    kinds: list[tuple[type[Exception], str]] = [
        (exceptions.ExpiredMetadataError, "expired"),
        (exceptions.BadVersionNumberError, "rollback"),
        (exceptions.UnsignedMetadataError, "untrusted"),
        (exceptions.LengthOrHashMismatchError, "mismatch"),
        (DeserializationError, "malformed"),
    ]
    return next((code for kind, code in kinds if isinstance(error, kind)), "untrusted")


def _signers(root: Any, role: str, data: bytes) -> tuple[str, ...]:
    """Ids of the keys whose signatures on verified metadata hold."""
    from tuf.api.metadata import Metadata

    metadata: Metadata[Any] = Metadata.from_bytes(data)
    result = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    return tuple(sorted(result.signed))


def _in_force(root: Any, role: str, signers: tuple[str, ...]) -> bool:
    """Whether metadata signed by these keys would still be trusted."""
    if role not in root.roles:
        return False
    delegated = root.roles[role]
    return bool(len(set(signers) & set(delegated.keyids)) >= delegated.threshold)
