# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart`, for people and for machines."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import edgeart
from edgeart.cli import main
from tests.support.bundles import FULL, TITLES, bundle, verified_bundle


@pytest.fixture(params=["f32", "i8"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = tmp_path / "policy.edgeart"
    path.write_bytes(verified_bundle(request.param))
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Standard output of a command that works."""
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(run(capsys, *arguments, "--json"))


def test_inspect_tells_what_is_in_a_bundle(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    policy = edgeart.Policy.open(file)
    found = run_json(capsys, "inspect", file, "--title", "title-3")
    assert (found["name"], found["sequence"], found["size"]) == ("row", 12, policy.size)
    assert found["explorer"] == {"kind": "squarecb", "floor": 0.01, "parameter": 10.0}
    assert [feature["name"] for feature in found["features"]] == [
        "hour", "country", "taste", "embedding"
    ]  # fmt: skip
    assert (found["titles"], found["artworks"]) == (41, policy.artwork_count)
    assert found["artworks_of"] == {"title-3": TITLES["title-3"]}
    assert found["meta"] == {"made": "for tests"}
    assert sum(found["sections"].values()) == policy.size
    assert min(found["sections"].values()) > 0
    text = run(capsys, "inspect", file, "--title", "title-3")
    for part in ("row, sequence 12", "squarecb", "comedy, romance, höhe", "art-3-0 (default)",
                 "made: for tests", policy.rows, f"{policy.size:,}"):  # fmt: skip
        assert part in text


def test_verify_says_what_was_checked(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "3 test vectors hold" in run(capsys, "verify", file)
    found = run_json(capsys, "verify", file)
    assert (found["ok"], found["vectors"], found["name"]) == (True, 3, "row")
    Path(file).write_bytes(bundle())
    assert "no test vectors" in run(capsys, "verify", file)


def test_verify_refuses_with_status_offset_and_remedy(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(file)
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["verify", file]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    for part in (file, "EA_E_CRC", "byte", "fetch the bundle again"):
        assert part in err
    assert main(["verify", file, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["error"], found["status"]) == (False, "BundleError", "EA_E_CRC")
    assert found["offset"] == path.stat().st_size - 5


def test_verify_fails_where_a_vector_does_not_hold(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(file).write_bytes(bundle(vectors=[(b"\x80", 1)]))
    assert main(["verify", file]) == 1
    assert "test vector 0 of 1" in capsys.readouterr().err


def test_select_decides_as_the_policy_does(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = edgeart.Policy.open(file)
    context = policy.context(FULL, seed=42, unit=7)
    limits = policy.limits(denied={"title-6": ["art-6-0", "art-6-5"]})
    given = ["--title", "title-3", "--title", "title-6", "--seed", "42", "--unit", "7", "--all",
             "--deny", "title-6=art-6-0", "--deny", "title-6=art-6-5"]  # fmt: skip
    stored = Path(file).with_suffix(".json")
    stored.write_text(json.dumps(FULL), encoding="utf-8")
    for values in (json.dumps(FULL), f"@{stored}", "-"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(FULL)))
        found = run_json(capsys, "select", file, "--context", values, *given)
        assert found["report"] == {"missing": 0, "other": 0, "clipped": 0, "ignored": 0}
        for entry, title in zip(found["decisions"], ("title-3", "title-6"), strict=True):
            decision = policy.select(context, title, limits=limits)
            for name in ("title", "artwork", "propensity", "score", "reason", "n", "total"):
                assert entry[name] == getattr(decision, name)
            shown = {c["artwork"]: c["propensity"] for c in entry["candidates"]}
            assert shown == policy.propensities(context, title, limits=limits)
    text = run(capsys, "select", file, "--context", json.dumps(FULL), *given)
    assert len({line.index("policy") for line in text.splitlines() if " policy" in line}) == 1
    assert text.count("denied") == 2
    assert text.count("chosen") == 2


def test_an_equals_sign_in_a_denied_title_is_no_obstacle(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(file).write_bytes(bundle(titles={"a=b": ["x=y", "z"]}))
    found = run_json(capsys, "select", file, "--title", "a=b", "--deny", "a=b=x=y")
    assert found["decisions"][0]["artwork"] == "z"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--title", "nobody"], "no title 'nobody'"),
        (["--title", "title-3", "--deny", "title-3=laugh"], "no artwork 'laugh'"),
        (["--title", "title-3", "--context", '{"hour": "nine"}'], "context field 'hour'"),
        (["--title", "title-3", "--seed", "-1"], "0 to 2**64 - 1"),
        (["--title", "title-3", "--context", "@nowhere.json"], "cannot read nowhere.json"),
    ],
)
def test_what_is_refused_exits_1_and_says_why(
    file: str, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["select", file, *arguments]) == 1
    assert words in capsys.readouterr().err
    assert main(["select", file, *arguments, "--json"]) == 1
    assert words in json.loads(capsys.readouterr().out)["message"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a command"),
        (["select", "FILE"], "at least one --title"),
        (["select", "FILE", "--title", "title-3", "--context", "{"], "not JSON"),
        (["select", "FILE", "--title", "title-3", "--context", "[1]"], "JSON object"),
        (["select", "FILE", "--title", "title-3", "--deny", "title-3"], "TITLE=ARTWORK"),
        (["bench", "FILE", "--titles", "0"], "above 0"),
        (["inspect"], "required: file"),
        (["choose", "FILE"], "invalid choice"),
    ],
)
def test_misuse_exits_2_and_says_how_it_is_meant(
    file: str, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([file if argument == "FILE" else argument for argument in arguments])
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_a_missing_file_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("inspect", "verify", "bench"):
        assert main([command, "nowhere.edgeart"]) == 1
        assert "cannot read nowhere.edgeart" in capsys.readouterr().err


def test_bench_times_every_call(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["bench", file, "--titles", "50", "--seconds", "0.1"]
    found = run_json(capsys, *given)
    assert list(found["times"]) == ["clock", "open", "encode", "select", "page of 50"]
    for times in found["times"].values():
        assert 0 <= times["p50"] <= times["p99"] <= times["p99.9"]
        assert times["samples"] >= 3
    assert "the page repeats the bundle's 41 titles" in found["notes"]
    assert "p99.9 µs" in run(capsys, *given)


def test_help_teaches_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["select", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert "edgeart select policy.edgeart --title title-7" in capsys.readouterr().out


def test_the_command_runs_as_a_process_and_bears_a_closed_pipe(file: str) -> None:
    command = [sys.executable, "-m", "edgeart", "inspect", file]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "row, sequence 12" in result.stdout
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
