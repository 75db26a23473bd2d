# SPDX-License-Identifier: Apache-2.0
"""Rows of a batch as arrays, for trainers that keep or transform them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..log import Log
from ..schema import FeatureSchema
from .linear import Batch, LinearTrainer


@dataclass(frozen=True, eq=False)
class Rows:
    """n rows. vectors: float32 [n, width]; row: int64 [n]; reward, weight: float64 [n]."""

    titles: Mapping[str, Sequence[str]]
    vectors: npt.NDArray[np.float32]
    row: npt.NDArray[np.int64]
    reward: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: slice | npt.NDArray[np.intp]) -> Rows:
        """The rows of these indices."""
        return Rows(
            self.titles,
            self.vectors[which],
            self.row[which],
            self.reward[which],
            self.weight[which],
        )

    def batch(self, u: npt.NDArray[np.floating] | None = None) -> dict[str, object]:
        """The rows as a batch for a trainer, with u [n, k] for the contexts where it is given."""
        pairs = [(title, artwork) for title, row in self.titles.items() for artwork in row]
        shown = [pairs[r] for r in self.row.tolist()]
        return {
            "title": [title for title, _ in shown],
            "artwork": [artwork for _, artwork in shown],
            "reward": self.reward,
            "weight": self.weight,
            "context": self.vectors if u is None else u.astype(np.float32),
        }


def read_rows(
    batch: Batch | Log, schema: FeatureSchema, titles: Mapping[str, Sequence[str]]
) -> Rows:
    """The batch's rows. Raises DataError."""
    x, row, reward, weight = LinearTrainer(schema, titles)._columns(batch)  # noqa: SLF001
    return Rows(titles, x.astype(np.float32), row, reward, weight)


def joined(parts: Sequence[Rows]) -> Rows:
    """All rows of the parts, in order."""
    return Rows(
        parts[0].titles,
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.reward for part in parts]),
        np.concatenate([part.weight for part in parts]),
    )
