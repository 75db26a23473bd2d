# SPDX-License-Identifier: Apache-2.0
"""The small version of `make interval-coverage`: intervals hold about as often as they say."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.coverage import BIASED, campaign, worlds

LOGS = 60


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return campaign(LOGS, resamples=300)


def test_intervals_of_every_estimator_hold_the_truth(found: dict[str, Any]) -> None:
    assert {*found["worlds"]} == {world.name for world in worlds()}
    for name, told in found["worlds"].items():
        assert told["with_intervals"] > 0.8
        assert told["effective_sample_size"] > 1000
        for estimator, by in told["coverage"].items():
            if estimator not in BIASED:
                # Of 60 intervals that hold 95 times in 100, fewer than 51 hold once in 500 times;
                # the seeds are fixed.
                assert by["asymptotic"] >= 0.85, (name, estimator)
                assert by["bootstrap"] >= 0.83, (name, estimator)
                assert abs(by["bias"]) <= 4.5 * by["bias_se"], (name, estimator)


def test_naive_intervals_of_sticky_decisions_do_not_hold(found: dict[str, Any]) -> None:
    sticky = found["worlds"]["sticky"]["coverage"]
    assert sticky["snips"]["naive"] < 0.8
    assert sticky["sndr"]["naive"] < 0.8
