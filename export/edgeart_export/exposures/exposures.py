# SPDX-License-Identifier: Apache-2.0
"""The exposures that attribution has given so far, with late corrections, ready to learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

import edgeart

from ..errors import DataError
from ..limits import CallLimits
from ..log import Log
from ..schema import FeatureSchema
from .columns import coded, numbers_of, slots_of, valid, words_of
from .limits import COLUMNS as LIMITS
from .limits import LoggedLimits

Ints = npt.NDArray[np.intp]

REASONS = {
    0: "policy",
    10: "redrawn",
    20: "recomputed",
    30: "none",
    40: "unknown_title",
    50: "fallback",
    60: "host_uniform",
}
"""Why a decision is what it is (decision.md §7), in the words of `edgeart.Decision.reason`."""

WEIGHTED_REASONS = (0, 10, 20)
"""Those behind which a propensity stands: policy, redrawn, recomputed."""

SHOWN_INSTEAD = "another artwork shown"
"""Why an exposure is in no weighted estimate whose decision the application did not show."""

COLUMNS = (
    *("exposure", "unit_epoch", "policy_sequence", "map", "title", "artwork"),
    *("n", "propensity", "reason", "shown", "shown_first", "reward", "previous"),
)
"""What `Exposures.add` reads of attribution's table (docs/attribution.md)."""

OPTIONAL = ("cell", "digest", "slot_row", "slot_column", *LIMITS)
"""What it reads as well where it is there."""

_KINDS: dict[str, npt.DTypeLike] = {
    "key": "V16",
    "unit": np.int64,
    "sequence": np.int64,
    "title": object,
    "artwork": object,
    "propensity": np.float64,
    "reward": np.float64,
    "shown_first": np.int64,
    "map": np.intp,
    "decider": np.intp,
    "slot_row": np.int64,
    "slot_column": np.int64,
    "limits": np.intp,
}


class Exposures:
    """Exposures with a propensity behind them, in the order of their arrival.

    A row that corrects one given before changes its reward in place. schema: for `vectors`; None
    where nobody asks for them. Columns, one element an exposure: unit (int64, the bits of
    unit_epoch), sequence (of the policy that decided), title, artwork (object: str), propensity,
    reward (float64), shown_first (int64, milliseconds since 1970). reasons: all exposures by the
    reason of their decision; excluded: those that no weighted estimate may use, by why; corrected:
    rewards that were corrected.
    """

    def __init__(self, schema: FeatureSchema | None = None) -> None:
        self.schema = schema
        self.reasons: dict[str, int] = {}
        self.excluded: dict[str, int] = {}
        self.corrected = 0
        self._limits = LoggedLimits()
        self._parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in _KINDS}
        self._count = 0
        self._row: dict[bytes, int] = {}
        self._maps: dict[bytes, int] = {}
        self._vectors: list[npt.NDArray[np.float32]] = []
        self._deciders: dict[tuple[object, ...], int] = {}

    @classmethod
    def load(
        cls,
        folder: Path,
        schema: FeatureSchema | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Exposures:
        """All that attribution has published in a folder (`edgeart-export attribute --out`).

        progress: called with the number of exposures read so far. Raises DataError where there is
        none, or one stands there twice, and OSError.
        """
        files = sorted(folder.glob("exposures-*.parquet"))
        if not files:
            raise DataError(
                f"{folder} holds no exposures-….parquet; give the folder that "
                f"`edgeart-export attribute --out` writes"
            )
        loaded = cls(schema)
        for path in files:
            try:
                present = set(pq.read_schema(path).names)
                wanted = [name for name in (*COLUMNS, *OPTIONAL) if name in present]
                loaded.add(pq.read_table(path, columns=wanted))
            except (DataError, pa.ArrowInvalid) as error:
                raise DataError(f"{path}: {error}") from None
            if progress is not None:
                progress(len(loaded))
        return loaded

    def __len__(self) -> int:
        return self._count

    def add(self, table: pa.Table) -> None:
        """Takes in the columns `COLUMNS`, and those of `OPTIONAL` that are there.

        Raises DataError for a missing column, for what was given before, and for a correction of
        what never was.
        """
        missing = [name for name in COLUMNS if name not in table.column_names]
        if missing:
            raise DataError(f"exposures without a column {missing[0]!r}")
        reason = numbers_of(table, "reason", np.int64)
        instead = valid(table, "shown")
        new = ~valid(table, "previous")
        weighted = np.isin(reason, WEIGHTED_REASONS) & (numbers_of(table, "n", np.int64) > 0)
        for number, count in zip(*np.unique(reason[new], return_counts=True), strict=True):
            _count(self.reasons, REASONS.get(int(number), f"reason {number}"), int(count))
        _count(self.excluded, SHOWN_INSTEAD, int((new & instead).sum()))
        out = reason[new & ~weighted & ~instead]
        for number, count in zip(*np.unique(out, return_counts=True), strict=True):
            _count(self.excluded, REASONS.get(int(number), f"reason {number}"), int(count))
        usable = weighted & ~instead
        self._append(table.filter(pa.array(usable & new)))
        self._correct(table.filter(pa.array(usable & ~new)))

    def _append(self, fresh: pa.Table) -> None:
        keys = fresh.column("exposure").cast(pa.binary()).to_pylist()
        for row, key in enumerate(keys, self._count):
            if self._row.setdefault(key, row) != row:
                raise DataError(f"exposure {key.hex()} stands there twice")
        columns: dict[str, npt.NDArray[Any]] = {
            "unit": numbers_of(fresh, "unit_epoch", np.uint64).view(np.int64),
            "sequence": numbers_of(fresh, "policy_sequence", np.int64),
            "title": words_of(fresh, "title"),
            "artwork": words_of(fresh, "artwork"),
            "propensity": numbers_of(fresh, "propensity", np.float64),
            "reward": numbers_of(fresh, "reward", np.float64).copy(),
            "shown_first": numbers_of(fresh, "shown_first", np.int64),
            "map": self._numbered_maps(fresh),
            "decider": self._numbered_deciders(fresh),
            "limits": self._limits.numbers(fresh),
            **{name: slots_of(fresh, name) for name in ("slot_row", "slot_column")},
        }
        for name, column in columns.items():
            self._parts[name].append(column)
        self._count += len(fresh)

    def _correct(self, late: pa.Table) -> None:
        keys = late.column("exposure").cast(pa.binary()).to_pylist()
        for key, reward in zip(keys, late.column("reward").to_pylist(), strict=True):
            if key not in self._row:
                raise DataError(f"exposure {key.hex()} is corrected but was never given")
            self.reward[self._row[key]] = reward
            self.corrected += 1

    def _numbered_maps(self, fresh: pa.Table) -> Ints:
        code, values = coded(fresh, "map")
        return self._numbers_of(values, self._maps)[code]

    def _numbered_deciders(self, fresh: pa.Table) -> Ints:
        """Which policy, and which cell of it, decided: a number for each."""
        parts = [numbers_of(fresh, "policy_sequence", np.int64).tolist()]
        for name in ("digest", "cell"):
            there = name in fresh.column_names
            parts.append(fresh.column(name).to_pylist() if there else [None] * len(fresh))
        known = self._deciders
        numbers = (known.setdefault(key, len(known)) for key in zip(*parts, strict=True))
        return np.fromiter(numbers, np.intp, len(fresh))

    @staticmethod
    def _numbers_of(values: Sequence[bytes], known: dict[bytes, int]) -> Ints:
        return np.array([known.setdefault(value, len(known)) for value in values], dtype=np.intp)

    # Columns.

    def _column(self, name: str) -> npt.NDArray[Any]:
        parts = self._parts[name]
        if len(parts) != 1:
            parts[:] = [np.concatenate([np.empty(0, dtype=_KINDS[name]), *parts])]
        return parts[0]

    @property
    def unit(self) -> npt.NDArray[np.int64]:
        """Pseudonyms of units, the clusters of intervals."""
        return self._column("unit")

    @property
    def sequence(self) -> npt.NDArray[np.int64]:
        """Sequence number of the policy that decided."""
        return self._column("sequence")

    @property
    def title(self) -> npt.NDArray[np.object_]:
        """Title ids."""
        return self._column("title")

    @property
    def artwork(self) -> npt.NDArray[np.object_]:
        """Artwork ids."""
        return self._column("artwork")

    @property
    def propensity(self) -> npt.NDArray[np.float64]:
        """With which probability the artwork was chosen, within the unit's cell."""
        return self._column("propensity")

    @property
    def reward(self) -> npt.NDArray[np.float64]:
        """Rewards, as corrected so far."""
        return self._column("reward")

    @property
    def shown_first(self) -> npt.NDArray[np.int64]:
        """Milliseconds since 1970 of the first showing."""
        return self._column("shown_first")

    def vectors(self, rows: Ints) -> npt.NDArray[np.float32]:
        """The encoded contexts of some rows: float32 [rows, width]. Raises DataError."""
        if self.schema is None:
            raise DataError("exposures without a schema have no vectors; give them one")
        maps = list(self._maps)
        self._vectors += [self.schema.encode(values) for values in maps[len(self._vectors) :]]
        if not self._vectors:
            return np.zeros((0, self.schema.width), dtype=np.float32)
        return np.stack(self._vectors)[self._column("map")[rows].astype(np.intp)]

    # Which rows.

    def settled(self, now_ms: int, settled_ms: int) -> Ints:
        """The rows first shown at least so long ago.

        A 1 is given out as soon as it is known, a 0 only when it is settled: of later exposures
        only those with a play would be there.
        """
        return np.flatnonzero(self.shown_first <= now_ms - settled_ms)

    def settled_until(self) -> int:
        """The latest first showing of an exposure with reward 0, -1 without any: see `settled`.

        Up to then zeros are given out, whatever attribution's window and lateness are.
        """
        return int(self.shown_first[self.reward == 0].max(initial=-1))

    def of_sequence(self, sequence: int) -> Ints:
        """The rows that the policy of this sequence number decided."""
        return np.flatnonzero(self.sequence == sequence)

    def explored(self) -> npt.NDArray[np.bool_]:
        """Whether the policy or cell that decided a row ever left anything to chance: [n].

        Where it never did, as in a `fixed` holdback, every propensity is 1 and other artworks could
        not be seen: such rows say nothing of policies that would show them, and in weighted
        estimates they would bias those that would.
        """
        decider = self._column("decider").astype(np.intp)
        chance = np.zeros(len(self._deciders), dtype=bool)
        chance[decider[self.propensity < 1]] = True
        return chance[decider]

    # Limits of calls.

    def know(self, policies: Iterable[edgeart.Policy]) -> None:
        """Takes in bundles that decided, by which limits of calls are rows and attributes."""
        self._limits.know(policies)

    def deciders(self) -> set[bytes]:
        """Digests of the bundles of which one has to `know` to say what limited a choice."""
        return self._limits.digests()

    def known(self, rows: Ints) -> npt.NDArray[np.bool_]:
        """Whether it is known what limited these rows: [rows]. It is where nothing did."""
        return self._limits.known(self._column("limits")[rows], self.title[rows])

    def limits(self, rows: Ints) -> list[CallLimits | None] | None:
        """What limited these rows; None where nothing did. Raises DataError, see `known`."""
        return self._limits.named(self._column("limits")[rows], self.title[rows])

    # As a log.

    def log(self, rows: Ints) -> Log:
        """Some rows as a log, a context's rows side by side; clusters are pseudonyms of units."""
        return self.take(self.beside(rows))

    def beside(self, rows: Ints) -> Ints:
        """Some rows in an order in which those of a context stand side by side."""
        return rows[np.argsort(self._column("map")[rows], kind="stable")]

    def take(self, rows: Ints) -> Log:
        """These rows as a log, in this order. Raises DataError as `limits` does."""
        maps = list(self._maps)
        slot = np.stack([self._column(name)[rows] for name in ("slot_row", "slot_column")], axis=1)
        return Log(
            contexts=[maps[number] for number in self._column("map")[rows].tolist()],
            title=self.title[rows].tolist(),
            artwork=self.artwork[rows].tolist(),
            reward=self.reward[rows],
            propensity=self.propensity[rows],
            cluster=self.unit[rows],
            time=self.shown_first[rows],
            slot=slot if (slot >= 0).all() else None,
            limits=self.limits(rows),
        )


def _count(counts: dict[str, int], what: str, count: int) -> None:
    if count:
        counts[what] = counts.get(what, 0) + count
