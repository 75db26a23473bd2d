# SPDX-License-Identifier: Apache-2.0
"""The ONNX graph scores as the f32 kernel does, and says what its inputs and outputs are."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgeart._native import ffi, lib
from edgeart_export import (
    FeatureSchema,
    Fixed,
    Greedy,
    Layer,
    LinearTrainer,
    ModelError,
    PolicyModel,
    onnx_model,
    write_onnx,
)
from edgeart_export.bundle import compare_rows
from edgeart_export.examples import sample
from edgeart_export.obd import TITLE, load_impressions, load_items
from edgeart_export.schema import Values
from tests.support.models import opened

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is needed to run the graph")


def scores_of(model: PolicyModel, contexts: Sequence[Values]) -> tuple[np.ndarray, np.ndarray]:
    """The scores of the graph in onnxruntime, and of the native f32 kernel."""
    session = ort.InferenceSession(
        onnx_model(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (graph,) = session.run(["scores"], {"context": model.schema.encode_many(contexts)})
    policy = opened(model, "f32")
    native = [np.asarray(policy.scores(policy.context(c, seed=0))) for c in contexts]
    return graph, np.stack(native)


@pytest.fixture(scope="module")
def recorded(open_bandit: Path) -> tuple[PolicyModel, list[dict[str, object]]]:
    """A model of the first half of the recorded log, and 1,000 contexts of the second."""
    items = load_items(open_bandit / "random_men_items.csv")
    rows = load_impressions(open_bandit / "random_men.csv.gz", items=items)
    first, second = rows.half("first"), rows.half("second")
    trainer = LinearTrainer(first.schema(), {TITLE: items.artworks()}, l2=100.0)
    model = trainer.fit(first.log()).to_model("men", 1)
    return model, second.contexts()[:1000]


def test_graph_and_f32_kernel_agree_on_a_thousand_contexts(model: PolicyModel) -> None:
    graph, native = scores_of(model, sample(model.schema, 1000, seed=4))
    assert graph.shape == (1000, len(model.artworks))
    assert np.abs(native).max() > 0.5, "scores that say nothing agree with everything"
    np.testing.assert_allclose(graph, native, rtol=0, atol=1e-5)


def test_i8_rows_flip_at_most_two_in_a_hundred_greedy_choices(model: PolicyModel) -> None:
    policy = opened(model, "i8")
    found = compare_rows(model, policy, sample(model.schema, 1000, seed=4))
    assert found.contexts == 1000
    assert found.flips <= 0.02


def test_graph_and_f32_kernel_agree_on_the_recorded_log(
    recorded: tuple[PolicyModel, list[dict[str, object]]],
) -> None:
    graph, native = scores_of(*recorded)
    assert graph.shape == (1000, 34)
    assert len(np.unique(native)) > 1000
    np.testing.assert_allclose(graph, native, rtol=0, atol=1e-5)


def test_i8_rows_flip_at_most_two_in_a_hundred_choices_of_the_recorded_log(
    recorded: tuple[PolicyModel, list[dict[str, object]]],
) -> None:
    model, contexts = recorded
    found = compare_rows(model, opened(model, "i8"), contexts)
    assert found.flips <= 0.02
    assert found.score_error <= 0.003


def test_graph_and_f32_kernel_agree_behind_a_tower(rich: PolicyModel) -> None:
    plain = dataclasses.replace(
        rich, tower=[dataclasses.replace(layer, rows="f32") for layer in rich.tower]
    )
    contexts = sample(rich.schema, 1000, seed=6)
    graph, native = scores_of(plain, contexts)
    assert native.std(axis=0).min() > 0.01, "scores that do not vary agree with everything"
    np.testing.assert_allclose(graph, native, rtol=0, atol=1e-5)


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh"])
def test_graph_and_f32_kernel_agree_where_outputs_are_pulled_back(
    schema: FeatureSchema, activation: Any
) -> None:
    """Sums beyond 2¹⁹ either way: decision.md §4.1."""
    rng = np.random.default_rng(7)
    layer = Layer(rng.uniform(-1, 1, (schema.width, 8)) * 2.0**19, np.zeros(8), activation)
    rows = np.eye(2, 8) * (1.0 if activation == "tanh" else 2.0**-19)
    model = PolicyModel("p", 1, schema, {"t": ["a", "b"]}, rows, [0, 0], Greedy(), tower=[layer])
    graph, native = scores_of(model, sample(schema, 200, seed=7))
    assert native.max() == 1.0
    np.testing.assert_allclose(graph, native, rtol=0, atol=1e-5)


def test_variances_are_those_of_the_native_code(rich: PolicyModel) -> None:
    plain = dataclasses.replace(
        rich, tower=[dataclasses.replace(layer, rows="f32") for layer in rich.tower]
    )
    contexts = sample(rich.schema, 300, seed=8)
    session = ort.InferenceSession(
        onnx_model(plain).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (graph,) = session.run(["variances"], {"context": rich.schema.encode_many(contexts)})
    policy = opened(plain, "f32")
    for values, row in zip(contexts, graph, strict=True):
        native = ffi.new("float[]", len(row))
        context = policy.context(values, seed=0)
        assert not lib.ea_variances(policy._handle, context._handle, native, len(row))
        np.testing.assert_allclose(row, list(native), rtol=1e-5)


def test_a_model_that_uses_no_variances_has_one_output(model: PolicyModel) -> None:
    with_variance = dataclasses.replace(model, variance=np.ones(model.weights.shape))
    assert [o.name for o in onnx_model(with_variance).graph.output] == ["scores"]


def test_metadata_names_rows_slots_and_policy(model: PolicyModel, tmp_path: Path) -> None:
    proto = onnx.load(write_onnx(model, tmp_path / "policy.onnx"))
    onnx.checker.check_model(proto, full_check=True)
    props = {p.key: json.loads(p.value) for p in proto.metadata_props}
    assert props["edgeart.titles"] == {title: list(row) for title, row in model.titles.items()}
    assert props["edgeart.slots"] == model.schema.slots()
    assert FeatureSchema.from_json(props["edgeart.schema"]) == model.schema
    assert props["edgeart.policy"] == {
        "name": "row",
        "sequence": 12,
        "explorer": {"kind": "squarecb", "floor": 0.01, "gamma": 10.0},
        "meta": {"trained": "by hand"},
    }


def test_graph_bytes_are_reproducible(model: PolicyModel, tmp_path: Path) -> None:
    one, two = (write_onnx(model, tmp_path / name).read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_model_without_titles_has_no_graph(schema: FeatureSchema) -> None:
    empty = np.zeros((0, schema.width), np.float32)
    with pytest.raises(ModelError, match="at least one title"):
        onnx_model(PolicyModel("p", 1, schema, {}, empty, empty[:, 0], Fixed()))
