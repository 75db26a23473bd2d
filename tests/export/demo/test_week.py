# SPDX-License-Identifier: Apache-2.0
"""The circle of the demonstration turns by real parts, and its report stands by itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import edgeart
from edgeart_export.demo import week
from edgeart_export.simulate.audience import Audience
from edgeart_export.simulate.truth import Strength

POLICIES = {"uniform", "unpersonalised", "contextual"}


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("week")
    assert week.main(["--days", "5", "--members", "1500", "--json", "--output", str(folder)]) == 0
    return folder


def test_every_event_of_the_days_landed_and_none_was_lost(turned: Path) -> None:
    landed = list((turned / "circle" / "landing").rglob("*.parquet"))
    assert {path.parts[-3] for path in landed} >= {"contexts", "impressions", "outcomes"}
    for name in ("home", "travelling"):
        assert not list((turned / "circle" / "devices" / name).glob("active-*"))


def test_each_night_publishes_a_bundle_of_a_higher_sequence_that_verifies(turned: Path) -> None:
    policies = [
        edgeart.Policy.open(path) for path in sorted((turned / "circle" / "bundles").iterdir())
    ]
    contextual = [policy for policy in policies if policy.explorer.kind != "fixed"]
    assert len(contextual) >= 2
    sequences = [policy.sequence for policy in contextual]
    assert sequences == sorted(set(sequences))
    assert all(policy.verify() for policy in contextual)


def test_the_report_is_one_file_that_needs_no_network(turned: Path) -> None:
    report = (turned / "report.html").read_text(encoding="utf-8")
    assert report.count("<svg") > 3
    assert not re.search(r"(src|href)=.?https?:", report)
    assert "<script" not in report
    assert "oracle" in report


def test_a_week_as_json_names_every_policy_with_estimates_and_the_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--days", "5", "--members", "1500", "--no-taste", "--json"]
    assert week.main([*arguments, "--output", str(tmp_path)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["circle"]["events lost"] == "0"
    assert 0 <= result["held"] <= result["intervals"]
    assert set(str(result).replace("'", " ").split()) >= POLICIES


def test_the_audience_follows_from_its_seed_alone() -> None:
    one, two, other = (Audience(seed, members=600, strength=Strength()) for seed in (3, 3, 4))
    ids = [[title.id for title in audience.catalogue.titles] for audience in (one, two, other)]
    tags = [
        [[artwork.name for artwork in title.artworks] for title in audience.catalogue.titles]
        for audience in (one, two, other)
    ]
    assert ids[0] == ids[1]
    assert tags[0] == tags[1] != tags[2]
