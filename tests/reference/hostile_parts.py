# SPDX-License-Identifier: Apache-2.0
"""The bundles that hostile.json damages, and how one damaged bundle is described."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .bundle import open_bundle
from .decide import context_hash, prepare
from .msgpack import Reader
from .write import Array, Document, Field, build, fields, fix_crc, pack, replace

FEATURES: list[list[Any]] = [
    ["number", "hour", 12.0, 6.0, 8.0, True],
    ["category", "place", ["US", "GB"]],
    ["weights", "taste", ["comedy", "drama", "crime"]],
    ["vector", "shape", 3, 1024.0],
]
K = 12
TITLES = {"alpha": ["a", "b"], "beta": ["a", "c", "d"], "gamma": ["é"]}


def _with_vector(description: dict[str, object]) -> list[Field]:
    bundle = open_bundle(build(fields(description)).data)
    check = context_hash(prepare(bundle, b"\x80", seed=0))
    return fields({**description, "vectors": [(b"\x80", check)]})


I8 = _with_vector(
    {
        "name": "row",
        "sequence": 12,
        "meta": {"made": "by hand"},
        "explorer": ["squarecb", 0.01, 10.0],
        "features": FEATURES,
        "titles": TITLES,
        "rows": "i8",
        "weights": [[(row * 37 + slot * 11) % 255 - 127 for slot in range(K)] for row in range(6)],
        "scales": [0.01, 0.02, 0.0, 0.5, 1.0, 0.25],
        "bias": [0.5, -0.5, 0.0, 0.25, 1.0, -1.0],
    }
)
F32 = _with_vector(
    {
        "name": "row",
        "sequence": 12,
        "explorer": ["softmax", 0.0, 0.5],
        "features": FEATURES,
        "titles": TITLES,
        "weights": [[(row * 5 + slot * 3) % 17 / 8 - 1 for slot in range(K)] for row in range(6)],
        "bias": [0.5, -0.5, 0.0, 0.25, 1.0, -1.0],
    }
)
EMPTY = fields({})
TOWERED = _with_vector(
    {
        "name": "row",
        "sequence": 12,
        "meta": {"made": "by hand"},
        "explorer": ["thompson", 0.01, 1.0],
        "cells": [
            "salt", ["holdback", 0.05, ["fixed", 0.0]], ["bold", 0.125, ["ucb", 0.0, 2.0]]
        ],
        "features": FEATURES,
        "tower": [
            ["relu", 5, "f32", [[(i * 5 + o * 3) % 17 / 8 - 1 for o in range(5)] for i in range(K)],
             [0.5, -0.5, 0.0, 0.25, 1.0]],
            ["tanh", 3, "i8", [[(i * 37 + o * 11) % 255 - 127 for o in range(3)] for i in range(5)],
             [0.01, 0.0, 0.25], [0.5, -0.5, 0.0]],
        ],
        "attributes": ["mature", "german"],
        "titles": TITLES,
        "title_scale": [0.5, 1.0, 2.0],
        "masks": [0, 1, 2, 3, 0, 2],
        "rows": "i8",
        "weights": [[(row * 37 + slot * 11) % 255 - 127 for slot in range(3)] for row in range(6)],
        "scales": [0.01, 0.02, 0.0, 0.5, 1.0, 0.25],
        "bias": [0.5, -0.5, 0.0, 0.25, 1.0, -1.0],
        "variance": {"codes": [[row * 40, row, 255 - row] for row in range(6)], "scale": 0.5},
    }
)  # fmt: skip
PLAIN = _with_vector(
    {
        "name": "row",
        "sequence": 12,
        "format": 2,
        "explorer": ["softmax", 0.0, 0.5],
        "features": FEATURES,
        "titles": TITLES,
        "weights": [[(row * 5 + slot * 3) % 17 / 8 - 1 for slot in range(K)] for row in range(6)],
        "bias": [0.5, -0.5, 0.0, 0.25, 1.0, -1.0],
    }
)
BASES = [build(body).data for body in (I8, F32, EMPTY, TOWERED, PLAIN)]
"""Format 1 of either kind of rows, nothing at all; format 2 with all it has and with none of it."""

Offset = Callable[[Document], int]


@dataclass(frozen=True)
class Case:
    """A damaged bundle, the verdict that the specification asks for, and why."""

    name: str
    data: bytes
    status: str
    offset: int
    crc: bool = field(default=True)  # the checksum is right


def key(name: str) -> Offset:
    """The offset of a key."""
    return lambda document: document.places[name].key


def value(name: str, delta: int = 0) -> Offset:
    """The offset of a value, or of a byte inside of it."""
    return lambda document: document.places[name].value + delta


def element(name: str, size: int, index: int) -> Offset:
    """The offset of an array's element."""
    return lambda document: document.places[name].data + size * index


def item(name: str, *path: int) -> Offset:
    """The offset of what is inside a list, or a list in a list: its index at each level."""

    def offset(document: Document) -> int:
        at = document.places[name].value
        for index in path:
            at += _list_head(document.data[at])
            for _ in range(index):
                at = _after(document.data, at)
        return at

    return offset


def nested(name: str, path: Sequence[int], size: int, index: int) -> Offset:
    """The offset of an element of an array inside of lists."""

    def offset(document: Document) -> int:
        start = item(name, *path)(document) + 5
        return start + -start % 64 + size * index

    return offset


def array_of(base: Sequence[Field], name: str) -> Array:
    """An array of a body."""
    its = dict(base)[name]
    assert isinstance(its, Array)
    return its


def changed_at(array: Array, at: int, new: bytes) -> Array:
    """The array with these bytes from `at` on."""
    return Array(array.data[:at] + new + array.data[at + len(new) :])


def _list_head(first: int) -> int:
    return {0xDC: 3, 0xDD: 5}.get(first, 1)


def _after(data: bytes, at: int) -> int:
    reader = Reader(data, at)
    reader.skip()
    return reader.at


def damaged(
    what: str,
    status: str,
    at: Offset | int,
    changes: Mapping[str, object] | None = None,
    /,
    *,
    base: Sequence[Field] = (),
    **values: object,
) -> Case:
    """A case with other values for some fields, by default of the i8 bundle."""
    document = build(replace(base or I8, **(changes or {}), **values))
    return Case(what, document.data, status, at if isinstance(at, int) else at(document))


def accepted(
    what: str,
    changes: Mapping[str, object] | None = None,
    /,
    *,
    base: Sequence[Field] = (),
    **values: object,
) -> Case:
    """A case at the edge of a rule, on its good side."""
    return damaged(what, "EA_OK", 0, changes, base=base, **values)


def raw(name: str, data: bytes, status: str, offset: int) -> Case:
    """A case of these bytes as they are."""
    right = len(data) > 14 and fix_crc(data) == data
    return Case(name, data, status, offset, right)


def wide(number: int) -> bytes:
    """An unsigned integer as uint 64."""
    return b"\xcf" + number.to_bytes(8, "big")


def packed(*values: object) -> bytes:
    """Several values one after the other."""
    return b"".join(map(pack, values))
