# SPDX-License-Identifier: Apache-2.0
"""Vowpal Wabbit as a learner: action-dependent features crossed with the context.

A round is a multi-line example: the context, then a line for each artwork of the title with the
one feature that names it. The cost of a reward r is −r, which is in [−1, 0] as Vowpal Wabbit
wants it. Decisions are drawn from its probabilities; the batch is learned with those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeart_export.simulate.bandit import Bandit, Floats, Ints

FIXED = ("--cb_explore_adf", "-b", "22", "--quiet")


class VowpalWabbit:
    """A Learner (edgeart_export.simulate.bandit).

    options: Vowpal Wabbit's, beside FIXED. replays: how often a batch is learned, one after
    another in a random order each; a mini-batch gives the online learner more to do.
    """

    def __init__(
        self, bandit: Bandit, *, options: Sequence[str], replays: int = 1, seed: int
    ) -> None:
        from vowpal_wabbit_next import TextFormatParser, Workspace  # noqa: PLC0415

        self.bandit, self.replays = bandit, replays
        self._vw: Any = Workspace([*FIXED, *options, "--random_seed", str(seed)])
        self._parse: Any = TextFormatParser(self._vw).parse_line
        self._rng = np.random.default_rng([seed, 31])
        self._shared = [_context(row) for row in bandit.vectors.tolist()]
        self._lines = [
            [f"|a {title}_{artwork}" for artwork in range(len(artworks))]
            for title, (_, artworks) in enumerate(bandit.names)
        ]

    def decide(self, rounds: Ints) -> tuple[Ints, Floats]:
        """Draws from the predicted probabilities."""
        artwork = np.empty(len(rounds), dtype=np.int64)
        propensity = np.empty(len(rounds))
        for place, i in enumerate(rounds.tolist()):
            found = self._vw.predict_one(self._example(i, self._lines[self.bandit.title[i]]))
            chances = np.array([chance for _, chance in found])
            drawn = int(self._rng.choice(len(chances), p=chances / chances.sum()))
            artwork[place], propensity[place] = found[drawn][0], chances[drawn]
        return artwork, propensity

    def learn(self, rounds: Ints, artwork: Ints, propensity: Floats, reward: Floats) -> None:
        """Learns the rounds, `replays` times."""
        for _ in range(self.replays):
            for place in self._rng.permutation(len(rounds)).tolist():
                i = int(rounds[place])
                lines = list(self._lines[self.bandit.title[i]])
                a = int(artwork[place])
                cost = -float(reward[place])
                lines[a] = f"0:{cost:g}:{propensity[place]:.6g} {lines[a]}"
                self._vw.learn_one(self._example(i, lines))

    def _example(self, i: int, lines: list[str]) -> list[Any]:
        return [self._parse(line) for line in (self._shared[i], *lines)]


def _context(vector: list[float]) -> str:
    # Vowpal Wabbit adds a constant of its own; ours is the last.
    words = (f"{slot}:{value:.6g}" for slot, value in enumerate(vector[:-1]) if value)
    return f"shared |c {' '.join(words)}"
