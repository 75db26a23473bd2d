# SPDX-License-Identifier: Apache-2.0
"""Logged decisions as trainers and estimators want them, whatever they were loaded from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import DataError
from .limits import CallLimits
from .schema import Values

_OPTIONAL = ("cluster", "time", "slot", "weight")
_RULES = {
    "reward": "finite",
    "propensity": "above 0 and at most 1",
    "weight": "finite and 0 or more",
}


@dataclass(frozen=True, eq=False)
class Log:
    """n exposures: what was known, what was shown with which propensity, what followed.

    contexts: n field maps. title, artwork: n ids. reward, propensity: float64 [n]; a propensity is
    above 0 and at most 1. cluster: int64 [n] or None; rows of one cluster (say, of one member) are
    not independent of each other, and intervals are computed over clusters. time: int64 [n] or
    None, milliseconds since 1970, when it was shown first. slot: int64 [n, 2] or None, row and
    column on the page, from 0. weight: float64 [n] or None, how much a row counts in training.
    limits: n limits of calls or None; a row's is None where nothing limited the choice.
    Raises DataError where lengths differ or a number is out of range.
    """

    contexts: Sequence[Values]
    title: Sequence[str]
    artwork: Sequence[str]
    reward: npt.NDArray[np.float64]
    propensity: npt.NDArray[np.float64]
    cluster: npt.NDArray[np.int64] | None = None
    time: npt.NDArray[np.int64] | None = None
    slot: npt.NDArray[np.int64] | None = None
    weight: npt.NDArray[np.float64] | None = None
    limits: Sequence[CallLimits | None] | None = None

    def __post_init__(self) -> None:
        count = len(self.contexts)
        for name in ("title", "artwork", "reward", "propensity", *_OPTIONAL, "limits"):
            column = getattr(self, name)
            if column is not None and len(column) != count:
                raise DataError(f"log: {len(column)} values of {name} for {count} contexts")
        if self.slot is not None and np.shape(self.slot) != (count, 2):
            raise DataError(f"log: slot has shape {np.shape(self.slot)}; [{count}, 2] is needed")
        for name, rule in _RULES.items():
            if getattr(self, name) is None:
                continue
            column = np.asarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, column)
            bad = ~np.isfinite(column)
            if name == "propensity":
                bad |= (column <= 0) | (column > 1)
            elif name == "weight":
                bad |= column < 0
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                raise DataError(f"log: row {row}: {name} must be {rule}, not {column[row]}")

    def __len__(self) -> int:
        return len(self.contexts)

    def take(self, rows: npt.NDArray[np.intp]) -> Log:
        """The log of these rows, in this order."""
        picked = rows.tolist()
        optional = {
            name: None if (column := getattr(self, name)) is None else np.asarray(column)[rows]
            for name in _OPTIONAL
        }
        return Log(
            contexts=[self.contexts[i] for i in picked],
            title=[self.title[i] for i in picked],
            artwork=[self.artwork[i] for i in picked],
            reward=self.reward[rows],
            propensity=self.propensity[rows],
            limits=None if self.limits is None else [self.limits[i] for i in picked],
            **optional,
        )

    def columns(self) -> dict[str, object]:
        """The columns by the names that trainers know (`trainers.Batch`), without those not set."""
        columns: dict[str, object] = {
            "context": self.contexts,
            "title": self.title,
            "artwork": self.artwork,
            "reward": self.reward,
            "propensity": self.propensity,
            "time": self.time,
            "weight": self.weight,
        }
        if self.slot is not None:
            columns |= {"slot_row": self.slot[:, 0], "slot_column": self.slot[:, 1]}
        return {name: column for name, column in columns.items() if column is not None}


def row_index(titles: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], int]:
    """(title, artwork) → row, rows counted in the order of `titles`."""
    pairs = ((title, artwork) for title, artworks in titles.items() for artwork in artworks)
    return {pair: row for row, pair in enumerate(pairs)}
