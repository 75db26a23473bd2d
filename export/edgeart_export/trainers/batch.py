# SPDX-License-Identifier: Apache-2.0
"""Batches of exposures as trainers take them, checked column by column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

import edgeart

from ..errors import DataError
from ..log import Log
from ..schema import FeatureSchema

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Batch: TypeAlias = pa.Table | pa.RecordBatch | Mapping[str, object]
"""Columns `title`, `artwork` (strings), `reward` (number) and `context`: a list of schema.width
float32 each, or binary, one MessagePack map each. If wanted also

    weight              number ≥ 0; 1 where there is none
    time                when it was shown: timestamp or milliseconds, for trainers that forget
    previous            null, or the reward given before that this row corrects
    propensity          above 0 and at most 1; checked, not used
    slot_row, slot_column   place on the page from 0, for trainers that know of slots

In a Mapping they are numpy arrays or sequences, `context` a float32 [n, width] array or field maps.
A float32 list column or array without nulls is used where it lies, without a copy."""

_LARGEST = 2.0**50


@dataclass(frozen=True, eq=False)
class Columns:
    """A batch of n rows, checked.

    vectors: float32 [contexts, width], encoded; context: int64 [n], which of them is a row's.
    row: int64 [n], the artwork's number. reward, weight: float64 [n]. previous: float64 [n], NaN
    where the row is new. time: int64 [n], milliseconds. slot: int64 [n, 2], row and column.
    """

    vectors: npt.NDArray[np.float32]
    context: Ints
    row: Ints
    reward: Floats
    weight: Floats
    previous: Floats | None
    time: Ints | None
    slot: Ints | None

    def __len__(self) -> int:
        return len(self.row)

    def places(self, slots: tuple[int, int]) -> Ints | None:
        """Indicators of each row's place, int64 [n, 2], below 0 for none: see `sums.Rows.extra`.

        slots: rows and columns of the page that have one; what is further shares the last. The
        first row and the first column have none: they are what others are compared with.
        """
        if self.slot is None:
            return None
        row = np.minimum(self.slot[:, 0], slots[0] - 1) - 1
        column = np.minimum(self.slot[:, 1], slots[1] - 1) - 1
        return np.stack([row, np.where(column < 0, -1, column + slots[0] - 1)], axis=1)


def read(
    batch: Batch | Log,
    schema: FeatureSchema,
    rows: Mapping[tuple[str, str], int],
    *,
    needs: Sequence[str] = (),
) -> Columns:
    """The batch, encoded by `schema`; `rows` gives (title, artwork) its number.

    needs: columns that must be there besides the four. Raises DataError that names the column, the
    row (counted from 0) and what is wrong with it.
    """
    columns = named(batch)
    missing = {"title", "artwork", "reward", "context", *needs} - columns.keys()
    if missing:
        raise DataError(f"the batch has no column {', '.join(sorted(missing))}")
    vectors, context = _contexts(columns["context"], schema)
    row = _artworks(columns["title"], columns["artwork"], rows)
    reward = numbers("reward", columns["reward"], lambda x: np.abs(x) < _LARGEST, "finite")
    found: dict[str, Floats | Ints | None] = dict.fromkeys(
        ("weight", "previous", "propensity", "time", "slot_row", "slot_column")
    )
    if columns.get("weight") is not None:
        found["weight"] = numbers(
            "weight",
            columns["weight"],
            lambda x: (x >= 0) & (x < _LARGEST),
            "finite and not negative",
        )
    if columns.get("propensity") is not None:
        found["propensity"] = numbers(
            "propensity",
            columns["propensity"],
            lambda x: (x > 0) & (x <= 1),
            "above 0 and at most 1",
        )
    if columns.get("previous") is not None:
        found["previous"] = numbers(
            "previous",
            columns["previous"],
            lambda x: np.isnan(x) | (np.abs(x) < _LARGEST),
            "null or finite",
        )
    if columns.get("time") is not None:
        found["time"] = _times(columns["time"])
    if {"slot_row", "slot_column"} <= columns.keys():
        for name in ("slot_row", "slot_column"):
            place = numbers(name, columns[name], lambda x: (x >= 0) & (x < _LARGEST), "0 or more")
            found[name] = place.astype(np.int64)
    for name, column in (("title", row), ("reward", reward), *found.items()):
        if column is not None and len(column) != len(context):
            raise DataError(f"{len(column)} values of {name} for {len(context)} contexts")
    weight, previous, time = found["weight"], found["previous"], found["time"]
    places = [found["slot_row"], found["slot_column"]]
    return Columns(
        vectors=vectors,
        context=context,
        row=row,
        reward=reward,
        weight=np.ones(len(row)) if weight is None else weight.astype(np.float64),
        previous=None if previous is None else previous.astype(np.float64),
        time=None if time is None else time.astype(np.int64),
        slot=None if places[0] is None or places[1] is None else _stacked(places[0], places[1]),
    )


def named(batch: object) -> dict[str, object]:
    """The columns of a batch by name. Raises DataError for what is no batch."""
    if isinstance(batch, Log):
        return batch.columns()
    if isinstance(batch, pa.Table | pa.RecordBatch):
        return {name: batch.column(name) for name in batch.schema.names}
    if isinstance(batch, Mapping):
        return dict(batch)
    raise DataError(f"a batch is an Arrow table, a Log or a mapping, not {type(batch).__name__}")


def numbers(
    name: str, column: object, fits: Callable[[Floats], npt.NDArray[np.bool_]], rule: str
) -> Floats:
    """A column as float64 [n]; null is NaN. Raises DataError with the first row that does not fit.

    rule: what `fits` asks for, in words.
    """
    if isinstance(column, pa.Array | pa.ChunkedArray):
        try:
            column = pc.cast(_one(column), pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowException as error:
            raise DataError(f"{name} must be numbers: {error}") from None
    try:
        found = np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be numbers: {error}") from None
    if found.ndim != 1:
        raise DataError(f"{name} must be one number a row, not of shape {found.shape}")
    unfit = ~fits(found)
    if unfit.any():
        first = int(np.argmax(unfit))
        others = int(unfit.sum()) - 1
        more = f" (and {others} more rows)" if others else ""
        raise DataError(f"row {first}: {name} must be {rule}, not {found[first]}{more}")
    return found


def _stacked(rows: Floats | Ints, columns: Floats | Ints) -> Ints:
    return np.stack([rows, columns], axis=1).astype(np.int64)


def _times(given: object) -> Ints:
    """Milliseconds since 1970."""
    column: Any = given
    if isinstance(given, pa.Array | pa.ChunkedArray):
        column = _one(given)
        if column.null_count:
            raise DataError(f"row {_first_null(column)}: time is missing")
        if pa.types.is_timestamp(column.type):
            column = pc.cast(column, pa.timestamp("ms", tz=column.type.tz), safe=False)
            column = pc.cast(column, pa.int64())
        column = column.to_numpy(zero_copy_only=False)
    array = np.asarray(column)
    if array.dtype.kind == "M":
        missing = np.isnat(array)
        if missing.any():
            raise DataError(f"row {int(np.argmax(missing))}: time is missing")
        array = array.astype("datetime64[ms]").astype(np.int64)
    found = numbers("time", array, lambda x: np.abs(x) < 2.0**53, "milliseconds since 1970")
    return found.astype(np.int64)


def _contexts(given: object, schema: FeatureSchema) -> tuple[npt.NDArray[np.float32], Ints]:
    """Encoded contexts, float32 [m, width], each once where they are maps; and whose they are."""
    contexts: Any = given
    if isinstance(contexts, pa.Array | pa.ChunkedArray):
        contexts = _one(contexts)
        if contexts.null_count:
            raise DataError(f"row {_first_null(contexts)}: context is missing")
        if pa.types.is_binary(contexts.type) or pa.types.is_large_binary(contexts.type):
            contexts = contexts.dictionary_encode()
        if pa.types.is_dictionary(contexts.type):
            which = contexts.indices.to_numpy(zero_copy_only=False).astype(np.int64)
            return _encoded(contexts.dictionary.to_pylist(), which, schema), which
        contexts = _flattened(contexts, schema.width)
    if isinstance(contexts, np.ndarray) and contexts.dtype.kind in "fiu":
        if contexts.ndim != 2 or contexts.shape[1] != schema.width:
            raise DataError(f"context has shape {contexts.shape}; [n, {schema.width}] is needed")
        with np.errstate(over="ignore"):  # what overflows is refused below
            vectors = np.ascontiguousarray(contexts, dtype=np.float32)
        finite = np.isfinite(vectors)
        if not finite.all():
            row, slot = np.argwhere(~finite)[0].tolist()
            raise DataError(
                f"row {row}: context: every slot must be finite; {schema.slots()[slot]!r} is "
                f"{contexts[row, slot]}"
            )
        return vectors, np.arange(len(vectors), dtype=np.int64)
    if not isinstance(contexts, Sequence | np.ndarray):
        raise DataError(f"context: cannot read {type(contexts).__name__}")
    # The rows of one page may share their map.
    number: dict[int, int] = {}
    which = np.fromiter(
        (number.setdefault(id(values), len(number)) for values in contexts), np.int64, len(contexts)
    )
    first = np.zeros(len(number), dtype=np.int64)
    first[which[::-1]] = np.arange(len(which))[::-1]
    return _encoded([contexts[i] for i in first.tolist()], which, schema), which


def _encoded(maps: Sequence[object], which: Ints, schema: FeatureSchema) -> npt.NDArray[np.float32]:
    try:
        return schema.encode_many(maps)  # type: ignore[arg-type]
    except (edgeart.EdgeartError, TypeError) as error:
        for number, values in enumerate(maps):
            try:
                schema.encode(values)  # type: ignore[arg-type]
            except (edgeart.EdgeartError, TypeError) as fault:  # noqa: PERF203 - once, then it ends
                row = int(np.argmax(which == number))
                raise DataError(f"row {row}: context: {fault}") from None
        raise DataError(f"context: {error}") from None


def _flattened(lists: pa.Array, width: int) -> npt.NDArray[np.float32]:
    """An Arrow column of lists of numbers, each `width` long, as [n, width]."""
    if not (pa.types.is_list(lists.type) or pa.types.is_fixed_size_list(lists.type)):
        raise DataError(f"context must be a list of {width} numbers or binary, not {lists.type}")
    lengths = pc.list_value_length(lists)
    unfit = pc.not_equal(lengths, width)
    if pc.any(unfit).as_py():
        row = pc.index(unfit, value=True).as_py()
        raise DataError(
            f"row {row}: context: every list must have {width} numbers, this has {lengths[row]}"
        )
    flat = lists.flatten()
    if flat.null_count:
        raise DataError(f"row {_first_null(flat) // width}: context: a slot is null")
    numbers_: npt.NDArray[np.float32] = flat.to_numpy(zero_copy_only=False)
    if numbers_.dtype.kind not in "fiu":
        raise DataError(f"context must be a list of {width} numbers or binary, not {lists.type}")
    return numbers_.reshape(-1, width)


def _artworks(titles: object, artworks: object, rows: Mapping[tuple[str, str], int]) -> Ints:
    """The number of every row's (title, artwork): each pair is looked up once."""
    (title, titles_), (artwork, artworks_) = _texts("title", titles), _texts("artwork", artworks)
    if len(title) != len(artwork):
        raise DataError(f"{len(artwork)} artworks for {len(title)} titles")
    across = len(artworks_) + 1
    pairs = title * across + artwork
    used, which = _distinct(pairs, len(titles_) * across)
    found = np.empty(len(used), dtype=np.int64)
    for i, pair in enumerate(used.tolist()):
        number = rows.get((titles_[pair // across], artworks_[pair % across]))
        found[i] = -1 if number is None else number
    numbers_ = found[which]
    if (found < 0).any():
        row = int(np.argmax(numbers_ < 0))
        raise DataError(
            f"row {row}: title {titles_[title[row]]!r} with artwork {artworks_[artwork[row]]!r} "
            f"is not among the trainer's titles"
        )
    return numbers_


def _distinct(codes: Ints, bound: int) -> tuple[Ints, Ints]:
    """The codes that occur, and of every element which of them it is; codes are below `bound`."""
    if bound > 4 * len(codes) + (1 << 16):
        used, which = np.unique(codes, return_inverse=True)
        return used, which.astype(np.int64)
    place = np.zeros(bound, dtype=np.int64)  # a table is some times faster than to sort
    place[codes] = 1
    used = np.flatnonzero(place)
    place[used] = np.arange(len(used))
    return used, place[codes]


def _texts(name: str, given: object) -> tuple[Ints, list[str]]:
    """Codes int64 [n] and the texts they stand for."""
    column: Any = given
    if not isinstance(column, pa.Array | pa.ChunkedArray):
        if not isinstance(column, np.ndarray | Sequence) or isinstance(column, str | bytes):
            raise DataError(
                f"title and artwork must be columns of strings, not {type(column).__name__}"
            )
        number: dict[str, int] = {}
        codes = (number.setdefault(str(text), len(number)) for text in column)
        return np.fromiter(codes, np.int64, len(column)), list(number)
    column = _one(column)
    if column.null_count:
        raise DataError(f"row {_first_null(column)}: {name} is missing")
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    texts = [str(text) for text in column.dictionary.to_pylist()]
    return column.indices.to_numpy(zero_copy_only=False).astype(np.int64), texts


def _one(column: Any) -> Any:
    """An Arrow column in one piece; no copy is made of a single one."""
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column


def _first_null(column: pa.Array) -> int:
    return int(pc.index(pc.is_null(column), value=True).as_py())
