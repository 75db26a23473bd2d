# SPDX-License-Identifier: Apache-2.0
"""Everything an application needs, behind one object: policies, log and upload in one directory."""

# A client keeps the app running whatever happens below it.
# ruff: noqa: BLE001, PTH

from __future__ import annotations

import os
import time
from _collections_abc import Mapping

from edgeart.feedback import FeedbackLog, wall_ms
from edgeart.policy import Policy
from edgeart.selector import Selector
from edgeart.upload import Uploader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

_SECRET_SIZE = 32


class Client(Mapping[str, Selector]):
    """One Selector per policy, over one feedback log that uploads itself in the background.

    directory: this process's own; created if need be. policies: name by which the application
    asks to the path of its factory bundle; one that cannot be opened serves defaults, and `errors`
    says why. unit: an opaque, stable key of the member profile. feedback_url: of the collector;
    None uploads nothing. token: called for its bearer token. consent: as for FeedbackLog.
    upload_seconds: between uploads, give or take half. subject: an opaque key for plays that the
    server logs itself.

    Raises LogBusyError where another process has the directory, LogError where it cannot be used;
    after that nothing raises into the application.
    """

    def __init__(  # noqa: PLR0913 - keywords, each with a default but two
        self,
        directory: str | os.PathLike[str],
        *,
        policies: Mapping[str, str | os.PathLike[str]],
        unit: bytes,
        feedback_url: str | None = None,
        token: Callable[[], str] | None = None,
        consent: bool | None = True,
        upload_seconds: float = 300.0,
        subject: str | None = None,
        clock: Callable[[], int] = wall_ms,
    ) -> None:
        self.directory = os.path.abspath(directory)
        self.errors: dict[str, Exception] = {}  # by policy: why it serves defaults
        self.log = FeedbackLog(
            os.path.join(self.directory, "feedback"), consent=consent, clock=clock
        )
        secret = device_secret(self.directory)
        self._selectors = {}
        for name, path in policies.items():
            self._selectors[name] = Selector(
                self._opened(name, path), self.log, unit=unit, secret=secret, subject=subject,
                clock=clock,
            )  # fmt: skip
        self.uploader: Uploader | None = None
        if feedback_url is not None:
            self.uploader = Uploader(self.log, feedback_url, token=token)
            self.uploader.start(upload_seconds)

    def _opened(self, name: str, path: str | os.PathLike[str]) -> Policy | None:
        try:
            return Policy.open(path)
        except Exception as error:
            self.errors[name] = error
            return None

    def __getitem__(self, name: str) -> Selector:
        try:
            return self._selectors[name]
        except KeyError:
            known = ", ".join(self._selectors) or "none"
            raise KeyError(f"no policy {name!r} in this client; it has: {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._selectors)

    def __len__(self) -> int:
        return len(self._selectors)

    @property
    def consent(self) -> bool | None:
        """Whether feedback may be recorded; False deletes what is stored."""
        return self.log.consent

    @consent.setter
    def consent(self, value: bool | None) -> None:
        self.log.consent = value

    def close(self, timeout: float = 2.0) -> None:
        """Ends uploading and seals the log, within about `timeout` seconds; nothing is lost.

        What has not been uploaded by then is sent by the next process.
        """
        deadline = time.monotonic() + timeout
        if self.uploader is not None:
            self.uploader.stop(max(deadline - time.monotonic(), 0.0))
        self.log.close()

    async def aclose(self, timeout: float = 2.0) -> None:
        """`close`, without blocking the event loop."""
        import asyncio  # noqa: PLC0415 - costs what only an asynchronous app should pay

        await asyncio.to_thread(self.close, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def device_secret(directory: str) -> bytes:
    """The directory's 32 random bytes, made at the first call; only the owner can read them.

    Raises OSError.
    """
    path = os.path.join(directory, "secret")
    try:
        with open(path, "rb") as file:
            secret = file.read()
        if len(secret) == _SECRET_SIZE:
            return secret
    except FileNotFoundError:
        pass
    secret = os.urandom(_SECRET_SIZE)
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, secret)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(temporary, path)
    return secret
