# SPDX-License-Identifier: Apache-2.0
"""No context puts a score further off than the bound says, and the bound is not far above."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeart_export import (
    Category,
    FeatureSchema,
    Greedy,
    Layer,
    Number,
    PolicyModel,
    Vector,
    Weights,
    write_bundle,
)
from edgeart_export.bundle.bounds import Box, Inputs, score_bounds
from edgeart_export.examples import extreme, sample
from edgeart_export.model.tower import Rows

SCHEMA = FeatureSchema(
    [Category("c", ["a", "b"]), Weights("w", ["x", "y", "z"]), Number("n", clip=2.0),
     Vector("v", 3, clip=0.5)]
)  # fmt: skip


def model(seed: int, layers: list[tuple[int, str]]) -> PolicyModel:
    rng = np.random.default_rng(seed)
    tower, width = [], SCHEMA.width
    for outputs, activation in layers:
        tower.append(
            Layer(
                rng.normal(0, 0.6, (width, outputs)).astype(np.float32),
                rng.normal(0, 0.3, outputs).astype(np.float32),
                activation=activation,  # type: ignore[arg-type]
            )
        )
        width = outputs
    return PolicyModel(
        "row", 1, SCHEMA, {"t": ["a", "b", "c"], "u": ["d"]},
        rng.normal(0, 1, (4, width)).astype(np.float32), rng.normal(0, 1, 4).astype(np.float32),
        Greedy(), tower=tower,
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from(["relu", "tanh", "identity"])), max_size=3
    ),
    st.sampled_from(["i8", "f32"]),
)
def test_no_context_passes_the_bound(
    tmp_path_factory: pytest.TempPathFactory, seed: int, layers: list[tuple[int, str]], rows: Rows
) -> None:
    contexts = [
        *sample(SCHEMA, 50, seed),
        *(extreme(SCHEMA, sign) for sign in (1, -1)),
        *({"c": c, "w": {w: 1}, "n": n, "v": [v] * 3}
          for c in "abz" for w in "xyz" for n in (-9, 0.9, 9) for v in (-1, 0.3, 1)),
    ]  # fmt: skip
    path: Path = tmp_path_factory.mktemp("bounds") / "x"
    found = write_bundle(model(seed, layers), path, rows=rows, contexts=contexts)
    assert found.score_error <= found.score_bound
    assert rows == "i8" or layers or found.score_bound < 1e-4


def test_without_a_tower_some_context_comes_close() -> None:
    rng = np.random.default_rng(2)
    ratios = []
    for seed in range(20):
        made = model(seed, [])
        stored = made.weights + rng.normal(0, 0.01, made.weights.shape)
        bound = score_bounds(made, [], (stored, False))
        off = stored - made.weights
        # The worst context by hand: the worst word of c and w, everything else at its clip.
        worst = (
            np.abs(off[:, 0:3]).max(axis=1) + np.abs(off[:, 3:6]).max(axis=1)
            + 2 * np.abs(off[:, 6]) + np.abs(off[:, 7]) + 0.5 * np.abs(off[:, 8:11]).sum(axis=1)
            + np.abs(off[:, 11])
        )  # fmt: skip
        assert (bound >= worst).all()
        ratios += (bound / worst).tolist()
    assert max(ratios) < 1.001


def test_what_a_context_can_be_is_known_by_kind_of_feature() -> None:
    inputs = Inputs(SCHEMA)
    amounts = np.arange(1.0, 13.0)[None]
    # 3 for the category, 6 for the weights, 2·7 + 8 for the number, .5·(9 + 10 + 11), 12.
    assert inputs.most(amounts).tolist() == [3 + 6 + 2 * 7 + 8 + 0.5 * (9 + 10 + 11) + 12]
    assert inputs.largest == 2
    assert Box(np.array([1.0, 3.0])).most(np.array([[2.0, 5.0]])).tolist() == [17]


def test_the_report_names_the_worst_row_and_what_flips_lose(tmp_path: Path) -> None:
    made = model(1, [])
    made = dataclasses.replace(made, weights=np.asarray(made.weights) * [[1], [1], [50], [1]])
    found = write_bundle(made, tmp_path / "x", contexts=sample(SCHEMA, 200, 3))
    assert found.bound_row == ("t", "c")
    assert 0 <= found.loss <= found.largest_loss <= 2 * found.score_error
    assert 0 < found.row_error < 1 / 127
