# SPDX-License-Identifier: Apache-2.0
"""The rows that a trainer remembers, to learn a tower anew from: in an order of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .rows import Rows, joined

Ints = npt.NDArray[np.int64]

_TYPES = {
    "previous": pa.float64(),
    "time": pa.int64(),
    "slot_row": pa.int64(),
    "slot_column": pa.int64(),
}


class Kept:
    """Rows of contexts of `width` slots, without what no head learns from.

    timed, placed: whether times and places on the page are learned from. What is made of the rows
    does not depend on the order in which they came.
    """

    def __init__(self, width: int, *, timed: bool, placed: bool) -> None:
        self._width = width
        self._names = ["previous"]
        self._names += ["time"] if timed else []
        self._names += ["slot_row", "slot_column"] if placed else []
        self._parts: list[Rows] = []

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def nbytes(self) -> int:
        """Bytes of memory that they take."""
        each = self._width * 4 + 8 * (3 + len(self._names))
        return len(self) * each

    def add(self, rows: Rows) -> None:
        """Remembers more rows."""
        more = {
            name: rows.more[name] if name in rows.more else np.full(len(rows), np.nan)
            for name in self._names
        }
        self._parts.append(Rows(rows.vectors, rows.row, rows.reward, rows.weight, more))

    def clear(self) -> None:
        """Forgets all."""
        self._parts = []

    def rows(self) -> Rows:
        """All of them, in their own order (`Rows.ordered`)."""
        if not self._parts:
            none = np.zeros(0)
            more = {n: none.astype(_TYPES[n].to_pandas_dtype()) for n in self._names}
            whole = np.zeros(0, dtype=np.int64)
            return Rows(np.zeros((0, self._width), np.float32), whole, none, none, more)
        if len(self._parts) > 1:
            self._parts = [joined(self._parts)]
        return self._parts[0].ordered()

    def merge(self, other: Kept) -> None:
        """Remembers what another does besides."""
        self._parts += other._parts

    def placed(self, where: Ints) -> Kept:
        """The same, where artworks have other numbers: `where` [R] gives each its new one."""
        made = Kept(self._width, timed="time" in self._names, placed="slot_row" in self._names)
        for part in self._parts:
            row = where[part.row]
            made.add(Rows(part.vectors, row, part.reward, part.weight, part.more))
        return made

    def to_arrow(self, artworks: int) -> pa.Array:
        """A list of its rows for each artwork."""
        rows = self.rows()
        context = pa.FixedSizeListArray.from_arrays(pa.array(rows.vectors.ravel()), self._width)
        columns: dict[str, Any] = {
            "context": context,
            "reward": pa.array(rows.reward),
            "weight": pa.array(rows.weight),
            **{name: pa.array(rows.more[name], _TYPES[name]) for name in self._names},
        }
        starts = np.searchsorted(rows.row, np.arange(artworks + 1)).astype(np.int32)
        each = pa.StructArray.from_arrays(list(columns.values()), names=list(columns))
        return pa.ListArray.from_arrays(pa.array(starts), each)

    def fill(self, column: pa.ChunkedArray) -> None:
        """Remembers what `to_arrow` gave. Raises ValueError, KeyError for anything else."""
        lists = column.combine_chunks()
        if isinstance(lists, pa.ChunkedArray):
            lists = pa.concat_arrays(lists.chunks)
        each = lists.flatten()
        if not len(each):
            return
        row = np.repeat(np.arange(len(lists)), pc.list_value_length(lists).to_numpy())
        vectors = np.asarray(each.field("context").flatten()).reshape(len(each), self._width)
        values = {n: np.asarray(each.field(n)) for n in ("reward", "weight", *self._names)}
        finite: Sequence[npt.NDArray[Any]] = (vectors, values["reward"], values["weight"])
        if not all(np.isfinite(array).all() for array in finite):
            raise ValueError("rows kept are not all finite")
        more = {name: values[name] for name in self._names}
        self._parts = [Rows(vectors, row, values["reward"], values["weight"], more)]
