# SPDX-License-Identifier: Apache-2.0
"""The command's three steps on a small log of the Open Bandit layout, and its errors."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import edgeart
from edgeart_export import Greedy, load_model, write_bundle
from edgeart_export.attribution.tables import EXPOSURES
from edgeart_export.cli import main
from edgeart_export.obd import TITLE

ITEMS = 4


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with log.csv and items.csv: 800 uniform impressions, taste decides the click."""
    folder = tmp_path_factory.mktemp("obd")
    rng = np.random.default_rng(2)
    lines = [",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1"]
    for i in range(800):
        item, taste = int(rng.integers(ITEMS)), int(rng.integers(ITEMS))
        click = int(rng.random() < (0.6 if item == taste else 0.1))
        time = f"2019-11-{24 + i // 200} 00:{i % 60:02}:00+00:00"
        lines.append(f"{i},{time},{item},{1 + i % 3},{click},{1 / ITEMS},likes-{taste},x")
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    items = [",item_id,item_feature_0", *(f"{i},{i},0.{i}" for i in range(ITEMS))]
    (folder / "items.csv").write_text("\n".join(items) + "\n")
    return folder


@pytest.fixture(scope="module")
def trained(files: Path) -> Path:
    """The same folder, with a model in model/ trained on the first half."""
    assert main([*train_arguments(files), "-o", str(files / "model")]) == 0
    return files


def train_arguments(files: Path) -> list[str]:
    log, items = str(files / "log.csv"), str(files / "items.csv")
    return ["train", log, "--items", items, "--half", "first", "--lambda", "5", "--name", "men"]


def export(files: Path, name: str, explorer: str, *more: str) -> Path:
    path = files / f"{name}.edgeart"
    arguments = ["export", str(files / "model"), "--bundle", str(path), "--explorer", explorer]
    assert main([*arguments, *more]) == 0
    return path


def test_train_saves_a_model_of_the_half_asked_for(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*train_arguments(files), "-o", str(tmp_path / "m"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    report = json.loads(out)
    assert (report["rows"], report["artworks"], report["lambda"]) == (400, ITEMS, 5.0)
    assert report["features"] == {"position": 4, "user_feature_0": 5, "user_feature_1": 2}
    model = load_model(tmp_path / "m")
    assert model.name == "men"
    assert model.titles == {TITLE: tuple(f"item-{i}" for i in range(ITEMS))}
    assert model.meta["rows"] == "400"


def test_export_writes_a_bundle_that_verifies_and_learned(trained: Path) -> None:
    policy = edgeart.Policy.open(export(trained, "greedy", "greedy:floor=0.1"))
    assert policy.verify() == 4
    assert policy.explorer == ("greedy", 0.1, 0.0)
    for taste in range(ITEMS):
        context = policy.context({"user_feature_0": f"likes-{taste}"}, seed=1)
        shares = policy.propensities(context, TITLE)
        assert max(shares, key=shares.__getitem__) == f"item-{taste}"


def test_export_takes_name_sequence_rows_and_onnx(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = tmp_path / "policy.onnx"
    path = export(
        trained, "named", "uniform", "--name", "row", "--sequence", "9", "--rows", "f32",
        "--onnx", str(onnx), "--contexts", str(trained / "log.csv"), "--half", "second",
        "--json",
    )  # fmt: skip
    report = json.loads(capsys.readouterr().out)
    policy = edgeart.Policy.open(path)
    assert (policy.name, policy.sequence, policy.rows) == ("row", 9, "f32")
    assert report["bundle"]["size"] == path.stat().st_size
    assert report["bundle"]["contexts"] == 400
    assert report["onnx"]["size"] == onnx.stat().st_size


def test_export_writes_holdbacks_and_thompson(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    more = ("--holdback", "0.02,0.03", "--salt", "2027")
    path = export(trained, "thompson", "thompson:floor=0.01", *more)
    lines = capsys.readouterr().out.splitlines()
    assert f"{path}: format 2, {path.stat().st_size} bytes" in lines[1]
    assert lines[2:4] == [
        "  cell fixed: 2 % of units, fixed:floor=0",
        "  cell uniform: 3 % of units, uniform:floor=0",
    ]
    assert lines[4].startswith("  variances off by at most ")
    policy = edgeart.Policy.open(path)
    assert policy.explorer == ("thompson", 0.01, 1.0)
    report = json.loads(export_json(trained, "plain", capsys, "--holdback", "0,0.1"))
    assert [cell["share"] for cell in report["cells"]] == [0.1]


def export_json(files: Path, name: str, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """What export prints for machines."""
    export(files, name, "greedy", "--json", *more)
    return capsys.readouterr().out


def test_evaluate_reports_every_policy_and_the_logging_one(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = export(trained, "good", "squarecb:gamma=50")
    even = export(trained, "even", "uniform")
    capsys.readouterr()
    log = str(trained / "log.csv")
    arguments = ["evaluate", log, "--half", "second", "--policy", str(good), "--policy", str(even)]
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    first, second = report["policies"]
    assert report["rows"] == 400
    assert [first["explorer"], second["explorer"]] == [
        "squarecb:gamma=50,floor=0",
        "uniform:floor=0",
    ]
    logging = report["logging_policy"]
    assert second["snips"]["value"] == pytest.approx(logging["value"], abs=1e-6)
    assert first["snips"]["value"] > logging["high"]
    assert first["dr"]["value"] > logging["high"]
    # Of 400 rows no policy gets an interval, and both channels say so.
    assert first["snips"]["low"] is first["snips"]["se"] is None
    assert "is smaller than 1,000" in first["doubts"][0]
    assert err.count("no interval, because the effective sample of") == 2
    assert first["mean_weight_holds"]
    assert report["reward_model"] == "cross-fitted, 5 folds"

    assert main([*arguments, "--reward-model", str(trained / "model")]) == 0
    table, progress = capsys.readouterr()
    assert "SNIPS ± se" in table
    assert f"{first['snips']['value']:.5f}" in table
    assert "reading log.csv" in progress


def test_evaluate_warns_of_a_floor_that_makes_a_policy_uniform(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trained / "floored.edgeart"
    model = dataclasses.replace(load_model(trained / "model"), explorer=Greedy(floor=0.3))
    write_bundle(model, path)
    arguments = ["evaluate", str(trained / "log.csv"), "--policy", str(path)]
    assert main(arguments) == 0
    err = capsys.readouterr().err
    assert "4 candidates of title 'campaign' cannot each have a floor of 0.3" in err
    assert "what holds is 1/4" in err


def test_export_refuses_a_floor_that_cannot_hold_and_names_the_title(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", str(trained / "model"), "--bundle", str(trained / "x.edgeart")]
    assert main([*arguments, "--explorer", "greedy:floor=0.3"]) == 1
    err = capsys.readouterr().err
    assert "a floor of 0.3 cannot hold for 1 title(s), 'campaign'" in err
    assert "at most 0.25" in err
    assert not (trained / "x.edgeart").exists()


def test_export_adds_holdbacks_says_what_exploring_costs_and_what_none_loses(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = export(trained, "held", "epsilon_greedy:epsilon=0.1", "--json")
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert captured.err == ""
    assert [(c["name"], c["share"]) for c in report["cells"]] == [
        ("fixed", 0.02),
        ("uniform", 0.03),
    ]
    assert [c.name for c in edgeart.Policy.open(path).cells] == ["fixed", "uniform"]
    found = report["exploration"]
    own, fixed, uniform = found["cells"]
    assert (own["cell"], fixed["cell"], uniform["cell"]) == (None, "fixed", "uniform")
    # A tenth of the decisions is as those of the uniform cell.
    assert own["given_up"] == pytest.approx(0.1 * uniform["given_up"], rel=1e-4)
    assert found["total"] == pytest.approx(
        0.95 * own["given_up"] + 0.02 * fixed["given_up"] + 0.03 * uniform["given_up"]
    )
    export(trained, "bare", "greedy", "--holdback", "0,0")
    captured = capsys.readouterr()
    assert "exploration gives up 0 of" in captured.out
    assert "note: no fixed holdback: no unit sees the titles' defaults" in captured.err
    assert "note: no uniform holdback" in captured.err


def test_export_scales_exploration_by_what_attribution_gave_out(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"title": "campaign", "shown": None, "reward": float(i < 2), "previous": None}
        for i in range(16)
    ] + [{"title": "gone", "shown": None, "reward": 1.0, "previous": None}]
    file = trained / "exposures.parquet"
    schema = pa.schema([(f.name, f.type) for f in EXPOSURES if f.name in rows[0]])
    pq.write_table(pa.Table.from_pylist(rows, schema), file)
    path = export(trained, "scaled", "squarecb:gamma=3", "--exposures", str(file))
    capsys.readouterr()
    policy = edgeart.Policy.open(path)
    assert policy.title_scale("campaign") == 4
    assert policy.explorer.parameter == pytest.approx(3 / np.std([1] * 3 + [0] * 14))


def test_evaluate_doubts_wrong_propensities_with_its_own_exit_code(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = export(trained, "doubted", "greedy:floor=0.1")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text((trained / "log.csv").read_text().replace(",0.25,", ",0.2,"))
    assert main(["evaluate", str(wrong), "--policy", str(path)]) == 3
    out, err = capsys.readouterr()
    assert "FAILS" in out
    assert "is not 1: the logged propensities or the candidates differ" in err


def test_evaluate_says_when_rewarded_rows_are_too_few(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = export(trained, "few", "greedy:floor=0.1")
    few = tmp_path / "few.csv"
    few.write_text("\n".join((trained / "log.csv").read_text().splitlines()[:21]) + "\n")
    main(["evaluate", str(few), "--policy", str(path)])
    err = capsys.readouterr().err
    assert re.search(r"no interval, because .*; rewarded rows count as \d\.\d of equal weight", err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "absent.csv", "--items", "{items}", "-o", "m"], "absent.csv"),
        (["train", "{log}", "--items", "{log}", "-o", "m"], "column item_id: . stands there twice"),
        (["export", "absent", "--bundle", "x"], "model.json is missing"),
        (["evaluate", "{log}", "--policy", "{items}"], "EA_E_MAGIC"),
    ],
)
def test_failures_exit_1_and_say_where(
    files: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"log": files / "log.csv", "items": files / "items.csv"}
    assert main([argument.format(**names) for argument in arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith(f"edgeart-export {arguments[0]}: ")
    assert "Traceback" not in err
    assert re.search(message, err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["train", "log.csv"], "--items"),
        (["train", "l", "--items", "i", "-o", "m", "--lambda", "0"], "'0' is not a number above 0"),
        (["train", "l", "--items", "i", "-o", "m", "--sequence", "0"], "whole number from 1 on"),
        (["export", "model"], "give --bundle FILE, --onnx FILE or both"),
        (["export", "m", "--bundle", "b", "--explorer", "best"], "no explorer is called 'best'"),
        (["evaluate", "l", "--policy", "p", "--folds", "1"], "whole number from 2 on"),
    ],
)
def test_wrong_usage_exits_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_help_teaches_with_an_example() -> None:
    command = [sys.executable, "-m", "edgeart_export"]
    for name in ((), ("train",), ("export",), ("evaluate",), ("demo",)):
        shown = subprocess.run(
            [*command, *name, "--help"], capture_output=True, text=True, check=True
        )
        assert "edgeart-export " + (name[0] if name else "train") in shown.stdout
        assert "example" in shown.stdout


def test_a_command_starts_without_what_only_others_need() -> None:
    """A database, torch, a web server and TUF cost seconds; who needs them imports them later."""
    code = "import sys, edgeart_export.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "edgeart_export.commands.evaluate" in loaded
    assert not {"duckdb", "torch", "starlette", "uvicorn", "tuf", "onnxruntime"} & {*loaded}
