# SPDX-License-Identifier: Apache-2.0
"""Worlds whose truth is known: random policies log in them, and others are to be estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

import edgeart
from edgeart_export import (
    Category,
    EpsilonGreedy,
    Explorer,
    FeatureSchema,
    Fixed,
    GivenModel,
    Greedy,
    Log,
    Number,
    PolicyModel,
    Softmax,
    SquareCB,
    Thompson,
    Ucb,
    Uniform,
    Weights,
    bundle_bytes,
)
from edgeart_export.evaluate import propensities
from edgeart_export.evaluate.reward_models import Prediction
from edgeart_export.examples import sample

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SCHEMA = FeatureSchema(
    [
        Category("country", ["US", "GB", "BR", "JP"]),
        Weights("taste", ["comedy", "romance", "drama", "crime", "action", "music"]),
        Number("hour", mean=12, std=6),
    ]
)
TITLES = {f"title-{t}": [f"art-{a}" for a in range(3 + t % 4)] for t in range(8)}
POOL = 500  # distinct contexts of a world
PAGE = (2, 8)  # titles of a page, all sizes alike probable
ROWS = (4000, 60_000)  # of a log
WORTH = 2000  # rows of the target policy's own that a log shall be worth at least

# As bundle.md writes a decision down: 24 bytes.
RECORD = np.dtype(
    [("title", "<u4"), ("row", "<u4"), ("n", "<u4"), ("total", "<u4"), ("score", "<f4"),
     ("reason", "<u2"), ("cell", "<u2")]
)  # fmt: skip


def explorers(rng: np.random.Generator) -> dict[str, Explorer]:
    """One of each kind, with a floor of 1 % at least: what logs can be evaluated."""

    def floor(least: float, most: float) -> float:
        return float(rng.uniform(least, most))

    made: tuple[Explorer, ...] = (
        # What would be certain gets a larger floor: else a log of a size that can be handled is
        # worth too few rows.
        Fixed(floor=floor(0.03, 0.06)),
        Greedy(floor=floor(0.03, 0.06)),
        Ucb(float(rng.uniform(0.5, 2)), floor=floor(0.03, 0.06)),
        Uniform(floor=0.01),
        EpsilonGreedy(float(rng.uniform(0.1, 0.5)), floor=floor(0.01, 0.05)),
        Softmax(float(rng.uniform(0.1, 0.5)), floor=floor(0.01, 0.05)),
        SquareCB(float(rng.uniform(5, 50)), floor=floor(0.01, 0.05)),
        Thompson(float(rng.uniform(0.5, 2)), floor=floor(0.01, 0.05)),
    )
    return {explorer.kind: explorer for explorer in made}


@dataclass(frozen=True)
class World:
    """What is true, who logs, and whom to estimate.

    reward: float64 [POOL, R], the mean reward of every row in every context. model: a reward model
    for DR, as wrong as models are.
    """

    contexts: Sequence[Mapping[str, object]]
    reward: Floats
    logging: edgeart.Policy
    targets: Sequence[edgeart.Policy]
    model: PolicyModel

    @classmethod
    def random(cls, kind: str, number: int) -> World:
        """The world of this number for an explorer; the same in every run."""
        rng = np.random.default_rng([number, *kind.encode()])
        contexts = sample(SCHEMA, POOL, seed=int(rng.integers(2**31)))
        x = SCHEMA.encode_many(contexts).astype(np.float64)
        count = sum(map(len, TITLES.values()))
        effects = rng.normal(0, 0.8, (count, SCHEMA.width))
        reward = 0.05 + 0.5 / (1 + np.exp(1 - x @ effects.T))
        # In units of the reward around its mean, so that explorers meet gaps of a tenth or two.
        near = 0.1 * effects + rng.normal(0, 0.05, effects.shape)
        variance = (0.1 / (1 + rng.exponential(50, effects.shape))).astype(np.float32)

        def policy(explorer: Explorer, weights: Floats, name: str) -> edgeart.Policy:
            bias = rng.normal(0, 0.05, count).astype(np.float32)
            rows = weights.astype(np.float32)
            model = PolicyModel(
                name, number + 1, SCHEMA, TITLES, rows, bias, explorer, variance=variance
            )
            return edgeart.Policy.from_bytes(bundle_bytes(model))

        return cls(
            contexts=contexts,
            reward=reward,
            logging=policy(explorers(rng)[kind], near + rng.normal(0, 0.05, near.shape), "logging"),
            targets=[
                policy(SquareCB(20.0, floor=0.01), near, "near"),
                policy(Thompson(floor=0.01), near + rng.normal(0, 0.1, near.shape), "off"),
                policy(EpsilonGreedy(0.2), rng.normal(0, 0.1, near.shape), "strange"),
            ],
            model=PolicyModel(
                "reward",
                1,
                SCHEMA,
                TITLES,
                (0.8 * near).astype(np.float32),
                np.full(count, 0.2, np.float32),
                Greedy(),
            ),
        )

    @cached_property
    def shares(self) -> list[Floats]:
        """Per policy, the logging one first, what it shows with which probability: [POOL, R]."""
        return [self._shares(policy) for policy in (self.logging, *self.targets)]

    @cached_property
    def predictions(self) -> Floats:
        """What the reward model says: [POOL, R]."""
        found = np.zeros_like(self.reward)
        predicted = GivenModel(self.model).predict(self._every())
        for title, prediction in predicted.items():
            found[prediction.rows % POOL, _part(title)] = prediction.values
        return found

    def _shares(self, policy: edgeart.Policy) -> Floats:
        found = np.zeros_like(self.reward)
        for title, target in propensities(policy, self._every()).items():
            found[target.rows % POOL, _part(title)] = target.values
        return found

    def _every(self) -> Log:
        """Every title in every context once; row modulo POOL is the context."""
        count = POOL * len(TITLES)
        return Log(
            contexts=[*self.contexts] * len(TITLES),
            title=[title for title in TITLES for _ in range(POOL)],
            artwork=[artworks[0] for artworks in TITLES.values() for _ in range(POOL)],
            reward=np.zeros(count),
            propensity=np.ones(count),
        )

    @cached_property
    def truth(self) -> list[float]:
        """The value of each target policy: the mean reward of a title's picture."""
        return [
            float((shares * self.reward).sum() / (POOL * len(TITLES))) for shares in self.shares[1:]
        ]

    @cached_property
    def rows(self) -> int:
        """As many rows as make a log worth WORTH rows of every target, within ROWS."""
        logging = self.shares[0]
        squares = [
            (np.divide(shares**2, logging, where=logging > 0, out=np.zeros_like(logging))).sum()
            for shares in self.shares[1:]
        ]
        wanted = WORTH * max(squares) / (POOL * len(TITLES))
        return int(np.clip(wanted, *ROWS))

    def log(self, seed: int) -> tuple[Log, Ints]:
        """A log of so many rows, and the context in the pool of each.

        A cluster is a page of one member, who plays more or less than others: its rows depend on
        each other. All choices are made by `Policy.select_page`, the propensities are its own.
        """
        rng = np.random.default_rng(seed)
        names, titles = list(TITLES), []
        pages, places, groups = [], [], []
        for group in range(self.rows // (sum(PAGE) // 2)):
            place = int(rng.integers(POOL))
            shown = [names[t] for t in rng.permutation(len(names))[: rng.integers(PAGE[0], 9)]]
            context = self.logging.context(
                self.contexts[place], seed=int(rng.integers(2**63)), unit=group
            )
            page = self.logging.select_page(context, shown)
            pages.append(np.frombuffer(page.raw, RECORD))
            titles += shown
            places += [place] * len(shown)
            groups += [group] * len(shown)
        made, place_of, cluster = np.concatenate(pages), np.array(places), np.array(groups)
        member = rng.uniform(0.4, 1.6, cluster[-1] + 1)[cluster]
        row = made["row"].astype(np.int64)
        log = Log(
            contexts=[self.contexts[place] for place in places],
            title=titles,
            artwork=[ARTWORKS[r] for r in row.tolist()],
            reward=(rng.random(len(row)) < member * self.reward[place_of, row]).astype(np.float64),
            propensity=made["n"] / made["total"],
            cluster=cluster,
        )
        return log, place_of

    def gathered(self, values: Floats, log: Log, places: Ints) -> dict[str, Prediction]:
        """Of values [POOL, R] those that `propensities` or `predict` would give for the log."""
        title = np.array(log.title)
        found = {}
        for name in dict.fromkeys(log.title):
            rows = np.flatnonzero(title == name)
            found[name] = Prediction(rows, TITLES[name], values[places[rows], _part(name)])
        return found


class Gathered:
    """A reward model that has predicted already."""

    def __init__(self, predictions: dict[str, Prediction]) -> None:
        self._predictions = predictions

    def predict(self, log: Log) -> dict[str, Prediction]:  # noqa: ARG002 - made for one log
        """What was predicted for the log."""
        return self._predictions


def _part(title: str) -> slice:
    """The rows of a title."""
    first = 0
    for name, artworks in TITLES.items():
        if name == title:
            break
        first += len(artworks)
    return slice(first, first + len(TITLES[title]))


ARTWORKS = [artwork for artworks in TITLES.values() for artwork in artworks]
