# SPDX-License-Identifier: Apache-2.0
"""The runbook runs, command by command, and its figures are those of what it makes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from edgeart_export.cli import main
from edgeart_export.publish.repository import Repository
from edgeart_export.store import save_model
from tests.support.repositories import Made, small_bundle, small_model

DOCS = Path(__file__).resolve().parents[3] / "docs"
PUBLISHING = (DOCS / "publishing.md").read_text(encoding="utf-8")
OPERATING = (DOCS / "operating.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```$", PUBLISHING, flags=re.DOTALL | re.MULTILINE)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def old_key(role: str) -> str:
    """What somebody finds by looking at `status`: the begin of a role's first key's id."""
    folder = Path("keys", "online" if role == "online" else "ada")
    keys = json.loads((folder / "keys.json").read_bytes())["keys"]
    return str(next(key["keyid"] for key in keys if key["role"] == role))[:8]


def run(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs one line as a shell would; the exit code."""
    line = re.sub(r"\$\(old_key (\w+)\)", lambda found: old_key(found[1]), line)
    words = shlex.split(line, comments=True)
    if words[0] == "export":
        monkeypatch.setenv(*words[1].split("=", 1))
        return 0
    assert words[0] == "edgeart-export"
    return main(words[1:])


def test_the_runbook_runs_from_the_first_command_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for sequence in range(11, 15):
        save_model(small_model(sequence), Path("models", str(sequence)))
    lines = commands()
    assert len(lines) > 35
    for line in lines:
        wanted = re.search(r"# exit (\d)$", line)
        assert run(line, monkeypatch) == (int(wanted[1]) if wanted else 0), (
            line, capsys.readouterr()
        )  # fmt: skip

    # And a device that has known it from the first root on follows to the last.
    made = Made.__new__(Made)
    made.path = tmp_path / "repo"
    made.root = (made.path / "metadata" / "1.root.json").read_bytes()
    reader = made.reader(tmp_path / "device")
    reader.refresh()
    record = reader.said()["policies"]["row"]
    assert record["serve"] == "newest"
    assert record["minimum"] == 17
    assert record["killed"] == [16, 999_999]
    state = Repository(made.path).load()
    online = json.loads((tmp_path / "keys" / "online-2" / "keys.json").read_bytes())["keys"]
    assert state.root.signed.roles["timestamp"].keyids == [online[0]["keyid"]]
    assert state.root.signed.roles["root"].threshold == 2


def test_every_action_is_explained_and_every_explained_one_exists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["publish", "--help"])
    shown = capsys.readouterr().out
    actions = re.findall(r"^    ([a-z-]+)(?: |$)", shown, flags=re.MULTILINE)
    assert len(actions) == 13
    for action in actions:
        assert f"publish {action} " in PUBLISHING, action
    for mentioned in re.findall(r"publish ([a-z-]+) repo", PUBLISHING + OPERATING):
        assert mentioned in actions


def test_links_lead_to_headings_that_are_there() -> None:
    headings = re.findall(r"^#+ (.*)$", PUBLISHING, flags=re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings}
    for link in re.findall(r"\]\(#([^)]*)\)", PUBLISHING):
        assert link in anchors
    for path in re.findall(r"\]\(([^)#]+)\)", PUBLISHING + OPERATING):
        assert (DOCS / path).exists(), path


def test_the_sizes_that_operating_counts_with_are_those_of_a_repository(tmp_path: Path) -> None:
    made = Made(tmp_path)
    for sequence in range(1, 5):
        made.publisher().add([small_bundle(sequence)], percent=10_000, new=sequence == 1, deltas=3)
    sizes = {
        name: (made.path / "metadata" / name).stat().st_size
        for name in ("timestamp.json", "5.snapshot.json", "5.targets.json")
    }
    assert sizes["timestamp.json"] == pytest.approx(500, abs=20)
    assert sizes["5.snapshot.json"] == pytest.approx(470, abs=20)
    assert sizes["5.targets.json"] == pytest.approx(1400, abs=150)
