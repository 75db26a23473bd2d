# SPDX-License-Identifier: Apache-2.0
"""The small version of `make sigkill`: a device that is killed again and again loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_killed_devices_lose_and_double_no_event_that_parquet_counts(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs edgeart-export[collector]")
    from benchmarks.sigkill import campaign

    result = campaign(tmp_path, kills=15, seed=7)
    assert result["named"] > 1000
    assert (result["lost"], result["doubled"], result["contradictory"]) == (0, 0, 0)
