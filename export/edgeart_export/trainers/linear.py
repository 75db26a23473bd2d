# SPDX-License-Identifier: Apache-2.0
"""One ridge regression per artwork, kept as sums that can be added up in any number of parts."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..errors import DataError, ExportError
from ..explorers import Explorer, Thompson
from ..log import Log, row_index
from ..model import PolicyModel, check_titles
from ..reward import milliseconds
from ..schema import FeatureSchema
from . import heads, state
from .batch import Batch, Columns, read
from .heads import Heads
from .sums import Floats, Ints, Rows, Sums

__all__ = ["Batch", "LinearTrainer"]


class LinearTrainer:
    """Per-artwork ridge: w = (A + λI)⁻¹ b with A = Σ ω·x·xᵀ and b = Σ ω·r·x over its exposures.

    x is the encoded context, r the reward, ω the weight (1 if there is none). All slots are
    regularised alike, the intercept too, so that an artwork that was never shown scores 0.
    `merge` adds the sums of two trainers: training on parts and merging equals training on all.

    l2 is λ > 0. half_life: exposures count half as much for every such time that they are older
    than the latest one; batches then need a column `time`. slots: rows and columns of the page
    whose places have effects of their own on the reward (what is further shares the last): they are
    taken out, see `heads.Corrected`; batches then need `slot_row` and `slot_column`.

    Memory: 4.5 KB an artwork at width 32, see `Sums`. Source of the per-artwork ridge and its
    uncertainty: Li, Chu, Langford, Schapire 2010, *A contextual-bandit approach to personalized
    news article recommendation*, algorithm 1. Raises DataError for what it cannot use.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        titles: Mapping[str, Sequence[str]],
        *,
        l2: float = 1.0,
        half_life: timedelta | None = None,
        slots: tuple[int, int] | None = None,
    ) -> None:
        if not 0 < float(l2) < math.inf:
            raise DataError(f"l2 must be a number above 0, not {l2!r}")
        if half_life is not None and milliseconds(half_life) < 1:
            raise DataError(f"half_life must be a millisecond or more, not {half_life}")
        if slots is not None and not 1 <= min(slots) <= max(slots) <= 64:
            raise DataError(f"slots must be two numbers from 1 to 64, not {slots!r}")
        self.schema = schema
        self.titles: dict[str, tuple[str, ...]] = check_titles(titles)
        self.l2 = float(l2)
        self.half_life = half_life
        self.slots = slots
        self._row = row_index(self.titles)
        self._reset()

    def _reset(self) -> None:
        extras = sum(self.slots) - 2 if self.slots else 0
        self._sums = Sums(len(self._row), self.schema.width, extras)
        # Sums are relative to a moment: so many half-lives since 1970. Whole ones, so that moving
        # it is a division by a power of two, which rounds nothing.
        self._moment: int | None = None
        self.latest: int | None = None
        self._solved: Heads | None = None

    def fit(self, batch: Batch | Log) -> LinearTrainer:
        """Forgets everything and learns from this batch. Returns itself."""
        columns = self._read(batch)
        self._reset()
        return self._learn(columns)

    def partial_fit(self, batch: Batch | Log) -> LinearTrainer:
        """Learns from one more batch; changes nothing where it raises DataError. Returns itself."""
        return self._learn(self._read(batch))

    def _read(self, batch: Batch | Log) -> Columns:
        needs = ["time"] if self.half_life else []
        needs += ["slot_row", "slot_column"] if self.slots else []
        return read(batch, self.schema, self._row, needs=needs)

    def _learn(self, columns: Columns) -> LinearTrainer:
        if not len(columns):
            return self
        weight = columns.weight
        if self.half_life and columns.time is not None:
            weight = weight * self._age(columns.time)
        self._sums.add(
            Rows(
                vectors=columns.vectors,
                context=columns.context,
                artwork=columns.row,
                reward=columns.reward,
                weight=weight,
                previous=columns.previous,
                extra=self._places(columns),
            )
        )
        self._solved = None
        return self

    def merge(self, other: LinearTrainer) -> LinearTrainer:
        """Adds what another trainer of equal settings has learned. Returns itself."""
        for what in ("schema", "titles", "l2", "half_life", "slots"):
            if getattr(self, what) != getattr(other, what):
                raise DataError(f"trainers of different {what} cannot be merged")
        if [*self.titles] != [*other.titles]:
            raise DataError("trainers whose titles stand in another order cannot be merged")
        behind = 0
        if other._moment is not None and other.latest is not None:
            self._advance(other._moment, other.latest)
            behind = (self._moment or 0) - other._moment
        theirs = other._sums
        if behind:
            theirs = Sums(len(theirs), theirs.width, theirs.extras)
            theirs.merge(other._sums)
            theirs.halve(behind)
        self._sums.merge(theirs)
        self._solved = None
        return self

    def solve(self) -> npt.NDArray[np.float64]:
        """The weights: float64 [R, width]."""
        return self._heads().weights

    def noise(self) -> float:
        """σ²: the weighted squared residuals of all artworks over their degrees of freedom."""
        return self._heads().noise

    def to_model(
        self,
        name: str,
        sequence: int,
        explorer: Explorer | None = None,
        meta: Mapping[str, str] | None = None,
    ) -> PolicyModel:
        """The model learned so far, with variance σ² / diag(A + λI), σ² of the artwork's title.

        None explorer: Thompson(). Biases are 0: the intercept is a slot. Raises ModelError where it
        cannot be a policy.
        """
        solved = self._heads()
        return PolicyModel(
            name=name,
            sequence=sequence,
            schema=self.schema,
            titles=self.titles,
            weights=solved.weights.astype(np.float32),
            bias=np.zeros(len(self._row), dtype=np.float32),
            variance=solved.variance(self._title).astype(np.float32),
            explorer=Thompson() if explorer is None else explorer,
            meta=meta or {},
        )

    def best_fixed(self) -> dict[str, str]:
        """Per title the artwork of the best mean reward (0 for one never shown): no context."""
        mean = self.rewards / np.maximum(self.counts, np.finfo(float).tiny)
        best, first = {}, 0
        for title, artworks in self.titles.items():
            best[title] = artworks[int(np.argmax(mean[first : first + len(artworks)]))]
            first += len(artworks)
        return best

    def save_state(self, path: str | os.PathLike[str]) -> None:
        """Writes all that was learned to one Parquet file (`trainers.state`). Raises OSError."""
        settings = {
            "kind": "linear",
            "schema": self.schema.to_json(),
            "l2": self.l2,
            "half_life_ms": None if self.half_life is None else milliseconds(self.half_life),
            "slots": self.slots,
            "moment": self._moment,
            "latest": self.latest,
        }
        state.save(path, settings, self.titles, self._sums)

    @classmethod
    def load_state(cls, path: str | os.PathLike[str]) -> LinearTrainer:
        """The trainer that `save_state` wrote, equal to the bit. Raises DataError, OSError."""
        described, titles, sums = state.load(path)
        if described.get("kind") != "linear":
            raise DataError(f"{path}: the state of a {described.get('kind')!r} trainer, not linear")
        try:
            life, slots = described["half_life_ms"], described["slots"]
            trainer = cls(
                FeatureSchema.from_json(described["schema"]),
                titles,
                l2=described["l2"],
                half_life=None if life is None else timedelta(milliseconds=life),
                slots=None if slots is None else tuple(slots),
            )
            trainer._moment, trainer.latest = described["moment"], described["latest"]
        except (KeyError, TypeError, ExportError) as error:
            raise DataError(f"{path}: missing or unusable entry: {error}") from None
        if (sums.width, sums.extras) != (trainer._sums.width, trainer._sums.extras):
            raise DataError(f"{path}: the sums are of another width than the schema")
        trainer._sums = sums
        return trainer

    # The sums, as of the latest exposure.

    @property
    def A(self) -> Floats:  # noqa: N802 - as the papers call it
        """Σ ω·x·xᵀ of every artwork: float64 [R, width, width]; unpacked, for inspection."""
        return self._now().part(slice(None)).xx

    @property
    def b(self) -> Floats:
        """Σ ω·r·x of every artwork: float64 [R, width]."""
        return self._now().part(slice(None)).xy

    @property
    def squares(self) -> Floats:
        """Σ ω·r² of every artwork: float64 [R]."""
        return self._now().part(slice(None)).yy

    @property
    def counts(self) -> Floats:
        """Σ ω of every artwork: float64 [R]."""
        return self._now().counts

    @property
    def rewards(self) -> Floats:
        """Σ ω·r of every artwork: float64 [R]."""
        return self._now().rewards

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the sums take."""
        return self._sums.nbytes

    # How it is done.

    @cached_property
    def _title(self) -> Ints:
        return heads.title_of_rows(self.titles)

    def _heads(self) -> Heads:
        if self._solved is None:
            sums = self._now()
            corrected = heads.Corrected(sums, self._title)
            l2 = np.full(sums.width, self.l2)
            mean = np.zeros((1, sums.width))
            self._solved = heads.solve(corrected, sums.counts, self._title, l2, mean)
        return self._solved

    def _now(self) -> Sums:
        """The sums with every exposure weighing what its age at the latest one says."""
        if self.half_life is None or self._moment is None or self.latest is None:
            return self._sums
        life = milliseconds(self.half_life)
        factor = 2.0 ** ((self._moment * life - self.latest) / life)
        now = Sums(len(self._sums), self._sums.width, self._sums.extras)
        now.values = self._sums.values * factor
        now.counts, now.rewards = self._sums.counts * factor, self._sums.rewards * factor
        return now

    def _age(self, time: Ints) -> Floats:
        """What a row of each time weighs at the moment of the sums, which is put beyond them."""
        if self.half_life is None:
            raise ValueError("without a half-life nothing ages")
        life, latest = milliseconds(self.half_life), int(time.max())
        self._advance(-(-latest // life), latest)
        return np.exp2((time - (self._moment or 0) * life) / life)

    def _advance(self, moment: int, latest: int) -> None:
        self.latest = latest if self.latest is None else max(self.latest, latest)
        if self._moment is not None and moment > self._moment:
            self._sums.halve(moment - self._moment)
        self._moment = moment if self._moment is None else max(self._moment, moment)

    def _places(self, columns: Columns) -> Ints | None:
        """Which extras are 1: the first row and the first column of a page have none."""
        if self.slots is None or columns.slot is None:
            return None
        rows, across = self.slots
        row = np.minimum(columns.slot[:, 0], rows - 1) - 1
        column = np.minimum(columns.slot[:, 1], across - 1) - 1
        return np.stack([row, np.where(column < 0, -1, column + rows - 1)], axis=1)
