# SPDX-License-Identifier: Apache-2.0
"""One policy of each row format, opened once, for the tests of the device package."""

from __future__ import annotations

import pytest

import edgeart
from tests.support.bundles import FULL, bundle


@pytest.fixture(scope="session", params=["f32", "i8"])
def policy(request: pytest.FixtureRequest) -> edgeart.Policy:
    return edgeart.Policy.from_bytes(bundle(request.param))


@pytest.fixture
def context(policy: edgeart.Policy) -> edgeart.Context:
    return policy.context(FULL, seed=42, unit=7)
