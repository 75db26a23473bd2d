# SPDX-License-Identifier: Apache-2.0
"""The folder that a web server serves: its names, its order of writing, and who may write."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from ..errors import PublishError
from ..files import write_atomically
from .offers import Offer

Role = TypeVar("Role", Root, Snapshot, Targets, Timestamp)

DENY = "deny.json"


class Files:
    """Paths of a repository (sync.md §2), and its `staged` folder, which nobody need serve."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata, self.targets = path / "metadata", path / "targets"
        self.staged = path / "staged"

    def create(self) -> None:
        """Makes the folders. Raises PublishError where there is a repository already."""
        if self.metadata.exists():
            raise PublishError(f"{self.path} holds a repository already")
        for folder in (self.metadata, self.targets):
            folder.mkdir(parents=True)
            folder.chmod(0o755)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One publisher at a time. Raises PublishError where another one is at work."""
        if not self.metadata.is_dir():
            raise PublishError(f"{self.path} holds no repository; `publish init` makes one")
        handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise PublishError(f"another publisher is at work on {self.path}; try again") from None
        finally:
            os.close(handle)

    def root_versions(self) -> list[int]:
        """Versions of root that are there, ascending."""
        return sorted(int(path.name.split(".")[0]) for path in self.metadata.glob("*.root.json"))

    def role(self, role: str, version: int | None) -> Path:
        """Where a version of a role's metadata is; None for `timestamp`, which has one name."""
        return self.metadata / (f"{version}.{role}.json" if version else f"{role}.json")

    def bundle(self, offer: Offer) -> Path:
        """Where the bundle of an offer is."""
        folder, name = offer.target.split("/")
        return self.targets / folder / f"{offer.sha256}.{name}"

    def delta(self, policy: str, sha256: str) -> Path:
        """Where a delta is."""
        return self.targets / policy / f"{sha256}.delta"

    def deny(self, sha256: str) -> Path:
        """Where a deny list is."""
        return self.targets / f"{sha256}.{DENY}"

    def read(self, role: type[Role], path: Path) -> Metadata[Role]:
        """A metadata file. Raises PublishError where it is missing, damaged or another role's."""
        try:
            found: Metadata[Role] = Metadata.from_bytes(path.read_bytes())
        except (OSError, DeserializationError) as error:
            raise PublishError(f"{path}: {error}; restore it from a copy of the folder") from None
        if not isinstance(found.signed, role):
            raise PublishError(f"{path} is {found.signed.type} metadata, not {role.type}")
        return found

    def write_once(self, path: Path, data: bytes) -> None:
        """Writes a file that never changes. Raises PublishError where it would."""
        if path.exists():
            if path.read_bytes() != data:
                raise PublishError(f"{path} is there with other contents and must never change")
            return
        self.replace(path, data)

    def replace(self, path: Path, data: bytes) -> None:
        """Writes a file that is on disk, under its name, when this returns."""
        if not path.parent.is_dir():
            path.parent.mkdir()
            path.parent.chmod(0o755)
            _sync_folder(path.parent.parent)
        before = path.stat().st_mtime if path.exists() else 0.0
        write_atomically(path, data)
        # Web servers make ETags of length and seconds: two changes within one would look alike, and
        # a device that had seen the first would be told that nothing has changed.
        if path.stat().st_mtime < int(before) + 1:
            os.utime(path, (int(before) + 1,) * 2)
        _sync_folder(path.parent)

    def load_bundle(self, offer: Offer) -> bytes:
        """The bytes of an offer's bundle. Raises PublishError where they are not as signed."""
        path = self.bundle(offer)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise PublishError(f"{path}: {error}") from None
        if hashlib.sha256(data).hexdigest() != offer.sha256:
            raise PublishError(f"{path} is damaged: its hash is not the signed one")
        return data

    def size(self) -> int:
        """Bytes of all that is served."""
        folders = (self.metadata, self.targets)
        return sum(p.stat().st_size for f in folders for p in f.rglob("*") if p.is_file())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
