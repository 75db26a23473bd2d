# SPDX-License-Identifier: Apache-2.0
"""The plain values a policy describes itself and its decisions with; loaded when first asked for.

They are named tuples; `typing` costs more to import than the whole rest of the package, so that
nothing on the way to a decision imports this module.
"""

from __future__ import annotations

from typing import NamedTuple


class Explorer(NamedTuple):
    """How scores become probabilities (native/spec/decision.md §5)."""

    kind: str  # fixed, uniform, greedy, epsilon_greedy, softmax or squarecb
    floor: float  # smallest probability of a candidate, as declared
    parameter: float  # epsilon, temperature or gamma; 0.0 for kinds without


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
    """All artworks of one title in row order; the views have one element per candidate.

    A candidate's propensity is n / total.
    """

    artworks: tuple[str, ...]
    rows: memoryview[int]  # 'I'
    n: memoryview[int]  # 'I', 0 for a denied candidate
    scores: memoryview[float]  # 'f'
    denied: memoryview[int]  # 'I', 0 or 1
    total: int


class ExplainedArtwork(NamedTuple):
    """Where one candidate's score comes from: score = bias + intercept + the features' parts.

    The parts are computed in binary64 from the weights as they act, the score in binary32, so
    that the sum holds to binary32 rounding.
    """

    artwork: str
    row: int
    score: float
    propensity: float
    denied: bool
    bias: float
    intercept: float  # what the always-on slot adds
    features: dict[str, float]  # what each feature adds, in declared order


class Explanation(NamedTuple):
    """Which features spoke for which artwork of a title."""

    title: str
    artworks: tuple[ExplainedArtwork, ...]  # in row order, the first is the title's default
