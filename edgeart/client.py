# SPDX-License-Identifier: Apache-2.0
"""Everything an application needs, behind one object: policies, log and upload in one directory."""

# A client keeps the app running whatever happens below it.
# ruff: noqa: BLE001, PTH

from __future__ import annotations

import os
import time
from _collections_abc import Mapping

from edgeart.clocks import wall_ms
from edgeart.feedback import FeedbackLog
from edgeart.policy import Policy
from edgeart.selector import Selector
from edgeart.selector_state import unit_key
from edgeart.upload import Uploader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from edgeart.sync import SyncStatus, Tally
    from edgeart.sync.syncer import Syncer

_SECRET_SIZE = 32


class Client(Mapping[str, Selector]):
    """One Selector per policy, over one feedback log that uploads itself in the background.

    directory: this process's own; created if need be. policies: name by which the application
    asks, and under which a repository offers newer ones, to the path of the factory bundle; where
    none can be opened it serves defaults, and `errors` says why. unit: an opaque, stable key of the
    member profile. feedback_url: of the collector; None uploads nothing. token: called for its
    bearer token. consent: as for FeedbackLog. upload_seconds: between uploads, give or take half.
    subject: an opaque key for plays that the server logs itself.

    sync_url: of a repository of policies; None runs the factory bundles. root: path of the root
    metadata that came with the application, or their bytes. sync_token: called for a bearer token
    of the repository, if it asks for one. sync_proxy: http://host:port. sync_in_background: False
    leaves it to `refresh` and the application's own timer.

    Raises LogBusyError where another process has the directory, LogError where it cannot be used,
    ValueError for a url that is none or a sync_url without root; after that nothing raises into the
    application.
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
        sync_url: str | None = None,
        root: str | os.PathLike[str] | bytes | None = None,
        sync_token: Callable[[], str] | None = None,
        sync_proxy: str | None = None,
        sync_in_background: bool = True,
        clock: Callable[[], int] = wall_ms,
    ) -> None:
        if sync_url is not None and root is None:
            raise ValueError("sync_url without root: give the root metadata to be trusted")
        self.directory = os.path.abspath(directory)
        self.errors: dict[str, Exception] = {}  # by policy: why it serves defaults
        self.log = FeedbackLog(
            os.path.join(self.directory, "feedback"), consent=consent, clock=clock
        )
        secret = device_secret(self.directory)
        self._selectors: dict[str, Selector] = {}
        for name, path in policies.items():
            policy = self._opened(name, path) if sync_url is None else None
            self._selectors[name] = Selector(
                policy, self.log, unit=unit, secret=secret, subject=subject, clock=clock
            )
        self.uploader: Uploader | None = None
        self.syncer: Syncer | None = None
        self._told: dict[str, tuple[object, ...]] = {}  # by policy, the last status event
        try:
            if feedback_url is not None:
                self.uploader = Uploader(self.log, feedback_url, token=token)
            if sync_url is not None and root is not None:
                from edgeart.sync.syncer import Syncer  # noqa: PLC0415 - for those who sync

                self.syncer = Syncer(
                    os.path.join(self.directory, "sync"), sync_url,
                    root=root, token=sync_token, proxy=sync_proxy, policies=policies,
                    unit=unit_key(secret, unit), swap=self._swap, deny=self._deny,
                    tally=self._tally, report=self._report, clock=lambda: clock() / 1000,
                )  # fmt: skip
                self.errors |= self.syncer.installed.serving.errors
        except ValueError:
            self.log.close()
            raise
        if self.uploader is not None:
            self.uploader.start(upload_seconds)
        if self.syncer is not None and sync_in_background:
            self.syncer.start()

    def _opened(self, name: str, path: str | os.PathLike[str]) -> Policy | None:
        try:
            return Policy.open(path)
        except Exception as error:
            self.errors[name] = error
            return None

    # What a sync asks of us, from its own thread.

    def _swap(self, name: str, policy: Policy | None) -> None:
        self._selectors[name].use(policy)

    def _deny(self, titles: dict[str, list[str]]) -> None:
        for selector in self._selectors.values():
            selector.withdraw(titles)

    def _tally(self, name: str) -> Tally:
        from edgeart.sync.trial import Tally  # noqa: PLC0415 - for those who sync

        return Tally(*self._selectors[name].tally)

    def _report(self, status: SyncStatus) -> None:
        """Writes down how each policy stands, where that has changed."""
        checked = int(status.checked * 1000)
        stale = None if status.stale_since is None else int(status.stale_since * 1000)
        for name, policy in status.policies.items():
            error = status.error_of(name)
            told = (policy.sequence, policy.source, stale is None, error)
            if self._told.get(name) != told:
                self.log.status(name, policy.sequence, policy.source, checked, stale, error)
                self._told[name] = told

    def refresh(self) -> SyncStatus | None:
        """Checks for newer policies now, and waits for it; None without a sync_url.

        Where a check was made within 5 seconds, or the server asked to be left alone, it makes none
        and says so. Never raises.
        """
        return None if self.syncer is None else self.syncer.refresh()

    def sync_status(self) -> SyncStatus | None:
        """How the sync stands, without a check; None without a sync_url."""
        return None if self.syncer is None else self.syncer.status()

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
        """Ends uploading and syncing, seals the log, within about `timeout` seconds.

        Nothing is lost: what has not been uploaded or fetched by then is by the next process.
        """
        deadline = time.monotonic() + timeout
        if self.uploader is not None:
            self.uploader.stop(max(deadline - time.monotonic(), 0.0))
        if self.syncer is not None:
            self.syncer.close(max(deadline - time.monotonic(), 0.0))
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
