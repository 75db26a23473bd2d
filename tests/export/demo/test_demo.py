# SPDX-License-Identifier: Apache-2.0
"""The demonstration runs on nothing but itself, and its numbers are what it says they are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import edgeart
from edgeart_export import Greedy
from edgeart_export.demo import study
from edgeart_export.demo.__main__ import main
from edgeart_export.demo.audience import TITLES, Audience
from edgeart_export.demo.homepage import MEMBER, handmade
from edgeart_export.evaluate import propensities
from tests.support.models import opened

NUMBER = r"(\d+\.\d+)"


@pytest.fixture(scope="module")
def audience() -> Audience:
    return Audience()


def policy_of(audience: Audience) -> edgeart.Policy:
    return opened(handmade(audience))


def test_everything_of_the_audience_follows_from_its_seed() -> None:
    one, two, other = Audience(1), Audience(1), Audience(2)
    assert one.titles == two.titles
    assert one.titles != other.titles
    assert one.members(5, 0).contexts == two.members(5, 0).contexts
    assert one.members(5, 0).contexts != one.members(5, 1).contexts
    assert {title: len(row) for title, row in one.titles.items()} == TITLES


def test_contexts_say_everything_the_chances_depend_on(audience: Audience) -> None:
    members = audience.members(50, 0)
    for i, values in enumerate(members.contexts):
        taste = values["taste"]
        assert isinstance(taste, dict)
        assert sum(taste.values()) == pytest.approx(1, abs=0.005)
        assert max(members.taste[i]) == pytest.approx(max(taste.values()), abs=0.005)
        assert values["hour"] == members.hour[i]


def test_chances_are_probabilities_and_differ_by_artwork_and_member(audience: Audience) -> None:
    chances = audience.chances(audience.members(200, 0), "glass-canyon")
    assert chances.shape == (200, 10)
    assert 0 < chances.min() < chances.max() < 1
    assert len(set(chances.argmax(axis=1).tolist())) > 3


def test_the_shown_explanation_adds_up(audience: Audience) -> None:
    policy = policy_of(audience)
    explained = policy.explain(policy.context(MEMBER, seed=1), "harbour-lights")
    for artwork in explained.artworks:
        total = artwork.bias + artwork.intercept + sum(artwork.features.values())
        assert total == pytest.approx(artwork.score, abs=1e-5)


def test_the_simulated_log_carries_the_true_propensities(audience: Audience) -> None:
    policy = policy_of(audience)
    members = audience.members(40, 3)
    log = study.simulate(audience, policy, members, 3)
    assert len(log) == 40 * len(TITLES)
    targets = propensities(policy, log)
    for title, target in targets.items():
        for row, values in zip(target.rows.tolist(), target.values, strict=True):
            assert log.title[row] == title
            assert log.propensity[row] == values[target.artworks.index(log.artwork[row])]


def test_the_true_value_is_what_playing_it_out_gives(audience: Audience) -> None:
    policy = policy_of(audience)
    members = audience.members(1500, 4)
    log = study.simulate(audience, policy, members, 4)
    truth = study.true_value(audience, members, propensities(policy, log))
    error = log.reward.std() / np.sqrt(len(log))
    assert abs(log.reward.mean() - truth) < 4 * error


def test_the_true_value_does_not_depend_on_the_order_of_artworks(audience: Audience) -> None:
    """A policy that lists artworks in another order and shows the same has the same value."""
    members = audience.members(30, 5)
    straight = study.blank(audience, "p", Greedy(floor=1.0))
    uniform = opened(straight)
    log = study.simulate(audience, uniform, members, 5)
    first = {title: row[2] for title, row in audience.titles.items()}
    values = []
    for titles in (audience.titles, {t: row[::-1] for t, row in audience.titles.items()}):
        targets = propensities(uniform, log)
        for title, target in targets.items():
            target.artworks = tuple(titles[title])
            target.values[:] = [artwork == first[title] for artwork in titles[title]]
        values.append(study.true_value(audience, members, targets))
    assert values[0] == pytest.approx(values[1], abs=1e-12)


def test_the_demonstration_prints_page_explanation_and_estimates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(study, "TRAIN", 500)
    monkeypatch.setattr(study, "TEST", 150)
    folder = tmp_path / "out" / "here"
    assert main(["--output", str(folder), "--days", "5", "--members", "1500"]) == 0
    out = capsys.readouterr().out
    for title in TITLES:
        assert re.search(rf"^{title} +\S+ +0\.\d+", out, re.MULTILINE), title
    assert "why? " in out
    row = rf"{NUMBER} ± {NUMBER} +{NUMBER} ± {NUMBER} +\d+ .* {NUMBER}$"
    for name in ("uniform", "best-unpersonalised", "homepage", "learned", "learned-greedy"):
        assert re.search(rf"^{name} +{row}", out, re.MULTILINE), name
    assert sorted(p.name for p in folder.iterdir()) == [
        "circle",
        "homepage.edgeart",
        "learned.edgeart",
        "learned.onnx",
        "report.html",
    ]
    assert re.search(r"^\d+ of \d+ intervals contain the truth", out, re.MULTILINE)
    assert "events lost: 0" in out
    assert edgeart.Policy.open(folder / "learned.edgeart").verify() == 4


def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--output", str(tmp_path / "file" / "out")]) == 1
    assert "cannot make the folder" in capsys.readouterr().err
