# SPDX-License-Identifier: Apache-2.0
"""The exposures that attribution has given so far, with late corrections, ready to learn from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import DataError
from ..log import Log
from ..schema import FeatureSchema

WEIGHTED_REASONS = (0, 10, 20)
"""Reasons behind which a propensity stands (decision.md §7): policy, redrawn, recomputed."""

COLUMNS = (
    *("exposure", "unit_epoch", "policy_sequence", "map", "title", "artwork"),
    *("n", "propensity", "reason", "shown", "shown_first", "reward", "previous"),
)
"""What `Exposures.add` reads of attribution's table (docs/attribution.md)."""


@dataclass(eq=False)
class Exposures:
    """Exposures with a propensity behind them, in the order of their arrival.

    A row that corrects one given before changes its reward in place. `excluded` counts, by reason,
    those that no weighted estimate may use.
    """

    schema: FeatureSchema
    excluded: dict[str, int] = field(default_factory=dict)
    corrected: int = 0
    unit: list[int] = field(default_factory=list)
    sequence: list[int] = field(default_factory=list)
    title: list[str] = field(default_factory=list)
    artwork: list[str] = field(default_factory=list)
    propensity: list[float] = field(default_factory=list)
    reward: list[float] = field(default_factory=list)
    shown_first: list[int] = field(default_factory=list)
    _row: dict[bytes, int] = field(default_factory=dict)
    _map: list[int] = field(default_factory=list)
    _maps: dict[bytes, int] = field(default_factory=dict)
    _vectors: list[npt.NDArray[np.float32]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.title)

    def add(self, table: pa.Table) -> None:
        """Takes in the columns `COLUMNS`. Raises DataError for a correction of what never came."""
        # Times as milliseconds: a datetime object each would cost more than all the rest.
        first = COLUMNS.index("shown_first")
        read = [table.column(name) for name in COLUMNS]
        read[first] = read[first].cast(pa.int64())
        columns = (column.to_pylist() for column in read)
        for (
            key, unit, sequence, values, title, artwork,
            n, propensity, reason, instead, first, reward, previous,
        ) in zip(*columns, strict=True):  # fmt: skip
            if reason not in WEIGHTED_REASONS or not n or instead is not None:
                why = "another artwork shown" if instead is not None else f"reason {reason}"
                if previous is None:
                    self.excluded[why] = self.excluded.get(why, 0) + 1
            elif previous is not None:
                if key not in self._row:
                    raise DataError(f"exposure {key.hex()} is corrected but was never given")
                self.reward[self._row[key]] = reward
                self.corrected += 1
            else:
                self._row[key] = len(self.title)
                self.unit.append(unit)
                self.sequence.append(sequence)
                self.title.append(title)
                self.artwork.append(artwork)
                self.propensity.append(propensity)
                self.reward.append(reward)
                self.shown_first.append(first)
                self._map.append(self._number(values))

    def _number(self, values: bytes) -> int:
        number = self._maps.setdefault(values, len(self._maps))
        if number == len(self._vectors):
            self._vectors.append(self.schema.encode(values))
        return number

    def vectors(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """The encoded contexts of some rows: float32 [rows, width]."""
        if not self._vectors:
            return np.zeros((0, self.schema.width), dtype=np.float32)
        return np.stack(self._vectors)[np.array(self._map, dtype=np.intp)[rows]]

    def settled(self, now_ms: int, settled_ms: int) -> npt.NDArray[np.intp]:
        """The rows first shown at least so long ago.

        A 1 is given out as soon as it is known, a 0 only when it is settled: of later exposures
        only those with a play would be there.
        """
        return np.flatnonzero(np.array(self.shown_first, dtype=np.int64) <= now_ms - settled_ms)

    def of_sequence(self, sequence: int) -> npt.NDArray[np.intp]:
        """The rows that the policy of this sequence number decided."""
        return np.flatnonzero(np.array(self.sequence, dtype=np.int64) == sequence)

    def log(self, rows: npt.NDArray[np.intp]) -> Log:
        """Some rows as a log, a context's rows side by side; clusters are pseudonyms of units."""
        rows = rows[np.argsort(np.array(self._map, dtype=np.intp)[rows], kind="stable")]
        maps, picked = list(self._maps), rows.tolist()
        unit = np.array([self.unit[i] for i in picked], dtype=np.uint64)
        return Log(
            contexts=[maps[self._map[i]] for i in picked],
            title=[self.title[i] for i in picked],
            artwork=[self.artwork[i] for i in picked],
            reward=np.array([self.reward[i] for i in picked]),
            propensity=np.array([self.propensity[i] for i in picked]),
            cluster=unit.view(np.int64),
        )
