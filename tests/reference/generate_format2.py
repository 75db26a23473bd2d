# SPDX-License-Identifier: Apache-2.0
"""The vectors of policy2.json, math.json, and of explore.json what needs variances."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from . import sample, sample_format2
from .binary import round32, tiny
from .bundle import Bundle, open_bundle
from .decide import (
    Context,
    Decision,
    Limits,
    context_hash,
    explore,
    fallback,
    prepare,
    select,
    select_host,
)
from .explore import integers
from .exponential import FARTHEST, bell, exp, normal
from .features import Explorer
from .hexed import base64_of, hex64, hexf32, hexf64
from .score import variance_of
from .tower import tanh
from .write import pack, write

Pair = tuple[list[float], list[float]]
"""Scores and variances."""

UNCERTAIN = [
    ("thompson", 2.0**-20), ("thompson", 0.3), ("thompson", 1.0), ("thompson", 5.5),
    ("thompson", 2.0**20), ("ucb", 2.0**-20), ("ucb", 0.5), ("ucb", 2.0), ("ucb", 2.0**20),
]  # fmt: skip
FLOORS = [0.0, 0.01, 1 / 3, 1.0]


def _pairs() -> dict[str, Pair]:
    random_ = sample.seeded(7)
    wide = [random_.gauss(0, 1) for _ in range(256)]
    even = [0.04] * 12

    def apart(ratio: float) -> Pair:
        return [0.5, 0.25, 0.0], [1.0, 1.0 / ratio**2, 1.0]

    pairs: dict[str, Pair] = {
        "one": ([0.25], [0.5]),
        "one, certain": ([0.25], [0.0]),
        "two": ([0.5, 0.25], [0.04, 0.04]),
        "two, tied": ([0.5, 0.5], [0.04, 0.04]),
        "two, tied, one less certain": ([0.5, 0.5], [0.04, 1.0]),
        "two, tied, one certain": ([0.5, 0.5], [0.0, 1.0]),
        "two, the worse less certain": ([0.5, 0.25], [0.0, 1.0]),
        "two, the better less certain": ([0.5, 0.25], [1.0, 0.0]),
        "all certain": ([0.5, 0.25, 0.75], [0.0] * 3),
        "all certain, tied": ([0.75, 0.25, 0.75], [0.0] * 3),
        "two best certain and tied": ([0.75, 0.75, 0.5], [0.0, 0.0, 0.25]),
        "the certain best is out of reach": ([9.0, 1.0, 0.5], [0.0, 0.25, 0.25]),
        "negative": ([-3.0, -2.0, -1.0], [1.0, 0.5, 0.25]),
        "pruned": ([1.0, 0.9, -1.0, -50.0], [0.01, 0.01, 0.01, 0.01]),
        "pruned but for the uncertain": ([1.0, 0.9, -1.0, -50.0], [0.01, 0.01, 0.01, 200.0]),
        # −g + 4.5·σ and −g − 3.5·σ are exact here: the second is alive by equality, the third not.
        "at the edge of pruning": ([8.0, 0.0, -(2.0**-20)], [1.0, 1.0, 1.0]),
        "least variances": ([0.5, 0.5, 0.25], [2.0**-50] * 3),
        "least gaps": ([1.0, 1.0 - 2.0**-24, 1.0 - 2.0**-23], [2.0**-44, 2.0**-46, 2.0**-48]),
        "largest": ([2.0**49, -(2.0**49), 2.0**49], [2.0**69, 2.0**69, 2.0**60]),
        "bounds tied": ([0.5, 1.0, 0.75], [1.0, 0.25, 0.5625]),
        "all even": ([0.125] * 12, even),
        "even steps": ([round32(0.01 * i) for i in range(12)], even),
        "ten": (
            [random_.gauss(0, 0.3) for _ in range(10)],
            [random_.uniform(0.001, 0.2) for _ in range(10)],
        ),
        "ten, far apart": (
            [random_.gauss(0, 0.3) for _ in range(10)],
            [4.0 ** -random_.randint(0, 8) for _ in range(10)],
        ),
        "256": (wide, [random_.uniform(0.01, 1.0) for _ in wide]),
        "256, far apart": (wide, [4.0 ** -random_.randint(0, 6) for _ in wide]),
        "256, all even": ([0.0] * 256, [1.0] * 256),
        "256, all but two certain": (wide, [1.0 if i % 128 == 5 else 0.0 for i in range(256)]),
    }
    for ratio in (2, 5, 11, 24, 30, 32, 33, 1000):
        pairs[f"standard deviations 1:{ratio}"] = apart(ratio)
    return {
        name: ([tiny(round32(x)) for x in scores], [tiny(round32(x)) for x in variances])
        for name, (scores, variances) in pairs.items()
    }


def uncertain_vectors() -> dict[str, Any]:
    """What explore.json has for thompson and ucb."""
    pairs = _pairs()
    cases = []
    for name, (scores, variances) in pairs.items():
        large = len(scores) > 100
        for kind, parameter in UNCERTAIN:
            if large and parameter not in (0.3, 1.0, 2.0):
                continue
            for floor in FLOORS[: 2 if not large else 1 if kind == "ucb" else 2]:
                n = integers(Explorer(kind, floor, parameter), scores, variances)
                cases.append(
                    {
                        "pair": name,
                        "kind": kind,
                        "floor": hexf64(floor),
                        "parameter": hexf64(parameter),
                        "n": n,
                    }
                )
    return {
        "pairs": [
            {"name": name, "scores": list(map(hexf32, s)), "variances": list(map(hexf32, v))}
            for name, (s, v) in pairs.items()
        ],
        "uncertain": cases,
    }


def math_vectors() -> dict[str, Any]:
    """The content of math.json."""
    random_ = sample.seeded(13)
    xs = [0.0, -64.0, -64.00001, -0.34657359027997264, -1.0, -0.5, 2.0**-1074 * -1.0]
    xs += [-random_.uniform(0, 64) for _ in range(60)] + [-(2.0**-i) for i in range(0, 60, 3)]
    ys = [0.0, 2.0**-6, 2.0**-6 - 2.0**-30, 2.0**-50, 1.0, 2.0, 8.0, 9.010913848876953, 31.9, 32.0]
    ys += [2.0**19, *(random_.uniform(0, 10) for _ in range(60))]
    ys += [2.0 ** random_.uniform(-30, -5) for _ in range(30)]
    zs = [0.0, 2.0**-50, 0.5, 1.0, 5.9, 6.0, 7.0, 7.999999523162842, 8.0, 8.000000953674316, 100.0]
    zs += [random_.uniform(0, 8) for _ in range(100)]
    signed_ys = [sign * tiny(round32(y)) + 0.0 for y in ys for sign in (1.0, -1.0)]
    signed_zs = [sign * tiny(round32(z)) + 0.0 for z in zs for sign in (1.0, -1.0)]
    bells = {z: bell(min(abs(z), FARTHEST)) for z in signed_zs}
    return {
        "about": "decision.md §4.1, §5.1, §5.2, bundle.md §4.1. exp: x and exp(x), binary64. tanh: "
        "y and tanh(y), binary32. normal: z, E (steps 5 and 6) and the distribution function "
        "(step 7), binary32. variances: what the codes 0 to 255 stand for, binary32.",
        "exp": [[hexf64(x), hexf64(exp(x))] for x in xs],
        "tanh": [[hexf32(y), hexf32(tanh(y) + 0.0)] for y in signed_ys],
        "normal": [
            [hexf32(z), hexf32(e), hexf32(normal(z, min(abs(z), FARTHEST), e))]
            for z, e in bells.items()
        ],
        "variances": [hexf32(variance_of(code)) for code in range(256)],
    }


def _record(title: str, decision: Decision) -> list[Any]:
    return [
        title, decision.title, decision.row, decision.n, decision.total, hexf32(decision.score),
        decision.reason, decision.cell,
    ]  # fmt: skip


def _page(context: Context, titles: Sequence[str], limits: Limits) -> dict[str, Any]:
    return {
        "denied": limits.denied.hex(),
        "excluded": limits.excluded.hex(),
        "required": limits.required,
        "forbidden": limits.forbidden,
        "decisions": [_record(title, select(context, title, limits)) for title in titles],
        "fallbacks": [_record(t, fallback(context.bundle, t, limits)) for t in titles],
    }


def _context(random_: random.Random, bundle: Bundle, context_map: bytes) -> dict[str, Any]:
    seed = random_.choice([0, 1, 2**64 - 1, random_.getrandbits(64)])
    unit = random_.choice([0, random_.getrandbits(64), random_.getrandbits(64)])
    context = prepare(bundle, context_map, seed=seed, unit=unit)
    titles = [*(title.id for title in bundle.titles), "unheard of"]
    count, attributes = len(bundle.bias), len(bundle.attributes)
    asked = [Limits()] + [sample_format2.limits(random_, count, attributes) for _ in range(3)]
    return {
        "map": context_map.hex(),
        "seed": hex64(seed),
        "unit": hex64(unit),
        "cell": context.cell,
        "slots": list(map(hexf32, context.x)),
        "u": list(map(hexf32, context.u)),
        "scores": list(map(hexf32, context.scores)),
        "variances": list(map(hexf32, context.variances or [])),
        "n": [
            [n for title in bundle.titles for n in explore(context, title, cell, title.rows)]
            for cell in range(1 + len(bundle.cells.cells))
        ],
        "hash": hex64(context_hash(context)),
        "pages": [_page(context, titles, limits) for limits in asked],
        "hosts": [
            [*_record(title, select_host(context, title, k)), k]
            for title, k in (("unheard of", 1), ("été", 2), ("x" * 255, 7), ("t", 256))
        ],
    }


def format2_vectors() -> dict[str, Any]:
    """The content of policy2.json."""
    random_ = sample.seeded(21)  # with which every kind of layer and explorer occurs
    policies = []
    for index, explorer in enumerate([*sample_format2.EXPLORERS, *sample.EXPLORERS[::2]]):
        rows = ("i8", "f32")[index % 2]
        description = sample_format2.policy(random_, explorer=explorer, rows=rows, titles=4, most=7)
        features = description["features"]
        maps = [b"\x80", *(pack(sample.context(random_, features)) for _ in range(2))]
        plain = open_bundle(write(description))
        checks = [(each, context_hash(prepare(plain, each, seed=0))) for each in maps[:2]]
        data = write({**description, "vectors": checks})
        bundle = open_bundle(data)
        units = [0, 1, 2**64 - 1, *(random_.getrandbits(64) for _ in range(13))]
        policies.append(
            {
                "rows": rows,
                "bundle": base64_of(data),
                "cells": [[hex64(unit), bundle.cells.cell_of(unit)] for unit in units],
                "contexts": [_context(random_, bundle, each) for each in maps],
            }
        )
    return {
        "about": "decision.md §2.4, §4 to §8. cells: units and the cells they fall into. n: in "
        "each cell, of all rows. A decision or fallback: title asked for, title index, row, n, "
        "total, bits of the score, reason, cell; hosts: the same, then the number of artworks.",
        "policies": policies,
    }
