# SPDX-License-Identifier: Apache-2.0
"""One ridge regression per artwork, kept as sums that can be added up in any number of parts."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import DataError, ExportError
from ..log import Log, row_index
from ..model import PolicyModel, check_titles
from ..model.explorers import Explorer, Thompson
from ..model.tower import Layer
from ..reward import milliseconds
from ..schema import INTERCEPT, FeatureSchema
from . import heads, layers, prior, state
from .batch import Batch, Columns, read
from .features import ArtworkFeatures, Described, Pair
from .heads import Heads
from .learned import Learned
from .prior import Prior
from .sums import Floats, Ints, Rows

__all__ = ["Batch", "LinearTrainer"]

Titles: TypeAlias = Mapping[str, Sequence[str]]
L2: TypeAlias = float | Literal["auto", "sparse"]
Artworks: TypeAlias = ArtworkFeatures | Mapping[Pair, Described] | pa.Table


class LinearTrainer(Learned):
    """Per-artwork ridge about a prior: w = m + (A + Λ)⁻¹(b − A·m), A = Σ ω·u·uᵀ, b = Σ ω·r·u.

    u is the encoded context (or what `layer` makes of it), r the reward, ω the weight. What is kept
    are sums of products: any split of the rows over batches, or over trainers that are merged,
    gives the same. All else is solved from them when it is asked for.

    l2: `auto` finds λ = σ²/τ² of each feature by empirical Bayes, and the mean m of each title's
      artworks (`trainers.prior`). `sparse` is the same with a λ for every slot instead of every
      feature, for long vectors of which few slots matter. A number is λ of all slots about m = 0,
      so that an artwork never shown scores 0.
    artworks: features of artworks, (title, artwork) → tags or numbers, or an Arrow table (see
      `ArtworkFeatures`). m then depends on them, W·f, whatever l2 is: a new artwork begins with
      what others like it have earned in their titles.
    half_life: exposures weigh half for every such time that they are older than the latest one
      (`trainers.clock`); batches then need `time`.
    slots: rows and columns of the page whose places have an effect on the reward, which is taken
      out (`heads.Corrected`); what is further shares the last. Batches then need `slot_row` and
      `slot_column`.
    rank: for contexts of hundreds of slots: u are so many numbers, a linear layer's outputs, the
      last always 1. `fit` learns the layer from its batch (`trainers.layers`) and it stays as it
      is from then on; or `layer` gives it. Statistics are then rank × rank an artwork.

    sources: whoever trains on files may note here, and so in the state, what was learned of each
    (name → milliseconds, see `training.learn`); trainers with a source in common are not merged.

    Memory: 4.5 KB an artwork at 32 slots (`trainers.sums`). The ridge and its uncertainty: Li, Chu,
    Langford, Schapire 2010, *A contextual-bandit approach to personalized news article
    recommendation*, algorithm 1. Raises DataError for what it cannot use.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        titles: Titles,
        *,
        l2: L2 = "auto",
        artworks: Artworks | None = None,
        half_life: timedelta | None = None,
        slots: tuple[int, int] | None = None,
        rank: int | None = None,
        layer: Layer | None = None,
    ) -> None:
        if l2 not in ("auto", "sparse") and not (isinstance(l2, float | int) and 0 < l2 < math.inf):
            raise DataError(f"l2 must be a number above 0, 'auto' or 'sparse', not {l2!r}")
        if slots is not None and not 1 <= min(slots) <= max(slots) <= 64:
            raise DataError(f"slots must be two numbers from 1 to 64, not {slots!r}")
        if rank is not None and not 2 <= rank <= schema.width:
            raise DataError(f"rank must be 2 to the schema's {schema.width} slots, not {rank!r}")
        self.schema, self.slots = schema, slots
        self.l2: L2 = l2 if isinstance(l2, str) else float(l2)
        self.artworks = (
            ArtworkFeatures(artworks) if isinstance(artworks, Mapping | pa.Table) else artworks
        )
        self.layer = None if layer is None else layers.checked(layer, schema.width)
        self.rank = rank if self.layer is None else self.layer.outputs
        self._given = layer is not None
        self.sources: dict[str, int] = {}
        self._solved: tuple[Heads, Prior | None] | None = None
        extras = sum(slots) - 2 if slots else 0
        super().__init__(titles, self.rank or schema.width, extras, half_life)

    # Learning.

    def fit(self, batch: Batch | Log) -> LinearTrainer:
        """Forgets everything and learns from this batch. Returns itself.

        With `rank` the layer is learned too, unless one was given.
        """
        columns = self._read(batch)
        if self.rank is not None and not self._given:
            self.layer = layers.learn(columns, self._title, self._features(), self.rank)
        self._forget()
        self.sources = {}
        self._solved = None
        return self._learn(columns)

    def partial_fit(self, batch: Batch | Log) -> LinearTrainer:
        """Learns from one more batch; changes nothing where it raises DataError. Returns itself."""
        return self._learn(self._read(batch))

    def merge(self, other: LinearTrainer) -> LinearTrainer:
        """Adds what another trainer of equal settings has learned. Returns itself."""
        for what in ("schema", "titles", "l2", "artworks", "half_life", "slots", "rank"):
            if getattr(self, what) != getattr(other, what):
                raise DataError(f"trainers of different {what} cannot be merged")
        if [*self.titles] != [*other.titles]:
            raise DataError("trainers whose titles stand in another order cannot be merged")
        if not layers.equal(self.layer, other.layer):
            raise DataError("trainers of different layers cannot be merged: give both one `layer`")
        if twice := sorted(self.sources.keys() & other.sources.keys()):
            raise DataError(f"both trainers have learned from {twice[0]!r}: not merged")
        self.sources |= other.sources
        self._sums.merge(self._clock.align(self._sums, other._sums, other._clock))
        self._solved = None
        return self

    def beside(self, other: LinearTrainer) -> None:
        """Stands on the very sums of another trainer, of equal settings but l2.

        Only the other may learn, and this must be called again whenever it has.
        """
        self._sums, self._clock, self._solved = other._sums, other._clock, None

    def extended(self, titles: Titles, artworks: Artworks | None = None) -> LinearTrainer:
        """A trainer that knows these titles and artworks too, and has learned as much.

        What it had keeps its place, also what `titles` no longer has: it still tells of others.
        artworks: what is known of the new ones; needs a trainer with artwork features.
        """
        known = self.artworks
        if artworks is not None:
            if known is None:
                raise DataError("the trainer has no artwork features that new ones could add to")
            known = known.more(artworks)
        made = LinearTrainer(
            self.schema,
            self.together(titles),
            l2=self.l2,
            artworks=known,
            half_life=self.half_life,
            slots=self.slots,
            rank=self.rank,
            layer=self.layer,
        )
        made._given, made.sources = self._given, dict(self.sources)
        rows = np.array([made._row[pair] for pair in self._row], dtype=np.int64)
        made._sums.place(rows, self._sums)
        made._clock = self._clock.copy()
        return made

    # What was learned.

    def solve(self) -> npt.NDArray[np.float64]:
        """The weights: float64 [R, k], k the schema's width or the rank."""
        return self.solved[0].weights

    def noise(self) -> float:
        """σ²: the weighted squared residuals of all artworks over their degrees of freedom."""
        return self.solved[0].noise

    @property
    def prior(self) -> Prior | None:
        """What was found of all artworks together; None for a plain ridge."""
        return self.solved[1]

    @property
    def solved(self) -> tuple[Heads, Prior | None]:
        """The heads, and the prior they were solved about; kept until more is learned."""
        if self._solved is None:
            sums = self._now
            corrected = heads.Corrected(sums, self._title)
            fixed = None if isinstance(self.l2, str) else self.l2
            l2, mean, found = np.full(sums.width, fixed or 1.0), np.zeros((1, sums.width)), None
            if fixed is None or self.artworks is not None:
                found = prior.find(
                    corrected, sums.counts, self._title, self._features(), self._group, fixed
                )
                l2, mean = found.l2, found.mean
            self._solved = heads.solve(corrected, sums.counts, self._title, l2, mean), found
        return self._solved

    def to_model(
        self,
        name: str,
        sequence: int,
        explorer: Explorer | None = None,
        meta: Mapping[str, str] | None = None,
        titles: Titles | None = None,
        variance_l2: float | None = None,
    ) -> PolicyModel:
        """The model learned so far, with variance σ² / diag(A + Λ), σ² of the artwork's title.

        explorer: Thompson() where there is none. titles: those of the model, in their order, where
        they are others than the trainer's; what is new in them scores as the prior does (see
        `extended` for how to tell its features). variance_l2: the largest λ in the variances;
        weights may be shrunk by more than anybody is sure of. Biases are 0: the last slot is the
        intercept.
        Raises ModelError where it cannot be a policy, DataError where a layer is still to be
        learned.
        """
        if self.rank is not None and self.layer is None:
            raise DataError("no layer has been learned yet: fit first, or give one")
        titles = self.titles if titles is None else check_titles(titles)
        knows = self if row_index(titles).keys() <= self._row.keys() else self.extended(titles)
        solved, rows = knows.solved[0], knows.rows_of(titles)
        return PolicyModel(
            name=name,
            sequence=sequence,
            schema=self.schema,
            titles=titles,
            weights=solved.weights[rows].astype(np.float32),
            bias=np.zeros(len(rows), dtype=np.float32),
            variance=solved.variances(variance_l2)[rows].astype(np.float32),
            tower=() if self.layer is None else (self.layer,),
            explorer=Thompson() if explorer is None else explorer,
            meta=meta or {},
        )

    def penalties(self) -> dict[str, float]:
        """λ of each feature and of the intercept; with a rank, of `layer` and of the intercept."""
        names = [feature.name for feature in self.schema.features]
        l2 = self.solved[0].l2
        first = dict(zip(self._group.tolist(), l2.tolist(), strict=True))
        names = [*(["layer"] if self.rank else names), INTERCEPT]
        return {name: first[group] for group, name in enumerate(names)}

    # Between nights.

    def save_state(self, path: str | os.PathLike[str]) -> None:
        """Writes all that was learned to one Parquet file (`trainers.state`). Raises OSError."""
        known = {} if self.artworks is None else self.artworks.rows
        state.save(path, self.settings(), self.titles, self._sums, known)

    def settings(self) -> dict[str, object]:
        """All of the trainer but titles, sums and artworks' features, as JSON."""
        return {
            "kind": "linear",
            "schema": self.schema.to_json(),
            "l2": self.l2,
            "half_life_ms": None if self.half_life is None else milliseconds(self.half_life),
            "slots": self.slots,
            "rank": self.rank,
            "layer": layers.to_json(self.layer),
            "given": self._given,
            "artworks": None if self.artworks is None else self.artworks.to_json(),
            "sources": self.sources,
            "moment": self._clock.moment,
            "latest": self._clock.latest,
        }

    @classmethod
    def load_state(cls, path: str | os.PathLike[str]) -> LinearTrainer:
        """The trainer that `save_state` wrote, equal to the bit. Raises DataError, OSError.

        Of artwork features those of the trainer's own artworks are there again.
        """
        saved = state.load(path)
        if saved.kind != "linear":
            raise DataError(f"{path}: the state of a {saved.kind!r} trainer, not linear")
        return cls.restored(path, saved)

    @classmethod
    def restored(cls, path: str | os.PathLike[str], saved: state.State) -> LinearTrainer:
        """The trainer of these settings and sums; path: for errors. Raises DataError."""
        s = saved.settings
        try:
            life = s["half_life_ms"]
            known = s["artworks"]
            made = cls(
                FeatureSchema.from_json(s["schema"]),
                saved.titles,
                l2=s["l2"],
                artworks=known and ArtworkFeatures.from_json(known, saved.features),
                half_life=None if life is None else timedelta(milliseconds=life),
                slots=None if s["slots"] is None else tuple(s["slots"]),
                rank=s["rank"],
                layer=layers.from_json(s["layer"]),
            )
            made._given, made.sources = s["given"], dict(s["sources"])
            made._clock.moment, made._clock.latest = s["moment"], s["latest"]
        except (KeyError, TypeError, ExportError) as error:
            raise DataError(f"{path}: missing or unusable entry: {error}") from None
        if (saved.sums.width, saved.sums.extras) != (made._sums.width, made._sums.extras):
            raise DataError(f"{path}: the sums are of another width than the schema")
        made._sums = saved.sums
        return made

    # How it is done.

    def _features(self) -> Floats:
        """What is known of the artworks: [R, d]; d is 0 without artwork features."""
        if self.artworks is None:
            return np.zeros((len(self._row), 0))
        return self.artworks.matrix([*self._row])

    @property
    def _group(self) -> Ints:
        """Which slots share a λ: those of a feature, all outputs of a layer; the last is alone.

        With `sparse` every slot is.
        """
        if self.l2 == "sparse":
            return np.arange(self._sums.width)
        widths = [feature.width for feature in self.schema.features]
        return prior.groups_of([*([self.rank - 1] if self.rank else widths), 1])

    def _read(self, batch: Batch | Log) -> Columns:
        needs = ["time"] if self.half_life else []
        needs += ["slot_row", "slot_column"] if self.slots else []
        return read(batch, self.schema, self._row, needs=needs)

    def _learn(self, columns: Columns) -> LinearTrainer:
        if not len(columns):
            return self
        vectors, weight = columns.vectors, columns.weight
        if self.rank is not None:
            if self.layer is None:
                raise DataError("no layer has been learned yet: fit first, or give one")
            vectors = layers.apply(self.layer, vectors)
        if self.half_life and columns.time is not None:
            weight = weight * self._clock.weights(columns.time, self._sums)
        self._sums.add(
            Rows(
                vectors=vectors,
                context=columns.context,
                artwork=columns.row,
                reward=columns.reward,
                weight=weight,
                previous=columns.previous,
                extra=None if self.slots is None else columns.places(self.slots),
            )
        )
        self._solved = None
        return self
