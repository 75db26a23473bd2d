# SPDX-License-Identifier: Apache-2.0
"""Tunes a competitor on a set by successive halving, on seeds that are not scored.

Successive halving: Jamieson, Talwalkar 2016, *Non-stochastic best arm identification and
hyperparameter optimization*. n = 2,500: the whole grid on one tuning seed; the best six again with
other learning rates; of all those the best eight on a second seed, the best four on two more. All
rows: the eight best of n = 2,500 and the best of each kind, as rewards of more rounds want less
exploration and more features; the best four on a second seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from .grids import (
    Config,
    mabwiser_grid,
    mabwiser_rates,
    vowpal_grid,
    vowpal_rates,
)
from .runs import Kept, Run

TUNING_SEEDS = (101, 102, 103, 104)
SMALL = 2_500

GRIDS: dict[str, tuple[Callable[[], list[Config]], Callable[[Config], list[Config]]]] = {
    "vw": (vowpal_grid, vowpal_rates),
    "mabwiser": (mabwiser_grid, mabwiser_rates),
}


class Tuning:
    """The tuning of one competitor on one set; `small` and `whole` are what it found."""

    def __init__(self, kept: Kept, name: str, learner: str) -> None:
        self._kept, self._set, self._learner = kept, name, learner

    def small(self) -> list[str]:
        """Configurations for n = 2,500, the best of the four that were looked at closest first."""
        first = self._first()
        return self._best(SMALL, self._best(SMALL, first[:8], 2)[:4], 4)

    def whole(self) -> list[str]:
        """Configurations for all rows, best first."""
        first = self._first()
        kinds: dict[str, str] = {}
        for text in first:
            kinds.setdefault(_kind(json.loads(text)), text)
        chosen = dict.fromkeys([*self.small(), *first[:8], *kinds.values()])
        return self._best(None, self._best(None, chosen, 1)[:4], 2)

    def _first(self) -> list[str]:
        """All that is looked at once, best first."""
        grid, rates = GRIDS[self._learner]
        configs = [_json(config) for config in grid()]
        best = self._best(SMALL, configs, 1)
        near = [_json(other) for text in best[:6] for other in rates(json.loads(text))]
        return self._best(SMALL, [*configs, *near], 1)

    def _best(self, n: int | None, configs: Iterable[str], seeds: int) -> list[str]:
        """The configurations by their mean score on the first tuning seeds, best first."""
        configs = list(dict.fromkeys(configs))
        runs = [
            Run(self._set, n, self._learner, config, seed)
            for config in configs
            for seed in TUNING_SEEDS[:seeds]
        ]
        what = f"tuning {self._learner} on {self._set}, n = {n or 'all'}"
        results = self._kept.play(runs, what)
        mean = {
            config: sum(r["score"] for r in results[i * seeds : (i + 1) * seeds]) / seeds
            for i, config in enumerate(configs)
        }
        return sorted(configs, key=lambda config: -mean[config])


def _json(config: Config) -> str:
    return json.dumps(config, sort_keys=True)


def _kind(config: dict[str, Any]) -> str:
    """What sets configurations apart that more rows may turn round: features, replays, policy."""
    if "policy" in config:
        return str(config["policy"])
    return f"{'--interactions' in config['options']} {config['replays']}"
