# SPDX-License-Identifier: Apache-2.0
"""Writes a model's scores as an ONNX graph, with all ids and the schema as metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from .errors import ModelError
from .files import write_atomically
from .model import PolicyModel
from .model.tower import BOUND
from .quantize import decode_variances, encode_variances

# Old enough for runtimes of some years ago; Gemm has not changed since opset 13.
OPSET = 17
IR_VERSION = 8
_MAX_BYTES = 2**31 - 2**20  # protobuf's limit, less what the metadata may need


def onnx_model(model: PolicyModel) -> onnx.ModelProto:
    """The graph `scores = u · weightsᵀ + bias`, u being the context behind the tower's layers.

    Input `context`: float32 [batch, schema.width], as `FeatureSchema.encode_many` gives it. Output
    `scores`: float32 [batch, R], of weights in full precision. Where an explorer of the model uses
    variances, a second output `variances` [batch, R] = u² · Vᵀ, V being the variances as a bundle
    stores them (bundle.md §4.1).

    Metadata, each a JSON text: `edgeart.titles` (title → artworks, in row order), `edgeart.schema`
    (as `FeatureSchema.to_json`), `edgeart.slots` (names of the input's columns), `edgeart.policy`
    (name, sequence, explorer, meta). Exploring is not part of the graph. Raises ModelError for a
    model without artworks or too large for ONNX.
    """
    if not model.artworks:
        raise ModelError("an ONNX graph needs at least one title; this model has none")
    titles = json.dumps({title: list(row) for title, row in model.titles.items()})
    graph = _Graph()
    u = _tower(graph, model)
    rows = [graph.array("weights", model.weights), graph.array("bias", model.bias)]
    graph.node("Gemm", [u, *rows], "scores", name="score", transB=1)
    outputs = ["scores"]
    if model.uses_variance and model.variance is not None:
        stored = decode_variances(*encode_variances(model.variance))
        squares = graph.node("Mul", [u, u], "squares")
        graph.node("Gemm", [squares, graph.array("variance", stored)], "variances", transB=1)
        outputs.append("variances")
    if graph.size + len(titles) > _MAX_BYTES:
        raise ModelError(f"the weights have {graph.size} bytes; ONNX files end at 2**31")
    width, count = model.schema.width, len(model.artworks)
    made = helper.make_graph(
        graph.nodes,
        name="edgeart",
        inputs=[helper.make_tensor_value_info("context", TensorProto.FLOAT, ["batch", width])],
        outputs=[
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", count])
            for name in outputs
        ],
        initializer=graph.arrays,
    )
    proto = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="edgeart-export",
    )
    policy = {
        "name": model.name,
        "sequence": model.sequence,
        "explorer": model.explorer.to_json(),
        "meta": dict(sorted(model.meta.items())),
    }
    helper.set_model_props(
        proto,
        {
            "edgeart.policy": json.dumps(policy),
            "edgeart.schema": json.dumps(model.schema.to_json()),
            "edgeart.slots": json.dumps(model.schema.slots()),
            "edgeart.titles": titles,
        },
    )
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _tower(graph: _Graph, model: PolicyModel) -> str:
    """Adds the layers; the name of what comes out of the last one."""
    value = "context"
    if not model.tower:
        return value
    limits = [graph.array("least", np.float32(-BOUND)), graph.array("most", np.float32(BOUND))]
    for i, layer in enumerate(model.tower):
        parameters = [
            graph.array(f"tower.{i}.weights", layer.weights),
            graph.array(f"tower.{i}.bias", layer.bias),
        ]
        value = graph.node("Gemm", [value, *parameters], f"tower.{i}.sum")
        value = graph.node("Clip", [value, *limits], f"tower.{i}.bounded")
        if layer.activation != "identity":
            operator = {"relu": "Relu", "tanh": "Tanh"}[layer.activation]
            value = graph.node(operator, [value], f"tower.{i}.{layer.activation}")
    return value


class _Graph:
    """Nodes and constants, as they come."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: list[onnx.TensorProto] = []
        self.size = 0  # bytes of the constants

    def array(self, name: str, values: npt.ArrayLike) -> str:
        """Adds a constant; its name."""
        array = np.ascontiguousarray(values, dtype=np.float32).reshape(np.shape(values))
        self.size += array.nbytes
        self.arrays.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, **more: Any) -> str:
        """Adds a node; the name of its output."""
        self.nodes.append(helper.make_node(operator, inputs, [output], **{"name": output, **more}))
        return output


def write_onnx(model: PolicyModel, path: str | os.PathLike[str]) -> Path:
    """Writes `onnx_model` to `path`, atomically. Raises ModelError, OSError."""
    write_atomically(Path(path), onnx_model(model).SerializeToString(deterministic=True))
    return Path(path)
