# SPDX-License-Identifier: Apache-2.0
"""Worlds in which it is known what a candidate is worth: members who come back, nights of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import msgpack
import numpy as np
import numpy.typing as npt
import pyarrow as pa

import edgeart
from edgeart_export import (
    Category,
    FeatureSchema,
    PolicyModel,
    SquareCB,
    bundle_bytes,
)
from edgeart_export.promote.promotion import DAY_MS

Floats = npt.NDArray[np.float64]

COUNTRIES, TASTES = ("US", "GB", "BR"), ("comedy", "drama", "crime", "kids")
TITLES = {f"title-{i}": [f"artwork-{j}" for j in range(5)] for i in range(8)}
ARTWORKS = 5
CELLS = (("fixed", 0.02), ("uniform", 0.03))
CHANCE = 0.06
LEAD = 0.1
"""Where there is a gain, the incumbent is worth so much more than any one artwork for all."""

FIRST_NIGHT = 20_400
"""Days since 1970 of the first night."""

_SCHEMA = FeatureSchema([Category("country", COUNTRIES), Category("taste", TASTES)])
_KINDS = [{"country": country, "taste": taste} for country in COUNTRIES for taste in TASTES]


def model(rng: np.random.Generator, name: str, sequence: int) -> PolicyModel:
    """A policy with opinions of its own on which artwork suits whom."""
    rows = len(TITLES) * ARTWORKS
    return PolicyModel(
        name=name,
        sequence=sequence,
        schema=_SCHEMA,
        titles=TITLES,
        weights=rng.normal(0, 0.02, (rows, _SCHEMA.width)).astype(np.float32),
        bias=np.full(rows, CHANCE, dtype=np.float32),
        explorer=SquareCB(gamma=100.0, floor=0.03),
        meta={"trained_until": "2025-11-07T00:00:00Z"},
    )


@dataclass(frozen=True)
class World:
    """The incumbent decides, and each night some members see some titles.

    gain: what the candidate is worth more, as a share of the incumbent's value; 0: no artwork is
    better than another for anybody. units: members; a draw epoch is longer than the log, so that a
    member sees the same artwork of a title every night. harmed: whether the candidate loses for the
    last of COUNTRIES half of what it gains for others.
    """

    seed: int
    gain: float
    units: int = 4000
    nights: int = 14
    harmed: bool = False

    @cached_property
    def models(self) -> tuple[PolicyModel, PolicyModel]:
        """Candidate and incumbent."""
        rng = np.random.default_rng([self.seed, 1])
        return model(rng, "homepage", 2), model(rng, "homepage", 1)

    @cached_property
    def policies(self) -> tuple[edgeart.Policy, edgeart.Policy]:
        """Candidate and incumbent, as devices open them."""
        candidate, incumbent = (edgeart.Policy.from_bytes(bundle_bytes(m)) for m in self.models)
        return candidate, incumbent

    @cached_property
    def shares(self) -> tuple[Floats, Floats]:
        """Propensities of candidate and incumbent: [kind, title, artwork]."""
        found = []
        for policy in self.policies:
            shares = np.zeros((len(_KINDS), len(TITLES), ARTWORKS))
            for k, values in enumerate(_KINDS):
                context = policy.context(values, seed=0)
                for t, title in enumerate(TITLES):
                    candidates = policy.candidates(context, title)
                    shares[k, t] = np.asarray(candidates.n) / candidates.total
            found.append(shares)
        return found[0], found[1]

    @cached_property
    def chances(self) -> Floats:
        """The mean chance of a play: [kind, title, artwork]."""
        rng = np.random.default_rng([self.seed, 2])
        popular = rng.uniform(0.5, 1.5, len(TITLES))
        base = CHANCE * popular[None, :, None] * np.ones((len(_KINDS), 1, ARTWORKS))
        if self.gain == 0:
            return base
        # What either of them shows some more often than others suits these better, so much that the
        # incumbent is worth LEAD more than any one artwork for all, and the candidate gains what it
        # has to: chance = base + Σ δ · base · apart, solved for both δ.
        apart = [shares - shares.mean(axis=0) for shares in self.shares]
        if self.harmed:
            last = np.arange(len(_KINDS)) // len(TASTES) == len(COUNTRIES) - 1
            apart[0] = apart[0] * np.where(last, -0.5, 1)[:, None, None]
        suits = [base * shares for shares in apart]
        worth = np.array([[float((s * own).sum()) for own in suits] for s in self.shares])
        flat = np.array([float((s * base).sum()) for s in self.shares])
        wanted = np.array([(1 + self.gain) * (1 + LEAD), 1 + LEAD]) * flat[1]
        ours, theirs = np.linalg.solve(worth, wanted - flat)
        chances: Floats = np.clip(base + ours * suits[0] + theirs * suits[1], 0, 1)
        return chances

    @property
    def true_gain(self) -> float:
        """The candidate's value over the incumbent's, less 1."""
        ours, theirs = (float((s * self.chances).sum()) for s in self.shares)
        return ours / theirs - 1

    def exposures(self) -> pa.Table:
        """What attribution gives out of all nights, with the columns of `Exposures.add`."""
        rng = np.random.default_rng([self.seed, 3])
        kind = rng.integers(len(_KINDS), size=self.units)
        cell = np.searchsorted(
            np.cumsum([share for _, share in CELLS]), rng.random(self.units), side="right"
        )
        # Members differ in how much they play, and in which titles they like.
        eager = rng.uniform(0.4, 1.6, self.units)[:, None] * rng.uniform(
            0.4, 1.6, (self.units, len(TITLES))
        )
        own = self.shares[1][kind]
        alike = np.full_like(own, 1 / ARTWORKS)
        first = np.zeros_like(own)
        first[..., 0] = 1
        own = np.where((cell == 0)[:, None, None], first, own)
        own = np.where((cell == 1)[:, None, None], alike, own)
        drawn = (rng.random((self.units, len(TITLES), 1)) > own.cumsum(axis=2)).sum(axis=2)
        drawn = np.minimum(drawn, ARTWORKS - 1)
        seen = rng.random((self.nights, self.units, len(TITLES))) < 0.2
        night, unit, title = np.nonzero(seen)
        artwork = drawn[unit, title]
        chance = self.chances[kind[unit], title, artwork] * eager[unit, title]
        reward = (rng.random(len(unit)) < chance).astype(np.float32)
        maps = [msgpack.packb(values) for values in _KINDS]
        titles, cells = [*TITLES], [name for name, _ in CELLS]
        propensity = own[unit, title, artwork]
        columns = {
            "exposure": pa.array([i.to_bytes(16, "big") for i in range(len(unit))], pa.binary(16)),
            "unit_epoch": unit.astype(np.uint64),
            "policy_sequence": np.full(len(unit), 1, dtype=np.uint64),
            "map": pa.array([maps[k] for k in kind[unit].tolist()]),
            "title": [titles[t] for t in title.tolist()],
            "artwork": [f"artwork-{a}" for a in artwork.tolist()],
            "n": np.maximum((propensity * 2**31).astype(np.uint32), 1),
            "propensity": propensity,
            "reason": np.zeros(len(unit), dtype=np.uint8),
            "shown": pa.nulls(len(unit), pa.string()),
            "shown_first": (FIRST_NIGHT + night) * DAY_MS + rng.integers(DAY_MS, size=len(unit)),
            "reward": reward,
            "previous": pa.nulls(len(unit), pa.float32()),
            "cell": [cells[c] if c < len(cells) else None for c in cell[unit].tolist()],
        }
        return pa.table(columns)
