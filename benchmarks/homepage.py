# SPDX-License-Identifier: Apache-2.0
"""The policy that all benchmarks decide with: a homepage of 3,000 titles with ten artworks each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

import edgeart
from edgeart_export import (
    Category,
    FeatureSchema,
    Greedy,
    Number,
    PolicyModel,
    SquareCB,
    Vector,
    Weights,
    bundle_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Rows = Literal["f32", "i8"]
ExplorerName = Literal["greedy", "squarecb"]

TITLES = 3000
ARTWORKS = 10  # of each title
K = 32  # slots, the intercept among them
SEED = 20_240_501

COUNTRIES = ("US", "GB", "DE", "FR", "BR", "IN", "JP")
GENRES = (
    "action", "anime", "children", "comedy", "crime", "documentary", "drama", "family",
    "fantasy", "history", "horror", "music", "romance", "science", "sport", "thriller",
)  # fmt: skip

VALUES: Mapping[str, object] = {
    "country": "US",
    "taste": {"comedy": 0.4, "romance": 0.25, "drama": 0.2, "crime": 0.1, "music": 0.05},
    "hour": 20,
    "embedding": [0.12, -0.4, 0.33, 0.08, -0.21],
}


@dataclass(frozen=True)
class Homepage:
    """A bundle with all that the benchmarks and their peers need of it."""

    bundle: bytes
    policy: edgeart.Policy
    context: edgeart.Context
    titles: tuple[str, ...]
    artworks: tuple[tuple[str, ...], ...]
    weights: np.ndarray  # float32 [artworks, k], before quantisation
    bias: np.ndarray  # float32 [artworks]
    vector: np.ndarray  # float32 [k]: the encoded context


def schema() -> FeatureSchema:
    """Features of 8 + 16 + 2 + 5 slots; the intercept makes them 32."""
    return FeatureSchema(
        [
            Category("country", list(COUNTRIES)),
            Weights("taste", list(GENRES)),
            Number("hour", mean=12, std=6, indicator=True),
            Vector("embedding", 5),
        ]
    )


@cache
def homepage(explorer: ExplorerName, rows: Rows) -> Homepage:
    """Builds, opens and checks the benchmark's policy; the same bytes in every run."""
    rng = np.random.default_rng(SEED)
    count = TITLES * ARTWORKS
    titles = tuple(f"title-{t:04d}" for t in range(TITLES))  # ids of 10 bytes
    artworks = tuple(
        tuple(f"art-{t * ARTWORKS + a:06d}" for a in range(ARTWORKS)) for t in range(TITLES)
    )
    model = PolicyModel(
        name="homepage",
        sequence=1,
        schema=schema(),
        titles={title: list(own) for title, own in zip(titles, artworks, strict=True)},
        weights=rng.normal(0.0, 0.05, (count, K)).astype(np.float32),
        bias=rng.normal(0.1, 0.02, count).astype(np.float32),
        explorer=Greedy() if explorer == "greedy" else SquareCB(gamma=10.0, floor=0.01),
    )
    bundle = bundle_bytes(model, rows=rows)
    policy = edgeart.Policy.from_bytes(bundle)
    return Homepage(
        bundle=bundle,
        policy=policy,
        context=policy.context(VALUES, seed=SEED, unit=7),
        titles=titles,
        artworks=artworks,
        weights=np.asarray(model.weights, np.float32),
        bias=np.asarray(model.bias, np.float32),
        vector=np.array(policy.encode(VALUES), np.float32),
    )
