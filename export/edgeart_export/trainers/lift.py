# SPDX-License-Identifier: Apache-2.0
"""Somebody else's small network, in ONNX or torch, lifted into a tower."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from ..errors import ModelError
from ..model.tower import BOUND, Layer
from ..schema import FeatureSchema
from .chain import Activate, Add, Multiply, Step, check_lifted, inputs_of, stack

if TYPE_CHECKING:
    from torch import nn

Floats = npt.NDArray[np.float64]

SUPPORTED = "Gemm, MatMul, Add, Relu, Tanh; Cast, Reshape, Flatten, Identity, Clip passed through"
_OLDEST = 7  # since which Gemm and Add broadcast as they do today
_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
_FOLDED = ("Constant", "Identity", "Transpose", "Cast", "Reshape")


def from_onnx(
    network: str | os.PathLike[str] | onnx.ModelProto,
    schema: FeatureSchema,
    *,
    output: str | None = None,
) -> tuple[Layer, ...]:
    """The layers of a tower that computes what an ONNX network computes.

    network: a file or a model. It takes one float tensor [batch, n], n being schema.width or one
    less: then the intercept, the last slot, is left out. Its columns are schema.slots() in order.
    output: the tensor to end at, the graph's only output where None; naming an inner one leaves off
    what comes behind it, such as a softmax.

    Gemm, MatMul, Add, Relu and Tanh become layers; Cast between floats, Reshape and Flatten that
    leave [batch, n] as it is, Identity, and Clip no tighter than a tower's own ±2¹⁹ are passed
    through. Anything else is refused by the node's name. The layers are compared with the network,
    run by onnx's reference implementation, on 64 contexts drawn from the schema. Raises ModelError.
    """
    model = network if isinstance(network, onnx.ModelProto) else _load(network)
    graph = _Graph(model)
    end = output or graph.only_output()
    steps, source = graph.steps(end)
    tower = stack(steps, schema)
    check_lifted(tower, schema, inputs_of(steps, schema), lambda x: _run(model, source, end, x))
    return tower


def from_torch(module: nn.Module, schema: FeatureSchema) -> tuple[Layer, ...]:
    """The layers of a tower that computes what a torch network computes, dropout off.

    The module takes [batch, n], n being schema.width or one less: then the intercept, the last
    slot, is left out. Linear, ReLU, Tanh and Sequential become layers; Identity, Flatten(1) and
    Dropout are passed through. Anything else, subclasses of these too, is refused by the name that
    torch gives it. The layers are compared with the module on 64 contexts drawn from the schema.
    Raises ModelError, and ImportError where torch is not installed.
    """
    try:
        from .lift_torch import lift  # noqa: PLC0415 - torch takes seconds to import
    except ModuleNotFoundError as error:
        raise without_torch("from_torch", error) from error
    return lift(module, schema)


def without_torch(what: str, error: ModuleNotFoundError) -> ImportError:
    """What to raise where `what` needs torch and `error` says that a module is not there."""
    return ImportError(
        f"{what} needs torch, and {error.name} is not installed: "
        f"pip install 'edgeart-export[neural]'",
        name=error.name,
    )


def _load(path: str | os.PathLike[str]) -> onnx.ModelProto:
    try:
        return onnx.load(os.fspath(path))
    except DecodeError as error:
        raise ModelError(f"{os.fspath(path)} is no ONNX file: {error}") from error


def _run(model: onnx.ModelProto, source: str, end: str, x: npt.NDArray[np.float32]) -> Floats:
    """The tensor `end` of the network for encoded contexts x."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.output[:]
    part.graph.output.append(helper.make_empty_tensor_value_info(end))
    given = next(value for value in part.graph.input if value.name == source)
    kind = helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
    (found,) = ReferenceEvaluator(part).run([end], {source: x.astype(kind)})
    return np.asarray(found, dtype=np.float64)


class _Graph:
    """An ONNX graph, looked at from its output back to its one input."""

    def __init__(self, model: onnx.ModelProto) -> None:
        for opset in model.opset_import:
            if opset.domain in ("", "ai.onnx") and opset.version < _OLDEST:
                raise ModelError(
                    f"the network is of opset {opset.version}; convert it to {_OLDEST} or newer"
                )
        self._opsets = list(model.opset_import)
        self._makers = {name: node for node in model.graph.node for name in node.output if name}
        self._arrays: dict[str, npt.NDArray[Any]] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self._inputs = [v.name for v in model.graph.input if v.name not in self._arrays]
        self._outputs = [str(value.name) for value in model.graph.output]

    def only_output(self) -> str:
        """The name of the graph's output. Raises ModelError where there are several."""
        if len(self._outputs) != 1:
            raise ModelError(
                f"the network has the outputs {', '.join(self._outputs)}: name one as `output`"
            )
        return self._outputs[0]

    def steps(self, end: str) -> tuple[list[Step], str]:
        """What leads to the tensor `end`, first step first, and the input where it begins."""
        steps: list[Step] = []
        name = end
        while name not in self._inputs:
            if name not in self._makers or self.constant(name) is not None:
                raise ModelError(f"the network has no tensor {name!r} that depends on its input")
            node = self._makers[name]
            where = _place(node)
            if node.domain not in ("", "ai.onnx") or node.op_type not in _READERS:
                raise ModelError(f"{where} has no place in a tower; supported are {SUPPORTED}")
            name, found = _READERS[node.op_type](self, node, where)
            steps = found + steps
        return steps, name

    def operands(
        self, node: onnx.NodeProto, where: str
    ) -> tuple[str, list[npt.NDArray[Any] | None]]:
        """The one tensor among the inputs that depends on the context, and the others' values.

        In the list None stands where that tensor does.
        """
        names = [name for name in node.input if name]
        values = [self.constant(name) for name in names]
        flowing = [name for name, value in zip(names, values, strict=True) if value is None]
        if len(flowing) != 1:
            raise ModelError(
                f"{where} joins {len(flowing)} tensors that are no constants; a tower is one chain "
                f"of layers"
            )
        return flowing[0], values

    def constant(self, name: str) -> npt.NDArray[Any] | None:
        """The value of a tensor that does not depend on the context, else None."""
        if name in self._arrays:
            return self._arrays[name]
        node = self._makers.get(name)
        if node is None or node.op_type not in _FOLDED:
            return None
        given = {part: self.constant(part) for part in node.input if part}
        if any(value is None for value in given.values()):
            return None
        alone = helper.make_graph(
            [node],
            "constant",
            [helper.make_empty_tensor_value_info(part) for part in given],
            [helper.make_empty_tensor_value_info(name)],
        )
        made = helper.make_model(alone, opset_imports=self._opsets)
        (found,) = ReferenceEvaluator(made).run([name], given)
        self._arrays[name] = np.asarray(found)
        return self._arrays[name]


def _place(node: onnx.NodeProto) -> str:
    return f"{node.name or f'the node that gives {node.output[0]!r}'} ({node.op_type})"


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def _vector(value: object, where: str) -> Floats:
    """A constant as one number for every output: of shape [n], [1, n], [1] or []."""
    found = np.asarray(value, dtype=np.float64)
    if found.ndim > 2 or (found.ndim == 2 and found.shape[0] != 1):
        raise ModelError(f"{where}: a constant of shape {found.shape}; [outputs] is needed")
    return found.reshape(-1)


_Read = tuple[str, list[Step]]


def _gemm(graph: _Graph, node: onnx.NodeProto, where: str) -> _Read:
    name, values = graph.operands(node, where)
    given = _attributes(node)
    if values[0] is not None or given.get("transA", 0):
        raise ModelError(f"{where} must have the context on the left, not transposed")
    weights = np.asarray(values[1], dtype=np.float64) * given.get("alpha", 1.0)
    steps: list[Step] = [Multiply(weights.T if given.get("transB", 0) else weights, where)]
    if len(values) > 2:
        steps.append(Add(_vector(values[2], where) * given.get("beta", 1.0), where))
    return name, steps


def _matmul(graph: _Graph, node: onnx.NodeProto, where: str) -> _Read:
    name, values = graph.operands(node, where)
    if values[0] is not None:
        raise ModelError(f"{where} must have the context on the left, its weights on the right")
    return name, [Multiply(np.asarray(values[1], dtype=np.float64), where)]


def _add(graph: _Graph, node: onnx.NodeProto, where: str) -> _Read:
    name, values = graph.operands(node, where)
    return name, [Add(_vector(next(v for v in values if v is not None), where), where)]


def _relu(_graph: _Graph, node: onnx.NodeProto, where: str) -> _Read:
    return node.input[0], [Activate("relu", where)]


def _tanh(_graph: _Graph, node: onnx.NodeProto, where: str) -> _Read:
    return node.input[0], [Activate("tanh", where)]


def _cast(_graph: _Graph, node: onnx.NodeProto, where: str) -> _Read:
    to = int(_attributes(node)["to"])
    if to not in _FLOATS:
        raise ModelError(f"{where} casts to {helper.tensor_dtype_to_string(to)}, not to a float")
    return node.input[0], []


def _reshape(graph: _Graph, node: onnx.NodeProto, where: str) -> _Read:
    name, values = graph.operands(node, where)
    shape = np.asarray(values[1]).reshape(-1)
    # 0 keeps the batch, -1 finds it out; a fixed batch would be another network.
    if len(shape) != 2 or int(shape[0]) not in (0, -1):
        raise ModelError(f"{where} reshapes to {shape.tolist()}; only [batch, n] can stay")
    return name, []


def _flatten(_graph: _Graph, node: onnx.NodeProto, where: str) -> _Read:
    axis = _attributes(node).get("axis", 1)
    if axis not in (1, -1):
        raise ModelError(f"{where} flattens from axis {axis}; only 1 leaves [batch, n]")
    return node.input[0], []


def _identity(_graph: _Graph, node: onnx.NodeProto, _where: str) -> _Read:
    return node.input[0], []


def _clip(graph: _Graph, node: onnx.NodeProto, where: str) -> _Read:
    given = _attributes(node)
    limits = [graph.constant(name) if name else None for name in node.input[1:]]
    low, high = [*limits, None, None][:2]
    low, high = given.get("min", low), given.get("max", high)
    if (low is not None and low > -BOUND) or (high is not None and high < BOUND):
        raise ModelError(f"{where} clips at {low} and {high}; a tower clips at ±{BOUND:g} only")
    return node.input[0], []


_READERS: dict[str, Callable[[_Graph, onnx.NodeProto, str], _Read]] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "Relu": _relu,
    "Tanh": _tanh,
    "Cast": _cast,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Identity": _identity,
    "Clip": _clip,
}
