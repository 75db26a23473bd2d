# SPDX-License-Identifier: Apache-2.0
"""Random but reproducible policies, contexts and denials for vectors and agreement tests."""

from __future__ import annotations

import random
from typing import Any

from .binary import round32, tiny
from .write import width

EXPLORERS: list[list[Any]] = [
    ["fixed", 0.0],
    ["fixed", 0.01],
    ["uniform", 0.0],
    ["greedy", 0.0],
    ["greedy", 0.05],
    ["epsilon_greedy", 0.0, 0.1],
    ["epsilon_greedy", 0.002, 1.0],
    ["softmax", 0.0, 0.25],
    ["softmax", 0.01, 3.0],
    ["squarecb", 0.0, 10.0],
    ["squarecb", 0.004, 1000.0],
]
"""Of every kind, with and without a floor."""

WORDS = ["", "action", "comedy", "drama", "romance", "crime", "été", "日本", "🎬", "x" * 255]


def seeded(seed: int) -> random.Random:
    """A generator that repeats itself; its numbers are for tests, not secrets."""
    return random.Random(seed)  # noqa: S311


def clean(random_: random.Random, spread: float) -> float:
    """A clean binary32 of about this size; every tenth is 0 and some are extreme."""
    roll = random_.random()
    if roll < 0.1:
        return 0.0
    if roll < 0.12:
        return random_.choice([2.0**-50, -(2.0**-50), 1048575.9375, -1048575.9375])
    return tiny(round32(random_.gauss(0.0, spread)))


def features(random_: random.Random) -> list[list[Any]]:
    """One to six features of any kind."""
    made: list[list[Any]] = []
    for index in range(random_.randint(1, 6)):
        kind, name = random_.choice(["number", "category", "weights", "vector"]), f"f{index}"
        if kind == "number":
            centre, scale = random_.uniform(-20, 20), random_.choice([1.0, 6.0, 0.37])
            made.append([kind, name, centre, scale, 8.0, random_.random() < 0.5])
        elif kind == "vector":
            made.append([kind, name, random_.randint(1, 12), 100.0])
        else:
            made.append([kind, name, random_.sample(WORDS, random_.randint(1, len(WORDS)))])
    return made


def slots(described: list[list[Any]]) -> int:
    """The length of u for these features."""
    return 1 + sum(map(width, described))


def policy(
    random_: random.Random, *, explorer: list[Any], rows: str, titles: int, most: int = 12
) -> dict[str, Any]:
    """A description for `write` with 1 to `most` artworks a title."""
    described = features(random_)
    k = slots(described)
    made = {
        f"title-{index}": [f"artwork-{i}" for i in range(random_.randint(1, most))]
        for index in range(titles)
    }
    count = sum(map(len, made.values()))
    result: dict[str, Any] = {
        "name": random_.choice(["row", "hero.v2", "A", "0_a-b"]),
        "sequence": random_.choice([1, 12, 2**31, 2**53 - 1]),
        "meta": {"made": "by tests.reference.sample"},
        "explorer": explorer,
        "features": described,
        "titles": made,
        "rows": rows,
    }
    return result | numbers(random_, rows, count, k)


def numbers(random_: random.Random, rows: str, count: int, k: int) -> dict[str, Any]:
    """Bias, weights and, for i8, scales of a description: count rows of k."""
    bias = [clean(random_, 0.2) for _ in range(count)]
    if rows == "f32":
        weights = [[clean(random_, 0.5) for _ in range(k)] for _ in range(count)]
        return {"bias": bias, "weights": weights}
    codes = [
        [random_.choice([-127, 127, 0, random_.randint(-127, 127)]) for _ in range(k)]
        for _ in range(count)
    ]
    scales = [abs(clean(random_, 0.01)) for _ in range(count)]
    return {"bias": bias, "weights": codes, "scales": scales}


def value(random_: random.Random, feature: list[Any]) -> object:
    """A value that this feature accepts."""
    kind, _, *rest = feature
    if random_.random() < 0.1:
        return None
    if kind == "number":
        return random_.choice([random_.uniform(-50, 50), random_.randint(-300, 300), 1e300])
    if kind == "category":
        return random_.choice([*rest[0], "unheard of"])
    if kind == "vector":
        return [random_.gauss(0.0, 2.0) for _ in range(rest[0])]
    words = random_.sample([*rest[0], "unheard of"], random_.randint(0, len(rest[0])))
    if random_.random() < 0.3:
        return words + words[:1]
    return {word: random_.choice([random_.random(), 1, -0.5, None]) for word in words}


def context(random_: random.Random, described: list[list[Any]]) -> dict[str, object]:
    """A map with most of the fields that these features declare, and some that they do not."""
    chosen = [feature for feature in described if random_.random() < 0.85]
    random_.shuffle(chosen)
    made = {feature[1]: value(random_, feature) for feature in chosen}
    if random_.random() < 0.3:
        made["undeclared"] = [1, {"a": b"b"}, None]
    return made


def denied(random_: random.Random, count: int) -> bytes:
    """A bitmap over about this many rows, of any density, often shorter than the rows."""
    density = random_.choice([0.0, 0.1, 0.5, 0.9, 1.0])
    bits = [random_.random() < density for _ in range(count)]
    size = random_.choice([(count + 7) // 8, count // 16, (count + 7) // 8 + 2])
    value_ = sum(1 << row for row, bit in enumerate(bits) if bit)
    return value_.to_bytes((count + 7) // 8, "little").ljust(size, b"\0")[:size]
