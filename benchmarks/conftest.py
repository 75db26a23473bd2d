# SPDX-License-Identifier: Apache-2.0
"""The policies that the pytest-benchmark cases measure."""

from __future__ import annotations

import pytest

from benchmarks.homepage import ExplorerName, Homepage, Rows, homepage


@pytest.fixture(params=["i8", "f32"])
def rows(request: pytest.FixtureRequest) -> Rows:
    """Both row formats."""
    value: Rows = request.param
    return value


@pytest.fixture(params=["greedy", "squarecb"])
def home(request: pytest.FixtureRequest, rows: Rows) -> Homepage:
    """The homepage policy, per explorer and row format."""
    explorer: ExplorerName = request.param
    return homepage(explorer, rows)
