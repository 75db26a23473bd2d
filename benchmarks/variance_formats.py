# SPDX-License-Identifier: Apache-2.0
"""Compares forms for a bundle's variances: bytes, and what they do to Thompson's probabilities.

`python -m benchmarks.variance_formats > variance-formats.json`. The posteriors are those of ridge
regressions per artwork (k = 32) over contexts whose slots are unequally frequent, some of which an
artwork never saw: young titles (10 to 10³ impressions of each artwork), mixed ones (10 to 10⁶
within one title) and old ones (10⁵ to 10⁶). Result: docs/adr/0004-variance-e5m3.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeart_export.examples import sample
from edgeart_export.quantize import decode_variances, encode_variances

from .homepage import ARTWORKS, TITLES, K, schema

Floats = npt.NDArray[np.float64]

NOISE = 0.09  # variance of a reward that is 1 one time in ten
PENALTY = 1.0  # λ
POOL = 4000  # contexts that impressions are taken from
SMALL = 1.0 / 32.0  # decision.md §5.2, step 3
AGES = {"young": (10, 1e3), "mixed": (10, 1e6), "old": (1e5, 1e6)}  # impressions of an artwork


@dataclass(frozen=True)
class Form:
    """A way to store variances: bytes of a weight, of a row, and there and back again."""

    name: str
    weight: float
    row: int
    there_and_back: Callable[[Floats], Floats]

    def bytes_of(self, artworks: int) -> int:
        """Bytes of so many rows of K weights."""
        return int(artworks * (K * self.weight + self.row))


def e5m3(v: Floats) -> Floats:
    """bundle.md §4.1: one scale for all rows."""
    codes, scale = encode_variances(v.astype(np.float32))
    return decode_variances(codes, scale).astype(np.float64)


def e4m4(v: Floats) -> Floats:
    """Four bits of exponent and four of fraction under a scale for each row."""
    return _small_float(v, v.max(axis=1, keepdims=True), 16, 15)


def e4m4_one(v: Floats) -> Floats:
    """The same under one scale for all rows."""
    return _small_float(v, np.full((1, 1), v.max()), 16, 15)


def _small_float(v: Floats, largest: Floats, steps: int, octaves: int) -> Floats:
    scaled = v / (largest / (2 - 1 / steps))
    power = np.exp2(np.clip(np.floor(np.log2(np.maximum(scaled, 1e-300))), -octaves, 0))
    back = np.rint(scaled / power * steps) / steps * power
    least = (1 + 1 / steps) * 2.0**-octaves  # code 0 stands for 0
    back = np.where(scaled < least, np.where(scaled < least / 2, 0.0, least), back)
    return np.asarray(back) * (largest / (2 - 1 / steps))


def linear(v: Floats) -> Floats:
    """Steps of equal size from 0 to the row's largest variance."""
    scale = v.max(axis=1, keepdims=True) / 255
    return np.asarray(np.rint(v / scale) * scale)


def square_root(v: Floats) -> Floats:
    """Steps of equal size of the standard deviation."""
    return np.asarray(linear(np.sqrt(v)) ** 2, np.float64)


def f16(v: Floats) -> Floats:
    """binary16 under one scale for all rows, subnormals and all."""
    scale = v.max() / 65504
    return np.asarray((v / scale).astype(np.float16).astype(np.float64) * scale)


def f32(v: Floats) -> Floats:
    """binary32."""
    return v.astype(np.float32).astype(np.float64)


FORMS = (
    Form("e5m3, one scale", 1, 0, e5m3),
    Form("e4m4, scale a row", 1, 4, e4m4),
    Form("e4m4, one scale", 1, 0, e4m4_one),
    Form("linear u8, scale a row", 1, 4, linear),
    Form("square root u8, scale a row", 1, 4, square_root),
    Form("f16, one scale", 2, 0, f16),
    Form("f32", 4, 0, f32),
)


@dataclass(frozen=True)
class Posteriors:
    """means, variances: [artworks, K], ten rows a title. contexts: [n, K]."""

    means: Floats
    variances: Floats
    contexts: Floats


def simulate(titles: int, contexts: int, seed: int, least: float, most: float) -> Posteriors:
    """Posteriors of `titles` titles, and contexts to decide in; least and most impressions."""
    rng = np.random.default_rng(seed)
    pool = _contexts(rng, POOL)
    count = titles * ARTWORKS
    impressions = np.exp(rng.uniform(np.log(least), np.log(most), count))
    precision = np.empty((count, K))
    for row in range(count):
        drawn = pool[rng.integers(0, POOL, min(int(impressions[row]), 1000))]
        squares = (drawn**2).sum(axis=0) * (impressions[row] / len(drawn))
        if row % 3 == 0:  # shown in one region or season only: some slots were never seen
            squares *= rng.random(K) < 0.9
        precision[row] = PENALTY + squares
    variances = NOISE / precision
    # Artworks of some titles differ much, of others hardly; estimates are off by what is not known.
    differ = np.repeat(np.exp(rng.uniform(np.log(0.001), np.log(0.03), (titles, 1))), ARTWORKS, 0)
    off = rng.normal(size=(count, K)) * np.minimum(np.sqrt(variances), 0.05)
    return Posteriors(
        differ * rng.normal(size=(count, K)) + off, variances, _contexts(rng, contexts)
    )


def _contexts(rng: np.random.Generator, count: int) -> Floats:
    """Encoded contexts whose words follow Zipf's law."""
    declared = schema()
    values = sample(declared, count, seed=int(rng.integers(2**31)))
    for each in values:
        country, genres = declared.features[0].words, declared.features[1].words
        each["country"] = country[min(int(rng.zipf(1.6)) - 1, len(country) - 1)]
        liked = {genres[min(int(rng.zipf(1.4)) - 1, len(genres) - 1)] for _ in range(5)}
        each["taste"] = {word: float(rng.exponential()) for word in sorted(liked)}
    return declared.encode_many(values).astype(np.float64)


def thompson(scores: Floats, deviations: Floats, *, clamped: bool = True) -> Floats:
    """P(a candidate is the best), [..., ARTWORKS]: decision.md §5.2 on a grid many times finer.

    clamped: standard deviations further apart than 32 times are taken as that far apart, as devices
    do; else as they are.
    """
    top = np.maximum(deviations.max(axis=-1, keepdims=True), 1e-12)
    deviations = np.maximum(deviations, top * (SMALL if clamped else 1e-5))
    low = (scores - 8 * deviations).max(axis=-1, keepdims=True)
    # Points in proportion to each candidate's own density: equal steps of its distribution.
    steps = np.linspace(-8, 8, 513)
    points = scores[..., :, None] + deviations[..., :, None] * steps
    density = np.exp(-(steps**2) / 2) * np.full(513, 16 / 512) / np.sqrt(2 * np.pi)
    below = np.ones_like(points)
    for other in range(scores.shape[-1]):
        z = (points - scores[..., other, None, None]) / deviations[..., other, None, None]
        own = np.arange(scores.shape[-1])[:, None] == other
        below *= np.where(own, 1.0, normal_cdf(z))
    p = (below * density).sum(axis=-1)
    p = np.where(scores + 8 * deviations < low, 0.0, p)
    return np.asarray(p / p.sum(axis=-1, keepdims=True))


def normal_cdf(z: Floats) -> Floats:
    """Φ to 7·10⁻⁸: Abramowitz, Stegun 1964, 26.2.17."""
    a = np.minimum(np.abs(z), 12.0)
    t = 1 / (1 + 0.2316419 * a)
    b = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)
    tail = np.exp(-a * a / 2) / np.sqrt(2 * np.pi)
    tail *= t * (b[0] + t * (b[1] + t * (b[2] + t * (b[3] + t * b[4]))))
    return np.asarray(np.where(z < 0, tail, 1 - tail))


def compare(titles: int, contexts: int, seed: int, least: float, most: float) -> dict[str, Any]:
    """Every form against the variances as they are."""
    made = simulate(titles, contexts, seed, least, most)
    kept = [form.there_and_back(made.variances) for form in FORMS]
    errors: list[list[Floats]] = [[] for _ in FORMS]
    variation: list[list[Floats]] = [[] for _ in FORMS]
    for number, x in enumerate(made.contexts):
        scores = (made.means @ x).reshape(titles, ARTWORKS)
        wanted = thompson(scores, np.sqrt(made.variances @ x**2).reshape(titles, ARTWORKS))
        for i, variances in enumerate(kept):
            deviations = np.sqrt(variances @ x**2).reshape(titles, ARTWORKS)
            difference = np.abs(thompson(scores, deviations) - wanted)
            errors[i].append(difference.max(axis=1))
            variation[i].append(difference.sum(axis=1) / 2)
        if sys.stderr.isatty():
            print(f"\rcontext {number + 1} of {contexts}", end="", file=sys.stderr)
    spread = made.variances.max() / made.variances.min()
    rows = made.variances.max(axis=1) / made.variances.min(axis=1)
    return {
        "titles": titles,
        "contexts": contexts,
        "octaves_of_all": float(np.log2(spread)),
        "octaves_of_a_row": float(np.log2(rows.max())),
        "forms": [
            _report(form, made.variances, after, np.concatenate(error), np.concatenate(tv))
            for form, after, error, tv in zip(FORMS, kept, errors, variation, strict=True)
        ],
    }


def _report(
    form: Form, before: Floats, after: Floats, error: Floats, variation: Floats
) -> dict[str, Any]:
    relative = np.abs(after - before) / before
    return {
        "form": form.name,
        "bytes_per_artwork": form.bytes_of(TITLES * ARTWORKS) / (TITLES * ARTWORKS),
        "homepage_bytes": form.bytes_of(TITLES * ARTWORKS),
        "worst_probability_error": float(error.max()),
        "error_999": float(np.quantile(error, 0.999)),
        "mean_probability_error": float(error.mean()),
        "mean_total_variation": float(variation.mean()),
        "worst_relative_variance_error": float(relative.max()),
        "mean_relative_variance_error": float(relative.mean()),
        "lost": float((after == 0).mean()),
    }


def main() -> None:
    """Prints the comparison as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--titles", type=int, default=100)
    parser.add_argument("--contexts", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = {
        age: compare(given.titles, given.contexts, given.seed, *bounds)
        for age, bounds in AGES.items()
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
