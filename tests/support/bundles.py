# SPDX-License-Identifier: Apache-2.0
"""Bundles for tests of the device package, made by the reference's writer from seeded numbers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from tests.reference.decide import context_hash, open_bundle, prepare
from tests.reference.write import pack, write

FEATURES: list[list[Any]] = [
    ["number", "hour", 12.0, 6.0, 8.0, True],  # slots 0 and 1
    ["category", "country", ["US", "GB"]],  # slots 2 to 4
    ["weights", "taste", ["comedy", "romance", "höhe"]],  # slots 5 to 7
    ["vector", "embedding", 3, 1024.0],  # slots 8 to 10; slot 11 is the intercept
]
TITLES = {f"title-{t}": [f"art-{t}-{a}" for a in range(1 + t % 7)] for t in range(40)} | {
    "filme-é": ["größe", "b"]
}
FULL = {"hour": 9, "country": "US", "taste": {"comedy": 0.7, "romance": 0.2},
        "embedding": [0.5, -1.0, 2.0]}  # fmt: skip
ATTRIBUTES = ["lang_en", "lang_de", "mature"]
CELLS: list[Any] = [
    "salt-1", ["holdback", 0.125, ["fixed", 0.0]], ["random", 0.25, ["uniform", 0.0]]
]  # fmt: skip
EXPLORERS: dict[str, list[Any]] = {
    "fixed": ["fixed", 0.02],
    "uniform": ["uniform", 0.0],
    "greedy": ["greedy", 0.02],
    "epsilon_greedy": ["epsilon_greedy", 0.01, 0.3],
    "softmax": ["softmax", 0.0, 0.7],
    "squarecb": ["squarecb", 0.01, 10.0],
}


def describe(
    rows: str = "i8",
    explorer: Sequence[Any] = ("squarecb", 0.01, 10.0),
    titles: Mapping[str, Sequence[str]] = TITLES,
    features: Sequence[Sequence[Any]] = tuple(FEATURES),
    seed: int = 1,
    k: int | None = None,
    **more: object,
) -> dict[str, Any]:
    """A description for `write`, with random weights; more: other keys of it.

    k: length of a row, where a tower decides it.
    """
    source = random.Random(seed)  # noqa: S311 - nothing here is a secret
    k = k or 1 + sum(map(_width, features))
    count = sum(map(len, titles.values()))
    description: dict[str, Any] = {
        "name": "row",
        "sequence": 12,
        "meta": {"made": "for tests"},
        "explorer": list(explorer),
        "features": [list(feature) for feature in features],
        "titles": {title: list(artworks) for title, artworks in titles.items()},
        "rows": rows,
        "bias": [source.uniform(-0.5, 0.5) for _ in range(count)],
    }
    if rows == "i8":
        codes = [[source.randint(-127, 127) for _ in range(k)] for _ in range(count)]
        scales = [source.uniform(0.002, 0.01) for _ in range(count)]
        description |= {"weights": codes, "scales": scales}
    else:
        description["weights"] = [[source.gauss(0, 0.5) for _ in range(k)] for _ in range(count)]
    return description | more


def _width(feature: Sequence[Any]) -> int:
    kind, _, first, *rest = feature
    if kind == "number":
        return 1 + int(rest[2])
    if kind == "vector":
        return int(first)
    return len(first) + int(kind == "category")


def bundle(rows: str = "i8", **choices: Any) -> bytes:
    """The bytes of `describe(rows, …)`."""
    return write(describe(rows, **choices))


def verified_bundle(rows: str = "i8", **choices: Any) -> bytes:
    """A bundle with three test vectors, whose hashes are the reference's."""
    description = describe(rows, **choices)
    opened = open_bundle(write(description))
    contexts = [pack({}), pack(FULL), pack({"hour": 1e9, "taste": ["comedy"] * 9})]
    hashes = [context_hash(prepare(opened, context, seed=0)) for context in contexts]
    return write(description | {"vectors": list(zip(contexts, hashes, strict=True))})


def rich(rows: str = "i8", *, tower: bool = True, seed: int = 1, **choices: Any) -> bytes:
    """A bundle of format 2 that has all there is: tower, variances, cells, attributes, factors.

    choices: other keys of the description.
    """
    return write(describe_rich(rows, tower=tower, seed=seed, **choices))


def describe_rich(
    rows: str = "i8", *, tower: bool = True, seed: int = 1, **choices: Any
) -> dict[str, Any]:
    """What `rich` writes."""
    source = random.Random(seed + 1)  # noqa: S311 - nothing here is a secret
    titles = choices.pop("titles", TITLES)
    slots = 1 + sum(map(_width, choices.get("features", FEATURES)))
    count = sum(map(len, titles.values()))
    layers: list[list[Any]] = []
    if tower:
        layers = [_layer(source, "relu", slots, 16, "f32"), _layer(source, "tanh", 16, 8, "i8")]
    k = 8 if tower else slots
    explorer = choices.pop("explorer", ["thompson", 0.01, 1.0])
    made = describe(
        rows, explorer=explorer, titles=titles, seed=seed, k=k,
        tower=layers,
        cells=CELLS,
        attributes=ATTRIBUTES,
        masks=[source.choice([0b001, 0b001, 0b011, 0b101, 0b110, 0b010]) for _ in range(count)],
        variance={
            "codes": [[source.randint(150, 200) for _ in range(k)] for _ in range(count)],
            "scale": 1.0,
        },
    )  # fmt: skip
    if explorer[0] in ("softmax", "squarecb", "thompson", "ucb"):
        made["title_scale"] = [source.choice([0.5, 1.0, 2.0]) for _ in titles]
    return made | choices


def _layer(source: random.Random, kind: str, inputs: int, outputs: int, rows: str) -> list[Any]:
    bias = [source.uniform(-0.2, 0.2) for _ in range(outputs)]
    if rows == "f32":
        weights = [[source.gauss(0, 0.5) for _ in range(outputs)] for _ in range(inputs)]
        return [kind, outputs, rows, weights, bias]
    codes = [[source.randint(-127, 127) for _ in range(outputs)] for _ in range(inputs)]
    return [kind, outputs, rows, codes, [source.uniform(0.001, 0.01) for _ in range(outputs)], bias]


def twins(explorer: Sequence[Any], titles: int, artworks: int = 6) -> bytes:
    """Titles whose artworks have the same scores, so that all share one probability vector.

    The context plays no part: one feature, every weight 0, scores are the biases.
    """
    bias = [0.0, 0.4, -0.3, 0.9, 0.1, 0.6][:artworks]
    names = [f"a{a}" for a in range(artworks)]
    description = {
        "name": "twins",
        "explorer": list(explorer),
        "features": [["number", "x", 0.0, 1.0, 8.0, False]],
        "titles": {f"t{t}": names for t in range(titles)},
        "weights": [[0.0, 0.0]] * (titles * artworks),
        "bias": bias * titles,
    }
    return write(description)
