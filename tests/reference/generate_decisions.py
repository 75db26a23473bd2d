# SPDX-License-Identifier: Apache-2.0
"""The vectors of explore.json and policy.json: integers, draws and decisions to the bit."""

from __future__ import annotations

import random
from typing import Any

from . import sample
from .binary import round32, tiny
from .bundle import open_bundle
from .decide import Context, Limits, context_hash, prepare, select
from .explore import integers
from .features import Explorer
from .hexed import base64_of, hex64, hexf32, hexf64
from .write import pack, write

FLOORS = [0.0, 2.0**-31, 2.0**-32, 0.01, 1 / 3, 0.1 + 0.2, 0.99, 1.0]
SETTINGS = [
    ("fixed", 0.0),
    ("uniform", 0.0),
    ("greedy", 0.0),
    ("epsilon_greedy", 0.0),
    ("epsilon_greedy", 0.1),
    ("epsilon_greedy", 1.0),
    ("softmax", 2.0**-20),
    ("softmax", 0.1),
    ("softmax", 1.0),
    ("softmax", 2.0**20),
    ("squarecb", 0.0),
    ("squarecb", 3.7),
    ("squarecb", 1000.0),
    ("squarecb", 2.0**40),
]
LARGEST = 1048575.9375


def _score_lists() -> dict[str, list[float]]:
    random_ = sample.seeded(5)
    lists = {
        "one": [0.25],
        "two": [0.5, 0.25],
        "two, tied": [0.5, 0.5],
        "all tied": [0.125] * 7,
        "best tied, later": [0.0, 1.0, 0.5, 1.0],
        "best last": [-3.0, -2.0, -1.0],
        "extreme gaps": [LARGEST, -LARGEST, 0.0, 2.0**-50],
        "least gaps": [1.0, 1.0 - 2.0**-24, 1.0 - 2.0**-23, 1.0 + 2.0**-23],
        "softmax at its end": [0.0, -64.0, -64.00001, -63.99999, -6.4, -6.400001],
        "steps of ln 2 / 2": [round32(-0.34657359027997264 * i) for i in range(24)],
        "ten": [random_.gauss(0, 0.3) for _ in range(10)],
        "256": [random_.gauss(0, 1) for _ in range(256)],
        "256, tied": [0.0] * 256,
    }
    return {name: [tiny(round32(score)) for score in its] for name, its in lists.items()}


def explore_vectors() -> dict[str, Any]:
    """The content of explore.json."""
    cases = []
    for name, scores in _score_lists().items():
        for kind, parameter in SETTINGS:
            few = len(scores) > 100 and kind not in ("softmax", "squarecb")
            for floor in (0.0,) if few else FLOORS[:: 3 if len(scores) > 100 else 1]:
                if len(scores) > 100 and floor == 0.01:
                    continue
                cases.append(
                    {
                        "scores": name,
                        "kind": kind,
                        "floor": hexf64(floor),
                        "parameter": hexf64(parameter),
                        "n": integers(Explorer(kind, floor, parameter), scores),
                    }
                )
    return {
        "about": "decision.md §5. scores: name of a list; floor and parameter: bits of binary64 "
        "(parameter 0 for kinds without). uncertain: the kinds that need variances, pair: name of "
        "lists of scores and variances.",
        "scores": [
            {"name": name, "bits": [hexf32(score) for score in its]}
            for name, its in _score_lists().items()
        ],
        "cases": cases,
    }


def _decisions(context: Context, titles: list[str], denied: bytes) -> dict[str, Any]:
    records = []
    for title in titles:
        decision = select(context, title, Limits(denied))
        records.append(
            [
                title,
                decision.title,
                decision.row,
                decision.n,
                decision.total,
                hexf32(decision.score),
                decision.reason,
            ]
        )
    return {"denied": denied.hex(), "decisions": records}


def _denials(random_: random.Random, count: int) -> list[bytes]:
    return [b"", b"\xff" * (count // 8 + 1), *(sample.denied(random_, count) for _ in range(3))]


def policy_vectors() -> dict[str, Any]:
    """The content of policy.json."""
    random_ = sample.seeded(11)
    policies = []
    for index, explorer in enumerate([*sample.EXPLORERS, ["softmax", 0.0, 2.0**-20]]):
        rows = ("i8", "f32")[index % 2]
        description = sample.policy(random_, explorer=explorer, rows=rows, titles=5)
        data = write(description)
        bundle = open_bundle(data)
        contexts = []
        maps: list[dict[str, object]] = [{}] + [
            sample.context(random_, description["features"]) for _ in range(3)
        ]
        for position, fields in enumerate(maps):
            seed = random_.choice([0, 1, 2**64 - 1, random_.getrandbits(64)])
            context_map = pack(fields)
            context = prepare(bundle, context_map, seed=seed)
            titles = [*description["titles"], "unheard of"]
            its_n = [
                integers(bundle.explorer, context.scores[t.first : t.first + len(t.artworks)])
                for t in bundle.titles
            ]
            denials = _denials(random_, len(bundle.bias))
            contexts.append(
                {
                    "map": context_map.hex(),
                    "seed": hex64(seed),
                    "slots": [hexf32(x) for x in context.x],
                    "scores": [hexf32(score) for score in context.scores],
                    "n": [n for title in its_n for n in title],
                    "hash": hex64(context_hash(context)),
                    "pages": [
                        _decisions(context, titles, denied)
                        for denied in denials[: 5 if position else 2]
                    ],
                }
            )
        policies.append({"rows": rows, "bundle": base64_of(data), "contexts": contexts})
    return {
        "about": "decision.md §4 to §8. A decision: title asked for, title index, row, n, total, "
        "bits of the score, reason. denied: the bitmap over rows.",
        "policies": policies,
    }
