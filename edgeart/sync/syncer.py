# SPDX-License-Identifier: Apache-2.0
"""Keeps a device's policies up to date: makes the steps the machine asks for, and never raises."""

# Whatever goes wrong is a status. http, random and tuf are loaded by the first refresh: a start
# needs none of them.
# ruff: noqa: BLE001, PLC0415

from __future__ import annotations

import os
import threading
import time
from hashlib import sha256

from edgeart.errors import SyncError
from edgeart.sync import files, machine, schedule
from edgeart.sync.delta import apply_delta
from edgeart.sync.installation import Installation
from edgeart.sync.offers import LARGEST_BUNDLE, read_deny, read_offers
from edgeart.sync.serving import examine
from edgeart.sync.status import SyncStatus, of_disk
from edgeart.sync.trust import MetadataFolder, Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Callable, Generator, Mapping

    from edgeart.sync.fetch import Fetcher
    from edgeart.sync.installation import Denied
    from edgeart.sync.machine import Done, Step
    from edgeart.sync.serving import Swap
    from edgeart.sync.trial import Tally

    Check = Generator[Step, None, tuple[dict[str, Done], SyncError | None]]

_LONGEST_TEXT = 500  # characters of an error that are remembered
_NOW_AND_THEN = 5.0  # seconds between two looks at a trial
_SELDOM = 3600.0  # seconds: a clock may be set right while nobody looks


class Syncer:
    """Syncs the policies of one directory, and says which bundle runs.

    directory: of its own; created if need be. url: of the repository. root: path of the root
    metadata that came with the application, or their bytes. token: called for a bearer token.
    proxy: http://host:port; none otherwise. tls: where not the system's certificates are to count.
    timeout: seconds for one check. largest_bundle: bytes.

    policies: name in the repository to the path of the factory bundle. unit: u64 that decides
    which offers this device takes. swap: called with a name and the policy that serves it from
    now on, None for defaults; without it bundles are fetched and verified, and their trial is left
    to the next process that has one. deny: called with each deny list. tally: pages under the
    policy that serves a name, since it does. clock: seconds since 1970; ticks: seconds of a clock
    that does not jump. report: called with the status at the start and after each check.

    Nothing here raises for what a network, a server or a disk does, and nothing but `refresh`
    waits for a network. Raises ValueError for a url that is none.
    """

    def __init__(  # noqa: PLR0913 - keywords, most with a default
        self,
        directory: str | os.PathLike[str],
        url: str,
        *,
        root: str | os.PathLike[str] | bytes,
        token: Callable[[], str] | None = None,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
        timeout: float = 600.0,
        largest_bundle: int = LARGEST_BUNDLE,
        source: random.Random | None = None,
        report: Callable[[SyncStatus], None] | None = None,
        policies: Mapping[str, str | os.PathLike[str]],
        unit: int,
        swap: Swap | None = None,
        deny: Denied | None = None,
        tally: Callable[[str], Tally] | None = None,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"sync url {url!r}: give http(s)://host[:port][/path]")
        self.timeout = timeout
        self.largest_bundle = largest_bundle
        self._url, self._token, self._proxy, self._tls = url, token, proxy, tls
        self._root = root
        self._source = source
        self._report = report
        self._pid = os.getpid()
        self._busy = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._fetcher: Fetcher | None = None
        self._skipped = ""  # a target that is no policy's, and none of which anything is known
        self.installed = Installation(
            directory, policies=policies, unit=unit, swap=swap, deny=deny, tally=tally,
            clock=clock, ticks=ticks,
        )  # fmt: skip
        self.folder = MetadataFolder(self.installed.directory)
        self._told(self.installed.status())

    # Checking.

    def refresh(self, *, asked_for: bool = True) -> SyncStatus:
        """One check: what is offered, fetched, verified and put to its trial.

        asked_for: False where only its time having come is a reason. Never raises.
        """
        if self._pid != os.getpid():
            return self.installed.status("busy", "this is a fork of the process that syncs")
        if self._stop.is_set():
            return self.installed.status("stopped", "this sync was closed")
        with self._busy:
            installed, fetcher = self.installed, None
            try:
                if not installed.take():
                    problem = installed.problem or SyncError("there is no lock", code="storage")
                    return installed.status(problem.code, str(problem))
                installed.judge()
                now = installed.clock()
                schedule.settle(installed.state, now, self._random())
                if schedule.wait_left(installed.state, now, asked_for=asked_for) > 0:
                    return installed.status("waiting", "the next check is not due yet")
                installed.state.asked = now
                installed.problem = self.folder.failure = None
                fetcher = self._begun()
                failure = self._check(fetcher)
            except SyncError as error:
                failure = error
            except Exception as error:
                failure = SyncError(f"{type(error).__name__}: {error}", code="internal")
            finally:
                if fetcher is not None:
                    fetcher.close()
            return self._ended(failure, fetcher)

    def _begun(self) -> Fetcher:
        from edgeart.sync.fetch import Fetcher as Made

        if self._fetcher is None:
            self._fetcher = Made(self._url, token=self._token, proxy=self._proxy, tls=self._tls)
        self._fetcher.cancelled = self._stop.is_set()
        self._fetcher.begin(self.timeout)
        return self._fetcher

    def _check(self, fetcher: Fetcher) -> SyncError | None:
        installed = self.installed
        try:
            self.folder.create()
        except OSError as error:
            self.folder.failure = error
        trust = Trust(
            self._anchor(), self.folder, installed.state, installed.minima, fetcher.whole,
            installed.clock(),
        )  # fmt: skip
        trusted = trust.check()
        offers = read_offers(trusted.targets, trusted.signed, self.largest_bundle)
        steps = installed.machine.check(offers, trusted.signers, installed.now())
        installed.done, failure = self._driven(steps, fetcher)
        self._skipped = offers.broken.get("", "")
        return failure

    def _anchor(self) -> bytes:
        if isinstance(self._root, bytes):
            return self._root
        try:
            with open(self._root, "rb") as file:
                return file.read()
        except OSError as error:
            raise SyncError(f"root metadata: {error}", code="no_root") from error

    def _driven(self, steps: Check, fetcher: Fetcher) -> tuple[dict[str, Done], SyncError | None]:
        try:
            step = next(steps)
            while True:
                try:
                    self._make(step, fetcher)
                    self.installed.judge()
                except SyncError as error:  # noqa: PERF203 - one at a time is the point
                    step = steps.throw(error)
                except OSError as error:
                    step = steps.throw(of_disk(error))
                else:
                    step = next(steps)
        except StopIteration as end:
            result: tuple[dict[str, Done], SyncError | None] = end.value
            return result

    def _make(self, step: Step, fetcher: Fetcher) -> None:
        """Makes one step. Raises SyncError and OSError."""
        installed = self.installed
        store = installed.store
        match step:
            case machine.Serve(name):
                installed.serve(name)
            case machine.GetDeny(target):
                path = f"targets/{target.sha256}.deny.json"
                data = _verified(fetcher, path, target.length, target.sha256)
                installed.deny(read_deny(data))  # acts, whether the disk takes it or not
                files.replace(os.path.join(installed.directory, "deny.json"), data)
            case machine.Take(offer, delta) if delta is not None:
                base = self._base(offer.policy, delta.base)
                packed = _verified(fetcher, offer.path_of(delta), delta.length, delta.sha256)
                digest = bytes.fromhex(offer.sha256)
                store.build(
                    offer.sha256,
                    lambda write: apply_delta(
                        base, packed, write, length=offer.length, digest=digest
                    ),
                )
            case machine.Take(offer):
                store.receive(
                    offer.sha256, offer.length,
                    lambda start: fetcher.get(offer.path, offer.length, start=start, absent=()),
                )  # fmt: skip
            case machine.Examine(offer):
                found = store.load(offer.sha256, offer.length)
                if found is None:
                    raise SyncError("the bundle was damaged on its way to the disk", code="storage")
                examine(found, offer)
            case machine.Save():
                installed.slots.save(installed.state)
            case machine.SaveMinima():
                installed.slots.save_minima(installed.minima)
            case machine.Clean(begun):
                store.clean(installed.state.blobs(), begun)

    def _base(self, name: str, digest: str) -> bytes:
        installed = self.installed
        policy = installed.state.of(name)
        for held in (policy.active, policy.previous, policy.trial):
            if held is not None and held.sha256 == digest:
                data = installed.store.load(digest, held.length)
                if data is not None:
                    return data
        data = installed.serving.factory_bytes(name)
        if data is None or sha256(data).hexdigest() != digest:
            raise SyncError("the delta's base is not here any more", code="delta")
        return data

    def _ended(self, failure: SyncError | None, fetcher: Fetcher | None) -> SyncStatus:
        """Plans the next check, remembers all of it, and says how it went."""
        installed = self.installed
        if failure is None and self.folder.failure is not None:
            failure = of_disk(self.folder.failure)
        now = installed.clock()
        if failure is None:
            schedule.succeeded(installed.state, now, self._random())
        else:
            schedule.failed(installed.state, now, failure.retry_after, self._random())
        # Cut: what a server says may be long, and the state has 64 KiB.
        error = None if failure is None else (failure.code, str(failure)[:_LONGEST_TEXT])
        installed.state.error = error
        if not installed.save():
            failure = failure or installed.problem
        for name in installed.serving.factories:
            installed.serve(name)  # what has become stale meanwhile, say
        code, text = "ok", f"skipped: {self._skipped}" if self._skipped else ""
        if failure is not None:
            code, text = failure.code, str(failure)
        counts = (0, 0, 0)
        if fetcher is not None:
            counts = (fetcher.requests, fetcher.sent, fetcher.received)
        return self._told(installed.status(code, text, counts))

    def _told(self, status: SyncStatus) -> SyncStatus:
        if self._report is not None:
            try:
                self._report(status)
            except Exception as error:
                self.installed.problem = SyncError(f"report: {error}", code="internal")
        return status

    def status(self) -> SyncStatus:
        """How things stand, without a check and without waiting for one."""
        return self.installed.status()

    def _random(self) -> random.Random:
        if self._source is None:
            from random import SystemRandom

            self._source = SystemRandom()
        return self._source

    # In the background.

    def start(self) -> None:
        """Checks when it is time, in a thread of its own."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="edgeart-sync", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        installed = self.installed
        with self._busy:
            schedule.settle(installed.state, installed.clock(), self._random())
        while True:
            left = schedule.wait_left(installed.state, installed.clock(), asked_for=False)
            wait = min(left, _NOW_AND_THEN if installed.in_trial else _SELDOM)
            if self._stop.wait(max(wait, 0.1)):
                return
            self.judge()
            if schedule.wait_left(installed.state, installed.clock(), asked_for=False) <= 0:
                self.refresh(asked_for=False)

    def judge(self) -> None:
        """Ends the trials that have proved something, unless a check is under way, which does."""
        if self._busy.acquire(blocking=False):
            try:
                self.installed.judge()
            except Exception as error:  # the application's: the thread goes on
                self.installed.problem = SyncError(f"{error}", code="internal")
            finally:
                self._busy.release()

    def close(self, timeout: float = 0.0) -> None:
        """Ends the thread, cutting off a request under way, and gives the directory back.

        Where that takes longer than timeout seconds, the thread gives it back when it ends.
        """
        if self._pid != os.getpid():
            return
        self._stop.set()
        fetcher = self._fetcher
        if fetcher is not None:
            fetcher.cancel()
        if self._thread is not None:
            self._thread.join(timeout)
        if self._busy.acquire(timeout=timeout):
            try:
                self.installed.release()
            finally:
                self._busy.release()


def _verified(fetcher: Fetcher, path: str, length: int, digest: str) -> bytes:
    """A whole target. Raises SyncError."""
    data = b"".join(fetcher.get(path, length, absent=()).body)
    if len(data) != length or sha256(data).hexdigest() != digest:
        raise SyncError(f"{path}: not the bytes that are signed", code="mismatch")
    return data
