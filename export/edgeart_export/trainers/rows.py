# SPDX-License-Identifier: Apache-2.0
"""Rows that a trainer keeps or transforms before its heads learn from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import DataError
from ..log import Log, row_index
from ..schema import FeatureSchema
from .batch import Batch, named, numbers, read

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# What a row is where its batch said nothing.
_ABSENT = {"previous": np.nan, "propensity": 1.0}


@dataclass(frozen=True, eq=False)
class Rows:
    """n exposures, encoded.

    vectors: float32 [n, width]. row: int64 [n], the artwork's number. reward, weight: float64 [n].
    more: columns by the names of `Batch`, n values each: previous, propensity, time, slot_row,
    slot_column, cluster, as far as the batch had them.
    """

    vectors: npt.NDArray[np.float32]
    row: Ints
    reward: Floats
    weight: Floats
    more: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: slice | npt.NDArray[Any]) -> Rows:
        """The rows of these indices."""
        return Rows(
            self.vectors[which],
            self.row[which],
            self.reward[which],
            self.weight[which],
            {name: column[which] for name, column in self.more.items()},
        )

    def ordered(self) -> Rows:
        """The same rows by artwork, and among those by their bytes: in whatever order they came,
        they stand in this one.
        """
        numbers = [self.reward, self.weight, *(self.more[name] for name in sorted(self.more))]
        columns = [self.row[:, None].astype(">i8"), self.vectors, *(c[:, None] for c in numbers)]
        bytes_ = [np.ascontiguousarray(column).view(np.uint8) for column in columns]
        packed = np.ascontiguousarray(np.concatenate(bytes_, axis=1))
        keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
        return self.take(np.argsort(keys, kind="stable"))

    @property
    def new(self) -> npt.NDArray[np.bool_]:
        """Which rows are exposures of their own, and do not correct one: bool [n]."""
        previous = self.more.get("previous")
        return np.ones(len(self), dtype=bool) if previous is None else np.isnan(previous)


def read_rows(
    batch: Batch | Log,
    schema: FeatureSchema,
    titles: Mapping[str, Sequence[str]],
    *,
    needs: Sequence[str] = (),
) -> Rows:
    """The rows of a batch, and whose they are, if it has a column `cluster` or `unit_epoch`.

    These are numbers, texts or bytes; rows of one are not independent. Raises DataError.

    needs: columns that must be there besides the four.
    """
    columns = read(batch, schema, row_index(titles), needs=needs)
    given = named(batch)
    more: dict[str, npt.NDArray[Any]] = {}
    if columns.previous is not None:
        more["previous"] = columns.previous
    if columns.time is not None:
        more["time"] = columns.time
    if columns.slot is not None:
        more["slot_row"], more["slot_column"] = columns.slot.T
    if given.get("propensity") is not None:
        more["propensity"] = _floats("propensity", given["propensity"])
    own = batch.cluster if isinstance(batch, Log) else None
    members = given.get("cluster", given.get("unit_epoch", own))
    if members is not None:
        more["cluster"] = _clusters(members, len(columns))
    return Rows(columns.vectors[columns.context], columns.row, columns.reward, columns.weight, more)


def _floats(name: str, column: Any) -> Floats:
    """A column that `read` has checked."""
    if isinstance(column, pa.Array | pa.ChunkedArray):
        column = column.to_numpy()
    return numbers(name, column, np.isfinite, "finite")


def _clusters(column: Any, count: int) -> Ints:
    """Members as int64, the same for the same one in any batch. Raises DataError."""
    if isinstance(column, pa.Array | pa.ChunkedArray):
        if column.null_count:
            raise DataError(f"cluster is missing in {column.null_count} rows")
        column = column.to_pylist() if not pa.types.is_integer(column.type) else column.to_numpy()
    if len(column) != count:
        raise DataError(f"{len(column)} values of cluster for {count} contexts")
    found = np.asarray(column)
    if found.dtype.kind in "iu":
        return found.astype(np.int64)
    names = {str(m).encode() if not isinstance(m, bytes) else m for m in column}
    number = {name: _hash(name) for name in names}
    return np.array(
        [number[m if isinstance(m, bytes) else str(m).encode()] for m in column], dtype=np.int64
    )


def _hash(name: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little", signed=True)


def joined(parts: Sequence[Rows]) -> Rows:
    """All rows of at least one part, in order; of further columns those that all parts have."""
    names = set.union(*(set(part.more) for part in parts))
    common = {name for name in names if all(name in part.more for part in parts)}
    more = {
        name: np.concatenate(
            [part.more.get(name, np.full(len(part), _ABSENT.get(name))) for part in parts]
        )
        for name in names
        if name in common or name in _ABSENT
    }
    return Rows(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.reward for part in parts]),
        np.concatenate([part.weight for part in parts]),
        more,
    )


class Names:
    """Titles and artworks of rows, as the dictionary columns that a batch may have."""

    def __init__(self, titles: Mapping[str, Sequence[str]]) -> None:
        pairs = [(title, artwork) for title, artworks in titles.items() for artwork in artworks]
        self._artworks = list(dict.fromkeys(artwork for _, artwork in pairs))
        number = {artwork: i for i, artwork in enumerate(self._artworks)}
        counts = [len(artworks) for artworks in titles.values()]
        self._titles = list(titles)
        self._title = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        self._artwork = np.array([number[artwork] for _, artwork in pairs], dtype=np.int32)

    def batch(
        self,
        rows: Rows,
        context: npt.NDArray[np.float32] | None = None,
        expected: Floats | None = None,
    ) -> dict[str, object]:
        """A batch of these rows, with other contexts [n, k] and what is expected [n] taken off."""
        less = np.zeros(len(rows)) if expected is None else expected
        more = {name: column for name, column in rows.more.items() if name != "cluster"}
        if "previous" in more:
            more["previous"] = more["previous"] - less
        return {
            "title": pa.DictionaryArray.from_arrays(self._title[rows.row], self._titles),
            "artwork": pa.DictionaryArray.from_arrays(self._artwork[rows.row], self._artworks),
            "reward": rows.reward - less,
            "weight": rows.weight,
            "context": rows.vectors if context is None else context,
            **more,
        }
