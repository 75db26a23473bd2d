# SPDX-License-Identifier: Apache-2.0
"""Who may send: bearer tokens, of which the server keeps nothing but their SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from .errors import TokenError

Check = Callable[[str], str | Awaitable[str | None] | None]
"""From the token of a request to the name of the client it belongs to, or None. It is called in
the event loop: one that has to wait for anything returns an awaitable."""

log = logging.getLogger(__name__)


class TokenFile:
    """A check against a file of lines `<SHA-256 of the token in hexadecimal> <name>`.

    Empty lines and lines that begin with # are skipped. The file is read again when it has changed;
    one that cannot be used then is logged, and the tokens read before stay good.

    Raises:
        TokenError: the file cannot be used when it is opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._version = self._stat()
        self._tokens = self._read()

    def __call__(self, token: str) -> str | None:
        """The name of the client whose token this is."""
        self._refresh()
        digest = hashlib.sha256(token.encode()).digest()
        found = None
        # All are compared, each in constant time, so that the time tells nothing about any.
        for known, name in self._tokens:
            if hmac.compare_digest(known, digest):
                found = name
        return found

    def _refresh(self) -> None:
        try:
            version = self._stat()
            if version == self._version:
                return
            self._version = version
            self._tokens = self._read()
        except TokenError as error:
            # The file may be half written; it is looked at again when it changes once more.
            log.error("tokens not read again", extra={"fields": {"error": str(error)}})  # noqa: TRY400
        else:
            log.info("tokens read again", extra={"fields": {"tokens": len(self._tokens)}})

    def _stat(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise TokenError(f"token file {self._path}: {error.strerror}") from None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self) -> list[tuple[bytes, str]]:
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise TokenError(f"token file {self._path} cannot be read: {error}") from None
        tokens = []
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = re.fullmatch(r"\s*([0-9a-fA-F]{64})\s+(\S.*?)\s*", line)
            if not match:
                raise TokenError(
                    f"token file {self._path}, line {number}: not `<64 hexadecimal digits> <name>`;"
                    f" make the digits with: printf %s TOKEN | sha256sum"
                )
            tokens.append((bytes.fromhex(match[1]), match[2]))
        if not tokens:
            raise TokenError(f"token file {self._path} holds no token: nobody could send")
        return tokens


def anyone(_token: str) -> str:
    """The check that lets everybody in, for tests and loopback; no token is needed then."""
    return "anyone"
