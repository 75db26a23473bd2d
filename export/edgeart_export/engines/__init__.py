# SPDX-License-Identifier: Apache-2.0
"""What attribution asks of an engine: read tables, apply the rules, give the rows back.

Engines know nothing of the state folder, of commits or of devices; whoever calls one decides what
becomes of its rows. `duckdb` is the one there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

TABLES = (
    *("contexts", "impressions", "outcomes", "losses"),
    *("plays", "failures", "emitted", "credited"),
)
"""Inputs by name: landing tables, the external play log, impressions that an audit found not to
repeat, and what earlier runs left."""


@dataclass(frozen=True)
class Job:
    """One attribution.

    files: for each of TABLES one Parquet file or more, the first of which has all columns.
    window_ms, minutes: the reward's. mature_until: milliseconds since 1970; exposures first shown
    after it are not given a 0 yet. compact: let the rows for the state stand for earlier runs too.
    """

    files: Mapping[str, Sequence[Path]]
    window_ms: int
    minutes: float
    mature_until: int
    compact: bool


class Attributed(Protocol):
    """The result of a job, to be read while the engine's context is open."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What was read, matched, given out and held back."""
        ...

    @property
    def losses(self) -> Mapping[str, int]:
        """Events that devices say they lost, by reason."""
        ...

    def rows(self, result: str) -> pa.RecordBatchReader:
        """The rows of `exposures` (by first showing), `emitted` or `credited`."""
        ...


class Engine(Protocol):
    """Whatever can attribute."""

    def attribute(self, job: Job) -> AbstractContextManager[Attributed]:
        """Runs the job. Raises AttributionError where the engine cannot do it."""
        ...
