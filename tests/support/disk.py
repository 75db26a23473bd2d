# SPDX-License-Identifier: Apache-2.0
"""A layer between the package and the system's file calls, which fails or kills at a chosen one.

Chosen over strace and ptrace because it needs neither privileges nor Linux, and because it can do
what a kill cannot: take back, as a power cut may, all that was never flushed to the disk.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

CALLS = ("open", "write", "fsync", "close", "replace", "rename", "unlink", "ftruncate", "mkdir")
WRITING = ("write", "fsync", "replace", "rename", "unlink", "ftruncate", "mkdir")


class Disk:
    """Counts file calls below a directory, and at the chosen one does what it was told.

    mode: "count"; "torn": SIGKILL before it, or half way through a write; "power": SIGKILL, and
    what was not flushed is gone; "full" and "read_only": that call and every later one that writes
    fails. changing: counts only calls that change what is there; between two of them one kill is
    like another.
    """

    def __init__(
        self, directory: str, mode: str, at: int = 1 << 60, *, changing: bool = True
    ) -> None:
        self.directory = os.path.abspath(directory)
        self.mode = mode
        self.at = at
        self.changing = changing
        self.count = 0
        self._real: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in CALLS}
        self._paths: dict[int, str] = {}
        self._unflushed: set[str] = set()  # paths with bytes that may be lost
        self._pending: list[tuple[str, str, str, bytes | None]] = []  # names that may be lost

    @contextmanager
    def installed(self) -> Iterator[Disk]:
        """In force while the block runs."""
        for name in CALLS:
            setattr(os, name, self._wrapped(name))
        try:
            yield self
        finally:
            for name, real in self._real.items():
                setattr(os, name, real)

    def _wrapped(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def call(*arguments: Any, **more: Any) -> Any:
            path = self._path(name, arguments)
            if path is None or not path.startswith(self.directory):
                return real(*arguments, **more)
            counts = not self.changing or self._changes(name, path, arguments)
            self.count += counts
            if self.mode in ("full", "read_only") and self.count >= self.at:
                self._fail(name, path, arguments)
            if counts and self.count == self.at and self.mode in ("torn", "power"):
                if self.mode == "torn" and name == "write":
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                self._die()
            kept = self._before(name, path, arguments)
            result = real(*arguments, **more)
            self._after(name, path, arguments, result, kept)
            return result

        return call

    def _path(self, name: str, arguments: tuple[Any, ...]) -> str | None:
        if name in ("write", "fsync", "close", "ftruncate"):
            return self._paths.get(arguments[0])
        return os.path.abspath(str(arguments[0]))

    def _changes(self, name: str, path: str, arguments: tuple[Any, ...]) -> bool:
        if name == "open":
            flags = arguments[1]
            return bool(flags & os.O_TRUNC) or (
                bool(flags & os.O_CREAT) and not os.path.exists(path)
            )
        return name in WRITING and not (name == "mkdir" and os.path.exists(path))

    def _fail(self, name: str, path: str, arguments: tuple[Any, ...]) -> None:
        opens_to_write = name == "open" and arguments[1] & (os.O_WRONLY | os.O_RDWR)
        if name not in WRITING and not (opens_to_write and self._creates(path, arguments[1])):
            return
        if self.mode == "full" and name in ("unlink", "ftruncate", "replace", "rename"):
            return  # these need no room
        code = errno.ENOSPC if self.mode == "full" else errno.EROFS
        raise OSError(code, os.strerror(code), path)

    def _creates(self, path: str, flags: int) -> bool:
        return self.mode == "read_only" or (bool(flags & os.O_CREAT) and not os.path.exists(path))

    # What a power cut may take back.

    def _before(self, name: str, path: str, arguments: tuple[Any, ...]) -> bytes | None:
        target = os.path.abspath(os.fspath(arguments[1])) if name in ("replace", "rename") else path
        if name in ("replace", "rename", "unlink") and os.path.exists(target):
            with open(target, "rb") as file:
                return file.read()
        if name == "open" and not os.path.exists(path):
            return b"new"
        return None

    def _after(
        self, name: str, path: str, arguments: tuple[Any, ...], result: Any, kept: bytes | None
    ) -> None:
        if name == "open":
            self._paths[result] = path
            if kept is not None:
                self._pending.append(("created", path, path, None))
            if arguments[1] & os.O_TRUNC:
                self._unflushed.add(path)
        elif name == "close":
            self._paths.pop(arguments[0], None)
        elif name in ("write", "ftruncate"):
            self._unflushed.add(path)
        elif name == "fsync":
            self._unflushed.discard(path)
            if os.path.isdir(path):
                self._pending = [p for p in self._pending if os.path.dirname(p[1]) != path]
        elif name in ("replace", "rename"):
            target = os.path.abspath(os.fspath(arguments[1]))
            self._pending.append(("renamed", target, path, kept))
            if path in self._unflushed:
                self._unflushed.discard(path)
                self._unflushed.add(target)
        elif name == "unlink":
            self._pending.append(("removed", path, path, kept))

    def _die(self) -> None:
        if self.mode == "power":
            for name, real in self._real.items():
                setattr(os, name, real)
            for path in self._unflushed:
                if os.path.exists(path):
                    os.truncate(path, 0)
            for what, path, origin, old in reversed(self._pending):
                if what == "renamed" and os.path.exists(path):
                    os.replace(path, origin)
                if what in ("renamed", "removed") and old is not None:
                    with open(path, "wb") as file:
                        file.write(old)
                if what == "created" and os.path.exists(path):
                    os.unlink(path)
        os.kill(os.getpid(), signal.SIGKILL)
