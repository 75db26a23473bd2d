# SPDX-License-Identifier: Apache-2.0
"""Members half of whose calls are limited, decided for by real Selectors, with values known.

Half of the members ask for German artworks only and forbid what is mature, and their host has
withdrawn some artworks; of one title it has but some. Logged is what the incumbent shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt
import pyarrow as pa

import edgeart
from edgeart_export import Category, FeatureSchema, PolicyModel, SquareCB
from edgeart_export.promote.promotion import DAY_MS
from tests.support.models import opened

Floats = npt.NDArray[np.float64]

COUNTRIES = ("DE", "US", "BR")
TITLES = {f"title-{t}": [f"art-{t}-{a}" for a in range(6)] for t in range(4)}
ARTWORKS = 6
ATTRIBUTES = ["mature", "de", "hdr"]
FIRST_NIGHT = 20_400  # days since 1970
SCHEMA = FeatureSchema([Category("country", COUNTRIES)])
LIMITS: dict[str, Any] = {
    "denied": {"title-0": ["art-0-1", "gone"], "title-2": ["art-2-3"], "elsewhere": ["x"]},
    "required": ["de"],
    "forbidden": ["mature"],
    "candidates": {"title-3": [f"art-3-{a}" for a in (1, 2, 4, 5)]},
}
"""What the host of every second member says."""


def model(name: str, sequence: int, seed: int, attributes: list[str] | None = None) -> PolicyModel:
    """A policy of the world; the order of its attributes is its own, what has them is not."""
    rng, kinds = np.random.default_rng(seed), np.random.default_rng(77)
    known = attributes or ATTRIBUTES
    rows = len(TITLES) * ARTWORKS
    masks: dict[str, dict[str, list[str]]] = {}
    for title, artworks in TITLES.items():
        masks[title] = {
            artwork: [
                name
                for name, has in (
                    ("de", place % 3 != 1 or kinds.random() < 0.3),
                    ("mature", place == 4),
                )
                if has and name in known
            ]
            for place, artwork in enumerate(artworks)
        }
    return PolicyModel(
        name,
        sequence,
        SCHEMA,
        TITLES,
        rng.normal(0, 0.05, (rows, SCHEMA.width)).astype(np.float32),
        rng.normal(0.2, 0.05, rows).astype(np.float32),
        SquareCB(gamma=60.0, floor=0.02),
        meta={"trained_until": "2025-11-07T00:00:00Z"},
        attributes=known,
        masks=masks,
    )


@dataclass(frozen=True)
class LimitedWorld:
    """An incumbent that decides and a candidate with opinions of its own.

    lift: what the artworks that the candidate shows more often earn more.
    """

    seed: int = 1
    units: int = 1500
    nights: int = 4
    lift: float = 0.0

    @cached_property
    def models(self) -> tuple[PolicyModel, PolicyModel]:
        """Candidate and incumbent; bit 0 means another attribute in each."""
        return (
            model("row", 2, 11, ["de", "hdr", "mature"]),
            model("row", 1, 12),
        )

    @cached_property
    def policies(self) -> tuple[edgeart.Policy, edgeart.Policy]:
        candidate, incumbent = map(opened, self.models)
        return candidate, incumbent

    @cached_property
    def chances(self) -> Floats:
        """Of a play: [limited or not, country, title, artwork]. Limited members play more."""
        rng = np.random.default_rng(5)
        base = rng.uniform(0.1, 0.4, (2, len(COUNTRIES), len(TITLES), ARTWORKS))
        base[1] += 0.3
        ours, theirs = (self.shares(policy) for policy in self.policies)
        found: Floats = np.clip(base + self.lift * (ours > theirs), 0, 1)
        return found

    def shares(self, policy: edgeart.Policy) -> Floats:
        """π(a|x) by `Policy.propensities`: [limited or not, country, title, artwork]."""
        found = np.zeros((2, len(COUNTRIES), len(TITLES), ARTWORKS))
        for c, country in enumerate(COUNTRIES):
            context = policy.context({"country": country}, seed=0)
            for t, (title, artworks) in enumerate(TITLES.items()):
                for which, limits in enumerate((None, limits_of(policy))):
                    told = policy.propensities(context, title, limits=limits)
                    found[which, c, t] = [told.get(artwork, 0.0) for artwork in artworks]
        return found

    def value(self, policy: edgeart.Policy) -> float:
        """The mean reward that the policy earns; all members and titles are alike many."""
        return float((self.shares(policy) * self.chances).sum(axis=3).mean())

    def exposures(self, seed: int) -> pa.Table:
        """What attribution gives out, with the columns that `Exposures.add` reads."""
        rng = np.random.default_rng([self.seed, seed])
        _, incumbent = self.policies
        limits, maps = limits_of(incumbent), [msgpack.packb({"country": c}) for c in COUNTRIES]
        rows: list[dict[str, Any]] = []
        for unit in range(self.units):
            chooser = edgeart.Selector(
                incumbent,
                None,
                unit=unit.to_bytes(8, "big"),
                secret=seed.to_bytes(32, "big"),
                clock=lambda: 0,  # what is drawn changes with the epoch
            )
            held, country = unit % 2, unit // 2 % len(COUNTRIES)
            chooser.set_context({"country": COUNTRIES[country]})
            if held:
                chooser.set_limits(**LIMITS)
            for t, decision in enumerate(chooser.page(list(TITLES))):
                assert decision.artwork is not None
                chance = self.chances[
                    held, country, t, TITLES[decision.title].index(decision.artwork)
                ]
                night = int(rng.integers(self.nights))
                rows.append(
                    {
                        "exposure": len(rows).to_bytes(16, "big"),
                        "unit_epoch": unit,
                        "policy_sequence": decision.sequence,
                        "digest": incumbent.digest,
                        "map": maps[country],
                        "title": decision.title,
                        "artwork": decision.artwork,
                        "n": decision.n,
                        "propensity": decision.propensity,
                        "reason": {"policy": 0, "redrawn": 10, "recomputed": 20}[decision.reason],
                        "shown": None,
                        "shown_first": (FIRST_NIGHT + night) * DAY_MS + int(rng.integers(DAY_MS)),
                        "reward": float(rng.random() < chance),
                        "previous": None,
                        "denied": limits.denied if held else None,
                        "required": limits.required if held else 0,
                        "forbidden": limits.forbidden if held else 0,
                        "candidates": limits.candidates.get(decision.title) if held else None,
                    }
                )
            assert chooser.last_error is None
        return pa.Table.from_pylist(rows, schema=KINDS)


KINDS = pa.schema(
    [
        ("exposure", pa.binary(16)),
        ("unit_epoch", pa.uint64()),
        ("policy_sequence", pa.uint64()),
        ("digest", pa.binary(16)),
        ("map", pa.binary()),
        ("title", pa.string()),
        ("artwork", pa.string()),
        ("n", pa.uint32()),
        ("propensity", pa.float64()),
        ("reason", pa.uint8()),
        ("shown", pa.string()),
        ("shown_first", pa.timestamp("ms", tz="UTC")),
        ("reward", pa.float32()),
        ("previous", pa.float32()),
        ("denied", pa.binary()),
        ("required", pa.uint32()),
        ("forbidden", pa.uint32()),
        ("candidates", pa.binary()),
    ]
)


def limits_of(policy: edgeart.Policy) -> edgeart.Limits:
    """LIMITS for a policy: the artworks that it has of those that are named."""
    denied = {
        title: [artwork for artwork in artworks if artwork in TITLES[title]]
        for title, artworks in LIMITS["denied"].items()
        if title in TITLES
    }
    return policy.limits(**{**LIMITS, "denied": denied})
