# SPDX-License-Identifier: Apache-2.0
"""Bundles by the hash of their bytes: written once, hashed before they are opened."""

from __future__ import annotations

import os
from hashlib import sha256

from edgeart.errors import SyncError
from edgeart.segments import BINARY, sync_directory
from edgeart.sync import files
from edgeart.sync.state import is_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable, Iterable

    from edgeart.sync.fetch import Answer

_SUFFIX, _PART = ".edgeart", ".part"
_PIECE = 1 << 20


class BlobStore:
    """The folder `blobs` of a sync directory. Methods raise OSError.

    A hash that is given is 64 lower-case hexadecimal digits; nothing else reaches a file name.
    """

    def __init__(self, directory: str) -> None:
        self.directory = os.path.join(directory, "blobs")

    def create(self) -> None:
        """Makes the folder if need be."""
        os.makedirs(self.directory, exist_ok=True)

    def path(self, digest: str) -> str:
        """Where a bundle is, or would be."""
        if not is_digest(digest):
            raise ValueError(f"{digest!r} is no SHA-256")
        return os.path.join(self.directory, digest + _SUFFIX)

    def __contains__(self, digest: object) -> bool:
        """Whether there is a file for a bundle; `load` says whether it is good."""
        return is_digest(digest) and os.path.isfile(self.path(str(digest)))

    def load(self, digest: str, length: int) -> bytes | None:
        """A bundle's bytes, hashed; None where it is missing or damaged, in which case it goes."""
        path = self.path(digest)
        data = files.read(path, length)
        if data is None:
            return None
        if len(data) == length and sha256(data).hexdigest() == digest:
            return data
        try:
            files.remove(path)
        except OSError:
            return None  # it is of no use, whether it can be deleted or not
        return None

    def receive(self, digest: str, length: int, ask: Callable[[int], Answer]) -> None:
        """Stores a bundle that comes from a server, going on from where an earlier try ended.

        ask: requests the file from a byte on. Where going on leads to other bytes than those
        signed, all of it is fetched once more. Raises SyncError: "mismatch" for other bytes,
        after which nothing of them is left, or what asking raises.
        """
        part = self._part(digest)
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | BINARY, 0o600)
        try:
            hasher = sha256()
            resumed = _hashed(descriptor, hasher.update)
            got = resumed
            if resumed < length:
                try:
                    got, hasher = _receive(descriptor, resumed, hasher, ask)
                except SyncError as error:
                    if not resumed or error.code not in ("http", "too_large"):
                        raise
            if resumed and (got, hasher.hexdigest()) != (length, digest):
                got, hasher = _receive(descriptor, 0, sha256(), ask)
            whole = (got, hasher.hexdigest()) == (length, digest)
            if whole:
                os.fsync(descriptor)
        except OSError:
            files.remove(part)  # a full disk needs the room more
            raise
        finally:
            os.close(descriptor)
        if not whole:
            files.remove(part)
            raise SyncError(
                f"the bundle {digest[:12]}… came as {got} bytes, which are not the {length} that "
                "are signed",
                code="mismatch",
            )
        self._finish(part, digest)

    def build(self, digest: str, make: Callable[[Callable[[bytes], object]], None]) -> None:
        """Stores a bundle that `make` hands over piece by piece, having checked its hash itself."""
        part = self._part(digest) + ".new"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o600)
        try:
            make(lambda data: files.write_all(descriptor, data))
            os.fsync(descriptor)
        except BaseException:
            files.remove(part)
            raise
        finally:
            os.close(descriptor)
        self._finish(part, digest)

    def clean(self, keep: Iterable[str], parts: Iterable[str] = ()) -> None:
        """Deletes every bundle but those to keep, and what was begun of others than `parts`."""
        kept = {digest + _SUFFIX for digest in keep} | {digest + _PART for digest in parts}
        for name in files.names(self.directory):
            if name not in kept:
                files.remove(os.path.join(self.directory, name))

    def _part(self, digest: str) -> str:
        return self.path(digest).removesuffix(_SUFFIX) + _PART

    def _finish(self, part: str, digest: str) -> None:
        os.replace(part, self.path(digest))
        sync_directory(self.directory)


def _hashed(descriptor: int, update: Callable[[bytes], object]) -> int:
    """Hands a file's bytes to `update`; how many they are."""
    size = 0
    while piece := os.read(descriptor, _PIECE):
        update(piece)
        size += len(piece)
    return size


def _receive(
    descriptor: int, start: int, hasher: hashlib._Hash, ask: Callable[[int], Answer]
) -> tuple[int, hashlib._Hash]:
    """Writes what is asked for from a byte on; bytes that are there then, and their hash."""
    answer = ask(start)
    if answer.start != start:  # all of it was sent
        start, hasher = answer.start, sha256()
    os.ftruncate(descriptor, start)
    os.lseek(descriptor, start, os.SEEK_SET)
    for chunk in answer.body:
        hasher.update(chunk)
        files.write_all(descriptor, chunk)
        start += len(chunk)
    return start, hasher
