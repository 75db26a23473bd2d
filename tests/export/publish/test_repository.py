# SPDX-License-Identifier: Apache-2.0
"""Whatever a publisher does, and wherever it is cut off, python-tuf's client finds it whole."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.exceptions import ExpiredMetadataError

from edgeart_export.errors import PublishError
from edgeart_export.publish.files import Files
from edgeart_export.publish.keys import KeyRing, new_key, read_register
from edgeart_export.publish.publisher import Publisher
from edgeart_export.publish.repository import LIMITS, Outcome, Repository
from tests.support.repositories import Made, moment, small_bundle

Change = Callable[[Made, Publisher], object]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def add(sequence: int, percent: int = 10_000) -> Change:
    def change(_: Made, publisher: Publisher) -> object:
        return publisher.add([small_bundle(sequence)], percent=percent, new=sequence == 1)

    return change


def rotate(role: str, *, remove: bool) -> Change:
    """Puts in a new key of the role; takes its first one out."""

    def change(made: Made, publisher: Publisher) -> object:
        folder = made.path.parent / f"new-{role}"
        held = read_register(folder) if folder.exists() else [new_key(folder, role)]
        ring = KeyRing([made.offline, made.online, folder])
        old = [ring.of(role)[0].key.keyid] if remove else []
        return Publisher(publisher.repository, ring).rotate(role, old, held)

    return change


CHANGES: dict[str, Change] = {
    "add": add(2),
    "rollout": lambda _, p: p.rollout("row", 1, 5),
    "revert": lambda _, p: p.revert("row", to=1),
    "kill": lambda _, p: p.kill("row", sequence=1),
    "deny": lambda _, p: p.deny("title-1", ["art-1-0"]),
    "set": lambda _, p: p.set("row", interval=60, minimum=1, max_stale=9),
    "refresh": lambda _, p: p.refresh(),
    "renew": lambda _, p: p.renew(["root", "targets"]),
    "new online key": rotate("online", remove=False),
    "another online key": rotate("online", remove=True),
    "another targets key": rotate("targets", remove=True),
    "another root key": rotate("root", remove=True),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_reaches_a_device_of_python_tufs(made: Made, tmp_path: Path, name: str) -> None:
    add(1)(made, made.publisher())
    device = tmp_path / "device"
    made.reader(device).refresh()
    before = made.publisher().repository.load()
    CHANGES[name](made, made.publisher())
    after = made.publisher().repository.load()
    assert after.timestamp.signed.version == before.timestamp.signed.version + 1
    for state in (device, tmp_path / "another"):
        made.reader(state).refresh()
    assert not list((made.path / "staged").iterdir())


class PowerCut(Exception):  # noqa: N818
    """Nothing after this happens."""


def cut_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Lets that many files be written, and then nothing any more."""
    replace, left = Files.replace, [writes]

    def replaced(self: Files, path: Path, data: bytes) -> None:
        if not left[0]:
            raise PowerCut
        left[0] -= 1
        replace(self, path, data)

    monkeypatch.setattr(Files, "replace", replaced)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_is_cut_off_anywhere_leaves_a_whole_repository(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    add(1)(made, made.publisher())
    device = tmp_path / "device"
    made.reader(device).refresh()
    for writes in range(100):
        cut = copy.copy(made)
        cut.path = tmp_path / f"cut-{writes}" / "repo"
        shutil.copytree(made.path, cut.path)
        with monkeypatch.context() as patched:
            cut_after(patched, writes)
            try:
                CHANGES[name](cut, cut.publisher())
            except PowerCut:
                done = False
            else:
                done = True
        look(cut, device)
        publisher = cut.publisher(
            *(
                keys.parent
                for keys in (*tmp_path.glob("*/keys.json"), *cut.path.glob("../*/keys.json"))
            )
        )
        if begun := sorted(publisher.files.staged.glob("*.json")):
            with pytest.raises(PublishError, match="waits for signatures"):
                publisher.deny("title-1", ["x"])
            versions = publisher.files.root_versions()
            if "root.json" in [path.name for path in begun] and len(versions) > 1:
                with pytest.raises(PublishError, match="served already"):
                    publisher.discard()
            if writes % 2 or len(versions) > 1:
                assert publisher.sign().published
            else:
                publisher.discard()
        look(cut, device)
        assert publisher.deny("title-1", ["x"]).published
        look(cut, device)
        if done:
            break
    assert done
    assert writes >= 1


def look(made: Made, device: Path) -> None:
    """A device that knows the repository and one that does not both find all of it."""
    for known in (True, False):
        state = made.path.parent / "state"
        shutil.rmtree(state, ignore_errors=True)
        if known:
            shutil.copytree(device, state)
        made.reader(state).refresh()


def test_the_timestamp_is_the_last_file_of_a_change(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    replace = Files.replace

    def noted(self: Files, path: Path, data: bytes) -> None:
        replace(self, path, data)
        written.append(path.relative_to(self.path).as_posix())

    monkeypatch.setattr(Files, "replace", noted)
    add(1)(made, made.publisher())
    places = [name.split("/")[0] for name in written]
    assert places == ["targets", "staged", "staged", "metadata", "metadata", "metadata"]
    assert written[3:] == [
        "metadata/2.targets.json", "metadata/2.snapshot.json", "metadata/timestamp.json"
    ]  # fmt: skip


def test_a_device_follows_many_roots(made: Made, tmp_path: Path) -> None:
    first = made.root
    for _ in range(4):
        rotate("online", remove=False)(made, made.publisher())
        made.publisher().renew(["root"])
    reader = made.reader(tmp_path / "device", first)
    reader.refresh()
    assert "file:///metadata/9.root.json" in reader.urls


def test_signatures_are_collected_from_people_apart(tmp_path: Path) -> None:
    alice, bob, online = (tmp_path / name for name in ("alice", "bob", "online"))
    for folder in (alice, bob):
        new_key(folder, "root")
        new_key(folder, "targets")
    new_key(online, "online")

    def at(*folders: Path) -> Publisher:
        return Publisher(Repository(tmp_path / "repo"), KeyRing(folders))

    at(alice, bob, online).init(thresholds={"root": 2, "targets": 2})
    root = (tmp_path / "repo" / "metadata" / "1.root.json").read_bytes()
    made = Made.__new__(Made)
    made.path, made.root = tmp_path / "repo", root

    added = at(alice).add([small_bundle(1)], percent=10_000, new=True)
    assert not added.outcome.published
    assert set(added.outcome.missing) == {"targets", "snapshot", "timestamp"}
    reader = made.reader(tmp_path / "a")
    reader.refresh()
    assert reader.targets() == {"deny.json"}
    assert set(at(bob).sign().missing) == {"snapshot", "timestamp"}
    # A change that waits keeps no timer from its work.
    assert at(online).refresh().published
    assert at(online).sign() == Outcome(
        published=True, versions={"targets": 2, "snapshot": 2, "timestamp": 3}
    )
    reader = made.reader(tmp_path / "a")
    reader.refresh()
    assert "row/1.f1.edgeart" in reader.targets()


def test_one_signature_is_not_two(made: Made) -> None:
    keys = json.loads((made.offline / "keys.json").read_bytes())["keys"]
    lone = made.path.parent / "lone"
    lone.mkdir()
    (lone / "root-1.pem").write_bytes((made.offline / "root-1.pem").read_bytes())
    (lone / "root-1.pem").chmod(0o600)
    only = [key for key in keys if key["uri"] == "file:root-1.pem"]
    (lone / "keys.json").write_text(json.dumps({"keys": only}))
    outcome = made.publisher(lone, lone, made.online).renew(["root"])
    assert not outcome.published
    assert len(outcome.missing["root"]) == 2


def test_what_ran_out_is_refused_by_devices_and_renewed_by_the_publisher(tmp_path: Path) -> None:
    made = Made(tmp_path, now=moment("2026-01-01"))
    with pytest.raises(ExpiredMetadataError):
        made.reader(tmp_path / "late").refresh()
    made.publisher().renew(["root", "targets"])
    made.reader(tmp_path / "late").refresh()


def test_a_timer_signs_the_timestamp_each_time_and_the_snapshot_in_time(tmp_path: Path) -> None:
    start = moment("2026-01-01")
    made = Made(tmp_path, now=start)
    versions = [
        made.publisher(made.online, now=start + timedelta(days=days)).refresh().versions
        for days in (1, 2, 6, 8, 9)
    ]
    assert [v["timestamp"] for v in versions] == [2, 3, 4, 5, 6]
    assert [v["snapshot"] for v in versions] == [1, 1, 1, 2, 2]
    timestamp = made.publisher().repository.load().timestamp.signed
    assert timestamp.expires == start + timedelta(days=12)
    assert timestamp.unrecognized_fields["edgeart"] == {
        "at": int((start + timedelta(days=9)).timestamp())
    }


def test_what_another_tool_wrote_is_named_by_its_own_bytes(made: Made, tmp_path: Path) -> None:
    path = made.path / "metadata" / "1.snapshot.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()), indent=2))
    assert made.publisher().refresh().versions == {"snapshot": 1, "timestamp": 2}
    made.reader(tmp_path / "device").refresh()


def test_without_the_online_keys_a_timer_says_which_it_needs(made: Made) -> None:
    with pytest.raises(PublishError, match="do not suffice for snapshot and timestamp"):
        made.publisher(made.offline).refresh()


def test_one_publisher_at_a_time(made: Made) -> None:
    with made.publisher().files.lock(), pytest.raises(PublishError, match="another publisher"):
        made.publisher().refresh()


def test_a_repository_is_not_made_over_another(made: Made) -> None:
    with pytest.raises(PublishError, match="holds a repository already"):
        made.publisher().init(thresholds={})


def test_a_folder_without_a_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="holds no repository"):
        Publisher(Repository(tmp_path), KeyRing([])).refresh()
    with pytest.raises(PublishError, match="holds no repository"):
        Repository(tmp_path / "nowhere").load()


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_metadata_that_somebody_changed_is_not_built_upon(made: Made, role: str) -> None:
    path = made.path / "metadata" / ("timestamp.json" if role == "timestamp" else f"1.{role}.json")
    content = json.loads(path.read_bytes())
    content["signed"]["expires"] = "2099-01-01T00:00:00Z"
    path.write_text(json.dumps(content))
    with pytest.raises(PublishError, match=f"{role} metadata is not signed"):
        made.publisher().deny("title-1", ["x"])
    path.write_bytes(b"{")
    with pytest.raises(PublishError, match="restore it"):
        made.publisher().deny("title-1", ["x"])


def test_a_root_that_is_served_never_changes(made: Made) -> None:
    files = made.publisher().files
    with pytest.raises(PublishError, match="must never change"):
        files.write_once(files.role("root", 1), b"{}")
    files.write_once(files.role("root", 1), made.root)


def test_metadata_longer_than_devices_read_is_not_published(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "targets", 500)
    with pytest.raises(PublishError, match="devices read 500"):
        add(1)(made, made.publisher())
    assert made.publisher().repository.load().targets.signed.version == 1


def test_files_can_be_read_by_a_web_server(made: Made) -> None:
    add(1)(made, made.publisher())
    for path in (*made.path.glob("metadata/**/*"), *made.path.glob("targets/**/*")):
        assert path.stat().st_mode & 0o044 == 0o044, path
