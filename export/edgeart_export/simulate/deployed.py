# SPDX-License-Identifier: Apache-2.0
"""A trainer as its users run it: the bundle that it exports decides, edgeart opens and draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

import edgeart

from ..bundle import bundle_bytes
from ..model import PolicyModel
from ..model.explorers import Explorer
from ..model.tower import Rows
from .bandit import Bandit, Floats, Ints


class Trainer(Protocol):
    """What `Deployed` asks of a trainer."""

    def partial_fit(self, batch: Any) -> Any:
        """Learns from a batch (trainers.Batch)."""

    def to_model(self, name: str, sequence: int, explorer: Explorer | None = None) -> PolicyModel:
        """The model learned so far."""


class Deployed:
    """A Learner: after every batch the trainer's model is exported and opened as a policy.

    explorer: what the bundle explores with; None is what the trainer has by default. rows: form of
    its rows. seed: decides all draws; every round has a context of its own seed.
    """

    def __init__(
        self,
        bandit: Bandit,
        trainer: Trainer,
        *,
        seed: int,
        explorer: Explorer | None = None,
        rows: Rows = "i8",
    ) -> None:
        self.bandit, self.trainer = bandit, trainer
        self.explorer = explorer
        self.rows = rows
        self._seeds = np.random.default_rng([seed, 13]).integers(1 << 63, size=len(bandit))
        self._index = [{name: i for i, name in enumerate(names)} for _, names in bandit.names]
        self._sequence = 0
        self.policy = self._export()

    def decide(self, rounds: Ints) -> tuple[Ints, Floats]:
        """What the present policy decides: artwork and propensity of each round, [m], [m]."""
        artwork = np.empty(len(rounds), dtype=np.int64)
        propensity = np.empty(len(rounds))
        policy, bandit = self.policy, self.bandit
        for place, i in enumerate(rounds.tolist()):
            title = int(bandit.title[i])
            context = policy.context(bandit.contexts[i], seed=int(self._seeds[i]))
            decision = policy.select(context, bandit.names[title][0])
            if decision.artwork is None:
                raise RuntimeError(f"{bandit.name}: round {i} has no artwork: {decision.reason}")
            artwork[place] = self._index[title][decision.artwork]
            propensity[place] = decision.propensity
        return artwork, propensity

    def learn(self, rounds: Ints, artwork: Ints, propensity: Floats, reward: Floats) -> None:
        """Trains on the rounds, exports the model and opens the bundle."""
        names = [self.bandit.names[title] for title in self.bandit.title[rounds].tolist()]
        batch: Mapping[str, object] = {
            "context": self.bandit.vectors[rounds],
            "title": [title for title, _ in names],
            "artwork": [row[a] for (_, row), a in zip(names, artwork.tolist(), strict=True)],
            "propensity": propensity,
            "reward": reward,
        }
        self.trainer.partial_fit(batch)
        self.policy = self._export()

    def _export(self) -> edgeart.Policy:
        self._sequence += 1
        model = self.trainer.to_model(self.bandit.name, self._sequence, self.explorer)
        return edgeart.Policy.from_bytes(bundle_bytes(model, rows=self.rows))
