# SPDX-License-Identifier: Apache-2.0
"""How much new artworks cost, with features of artworks and without, under title-confounded logs.

`python -m benchmarks.cold_start --seeds 20 > cold-start.json`. Exit code 1 where the bar is missed.

A world: titles of two genres and a popularity, each with eight artworks that show a motif each. A
member likes genres; a motif speaks to genres, a title to its own. What the log confounds:

* the ranker shows popular titles, and those that meet the member's taste, first and most;
* motifs follow the title: popular titles have glossy ones, and each genre its own, so that a motif
  that is nothing to anybody looks good wherever its titles are good;
* higher places earn more, whatever they show;
* the logging policy shows artworks of better-liked motifs more (softmax over a guess at taste).

Half of all artworks are new: no exposure of theirs is in the log. Regret is what a policy's greedy
choice earns less, per view, than the artwork that each member likes best would; loss is how much
more that is than if no artwork had been new and all had been logged as much. `uncentred` is the
same bilinear prior fitted on rewards as they are, for comparison.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeart_export import Category, FeatureSchema, LinearTrainer, Weights

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GENRES = ("comedy", "romance", "thriller", "drama", "documentary", "family")
MOTIFS = 8
ARTWORKS = 8
PAGE = 12
DEVICES = ("tv", "phone")
BAR = 0.5


@dataclass(frozen=True)
class Views:
    """n views: member, title, place on the page and, where logged, artwork and reward."""

    member: Ints
    title: Ints
    place: Ints
    artwork: Ints
    reward: Floats


class World:
    """Titles, artworks and what members like; all drawn from one seed."""

    def __init__(self, seed: int, titles: int = 120, *, own: float = 0.25) -> None:
        rng = np.random.default_rng([seed, 1])
        self.seed, self.titles = seed, titles
        self.popularity: Floats = rng.normal(0, 1, titles)
        self.genre: Ints = rng.integers(0, len(GENRES), titles)
        # Glossy motifs (0, 1) in popular titles; every genre prefers one of the others.
        lean = np.zeros((titles, MOTIFS))
        lean[:, :2] += self.popularity[:, None]
        lean[np.arange(titles), 2 + self.genre] += 1.5
        gumbel = rng.gumbel(size=(titles, ARTWORKS, MOTIFS))
        self.motif: Ints = (lean[:, None] + gumbel).argmax(axis=2)
        self.liking: Floats = rng.normal(0, 0.9, (MOTIFS, len(GENRES)))
        self.liking[:2] *= 0.2  # gloss is next to nothing to anybody
        self.own: Floats = own * rng.normal(0, 0.9, (titles, ARTWORKS, len(GENRES)))
        order = rng.permuted(np.tile(np.arange(ARTWORKS), (titles, 1)), axis=1)
        self.new: npt.NDArray[np.bool_] = order < ARTWORKS // 2

    def members(self, count: int, draw: int) -> tuple[Floats, Ints]:
        """Tastes [count, genres], adding up to 1, and devices [count]."""
        rng = np.random.default_rng([self.seed, 2, draw])
        return rng.dirichlet(np.full(len(GENRES), 0.4), count), rng.integers(0, 2, count)

    def chances(self, taste: Floats, title: Ints, place: Ints) -> Floats:
        """The true chance of a play of each artwork: [n, ARTWORKS]."""
        appeal = self.liking[self.motif[title]] + self.own[title]
        speaks = np.einsum("ng,nag->na", taste, appeal)
        relevance = 1.5 * taste[np.arange(len(title)), self.genre[title]]
        base = -3.0 + 0.7 * self.popularity[title] + relevance - 0.12 * place
        chances: Floats = 1 / (1 + np.exp(-(base[:, None] + speaks)))
        return chances

    def pages(self, taste: Floats, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
        """Views of each member's page: member, title, place."""
        score = (
            self.popularity + 3 * taste[:, self.genre] + rng.gumbel(size=(len(taste), self.titles))
        )
        shown = np.argsort(-score, axis=1)[:, :PAGE]
        member = np.repeat(np.arange(len(taste)), PAGE)
        return member, shown.ravel(), np.tile(np.arange(PAGE), len(taste))

    def log(self, taste: Floats, live: npt.NDArray[np.bool_]) -> Views:
        """What the members are shown of the artworks that are live, and what they play."""
        rng = np.random.default_rng([self.seed, 3])
        member, title, place = self.pages(taste, rng)
        guess = rng.normal(0, 0.5, (MOTIFS, len(GENRES))) + 0.5 * self.liking
        score = np.einsum("ng,nag->na", taste[member], guess[self.motif[title]])
        score = np.where(live[title], score + rng.gumbel(size=score.shape), -np.inf)
        artwork = score.argmax(axis=1)
        chance = self.chances(taste[member], title, place)[np.arange(len(title)), artwork]
        return Views(member, title, place, artwork, (rng.random(len(title)) < chance).astype(float))


SCHEMA = FeatureSchema([Weights("taste", list(GENRES)), Category("device", list(DEVICES))])


def contexts(taste: Floats, device: Ints) -> npt.NDArray[np.float32]:
    """What the service knows of the members, encoded: [members, slots]."""
    return SCHEMA.encode_many(
        {"taste": dict(zip(GENRES, row, strict=True)), "device": DEVICES[d]}
        for row, d in zip(taste.tolist(), device.tolist(), strict=True)
    )


def run(seed: int, *, titles: int = 120, members: int = 6000) -> dict[str, Any]:
    """One world: regret per view by how it was learned, half of the artworks new and none."""
    world = World(seed, titles)
    taste, device = world.members(members, 0)
    x = contexts(taste, device)
    names = {f"t{t}": [f"a{t}-{a}" for a in range(ARTWORKS)] for t in range(titles)}
    tags = {
        (f"t{t}", f"a{t}-{a}"): f"motif {world.motif[t, a]}"
        for t in range(titles)
        for a in range(ARTWORKS)
    }
    judged = _Judge(world)
    regret: dict[str, float] = {"uniform": judged.uniform}
    for half in (True, False):
        live = ~world.new if half else np.ones_like(world.new)
        views = world.log(taste, live)
        batch = {
            "title": [f"t{t}" for t in views.title.tolist()],
            "artwork": [
                f"a{t}-{a}"
                for t, a in zip(views.title.tolist(), views.artwork.tolist(), strict=True)
            ],
            "reward": views.reward,
            "context": x[views.member],
            "slot_row": views.place,
            "slot_column": np.zeros_like(views.place),
        }
        suffix = "half new" if half else "none new"
        learned = {
            "features": LinearTrainer(SCHEMA, names, artworks=tags, slots=(PAGE, 1)),
            "no features": LinearTrainer(SCHEMA, names, slots=(PAGE, 1)),
            "ridge": LinearTrainer(SCHEMA, names, l2=1.0),
        }
        for name, trainer in learned.items():
            weights = trainer.fit(batch).solve().reshape(titles, ARTWORKS, -1)
            regret[f"{name}, {suffix}"] = judged.regret(weights)
        regret[f"uncentred, {suffix}"] = judged.regret(_uncentred(world, batch, views))
    return {
        "seed": seed,
        "exposures": members * PAGE,
        "oracle": judged.oracle,
        "regret": regret,
        "ratio": regret["features, half new"] / regret["no features, half new"],
        "loss": {
            name: regret[f"{name}, half new"] - regret[f"{name}, none new"]
            for name in ("features", "no features")
        },
    }


class _Judge:
    """What choices are truly worth on the pages of members who are in no log."""

    def __init__(self, world: World, members: int = 1500) -> None:
        taste, device = world.members(members, 1)
        rng = np.random.default_rng([world.seed, 4])
        member, self._title, place = world.pages(taste, rng)
        self._x = contexts(taste, device)[member].astype(np.float64)
        self._chances = world.chances(taste[member], self._title, place)
        self.oracle = float(self._chances.max(axis=1).mean())
        self.uniform = self.oracle - float(self._chances.mean())

    def regret(self, weights: Floats) -> float:
        """Of the greedy choice with these rows: [titles, ARTWORKS, slots]."""
        scores = np.einsum("ni,nai->na", self._x, weights[self._title])
        picked = self._chances[np.arange(len(scores)), scores.argmax(axis=1)]
        return self.oracle - float(picked.mean())


def _uncentred(world: World, batch: dict[str, Any], views: Views) -> Floats:
    """Rows of motifs, learned over all titles from rewards as they are."""
    motifs = [f"m{m}" for m in world.motif[views.title, views.artwork].tolist()]
    trainer = LinearTrainer(SCHEMA, {f"m{m}": [f"m{m}"] for m in range(MOTIFS)}, l2=1.0)
    trainer.fit({**batch, "title": motifs, "artwork": motifs})
    rows: Floats = trainer.solve()[world.motif]
    return rows


def campaign(seeds: int, **settings: int) -> dict[str, Any]:
    """Worlds of the seeds 1 to `seeds`, and what they have in common."""
    worlds = []
    for seed in range(1, seeds + 1):
        worlds.append(run(seed, **settings))
        if sys.stderr.isatty():
            print(f"\rworld {seed} of {seeds}", end="", file=sys.stderr)
    ratios = [world["ratio"] for world in worlds]
    losses = {
        name: statistics.fmean(world["loss"][name] for world in worlds)
        for name in ("features", "no features")
    }
    return {
        "seeds": seeds,
        "regret": {
            name: statistics.fmean(world["regret"][name] for world in worlds)
            for name in worlds[0]["regret"]
        },
        "oracle": statistics.fmean(world["oracle"] for world in worlds),
        "loss": losses,
        "loss_ratio": losses["features"] / losses["no features"],
        "regret_ratio": {
            "mean": statistics.fmean(ratios),
            "least": min(ratios),
            "most": max(ratios),
        },
        "bar": BAR,
        "met": losses["features"] <= BAR * losses["no features"]
        and statistics.fmean(ratios) <= BAR,
        "worlds": worlds,
    }


def main() -> int:
    """Prints the campaign as JSON; exit code 1 where more than half of the loss remains."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cold_start", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--titles", type=int, default=120)
    parser.add_argument("--members", type=int, default=6000)
    options = parser.parse_args()
    began = monotonic()
    result = campaign(options.seeds, titles=options.titles, members=options.members)
    print(json.dumps({**result, "seconds": round(monotonic() - began)}, indent=1))
    return int(not result["met"])


if __name__ == "__main__":
    sys.exit(main())
