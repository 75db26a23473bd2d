# SPDX-License-Identifier: Apache-2.0
"""Columns of attribution's table as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.intp]


def valid(table: pa.Table, name: str) -> npt.NDArray[np.bool_]:
    """Where a column is not null: [rows]."""
    found: npt.NDArray[np.bool_] = pc.is_valid(table.column(name)).to_numpy()
    return found


def numbers_of(table: pa.Table, name: str, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """A column of numbers, [rows]; of moments, milliseconds since 1970."""
    column = table.column(name)
    if pa.types.is_timestamp(column.type):  # a datetime object each would cost more than the rest
        column = column.cast(pa.timestamp("ms", tz=column.type.tz)).cast(pa.int64())
    found: npt.NDArray[Any] = column.to_numpy().astype(kind, copy=False)
    return found


def slots_of(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    """Places on the page, -1 where the table does not have them."""
    there = name in table.column_names
    return numbers_of(table, name, np.int64) if there else np.full(len(table), -1)


def coded(table: pa.Table, name: str) -> tuple[Ints, list[bytes]]:
    """Numbers of a column's values [rows], and the values."""
    column = table.column(name).combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # of no chunk at all
        return np.zeros(0, dtype=np.intp), []
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return encoded.indices.to_numpy().astype(np.intp), encoded.dictionary.to_pylist()


def words_of(table: pa.Table, name: str) -> npt.NDArray[np.object_]:
    """A column of texts as str, [rows]."""
    code, values = coded(table, name)
    return np.array([*values, None], dtype=object)[:-1][code]
