# SPDX-License-Identifier: Apache-2.0
"""Landing tables made by hand, row by row, with a plain value wherever a test does not care.

Times are hours from a fixed moment; a row is received a minute after it happened unless told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from edgeart_export.arrow_schemas import LANDING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FULL = 2**31
ZERO = datetime(2026, 1, 1, tzinfo=timezone.utc)
MINUTE = 1 / 60


def moment(hours: float) -> datetime:
    """The moment so many hours after the fixed one."""
    return ZERO + timedelta(hours=hours)


@dataclass
class Landing:
    """A landing folder, and play logs beside it. `land` writes what was added since the last."""

    folder: Path
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    files: int = 0
    sequences: dict[int, int] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.folder / "landing"

    def context(self, stream: int = 1, at: float = 0.0, **values: Any) -> int:
        """Returns the sequence of the event."""
        content = {
            "policy": "row",
            "policy_sequence": 3,
            "digest": b"0123456789abcdef",
            "map": b"\x80",
            "seed": 42,
            "unit_epoch": 7,
            "cell": None,
            "denied": None,
            "subject": None,
            "required": 0,
            "forbidden": 0,
        }
        return self._add("contexts", stream, at, {**content, **values})

    def impression(
        self, context: int, at: float = 0.0, title: str = "t", *, stream: int = 1, **values: Any
    ) -> tuple[int, int]:
        """Returns (stream, sequence), which outcomes refer to."""
        content = {
            "context": context,
            "title": title,
            "artwork": "a",
            "n": FULL // 4,
            "total": FULL,
            "reason": 0,
            "slot_row": 0,
            "slot_column": 0,
            "shown": None,
            "candidates": None,
            "host_candidates": None,
        }
        return stream, self._add("impressions", stream, at, {**content, **values})

    def outcome(
        self, ref: tuple[int, int], at: float, minutes: float, *, stream: int = 1, **values: Any
    ) -> int:
        content = {"ref_stream": ref[0], "ref_sequence": ref[1], "minutes": minutes}
        return self._add("outcomes", stream, at, {**content, **values})

    def loss(self, reason: str, count: int, *, stream: int = 1, **values: Any) -> int:
        content = {"reason": reason, "count": count, "lost_stream": 9, "first": 0, "last": count}
        return self._add("losses", stream, 0.0, {**content, **values})

    def again(self, table: str, received: float) -> None:
        """A copy of the table's last row, received at another time."""
        self.rows[table].append({**self.rows[table][-1], "received": moment(received)})

    def land(self) -> Landing:
        """Writes one file for each table that has rows."""
        for name, rows in self.rows.items():
            folder = self.path / name / "date=2026-01-01"
            folder.mkdir(parents=True, exist_ok=True)
            table = pa.Table.from_pylist(rows, schema=LANDING[name])
            pq.write_table(table, folder / f"{self.files:04d}.parquet")
        self.rows.clear()
        self.files += 1
        return self

    def plays(self, rows: Sequence[dict[str, Any]], name: str = "plays") -> Path:
        """A play log; `started` in hours. It has the columns that its rows have."""
        path = self.folder / f"{name}.parquet"
        table = pa.Table.from_pylist([{**row, "started": moment(row["started"])} for row in rows])
        pq.write_table(table, path)
        return path

    def _add(self, table: str, stream: int, at: float, content: dict[str, Any]) -> int:
        sequence: int = content.pop("sequence", self.sequences.get(stream, 0))
        self.sequences[stream] = max(sequence + 1, self.sequences.get(stream, 0))
        received = content.pop("received", at + MINUTE)
        times = {"at": moment(at), "received": moment(received)}
        row = {"stream": stream, "sequence": sequence, **times, **content}
        self.rows.setdefault(table, []).append(row)
        return sequence


def ref(event: tuple[int, int]) -> str:
    """As play logs name an impression."""
    return f"{event[0]:016x}-{event[1]:08x}"
