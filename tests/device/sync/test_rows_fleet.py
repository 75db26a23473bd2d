# SPDX-License-Identifier: Apache-2.0
"""Row 37 of the sync fault table: what a fleet does to its server, in virtual time."""

from __future__ import annotations

import pytest

from tests.support.polls import simulate


@pytest.fixture(scope="module")
def seen() -> dict[str, float]:
    return simulate(10_000)


def test_row_37_ten_thousand_devices_come_spread_and_stay_spread(seen: dict[str, float]) -> None:
    assert seen["checks_per_device_and_day"] < 4.5  # four intervals a day, failures included
    assert seen["peak_undisturbed"] < 2.0
    assert seen["peak_after_installation"] < 2.5
    assert seen["peak_when_half_start"] < 2.0, "a start asks nobody"


def test_row_37_an_outage_is_not_followed_by_a_stampede(seen: dict[str, float]) -> None:
    assert seen["peak_busy_hour_and_after"] < 4.0
    assert seen["peak_silent_hour_and_after"] < 6.0


def test_row_37_a_release_reaches_99_percent_within_two_intervals(seen: dict[str, float]) -> None:
    assert seen["release_half_intervals"] < 0.75
    assert seen["release_99_percent_intervals"] < 2.0


def test_row_37_without_jitter_the_same_count_would_tell() -> None:
    """The bounds above are no matter of course: devices that start together stay together."""

    class Together:
        def uniform(self, low: float, high: float) -> float:
            return (low + high) / 2

        def random(self) -> float:
            return 1.0

    assert simulate(500, source=Together())["peak_undisturbed"] > 100
