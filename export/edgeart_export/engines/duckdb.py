# SPDX-License-Identifier: Apache-2.0
"""Attribution in DuckDB, in bounded memory: the SQL stands in files of its own beside this one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import duckdb
import pyarrow as pa

from ..errors import AttributionError
from . import Job

STEPS = {
    "1_contexts.sql": "reading contexts",
    "2_impressions.sql": "reading impressions",
    "3_exposures.sql": "grouping exposures",
    "4_outcomes.sql": "reading outcomes and plays",
    "5_followed.sql": "matching outcomes and plays",
    "6_rewards.sql": "judging",
    "7_results.sql": "preparing results",
}
COUNTS, LOSSES = "8_counts.sql", "9_losses.sql"
PARTED = "exposures"
"""The result that is read part after part, see `parts`."""
PART = 500_000
"""Exposures of a part."""
BATCH = 65_536
"""Rows of an Arrow batch."""

Progress = Callable[[str, int, int], None]


def sql(name: str) -> str:
    """The text of one of the SQL files."""
    return (
        resources.files(__package__).joinpath("sql", *name.split("/")).read_text(encoding="utf-8")
    )


@dataclass(frozen=True)
class DuckDBEngine:
    """Settings of the engine.

    memory: most memory of DuckDB's buffers, such as "1GB"; what does not fit goes to disk, into a
    folder below `temp` (None: the system's) that is removed afterwards. threads: None for all.
    progress: `progress(what, done, steps)` is called before each step, and once after the last.
    """

    memory: str = "1GB"
    temp: Path | None = None
    threads: int | None = None
    progress: Progress | None = None

    @contextmanager
    def attribute(self, job: Job) -> Iterator[Tables]:
        """Runs the job; the result's rows stream from DuckDB. Raises AttributionError."""
        progress, steps = self.progress or _silent, len(STEPS) + 2
        with (
            tempfile.TemporaryDirectory(prefix="attribution-", dir=self.temp) as temp,
            explained(),
            duckdb.connect(config=self.config(temp)) as connection,
        ):
            for name, value in variables(job).items():
                connection.execute(f"SET VARIABLE {name} = $1", [value])
            for done, (name, what) in enumerate(STEPS.items()):
                progress(what, done, steps)
                connection.execute(sql(name))
            progress("counting", steps - 2, steps)
            tables = Tables(connection)
            progress("writing", steps - 1, steps)
            yield tables
            progress("done", steps, steps)

    def config(self, temp: str) -> dict[str, str | bool | int | float | list[str]]:
        """What DuckDB is told; temp: where what memory does not hold goes."""
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self.memory,
            "temp_directory": temp,
            "preserve_insertion_order": False,
            # Nothing is fetched from anywhere.
            "autoinstall_known_extensions": False,
        }
        if self.threads is not None:
            config["threads"] = self.threads
        return config


class Tables:
    """What the SQL left in a connection's temporary tables."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        counted = connection.execute(sql(COUNTS))
        names = [column[0] for column in counted.description or []]
        self.counts: Mapping[str, int] = dict(zip(names, counted.fetchall()[0], strict=True))
        self.losses: Mapping[str, int] = dict(connection.execute(sql(LOSSES)).fetchall())

    def rows(self, result: str) -> pa.RecordBatchReader:
        """The rows of `exposures`, `emitted` or `credited`."""
        view = {name: f"{name}_out" for name in ("exposures", "emitted", "credited")}[result]
        if result != PARTED:
            return self._read(view)
        # Without its variables the view is empty, but has its columns.
        schema = self._read(view).read_all().schema
        batches = (batch for _ in parts(self._connection) for batch in self._read(view))
        return pa.RecordBatchReader.from_batches(schema, batches)

    def _read(self, view: str) -> pa.RecordBatchReader:
        return self._connection.sql(f"FROM {view}").to_arrow_reader(BATCH)


def parts(connection: duckdb.DuckDBPyConnection) -> Iterator[int]:
    """Numbers of the parts of `exposures_out`, which shows the one whose turn it is."""
    bounds = connection.execute("SELECT part_first, part_last FROM part ORDER BY part").fetchall()
    for number, (first, last) in enumerate(bounds):
        connection.execute("SET VARIABLE part_first = $1", [first])
        connection.execute("SET VARIABLE part_last = $1", [last])
        yield number


def variables(job: Job) -> dict[str, object]:
    """What the SQL reads by getvariable()."""
    lists = {name: [str(path) for path in paths] for name, paths in job.files.items()}
    return {
        **lists,
        "window_ms": job.window_ms,
        "minutes": job.minutes,
        "mature_until": job.mature_until,
        "compact": job.compact,
        "part_rows": PART,
    }


@contextmanager
def explained(what: str = "attribute") -> Iterator[None]:
    """DuckDB's errors in this package's words, with what to do about the likely ones."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise AttributionError(
            f"DuckDB ran out of memory or temporary space; allow more (--memory), give it a "
            f"larger disk (--temp) or fewer threads (--threads): {error}"
        ) from error
    except duckdb.Error as error:
        raise AttributionError(f"DuckDB could not {what}: {error}") from error


def _silent(what: str, done: int, steps: int) -> None:
    """Progress nobody wants to see."""
