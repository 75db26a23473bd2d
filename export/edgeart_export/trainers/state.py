# SPDX-License-Identifier: Apache-2.0
"""A trainer's sums on disk: one Parquet file, a row an artwork, exact to the bit.

Columns: title, artwork (strings), count, reward (double), sums (list of doubles, the upper triangle
of `Sums`, row after row), features (list of doubles; null where nothing is known of the artwork).
The file's metadata has the key `edgeart.trainer`: JSON with `format` (1), the trainer's `kind` and
its other settings. Rows stand in the order of the titles and of each title's artworks. Columns that
a kind has besides (`trainers.auto_state`) follow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError
from .sums import Floats, Sums

FORMAT = 1
_KEY = b"edgeart.trainer"
_ROWS = 4096
"""Artworks written or read at a time: 18 MB at width 32."""


def save(
    path: str | os.PathLike[str],
    settings: Mapping[str, object],
    titles: Mapping[str, Sequence[str]],
    sums: Sums,
    features: Mapping[tuple[str, str], Floats],
    more: pa.Table | None = None,
) -> None:
    """Writes a file that appears whole or not at all. Raises OSError.

    more: further columns, a row an artwork.
    """
    target = Path(path)
    described = {"format": FORMAT, "width": sums.width, "extras": sums.extras, **settings}
    schema = _schema(sums.values.shape[1]).with_metadata({_KEY: json.dumps(described).encode()})
    for column in () if more is None else more.schema:
        schema = schema.append(column)
    pairs = [(title, artwork) for title, artworks in titles.items() for artwork in artworks]
    half = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with pq.ParquetWriter(half, schema, compression="zstd") as writer:
            for first in range(0, max(len(pairs), 1), _ROWS):
                some = slice(first, first + _ROWS)
                flat = pa.array(sums.values[some].ravel())
                known = [
                    None if (f := features.get(p)) is None else f.tolist() for p in pairs[some]
                ]
                columns = {
                    "title": [title for title, _ in pairs[some]],
                    "artwork": [artwork for _, artwork in pairs[some]],
                    "count": sums.counts[some],
                    "reward": sums.rewards[some],
                    "sums": pa.FixedSizeListArray.from_arrays(flat, sums.values.shape[1]),
                    "features": pa.array(known, pa.list_(pa.float64())),
                }
                if more is not None:
                    part = more.slice(first, _ROWS)
                    columns |= dict(zip(part.schema.names, part.columns, strict=True))
                writer.write_table(pa.table(columns, schema=schema))
        with half.open("rb") as written:
            os.fsync(written.fileno())
        half.replace(target)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


@dataclass(frozen=True, eq=False)
class State:
    """What a file held. features: (title, artwork) → its vector, of those that have one.

    more: the columns besides.
    """

    settings: dict[str, Any]
    titles: dict[str, list[str]]
    sums: Sums
    features: dict[tuple[str, str], Floats]
    more: pa.Table

    @property
    def kind(self) -> str:
        """Of trainer: `linear`, `auto`."""
        return str(self.settings.get("kind"))


def kind(path: str | os.PathLike[str]) -> str:
    """The kind of trainer that wrote a state. Raises DataError that names the file, OSError."""
    with _opened(path) as file:
        return str(_described(path, file).get("kind"))


def _opened(path: str | os.PathLike[str]) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: no state of a trainer: {error}") from None


def load(path: str | os.PathLike[str]) -> State:
    """What `save` wrote. Raises DataError that names the file, OSError."""
    with _opened(path) as file:
        described = _described(path, file)
        sums = Sums(file.metadata.num_rows, described["width"], described["extras"])
        usual, names = _schema(sums.values.shape[1]), file.schema_arrow.names
        further = names[len(usual) :]
        if not pa.schema([*file.schema_arrow][: len(usual)]).equals(usual) or (
            further and described.get("kind") == "linear"
        ):
            raise DataError(f"{path}: the columns are not those of a state of format {FORMAT}")
        titles: dict[str, list[str]] = {}
        features: dict[tuple[str, str], Floats] = {}
        last, first = None, 0
        for batch in file.iter_batches(_ROWS, columns=usual.names):
            some = slice(first, first + len(batch))
            first += len(batch)
            sums.counts[some] = batch.column("count").to_numpy()
            sums.rewards[some] = batch.column("reward").to_numpy()
            flat = batch.column("sums").flatten().to_numpy()
            sums.values[some] = flat.reshape(len(batch), -1)
            columns = [batch.column(n).to_pylist() for n in ("title", "artwork", "features")]
            for title, artwork, known in zip(*columns, strict=True):
                if known is not None:
                    features[title, artwork] = np.array(known)
                if title != last and title in titles:
                    raise DataError(f"{path}: the artworks of title {title!r} stand apart")
                titles.setdefault(title, []).append(artwork)
                last = title
        more = file.read(further)
    for name, array in (("counts", sums.counts), ("rewards", sums.rewards), ("sums", sums.values)):
        if not np.isfinite(array).all():
            raise DataError(f"{path}: {name} are not all finite; train anew")
    return State(described, titles, sums, features, more)


def _described(path: object, file: pq.ParquetFile) -> dict[str, Any]:
    text = (file.schema_arrow.metadata or {}).get(_KEY)
    if text is None:
        raise DataError(f"{path}: no state of a trainer; `save_state` writes one")
    described = json.loads(text)
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise DataError(f"{path}: a state of another format than {FORMAT}; train anew")
    for name in ("width", "extras"):
        if type(described.get(name)) is not int or not 0 <= described[name] <= 2048:
            raise DataError(f"{path}: the state has no usable {name}")
    return described


def _schema(length: int) -> pa.Schema:
    return pa.schema(
        [
            pa.field("title", pa.string(), nullable=False),
            pa.field("artwork", pa.string(), nullable=False),
            pa.field("count", pa.float64(), nullable=False),
            pa.field("reward", pa.float64(), nullable=False),
            pa.field("sums", pa.list_(pa.float64(), length), nullable=False),
            pa.field("features", pa.list_(pa.float64())),
        ]
    )
