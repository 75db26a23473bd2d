# SPDX-License-Identifier: Apache-2.0
"""The files of a feedback log: their names, how they are made, sealed, found and locked."""

from __future__ import annotations

import os
from typing import NamedTuple

from edgeart.errors import LogBusyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = ".eaf"
BINARY = getattr(os, "O_BINARY", 0)  # for Windows
HEADER_SIZE = 64  # bytes (native/spec/feedback.md §2)
_HEX = frozenset("0123456789abcdef")


class Sealed(NamedTuple):
    """A sealed segment, as its file's name tells (native/spec/feedback.md §1)."""

    path: str
    stream: int
    first: int  # sequence
    last: int

    @property
    def span(self) -> int:
        """Number of sequences it covers, gaps included."""
        return self.last - self.first + 1


def ref_of(stream: int, sequence: int) -> str:
    """The short string that names an impression for later."""
    return f"{stream:016x}-{sequence:08x}"


def parse_ref(ref: str) -> tuple[int, int]:
    """Stream and sequence of a ref. Raises ValueError."""
    stream, dash, sequence = ref.partition("-")
    if len(stream) == 16 and len(sequence) == 8 and dash and _HEX.issuperset(stream + sequence):
        return int(stream, 16), int(sequence, 16)
    raise ValueError(f"{ref!r} is no ref: it is what shown() returned, 16 and 8 hexadecimal digits")


def active_name(stream: int, first: int) -> str:
    """File name of a segment that is being written."""
    return f"active-{stream:016x}-{first:08x}{SUFFIX}"


def parse_active(name: str) -> tuple[int, int] | None:
    """Stream and first sequence of an active segment's file name; None for other names."""
    ref = name.removeprefix("active-").removesuffix(SUFFIX)
    if name != f"active-{ref}{SUFFIX}":
        return None
    try:
        return parse_ref(ref)
    except ValueError:
        return None


def sealed_name(stream: int, first: int, last: int) -> str:
    """File name of a sealed segment."""
    return f"{stream:016x}-{first:08x}-{last:08x}{SUFFIX}"


def parse_sealed(directory: str, name: str) -> Sealed | None:
    """The sealed segment of a file name; None for other names."""
    parts = name.removesuffix(SUFFIX).split("-")
    if not name.endswith(SUFFIX) or [len(part) for part in parts] != [16, 8, 8]:
        return None
    if not _HEX.issuperset("".join(parts)):
        return None
    stream, first, last = (int(part, 16) for part in parts)
    return Sealed(os.path.join(directory, name), stream, first, last) if first <= last else None


def sealed_in(directory: str) -> list[tuple[Sealed, int, int]]:
    """All sealed segments, the longest untouched first, each with its age mark and size.

    The mark is the file's modification time, nanoseconds since 1970; the size is in bytes. Files
    that are deleted meanwhile (an upload runs beside) are left out.
    """
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            segment = parse_sealed(directory, entry.name)
            if segment is not None:
                try:
                    stat = entry.stat()
                except FileNotFoundError:
                    continue
                found.append((segment, stat.st_mtime_ns, stat.st_size))
    return sorted(found, key=lambda entry: (entry[1], entry[0].stream, entry[0].first))


def actives_in(directory: str) -> Iterator[tuple[str, int, int]]:
    """Path, stream and first sequence of each segment that was being written."""
    for name in sorted(os.listdir(directory)):
        named = parse_active(name)
        if named is not None:
            yield os.path.join(directory, name), *named


def allocate(path: str, size: int) -> int:
    """A new file of this many zero bytes that the disk really has; its descriptor.

    A sparse file would do until the disk is full: then the first store to a missing page would
    kill the process. Raises OSError, and leaves no file then.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | BINARY, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:
            written = 0
            while written < size:
                written += os.write(descriptor, bytes(min(size - written, 1 << 16)))
    except OSError:
        os.close(descriptor)
        os.unlink(path)
        raise
    return descriptor


def seal(path: str, descriptor: int, used: int, stream: int, first: int, last: int) -> Sealed:
    """Cuts a segment behind its last frame, makes it durable, and gives it its final name.

    In this order a crash leaves either the active file, which recovery seals again, or the
    sealed one, complete.
    """
    directory = os.path.dirname(path)
    os.ftruncate(descriptor, used)
    os.fsync(descriptor)
    target = os.path.join(directory, sealed_name(stream, first, last))
    os.rename(path, target)
    sync_directory(directory)
    return Sealed(target, stream, first, last)


def remove(path: str) -> None:
    """Deletes a file, if it is still there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def sync_directory(directory: str) -> None:
    """Makes renames in a directory durable, where the platform can."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock(directory: str) -> int:
    """Takes the directory's lock for this process; the descriptor that holds it.

    The lock goes with the process, however it ends; a fork shares it. Raises LogBusyError.
    """
    path = os.path.join(directory, "lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.name == "nt":
            import msvcrt  # noqa: PLC0415 - exists only there

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl  # noqa: PLC0415 - exists only here

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise LogBusyError(
            f"the feedback log {directory} is in use by process {holder}: a log belongs to one "
            "process; give each process a directory of its own"
        ) from error
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError:
        os.close(descriptor)  # a lock that nobody knows of would never be given back
        raise
    return descriptor
