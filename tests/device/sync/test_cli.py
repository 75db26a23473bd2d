# SPDX-License-Identifier: Apache-2.0
"""`edgeart sync` and `edgeart status`, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import edgeart
from edgeart.cli import main
from tests.device.sync.conftest import FIRST, SECOND, Device
from tests.support.bundles import FULL
from tests.support.repository import Repository, policy_bundle


@pytest.fixture
def arguments(device: Device, repository: Repository, tmp_path: Path) -> list[str]:
    root = tmp_path / "root.json"
    root.write_bytes(repository.anchor)
    return ["sync", str(tmp_path / "app"), "--url", device.server.url, "--root", str(root),
            "--policy", f"row={device.factory}", "--unit", "unit"]  # fmt: skip


def test_sync_installs_for_the_next_start_of_the_application(
    device: Device, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert found["policies"]["row"]["code"] == "staged"
    assert found["requests"] == 6
    with edgeart.Client(
        arguments[1], policies={"row": device.factory}, unit=b"unit",
        sync_url=device.server.url, root=arguments[5], sync_in_background=False,
    ) as client:  # fmt: skip
        client["row"].set_context(FULL)
        assert client["row"].policy is not None
        assert client["row"].policy.sequence == FIRST
        assert client.sync_status().policies["row"].source == "trial"
        assert client.syncer.installed.state.of("row").starts == 1
        # While it runs nobody else syncs; what there is may be looked at.
        assert main(arguments) == 1
        assert "another process" in capsys.readouterr().out
        assert main(["status", arguments[1]]) == 0
        assert f"sequence {FIRST}" in capsys.readouterr().out


def test_sync_says_what_failed_and_exits_with_1(
    device: Device, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    device.server.behave = lambda handler, _: handler.hang_up()
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert out.startswith("network: ")
    assert main([*arguments, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "waiting"


def test_sync_sends_the_token_that_the_environment_holds(
    device: Device, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICY_TOKEN", "secret-7")
    assert main([*arguments, "--token", "POLICY_TOKEN"]) == 0
    assert {headers.get("Authorization") for _, headers in device.server.requests} == {
        "Bearer secret-7"
    }


@pytest.mark.parametrize(
    "wrong", [["--policy", "row"], ["--url", "nowhere"], ["--token", "NO_SUCH_VARIABLE"]]
)
def test_misuse_exits_with_2(arguments: list[str], wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*arguments, *wrong])
    assert end.value.code == 2


def test_status_shows_all_that_is_remembered(
    device: Device,
    repository: Repository,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    device.has(FIRST)
    repository.offer(policy_bundle(SECOND), SECOND)
    repository.offer(b"no bundle", SECOND + 1)
    repository.record("row", minimum=3, killed=[2, 1])
    repository.deny({"title-1": ["a", "b"], "title-2": ["c"]})
    repository.publish()
    assert device.check().ok
    assert device.check().ok
    before = {p: p.read_bytes() for p in (device.directory / "sync").rglob("*") if p.is_file()}
    assert main(["status", str(device.directory), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["denied_artworks"] == 3
    assert found["error"] is None
    assert found["checked"].startswith("2027-")
    row = found["policies"]["row"]
    assert (row["active"]["sequence"], row["trial"]["sequence"]) == (FIRST, SECOND)
    assert row["active"]["stored"] is True
    assert (row["minimum"], row["killed"], row["serve"]) == (3, [1, 2], "newest")
    assert list(row["quarantined"].values()) == ["refused"]
    assert main(["status", str(device.directory / "sync")]) == 0
    text = capsys.readouterr().out
    for part in ("policy row:", f"sequence {SECOND}", "(refused)", "denied artworks: 3"):
        assert part in text
    after = {p: p.read_bytes() for p in (device.directory / "sync").rglob("*") if p.is_file()}
    assert after == before
    with pytest.raises(SystemExit):
        main(["status"])
    assert main(["status", str(device.directory / "nowhere")]) == 1
    assert "not a directory" in capsys.readouterr().err
