# SPDX-License-Identifier: Apache-2.0
"""Random but reproducible policies of format 2 and what a call may ask of them."""

from __future__ import annotations

import random
from typing import Any

from . import sample
from .binary import round32
from .decide import Limits
from .features import SCALED, UNCERTAIN

EXPLORERS: list[list[Any]] = [
    ["thompson", 0.0, 1.0],
    ["thompson", 0.01, 0.25],
    ["thompson", 0.0, 8.0],
    ["ucb", 0.0, 1.0],
    ["ucb", 0.05, 3.0],
]
"""Of the kinds that need variances, with and without a floor."""

WIDTHS = [1, 3, 7, 8, 16, 17, 24]
ATTRIBUTES = ["mature", "german", "live", "été", "hdr", "x" * 64]


def layer(random_: random.Random, inputs: int, activation: str, rows: str) -> list[Any]:
    """A layer with outputs of about the size of its inputs."""
    outputs = random_.choice(WIDTHS)
    bias = [sample.clean(random_, 0.3) for _ in range(outputs)]
    if rows == "f32":
        weights = [[_weight(random_, 0.6) for _ in range(outputs)] for _ in range(inputs)]
        return [activation, outputs, rows, weights, bias]
    codes = [[random_.randint(-127, 127) for _ in range(outputs)] for _ in range(inputs)]
    scales = [random_.choice([0.0, 2.0**-50, 0.004, 0.01, 0.01, 0.01]) for _ in range(outputs)]
    return [activation, outputs, rows, codes, list(map(round32, scales)), bias]


def _weight(random_: random.Random, spread: float) -> float:
    """Like `sample.clean`, but extreme so rarely that most outputs are not cut off."""
    if random_.random() < 0.001:
        return sample.clean(random_, spread)
    return round32(random_.gauss(0.0, spread)) if random_.random() < 0.9 else 0.0


def tower(random_: random.Random, slots: int, layers: int) -> list[list[Any]]:
    """So many layers of any activation and either kind of rows."""
    made: list[list[Any]] = []
    for _ in range(layers):
        inputs = made[-1][1] if made else slots
        activation = random_.choice(["identity", "relu", "tanh"])
        made.append(layer(random_, inputs, activation, random_.choice(["f32", "i8"])))
    return made


def variance(random_: random.Random, count: int, k: int) -> dict[str, Any]:
    """Codes around one size, some 0, some far away, and the factor of all."""
    middle = random_.choice([40, 120, 200, 230])

    def code() -> int:
        if random_.random() < 0.15:
            return random_.choice([0, 0, 1, 7, 8, 255])
        return min(255, max(0, middle + random_.randint(-24, 24)))

    factor = random_.choice([1.0, 0.01, 4.0, 2.0**-50, 1000.0])
    return {"codes": [[code() for _ in range(k)] for _ in range(count)], "scale": round32(factor)}


def cells(random_: random.Random, explorers: list[list[Any]]) -> list[Any]:
    """A salt and up to four cells with these explorers."""
    count = random_.randint(0, 4)
    shares = [random_.choice([0.05, 0.2, 0.25, 2.0**-31, 1 / 3]) for _ in range(count)]
    while sum(shares) > 1:
        shares.pop()
    salt = random_.choice(["", "spring", "é" * 32])
    return [
        salt, *([f"cell-{i}", share, random_.choice(explorers)] for i, share in enumerate(shares))
    ]  # fmt: skip


def policy(
    random_: random.Random, *, explorer: list[Any], rows: str, titles: int, most: int = 12
) -> dict[str, Any]:
    """A description for `write` of format 2 with up to three layers and all else by chance."""
    made = sample.policy(random_, explorer=explorer, rows=rows, titles=titles, most=most)
    count = len(made["bias"])
    slots = sample.slots(made["features"])
    layers = tower(random_, slots, random_.choice([0, 1, 1, 2, 3]))
    k = layers[-1][1] if layers else slots
    made |= {"format": 2, "tower": layers, **sample.numbers(random_, rows, count, k)}
    uncertain = explorer[0] in UNCERTAIN or random_.random() < 0.4
    if uncertain:
        made["variance"] = variance(random_, count, k)
    if random_.random() < 0.7:
        made["cells"] = cells(random_, [*sample.EXPLORERS, *(EXPLORERS if uncertain else [])])
    if random_.random() < 0.7:
        names = random_.sample(ATTRIBUTES, random_.randint(1, len(ATTRIBUTES)))
        made["attributes"] = names
        made["masks"] = [random_.getrandbits(len(names)) for _ in range(count)]
    if explorer[0] in SCALED and random_.random() < 0.6:
        factors = [random_.choice([1.0, 0.5, 3.0, random_.uniform(0.01, 5)]) for _ in range(titles)]
        made["title_scale"] = list(map(round32, factors))
    return made


def limits(random_: random.Random, count: int, attributes: int) -> Limits:
    """What a call may ask of count rows with so many attributes; often nothing."""

    def few(chance: float) -> int:
        bits = sum(1 << i for i in range(attributes) if random_.random() < 0.3)
        return bits if random_.random() < chance else 0

    return Limits(
        denied=sample.denied(random_, count) if random_.random() < 0.5 else b"",
        excluded=sample.denied(random_, count) if random_.random() < 0.4 else b"",
        # A bit without a name is in no mask.
        required=few(0.3) if random_.random() < 0.95 else few(1.0) | 1 << 31,
        forbidden=few(0.4) if random_.random() < 0.9 else few(1.0) | 1 << 30,
    )
