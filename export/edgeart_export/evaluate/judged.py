# SPDX-License-Identifier: Apache-2.0
"""The estimates of one policy on some rows, and whether these are enough to have intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..errors import DataError
from ..estimators import Estimate, Rows, Terms

NAMES = {
    "snips": "SNIPS",
    "sndr": "SNDR",
    "dr": "DR",
    "mrdr": "MRDR",
    "ips": "IPS",
    "clipped": "clipped IPS",
    "dm": "DM",
    "replay": "replay",
}
"""Estimators in the order in which they are shown, and what they are called."""

LEAST_SAMPLE = 1000.0
"""With a smaller effective sample size there is no interval."""

LEAST_REWARDED = 25.0
"""Nor with fewer effective rewarded rows; see `Rows.effective_rewarded`."""

LEAST_CLUSTERS = 100.0
"""Nor with fewer effective clusters; see `Rows.effective_clusters`."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Judged:
    """The estimates of one policy on some rows.

    estimates: by name, those of replay, dm, ips, clipped, snips, dr, sndr and mrdr that can be
    had. bootstrap: 95 % intervals of resampled clusters where they were asked for. doubts: why
    there are no intervals, in sentences; empty where there are. without: estimators that have none
    all the same, because what they are off by is not chance: DM, whose error is its model's, and
    replay where the logging policy did not show all candidates alike or too few rows match.
    """

    rows: int
    estimates: Mapping[str, Estimate]
    bootstrap: Mapping[str, Interval]
    effective_sample_size: float
    effective_rewarded: float
    doubts: tuple[str, ...]
    without: frozenset[str] = frozenset()

    def interval(self, name: str) -> Interval | None:
        """The 95 % interval of an estimate; None where the rows are too few to have one."""
        return None if self.doubts or name in self.without else self.estimates[name].interval

    def estimate_json(self, name: str) -> dict[str, object]:
        """Value, standard error and interval; all but the value null where there is none."""
        told: dict[str, object] = {**self.estimates[name].to_json()}
        if name in self.bootstrap:
            told["bootstrap"] = list(self.bootstrap[name])
        none = self.interval(name) is None
        return {key: None if none and key != "value" else told[key] for key in told}

    def to_json(self) -> dict[str, object]:
        """Everything, as `json` writes it."""
        return {
            "rows": self.rows,
            **{name: self.estimate_json(name) for name in self.estimates},
            "effective_sample_size": self.effective_sample_size,
            "effective_rewarded": self.effective_rewarded,
            "doubts": list(self.doubts),
        }


def judged(
    rows: Rows, robust: Rows | None, *, clip: float, modelled: bool, even: bool, bootstrap: bool
) -> Judged:
    """All estimates of the rows.

    robust: the rows with MRDR's predictions; modelled: whether there is a reward model; even:
    whether the logging policy showed all candidates alike. Raises DataError where all weights are
    0, and for fewer than two rows.
    """
    terms: dict[str, Terms] = {
        "snips": rows.snips,
        "ips": rows.ips,
        "clipped": rows.clipped(clip),
    }
    without = {"dm"}
    if rows.likeliest is not None and rows.likeliest.any():
        terms["replay"] = rows.replay
        if not even or doubts(replace(rows, weight=rows.likeliest)):
            without.add("replay")
    if modelled:
        terms |= {"dm": rows.dm, "dr": rows.dr, "sndr": rows.sndr}
    if robust is not None:
        terms["mrdr"] = robust.dr
    return Judged(
        rows=len(rows),
        estimates={name: term.estimate() for name, term in terms.items()},
        bootstrap={name: t.bootstrap() for name, t in terms.items()} if bootstrap else {},
        effective_sample_size=rows.effective,
        effective_rewarded=rows.effective_rewarded,
        doubts=doubts(rows),
        without=frozenset(without),
    )


def doubts(rows: Rows) -> tuple[str, ...]:
    """Why an interval from these rows would not hold what it promises; empty where it would.

    `benchmarks/coverage.py` shows that beyond these bounds 95 % intervals cover 95 %.
    """
    found = []
    size, rewarded, clusters = rows.effective, rows.effective_rewarded, rows.effective_clusters
    if size < LEAST_SAMPLE:
        found.append(f"the effective sample of {size:.0f} rows is smaller than {LEAST_SAMPLE:,.0f}")
    if rewarded < LEAST_REWARDED:
        found.append(
            f"rewarded rows count as {rewarded:.1f} of equal weight, fewer than "
            f"{LEAST_REWARDED:.0f}"
        )
    if rows.cluster is not None and clusters < LEAST_CLUSTERS:
        found.append(f"units count as {clusters:.0f} like ones, fewer than {LEAST_CLUSTERS:.0f}")
    return tuple(found)


def members_of(rows: Rows, group: np.ndarray[tuple[int], np.dtype[np.object_]]) -> dict[str, Rows]:
    """The rows of each member group, largest first. group: [n] names."""
    if len(group) != len(rows):
        raise DataError(f"{len(group)} member groups for {len(rows)} rows")
    names, counts = np.unique(group.astype(str), return_counts=True)
    order = np.lexsort((names, -counts))
    return {str(names[i]): rows.take(group == names[i]) for i in order}
