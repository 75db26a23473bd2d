# SPDX-License-Identifier: Apache-2.0
"""The command evaluate on exposures: tables, JSON, one report, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.promotion_worlds import COUNTRIES, World
from edgeart_export import Estimate, save_model
from edgeart_export.cli import main
from edgeart_export.report.evaluation import evaluation_page
from edgeart_export.report.intervals import Mark, forest, nights, weights
from tests.support.models import write_world


@pytest.fixture(scope="module")
def world() -> World:
    return World(7, gain=0.1, units=2500, nights=6)


@pytest.fixture(scope="module")
def files(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_world(world, tmp_path_factory.mktemp("evaluate"))
    save_model(world.models[1], folder / "model")
    return folder


def command(files: Path, *more: str) -> list[str]:
    policies = [
        part for name in ("candidate", "incumbent")
        for part in ("--policy", str(files / f"{name}.edgeart"))
    ]  # fmt: skip
    return ["evaluate", "--exposures", str(files / "exposures"), *policies, *more]


def test_values_and_intervals_by_group_as_json(
    world: World, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(files, "--group", "country", "--bootstrap", "--json")) == 0
    report = json.loads(capsys.readouterr().out)
    candidate, incumbent = report["policies"]
    for policy, shares in ((candidate, world.shares[0]), (incumbent, world.shares[1])):
        truth = float((shares * world.chances).sum(axis=2).mean())
        for name in ("snips", "sndr", "dr", "mrdr", "ips"):
            estimate = policy[name]
            assert abs(estimate["value"] - truth) < 4 * estimate["se"], name
            assert estimate["low"] < estimate["value"] < estimate["high"]
            low, high = estimate["bootstrap"]
            assert low == pytest.approx(estimate["low"], abs=estimate["se"])
            assert high == pytest.approx(estimate["high"], abs=estimate["se"])
        assert {*policy["groups"]} == {*COUNTRIES}
        assert sum(group["rows"] for group in policy["groups"].values()) == policy["rows"]
        assert policy["mean_weight_holds"]
    assert report["left_out"]["decided without chance"] > 0
    assert report["reasons"] == {"policy": report["rows"] + sum(report["left_out"].values())}
    assert report["units"] < 2500


def test_tables_and_one_report_for_people(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = files / "report.html"
    more = ("--group", "country", "--all", "--report", str(page))
    given = ("--reward-model", str(files / "model"))
    assert main(command(files, *more, *given)) == 0
    out = capsys.readouterr().out
    assert re.search(r"candidate\.edgeart +SNDR +0\.0\d+ +0\.0\d+ to 0\.0\d+", out)
    assert re.search(r"candidate\.edgeart +replay +0\.\d+ +none", out)
    assert re.search(r"incumbent\.edgeart +GB +\d+ +0\.0\d+ ± 0\.0\d+", out)
    assert "units, first shown from 2025-11-08" in out
    html = page.read_text(encoding="utf-8")
    assert html.count("<svg") == 5
    assert "as logged" in html
    assert "<script" not in html
    assert not re.search(r"(src|href)=.?https?:", html)


def test_only_what_was_shown_since_a_moment_counts(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(files, "--since", "2025-11-10T00:00:00Z", "--json")) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["from"] == "2025-11-10T00:00:00+00:00"
    assert report["left_out"]["before the cut"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "--policy", "p"], "give a log, or --exposures DIR"),
        (["evaluate", "l", "--exposures", "e", "--policy", "p"], "give a log, or --exposures DIR"),
        (
            ["evaluate", "--exposures", "e", "--policy", "p", "--half", "first"],
            "--half is of a log",
        ),
        (["evaluate", "--exposures", "e", "--policy", "p", "--items", "i"], "--items is of a log"),
        (["evaluate", "l", "--policy", "p", "--since", "2026-01-01"], "--since is of --exposures"),
    ],
)
def test_wrong_usage_exits_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_report_says_first_what_the_log_does_not(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With next to no rows there is no interval, and the headline says so."""
    page = files / "small.html"
    more = ("--since", "2025-11-13T23:30:00Z", "--report", str(page))
    assert main(command(files, *more, "--reward-model", str(files / "model"))) in (0, 3)
    assert "no interval, because the effective sample" in capsys.readouterr().err
    html = page.read_text(encoding="utf-8")
    assert "The log says too little" in html
    assert "too few rows" in html


def test_text_in_reports_is_escaped() -> None:
    from edgeart_export.evaluate import Evaluation
    from edgeart_export.evaluate.judged import Judged

    judged = Judged(10, {"snips": Estimate(0.1, 0.01)}, {}, 2000.0, 100.0, ())
    found = Evaluation(
        *("p", 1, "uniform", judged, Estimate(1.0, 0.01)),
        largest_weight=2.0,
        clip=3.0,
        floors=(),
        weights=np.ones(10),
    )
    html = evaluation_page([("<b>&", found)], Estimate(0.1, 0.01), {"log": "<i>"}, None)
    assert "<b>&" not in html.replace("<div><b>", "")
    assert "&lt;b&gt;&amp;" in html
    assert "&lt;i&gt;" in html


def test_charts_show_what_they_are_given() -> None:
    marks = [Mark("one", -1.0, (-2.0, 0.5), "#123456"), Mark("two", 3.0, None, "#123456")]
    drawn = forest(marks, width=800, unit="", zero=True, label="gains")
    assert "-1.00 (-2.00 to +0.50)" in drawn
    assert "too few rows" in drawn
    over = nights([("SNIPS", marks)], size=(500, 300), label="nights")
    assert over.count("<circle") == 2  # one of the legend, one with an interval
    heights = weights(np.array([0.0, 0.5, 1.0, 300.0]), size=(500, 260))
    assert ">128<" in heights.replace("&gt;", ">")
