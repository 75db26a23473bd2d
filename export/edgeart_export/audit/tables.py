# SPDX-License-Identifier: Apache-2.0
"""What the audit reads of a landing folder and what it writes, through DuckDB in bounded memory.

Contexts are wide and are looked at in an order that the files do not have, so those of a pass are
in memory; where all of them would be more than `memory` allows, the streams are spread over several
passes, each of which reads all files. Impressions stream past.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..attribution.tables import AUDITED, FAILURES, landed, table_files, with_templates
from ..engines.duckdb import DuckDBEngine, explained, sql
from ..errors import DataError
from ..files import open_whole

BATCH = 524_288
"""Impressions that are repeated together."""
OPEN_CONTEXT = 3
"""A context is held so many times: in DuckDB, in Arrow, and while the one becomes the other."""


@contextmanager
def open_tables(landing: Path, engine: DuckDBEngine) -> Iterator[Tables]:
    """The tables of a landing folder. Raises DataError for what is none, AttributionError."""
    files: dict[str, Sequence[Path]] = {"others": table_files(landing, "others"), **landed(landing)}
    with (
        tempfile.TemporaryDirectory(prefix="audit-", dir=engine.temp) as temp,
        explained("audit"),
        duckdb.connect(config=engine.config(temp)) as connection,
    ):
        yield Tables(connection, with_templates(files, Path(temp)), bytes_of(engine.memory))


class Tables:
    """Landing tables under audit. rows: of impressions, copies included. passes: see above."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: Mapping[str, Sequence[Path]],
        memory: int,
    ) -> None:
        self._connection = connection
        # The first is the template, of no rows.
        self.impression_files = list(files["impressions"][1:])
        self.rows = sum(pq.read_metadata(path).num_rows for path in self.impression_files)
        for name, paths in files.items():
            connection.execute(f"SET VARIABLE {name} = $1", [[str(path) for path in paths]])
        size = connection.execute(sql("audit/size.sql")).fetchall()[0][0]
        self.passes = max(1, math.ceil(OPEN_CONTEXT * size / memory))
        connection.execute(f"SET VARIABLE passes = {self.passes}")
        # A connection of its own, as it writes while the other one reads.
        self._writer = connection.cursor()
        self._writer.execute("CREATE TABLE seen (stream UBIGINT, first UINTEGER, last UINTEGER)")

    def contexts(self, number: int) -> pa.Table:
        """The contexts of a pass, from 0, in any order; an impression's `held` is the `id` here."""
        self._connection.execute(f"SET VARIABLE pass = {number}")
        self._connection.execute(sql("audit/contexts.sql"))
        return self._connection.sql("FROM held").to_arrow_reader(BATCH).read_all()

    def impressions(self) -> pa.RecordBatchReader:
        """The impressions of the pass whose contexts were asked for last, each copy."""
        return self._connection.sql(sql("audit/impressions.sql")).to_arrow_reader(BATCH)

    def see(self, ranges: pa.Table) -> None:
        """Takes down ranges of impressions that landed: stream, first, last."""
        self._writer.register("part", ranges)
        self._writer.execute("INSERT INTO seen FROM part")
        self._writer.unregister("part")

    def gaps(self) -> pa.Table:
        """Ranges (stream, first, last) that neither landed nor are reported as lost."""
        return self._connection.sql(sql("audit/gaps.sql")).to_arrow_table()


def ranges(stream: npt.NDArray[np.uint64], sequence: npt.NDArray[np.uint32]) -> pa.Table:
    """Events as ranges of consecutive ones: far fewer rows where the order is that of a device."""
    breaks = (stream[1:] != stream[:-1]) | (sequence[1:] != sequence[:-1] + np.uint32(1))
    starts = np.concatenate([[0], np.flatnonzero(breaks) + 1]).astype(np.int64)
    ends = np.concatenate([starts[1:], [len(stream)]]) - 1
    return pa.table({"stream": stream[starts], "first": sequence[starts], "last": sequence[ends]})


@contextmanager
def writing(
    out: Path | None, landing: Path, tables: Tables
) -> Iterator[Callable[[pa.Table], None]]:
    """A function that writes failures to `out`, which gets its name when all is on disk.

    The names of the files of impressions, relative to `landing`, go along with it.
    """
    if out is None:
        yield lambda _: None
        return
    names = [path.relative_to(landing).as_posix() for path in tables.impression_files]
    schema = FAILURES.with_metadata({AUDITED: json.dumps(names)})
    with open_whole(out) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:

        def write(failures: pa.Table) -> None:
            if len(failures):
                writer.write_table(failures.replace_schema_metadata(schema.metadata))

        yield write


def bytes_of(memory: str) -> int:
    """The bytes of an amount as DuckDB reads it: "512MB", "1GiB". Raises DataError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b", memory.strip().lower())
    if match is None:
        raise DataError(f"{memory!r} is no amount of memory such as 512MB")
    number, unit, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** "bkmgt".index(unit or "b"))
