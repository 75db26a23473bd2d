# SPDX-License-Identifier: Apache-2.0
"""Repeats what devices decided, to the bit, from what they logged and the bundles they had.

A decision that does not come out as it was logged is one whose propensity nobody can vouch for: a
changed or damaged event, a foreign bundle, a device that computes differently. `attribute` leaves
out what the audit found, and what it has not seen (docs/auditing.md).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..bundle.folder import Bundles
from ..engines.duckdb import DuckDBEngine
from .repeat import Contexts, Repeated, Verdict
from .tables import open_tables, ranges, writing

Progress = Callable[[int, int], None]
MOST_GAPS = 1000
"""Ranges of missing events that a report lists."""


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    impressions: rows read, copies included; repeated: of them that came out as logged; undrawn:
    that had no context, so that nothing was drawn. failures: of the others, by cause. missing:
    events that neither landed nor are reported as lost; gaps: the first of their ranges (stream,
    first, last).
    """

    impressions: int
    repeated: int
    undrawn: int
    failures: dict[str, int]
    missing: int
    gaps: list[tuple[int, int, int]]
    bundles: int
    passes: int
    seconds: float
    file: Path | None

    @property
    def failed(self) -> int:
        """Impressions that do not repeat."""
        return sum(self.failures.values())

    def to_json(self) -> dict[str, object]:
        """For `--json`."""
        file = None if self.file is None else str(self.file)
        return {**asdict(self), "failed": self.failed, "file": file}


def audit(
    landing: Path,
    bundles: Path,
    out: Path | None = None,
    *,
    engine: DuckDBEngine | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Repeats every landed impression; those that fail go to `out` (`attribution.tables.FAILURES`).

    bundles: a folder with every bundle that devices decided by. engine: its settings bound memory.
    progress: `progress(done, rows)` after each batch. `out` appears whole or not at all, and holds
    the names of the files that were looked at, for `attribute`.
    Raises DataError for the folders, AttributionError where DuckDB fails, OSError for `out`.
    """
    began = time.monotonic()
    known = Bundles(bundles)
    counts: Counter[int] = Counter()
    with (
        open_tables(landing, engine or DuckDBEngine()) as tables,
        writing(out, landing, tables) as write,
    ):
        done = 0
        for number in range(tables.passes):
            contexts = Contexts(tables.contexts(number), known)
            for batch in tables.impressions():
                repeated = Repeated(batch, contexts)
                counts.update(dict(enumerate(np.bincount(repeated.verdict).tolist())))
                write(repeated.failures())
                tables.see(ranges(*(batch.column(i).to_numpy() for i in (0, 1))))
                done += batch.num_rows
                if progress is not None:
                    progress(done, tables.rows)
        gaps = tables.gaps()
    first, last = (gaps.column(name).to_numpy().astype(np.int64) for name in ("first", "last"))
    return Audit(
        impressions=done,
        repeated=counts[Verdict.REPEATED],
        undrawn=counts[Verdict.UNDRAWN],
        failures={v.name.lower(): counts[v] for v in Verdict if v >= 10 and counts[v]},
        missing=int((last - first + 1).sum()),
        gaps=[tuple(row.values()) for row in gaps.slice(0, MOST_GAPS).to_pylist()],
        bundles=len(known),
        passes=tables.passes,
        seconds=time.monotonic() - began,
        file=out,
    )
