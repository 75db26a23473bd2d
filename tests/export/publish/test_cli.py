# SPDX-License-Identifier: Apache-2.0
"""`edgeart-export publish` says what it did, to people and to machines, and how it ended."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgeart_export import bundle_bytes, holdbacks
from edgeart_export.cli import main
from edgeart_export.publish.cli import KEYS
from edgeart_export.publish.keys import PASSWORD
from tests.support.repositories import Made, small_bundle, small_model


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    made = Made(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEYS, "offline:online")
    for sequence in range(1, 6):
        Path(f"row-{sequence}").write_bytes(small_bundle(sequence))
    return made


class Ran:
    """What one command did. report: its JSON."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *words: str) -> None:
        capsys.readouterr()
        try:
            self.code = main(["publish", *words])
        except SystemExit as ended:
            self.code = int(str(ended.code))
        self.out, self.err = capsys.readouterr()
        self.report: Any = json.loads(self.out) if "--json" in words and self.out else None


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *words: Ran(capsys, *words)


def test_a_week_in_json(made: Made, run: Any) -> None:
    added = run("add", "repo", "row-1", "--new", "--percent", "100", "--json")
    assert added.code == 0
    (offer,) = added.report["offers"]
    assert offer["target"] == "row/1.f1.edgeart"
    assert offer["rollout"]["percent"] == 10_000
    assert offer["length"] == len(small_bundle(1))
    assert added.report["published"] is True
    assert added.report["versions"] == {"targets": 2, "snapshot": 2, "timestamp": 2}
    assert run("add", "repo", "row-2", "--percent", "0.5", "--json").report["dropped"] == []
    done = run("rollout", "repo", "row", "2", "--percent", "100", "--json").report
    assert done["dropped"] == ["row/1.f1.edgeart"]
    assert run("add", "repo", "row-3", "--percent", "12.25", "--base", "row-5", "--json").report[
        "offers"
    ][0]["rollout"] == {"percent": 1225, "salt": "3:row"}
    reverted = run("revert", "repo", "row", "--json").report
    assert reverted["offers"][0]["target"] == "row/4.f1.edgeart"
    assert run("kill", "repo", "row", "--sequence", "3", "--json").code == 0
    assert run("kill", "repo", "row", "--serve", "factory", "--json").code == 0
    assert run("kill", "repo", "row", "--forget", "3", "--json").code == 0
    assert run("deny", "repo", "t", "a", "b", "--json").code == 0
    assert run("deny", "repo", "--json").report == {"t": ["a", "b"]}
    assert run("set", "repo", "row", "--minimum", "2", "--max-stale", "30d").code == 0
    assert run("set", "repo", "--interval", "1h").code == 0
    status = run("status", "repo", "--json")
    assert status.code == 0
    assert status.report["warnings"] == []
    assert status.report["interval"] == 3600
    assert status.report["denied"] == 2
    row = status.report["policies"]["row"]
    assert {key: row[key] for key in ("newest", "good", "minimum", "killed", "serve")} == {
        "newest": 4, "good": [], "minimum": 2, "killed": [], "serve": "factory"
    }  # fmt: skip
    assert row["max_stale"] == 30 * 86_400
    assert status.report["bytes"] == sum(
        p.stat().st_size for f in ("metadata", "targets") for p in (made.path / f).rglob("*.*")
    )


def test_people_read_sentences(made: Made, run: Any) -> None:
    assert made.path.exists()
    assert (
        "row/1.f1.edgeart: to 100 % of all units"
        in run("add", "repo", "row-1", "--new", "--percent", "100").out
    )
    shown = run("add", "repo", "row-2", "--percent", "50", "--arm", "spring/a:0-33.5").out
    assert "to 50 % of arm spring/a" in shown
    assert "deltas of " in shown
    assert "targets 3" in shown
    assert "no artwork is denied" in run("deny", "repo").out
    run("deny", "repo", "t", "größe")
    assert "t: größe" in run("deny", "repo").out
    status = run("status", "repo").out
    for words in ("root", "timestamp", "row: newest 2", "1 artworks denied", "every 21600 s"):
        assert words in status
    assert "devices go on with the best" in run("kill", "repo", "row", "--sequence", "2").out


def test_init_makes_the_keys_its_folders_lack_and_uses_those_they_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    key = run("key", "a", "--role", "targets", "--json").report
    made = run("init", "repo", "--offline", "a", "--offline", "b", "--online", "on", "--json")
    assert made.code == 0
    keys = made.report["keys"]
    assert [(k["role"], k["folder"]) for k in keys] == [
        ("targets", "a"), ("root", "a"), ("root", "a"), ("root", "b"), ("online", "on")
    ]  # fmt: skip
    assert keys[0]["key"] == key["key"]
    status = run("status", "repo", "--json").report
    assert status["roles"]["root"]["threshold"] == 2
    assert status["roles"]["targets"]["keys"] == [key["key"]]
    again = run("init", "repo", "--offline", "a", "--online", "on")
    assert again.code == 1
    assert "holds a repository already" in again.err


def test_new_keys_can_be_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PASSWORD, "correct horse")
    assert run("init", "repo", "--offline", "a", "--online", "on", "--encrypt").code == 0
    assert b"ENCRYPTED" in Path("a", "root-1.pem").read_bytes()
    assert b"ENCRYPTED" not in Path("on", "online-1.pem").read_bytes()
    assert run("renew", "repo", "targets", "--keys", "a", "--keys", "on").code == 0
    monkeypatch.setenv(PASSWORD, "wrong")
    failed = run("renew", "repo", "targets", "--keys", "a", "--keys", "on")
    assert failed.code == 1
    assert "targets-1.pem" in failed.err
    assert run("sign", "repo", "--discard").code == 0


def test_what_waits_for_signatures_is_told_and_ends_with_3(made: Made, run: Any) -> None:
    waiting = run("add", "repo", "row-1", "--new", "--percent", "1", "--keys", "offline", "--json")
    assert waiting.code == 3
    assert waiting.report["published"] is False
    assert set(waiting.report["missing"]) == {"snapshot", "timestamp"}
    assert "waits for signatures" in run("status", "repo").out
    assert run("status", "repo").code == 3
    assert "waits for signatures" in run("deny", "repo", "t", "a").err
    assert run("sign", "repo", "--keys", "online").code == 0
    assert "no change waits" in run("sign", "repo").err
    told = run("add", "repo", "row-2", "--percent", "1", "--keys", "online")
    assert told.code == 3
    assert "run `publish sign` where these keys are" in told.out
    assert "targets: of " in told.out
    assert run("sign", "repo", "--discard", "--json").report == {"discarded": True}
    assert list(made.path.glob("staged/*")) == []


def test_what_runs_out_is_told_in_time_and_ends_with_3(made: Made, run: Any) -> None:
    root = json.loads((made.path / "metadata" / "1.root.json").read_bytes())
    expires = root["signed"]["expires"]
    year = int(expires[:4])
    assert run("status", "repo").code == 0
    later = f"{year}{expires[4:10]}"
    late = run("refresh-timestamp", "repo", "--now", later)
    assert late.code == 3
    assert "root runs out" in late.err
    assert "publish renew" in late.err
    assert "targets has run out" in late.err
    assert run("renew", "repo", "root", "targets", "--now", later).code == 0
    assert run("refresh-timestamp", "repo", "--now", later).code == 0


def test_a_key_is_exchanged(made: Made, run: Any) -> None:
    old = run("status", "repo", "--json").report["roles"]["timestamp"]["keys"][0]
    rotated = run(
        "rotate-key", "repo", "online", "--new", "online-2", "--remove", old[:6], "--json"
    )
    assert rotated.code == 0
    (new,) = rotated.report["added"]
    status = run("status", "repo", "--json").report
    assert status["roles"]["timestamp"]["keys"] == [new]
    assert status["roles"]["snapshot"]["keys"] == [new]
    failed = run("refresh-timestamp", "repo")
    assert failed.code == 1
    assert "do not suffice" in failed.err
    assert run("refresh-timestamp", "repo", "--keys", "online-2").code == 0
    assert made.path.exists()


def test_a_policy_without_holdbacks_is_published_only_where_that_is_meant(
    made: Made, run: Any
) -> None:
    Path("bare").write_bytes(small_bundle(1, format_=2))
    words = ("add", "repo", "bare", "--new", "--percent", "100")
    refused = run(*words)
    assert refused.code == 1
    assert "bare has no fixed and no uniform holdback: no unit sees the titles' defaults" in (
        refused.err
    )
    meant = run(*words, "--without-holdbacks")
    assert meant.code == 0
    assert meant.err.startswith("note: bare has no fixed and no uniform holdback")
    held = dataclasses.replace(small_model(2, format_=2), cells=holdbacks())
    Path("held").write_bytes(bundle_bytes(held))
    assert run("add", "repo", "held", "--percent", "100").err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["add", "repo", "row-1", "--percent", "1"], "never published here"),
        (["add", "repo", "offline/keys.json", "--percent", "1"], "EA_E_"),
        (["add", "repo", "nowhere", "--percent", "1"], "No such file"),
        (["add", "nowhere", "row-1", "--percent", "1"], "holds no repository"),
        (["rollout", "repo", "row", "1", "--percent", "1"], "no policy 'row'"),
        (["deny", "repo", "title"], "name the artworks"),
        (["deny", "repo", "--file", "row-1"], "is not JSON"),
        (["set", "repo"], "give --interval"),
        (["rotate-key", "repo", "root"], "give --remove"),
        (["key", "x", "--role", "root", "--uri", "hsm:"], "both --uri and --public"),
        (["renew", "repo", "root", "--keys", "nowhere"], "no folder of keys"),
    ],
)
def test_what_fails_says_why_and_ends_with_1(
    made: Made, run: Any, words: list[str], message: str
) -> None:
    failed = run(*words)
    assert failed.code == 1
    assert failed.err.startswith("edgeart-export publish: ")
    assert message in failed.err
    assert made.publisher().repository.load().targets.signed.version == 1


@pytest.mark.parametrize(
    "words",
    [
        ["add", "repo", "row-1"],
        ["add", "repo", "row-1", "--percent", "101"],
        ["add", "repo", "row-1", "--percent", "0.125"],
        ["add", "repo", "row-1", "--percent", "-1"],
        ["add", "repo", "row-1", "--percent", "1", "--arm", "a:0-50"],
        ["add", "repo", "row-1", "--percent", "1", "--arm", "x/a:0-101"],
        ["kill", "repo", "row"],
        ["kill", "repo", "row", "--sequence", "1", "--serve", "factory"],
        ["kill", "repo", "row", "--sequence", "0"],
        ["set", "repo", "--interval", "6"],
        ["rollout", "repo", "row", "one", "--percent", "1"],
        ["renew", "repo"],
        ["fly", "repo"],
    ],
)
def test_wrong_words_end_with_2(run: Any, words: list[str]) -> None:
    assert run(*words).code == 2


def test_the_deny_list_can_come_from_a_file(made: Made, run: Any) -> None:
    Path("deny.json").write_text('{"format": 1, "titles": {"t": ["a"]}}')
    assert run("deny", "repo", "--file", "deny.json").code == 0
    assert made.publisher().denied() == {"t": ["a"]}
    Path("deny.json").write_text('{"t": ["b"], "u": ["c"]}')
    assert run("deny", "repo", "--file", "deny.json").code == 0
    assert made.publisher().denied() == {"t": ["b"], "u": ["c"]}
    assert run("deny", "repo", "t", "b", "--lift").code == 0
    assert made.publisher().denied() == {"u": ["c"]}
    Path("deny.json").write_text('["t"]')
    assert "must map title" in run("deny", "repo", "--file", "deny.json").err


def test_every_action_teaches_by_an_example(run: Any) -> None:
    top = run("--help")
    assert top.code == 0
    for words in ("a first week", "refresh-timestamp", "exit codes", "docs/publishing.md"):
        assert words in top.out
    for action in ("init", "key", "add", "rollout", "revert", "kill", "deny", "set", "status",
                   "refresh-timestamp", "renew", "rotate-key", "sign"):  # fmt: skip
        shown = run(action, "--help")
        assert shown.code == 0
        assert f"edgeart-export publish {action} " in shown.out.split("example:")[1]


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['tuf'] = None; sys.modules['tuf.api'] = None\n"
    code = (
        f"{hidden}from edgeart_export.cli import main; sys.exit(main(['publish', 'status', 'x']))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert "pip install 'edgeart-export[publish]'" in finished.stderr


def test_other_commands_do_not_pay_for_it() -> None:
    code = "import sys; from edgeart_export.cli import _parser; _parser(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"tuf", "securesystemslib", "cryptography"} & set(loaded.stdout.split())


def test_stable_codes_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgeart_export.store import save_model
    from tests.support.repositories import small_model

    monkeypatch.chdir(tmp_path)
    save_model(small_model(2), Path("model"))
    Path("old").write_bytes(small_bundle(1))
    assert main(["export", "model", "--bundle", "new", "--stable-codes", "old", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["bundle"]["stability"]
    assert found["previous"] == 1
    assert found["kept"] >= found["fresh"]
    assert main(["export", "model", "--bundle", "new", "--stable-codes", "old"]) == 0
    assert "codes as in sequence 1: " in capsys.readouterr().out
