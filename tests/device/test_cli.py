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
from tests.support.bundles import ATTRIBUTES, CELLS, FULL, TITLES, bundle, rich, verified_bundle


@pytest.fixture(params=["f32", "i8"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = tmp_path / "policy.edgeart"
    path.write_bytes(verified_bundle(request.param))
    return str(path)


@pytest.fixture
def rich_file(tmp_path: Path) -> str:
    path = tmp_path / "rich.edgeart"
    path.write_bytes(rich())
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


def test_inspect_tells_what_format_2_adds(
    file: str, capsys: pytest.CaptureFixture[str], rich_file: str
) -> None:
    policy = edgeart.Policy.open(rich_file)
    found = run_json(capsys, "inspect", rich_file, "--title", "title-3")
    assert found["digest"] == policy.digest.hex()
    assert found["tower"] == [layer._asdict() for layer in policy.tower]
    assert [cell["explorer"]["kind"] for cell in found["cells"]] == ["fixed", "uniform"]
    assert (found["variance"], found["salt"]) == ("e5m3", "salt-1")
    assert found["attributes"] == list(ATTRIBUTES)
    assert found["attributes_of"]["title-3"] == {
        name: list(policy.artwork_attributes("title-3", name)) for name in TITLES["title-3"]
    }
    assert found["title_scale"] == {"title-3": policy.title_scale("title-3")}
    sections = found["sections"]
    assert sum(sections.values()) == policy.size
    assert {"tower", "variances", "masks", "factors"} <= set(sections)
    assert min(sections.values()) > 0
    text = run(capsys, "inspect", rich_file, "--title", "title-3")
    for part in (
        "holdback: 12.5000% of units, fixed, floor 0",
        "62.5000% of units in none",
        "lang_en, lang_de, mature",
        "12 to 16, relu, f32",
        "16 to 8, tanh, i8",
        "e5m3 variances",
        "thompson, floor 0.01, parameter 1, its parameter times a factor per title",
        "art-3-2: lang_de, mature",
    ):
        assert part in text
    plain = run_json(capsys, "inspect", file)
    assert (plain["tower"], plain["cells"], plain["attributes"]) == ([], [], [])


def test_select_keeps_to_limits_and_names_the_cell(
    rich_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = edgeart.Policy.open(rich_file)
    limits = policy.limits(
        required=["lang_en"], forbidden=["mature"],
        candidates={"title-6": ["art-6-4", "art-6-6", "art-6-1"]},
    )  # fmt: skip
    unit = policy.unit_of_cell("random")
    context = policy.context(FULL, seed=42, unit=unit)
    given = [
        "--title", "title-6", "--context", json.dumps(FULL), "--seed", "42", "--unit", str(unit),
        "--require", "lang_en", "--forbid", "mature", "--candidates", "title-6=art-6-4",
        "--candidates", "title-6=art-6-6", "--candidates", "title-6=art-6-1",
    ]  # fmt: skip
    found = run_json(capsys, "select", rich_file, *given, "--all")
    (entry,) = found["decisions"]
    decision = policy.select(context, "title-6", limits=limits)
    assert (entry["artwork"], entry["n"]) == (decision.artwork, decision.n)
    assert (entry["cell"], found["cell"]) == ("random", "random")
    shown = {c["artwork"]: c["propensity"] for c in entry["candidates"]}
    assert shown == policy.propensities(context, "title-6", limits=limits)
    assert "cell random" in run(capsys, "select", rich_file, *given)


@pytest.mark.parametrize("which", ["linear", "tower"])
def test_explain_shows_what_speaks_for_the_choice(
    which: str, file: str, rich_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file if which == "linear" else rich_file
    policy = edgeart.Policy.open(path)
    context = policy.context({"hour": 9, "taste": {"comedy": 0.7}}, seed=42, unit=7)
    given = ["--title", "title-6", "--title", "title-0", "--seed", "42", "--unit", "7",
             "--context", '{"hour": 9, "taste": {"comedy": 0.7}}', "--deny",
             "title-6=art-6-1"]  # fmt: skip
    limits = policy.limits(denied={"title-6": ["art-6-1"]})
    found = run_json(capsys, "explain", path, *given)
    for entry, title in zip(found["explanations"], ("title-6", "title-0"), strict=True):
        explanation = policy.explain(context, title, limits=limits)
        assert (entry["artwork"], entry["runner_up"]) == (
            explanation.decision.artwork,
            explanation.runner_up,
        )
        assert entry["lead"] == explanation.lead
        assert entry["baseline"] == explanation.baseline
        for artwork, expected in zip(entry["artworks"], explanation.artworks, strict=True):
            assert artwork["features"] == expected.features
            assert artwork["score"] == expected.score
    text = run(capsys, "explain", path, *given)
    explanation = policy.explain(context, "title-6", limits=limits)
    chosen = explanation.chosen
    assert chosen is not None
    lines = text.splitlines()
    hour = next(line for line in lines if line.startswith("hour "))
    assert f"{chosen.features['hour']:+.6f}" in hour
    assert f"{explanation.lead['hour']:+.6f}" in hour
    assert hour.split()[1] == "9"
    assert "comedy 0.7" in text
    assert "(missing)" in text
    assert f"{chosen.score:+.6f}" in next(line for line in lines if line.startswith("sum"))
    assert "denied" in text
    assert "runner-up" in text


def test_explain_of_a_title_without_candidates_says_so(
    rich_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--title", "title-3", "--require", "mature", "--forbid", "mature"]
    assert "no artwork may be shown: none" in run(capsys, "explain", rich_file, *given)
    (entry,) = run_json(capsys, "explain", rich_file, *given)["explanations"]
    assert (entry["artwork"], entry["artworks"], entry["lead"]) == (None, [], {})


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
        (["--title", "title-3", "--candidates", "title-3=laugh"], "no artwork 'laugh'"),
        (["--title", "title-3", "--candidates", "nobody=laugh"], "no title 'nobody'"),
        (["--title", "title-3", "--require", "lang_fr"], "no attribute 'lang_fr'"),
        (["--title", "title-3", "--forbid", "mature"], "it has none"),
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
        (["select", "FILE", "--title", "title-3", "--candidates", "title-3"], "TITLE=ARTWORK"),
        (["explain", "FILE"], "explain: give at least one --title"),
        (["bench", "FILE", "--titles", "0"], "above 0"),
        (["log", "FILE", "--bundle", "FILE"], "--why and --bundle go together"),
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
    rows = ["clock", "open", "encode", "select", "page of 50", "and its ids"]
    assert list(found["times"]) == rows
    for times in found["times"].values():
        assert 0 <= times["p50"] <= times["p99"] <= times["p99.9"]
        assert times["samples"] >= 3
    assert "the page repeats the bundle's 41 titles" in found["notes"]
    assert "p99.9 µs" in run(capsys, *given)


def test_bench_times_the_policy_s_own_explorer(
    rich_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--titles", "5", "--seconds", "0.01"]
    notes = run_json(capsys, "bench", rich_file, *given)["notes"]
    assert "policy: thompson, i8 rows of 8, 2 layers, 12 slots" in notes
    Path(rich_file).write_bytes(rich(cells=["s", ["all", 1.0, CELLS[1][2]]]))
    notes = run_json(capsys, "bench", rich_file, *given)["notes"]
    assert "a cell's explorer is timed" in notes[0]
    assert notes[1].startswith("policy: all, ")


def test_help_teaches_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["select", "--help"], ["explain", "--help"], ["log", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        text = capsys.readouterr().out
        assert "edgeart select policy.edgeart --title title-7" in text
        assert "edgeart log app/feedback --why" in text


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
