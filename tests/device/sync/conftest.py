# SPDX-License-Identifier: Apache-2.0
"""What the tests of policy sync share: a repository on loopback and a device that syncs with it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import edgeart
from edgeart.sync import Syncer, SyncStatus, Tally
from edgeart.sync.trial import LEAST_PAGES, LEAST_SECONDS
from tests.support.fileserver import FileServer, file_server
from tests.support.repository import Repository, policy_bundle

FACTORY, FIRST, SECOND = 10, 11, 12  # sequences


class Device:
    """A device with one policy, `row`; a restart is a new Syncer on the same directory."""

    def __init__(self, directory: Path, server: FileServer, repository: Repository) -> None:
        self.directory = directory
        self.server = server
        self.repository = repository
        self.root = repository.anchor
        self.now = repository.now  # the device's clock
        self.ticks = 0.0
        self.unit = 7
        self.factory = directory / "factory.edgeart"
        self.factory.write_bytes(policy_bundle(FACTORY))
        self.policies = {"row": self.factory}
        self.running: dict[str, edgeart.Policy | None] = {}
        self.denied: dict[str, list[str]] = {}
        self.tallies: dict[str, Tally] = {}
        self.swaps: list[tuple[str, int]] = []
        self.options: dict[str, Any] = {}
        self.syncer: Syncer | None = None

    def start(self, **options: Any) -> Syncer:
        """A process begins."""
        self.stop()
        self.running.clear()
        self.denied = {}
        self.syncer = Syncer(
            self.directory / "sync", self.server.url, root=self.root, policies=self.policies,
            unit=self.unit, swap=self._swap, deny=self._deny, tally=self._tally,
            clock=lambda: self.now, ticks=lambda: self.ticks,
            source=random.Random(1),  # noqa: S311 - jitter
            **{"timeout": 20.0} | self.options | options,
        )  # fmt: skip
        return self.syncer

    def stop(self) -> None:
        """A process ends."""
        if self.syncer is not None:
            self.syncer.close(5.0)
            self.syncer = None

    def _swap(self, name: str, policy: edgeart.Policy | None) -> None:
        self.running[name] = policy
        self.swaps.append((name, 0 if policy is None else policy.sequence))
        self.tallies[name] = Tally(0, 0)

    def _deny(self, titles: dict[str, list[str]]) -> None:
        self.denied = titles

    def _tally(self, name: str) -> Tally:
        return self.tallies.get(name, Tally(0, 0))

    def check(self) -> SyncStatus:
        """A check, long enough after the last one that nothing keeps it from being made."""
        self.now += 90_000
        self.repository.now = max(self.repository.now, self.now)
        return self.again()

    def check_at(self, now: float) -> SyncStatus:
        """A check at another time by the device's clock."""
        self.now = now
        return self.again()

    def again(self) -> SyncStatus:
        """A check now, as the application asks for it."""
        syncer = self.syncer or self.start()
        self.now += 5
        return syncer.refresh()

    def use(self, pages: int = LEAST_PAGES, failed: int = 0, name: str = "row") -> None:
        """The application shows pages for as long as a trial takes."""
        self.tallies[name] = Tally(pages, failed)
        self.ticks += LEAST_SECONDS
        assert self.syncer is not None
        self.syncer.judge()

    def sequence(self, name: str = "row") -> int:
        """Of what serves; 0 for defaults."""
        policy = self.running[name]
        return 0 if policy is None else policy.sequence

    def source(self, name: str = "row") -> str:
        """Where that came from."""
        assert self.syncer is not None
        return self.syncer.status().policies[name].source

    def synced(self) -> int:
        """Checks, tries out what came, and gives the sequence that serves then."""
        assert self.check().ok
        self.use()
        assert self.source() == "active"
        return self.sequence()

    def has(self, sequence: int) -> None:
        """Syncs a bundle that is offered: where a test begins."""
        assert self.synced() == sequence

    def syncer_is_locked_out(self) -> bool:
        """Whether there was no disk even for the lock, so that no check was made."""
        assert self.syncer is not None
        return self.syncer.installed._lock is None

    def blob(self, bundle: bytes) -> Path:
        """Where a bundle is stored."""
        return self.directory / "sync" / "blobs" / f"{sha256(bundle).hexdigest()}.edgeart"


@pytest.fixture
def repository() -> Repository:
    """It offers one bundle, newer than the factory's, to everybody."""
    repository = Repository()
    repository.offer(policy_bundle(FIRST), FIRST)
    repository.publish()
    return repository


@pytest.fixture
def server(repository: Repository) -> Iterator[FileServer]:
    with file_server(repository.files) as running:
        yield running


@pytest.fixture
def device(tmp_path: Path, server: FileServer, repository: Repository) -> Iterator[Device]:
    made = Device(tmp_path, server, repository)
    yield made
    made.stop()
