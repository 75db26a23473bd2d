# SPDX-License-Identifier: Apache-2.0
"""Rounds of which every reward is known, and learners that decide them batch by batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..model import check_titles
from ..schema import FeatureSchema

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bandit:
    """n rounds; in each one title is asked for in one context, and every artwork's chance is known.

    schema, titles: as for a trainer. contexts: n field maps, each as MessagePack. title: int [n],
    an index in `titles`. chance: float64 [n, K], K the most artworks of a title: the chance (0 to
    1) that the artwork earns the reward 1 instead of 0; NaN past the artworks of the round's title.
    luck: float64 [n], 0 to 1: an artwork earns where its chance is above, so that all learners
    meet the same luck. Raises DataError where these do not fit each other.
    """

    name: str
    schema: FeatureSchema
    titles: Mapping[str, Sequence[str]]
    contexts: Sequence[bytes]
    title: Ints
    chance: Floats
    luck: Floats

    def __post_init__(self) -> None:
        titles = check_titles(self.titles)
        object.__setattr__(self, "titles", titles)
        for name in ("title", "chance", "luck"):
            if len(getattr(self, name)) != len(self):
                raise DataError(
                    f"{self.name}: {len(getattr(self, name))} values of {name} for {len(self)} "
                    f"contexts"
                )
        counts = np.array([len(artworks) for artworks in titles.values()])
        if ((self.title < 0) | (self.title >= len(titles))).any():
            raise DataError(f"{self.name}: title must be an index of {len(titles)} titles")
        given = np.arange(self.chance.shape[1]) < counts[self.title][:, None]
        if self.chance.shape[1] < counts.max() or (np.isfinite(self.chance) != given).any():
            raise DataError(f"{self.name}: every artwork of a round's title needs a chance")
        if ((self.chance[given] < 0) | (self.chance[given] > 1)).any():
            raise DataError(f"{self.name}: chances must be 0 to 1")

    def __len__(self) -> int:
        return len(self.contexts)

    @cached_property
    def vectors(self) -> npt.NDArray[np.float32]:
        """The encoded contexts, the intercept last: float32 [n, schema.width]."""
        return self.schema.encode_many(self.contexts)

    @cached_property
    def names(self) -> list[tuple[str, Sequence[str]]]:
        """Every title with its artworks, by index."""
        return list(self.titles.items())

    @property
    def uniform(self) -> float:
        """The mean reward of choosing any artwork alike."""
        return float(np.nanmean(self.chance, axis=1).mean())

    @property
    def best(self) -> float:
        """The mean reward of always choosing an artwork of the largest chance."""
        return float(np.nanmax(self.chance, axis=1).mean())

    def reward(self, rounds: Ints, artwork: Ints) -> Floats:
        """What the artworks earn in these rounds: 0 or 1, [m]."""
        earned: Floats = (self.luck[rounds] < self.chance[rounds, artwork]).astype(np.float64)
        return earned

    def score(self, artwork: Ints) -> float:
        """(reward − uniform) / (best − uniform) of one artwork a round, [n], as indices.

        The reward is the mean chance of what was chosen: what it would earn without luck.
        """
        chosen = float(self.chance[np.arange(len(self)), artwork].mean())
        return (chosen - self.uniform) / (self.best - self.uniform)


class Learner(Protocol):
    """What decides rounds of a Bandit and learns from what they earned.

    It may look at the bandit's schema, titles, contexts and vectors, not at chances and luck.
    """

    def decide(self, rounds: Ints) -> tuple[Ints, Floats]:
        """For each round the artwork, an index in its title, and the propensity: [m], [m]."""

    def learn(self, rounds: Ints, artwork: Ints, propensity: Floats, reward: Floats) -> None:
        """Takes in what the decisions of these rounds earned: [m] each."""


@dataclass(frozen=True, eq=False)
class Progress:
    """What a learner chose in every round, [n]: artwork (index in the title) and propensity."""

    artwork: Ints
    propensity: Floats


def progressive(bandit: Bandit, learner: Learner, *, batch: int = 100, delay: int = 0) -> Progress:
    """Lets a learner decide all rounds in order and learn after each batch.

    batch: rounds that are decided before the learner hears what they earned. delay: the learner
    hears of a batch only when so many further batches have been decided. What would be heard
    after the last decision is not told. Raises ValueError for a batch below 1, a delay below 0.
    """
    if batch < 1 or delay < 0:
        raise ValueError(f"batch {batch} must be 1 or more, delay {delay} 0 or more")
    artwork = np.empty(len(bandit), dtype=np.int64)
    propensity = np.empty(len(bandit))
    waiting: deque[Ints] = deque()
    for rounds in batches(len(bandit), batch):
        if len(waiting) > delay:
            heard = waiting.popleft()
            learner.learn(
                heard, artwork[heard], propensity[heard], bandit.reward(heard, artwork[heard])
            )
        artwork[rounds], propensity[rounds] = learner.decide(rounds)
        waiting.append(rounds)
    return Progress(artwork, propensity)


def batches(count: int, size: int) -> Iterator[Ints]:
    """0 to count − 1 in order, `size` at a time; the last may be shorter."""
    for first in range(0, count, size):
        yield np.arange(first, min(first + size, count))
