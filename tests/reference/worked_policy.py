# SPDX-License-Identifier: Apache-2.0
"""The policy of the worked examples, and how they write numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .bundle import open_bundle
from .decide import Context, prepare
from .hexed import hexf32, hexf64
from .write import pack, write

POLICY: dict[str, Any] = {
    "name": "row",
    "explorer": ["thompson", 0.0, 1.0],
    "cells": [
        "spring", ["bold", 0.25, ["ucb", 0.0, 1.0]], ["gap", 0.25, ["squarecb", 0.01, 10.0]],
    ],
    "features": [["number", "hour", 12.0, 6.0, 8.0, False], ["category", "country", ["US"]]],
    "tower": [
        ["relu", 3, "f32",
         [[1.0, -0.5, 0.25], [0.125, 0.75, -1.0], [0.0, 0.5, 0.5], [0.375, -0.25, 0.5]],
         [0.0, 0.25, -0.125]],
        ["tanh", 2, "i8", [[100, -20], [-35, 90], [7, 64]], [0.0078125, 0.015625], [0.0, -0.5]],
    ],
    "titles": {"title-7": ["couple", "laugh", "duel"]},
    "rows": "i8",
    "weights": [[60, 20], [127, -45], [-10, 110]],
    "scales": [0.01, 0.008, 0.0075],
    "bias": [0.25, 0.0, 0.25],
    "variance": {"codes": [[228, 210], [231, 225], [236, 232]], "scale": 0.5},
}  # fmt: skip
MAP: dict[str, object] = {"hour": 15, "country": "US"}
SEED, UNIT = 42, 3


def prepared(unit: int = UNIT) -> Context:
    """The example's context."""
    return prepare(open_bundle(write(POLICY)), pack(MAP), seed=SEED, unit=unit)


def f32(x: float) -> str:
    """Bits and decimal of a binary32."""
    return f"`{hexf32(x)}` {x:.9g}"


def f64(x: float) -> str:
    """Bits and decimal of a binary64."""
    return f"`{hexf64(x)}` {x:.17g}"


def table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    rows = [" | ".join(map(str, line)) for line in [head, *lines]]
    return "\n".join([f"| {rows[0]} |", "|" + "---|" * len(head), *(f"| {r} |" for r in rows[1:])])


def listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
