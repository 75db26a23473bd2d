# SPDX-License-Identifier: Apache-2.0
"""How an explanation reads."""

from __future__ import annotations

import edgeart
from edgeart.explain_view import lines_of
from tests.support.bundles import FULL, bundle

WEIGHTS = [[0.0] * 12 for _ in range(3)]
WEIGHTS[1][3] = 0.5  # country GB speaks for the second artwork
WEIGHTS[1][8] = -0.5  # the embedding's first element, which is 0.5, against it
WEIGHTS[0][8] = 0.25  # and for the first one


def policy(**more: object) -> edgeart.Policy:
    return edgeart.Policy.from_bytes(
        bundle("f32", explorer=["greedy", 0.0], titles={"t": ["first", "b", "c"]}, weights=WEIGHTS,
               bias=[0.0, 0.25, 2.0], **more)
    )  # fmt: skip


def test_an_explanation_is_a_table_with_signs_and_bars() -> None:
    explained = policy()
    context = explained.context(
        FULL | {"country": "GB", "hour": None, "taste": {"comedy": 0.7}}, seed=1
    )
    limits = explained.limits(denied={"t": ["c"]})
    assert lines_of(explained.explain(context, "t", limits=limits), context) == [
        "t",
        "  artwork  score      propensity",
        "  first    +0.125000  0.000000    runner-up",
        "  b        +0.500000  1.000000    chosen (recomputed)",
        "  c        +2.000000  0.000000    denied",
        "",
        "feature     value       score of b                 lead over first",
        "(baseline)              +0.250000                  +0.250000",
        "hour        (missing)   +0.000000         |        +0.000000              |",
        "country     GB          +0.500000         |++++++  +0.500000              |++++++",
        "taste       comedy 0.7  +0.000000         |        +0.000000              |",
        "embedding   0.5, -1, 2  -0.250000      ---|        -0.375000          ----|",
        "sum                     +0.500000                  +0.375000",
    ]


def test_without_another_artwork_there_is_no_lead_and_long_values_are_cut() -> None:
    explained = policy()
    context = explained.context({"taste": {f"word {i}": 1 for i in range(20)}}, seed=1)
    limits = explained.limits(candidates={"t": ["c"]})
    lines = lines_of(explained.explain(context, "t", limits=limits), context)
    assert lines[:4] == [
        "t",
        "  artwork  score      propensity",
        "  c        +2.000000  1.000000    chosen (policy)",
        "",
    ]
    assert lines[4] == "feature     value" + " " * 29 + "score of c"
    assert "word 0 1, word 1 1, word 2 1, w…" in lines[8]
    assert max(map(len, lines)) <= 100


def test_values_may_be_of_any_kind_a_context_takes() -> None:
    explained = policy()
    context = explained.context(
        {"hour": 9.5, "taste": ["comedy"], "embedding": bytes(12), "undeclared": {1: [None]}},
        seed=1,
    )
    text = "\n".join(lines_of(explained.explain(context, "t"), context))
    for part in ("hour        9.5", "comedy", "12 bytes", "(missing)"):
        assert part in text
    assert "undeclared" not in text


def test_where_nothing_may_be_shown_it_says_why() -> None:
    explained = policy()
    context = explained.context(FULL, seed=1)
    limits = explained.limits(candidates={"t": []})
    lines = lines_of(explained.explain(context, "t", limits=limits), context)
    assert lines[-1] == "no artwork may be shown: none"
