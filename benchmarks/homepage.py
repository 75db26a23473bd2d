# SPDX-License-Identifier: Apache-2.0
"""The policy that all benchmarks decide with: a homepage of 3,000 titles with ten artworks each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import edgeart
from edgeart_export import (
    Category,
    FeatureSchema,
    Greedy,
    Number,
    PolicyModel,
    SquareCB,
    Thompson,
    Vector,
    Weights,
    bundle_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Rows = Literal["f32", "i8"]
ExplorerName = Literal["greedy", "squarecb", "thompson"]

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


TITLE_IDS = tuple(f"title-{t:04d}" for t in range(TITLES))  # of 10 bytes
ARTWORK_IDS = tuple(
    tuple(f"art-{t * ARTWORKS + a:06d}" for a in range(ARTWORKS)) for t in range(TITLES)
)


def model(explorer: ExplorerName, **more: Any) -> PolicyModel:
    """The benchmark's policy, the same numbers in every run; more: of PolicyModel."""
    rng = np.random.default_rng(SEED)
    count = TITLES * ARTWORKS
    weights = rng.normal(0.0, 0.05, (count, K)).astype(np.float32)
    bias = rng.normal(0.1, 0.02, count).astype(np.float32)
    explorers = {
        "greedy": Greedy(),
        "squarecb": SquareCB(gamma=10.0, floor=0.01),
        "thompson": Thompson(floor=0.01),
    }
    if explorer == "thompson":
        # Standard errors of .005 to .1, as after 30 to 10,000 exposures of an artwork.
        exposures = np.exp(rng.uniform(np.log(30), np.log(10_000), (count, 1)))
        squares = 4.4  # |u|² of the context of VALUES
        variance = 0.25 / exposures * rng.uniform(0.5, 1.5, (count, K)) / squares
        more["variance"] = variance.astype(np.float32)
    return PolicyModel(
        name="homepage",
        sequence=1,
        schema=schema(),
        titles={title: list(own) for title, own in zip(TITLE_IDS, ARTWORK_IDS, strict=True)},
        weights=weights,
        bias=bias,
        explorer=explorers[explorer],
        **more,
    )


@cache
def homepage(explorer: ExplorerName, rows: Rows) -> Homepage:
    """Builds, opens and checks the benchmark's policy; the same bytes in every run."""
    made = model(explorer)
    bundle = bundle_bytes(made, rows=rows)
    policy = edgeart.Policy.from_bytes(bundle)
    return Homepage(
        bundle=bundle,
        policy=policy,
        context=policy.context(VALUES, seed=SEED, unit=7),
        titles=TITLE_IDS,
        artworks=ARTWORK_IDS,
        weights=np.asarray(made.weights, np.float32),
        bias=np.asarray(made.bias, np.float32),
        vector=np.array(policy.encode(VALUES), np.float32),
    )
