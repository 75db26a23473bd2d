# SPDX-License-Identifier: Apache-2.0
"""Landing tables of decisions that were really made, by several explorers and under all limits.

Made by the ways an application decides, `Policy.select_page` and `select_host`, page by page: the
audit repeats them by another. Everything is decided by a seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import edgeart
from edgeart_export import (
    Category,
    EpsilonGreedy,
    FeatureSchema,
    Greedy,
    Number,
    PolicyModel,
    Softmax,
    SquareCB,
    Thompson,
    Ucb,
    Vector,
    Weights,
    bundle_bytes,
    holdbacks,
)
from edgeart_export.arrow_schemas import LANDING

if TYPE_CHECKING:
    from pathlib import Path

    from edgeart_export import Explorer

TITLES, ARTWORKS = 1000, 10
COUNTRIES = ["US", "GB", "DE", "FR", "BR", "IN", "JP"]
GENRES = [
    "action", "anime", "children", "comedy", "crime", "documentary", "drama", "family",
    "fantasy", "history", "horror", "music", "romance", "science", "sport", "thriller",
]  # fmt: skip
EXPLORERS: dict[str, Explorer] = {
    "greedy": Greedy(floor=0.01),
    "epsilon_greedy": EpsilonGreedy(0.1),
    "softmax": Softmax(0.05, floor=0.002),
    "squarecb": SquareCB(10.0, floor=0.01),
    "thompson": Thompson(floor=0.01),
    "ucb": Ucb(floor=0.02),
}
ATTRIBUTES = ["mature", "lang_en"]
START = 1_764_547_200_000  # 2025-12-01, milliseconds since 1970
NONE = 2**32 - 1
RECORD = np.dtype([("title", "u4"), ("row", "u4"), ("n", "u4"), ("total", "u4"), ("score", "f4"),
                   ("reason", "u2"), ("cell", "u2")])  # fmt: skip


def model(name: str, explorer: Explorer, seed: int, titles: int = TITLES) -> PolicyModel:
    """A policy of 1,000 titles with ten artworks each, attributes, and both holdbacks."""
    rng = np.random.default_rng(seed)
    features = FeatureSchema(
        [
            Category("country", COUNTRIES),
            Weights("taste", GENRES),
            Number("hour", mean=12, std=6, indicator=True),
            Vector("embedding", 5),
        ]
    )  # 32 slots, as the homepage of the benchmarks
    count, k = titles * ARTWORKS, features.width
    return PolicyModel(
        name,
        1,
        features,
        {f"title-{t:04d}": [f"art-{t:04d}-{a}" for a in range(ARTWORKS)] for t in range(titles)},
        rng.normal(0, 0.05, (count, k)).astype(np.float32),
        rng.normal(0.1, 0.02, count).astype(np.float32),
        explorer,
        variance=rng.uniform(1e-5, 1e-3, (count, k)).astype(np.float32),
        attributes=ATTRIBUTES,
        masks=rng.integers(0, 4, count).astype(np.uint32),
        cells=holdbacks(),
    )


def write_bundles(
    folder: Path, explorers: dict[str, Explorer] | None = None, titles: int = TITLES
) -> list[Path]:
    """The bundles of all explorers, or of these, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (name, explorer) in enumerate((explorers or EXPLORERS).items()):
        paths.append(folder / f"{name}.edgeart")
        paths[-1].write_bytes(bundle_bytes(model(name, explorer, number, titles)))
    return paths


@dataclass
class Segment:
    """What one segment of one device holds, as columns."""

    contexts: dict[str, list[Any]]
    impressions: dict[str, list[Any]]


class World:
    """Devices that show pages.

    fewest, most: impressions of a context, alike probable in between. plain: no limits anywhere.
    """

    def __init__(
        self, bundles: list[Path], *, seed: int, fewest: int, most: int, plain: bool = False
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.policies = [edgeart.Policy.open(path) for path in bundles]
        self.fewest, self.most, self.plain = fewest, most, plain
        self.ids = [list(policy.titles) for policy in self.policies]
        # What is withdrawn is the same for all devices that know of it.
        self.denials = [
            [
                {ids[i]: policy.artworks(ids[i])[:4] for i in self.rng.integers(0, len(ids), 300)}
                for _ in range(5)
            ]
            for policy, ids in zip(self.policies, self.ids, strict=True)
        ]

    def land(self, folder: Path, impressions: int, *, segment: int = 20) -> dict[str, int]:
        """Writes landing tables below `folder`, `segment` contexts to a stream; rows by table."""
        tables: dict[str, list[pa.Table]] = {"contexts": [], "impressions": []}
        shown = 0
        while shown < impressions:
            made = self._segment(segment, impressions - shown)
            shown += len(made.impressions["sequence"])
            for name, columns in vars(made).items():
                tables[name].append(pa.table(columns, schema=LANDING[name]))
        counts = {}
        for name, parts in tables.items():
            (folder / name / "date=2025-12-01").mkdir(parents=True, exist_ok=True)
            table = pa.concat_tables(parts).combine_chunks()
            pq.write_table(table, folder / name / "date=2025-12-01" / "one.parquet")
            counts[name] = len(table)
        return counts

    def _segment(self, contexts: int, most: int) -> Segment:
        stream, sequence = int(self.rng.integers(1, 2**63)), 0
        made = Segment(*({field.name: [] for field in LANDING[name]} for name in
                         ("contexts", "impressions")))  # fmt: skip
        for _ in range(contexts):
            if len(made.impressions["sequence"]) >= most:
                break
            context, rows = self._page(stream, sequence)
            rows = rows[: most - len(made.impressions["sequence"])]
            for name, value in context.items():
                made.contexts[name].append(value)
            for place, row in enumerate(rows):
                row |= {"stream": stream, "sequence": sequence + 1 + place, "at": START,
                        "received": START, "context": sequence, "slot_row": place // 10,
                        "slot_column": place % 10}  # fmt: skip
                for name, value in row.items():
                    made.impressions[name].append(value)
            sequence += 1 + len(rows)
        return made

    def _page(self, stream: int, sequence: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """One context, and what was seen of its page."""
        rng = self.rng
        which = int(rng.integers(len(self.policies)))
        policy, ids = self.policies[which], self.ids[which]
        values = msgpack.packb(self._values())
        seed, unit = (int(each) for each in rng.integers(0, 2**64, 2, dtype=np.uint64))
        context = policy.context(values, seed=seed, unit=unit)
        size = rng.integers(self.fewest, self.most + 1)
        titles = [ids[i] for i in rng.integers(0, len(ids), size)]
        limits, candidates = self._limits(which, titles)
        page = policy.select_page(context, titles, limits=limits)
        artworks = page.artworks()
        records = np.frombuffer(page.raw, RECORD)
        rows = [
            {"title": title, "artwork": artwork, "n": n, "total": total, "reason": reason,
             "shown": None, "candidates": candidates.get(title), "host_candidates": None}
            for title, artwork, n, total, reason in zip(
                titles, artworks, records["n"].tolist(), records["total"].tolist(),
                records["reason"].tolist(), strict=True)
        ]  # fmt: skip
        if not self.plain and rng.random() < 0.05:
            rows.append(self._host(policy, context))
        return {
            "stream": stream, "sequence": sequence, "at": START, "received": START,
            "policy": policy.name, "policy_sequence": policy.sequence, "digest": policy.digest,
            "map": values, "seed": seed, "unit_epoch": unit, "cell": context.cell,
            "denied": None if limits is None else limits.denied or None, "subject": None,
            "required": 0 if limits is None else limits.required,
            "forbidden": 0 if limits is None else limits.forbidden,
        }, rows  # fmt: skip

    def _values(self) -> dict[str, object]:
        rng = self.rng
        taste = {GENRES[i]: float(rng.random()) for i in rng.integers(0, len(GENRES), 5)}
        return {
            "country": COUNTRIES[rng.integers(len(COUNTRIES))],
            "taste": taste,
            "hour": int(rng.integers(24)),
            "embedding": rng.normal(0, 0.3, 5).round(3).tolist(),
        }

    def _limits(
        self, which: int, titles: list[str]
    ) -> tuple[edgeart.Limits | None, dict[str, bytes]]:
        """The limits of a page: one in ten has some, one in fifty names candidates."""
        policy, kind = self.policies[which], self.rng.random()
        if self.plain or kind >= 0.1:
            return None, {}
        some = titles[:3]
        denied = self.denials[which][int(self.rng.integers(5))] if kind < 0.06 else None
        candidates = {t: policy.artworks(t)[2:7] for t in some} if kind < 0.02 else None
        limits = policy.limits(
            denied=denied,
            forbidden=["mature"] if 0.04 <= kind < 0.1 else [],
            required=["lang_en"] if kind >= 0.08 else [],
            candidates=candidates,
        )
        return limits, dict(limits.candidates)

    def _host(self, policy: edgeart.Policy, context: edgeart.Context) -> dict[str, Any]:
        """A title that the bundle does not know."""
        names = [f"own-{i}" for i in range(int(self.rng.integers(1, 9)))]
        decision = policy.select_host(context, f"new-{self.rng.integers(50)}", names)
        return {"title": decision.title, "artwork": decision.artwork, "n": decision.n,
                "total": decision.total, "reason": 60, "shown": None, "candidates": None,
                "host_candidates": names}  # fmt: skip
