# SPDX-License-Identifier: Apache-2.0
"""Estimators give the values of the Open Bandit Pipeline, as vectors/ beside this stores them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeart_export import FeatureSchema, Log, Vector
from edgeart_export.estimators import Rows, mrdr_weight
from edgeart_export.evaluate.reward_models import cross_fit

FILE = Path(__file__).parent / "vectors" / "estimators.json"
CASES: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["cases"]
CLOSE = {"rel": 1e-9, "abs": 1e-12}

pytestmark = pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])


def rows(case: dict[str, Any], predicted: Any) -> Rows:
    artwork, at = np.array(case["artwork"]), np.arange(len(case["artwork"]))
    target, q = np.array(case["target"]), np.array(predicted)
    return Rows(
        weight=target[at, artwork] / np.array(case["propensity"]),
        reward=np.array(case["reward"]),
        of_shown=q[at, artwork],
        of_target=(target * q).sum(axis=1),
        likeliest=(target[at, artwork] == 1).astype(np.float64),
    )


@pytest.mark.parametrize("name", ["dm", "ips", "snips", "dr", "sndr"])
def test_estimates_are_those_of_the_open_bandit_pipeline(case: dict[str, Any], name: str) -> None:
    found = getattr(rows(case, case["q"]), name).value
    assert found == pytest.approx(case["estimates"][name], **CLOSE)


def test_clipped_weights_give_its_value(case: dict[str, Any]) -> None:
    found = rows(case, case["q"])
    assert (found.weight > case["clip"]).any()
    assert found.clipped(case["clip"]).value == pytest.approx(case["estimates"]["clipped"], **CLOSE)


def test_replay_gives_its_value_where_the_target_is_deterministic(case: dict[str, Any]) -> None:
    found = rows(case, case["q"])
    if case["name"] == "deterministic target":
        assert found.replay.value == pytest.approx(case["estimates"]["replay"], **CLOSE)
    else:  # of a target that is not, it matches no row and says 0, where there is no value
        assert case["estimates"]["replay"] == 0
        assert found.likeliest is not None
        assert not found.likeliest.any()


def test_cross_fitted_and_mrdr_models_give_its_predictions_and_values(case: dict[str, Any]) -> None:
    artworks = [f"a{i}" for i in range(len(case["target"][0]))]
    artwork, at = np.array(case["artwork"]), np.arange(len(case["artwork"]))
    propensity = np.array(case["propensity"])
    log = Log(
        contexts=[{"x": context} for context in case["context"]],
        title=["t"] * len(artwork),
        artwork=[artworks[i] for i in artwork],
        reward=np.array(case["reward"]),
        propensity=propensity,
    )
    weight = mrdr_weight(np.array(case["target"])[at, artwork], propensity)
    schema, fold = FeatureSchema([Vector("x", 3)]), np.array(case["fold"])
    for fitted in case["fitted"]:
        own = weight if fitted["mrdr"] else None
        predicted = cross_fit(schema, {"t": artworks}, log, fold, case["alpha"], own)["t"]
        wanted = np.array(fitted["predicted"])
        assert predicted.values == pytest.approx(wanted[predicted.rows], **CLOSE)
        found = rows(case, predicted.values[np.argsort(predicted.rows)])
        for name in ("dm", "dr", "sndr"):
            assert getattr(found, name).value == pytest.approx(fitted[name], **CLOSE)


def test_mrdr_is_another_fit(case: dict[str, Any]) -> None:
    normal, mrdr = case["fitted"]
    assert abs(normal["dr"] - mrdr["dr"]) > 1e-4
