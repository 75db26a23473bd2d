# SPDX-License-Identifier: Apache-2.0
"""How long deltas between bundles of the homepage are, beside general ways to say the same.

python -m benchmarks.deltas [--quick]     prints one JSON object

The bundle has 3,000 titles with ten artworks each, k = 32. Cases: rows replaced at random; titles
removed and added; the same titles in another order; and retraining after more impressions, with
codes rounded anew and with codes kept (`--stable-codes`). For retraining, every artwork has a ridge
regression of its own (the sums of `LinearTrainer`) over impressions whose number follows the
popularity of its title, and the same impressions and a few more afterwards.

Beside them: the bundle whole; compressed by zlib; bsdiff (bsdiff4, which compresses by bzip2); zstd
with the old bundle as its dictionary, level 19.
"""

# Peers that are not installed must not keep the tests from the rest.
# ruff: noqa: PLC0415

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import edgeart
from edgeart_export import FeatureSchema, PolicyModel, SquareCB, bundle_bytes
from edgeart_export.bundle import packed
from edgeart_export.bundle.compare import against
from edgeart_export.examples import sample
from edgeart_export.format.document import Document, resequenced
from edgeart_export.publish.delta import delta

from .homepage import ARTWORKS, SEED, TITLES, schema

Floats = npt.NDArray[np.float64]
CONTEXTS = 2_000  # that impressions are drawn from
COMPARED = 64  # contexts on which flips are counted


def model(titles: dict[str, list[str]], weights: Floats, sequence: int = 1) -> PolicyModel:
    """A policy of these rows."""
    return PolicyModel(
        name="homepage",
        sequence=sequence,
        schema=schema(),
        titles=titles,
        weights=weights.astype(np.float32),
        bias=np.zeros(len(weights), np.float32),
        explorer=SquareCB(gamma=10.0, floor=0.01),
    )


def homepage(count: int) -> dict[str, list[str]]:
    """Ids of ten bytes, as the benchmarks' homepage has them."""
    return {
        f"title-{t:04d}": [f"art-{t * ARTWORKS + a:06d}" for a in range(ARTWORKS)]
        for t in range(count)
    }


class World:
    """Artworks with a true vector each, and impressions of them."""

    def __init__(self, titles: int, features: FeatureSchema) -> None:
        self._rng = np.random.default_rng(SEED)
        self.rows, self.k = titles * ARTWORKS, features.width
        encoder = edgeart.Policy.from_bytes(
            bundle_bytes(model(homepage(1), np.zeros((ARTWORKS, self.k))))
        )
        contexts = [packed(values) for values in sample(features, CONTEXTS, seed=SEED)]
        self.contexts: Floats = np.array([encoder.encode(c) for c in contexts], np.float64)
        self._truth = self._rng.normal(0, 0.05, (self.rows, self.k))
        popularity: Floats = self._rng.zipf(1.6, titles).clip(1, 200).astype(np.float64)
        self._popularity: Floats = np.repeat(popularity / popularity.mean(), ARTWORKS)

    def impressions(self, mean: float) -> tuple[Floats, Floats]:
        """Sums A [rows, k, k] and b [rows, k] of so many impressions an artwork on average."""
        counts = self._rng.poisson(mean * self._popularity)
        seen = self._rng.integers(0, CONTEXTS, counts.sum())
        a, b = np.zeros((self.rows, self.k, self.k)), np.zeros((self.rows, self.k))
        for row, part in enumerate(np.split(seen, np.cumsum(counts)[:-1])):
            x = self.contexts[part]
            chance = np.clip(0.1 + x @ self._truth[row], 0.01, 0.9)
            taken = self._rng.random(len(x)) < chance
            a[row], b[row] = x.T @ x, x.T @ taken
        return a, b


def ridge(a: Floats, b: Floats) -> Floats:
    """Weights of all artworks, λ = 10."""
    weights = np.linalg.solve(a + 10 * np.eye(a.shape[1]), b[..., None])[..., 0]
    return weights.astype(np.float64)


def replaced(titles: int) -> Iterator[tuple[str, bytes, bytes]]:
    """Cases without training."""
    rng = np.random.default_rng(SEED)
    ids, k = homepage(titles), schema().width
    weights = rng.normal(0, 0.05, (titles * ARTWORKS, k))
    base = bundle_bytes(model(ids, weights))
    changed = weights.copy()
    rows = rng.choice(len(weights), len(weights) // 20, replace=False)
    changed[rows] = rng.normal(0, 0.05, (len(rows), k))
    yield "5 % of the rows are others", base, bundle_bytes(model(ids, changed, 2))

    gone = set(rng.choice(titles, titles // 50, replace=False).tolist())
    kept = {title: own for i, (title, own) in enumerate(ids.items()) if i not in gone}
    stay = np.repeat([i not in gone for i in range(titles)], ARTWORKS)
    new = {f"titlf-{i:04d}": [f"new-{i}-{a}" for a in range(ARTWORKS)] for i in range(len(gone))}
    more = rng.normal(0, 0.05, (len(new) * ARTWORKS, k))
    target = bundle_bytes(model(kept | new, np.vstack([weights[stay], more]), 2))
    yield "2 % of the titles go, 2 % come", base, target

    order = rng.permutation(titles)
    names = list(ids)
    moved = (order[:, None] * ARTWORKS + np.arange(ARTWORKS)).ravel()
    target = bundle_bytes(model({names[t]: ids[names[t]] for t in order}, weights[moved], 2))
    yield "the titles in another order", base, target
    yield "another sequence alone", base, resequenced(base, 300)


def retrained(titles: int, mean: int) -> Iterator[tuple[str, bytes, bytes]]:
    """Cases of retraining, each with codes rounded anew and codes kept."""
    world = World(titles, schema())
    ids = homepage(titles)
    a, b = world.impressions(mean)
    base = bundle_bytes(model(ids, ridge(a, b)))
    for share in (0.001, 0.01, 0.03):
        more = world.impressions(mean * share)
        after = model(ids, ridge(a + more[0], b + more[1]), 2)
        name = f"{mean} impressions an artwork, {100 * share:g} % more"
        yield f"{name}, codes anew", base, bundle_bytes(after)
        yield f"{name}, codes kept", base, bundle_bytes(after, stable=base)


def _zlib(_: bytes, target: bytes) -> bytes:
    return zlib.compress(target, 9)


def _bsdiff(base: bytes, target: bytes) -> bytes:
    import bsdiff4

    made: bytes = bsdiff4.diff(base, target)
    return made


def _zstd(base: bytes, target: bytes) -> bytes:
    import zstandard

    dictionary = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    parameters = zstandard.ZstdCompressionParameters.from_level(19, window_log=22)
    packer = zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters)
    return packer.compress(target)


WAYS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "zlib": _zlib,
    "bsdiff": _bsdiff,
    "zstd_dictionary": _zstd,
}


def measure(name: str, base: bytes, target: bytes) -> dict[str, Any]:
    """One line of the table: bytes, and share of the whole bundle."""
    old, new = Document(base), Document(target)
    begin = time.process_time()
    made = delta(old, new)
    seconds = time.process_time() - begin
    size = len(made) if made is not None else len(target)
    return {
        "case": name,
        "whole": len(target),
        "delta": size,
        "delta_share": round(size / len(target), 4),
        "encode_seconds": round(seconds, 2),
        **{way: len(say(base, target)) for way, say in WAYS.items()},
    }


def flips(anew: bytes, kept: bytes) -> float:
    """Share of (context, title) pairs whose best artwork keeping codes changes."""
    one, other = edgeart.Policy.from_bytes(anew), edgeart.Policy.from_bytes(kept)
    rows = [range(t * ARTWORKS, (t + 1) * ARTWORKS) for t in range(len(one.titles))]
    return against(one, other, sample(schema(), COMPARED, seed=1), rows).flips


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deltas")
    parser.add_argument("--quick", action="store_true", help="a tenth of the titles")
    titles = TITLES // 10 if parser.parse_args(arguments).quick else TITLES
    cases = list(replaced(titles))
    for mean in (30, 300):
        cases += retrained(titles, mean)
    lines = []
    for (name, base, target), before in zip(cases, [None, *cases], strict=False):
        line = measure(name, base, target)
        if name.endswith("codes kept") and before is not None:
            line["flips"] = round(flips(before[2], target), 5)
        lines.append(line)
        sys.stderr.write(f"{line['delta_share']:7.2%}  {name}\n")
    sys.stdout.write(json.dumps({"artworks": titles * ARTWORKS, "cases": lines}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
