# SPDX-License-Identifier: Apache-2.0
"""Rows 18 to 24 and 38 of the sync fault table: kills, power cuts, disks that fail, neighbours."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import edgeart
from edgeart.sync import Syncer
from tests.device.sync.conftest import FACTORY, FIRST, SECOND, Device
from tests.support.disk import Disk
from tests.support.repository import Repository, policy_bundle

ROOT = Path(__file__).parents[3]


def offers_second(repository: Repository) -> str:
    path = repository.offer(policy_bundle(SECOND), SECOND)
    repository.record("row", minimum=FIRST)
    repository.deny({"title-1": ["art-1-0"]})
    repository.publish()
    return path


@pytest.mark.parametrize("mode", ["torn", "power"])
def test_row_18_a_kill_at_every_file_call_of_an_installation_leaves_a_device_that_decides(
    device: Device, repository: Repository, tmp_path: Path, mode: str
) -> None:
    """The system's file calls go through a layer that kills at each in turn: tests/support/disk."""
    device.has(FIRST)
    device.stop()
    offers_second(repository)
    root = tmp_path / "root.json"
    root.write_bytes(repository.anchor)
    calls = ["all"] if os.environ.get("EDGEART_EVERY_CALL") else []  # make sync-sigkill
    memory = Path("/dev/shm")  # noqa: S108 - what is flushed there takes no disk's time
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        installed = Path(folder) / "installed"
        shutil.copytree(tmp_path / "sync", installed / "sync")
        result = subprocess.run(
            [sys.executable, "-m", "tests.support.installing", str(installed), device.server.url,
             str(root), str(device.factory), str(device.unit), str(device.now + 90_000), mode,
             *calls],
            capture_output=True, text=True, check=False, timeout=500,
            # a Python may leave the working directory out of its path
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)["found"]
    assert len(found) > 40, "an installation changes more than that"
    for call, at_once, later in found:
        assert at_once[0] in (FIRST, SECOND), (call, at_once)
        assert later == [SECOND, "active", 1], (call, later)
    for what in (0, 2):
        served = [at_once[what] for _, at_once, _ in found]
        assert served == sorted(served), "what holds once, a bundle or a denial, goes on holding"
        assert set(served) == ({FIRST, SECOND}, {0}, {0, 1})[what]


@pytest.mark.parametrize("slot", ["state-0", "state-1"])
@pytest.mark.parametrize("damage", ["torn", "emptied", "gone", "flipped"])
def test_row_19_one_state_slot_that_is_lost_is_made_up_for_by_the_other(
    device: Device, slot: str, damage: str
) -> None:
    device.has(FIRST)
    assert device.check().ok  # so that both slots know of the first bundle
    assert device.check().ok
    device.stop()
    spoil(device.directory / "sync" / slot, damage)
    device.start()
    assert (device.sequence(), device.source()) == (FIRST, "active")
    assert device.check().ok
    assert (device.sequence(), device.source()) == (FIRST, "active")


def spoil(path: Path, damage: str) -> None:
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "torn":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "emptied":
        path.write_bytes(b"")
    else:
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 4]) + data[-8:])


@pytest.mark.parametrize("damage", ["torn", "emptied", "gone", "flipped"])
def test_row_20_with_both_slots_lost_the_factory_policy_serves_and_the_minimum_holds(
    device: Device, repository: Repository, damage: str
) -> None:
    offers_second(repository)
    repository.record("row", minimum=SECOND)
    repository.publish()
    device.has(SECOND)
    device.stop()
    spoil(device.directory / "sync" / "state-0", damage)
    spoil(device.directory / "sync" / "state-1", damage)
    shutil.rmtree(device.directory / "sync" / "metadata")
    device.start()
    assert (device.sequence(), device.source()) == (FACTORY, "factory")
    # Somebody offers what was offered long ago: nothing remembers versions now but the minimum.
    repository.record("row", minimum=1)
    del repository.targets.targets[f"row/{SECOND}.f1.edgeart"]
    repository.publish()
    assert device.check().ok
    assert device.sequence() == FACTORY
    repository.offer(policy_bundle(SECOND), SECOND)
    repository.now = device.now
    repository.publish()
    assert device.synced() == SECOND


@pytest.mark.parametrize("damage", ["torn", "emptied", "gone", "flipped"])
def test_row_21_a_blob_that_is_torn_is_never_opened_and_fetched_again(
    device: Device, repository: Repository, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.has(FIRST)
    offers_second(repository)
    device.has(SECOND)
    device.stop()
    spoil(device.blob(policy_bundle(SECOND)), damage)
    opened = []
    real = edgeart.Policy.from_bytes

    def note(data: bytes) -> edgeart.Policy:
        if len(data) > 100:  # and not the question which formats there are
            opened.append(data)
        return real(data)

    monkeypatch.setattr("edgeart.sync.serving.Policy.from_bytes", note)
    device.start()
    assert (device.sequence(), device.source()) == (FIRST, "previous")
    assert opened == [policy_bundle(FIRST)]
    assert not device.blob(policy_bundle(SECOND)).exists()
    assert device.check().policies["row"].code == "restored"
    assert (device.sequence(), device.source()) == (SECOND, "active")
    assert policy_bundle(SECOND) in opened
    assert set(opened) <= {policy_bundle(FIRST), policy_bundle(SECOND)}


def calls_of_a_check(device: Device, folder: Path) -> int:
    with Disk(str(folder), "count").installed() as disk:
        assert device.check().ok
        device.use()
    return disk.count


@pytest.mark.parametrize("mode", ["full", "read_only"])
def test_row_22_and_23_a_disk_that_fills_or_turns_read_only_at_any_call_stops_nothing(
    device: Device, repository: Repository, tmp_path: Path, mode: str
) -> None:
    device.has(FIRST)
    device.stop()
    offers_second(repository)
    before = tmp_path / "before"
    shutil.copytree(tmp_path / "sync", before)
    now = device.now
    count = calls_of_a_check(device, tmp_path / "sync")
    assert count > 40
    codes = set()
    for at in range(1, count + 1):
        device.stop()
        shutil.rmtree(tmp_path / "sync")
        shutil.copytree(before, tmp_path / "sync")
        device.now = now
        with Disk(str(tmp_path / "sync"), mode, at).installed():
            device.start()
            assert device.sequence() == FIRST
            status = device.check()
            assert status.code in ("ok", "no_space", "read_only"), (at, status)
            codes |= {status.code, status.policies["row"].code}
            # What was verified holds, whether the disk has room for it or not; what could not be
            # written down does not begin its trial.
            if not device.syncer_is_locked_out():
                assert device.denied == {"title-1": ["art-1-0"]}, at
            assert device.sequence() in (FIRST, SECOND)
            device.use()
            assert device.sequence() in (FIRST, SECOND)
        device.start()
        assert device.sequence() in (FIRST, SECOND), at
        assert device.check().ok
        device.use()
        assert (device.sequence(), device.source()) == (SECOND, "active"), at
        assert device.denied == {"title-1": ["art-1-0"]}
    assert ("no_space" if mode == "full" else "read_only") in codes


def test_row_23_on_storage_that_is_read_only_from_the_start_it_serves_and_says_so(
    device: Device, repository: Repository, tmp_path: Path
) -> None:
    device.has(FIRST)
    device.stop()
    offers_second(repository)
    with Disk(str(tmp_path / "sync"), "read_only", 1).installed():
        device.start()
        assert (device.sequence(), device.source()) == (FIRST, "active")
        assert device.check().code == "read_only"
        assert device.sequence() == FIRST
    device.start()
    assert device.synced() == SECOND


def test_row_23_a_directory_that_cannot_be_made_leaves_the_factory_policy(
    device: Device, tmp_path: Path
) -> None:
    (tmp_path / "sync").write_bytes(b"a file where the directory should be")
    device.start()
    assert (device.sequence(), device.source()) == (FACTORY, "factory")
    assert device.check().code == "storage"
    (tmp_path / "sync").unlink()
    assert device.synced() == FIRST


CHILD = """
import sys, time
from edgeart.sync import Syncer
directory, url, root, factory, now = sys.argv[1:]
now = [float(now)]
serving = {}
syncer = Syncer(directory, url, root=root, policies={"row": factory}, unit=7,
                swap=lambda name, policy: serving.update({name: policy}), clock=lambda: now[0])
print(serving["row"].sequence, flush=True)
for line in sys.stdin:
    now[0] += 90_000
    status = syncer.refresh()
    print(status.code, serving["row"].sequence, flush=True)
"""


def test_row_24_of_two_processes_on_one_directory_one_syncs_and_both_serve(
    device: Device, repository: Repository, tmp_path: Path
) -> None:
    device.has(FIRST)
    root = tmp_path / "root.json"
    root.write_bytes(repository.anchor)
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "sync"), device.server.url, str(root),
         str(device.factory), str(device.now)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as other:  # fmt: skip
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline().split() == [str(FIRST)]
        offers_second(repository)
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline().split() == ["busy", str(FIRST)]
        device.has(SECOND)
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline().split() == ["busy", str(SECOND)]
        device.stop()  # and once the first is gone the other takes over
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline().split() == ["ok", str(SECOND)]
        other.stdin.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_row_24_a_fork_serves_and_leaves_syncing_to_its_parent(device: Device) -> None:
    device.has(FIRST)
    syncer = device.syncer
    assert isinstance(syncer, Syncer)
    syncer._pid += 1  # as a child sees it
    assert syncer.refresh().code == "busy"
    syncer.close()
    syncer._pid -= 1
    assert device.check().ok


def test_row_38_clean_up_never_deletes_what_may_still_be_needed(
    device: Device, repository: Repository
) -> None:
    source = random.Random(38)  # noqa: S311 - choices of a test
    device.has(FIRST)
    for sequence in range(SECOND, SECOND + 12):
        repository.now = device.now
        repository.offer(policy_bundle(sequence), sequence)
        if source.random() < 0.3:
            repository.record("row", killed=[sequence - 1])
        repository.publish()
        assert device.check().ok
        assert device.syncer is not None
        state = device.syncer.installed.state.of("row")
        kept = {held.sha256 for held in (state.active, state.previous, state.trial) if held}
        present = {path.stem for path in (device.directory / "sync" / "blobs").iterdir()}
        assert present == kept
        assert state.trial is not None
        device.use(failed=20 if source.random() < 0.3 else 0)
        if source.random() < 0.3:
            device.start()
    state = device.syncer.installed.state.of("row")
    assert state.active is not None
    assert state.previous is not None


def test_row_38_what_was_begun_is_kept_for_the_next_try_and_dropped_when_it_is_of_no_use(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    blobs = device.directory / "sync" / "blobs"
    (blobs / "stranger").write_bytes(b"x")
    path = offers_second(repository)
    good = repository.files.pop(path)
    part = device.blob(good).with_suffix(".part")
    part.write_bytes(good[:100])
    assert device.check().policies["row"].code == "missing"
    assert part.exists()
    assert not (blobs / "stranger").exists()
    repository.record("row", killed=[SECOND])
    repository.now = device.now
    repository.publish()
    assert device.check().ok
    assert not part.exists()
    assert device.sequence() == FIRST
