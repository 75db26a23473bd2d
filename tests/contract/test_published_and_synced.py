# SPDX-License-Identifier: Apache-2.0
"""What the publisher says, devices do: releases, deltas, rollouts, stops, denials, new keys."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import edgeart
from edgeart.sync import Syncer, SyncStatus, Tally
from edgeart.sync.trial import LEAST_PAGES, LEAST_SECONDS
from edgeart_export.publish.keys import new_key
from tests.support.fileserver import FileServer, file_server
from tests.support.repositories import TITLES, Made, small_bundle


class Served(dict[str, bytes]):
    """A folder as a server sees it, now."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def get(self, path: str, _: Any = None) -> Any:
        file = self._folder / path
        return file.read_bytes() if file.is_file() else None


class Device:
    """One device of a fleet, by its unit."""

    def __init__(self, folder: Path, server: FileServer, made: Made, unit: int) -> None:
        self.now, self.ticks = time.time(), 0.0
        self.policy: edgeart.Policy | None = None
        self.denied: dict[str, list[str]] = {}
        folder.mkdir()
        (folder / "factory.edgeart").write_bytes(small_bundle(1))
        self.syncer = Syncer(
            folder / "sync", server.url, root=made.root,
            policies={"row": folder / "factory.edgeart"}, unit=unit, swap=self._swap,
            deny=self._deny, tally=lambda _: Tally(LEAST_PAGES, 0), clock=lambda: self.now,
            ticks=lambda: self.ticks,
            source=random.Random(unit),  # noqa: S311 - jitter
        )  # fmt: skip

    def _swap(self, _: str, policy: edgeart.Policy | None) -> None:
        self.policy = policy

    def _deny(self, titles: dict[str, list[str]]) -> None:
        self.denied = titles

    def check(self) -> SyncStatus:
        """A check, and a trial that ends well."""
        self.now += 6
        status = self.syncer.refresh()
        assert status.ok, status
        self.ticks += LEAST_SECONDS
        self.syncer.judge()
        return status

    @property
    def sequence(self) -> int:
        return 0 if self.policy is None else self.policy.sequence


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path)
    made.publisher().add([small_bundle(2)], percent=10_000, new=True, bases=[small_bundle(1)])
    return made


@pytest.fixture
def server(made: Made) -> Iterator[FileServer]:
    with file_server(Served(made.path)) as running:
        yield running


@pytest.fixture
def fleet(made: Made, server: FileServer, tmp_path: Path) -> Iterator[list[Device]]:
    source = random.Random(7)  # noqa: S311 - units of a test
    devices = [
        Device(tmp_path / f"device-{i}", server, made, source.getrandbits(64)) for i in range(12)
    ]
    yield devices
    for device in devices:
        device.syncer.close()


def test_releases_reach_devices_by_deltas(
    fleet: list[Device], made: Made, server: FileServer
) -> None:
    for sequence in range(2, 6):
        if sequence > 2:
            made.publisher().add([small_bundle(sequence)], percent=10_000)
        server.requests.clear()
        for device in fleet[:3]:
            assert device.check().policies["row"].code == "staged"
            assert device.sequence == sequence
        offers = made.publisher().repository.load().catalogue().of("row")
        (offer,) = (o for o in offers if o.sequence == sequence)
        if offer.deltas:
            assert server.asked(".delta") == 3
            assert server.asked(".edgeart") == 0
    # Another one that was away for all of them.
    fleet[5].check()
    assert fleet[5].sequence == 5


def test_a_bundle_of_the_homepages_kind_arrives_by_a_delta(
    made: Made, server: FileServer, tmp_path: Path
) -> None:
    """Large enough that a delta is worth while, whatever the small ones are."""
    import numpy as np

    from edgeart_export import Category, FeatureSchema, PolicyModel, SquareCB, bundle_bytes

    def bundle(sequence: int, changed: int) -> bytes:
        rng = np.random.default_rng(5)
        weights = rng.normal(0, 0.2, (400, 24))
        weights[:changed] += 0.1
        return bundle_bytes(
            PolicyModel(
                name="row", sequence=sequence,
                schema=FeatureSchema([Category("country", [f"c{i}" for i in range(22)])]),
                titles={f"title-{t}": [f"art-{t}-{a}" for a in range(4)] for t in range(100)},
                weights=weights.astype(np.float32), bias=np.zeros(400, np.float32),
                explorer=SquareCB(gamma=10.0),
            )
        )  # fmt: skip

    made.publisher().add([bundle(3, 0)], percent=10_000)
    device = Device(tmp_path / "device", server, made, 9)
    device.check()
    added = made.publisher().add([bundle(4, 20)], percent=10_000)
    (offer,) = added.offers
    assert offer.deltas
    server.requests.clear()
    assert device.check().policies["row"].code == "staged"
    assert device.sequence == 4
    assert server.asked(".delta") == 1
    assert server.asked(".edgeart") == 0
    device.syncer.close()


def test_a_rollout_grows_and_a_revert_and_a_kill_reach_everybody(
    fleet: list[Device], made: Made
) -> None:
    for device in fleet:
        device.check()
    made.publisher().add([small_bundle(3)], percent=0)
    counts = []
    for percent in (0, 3_000, 7_000, 10_000):
        made.publisher().rollout("row", 3, percent)
        for device in fleet:
            device.check()
        counts.append(sum(device.sequence == 3 for device in fleet))
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, len(fleet))
    assert counts[1] < counts[-1]
    made.publisher().revert("row", to=2)
    for device in fleet:
        device.check()
        assert device.sequence == 4
    made.publisher().kill("row", sequence=4)
    for device in fleet:
        device.check()
        assert device.sequence == 3
    made.publisher().kill("row", serve="factory")
    for device in fleet:
        device.check()
        assert device.sequence == 1
    made.publisher().kill("row", serve="defaults")
    fleet[0].check()
    assert fleet[0].policy is None


def test_a_denial_reaches_everybody_and_is_lifted(fleet: list[Device], made: Made) -> None:
    title, artworks = next((t, a) for t, a in TITLES.items() if len(a) > 1)
    made.publisher().deny(title, artworks[:1])
    for device in fleet:
        device.check()
        assert device.denied == {title: artworks[:1]}
    made.publisher().deny(title, artworks[:1], lift=True)
    fleet[0].check()
    assert fleet[0].denied == {}


def test_the_minimum_and_the_interval_are_followed(fleet: list[Device], made: Made) -> None:
    device = fleet[0]
    device.check()
    made.publisher().add([small_bundle(3)], percent=10_000)
    made.publisher().set("row", minimum=3, max_stale=86_400)
    made.publisher().set(interval=3_600)
    status = device.check()
    assert device.sequence == 3
    assert 1_800 - 6 <= status.retry_in <= 5_400
    state = device.syncer.installed.state.of("row")
    assert (state.minimum, state.max_stale) == (3, 86_400)
    assert device.syncer.installed.minima.of["row"][0] == 3
    device.now += 100_000
    device.syncer.installed.serve("row")
    assert device.sequence == 1, "nothing was heard for more than a day"


@pytest.mark.parametrize("role", ["root", "targets", "online"])
def test_devices_follow_new_keys(fleet: list[Device], made: Made, role: str) -> None:
    device = fleet[0]
    device.check()
    held = new_key(made.online if role == "online" else made.offline, role)
    publisher = made.publisher()
    roles = publisher.repository.load().root.signed.roles
    (old, *_) = roles["timestamp" if role == "online" else role].keyids
    publisher.rotate(role, [old], [held])
    made.publisher().add([small_bundle(3)], percent=10_000)
    device.check()
    assert device.sequence == 3
    assert device.syncer.installed.state.root == 2
