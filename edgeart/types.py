# SPDX-License-Identifier: Apache-2.0
"""The plain values a policy describes itself and its decisions with; loaded when first asked for.

They are named tuples; `typing` costs more to import than the whole rest of the package, so that
nothing on the way to a decision imports this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from edgeart.decision import Decision


class Explorer(NamedTuple):
    """How scores become probabilities (native/spec/decision.md §5)."""

    kind: str  # fixed, uniform, greedy, epsilon_greedy, softmax, squarecb, thompson or ucb
    floor: float  # smallest probability of a candidate, as declared
    parameter: float  # epsilon, temperature, gamma, alpha or beta; 0.0 for kinds without


class Cell(NamedTuple):
    """A share of the units with an explorer of its own (native/spec/decision.md §2.4)."""

    name: str
    share: float  # of all units, as declared
    explorer: Explorer


class Layer(NamedTuple):
    """One layer of the tower (native/spec/bundle.md §6.1)."""

    activation: str  # identity, relu or tanh
    inputs: int
    outputs: int
    rows: str  # how its weights are stored: f32 or i8


class Feature(NamedTuple):
    """One declared input and the slots it fills (native/spec/bundle.md §6)."""

    kind: str  # number, category, weights or vector
    name: str
    first: int  # its first slot
    width: int  # its number of slots
    words: tuple[str, ...]  # vocabulary in slot order; empty for number and vector
    indicator: bool  # number: a second slot marks a missing value
    centre: float  # number
    scale: float  # number
    clip: float  # number and vector


class Report(NamedTuple):
    """What the encoder met in a context, as counts."""

    missing: int  # declared features without a usable value
    other: int  # words outside their vocabulary
    clipped: int  # numbers pulled back to their clip
    ignored: int  # undeclared fields


class Candidates(NamedTuple):
    """The candidates of one title in row order; the views have one element per candidate.

    A candidate's propensity is n / total.
    """

    artworks: tuple[str, ...]
    rows: memoryview[int]  # 'I'
    n: memoryview[int]  # 'I', 0 for a denied candidate
    scores: memoryview[float]  # 'f'
    denied: memoryview[int]  # 'I', 0 or 1
    total: int


class ExplainedArtwork(NamedTuple):
    """Where one candidate's score comes from: score = baseline + what each feature added.

    Without a tower a feature adds the sum of u·w over its slots, and the baseline is the bias with
    the intercept: computed in binary64 from weights as they act, so that the sum is the score up
    to binary32 rounding. With a tower the baseline is the score of the empty context, and what a
    feature adds is what happens to the score when its value takes the place of *missing*: once
    with the features before it already there, once with those after it, and the mean of both.
    Either way round all steps together lead from the one score to the other, so that the sum holds
    up to binary64 rounding. (Permutation sampling of Shapley values: Castro, Gómez, Tejada 2009,
    with one antithetic pair of permutations: Mitchell, Cooper, Frank, Holmes 2022, §4.)
    """

    artwork: str
    row: int
    score: float
    propensity: float
    denied: bool
    bias: float
    intercept: float  # what a context without any feature adds to the bias
    features: dict[str, float]  # what each feature adds, in declared order

    @property
    def baseline(self) -> float:
        """The score before any feature has spoken: bias + intercept."""
        return self.bias + self.intercept


class Explanation(NamedTuple):
    """Which features spoke for which candidate of a title, and for the one that was chosen.

    The lead is the chosen artwork's score less the runner-up's, the best score among the other
    candidates that are not denied: below 0 where the explorer chose another than the best.
    """

    title: str
    artworks: tuple[ExplainedArtwork, ...]  # the candidates in row order
    decision: Decision
    runner_up: str | None  # None where there is no other to be shown, or no choice
    lead: dict[str, float]  # what each feature adds to the lead; empty without a runner-up

    @property
    def chosen(self) -> ExplainedArtwork | None:
        """The artwork that was chosen, if any."""
        return self._named(self.decision.artwork)

    @property
    def baseline(self) -> float:
        """The chosen artwork's baseline; 0.0 where none was chosen."""
        return 0.0 if self.chosen is None else self.chosen.baseline

    @property
    def lead_baseline(self) -> float:
        """What the lead was before any feature has spoken; 0.0 without a runner-up."""
        other = self._named(self.runner_up)
        return 0.0 if other is None else self.baseline - other.baseline

    def _named(self, name: str | None) -> ExplainedArtwork | None:
        return next((a for a in self.artworks if a.artwork == name), None)
