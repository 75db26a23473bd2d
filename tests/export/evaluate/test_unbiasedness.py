# SPDX-License-Identifier: Apache-2.0
"""The small version of `make unbiasedness`: intervals hold the truth about as often as they say."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import unbiased_worlds, unbiasedness
from benchmarks.unbiased_worlds import World
from benchmarks.unbiasedness import KINDS, campaign, fails, summary
from edgeart_export import Log


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], Path]:
    """Three logs of each explorer, a third of the size."""
    kept = tmp_path_factory.mktemp("campaign") / "kept.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unbiased_worlds, "WORTH", 700)
        found = summary(campaign(24, kept=kept, per_world=3))
    return found, kept


def test_intervals_of_every_explorers_logs_hold_the_truth(
    small: tuple[dict[str, object], Path],
) -> None:
    found, _ = small
    explorers = found["explorers"]
    assert isinstance(explorers, dict)
    assert set(explorers) == set(KINDS)
    assert len(KINDS) == 8
    assert found["intervals"] == 8 * 3 * 3 * 3
    # 216 intervals, of which those of one log depend on each other; the seeds are fixed.
    assert 0.88 <= found["coverage"] <= 1  # type: ignore[operator]
    assert abs(found["bias"]) <= 3 * found["bias_se"]  # type: ignore[arg-type, operator]
    assert 0.8 <= found["sd_z"] <= 1.25  # type: ignore[operator]
    assert found["mean_weight_holds"] > 0.95  # type: ignore[operator]


def test_a_campaign_goes_on_where_it_was_interrupted(
    small: tuple[dict[str, object], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found, kept = small
    lines = kept.read_text().splitlines()
    assert len(lines) == len(KINDS)
    half = tmp_path / "kept.jsonl"
    half.write_text("\n".join(lines[:6]) + "\n" + lines[6][:50])
    monkeypatch.setattr(unbiased_worlds, "WORTH", 700)
    done = []
    original = unbiasedness.run
    monkeypatch.setattr(unbiasedness, "run", lambda piece: done.append(piece) or original(piece))
    assert summary(campaign(24, kept=half, per_world=3)) == found
    assert [piece[0] for piece in done] == list(KINDS[6:])
    assert len([json.loads(line) for line in half.read_text().splitlines()]) == len(KINDS)


def test_wrong_propensities_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logged as if all had been drawn alike: the intervals miss, and the campaign says so."""
    original = World.log

    def spoilt(world: World, seed: int) -> tuple[Log, np.ndarray]:
        log, places = original(world, seed)
        alike = [1 / len(unbiased_worlds.TITLES[title]) for title in log.title]
        return dataclasses.replace(log, propensity=np.array(alike)), places

    monkeypatch.setattr(World, "log", spoilt)
    monkeypatch.setattr(unbiased_worlds, "WORTH", 700)
    result = unbiasedness.run(("squarecb", 0, 2))
    found = summary([result])
    assert found["coverage"] < 0.5
    assert found["mean_weight_holds"] < 0.5
    failures = fails(found)
    assert any("coverage of squarecb" in failure for failure in failures)
    assert any("standard errors on average" in failure for failure in failures)
