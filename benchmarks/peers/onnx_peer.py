# SPDX-License-Identifier: Apache-2.0
"""onnxruntime's bare part of a decision: Gemm and ArgMax on one thread, nothing around it."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.homepage import ARTWORKS, Homepage
from benchmarks.interleave import Contestant
from benchmarks.peers import missing

PAGE = "onnxruntime run, page"
PAGE_BOUND = "onnxruntime io-binding, page"
TITLE = "onnxruntime run, title"
TITLE_BOUND = "onnxruntime io-binding, title"
ABSENT = missing("onnx", "onnxruntime")


def model_bytes(home: Homepage, titles: int) -> bytes:
    """Graph: context [1, k] → Gemm [1, titles · 10] → ArgMax within each title [titles]."""
    from onnx import TensorProto, helper, numpy_helper

    rows = titles * ARTWORKS
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["context", "weights", "bias"], ["scores"]),
            helper.make_node("Reshape", ["scores", "shape"], ["by_title"]),
            helper.make_node("ArgMax", ["by_title"], ["best"], axis=1, keepdims=0),
        ],
        "page",
        [helper.make_tensor_value_info("context", TensorProto.FLOAT, [1, len(home.vector)])],
        [helper.make_tensor_value_info("best", TensorProto.INT64, [titles])],
        [
            numpy_helper.from_array(np.ascontiguousarray(home.weights[:rows].T), "weights"),
            numpy_helper.from_array(home.bias[:rows], "bias"),
            numpy_helper.from_array(np.array([titles, ARTWORKS], np.int64), "shape"),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    serialized: bytes = helper.make_model(
        graph, opset_imports=opset, ir_version=8
    ).SerializeToString()
    return serialized


def session(home: Homepage, titles: int) -> Any:
    """An onnxruntime session of one thread over `model_bytes`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model_bytes(home, titles), options, providers=["CPUExecutionProvider"]
    )


def best(home: Homepage) -> np.ndarray:
    """Best artwork of every title, for comparison with edgeart's greedy choice."""
    result: np.ndarray = session(home, len(home.titles)).run(
        None, {"context": home.vector.reshape(1, -1)}
    )[0]
    return result


def contestants(home: Homepage, *, titles: int, plain: str, bound: str) -> list[Contestant]:
    """`run` from a numpy array, and the same through io-binding with input and output in place."""
    import onnxruntime

    running = session(home, titles)
    context = home.vector.reshape(1, -1)
    binding = running.io_binding()
    binding.bind_ortvalue_input("context", onnxruntime.OrtValue.ortvalue_from_numpy(context))
    result = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(titles, np.int64))
    binding.bind_ortvalue_output("best", result)
    return [
        Contestant(
            plain,
            "run(names, feed)",
            {"run": running.run, "names": ["best"], "feed": {"context": context}},
        ),
        Contestant(bound, "run(binding)", {"run": running.run_with_iobinding, "binding": binding}),
    ]
