# SPDX-License-Identifier: Apache-2.0
"""Files that survive a power cut: every write of a sync goes through here, in a chosen order."""

from __future__ import annotations

import os

from edgeart.segments import BINARY, sync_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def read(path: str, limit: int) -> bytes | None:
    """A file's bytes, the first limit + 1 of them; None where there is no such file.

    Raises OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | BINARY)
    except FileNotFoundError:
        return None
    try:
        parts: list[bytes] = []
        left = limit + 1
        while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
    finally:
        os.close(descriptor)
    return b"".join(parts)


def write_all(descriptor: int, data: bytes) -> None:
    """Writes every byte. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def overwrite(path: str, data: bytes) -> None:
    """Writes a file in place and waits for the disk; a crash may leave it torn. Raises OSError."""
    existed = os.path.exists(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o600)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if not existed:
        sync_directory(os.path.dirname(path))


def replace(path: str, data: bytes) -> None:
    """Writes a file so that a crash leaves the old one or the new one, whole. Raises OSError."""
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o600)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, path)
    sync_directory(os.path.dirname(path))


def remove(path: str) -> None:
    """Deletes a file if it is there. Raises OSError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def names(directory: str) -> Iterator[str]:
    """The names in a directory; none where there is no such directory. Raises OSError."""
    try:
        yield from sorted(os.listdir(directory))
    except FileNotFoundError:
        return
