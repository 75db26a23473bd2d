# SPDX-License-Identifier: Apache-2.0
"""Dense layers from the slots to the vector u (bundle.md §6.1, decision.md §4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import limits
from .arrays import BundleReader, Rows
from .binary import round32, tiny
from .exponential import exp
from .refused import Refused

ACTIVATIONS = ("identity", "relu", "tanh")
LARGEST = 2.0**19
"""Where an output is cut off before its activation."""

TANH_C1 = 1 / 3
TANH_C2 = 2 / 15


@dataclass(frozen=True)
class Layer:
    """One layer: m outputs from as many inputs as weights has rows."""

    activation: str
    outputs: int
    rows: str  # "f32" or "i8"
    weights: Rows  # a row for each input, of at least m elements
    scales: tuple[float, ...]  # m; empty for f32
    bias: tuple[float, ...]  # m


def read_tower(body: BundleReader, slots: int, version: int) -> tuple[Layer, ...]:
    """The list of layers, the first of which has the slots as its inputs."""
    entries = body.read("list")
    if version == 1 and entries.count:
        raise Refused("EA_E_UNSUPPORTED", entries.at)
    if entries.count > limits.LAYERS:
        raise Refused("EA_E_LIMIT", entries.at)
    layers: list[Layer] = []
    for _ in range(entries.count):
        layers.append(_read_layer(body, layers[-1].outputs if layers else slots))
    return tuple(layers)


def _read_layer(body: BundleReader, inputs: int) -> Layer:
    entry = body.read("list")
    activation = body.kind(entry, ACTIVATIONS)
    if entry.count not in (5, 6):
        raise Refused("EA_E_TYPE", entry.at)
    outputs = body.unsigned(1, limits.SLOTS, "EA_E_LIMIT")
    rows, _ = body.word("f32", "i8")
    if entry.count != (6 if rows == "i8" else 5):
        raise Refused("EA_E_TYPE", entry.at)
    weights = body.rows(rows, inputs, outputs)
    scales = body.floats(outputs, least=0.0) if rows == "i8" else ()
    return Layer(activation, outputs, rows, weights, scales, body.floats(outputs))


def tower(layers: Sequence[Layer], x: Sequence[float]) -> list[float]:
    """The vector u, binary32, for the slots x."""
    u = list(x)
    for layer in layers:
        u = [_output(layer, u, o) for o in range(layer.outputs)]
    return u


def _output(layer: Layer, x: Sequence[float], o: int) -> float:
    y = before_activation(layer, x, o)
    if layer.activation == "relu":
        return tiny(y) if y > 0 else 0.0
    return tiny(tanh(y) if layer.activation == "tanh" else y)


def before_activation(layer: Layer, x: Sequence[float], o: int) -> float:
    """What the activation of output o is applied to; each operation rounds to binary32."""
    a = 0.0
    for element, row in zip(x, layer.weights, strict=True):
        a = round32(a + round32(element * row[o]))
    if layer.rows == "i8":
        a = round32(a * layer.scales[o])
    return min(max(round32(a + layer.bias[o]), -LARGEST), LARGEST)


def tanh(y: float) -> float:
    """The hyperbolic tangent of a binary32 y: in binary64, then one rounding."""
    v = abs(y)
    if v < 2.0**-6:
        s = v * v
        t = v * (1 - s * (TANH_C1 - s * TANH_C2))
    else:
        e = exp(-(v + v))
        t = (1 - e) / (1 + e)
    return -round32(t) if y < 0 else round32(t)
