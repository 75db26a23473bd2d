# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export attribute`: its report in both forms, its errors, its exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from edgeart_export import cli
from edgeart_export.commands.attribute import _WORDS
from tests.support.landing_tables import Landing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    made = Landing(tmp_path)
    context = made.context(subject="s")
    made.outcome(made.impression(context, 1, "played"), 2, 20)
    made.impression(context, 1, "found")
    made.impression(context, 1, "quiet")
    made.impression(context, 60, "recent")
    made.loss("size", 12)
    return made.land()


def command(landing: Landing, *more: str) -> list[str]:
    folder = landing.folder
    fixed = ["--landing", folder / "landing", "--state", folder / "state", "--out", folder / "out"]
    return ["attribute", *map(str, fixed), *more]


def test_the_report_tells_machines_what_was_done(
    landing: Landing, capsys: pytest.CaptureFixture[str]
) -> None:
    log = landing.plays([{"subject": "s", "title": "found", "started": 3, "minutes": 30}])
    more = ("--now", "2026-01-04T02:00:00Z", "--plays", str(log), "--json", "--threads", "1")
    assert cli.main(command(landing, *more)) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    report = json.loads(captured.out)
    rewards = {row["title"]: row["reward"] for row in pq.read_table(report["file"]).to_pylist()}
    assert rewards == {"played": 1, "found": 1, "quiet": 0}
    assert report["now"] == "2026-01-04T02:00:00+00:00"
    assert report["losses"] == {"size": 12}
    counts = report["counts"]
    assert (counts["emitted"], counts["positive"], counts["censored"]) == (3, 2, 1)
    assert set(counts) == set(_WORDS), "every count has words for people"


def test_the_report_tells_people_what_was_done_and_that_nothing_was_new(
    landing: Landing, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(command(landing)) == 0
    captured = capsys.readouterr()
    assert "exposures given out" in captured.out
    assert "events lost on devices (size)" in captured.out
    assert "wrote " in captured.out
    assert "grouping exposures" in captured.err
    assert cli.main(command(landing)) == 0
    assert "nothing new, nothing written" in capsys.readouterr().out


def test_contexts_that_never_landed_are_pointed_out(
    landing: Landing, capsys: pytest.CaptureFixture[str]
) -> None:
    landing.impression(999, 1)
    landing.land()
    assert cli.main(command(landing)) == 0
    assert "1 of 5 impressions refer to contexts that never landed" in capsys.readouterr().err


def test_settings_decide(landing: Landing, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--minutes", "21", "--window", "2h", "--lateness", "0s", "--memory", "64MB", "--json")
    assert cli.main(command(landing, *more)) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["positive"] == 0


def test_what_cannot_be_done_is_said_with_exit_code_1(
    landing: Landing, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command(landing)
    arguments[arguments.index("--landing") + 1] = str(landing.folder / "nothing")
    assert cli.main(arguments) == 1
    assert "is no landing folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ("--window", "24"),
        ("--lateness", "soon"),
        ("--minutes", "0"),
        ("--minutes", "many"),
        ("--now", "yesterday"),
        ("--memory", "lots"),
        ("--threads", "0"),
    ],
)
def test_wrong_usage_has_exit_code_2_and_an_example(
    landing: Landing, wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(command(landing, *wrong))
    assert exit_.value.code == 2
    assert wrong[0] in capsys.readouterr().err
