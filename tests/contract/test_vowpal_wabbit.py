# SPDX-License-Identifier: Apache-2.0
"""The explorers against Vowpal Wabbit's, where the two define the same thing.

Vowpal Wabbit predicts costs: cost = −score. The same are `--epsilon ε`, `--softmax --lambda 1/τ`,
and `--squarecb` with a γ that does not grow with the number of examples (`--gamma_exponent 0`) and
μ = K. Not the same: a floor (it raises small probabilities instead of mixing), bests that are tied
under ε-greedy, and its Thompson-like explorers (bagging, cover), which have no closed form.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from tests.reference import sample
from tests.reference.binary import round32
from tests.reference.features import Explorer
from tests.support.core import core_integers

vw: Any = pytest.importorskip(
    "vowpal_wabbit_next", reason="vowpal-wabbit-next, of the bench group, is the other opinion"
)

# Every weight is 1 and an action's one feature is its cost, so that the prediction is the cost.
GIVEN_COSTS = (
    "--cb_explore_adf", "--noconstant", "--initial_weight", "1",
    "--min_prediction", "-1000000", "--max_prediction", "1000000",
)  # fmt: skip


class Peer:
    """Vowpal Wabbit with one explorer."""

    def __init__(self, *options: str) -> None:
        self.workspace = vw.Workspace([*GIVEN_COSTS, *options])
        self.parse = vw.TextFormatParser(self.workspace).parse_line

    def probabilities(self, scores: Sequence[float]) -> list[float]:
        """In the order of the scores."""
        lines = ["shared |s y:0", *(f"|a x:{-score!r}" for score in scores)]
        found = self.workspace.predict_one([self.parse(line) for line in lines])
        return [probability for _, probability in sorted(found)]


def score_lists(random_: random.Random) -> list[list[float]]:
    """Lists of distinct scores; not 0, which would be no feature at all."""
    lists = []
    for count in (1, 2, 3, 10, 10, 40):
        for spread in (0.01, 0.3, 5.0):
            made: set[float] = set()
            while len(made) < count:
                made.add(round32(random_.gauss(0.0, spread)) or 1.0)
            lists.append(random_.sample(sorted(made), count))
    return lists


CASES = [
    ("uniform", 0.0, ("--epsilon", "1")),
    ("greedy", 0.0, ("--epsilon", "0")),
    ("epsilon_greedy", 0.2, ("--epsilon", "0.2")),
    ("softmax", 0.4, ("--softmax", "--lambda", "2.5")),
    ("softmax", 4.0, ("--softmax", "--lambda", "0.25")),
    ("squarecb", 10.0, ("--squarecb", "--gamma_scale", "10", "--gamma_exponent", "0")),
    ("squarecb", 700.0, ("--squarecb", "--gamma_scale", "700", "--gamma_exponent", "0")),
]


@pytest.mark.parametrize(("kind", "parameter", "options"), CASES)
def test_probabilities_are_vowpal_wabbits(
    kind: str, parameter: float, options: tuple[str, ...]
) -> None:
    peer = Peer(*options)
    for scores in score_lists(sample.seeded(23)):
        n = core_integers(Explorer(kind, 0.0, parameter), scores, None)
        theirs = peer.probabilities(scores)
        assert len(theirs) == len(n)
        for ours, other in zip(n, theirs, strict=True):
            assert abs(ours / 2**31 - other) <= 1e-6, (kind, scores)
