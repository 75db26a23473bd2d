# SPDX-License-Identifier: Apache-2.0
"""The comparison of policy quality: its arithmetic, what it keeps, and a small version of it."""

from __future__ import annotations

import gzip
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks.quality import own, runs, sets, table, tuning
from benchmarks.quality.runs import Kept, Result, Run
from edgeart_export.simulate.bandit import progressive


def silent(_: str) -> None:
    """Progress nobody wants to see."""


def scored(*scores: float) -> list[dict[str, Any]]:
    return [{"score": score, "rounds": 2500} for score in scores]


def test_regret_is_held_against_the_better_competitor_and_differences_are_paired() -> None:
    found = table.row(
        "s",
        "all",
        "auto",
        {"vw": scored(0.5, 0.7), "mabwiser": scored(0.4, 0.6), "auto": scored(0.6, 0.9)},
    )
    assert found is not None
    assert found.peer == "vw"
    assert found.ratio == pytest.approx(0.25 / 0.4)
    assert found.difference == pytest.approx(0.15)
    assert found.spread == pytest.approx(np.std([0.1, 0.2], ddof=1))
    assert found.error == pytest.approx(found.spread / 2**0.5)
    assert table.row("s", "all", "auto", {"auto": scored(0.5)}) is None


def test_a_verdict_asks_for_the_mean_and_for_the_worst() -> None:
    def rows(*ratios: float) -> list[table.Row]:
        return [
            table.Row(str(i), "all", 1, 1, "auto", "vw", {"auto": 0.1, "vw": 0.1}, r, 0.0, 0.0, 0.0)
            for i, r in enumerate(ratios)
        ]

    good = table.verdict(rows(0.8, 1.05))["auto"]
    assert good["met"]
    assert good["geometric_mean"] == pytest.approx((0.8 * 1.05) ** 0.5)
    assert good["worst_at"] == "1, all"
    assert not table.verdict(rows(0.5, 1.2))["auto"]["met"]  # good on average, bad on one
    assert not table.verdict(rows(1.05, 1.05))["auto"]["met"]
    console = Console(file=io.StringIO(), width=140)
    table.show(rows(0.5, 1.2), console)
    assert isinstance(console.file, io.StringIO)
    assert "worst 1.200 (bar 1.1) at 1, all: NOT met" in console.file.getvalue()


def test_results_are_kept_and_a_line_cut_off_is_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played: list[int] = []

    def play(run: Run) -> Result:
        played.append(run.seed)
        return {"key": run.key, "learner": run.learner, "score": run.seed / 10, "seconds": 0}

    monkeypatch.setattr(runs, "play", play)
    monkeypatch.setattr(runs, "_version", lambda learner: f"{learner} 1")
    wanted = [Run("needles", 100, "vw", "{}", seed) for seed in (1, 2, 3)]
    path = tmp_path / "kept" / "runs.jsonl"
    first = Kept(path, jobs=1, told=silent).play(wanted[:2], "test")
    assert [r["score"] for r in first] == [0.1, 0.2]
    with path.open("a", encoding="utf-8") as file:
        file.write('{"key": "torn')
    later = Kept(path, jobs=1, told=silent).play(wanted, "test")
    assert "its last line is not whole" in capsys.readouterr().err
    assert [r["score"] for r in later] == [0.1, 0.2, 0.3]
    assert played == [1, 2, 3]
    monkeypatch.setattr(runs, "_version", lambda learner: f"{learner} 2")
    Kept(path, jobs=1, told=silent).play(wanted[:1], "test")  # another version is played anew
    assert played == [1, 2, 3, 1]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 4


class Judge:
    """Stands in for Kept: a configuration scores what `merit` says, whatever the seed."""

    def __init__(self, merit: Any) -> None:
        self.merit = merit
        self.asked: list[Run] = []

    def play(self, wanted: Sequence[Run], _: str) -> list[Result]:
        self.asked.extend(wanted)
        return [{"score": self.merit(json.loads(run.config), run.n)} for run in wanted]


@pytest.mark.parametrize("learner", ["vw", "mabwiser"])
def test_tuning_finds_the_best_and_never_looks_at_a_scoring_seed(learner: str) -> None:
    def merit(config: dict[str, Any], n: int | None) -> float:
        if learner == "mabwiser":
            right = config["policy"] == "LinUCB", config.get("alpha") == (0.1 if n else 0.03)
            return float(sum(right)) - abs(math.log10(config.get("l2_lambda", 1e3)) - 0.5)
        options = config["options"]
        return float(sum(("--squarecb" in options, "2" in options, config["replays"] > 1)))

    judge = Judge(merit)
    asked: Any = judge
    found = tuning.Tuning(asked, "needles", learner)
    small, whole = json.loads(found.small()[0]), json.loads(found.whole()[0])
    if learner == "vw":
        assert "--squarecb" in small["options"]
        assert small["replays"] == 4
        assert "2" in small["options"]
    else:
        assert (small["policy"], small["alpha"], small["l2_lambda"]) == ("LinUCB", 0.1, 3.0)
        assert whole["policy"] == "LinUCB"
    assert {run.seed for run in judge.asked} == set(tuning.TUNING_SEEDS)
    assert min(tuning.TUNING_SEEDS) > 100


@pytest.mark.parametrize("name", [*sets.SETS, *sets.DEVELOPMENT])
def test_sets_are_the_same_for_a_seed_and_have_something_to_gain(name: str) -> None:
    reason = sets.absent(name)
    if reason:
        pytest.skip(reason)
    bandit, again = (sets.bandit(name, 3, 500) for _ in range(2))
    assert bandit.contexts == again.contexts
    assert (bandit.luck == again.luck).all()
    assert len(bandit) == 500
    assert bandit.best > 2 * bandit.uniform
    assert sets.bandit(name, 4, 500).contexts != bandit.contexts


def test_a_file_of_ones_own_is_a_set(tmp_path: Path) -> None:
    path = tmp_path / "fruit.csv"
    path.write_text("size,colour,kind\n1,red,apple\n\n3,green,melon\n2, red,apple\n")
    features, labels = own.read(path)
    assert labels == ["apple", "melon", "apple"]
    assert features.tolist() == [[1, 0, 1], [3, 1, 0], [2, 0, 1]]  # size, green, red
    assert sets.absent(str(path)) is None
    bandit = sets.bandit(str(path), 1, None)
    assert (bandit.name, len(bandit), bandit.best) == ("fruit", 3, 1.0)
    assert list(bandit.titles.values()) == [("apple", "melon")]


def test_a_packed_file_with_keel_s_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "two.dat.gz"
    path.write_bytes(gzip.compress(b"@relation two\n@data\n0.5, 1, a\n-2, 1, b\n"))
    features, labels = own.read(path)
    assert features.tolist() == [[0.5, 1], [-2, 1]]
    assert labels == ["a", "b"]


def test_a_broken_file_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_text("1,2,a\n3,b\n")
    with pytest.raises(ValueError, match=r"broken\.csv, line 2: 2 columns, 3 before"):
        own.read(path)
    path.write_text("1,a\n")
    with pytest.raises(ValueError, match="at least one feature"):
        own.read(path)
    reason = sets.absent(str(tmp_path / "none.csv"))
    assert reason is not None
    assert "neither a set" in reason


@pytest.mark.parametrize(
    ("learner", "package", "config"),
    [
        ("auto", "edgeart_export", {}),
        ("linear", "edgeart_export", {}),
        ("vw", "vowpal_wabbit_next", {"options": ["-q", "ca", "--squarecb"], "replays": 2}),
        ("mabwiser", "mabwiser", {"policy": "LinUCB", "alpha": 0.1, "l2_lambda": 10.0}),
    ],
)
def test_every_learner_learns_something_from_few_rounds(
    learner: str, package: str, config: dict[str, Any]
) -> None:
    pytest.importorskip(package, reason=f"{package}, of the bench group, is a competitor")
    run = Run("patches", 1000, learner, json.dumps(config), 7)
    result = runs.play(run)
    assert result["score"] > 0.2
    assert result["score"] == runs.play(run)["score"]
    assert result["rounds"] == 1000


def test_competitors_learn_titles_of_their_own() -> None:
    pytest.importorskip("mabwiser", reason="mabwiser, of the bench group, is a competitor")
    pytest.importorskip("vowpal_wabbit_next", reason="vowpal-wabbit-next is a competitor")
    bandit = sets.SETS["audience"](2, 300)
    counts = np.array([len(artworks) for _, artworks in bandit.names])
    for learner, config in (
        ("vw", {"options": ["-q", "ca", "--squarecb"]}),
        ("mabwiser", {"policy": "LinTS", "alpha": 0.1, "l2_lambda": 1.0}),
        ("mabwiser", {"policy": "EpsilonGreedy", "epsilon": 0.05, "neighbours": 20}),
    ):
        made = runs.make(Run("audience", 300, learner, json.dumps(config), 2), bandit)
        found = progressive(bandit, made)
        assert (found.artwork < counts[bandit.title]).all()
        assert len(np.unique(found.artwork)) >= counts.min()
