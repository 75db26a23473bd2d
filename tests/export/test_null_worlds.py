# SPDX-License-Identifier: Apache-2.0
"""The small version of `make null-worlds`: where nothing can be gained, no gain is claimed."""

from __future__ import annotations

from benchmarks.null_worlds import campaign


def test_in_ten_null_worlds_a_gain_is_distinguishable_in_one_at_most() -> None:
    result = campaign(10, members=4000, days=6)
    assert result["indistinguishable"] >= 9
