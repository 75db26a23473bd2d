# SPDX-License-Identifier: Apache-2.0
"""Rows 1 to 10, 25 to 27 and 40 of the sync fault table: signatures, versions, clocks."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata
from tuf.ngclient import Updater

from edgeart.sync.trust import code_of
from tests.device.sync.conftest import FACTORY, FIRST, SECOND, Device
from tests.support.fileserver import FileServer
from tests.support.repository import Repository, policy_bundle

DAY = 86_400.0


def offers_second(repository: Repository) -> None:
    repository.offer(policy_bundle(SECOND), SECOND)
    repository.publish()


def refusal(device: Device) -> str | None:
    """The code of a check during which what served goes on."""
    status = device.check()
    assert device.sequence() == FIRST
    assert status.policies["row"].sequence == FIRST
    return status.code


def recovered(device: Device, repository: Repository) -> int:
    """What serves once the server is honest again and offers the second bundle."""
    device.server.behave = None
    device.server.files = repository.files
    repository.now = device.now
    offers_second(repository)
    return device.synced()


def resigned(data: bytes, signers: list[CryptoSigner]) -> bytes:
    metadata: Metadata[Any] = Metadata.from_bytes(data)
    metadata.signatures.clear()
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
@pytest.mark.parametrize("how", ["unsigned", "wrong_key"])
def test_row_01_metadata_without_the_right_signature_changes_nothing(
    device: Device, repository: Repository, role: str, how: str
) -> None:
    device.has(FIRST)
    honest = dict(repository.files)
    offers_second(repository)
    name = "timestamp.json" if role == "timestamp" else f"{repository.targets.version}.{role}.json"
    signers = [] if how == "unsigned" else [CryptoSigner.generate_ed25519()]
    good = repository.files[f"metadata/{name}"]
    repository.files[f"metadata/{name}"] = resigned(good, signers)
    assert refusal(device) == "untrusted"
    assert honest.keys() < repository.files.keys()
    assert recovered(device, repository) == SECOND


def test_row_02_a_threshold_that_is_not_met_is_refused(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    repository.rotate("timestamp")
    name = f"metadata/{repository.root.version}.root.json"
    good = repository.files[name]
    repository.files[name] = resigned(good, repository.signers["root"][:1])
    assert refusal(device) == "untrusted"
    repository.files[name] = good
    repository.sign_timestamp()
    assert recovered(device, repository) == SECOND


def test_row_02_one_key_that_signs_twice_counts_once(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    repository.rotate("timestamp")
    name = f"metadata/{repository.root.version}.root.json"
    good = repository.files[name]
    first = repository.signers["root"][0]
    once = json.loads(resigned(good, [first]))
    twice = once | {"signatures": once["signatures"] * 2}
    repository.files[name] = json.dumps(twice).encode()
    # python-tuf takes a repeated key id for a mistake in the file; one signature would be too few.
    assert refusal(device) == "malformed"
    repository.files[name] = good
    assert recovered(device, repository) == SECOND


def test_row_03_root_is_followed_through_every_rotation(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    for _ in range(5):
        for role in ("root", "targets", "snapshot", "timestamp"):
            repository.rotate(role)
    offers_second(repository)
    device.has(SECOND)
    assert device.server.asked("21.root.json")


def test_row_03_a_root_version_that_is_skipped_ends_the_check(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    repository.rotate("timestamp")
    repository.rotate("timestamp")
    repository.sign_timestamp()
    second = repository.files["metadata/2.root.json"]
    repository.files["metadata/2.root.json"] = repository.files["metadata/3.root.json"]
    assert refusal(device) == "rollback"
    repository.files["metadata/2.root.json"] = second
    assert recovered(device, repository) == SECOND


def test_row_03_root_signed_by_its_own_new_keys_alone_is_refused(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    version, signers = repository.root.version, repository.signers["root"]
    repository.rotate("root", sign_by_old=False)
    assert refusal(device) == "untrusted"
    del repository.files["metadata/2.root.json"]
    for signer in repository.signers["root"]:
        repository.root.revoke_key(signer.public_key.keyid, "root")
    for signer in signers:
        repository.root.add_key(signer.public_key, "root")
    repository.root.version, repository.signers["root"] = version, signers
    assert recovered(device, repository) == SECOND


def test_row_04_an_expired_root_ends_the_check(device: Device, repository: Repository) -> None:
    device.has(FIRST)
    repository.days["root"] = 1.0
    repository.rotate("timestamp")
    offers_second(repository)
    device.now += 3 * DAY
    assert refusal(device) == "expired"
    repository.now = device.now
    repository.days["root"] = 3650.0
    repository.rotate("timestamp")
    assert recovered(device, repository) == SECOND


def test_row_04_an_expired_root_on_the_way_to_a_good_one_is_fine(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    repository.days["root"] = 1.0
    repository.rotate("timestamp")
    repository.days["root"] = 3650.0
    repository.rotate("timestamp")
    offers_second(repository)
    device.now += 3 * DAY
    assert device.synced() == SECOND


def test_row_05_a_timestamp_rolled_back_is_refused(device: Device, repository: Repository) -> None:
    old = dict(repository.files)
    offers_second(repository)
    device.has(SECOND)
    device.server.files = old
    status = device.check()
    assert status.code == "rollback"
    assert device.sequence() == SECOND
    device.server.files = repository.files
    assert device.check().ok


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_row_06_a_rolled_back_snapshot_or_targets_is_refused(
    device: Device, repository: Repository, role: str
) -> None:
    """The online keys are stolen: a timestamp of a new version names older metadata."""
    offers_second(repository)
    device.has(SECOND)
    if role == "snapshot":
        repository.snapshot.version = 1
    else:
        repository.targets.version = 2  # as it was when only the first bundle was offered
        repository.sign_snapshot()
    repository.sign_timestamp()
    status = device.check()
    assert status.code == "rollback", status
    assert device.sequence() == SECOND
    repository.snapshot.version, repository.targets.version = 9, 9
    repository.publish()
    assert device.check().ok


def test_row_06_a_role_that_vanishes_from_snapshot_is_refused(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    repository.targets.version += 1
    repository.snapshot.version += 1
    repository.snapshot.meta.clear()
    repository._write("snapshot", repository.snapshot)
    repository.sign_timestamp()
    assert refusal(device) == "untrusted"
    assert recovered(device, repository) == SECOND


def test_row_07_a_rollback_is_refused_also_where_all_local_metadata_is_gone(
    device: Device, repository: Repository
) -> None:
    old = dict(repository.files)
    offers_second(repository)
    device.has(SECOND)
    device.stop()
    for path in (device.directory / "sync" / "metadata").iterdir():
        path.write_bytes(b"")
    device.server.files = old
    device.start()
    assert device.sequence() == SECOND
    assert device.check().code == "rollback"
    assert device.sequence() == SECOND
    device.server.files = repository.files
    assert device.check().ok
    assert device.sequence() == SECOND


def test_row_07_a_root_rolled_back_is_refused_where_its_copies_are_gone(
    device: Device, repository: Repository
) -> None:
    repository.rotate("targets")
    repository.publish()
    device.has(FIRST)
    device.stop()
    for path in (device.directory / "sync" / "metadata").iterdir():
        path.unlink()
    withheld = repository.files.pop("metadata/2.root.json")
    device.start()
    assert device.check().code == "rollback"
    repository.files["metadata/2.root.json"] = withheld
    assert device.check().ok


@pytest.mark.parametrize("max_stale", [0, 30 * 86_400])
def test_row_08_a_freeze_is_told_and_ends_in_the_factory_policy_if_so_configured(
    device: Device, repository: Repository, max_stale: int
) -> None:
    repository.record("row", max_stale=max_stale)
    repository.days["timestamp"] = 7.0
    repository.publish()
    device.has(FIRST)
    assert device.syncer is not None
    checked = device.syncer.status().checked
    device.now += 8 * DAY
    frozen = device.again()
    assert frozen.code == "expired"
    assert frozen.stale_since == checked
    assert device.sequence() == FIRST
    device.now += 30 * DAY
    assert device.again().code == "expired"
    assert device.sequence() == (FACTORY if max_stale else FIRST)
    device.start()
    assert device.sequence() == (FACTORY if max_stale else FIRST)
    repository.now = device.now
    repository.publish()
    status = device.check()
    assert status.ok
    assert status.stale_since is None
    assert device.sequence() == FIRST


def test_row_09_metadata_of_two_snapshots_do_not_mix(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    first = repository.files[f"metadata/{repository.targets.version}.targets.json"]
    offers_second(repository)
    name = f"metadata/{repository.targets.version}.targets.json"
    good = repository.files[name]
    repository.files[name] = first
    assert refusal(device) == "rollback"
    repository.files[name] = good
    assert device.synced() == SECOND


def test_row_10_versions_far_ahead_are_undone_by_rotating_the_stolen_keys(
    device: Device, repository: Repository
) -> None:
    far = (1 << 31) - 5
    device.has(FIRST)
    honest = (
        repository.targets.version, repository.snapshot.version, repository.timestamp.version,
    )  # fmt: skip
    repository.targets.version = repository.snapshot.version = repository.timestamp.version = far
    repository.at = int(device.now + 400 * DAY)  # and a time, in which all that is good expires
    repository.record("row", minimum=far)
    repository.offer(policy_bundle(FIRST + 1_000), FIRST + 1_000)
    repository.publish()
    assert device.check().ok
    assert device.sequence() == FACTORY  # below the stolen keys' minimum nothing else may run
    # The owner's answer: new keys for every role, honest versions, the stolen sequence killed.
    repository.targets.version, repository.snapshot.version, repository.timestamp.version = honest
    for role in ("targets", "snapshot", "timestamp"):
        repository.days[role] = 100.0
        repository.rotate(role)
    repository.at = None
    del repository.targets.targets[f"row/{FIRST + 1_000}.f1.edgeart"]
    repository.record("row", minimum=1, killed=[FIRST + 1_000])
    offers_second(repository)
    device.has(SECOND)
    device.start()
    assert device.sequence() == SECOND


def test_row_10_without_a_rotation_versions_far_ahead_stay(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    honest = repository.timestamp.version
    repository.timestamp.version = 1_000_000
    repository.sign_timestamp()
    assert device.check().ok
    repository.timestamp.version = honest
    offers_second(repository)
    assert refusal(device) == "rollback"


def test_row_25_a_clock_at_1970_keeps_nothing_alive_that_has_expired(
    device: Device, repository: Repository
) -> None:
    repository.days["timestamp"] = 7.0
    repository.publish()
    device.has(FIRST)
    frozen = dict(repository.files)
    repository.now += 30 * DAY
    repository.publish()
    device.now = repository.now
    assert device.check().ok
    device.stop()
    device.now = 100.0
    # Copies are lost as well, so that versions say nothing: the clock floor is all there is.
    device.server.files = {
        name: data for name, data in frozen.items()
        if "timestamp" not in name
    } | {"metadata/timestamp.json": frozen["metadata/timestamp.json"]}  # fmt: skip
    device.start()
    assert device.sequence() == FIRST
    assert device.again().code in ("rollback", "expired")
    device.server.files = repository.files
    device.now += 100_000
    assert device.again().ok
    repository.days["timestamp"] = 1.0
    repository.now += 1.0
    repository.publish()
    assert device.check_at(device.now + 100_000).ok
    # What has been signed since has expired by the floor, whatever this clock says.
    repository.at = int(repository.now + 2 * DAY)
    repository.publish()
    assert device.check_at(device.now + 100_000).code == "expired"


def test_row_25_a_new_device_whose_clock_says_1970_syncs(device: Device) -> None:
    device.now = 0.0
    assert device.again().ok
    device.use()
    assert device.sequence() == FIRST


def test_row_26_a_clock_two_years_ahead_spoils_nothing_for_the_time_it_is_right_again(
    device: Device, repository: Repository
) -> None:
    for role in ("timestamp", "snapshot", "targets"):
        repository.days[role] = 30.0
    repository.publish()
    device.has(FIRST)
    right = device.now
    device.now += 730 * DAY
    status = device.again()
    assert status.code == "expired"
    assert status.stale_since is not None
    assert device.sequence() == FIRST
    device.start()
    assert device.again().code == "expired"
    device.now = right + DAY
    repository.now = device.now
    offers_second(repository)
    device.start()
    status = device.again()
    assert status.ok, status
    assert status.stale_since is None
    assert status.retry_in < 2 * repository.interval
    device.use()
    assert device.sequence() == SECOND


def test_row_27_ninety_days_offline_it_serves_and_says_that_it_is_stale(
    device: Device, server: FileServer
) -> None:
    device.has(FIRST)
    assert device.syncer is not None
    checked = device.syncer.status().checked
    server.behave = lambda handler, _: handler.hang_up()
    for _ in range(90):
        device.now += DAY
        status = device.again()
        assert status.code == "network"
    assert status.stale_since == checked
    assert device.sequence() == FIRST
    device.start()
    assert device.sequence() == FIRST
    assert device.syncer.status().stale_since == checked
    server.behave = None
    assert device.check().stale_since is None


class Verdicts:
    """What python-tuf's own client says of a repository that is served, and what ours says."""

    def __init__(self, folder: Path, server: FileServer, repository: Repository) -> None:
        self.folder = folder
        self.server = server
        self.repository = repository
        self.count = 0

    def pythons(self) -> str:
        self.count += 1
        folder = self.folder / f"tuf-{self.count}"
        folder.mkdir()
        updater = Updater(
            str(folder), f"{self.server.url}/metadata/", bootstrap=self.repository.anchor
        )
        try:
            updater.refresh()
        except RepositoryError as error:
            return code_of(error)
        return "ok"


def mutations(data: bytes, source: random.Random) -> Callable[[], bytes]:
    """Makers of damage: bits, digits, words, missing and doubled pieces."""

    def mutate() -> bytes:
        out = bytearray(data)
        at = source.randrange(len(out))
        kind = source.randrange(5)
        if kind == 0:
            out[at] ^= 1 << source.randrange(8)
        elif kind == 1:
            digits = [i for i, byte in enumerate(out) if chr(byte).isdigit()]
            out[source.choice(digits)] = ord(source.choice("0123456789"))
        elif kind == 2:
            del out[at : at + source.randrange(1, 40)]
        elif kind == 3:
            out[at:at] = out[at : at + source.randrange(1, 40)]
        else:
            words = [b'"expires"', b'"version"', b'"signatures"', b'"keyid"', b'"_type"']
            word = source.choice(words)
            out = bytearray(bytes(out).replace(word, b'"other"', 1))
        return bytes(out)

    return mutate


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_row_40_mutated_metadata_gets_python_tufs_own_verdict(
    device: Device, repository: Repository, server: FileServer, tmp_path: Path, role: str
) -> None:
    repository.now = 1_700_000_000.0  # Updater has no clock of its own to be set
    device.now = repository.now
    repository.rotate("snapshot")
    repository.publish()
    name = {
        "root": "2.root.json", "timestamp": "timestamp.json",
        "snapshot": f"{repository.snapshot.version}.snapshot.json",
        "targets": f"{repository.targets.version}.targets.json",
    }[role]  # fmt: skip
    good = repository.files[f"metadata/{name}"]
    mutate = mutations(good, random.Random(role))  # noqa: S311 - choices of a test
    verdicts = Verdicts(tmp_path, server, repository)
    seen = set()
    for round_ in range(40):
        repository.files[f"metadata/{name}"] = mutate()
        device.directory = tmp_path / f"{role}-{round_}"
        device.directory.mkdir()
        device.start()
        pythons = verdicts.pythons()
        assert device.check().code == pythons
        seen.add(pythons)
    assert len(seen) >= 2, seen
