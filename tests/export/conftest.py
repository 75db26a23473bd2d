# SPDX-License-Identifier: Apache-2.0
"""One model with every kind of feature, and the recorded log where it is there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edgeart_export import (
    Category,
    Cell,
    FeatureSchema,
    Layer,
    Number,
    PolicyModel,
    SquareCB,
    Thompson,
    Ucb,
    Vector,
    Weights,
    holdbacks,
)

OPEN_BANDIT = Path(__file__).resolve().parents[3] / "shared" / "data" / "open_bandit"


@pytest.fixture(scope="session")
def schema() -> FeatureSchema:
    return FeatureSchema(
        [
            Category("country", ["US", "GB", "é"]),
            Weights("taste", ["comedy", "romance", "drama"]),
            Number("hour", mean=12, std=6, indicator=True),
            Vector("embedding", 16),
        ]
    )


@pytest.fixture(scope="session")
def model(schema: FeatureSchema) -> PolicyModel:
    """12 titles of 1 to 7 artworks; rows like those a trainer gives: small, and not clean."""
    rng = np.random.default_rng(3)
    titles = {f"title-{t}": [f"art-{t}-{a}" for a in range(1 + t % 7)] for t in range(12)}
    count = sum(map(len, titles.values()))
    weights = rng.normal(0, 0.2, (count, schema.width)).astype(np.float32)
    weights[0, :3] = (-0.0, 1e-20, -1e-20)
    return PolicyModel(
        name="row",
        sequence=12,
        schema=schema,
        titles=titles,
        weights=weights,
        bias=rng.normal(0, 0.1, count).astype(np.float32),
        explorer=SquareCB(gamma=10.0, floor=0.01),
        meta={"trained": "by hand"},
    )


@pytest.fixture(scope="session")
def rich(schema: FeatureSchema, model: PolicyModel) -> PolicyModel:
    """All that format 2 can say: a tower, variances, factors, attributes, cells."""
    rng = np.random.default_rng(4)
    count, k = len(model.artworks), 20
    return dataclasses.replace(
        model,
        tower=[
            Layer(rng.normal(0, 0.5, (schema.width, 40)), rng.normal(0, 0.1, 40)),
            Layer(rng.normal(0, 0.3, (40, 24)), rng.normal(0, 0.1, 24), "tanh", rows="f32"),
            Layer(rng.normal(0, 0.3, (24, k)), rng.normal(0, 0.1, k), "identity"),
        ],
        weights=rng.normal(0, 0.1, (count, k)),
        variance=0.09 / (1 + rng.exponential(1000, (count, k)) * rng.integers(0, 2, (count, k))),
        explorer=Thompson(0.5, floor=0.01),
        title_scale={"title-3": 2.0},
        attributes=["mature", "de"],
        masks={"title-6": {"art-6-1": ["mature", "de"], "art-6-2": ["de"]}},
        cells=(*holdbacks(fixed=0.02, uniform=0.03), Cell("bold", 0.1, Ucb(2.0, floor=0.05))),
        salt="2027",
    )


@pytest.fixture(scope="session")
def open_bandit() -> Path:
    """The folder of the Open Bandit Dataset's sample."""
    if not OPEN_BANDIT.is_dir():
        pytest.skip(f"the recorded log is not there: {OPEN_BANDIT}")
    return OPEN_BANDIT
