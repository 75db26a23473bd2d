# SPDX-License-Identifier: Apache-2.0
"""Devices as they are: Selectors that log what was shown, upload it, and a collector that lands it.

The decisions of `tests.support.audit_world` are made by the core and written down beside it; these
go the whole way: `Selector`, `FeedbackLog` and `Uploader`, HTTP, the collector's process, Parquet.
Policies change between sessions, and so do contexts and everything that limits a choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

import edgeart
from edgeart_export import Exposures
from edgeart_export.attribution import attribute
from edgeart_export.evaluate import propensities
from edgeart_export.evaluate.shares import rows_of
from tests.support.audit_world import COUNTRIES, GENRES
from tests.support.collectors import collecting

PAGE = 40
"""Titles of a page, all of which are seen."""

SESSIONS = 25
"""Of a device, each of a page or two."""

UNUSABLE = 0.03
"""Of sessions: their context cannot be used, so that the device falls back."""


@dataclass
class Fleet:
    """Devices one after the other. counts: of what the application did and what arrived."""

    policies: Sequence[edgeart.Policy]
    folder: Path
    seed: int
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.titles = list(self.policies[0].titles)
        self.artworks = {title: self.policies[0].artworks(title) for title in self.titles}

    def run(self, impressions: int, landing: Path) -> dict[str, int]:
        """Shows at least so many impressions; when it returns all of them have landed."""
        self.counts = dict.fromkeys(("devices", "sessions", "impressions", "outcomes", "events"), 0)
        with collecting(landing) as collector:
            url = f"http://127.0.0.1:{collector.port}"
            while self.counts["impressions"] < impressions:
                self._device(url, impressions)
        return self.counts

    def _device(self, url: str, most: int) -> None:
        """A device with two profiles, which uploads when it is done."""
        number, rng = self.counts["devices"], self.rng
        self.counts["devices"] += 1
        secret = rng.bytes(32)
        with edgeart.FeedbackLog(self.folder / f"device-{number}", consent=True) as log:
            profiles = [
                edgeart.Selector(self._policy(), log, unit=unit, secret=secret)
                for unit in (b"parent", b"child")
            ]
            for _ in range(SESSIONS):
                if self.counts["impressions"] < most:
                    self._session(profiles[int(rng.integers(2))])
            status = edgeart.Uploader(log, url).run_once()
            if status.state != "done" or status.refused or log.lost:
                raise RuntimeError(f"device {number} did not deliver: {status}, lost {log.lost}")
            self.counts["events"] += status.events

    def _policy(self) -> edgeart.Policy:
        return self.policies[int(self.rng.integers(len(self.policies)))]

    def _session(self, profile: edgeart.Selector) -> None:
        """A context, limits, a page or two, and now and then a play."""
        rng = self.rng
        self.counts["sessions"] += 1
        if rng.random() < 0.3:
            profile.use(self._policy())
        profile.set_context(self._values())
        titles = [self.titles[i] for i in rng.integers(0, len(self.titles), PAGE)]
        profile.set_limits(**self._limits(titles))
        candidates: dict[str, list[str]] = {}
        if rng.random() < 0.1:  # titles that came after the bundle
            new = f"new-{rng.integers(50)}"
            titles[int(rng.integers(PAGE))] = new
            candidates[new] = [f"own-{i}" for i in range(int(rng.integers(1, 9)))]
        for _ in range(int(rng.integers(1, 3))):
            page = profile.page(titles, candidates=candidates)
            for place, decision in enumerate(page):
                instead = "own-picture" if rng.random() < 0.005 else None
                ref = profile.shown(decision, slot=(place // 10, place % 10), instead=instead)
                self.counts["impressions"] += 1
                if rng.random() < 0.02:
                    profile.outcome(ref, minutes=float(rng.exponential(30)))
                    self.counts["outcomes"] += 1

    def _values(self) -> dict[str, object]:
        rng = self.rng
        if rng.random() < UNUSABLE:
            return {"hour": "noon"}
        return {
            "country": COUNTRIES[rng.integers(len(COUNTRIES))],
            "taste": {GENRES[i]: float(rng.random()) for i in rng.integers(0, len(GENRES), 5)},
            "hour": int(rng.integers(24)),
            "embedding": rng.normal(0, 0.3, 5).round(3).tolist(),
            "undeclared": "stays on the device",
        }

    def _limits(self, titles: Sequence[str]) -> dict[str, Any]:
        """What the host says of a session: half of them are limited, in one way or several."""
        rng = self.rng
        limits: dict[str, Any] = {}
        if rng.random() < 0.5:
            return limits
        if rng.random() < 0.4:
            denied = {title: self._some(title) for title in titles[:8]}
            limits["denied"] = denied | {"elsewhere": ["gone"]}
        if rng.random() < 0.4:
            limits["forbidden"] = ["mature"]
        if rng.random() < 0.3:
            limits["required"] = ["lang_en"]
        if rng.random() < 0.4:
            limits["candidates"] = {title: [*self._some(title), "new"] for title in titles[4:12]}
        return limits

    def _some(self, title: str) -> list[str]:
        """Some of a title's artworks, in rare cases all or none."""
        artworks = self.artworks[title]
        chosen = self.rng.random(len(artworks)) < self.rng.choice([0.0, 0.3, 0.6, 1.0])
        return [artwork for artwork, take in zip(artworks, chosen, strict=True) if take]


def judged(landing: Path, failures: Path, folder: Path, bundles: Sequence[Path]) -> dict[str, int]:
    """Exposures of what landed, and how many of them evaluation gets another propensity for.

    Every policy judges what it decided itself, under the limits of each call: all weights are 1.
    Left out are members of holdbacks, whose propensities are those of other explorers.
    """
    now = datetime.now(timezone.utc) + timedelta(days=30)
    report = attribute(landing, folder / "state", folder / "out", audit=failures, now=now)
    assert report.file is not None
    table = pq.read_table(report.file)
    counts = {"exposures": len(table), "compared": 0, "under_limits": 0, "differ": 0}
    for policy in map(edgeart.Policy.open, bundles):
        own = pc.and_(pc.equal(table["digest"], policy.digest), pc.is_null(table["cell"]))
        exposures = Exposures()
        exposures.add(table.filter(own))
        exposures.know([policy])
        log = exposures.log(np.arange(len(exposures)))
        weight = rows_of(log, propensities(policy, log), None).weight
        counts["compared"] += len(log)
        counts["under_limits"] += sum(call is not None for call in log.limits or ())
        counts["differ"] += int((np.abs(weight - 1) > 1e-12).sum())
    return counts
