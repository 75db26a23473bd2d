# SPDX-License-Identifier: Apache-2.0
"""A lifted network decides as the network itself computes, and what cannot be lifted is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgeart
from edgeart_export import (
    FeatureSchema,
    Greedy,
    ModelError,
    PolicyModel,
    bundle_bytes,
    from_onnx,
    onnx_model,
    rows_of_title,
)
from edgeart_export.examples import sample
from edgeart_export.model.tower import forward

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is needed to run the networks")

WIDTH = 26  # of the session's schema


def array(name: str, values: Any, kind: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype=kind), name)


def network(
    nodes: Sequence[onnx.NodeProto],
    arrays: Sequence[onnx.TensorProto],
    inputs: int = WIDTH,
    outputs: Sequence[str] = ("y",),
    kind: int = TensorProto.FLOAT,
    opset: int = 17,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "somebody's",
        [helper.make_tensor_value_info("x", kind, ["batch", inputs])],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        list(arrays),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def normal(*shape: int) -> np.ndarray:
    """The same numbers for the same shape."""
    return np.random.default_rng(shape).normal(0, 0.5, shape).astype(np.float32)


def computed(model: onnx.ModelProto, output: str, x: np.ndarray) -> np.ndarray:
    """What onnxruntime makes of contexts."""
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run([output], {"x": x})
    return np.asarray(found)


@pytest.fixture(scope="module")
def contexts(schema: FeatureSchema) -> np.ndarray:
    return schema.encode_many(sample(schema, 200, seed=5))


def gemm_chain() -> onnx.ModelProto:
    return network(
        [
            helper.make_node("Gemm", ["x", "w0", "b0"], ["h0"], transB=1, alpha=0.5, beta=2.0),
            helper.make_node("Relu", ["h0"], ["r0"]),
            helper.make_node("Gemm", ["r0", "w1"], ["h1"]),
            helper.make_node("Tanh", ["h1"], ["t1"]),
            helper.make_node("Gemm", ["t1", "w2", "b2"], ["y"], transB=1),
        ],
        [
            array("w0", normal(32, WIDTH)),
            array("b0", normal(32)),
            array("w1", normal(32, 16)),
            array("w2", normal(5, 16)),
            array("b2", normal(1, 5)),
        ],
    )


def matmul_chain() -> onnx.ModelProto:
    """Without the intercept; weights behind an Identity and a Transpose, everything passed by."""
    return network(
        [
            helper.make_node("Identity", ["x"], ["i"]),
            helper.make_node("Cast", ["i"], ["c"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["c"], ["f"], axis=1),
            helper.make_node("Identity", ["w0"], ["w0i"]),
            helper.make_node("MatMul", ["f", "w0i"], ["h0"]),
            helper.make_node("Add", ["b0", "h0"], ["a0"]),
            helper.make_node("Clip", ["a0"], ["cl"]),
            helper.make_node("Reshape", ["cl", "shape"], ["s"]),
            helper.make_node("Tanh", ["s"], ["t0"]),
            helper.make_node("Transpose", ["w1"], ["w1t"], perm=[1, 0]),
            helper.make_node("MatMul", ["t0", "w1t"], ["h1"]),
            helper.make_node("Add", ["h1", "one"], ["h2"]),
            helper.make_node("Relu", ["h2"], ["y"]),
        ],
        [
            array("w0", normal(WIDTH - 1, 12)),
            array("b0", normal(12)),
            array("shape", [-1, 12], np.int64),
            array("w1", normal(7, 12)),
            array("one", 0.25),
        ],
        inputs=WIDTH - 1,
    )


def linear_chain() -> onnx.ModelProto:
    """Products without an activation between them, and activations without a product."""
    return network(
        [
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("MatMul", ["r", "w0"], ["h0"]),
            helper.make_node("MatMul", ["h0", "w1"], ["h1"]),
            helper.make_node("Add", ["h1", "b1"], ["a1"]),
            helper.make_node("Add", ["a1", "b1"], ["y"]),
        ],
        [array("w0", normal(WIDTH, 9)), array("w1", normal(9, 4)), array("b1", normal(4))],
    )


@pytest.mark.parametrize("make", [gemm_chain, matmul_chain, linear_chain])
def test_a_tower_computes_what_onnxruntime_computes(
    make: Callable[[], onnx.ModelProto], schema: FeatureSchema, contexts: np.ndarray
) -> None:
    tower = from_onnx(make(), schema)
    wanted = computed(make(), "y", contexts[:, : WIDTH - (make is matmul_chain)])
    assert wanted.std() > 0.1
    found = forward(tower, contexts.astype(np.float64))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_layers_are_as_many_as_the_network_has(schema: FeatureSchema) -> None:
    described = [[(r.inputs, r.outputs, r.activation) for r in from_onnx(make(), schema)]
                 for make in (gemm_chain, matmul_chain, linear_chain)]  # fmt: skip
    assert described == [
        [(26, 32, "relu"), (32, 16, "tanh"), (16, 5, "identity")],
        [(26, 12, "tanh"), (12, 7, "relu")],
        [(26, 26, "relu"), (26, 9, "identity"), (9, 4, "identity")],
    ]


def test_a_file_is_read_and_an_inner_tensor_can_be_the_end(
    schema: FeatureSchema, tmp_path: Path
) -> None:
    model = gemm_chain()
    model.graph.node.append(helper.make_node("Softmax", ["y"], ["p"], name="last"))
    model.graph.output[0].name = "p"
    onnx.save(model, tmp_path / "n.onnx")
    with pytest.raises(
        ModelError, match=r"last \(Softmax\) has no place in a tower; supported are"
    ):
        from_onnx(tmp_path / "n.onnx", schema)
    tower = from_onnx(str(tmp_path / "n.onnx"), schema, output="y")
    assert [layer.outputs for layer in tower] == [32, 16, 5]
    (tmp_path / "n.onnx").write_text("no network")
    with pytest.raises(ModelError, match=r"n\.onnx is no ONNX file"):
        from_onnx(tmp_path / "n.onnx", schema)


def test_a_double_network_is_lifted(schema: FeatureSchema) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Cast", ["h"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Relu", ["f"], ["y"]),
    ]
    arrays = [array("w", normal(WIDTH, 6), np.float64)]
    (layer,) = from_onnx(network(nodes, arrays, kind=TensorProto.DOUBLE), schema)
    np.testing.assert_array_equal(layer.weights, normal(WIDTH, 6))


def test_what_the_writer_writes_comes_back(rich: PolicyModel) -> None:
    *tower, rows = from_onnx(onnx_model(rich), rich.schema, output="scores")
    for back, layer in zip(tower, rich.tower, strict=True):
        assert back.activation == layer.activation
        np.testing.assert_array_equal(back.weights, layer.weights)
        np.testing.assert_array_equal(back.bias, layer.bias)
    np.testing.assert_array_equal(rows.weights.T, rich.weights)


def test_the_last_layer_becomes_the_rows_of_a_title(
    schema: FeatureSchema, contexts: np.ndarray
) -> None:
    tower, weights, bias = rows_of_title(from_onnx(gemm_chain(), schema))
    arts = ["a", "b", "c", "d", "e"]
    model = PolicyModel("p", 1, schema, {"t": arts}, weights, bias, Greedy(), tower=tower)
    policy = edgeart.Policy.from_bytes(bundle_bytes(model, rows="f32"))
    wanted = computed(gemm_chain(), "y", contexts)
    given = sample(schema, 200, seed=5)
    chosen = [policy.select(policy.context(c, seed=1), "t").artwork for c in given]
    assert chosen == [arts[best] for best in wanted.argmax(axis=1)]
    assert len(set(chosen)) > 1
    with pytest.raises(ModelError, match="must be a last, linear layer; the network ends in relu"):
        rows_of_title(from_onnx(matmul_chain(), schema))
    with pytest.raises(ModelError, match="has no layer"):
        rows_of_title(())


def one(op: str, inputs: Sequence[str] = ("x",), **attributes: Any) -> onnx.ModelProto:
    """A network of one node called `culprit`, with a constant of every kind at hand."""
    arrays = [
        array("w", normal(WIDTH, 3)),
        array("left", normal(4, 4)),
        array("square", normal(3, 3)),
        array("shape", [2, 12], np.int64),
        array("low", -1.0),
    ]
    return network(
        [helper.make_node(op, list(inputs), ["y"], name="culprit", **attributes)], arrays
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            one("Sigmoid"),
            r"culprit \(Sigmoid\) has no place in a tower; supported are Gemm, MatMul",
        ),
        (one("Relu", domain="com.example"), r"culprit \(Relu\) has no place"),
        (one("Add", ["x", "x"]), r"culprit \(Add\) joins 2 tensors that are no constants"),
        (one("MatMul", ["left", "x"]), r"culprit \(MatMul\) must have the context on the left"),
        (one("Gemm", ["x", "w"], transA=1), r"culprit \(Gemm\) must have the context on the left"),
        (one("Add", ["x", "left"]), r"culprit \(Add\): a constant of shape \(4, 4\)"),
        (
            one("MatMul", ["x", "square"]),
            r"the network takes 3 inputs; the schema has 26 slots",
        ),
        (one("Reshape", ["x", "shape"]), r"culprit \(Reshape\) reshapes to \[2, 12\]"),
        (one("Flatten", axis=0), r"culprit \(Flatten\) flattens from axis 0"),
        (one("Cast", to=TensorProto.INT64), r"culprit \(Cast\) casts to TensorProto.INT64"),
        (one("Clip", ["x", "low"]), r"culprit \(Clip\) clips at -1.0 and None"),
        (one("Identity", ["w"]), r"no tensor 'y' that depends on its input"),
    ],
)
def test_what_has_no_place_in_a_tower_is_named(
    model: onnx.ModelProto, message: str, schema: FeatureSchema
) -> None:
    with pytest.raises(ModelError, match=message):
        from_onnx(model, schema)


def test_limits_of_a_tower_are_those_of_a_lifted_one(schema: FeatureSchema) -> None:
    wide = network([helper.make_node("MatMul", ["x", "w"], ["y"], name="wide")],
                   [array("w", normal(WIDTH, 1025))])  # fmt: skip
    with pytest.raises(ModelError, match=r"wide \(MatMul\): 1025 outputs; .* at most 1024"):
        from_onnx(wide, schema)
    names = ["x", *(f"h{i}" for i in range(8)), "y"]
    nodes = [helper.make_node("MatMul", [a, f"w{a}"], [b]) for a, b in pairwise(names)]
    arrays = [array(f"w{a}", normal(WIDTH, WIDTH)) for a in names[:-1]]
    with pytest.raises(ModelError, match="the tower has 9 layers; at most 8 are allowed"):
        from_onnx(network(nodes, arrays), schema)
    two = network([helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Tanh", ["x"], ["z"])],
                  [], outputs=["y", "z"])  # fmt: skip
    with pytest.raises(ModelError, match="the network has the outputs y, z: name one as `output`"):
        from_onnx(two, schema)
    assert from_onnx(two, schema, output="z")[0].activation == "tanh"
    with pytest.raises(ModelError, match="opset 6; convert it to 7 or newer"):
        from_onnx(network([helper.make_node("Relu", ["x"], ["y"])], [], opset=6), schema)


def test_a_network_beyond_the_bounds_of_a_tower_is_refused(schema: FeatureSchema) -> None:
    huge = network([helper.make_node("MatMul", ["x", "w"], ["y"])],
                   [array("w", normal(WIDTH, 2) * np.float32(2**19))])  # fmt: skip
    with pytest.raises(ModelError, match="pulls sums back to ±524288, so scale the inputs"):
        from_onnx(huge, schema)
