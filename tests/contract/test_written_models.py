# SPDX-License-Identifier: Apache-2.0
"""Whatever a model says, the bundle written from it decides alike in the oracle and natively."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeart
from edgeart_export import (
    Category,
    Cell,
    FeatureSchema,
    Layer,
    Number,
    PolicyModel,
    Vector,
    bundle_bytes,
)
from tests.reference import decide
from tests.reference.bundle import open_bundle
from tests.support.explorers import EXPLORERS

SCHEMA = FeatureSchema([Category("country", ["US", "GB"]), Number("hour", std=6), Vector("v", 3)])


@st.composite
def models(draw: st.DrawFn) -> PolicyModel:
    """Small models that use any part of what there is; numbers from the whole range."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def numbers(*shape: int) -> Any:
        size = 2.0 ** draw(st.integers(-60, 19))
        return rng.uniform(-1, 1, shape) * size * rng.integers(0, 2, shape)

    width, tower = SCHEMA.width, []
    for _ in range(draw(st.integers(0, 3))):
        outputs = draw(st.integers(1, 20))
        activation = draw(st.sampled_from(["identity", "relu", "tanh"]))
        rows = draw(st.sampled_from(["i8", "f32", None]))
        tower.append(Layer(numbers(width, outputs), numbers(outputs), activation, rows))
        width = outputs
    titles = {f"t{t}": [f"a{a}" for a in range(draw(st.integers(1, 6)))] for t in range(3)}
    count = sum(map(len, titles.values()))
    attributes = [f"attribute {i}" for i in range(draw(st.integers(0, 32)))]
    return PolicyModel(
        "p",
        1,
        SCHEMA,
        titles,
        numbers(count, width),
        numbers(count),
        draw(EXPLORERS),
        variance=np.abs(numbers(count, width)),
        tower=tower,
        title_scale=draw(st.none() | st.just({"t1": 2.0 ** draw(st.integers(-49, 19))})),
        attributes=attributes,
        masks=rng.integers(0, 2 ** len(attributes), count).astype(np.uint32),
        cells=[
            Cell(f"c{i}", draw(st.floats(2**-31, 0.25)), draw(EXPLORERS))
            for i in range(draw(st.integers(0, 3)))
        ],
        salt=draw(st.text(max_size=10)),
    )


@settings(max_examples=60, deadline=None)
@given(models(), st.sampled_from(["i8", "f32"]))
def test_oracle_and_native_code_agree_on_every_model(model: PolicyModel, rows: Any) -> None:
    """`bundle_bytes` took the hashes of all scores, variances and n from the native code."""
    data = bundle_bytes(model, rows=rows)
    assert edgeart.Policy.from_bytes(data).verify() == 4
    read = open_bundle(data)
    assert decide.verify(read)
    assert [title.id for title in read.titles] == list(model.titles)
