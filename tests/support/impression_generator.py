# SPDX-License-Identifier: Apache-2.0
"""Writes landing tables and a play log of any size, with all that goes wrong on the way to them.

Replays, several streams per unit, repeated showings, ties to the millisecond, clocks ahead of the
server's, lost contexts, outcomes before their impression and weeks after it, plays by ref and by
subject: everything a seed decides, in columns made by numpy, so that millions take seconds. What is
right for these tables is worked out elsewhere (tests/support/attribution_truth.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from edgeart_export.arrow_schemas import LANDING

if TYPE_CHECKING:
    from pathlib import Path

Ints = npt.NDArray[np.int64]
Unsigned = npt.NDArray[np.uint64]

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
START = 1_764_547_200_000  # 2025-12-01, milliseconds since 1970
DAYS = 14
FULL = 2**31
NO_CONTEXT = 2**32 - 1
TITLES, ARTWORKS = 3_000, 10


@dataclass(frozen=True)
class Generated:
    """Where the tables are, and how many rows were written to each."""

    landing: Path
    plays: list[Path]
    rows: dict[str, int]


def generate(folder: Path, impressions: int, seed: int = 0, *, batches: int = 8) -> Generated:
    """Landing tables of this many different impressions below `folder`, and the play log.

    batches: files a table and day is spread over. The same arguments write the same rows.
    """
    maker = _Maker(np.random.default_rng(seed), impressions)
    rows = {}
    for name, table in maker.tables().items():
        _land(folder / "landing", name, table, maker.rng, batches)
        rows[name] = table.num_rows
    plays = [folder / "plays-by-subject.parquet", folder / "plays-by-ref.parquet"]
    for path, table in zip(plays, (maker.plays_by_subject(), maker.plays_by_ref()), strict=True):
        pq.write_table(table, path)
        rows[path.stem] = table.num_rows
    return Generated(folder / "landing", plays, rows)


class _Maker:
    """One draw of everything; arrays are as long as there are sessions or impressions."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self.rng = rng
        self.count = count
        units = max(2, count // 200)
        sessions = units * 5
        # A session is one context: its unit, its hour, what was known, which policy decided.
        self.unit = rng.integers(0, units, sessions)
        self.unit_epoch = rng.integers(1, 2**63, units, dtype=np.uint64)[self.unit]
        self.begun = START + rng.integers(0, DAYS * DAY, sessions)
        self.policy = rng.choice(np.array(["row", "row", "hero"]), sessions)
        self.policy_sequence = 1 + (self.begun - START) // (4 * DAY)
        self.seed = self.unit_epoch ^ np.uint64(0x9E3779B97F4A7C15)
        self.known = rng.integers(0, 50, sessions)
        # Four streams a unit; a session belongs to one and now and then runs on in another.
        self.streams = rng.integers(1, 2**63, (units, 4), dtype=np.uint64)
        self.stream = rng.integers(0, 4, sessions)
        # A share of the streams believes that it is later than it is.
        self.fast = np.where(
            rng.random((units, 4)) < 0.01, rng.integers(0, 400 * DAY, units)[:, None], 0
        )
        self._show()

    def _show(self) -> None:
        rng, count = self.rng, self.count
        self.session = rng.integers(0, len(self.unit), count)
        # Squared: few titles are shown often, so that showings repeat.
        self.title = (rng.random(count) ** 2 * 60).astype(np.int64)
        self.title = (self.title * 47 + self.unit[self.session] * 13) % TITLES
        self.artwork = (self.title * 7 + self.seed[self.session].astype(np.int64) % 97) % ARTWORKS
        self.at = self.begun[self.session] + rng.integers(0, 90 * 60, count) * SECOND
        # One in three falls on a full quarter of an hour: ties, also between sessions.
        tied = rng.random(count) < 0.3
        self.at[tied] -= self.at[tied] % (15 * 60 * SECOND)
        self.run = self.stream[self.session]
        self.run = np.where(rng.random(count) < 0.05, (self.run + 1) % 4, self.run)
        self.id = self.streams[self.unit[self.session], self.run]
        self.sequence = _ranks(self.id, self.at) * 3 + 1
        self.received = self.at + (rng.exponential(0.4, count) * DAY).astype(np.int64)
        self.claimed = self.at + self.fast[self.unit[self.session], self.run]

    def tables(self) -> dict[str, pa.Table]:
        """The landing tables, replays included, in no order."""
        contexts, number = self._contexts()
        made = {
            "contexts": contexts,
            "impressions": self._impressions(number),
            "outcomes": self._outcomes(),
            "losses": self._losses(),
        }
        return {name: self._replayed(table) for name, table in made.items()}

    def _contexts(self) -> tuple[pa.Table, Ints]:
        """The contexts, one in three written a second time under another sequence, as at the start
        of a new segment; and per impression the sequence of its context.
        """
        rng = self.rng
        slots = self.session * 4 + self.run
        used, index = np.unique(slots, return_inverse=True)
        again = rng.random(len(used)) < 0.33
        session = np.concatenate([used // 4, used[again] // 4])
        run = np.concatenate([used % 4, used[again] % 4])
        stream = self.streams[self.unit[session], run]
        sequence = _ranks(stream, self.begun[session]) * 3
        second = np.full(len(used), -1)
        second[again] = sequence[len(used) :]
        pick = (second[index] >= 0) & (rng.random(self.count) < 0.5)
        number = np.where(pick, second[index], sequence[: len(used)][index])
        number[rng.random(self.count) < 0.003] = NO_CONTEXT
        kept = rng.random(len(session)) >= 0.002  # the others were lost on the way
        session, stream, sequence = session[kept], stream[kept], sequence[kept]
        subject = np.array([f"subject-{unit}" for unit in self.unit[session]], dtype=object)
        subject[self.unit[session] % 5 == 0] = None
        maps = np.array([b"\x81\xa1h" + bytes([value]) for value in range(50)], dtype=object)
        digests = np.array([bytes([value]) * 16 for value in range(8)], dtype=object)
        columns = {
            "policy": self.policy[session],
            "policy_sequence": self.policy_sequence[session],
            "digest": digests[self.policy_sequence[session]],
            "map": maps[self.known[session]],
            "seed": self.seed[session],
            "unit_epoch": self.unit_epoch[session],
            "cell": None,
            "denied": None,
            "subject": subject,
            "required": 0,
            "forbidden": 0,
        }
        at = self.begun[session]
        return _table("contexts", stream, sequence, at, at + HOUR, columns), number

    def _impressions(self, context: Ints) -> pa.Table:
        rng, count = self.rng, self.count
        reason = rng.choice(np.array([0, 10, 20, 50, 60]), count, p=[0.95, 0.02, 0.01, 0.01, 0.01])
        n = np.where(reason == 50, 0, (self.seed[self.session] % np.uint64(2**30)) + np.uint64(1))
        total = np.where(reason == 10, FULL - 2**28, FULL)
        shown = np.full(count, None, dtype=object)
        shown[rng.random(count) < 0.005] = "another"
        artworks = np.array([f"artwork-{k}" for k in range(ARTWORKS)], dtype=object)[self.artwork]
        artworks[rng.random(count) < 0.002] = None
        columns = {
            "context": context,
            "title": np.array([f"title-{k}" for k in range(TITLES)], dtype=object)[self.title],
            "artwork": artworks,
            "n": n,
            "total": total,
            "reason": reason,
            "slot_row": rng.integers(0, 40, count),
            "slot_column": rng.integers(0, 75, count),
            "shown": shown,
            "candidates": None,
            "host_candidates": None,
        }
        stream = self.id
        return _table("impressions", stream, self.sequence, self.claimed, self.received, columns)

    def _outcomes(self) -> pa.Table:
        """Up to three reports for one impression in 25, from any stream of the unit."""
        rng = self.rng
        of = rng.choice(self.count, self.count // 25, replace=False)
        of = np.repeat(of, rng.integers(1, 4, len(of)))
        late = rng.choice(np.array([HOUR, 6 * HOUR, 48 * HOUR, 21 * DAY]), len(of))
        at = self.claimed[of] + (rng.random(len(of)) * late).astype(np.int64)
        run = np.where(rng.random(len(of)) < 0.3, rng.integers(0, 4, len(of)), self.run[of])
        stream = self.streams[self.unit[self.session[of]], run]
        minutes = np.round(rng.exponential(15, len(of)) * 2) / 2
        minutes[rng.random(len(of)) < 0.01] = np.nan
        at = np.where(rng.random(len(of)) < 0.01, self.claimed[of] - DAY, at)
        unknown = rng.random(len(of)) < 0.02
        columns = {
            "ref_stream": self.id[of],
            "ref_sequence": np.where(unknown, NO_CONTEXT - 1, self.sequence[of]),
            "minutes": minutes,
        }
        sequence = _ranks(stream, at) * 3 + 2
        received = self.received[of] + rng.integers(-2 * HOUR, 2 * DAY, len(of))
        return _table("outcomes", stream, sequence, at, received, columns)

    def _losses(self) -> pa.Table:
        count = 50
        columns = {
            "reason": self.rng.choice(np.array(["size", "age", "no_space"]), count),
            "count": self.rng.integers(1, 100, count),
            "lost_stream": self.rng.choice(self.id, count),
            "first": 0,
            "last": 10,
        }
        stream = self.rng.choice(self.id, count)
        at = np.full(count, START)
        return _table("losses", stream, np.arange(count) + 2**31, at, at + HOUR, columns)

    def _replayed(self, table: pa.Table) -> pa.Table:
        """With one row in ten a second time, received later, and all rows shuffled."""
        rng = self.rng
        again = table.take(pa.array(np.flatnonzero(rng.random(table.num_rows) < 0.1)))
        received = again["received"].cast(pa.int64()).to_numpy() + rng.integers(
            1, 3 * DAY, again.num_rows
        )
        place = table.schema.get_field_index("received")
        field = table.schema.field("received")
        again = again.set_column(place, field, pa.array(received).cast(field.type))
        both = pa.concat_tables([table, again])
        return both.take(pa.array(rng.permutation(both.num_rows)))

    def plays_by_subject(self) -> pa.Table:
        """Plays near the showings of units that have a subject, and some that no showing led to."""
        rng = self.rng
        of = rng.choice(self.count, self.count // 30, replace=False)
        unit = self.unit[self.session[of]]
        span = rng.choice(np.array([0, HOUR, DAY, 3 * DAY]), len(of))
        started = self.at[of] + (rng.random(len(of)) * span).astype(np.int64)
        started -= np.where(rng.random(len(of)) < 0.1, DAY, 0)
        away = np.where(rng.random(len(of)) < 0.05, 10**6, 0)
        table = pa.table(
            {
                "subject": pa.array([f"subject-{value}" for value in (unit + away).tolist()]),
                "title": pa.array([f"title-{value}" for value in self.title[of].tolist()]),
                "started": pa.array(started).cast(pa.timestamp("ms")),
                "minutes": pa.array(np.round(rng.exponential(20, len(of)) * 2) / 2),
                "autoplay": pa.array(rng.random(len(of)) < 0.1),
            }
        )
        twice = table.take(pa.array(rng.choice(len(of), len(of) // 50)))
        return pa.concat_tables([table, twice])

    def plays_by_ref(self) -> pa.Table:
        """Plays that name their impression; one ref in twenty is of nothing, some are no refs."""
        rng = self.rng
        of = rng.choice(self.count, self.count // 200, replace=False)
        stream = np.where(rng.random(len(of)) < 0.05, self.id[of] + np.uint64(1), self.id[of])
        pairs = zip(stream.tolist(), self.sequence[of].tolist(), strict=True)
        refs = [f"{stream:016x}-{sequence:08x}" for stream, sequence in pairs]
        refs[:: max(1, len(refs) // 5)] = ["not a ref"] * len(refs[:: max(1, len(refs) // 5)])
        started = self.claimed[of] + (rng.random(len(of)) * 30 * HOUR).astype(np.int64)
        return pa.table(
            {
                "ref": pa.array(refs),
                "started": pa.array(started * 1_000).cast(pa.timestamp("us", "UTC")),
                "minutes": pa.array(rng.exponential(20, len(of)), pa.float32()),
            }
        )


def _ranks(stream: Unsigned, at: Ints) -> Ints:
    """Per row its place among the rows of its stream, in order of time."""
    order = np.lexsort((at, stream))
    ordered = stream[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    lengths = np.diff(np.append(starts, len(order)))
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    return ranks


def _table(
    name: str, stream: Unsigned, sequence: Ints, at: Ints, received: Ints, columns: dict[str, Any]
) -> pa.Table:
    """A landing table; a column given as one value has it in every row."""
    schema = LANDING[name]
    given = {"stream": stream, "sequence": sequence, "at": at, "received": received, **columns}
    arrays = []
    for field in schema:
        value = given[field.name]
        if value is None:
            arrays.append(pa.nulls(len(stream), field.type))
            continue
        column = np.full(len(stream), value) if isinstance(value, int) else value
        # from_pandas=False: NaN is a value here, not a missing one.
        arrays.append(pa.array(column, from_pandas=False).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _land(
    landing: Path, name: str, table: pa.Table, rng: np.random.Generator, batches: int
) -> None:
    """Spreads the rows over the dates of their receipt, several files a date."""
    days = table["received"].cast(pa.int64()).to_numpy() // DAY
    for day in np.unique(days).tolist():
        date = np.datetime64(day, "D")
        folder = landing / name / f"date={date}"
        folder.mkdir(parents=True, exist_ok=True)
        rows = np.flatnonzero(days == day)
        for number, part in enumerate(np.array_split(rows, min(batches, len(rows)))):
            label = f"{rng.integers(0, 2**63):016x}-{number}"
            pq.write_table(table.take(pa.array(part)), folder / f"{label}.parquet")
