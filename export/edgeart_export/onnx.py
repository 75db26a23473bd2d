# SPDX-License-Identifier: Apache-2.0
"""Writes a model's scores as an ONNX graph: one Gemm, with all ids and the schema as metadata."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .bundle import write_atomically
from .errors import ModelError
from .model import PolicyModel

# Old enough for runtimes of some years ago; Gemm has not changed since opset 13.
OPSET = 17
IR_VERSION = 8
_MAX_BYTES = 2**31 - 2**20  # protobuf's limit, less what the metadata may need


def onnx_model(model: PolicyModel) -> onnx.ModelProto:
    """The graph `scores = context · weightsᵀ + bias`.

    Input `context`: float32 [batch, schema.width], as `FeatureSchema.encode_many` gives it. Output
    `scores`: float32 [batch, R]. Metadata, each a JSON text: `edgeart.titles` (title → artworks, in
    row order), `edgeart.schema` (as `FeatureSchema.to_json`), `edgeart.slots` (names of the
    input's columns), `edgeart.policy` (name, sequence, explorer, meta). Exploring is not part of
    the graph. Raises ModelError for a model without artworks or too large for ONNX.
    """
    if not model.artworks:
        raise ModelError("an ONNX graph needs at least one title; this model has none")
    titles = json.dumps({title: list(row) for title, row in model.titles.items()})
    if model.weights.nbytes + model.bias.nbytes + len(titles) > _MAX_BYTES:
        raise ModelError(f"the weights have {model.weights.nbytes} bytes; ONNX files end at 2**31")
    width, count = model.schema.width, len(model.artworks)
    graph = helper.make_graph(
        [
            helper.make_node(
                "Gemm", ["context", "weights", "bias"], ["scores"], name="score", transB=1
            )
        ],
        name="edgeart",
        inputs=[helper.make_tensor_value_info("context", TensorProto.FLOAT, ["batch", width])],
        outputs=[helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", count])],
        initializer=[
            numpy_helper.from_array(np.ascontiguousarray(model.weights), "weights"),
            numpy_helper.from_array(np.ascontiguousarray(model.bias), "bias"),
        ],
    )
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="edgeart-export",
    )
    explorer = {"kind": model.explorer.kind, "floor": model.explorer.floor}
    policy = {
        "name": model.name,
        "sequence": model.sequence,
        "explorer": {**explorer, **model.explorer.parameters},
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


def write_onnx(model: PolicyModel, path: str | os.PathLike[str]) -> Path:
    """Writes `onnx_model` to `path`, atomically. Raises ModelError, OSError."""
    write_atomically(Path(path), onnx_model(model).SerializeToString(deterministic=True))
    return Path(path)
