# SPDX-License-Identifier: Apache-2.0
"""Do 95 % intervals of clustered logs cover the truth 95 times in 100?

`python -m benchmarks.coverage --logs 2000 > coverage.json`. Four worlds whose logs are hardly worth
what an interval needs (an effective sample of 1,000 rows): `sticky` decisions that a unit sees 15
times, `rare` rewards, `skewed` weights of a policy with a small floor, real-valued `minutes`. Units
differ in how much they play, so that rows of one unit depend on each other. For every estimator,
and for the paired gain of one policy over another, the share of intervals that hold the truth, of
those that `evaluate` would give: asymptotic, of the bootstrap, and naive, as if rows were alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeart_export.estimators import Rows, Terms
from edgeart_export.evaluate.judged import doubts

Floats = npt.NDArray[np.float64]

LOW, HIGH = 0.935, 0.965
"""Between these the coverage has to lie."""

MOST = 0.98
"""An estimator is judged in worlds where at least so many logs give it an interval."""

SHOWINGS = 15

ESTIMATORS = ("ips", "clipped", "snips", "dr", "sndr", "replay", "snips gain", "sndr gain")
BIASED = ("clipped",)
"""Estimates something else than the truth, by intention: clipped weights."""


@dataclass(frozen=True, eq=False)
class World:
    """Two kinds of members, five artworks. chance: mean reward [kind, artwork]; logging, target,
    other: propensities [kind, artwork] of the logging policy and of two that are judged.
    """

    name: str
    units: int
    chance: Floats
    logging: Floats
    target: Floats
    other: Floats

    @property
    def truth(self) -> float:
        """The target's value."""
        return float((self.chance * self.target).sum(axis=1).mean())

    @property
    def gain(self) -> float:
        """What the target is worth more than the other."""
        return self.truth - float((self.chance * self.other).sum(axis=1).mean())

    def log(self, seed: int) -> tuple[Rows, Rows]:
        """The rows of one log, judged for the target and for the other policy."""
        rng = np.random.default_rng([seed, sum(map(ord, self.name))])
        decisions = 10 if self.name == "sticky" else rng.poisson(10, self.units) + 1
        unit = np.repeat(np.arange(self.units), decisions)
        kind = rng.integers(2, size=self.units)[unit]
        # Members differ: a factor of mean 1, between 0.5 and 1.5.
        eager = (0.5 + rng.random(self.units))[unit]
        lots = rng.random(len(unit))[:, None]
        artwork = (lots > self.logging.cumsum(axis=1)[kind]).sum(axis=1)
        mean = self.chance[kind, artwork] * eager
        if self.name == "sticky":
            # A decision that suits is played at a third of its showings, another one never.
            suits = rng.random(len(mean)) < np.minimum(3 * mean, 1)
            unit, kind, artwork, suits = (
                np.repeat(column, SHOWINGS) for column in (unit, kind, artwork, suits)
            )
            reward = (suits & (rng.random(len(suits)) < 1 / 3)).astype(np.float64)
        elif self.name == "minutes":
            reward = mean * rng.lognormal(-0.32, 0.8, len(mean))
        else:
            reward = (rng.random(len(mean)) < mean).astype(np.float64)
        # A model that is wrong, and was not fitted on these rows.
        model = 0.8 * self.chance + 0.1 * self.chance.mean()

        def judged(policy: Floats) -> Rows:
            return Rows(
                weight=(policy / self.logging)[kind, artwork],
                reward=reward,
                of_shown=model[kind, artwork],
                of_target=(policy * model).sum(axis=1)[kind],
                cluster=unit,
                likeliest=(policy.argmax(axis=1)[kind] == artwork).astype(np.float64),
            )

        return judged(self.target), judged(self.other)


def worlds() -> list[World]:
    """The four of them."""
    shape = np.array([[1.6, 1.2, 1.0, 0.8, 0.4], [0.4, 0.8, 1.0, 1.2, 1.6]])
    even, mild = np.full((2, 5), 0.2), np.array([[0.3, 0.25, 0.2, 0.15, 0.1], [0.2] * 5])
    keen = np.array([[0.5, 0.2, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.2, 0.5]])
    floor = np.array([[0.68, 0.08, 0.08, 0.08, 0.08], [0.08, 0.08, 0.08, 0.08, 0.68]])
    contrary = np.array([[0.05, 0.3, 0.35, 0.2, 0.1], [0.1, 0.2, 0.35, 0.3, 0.05]])
    return [
        World("sticky", 160, 0.1 * shape, mild, keen, even),
        World("rare", 450, 0.02 * shape, mild, keen, even),
        World("skewed", 420, 0.05 * shape, floor, contrary, keen),
        World("minutes", 160, 20 * shape, even, keen, mild),
    ]


def terms(rows: Rows, other: Rows, name: str) -> Terms:
    """An estimate by its name in ESTIMATORS."""
    if name == "clipped":
        return rows.clipped(float(np.sqrt(len(rows))))
    one: Terms = getattr(rows, name.split(maxsplit=1)[0])
    return one.minus(getattr(other, name.split(maxsplit=1)[0])) if name.endswith("gain") else one


def truth(world: World, name: str) -> float:
    """What an estimator estimates."""
    if name == "replay":
        best = world.target.argmax(axis=1)
        return _replayed(world, best)
    return world.gain if name.endswith("gain") else world.truth


def _replayed(world: World, best: npt.NDArray[np.intp]) -> float:
    """Replay's value: kinds whose best artwork was logged more often count more."""
    at = np.arange(2)
    return float(np.average(world.chance[at, best], weights=world.logging[at, best]))


def run(piece: tuple[int, int, int]) -> dict[str, Any] | None:
    """One log of a world: by estimator, which intervals hold; None where there is no interval.

    piece: number of the world, seed, resamples of the bootstrap.
    """
    number, seed, resamples = piece
    world = worlds()[number]
    rows, other = world.log(seed)
    if doubts(rows) or doubts(other):
        return None
    alone, alone_other = (replace(r, cluster=None) for r in (rows, other))
    held: dict[str, Any] = {}
    for name in ESTIMATORS:
        if name == "replay":
            assert rows.likeliest is not None
            if doubts(replace(rows, weight=rows.likeliest)):
                continue
        wanted, found = truth(world, name), terms(rows, other, name)
        intervals = {
            "asymptotic": found.estimate().interval,
            "bootstrap": found.bootstrap(resamples=resamples, seed=seed),
            "naive": terms(alone, alone_other, name).seen().interval,
        }
        held[name] = {kind: low <= wanted <= high for kind, (low, high) in intervals.items()}
        held[name]["error"] = found.value - wanted
    return {"held": held, "effective": rows.effective, "rewarded": rows.effective_rewarded}


def campaign(
    logs: int, *, workers: int = 1, names: Sequence[str] = (), resamples: int = 1000
) -> dict[str, Any]:
    """`logs` logs of each world; coverage by world, estimator and kind of interval."""
    found = {}
    for number, world in enumerate(worlds()):
        if names and world.name not in names:
            continue
        pieces = [(number, seed, resamples) for seed in range(logs)]
        if workers == 1:
            results = [run(piece) for piece in pieces]
        else:
            # Fresh processes: a fork would take numpy's threads along.
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                results = list(pool.map(run, pieces, chunksize=16))
        found[world.name] = summary(world, [r for r in results if r is not None], logs)
        if sys.stderr.isatty():
            print(f"{world.name} done", file=sys.stderr)
    covered = [
        (name, estimator, kind, by[kind])
        for name, told in found.items()
        for estimator, by in told["coverage"].items()
        # Where only some logs have an interval, it is those that by chance have many rewards.
        if estimator not in BIASED and by["with_intervals"] >= MOST
        for kind in ("asymptotic", "bootstrap")
    ]
    return {
        "logs": logs,
        "wanted": [LOW, HIGH],
        "worlds": found,
        "outside": [list(c) for c in covered if not LOW <= c[3] <= HIGH],
        "lowest": min((c[3] for c in covered), default=None),
        "highest": max((c[3] for c in covered), default=None),
    }


def summary(world: World, results: Sequence[dict[str, Any]], logs: int) -> dict[str, Any]:
    """Coverage by estimator and kind of interval, of the logs that have intervals."""
    coverage = {}
    for name in ESTIMATORS:
        held = [r["held"][name] for r in results if name in r["held"]]
        if held:
            errors = np.array([h["error"] for h in held])
            kinds = ("asymptotic", "bootstrap", "naive")
            coverage[name] = {
                "with_intervals": len(held) / logs,
                **{kind: float(np.mean([h[kind] for h in held])) for kind in kinds},
                "bias": float(errors.mean()),
                "bias_se": float(errors.std() / np.sqrt(len(errors))),
            }
    return {
        "units": world.units,
        "with_intervals": len(results) / logs,
        "effective_sample_size": float(np.mean([r["effective"] for r in results])),
        "effective_rewarded": float(np.mean([r["rewarded"] for r in results])),
        "coverage": coverage,
    }


def main() -> int:
    """Prints the campaign as JSON; exit code 1 where a coverage lies outside."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.coverage", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--logs", type=int, default=2000, help="of each world (default 2000)")
    parser.add_argument("--world", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    began = monotonic()
    result = campaign(options.logs, workers=options.workers, names=options.world)
    print(json.dumps({**result, "seconds": round(monotonic() - began)}, indent=1))
    return int(bool(result["outside"]))


if __name__ == "__main__":
    sys.exit(main())
