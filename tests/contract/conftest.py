# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the contract tests: the native core, the vector files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.core import Core, CoreRefusal, core_verdict

VECTORS = Path(__file__).resolve().parents[2] / "native" / "vectors"

# More examples for a long run: EDGEART_EXAMPLES=20000 pytest tests/contract
settings.register_profile(
    "contract",
    max_examples=int(os.environ.get("EDGEART_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="session")
def open_core() -> type[Core]:
    """The native core over one bundle."""
    return Core


@pytest.fixture(scope="session")
def verdict() -> Any:
    return core_verdict


@pytest.fixture(scope="session")
def refusal() -> type[CoreRefusal]:
    return CoreRefusal


@pytest.fixture(scope="session")
def vectors() -> Any:
    """The content of a vector file, by name."""
    return lambda name: json.loads((VECTORS / name).read_text(encoding="utf-8"))
