# SPDX-License-Identifier: Apache-2.0
"""Hostile bundles with a wrong tower (bundle.md §6.1)."""

from __future__ import annotations

from typing import Any

from .hostile_body import HUGE_LIST, HUGE_STRING
from .hostile_numbers import UNCLEAN
from .hostile_parts import (
    TOWERED,
    Case,
    Offset,
    accepted,
    changed_at,
    damaged,
    item,
    nested,
    value,
)
from .write import Array, Raw, build, f32s, fields, u32s

LAYERS: list[list[Any]] = list(dict(TOWERED)["tower"])  # type: ignore[call-overload]
RELU, TANH = LAYERS
INPUTS = 12


def tower_cases() -> list[Case]:
    """The list of layers, the layers, and their arrays."""
    return [*_lists(), *_heads(), *_arrays(), *_elements(), *_k()]


def _case(what: str, status: str, where: Offset, *layers: object) -> Case:
    return damaged(f"layers: {what}", status, where, {"tower": list(layers)}, base=TOWERED)


def _chain(count: int) -> list[list[Any]]:
    """A tower of so many layers from one slot, each with one output."""
    return [["identity", 1, "f32", [[1.0]], [0.0]] for _ in range(count)]


def _lists() -> list[Case]:
    at, first = value("tower"), item("tower", 0)
    wrong: list[tuple[str, str, Offset, object]] = [
        ("a map", "EA_E_TYPE", at, {}),
        ("nil", "EA_E_TYPE", at, None),
        ("a string", "EA_E_TYPE", at, "relu"),
        ("2**32 - 1", "EA_E_LIMIT", at, HUGE_LIST),
        ("a layer that is a map", "EA_E_TYPE", first, [{}]),
        ("a layer that is nil", "EA_E_TYPE", first, [None]),
        ("a layer that is a string", "EA_E_TYPE", first, ["relu"]),
        ("an empty layer", "EA_E_TYPE", first, [[]]),
        ("100 lists deep", "EA_E_TYPE", item("tower", 0, 0), Raw(b"\x91" * 100 + b"\xc0")),
    ]
    cases = [
        damaged(f"layers: {what}", status, where, {"tower": its}, base=TOWERED)
        for what, status, where, its in wrong
    ]
    cases.append(damaged("layers: nine", "EA_E_LIMIT", at, base=fields({"tower": _chain(9)})))
    cases.append(accepted("layers: eight", base=fields({"tower": _chain(8)})))
    cases.append(accepted("layers: one", base=fields({"tower": _chain(1)})))
    return cases


def _heads() -> list[Case]:
    first, kind = item("tower", 0), item("tower", 0, 0)
    outputs, rows = item("tower", 0, 1), item("tower", 0, 2)
    wrong: list[tuple[str, str, Offset, object]] = [
        ("activation alone", "EA_E_TYPE", first, ["relu"]),
        ("of four", "EA_E_TYPE", first, RELU[:4]),
        ("of seven", "EA_E_TYPE", first, [*TANH, 1]),
        ("of 2**32 - 1", "EA_E_TYPE", first, Raw(HUGE_LIST.data + b"\xa4relu")),
        ("of five, i8", "EA_E_TYPE", first, [*RELU[:2], "i8", *RELU[3:]]),
        ("of six, f32", "EA_E_TYPE", first, [*TANH[:2], "f32", *TANH[3:]]),
        ("activation is a number", "EA_E_TYPE", kind, [1, *RELU[1:]]),
        ("activation is bytes", "EA_E_TYPE", kind, [b"relu", *RELU[1:]]),
        ("activation is nil", "EA_E_TYPE", kind, [None, *RELU[1:]]),
        ("activation is not UTF-8", "EA_E_UTF8", kind, [Raw(b"\xa1\xff"), *RELU[1:]]),
        ("activation is far behind the end", "EA_E_TRUNCATED", kind, [HUGE_STRING, *RELU[1:]]),
        ("gelu", "EA_E_UNSUPPORTED", kind, ["gelu", *RELU[1:]]),
        ("gelu alone", "EA_E_UNSUPPORTED", kind, ["gelu"]),
        ("RELU", "EA_E_UNSUPPORTED", kind, ["RELU", *RELU[1:]]),
        ("no activation", "EA_E_UNSUPPORTED", kind, ["", *RELU[1:]]),
        ("rows f16", "EA_E_KEY", rows, ["relu", 5, "f16", *RELU[3:]]),
        ("rows empty", "EA_E_KEY", rows, ["relu", 5, "", *RELU[3:]]),
        ("rows a number", "EA_E_TYPE", rows, ["relu", 5, 32, *RELU[3:]]),
        ("rows bytes", "EA_E_TYPE", rows, ["relu", 5, b"f32", *RELU[3:]]),
        ("rows not UTF-8", "EA_E_UTF8", rows, ["relu", 5, Raw(b"\xa3f3\xff"), *RELU[3:]]),
        ("no outputs, and of six, f32", "EA_E_LIMIT", outputs, ["tanh", 0, "f32", *TANH[3:]]),
    ]
    for m, status in ((0, "EA_E_LIMIT"), (1025, "EA_E_LIMIT"), (2**64 - 1, "EA_E_LIMIT"),
                      (-1, "EA_E_TYPE"), (5.0, "EA_E_TYPE"), (None, "EA_E_TYPE")):  # fmt: skip
        wrong.append((f"outputs {m}", status, outputs, ["relu", m, *RELU[2:]]))
    cases = [_case(what, status, where, layer, TANH) for what, status, where, layer in wrong]
    second = ["gelu", *TANH[1:]]
    cases.append(_case("the second gelu", "EA_E_UNSUPPORTED", item("tower", 1, 0), RELU, second))
    cases.append(_case("the second of four", "EA_E_TYPE", item("tower", 1), RELU, TANH[:4]))
    for activation in ("identity", "relu", "tanh"):
        changed = [[activation, *RELU[1:]], [activation, *TANH[1:]]]
        what = f"layers: {activation}"
        cases.append(accepted(what, {"tower": changed}, base=TOWERED))
    widest: dict[str, Any] = {"tower": [["relu", 1024, "i8", [[0]], [0.0] * 1024, [0.0] * 1024]]}
    cases.append(accepted("layers: 1,024 outputs", base=fields(widest)))
    return cases


def _with(layer: int, index: int, new: object) -> list[Any]:
    """The tower with another element of a layer."""
    tower = [list(its) for its in LAYERS]
    tower[layer][index] = new
    return tower


def _arrays() -> list[Case]:
    """Every array of both layers in wrong forms and lengths."""
    cases = []
    for layer, index, name in (
        (0, 3, "weights of f32"), (0, 4, "bias of f32"), (1, 3, "weights of i8"),
        (1, 4, "scales of i8"), (1, 5, "bias of i8"),
    ):  # fmt: skip
        at, array = item("tower", layer, index), LAYERS[layer][index]
        zeros = bytes(-(at(build(TOWERED)) + 5) % 64)
        wrong: list[tuple[str, str, object]] = [
            ("nil", "EA_E_TYPE", None),
            ("a list", "EA_E_TYPE", [1.0]),
            ("a string", "EA_E_TYPE", "abc"),
            ("bin 16", "EA_E_TYPE", Raw(b"\xc5\0\x04abcd")),
            ("2**32 - 1 bytes", "EA_E_TRUNCATED", Array(array.data, length=2**32 - 1)),
            ("one byte longer", "EA_E_LENGTH", Array(array.data + b"\0")),
            ("one byte shorter", "EA_E_LENGTH", Array(array.data[:-1])),
            ("one element longer", "EA_E_LENGTH", Array(array.data + array.data[:4])),
            ("twice as long", "EA_E_LENGTH", Array(array.data * 2)),
            ("without data", "EA_E_LENGTH", Array(b"")),
            ("with 64 zeros more", "EA_E_LENGTH", Array(array.data, padding=zeros + bytes(64))),
        ]
        for what, status, form in wrong:
            changes = {"tower": _with(layer, index, form)}
            cases.append(damaged(f"{name}, {what}", status, at, changes, base=TOWERED))
        if zeros:
            dirty = Array(array.data, padding=zeros[:-1] + b"\1")
            where, changes = (
                nested("tower", (layer, index), 1, -1),
                {"tower": _with(layer, index, dirty)},
            )
            what = f"{name}, the last padding byte is 1"
            cases.append(damaged(what, "EA_E_PADDING", where, changes, base=TOWERED))
    fewer = Array(RELU[3].data[: (INPUTS - 1) * 32])
    at = item("tower", 0, 3)
    changes = {"tower": _with(0, 3, fewer)}
    cases.append(damaged("weights of 11 inputs", "EA_E_LENGTH", at, changes, base=TOWERED))
    fewer = Array(TANH[3].data[:64])
    changes = {"tower": _with(1, 3, fewer)}
    at = item("tower", 1, 3)
    cases.append(damaged("weights of 4 inputs", "EA_E_LENGTH", at, changes, base=TOWERED))
    return cases


def _elements() -> list[Case]:
    cases = []

    def case(label: str, status: str, place: tuple[int, int, int, int], new: bytes) -> None:
        """place: layer, element of it, size and index of the array's element."""
        layer, index, size, number = place
        changed = changed_at(LAYERS[layer][index], size * number, new)
        where = nested("tower", (layer, index), size, number)
        changes = {"tower": _with(layer, index, changed)}
        if status == "EA_OK":
            cases.append(accepted(label, changes, base=TOWERED))
        else:
            cases.append(damaged(label, status, where, changes, base=TOWERED))

    floats = [
        ("layer's weights", (0, 3, 4, 12)),
        ("layer's bias", (0, 4, 4, 4)),
        ("i8 layer's scales", (1, 4, 4, 2)),
        ("i8 layer's bias", (1, 5, 4, 0)),
    ]
    for name, place in floats:
        for what, bits in UNCLEAN.items():
            case(f"{name}: {what}", "EA_E_RANGE", place, u32s([bits]))
        for edge in (2.0**-50, 1048575.9375):
            case(f"{name}: {edge}", "EA_OK", place, f32s([edge]))
    case("i8 layer's scales: negative", "EA_E_RANGE", (1, 4, 4, 0), f32s([-1.0]))
    case("i8 layer's scales: 0", "EA_OK", (1, 4, 4, 0), f32s([0.0]))
    for what, bits in (("1", 0x3F800000), ("-0", 0x80000000), ("NaN", 0x7FC00000)):
        label = f"layer's weights: output m is {what}"
        case(label, "EA_E_PADDING", (0, 3, 4, 5), u32s([bits]))
    case("layer's weights: the last is 1", "EA_E_PADDING", (0, 3, 4, 95), f32s([1.0]))
    case("layer's codes: -128", "EA_E_RANGE", (1, 3, 1, 2), b"\x80")
    case("layer's codes: -128 in the last row", "EA_E_RANGE", (1, 3, 1, 66), b"\x80")
    case("layer's codes: -127", "EA_OK", (1, 3, 1, 2), b"\x81")
    case("layer's codes: output m is 1", "EA_E_PADDING", (1, 3, 1, 3), b"\1")
    case("layer's codes: output m is -128", "EA_E_PADDING", (1, 3, 1, 3), b"\x80")
    case("layer's codes: the last is 1", "EA_E_PADDING", (1, 3, 1, 79), b"\1")
    return cases


def _k() -> list[Case]:
    cases = []
    for k in (12, 5, 2, 4, 0, 1024, 1025):
        cases.append(damaged(f"k: {k} of 3", "EA_E_LIMIT", value("k"), {"k": k}, base=TOWERED))
    without = damaged("k: no tower", "EA_E_LIMIT", value("k"), {"tower": []}, base=TOWERED)
    return [*cases, without]
