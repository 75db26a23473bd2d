# SPDX-License-Identifier: Apache-2.0
"""One ridge regression per artwork, kept as sums that can be added up in any number of parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError
from ..explorers import Explorer, Greedy
from ..log import Log, row_index
from ..model import PolicyModel, check_titles
from ..schema import FeatureSchema

Batch: TypeAlias = pa.Table | pa.RecordBatch | Mapping[str, object]
"""Columns `title`, `artwork` (strings), `reward` (number), `context` (a list of schema.width
float32 each, or binary: one MessagePack map each) and, if wanted, `weight` (number ≥ 0). In a
Mapping they are numpy arrays or sequences, `context` a float32 [n, width] array or field maps."""


class LinearTrainer:
    """Per-artwork ridge: w = (A + λI)⁻¹ b with A = Σ ω·x·xᵀ and b = Σ ω·r·x over its exposures.

    x is the encoded context, r the reward, ω the weight (1 if there is none). All slots are
    regularised alike, the intercept too, so that an artwork that was never shown scores 0.
    `merge` adds the sums of two trainers: training on parts and merging equals training on all.

    l2 is λ > 0. Memory: 8 · width² bytes per artwork. Source of the per-artwork ridge and its
    uncertainty: Li, Chu, Langford, Schapire 2010, *A contextual-bandit approach to personalized
    news article recommendation*, algorithm 1. Raises DataError for what it cannot use.
    """

    def __init__(
        self, schema: FeatureSchema, titles: Mapping[str, Sequence[str]], *, l2: float = 1.0
    ) -> None:
        if not 0 < float(l2) < math.inf:
            raise DataError(f"l2 must be a number above 0, not {l2!r}")
        self.schema = schema
        self.titles: dict[str, tuple[str, ...]] = check_titles(titles)
        self.l2 = float(l2)
        self._row = row_index(self.titles)
        self._reset()

    def _reset(self) -> None:
        rows, width = len(self._row), self.schema.width
        self.A: npt.NDArray[np.float64] = np.zeros((rows, width, width))
        self.b: npt.NDArray[np.float64] = np.zeros((rows, width))
        self.rewards: npt.NDArray[np.float64] = np.zeros(rows)
        self.squares: npt.NDArray[np.float64] = np.zeros(rows)
        self.counts: npt.NDArray[np.float64] = np.zeros(rows)

    def fit(self, batch: Batch | Log) -> LinearTrainer:
        """Forgets everything and learns from this batch. Returns itself."""
        self._reset()
        return self.partial_fit(batch)

    def partial_fit(self, batch: Batch | Log) -> LinearTrainer:
        """Learns from one more batch; changes nothing where it raises DataError. Returns itself."""
        x, row, reward, weight = self._columns(batch)
        if not (np.diff(row) >= 0).all():
            order = np.argsort(row, kind="stable")
            x, row, reward, weight = x[order], row[order], reward[order], weight[order]
        edges = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist(), len(row)]
        for first, last in pairwise(edges):
            if first == last:
                continue
            r, part = int(row[first]), slice(first, last)
            weighted = x[part] * weight[part, None]
            self.A[r] += weighted.T @ x[part]
            self.b[r] += weighted.T @ reward[part]
            self.rewards[r] += weight[part] @ reward[part]
            self.squares[r] += weight[part] @ reward[part] ** 2
            self.counts[r] += weight[part].sum()
        return self

    def merge(self, other: LinearTrainer) -> LinearTrainer:
        """Adds what another trainer of equal schema, titles and λ has learned. Returns itself."""
        for what in ("schema", "titles", "l2"):
            if getattr(self, what) != getattr(other, what):
                raise DataError(f"trainers of different {what} cannot be merged")
        if [*self.titles] != [*other.titles]:
            raise DataError("trainers whose titles stand in another order cannot be merged")
        for name in ("A", "b", "rewards", "squares", "counts"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def solve(self) -> npt.NDArray[np.float64]:
        """The weights: float64 [R, width]."""
        solved = np.linalg.solve(self._precision(), self.b[..., None])
        return solved[..., 0].astype(np.float64)

    def noise(self) -> float:
        """σ²: the weighted squared residuals of all artworks over their degrees of freedom.

        The degrees of freedom are Σω − Σ tr(A (A + λI)⁻¹), at least 1 (Hastie, Tibshirani,
        Friedman 2009, *The Elements of Statistical Learning*, §§3.4.1 and 7.6).
        """
        w = self.solve()
        quadratic = np.einsum("ri,rij,rj->r", w, self.A, w)
        residual = self.squares - 2 * (w * self.b).sum(axis=1) + quadratic
        # tr(A (A+λI)⁻¹) = width − λ tr((A+λI)⁻¹), over the eigenvalues of A.
        eigenvalues = np.maximum(np.linalg.eigvalsh(self.A), 0)
        used = (eigenvalues / (eigenvalues + self.l2)).sum()
        return float(max(residual.sum(), 0) / max(self.counts.sum() - used, 1.0))

    def to_model(
        self,
        name: str,
        sequence: int,
        explorer: Explorer | None = None,
        meta: Mapping[str, str] | None = None,
    ) -> PolicyModel:
        """The model learned so far, with variance σ² / diag(A + λI). None explorer: Greedy().

        Biases are 0: the intercept is a slot. Raises ModelError where it cannot be a policy.
        """
        precision = np.diagonal(self._precision(), axis1=1, axis2=2)
        return PolicyModel(
            name=name,
            sequence=sequence,
            schema=self.schema,
            titles=self.titles,
            weights=self.solve().astype(np.float32),
            bias=np.zeros(len(self._row), dtype=np.float32),
            variance=(self.noise() / precision).astype(np.float32),
            explorer=Greedy() if explorer is None else explorer,
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

    def _precision(self) -> npt.NDArray[np.float64]:
        return self.A + self.l2 * np.eye(self.schema.width)

    def _columns(
        self, batch: Batch | Log
    ) -> tuple[
        npt.NDArray[np.float64],
        npt.NDArray[np.int64],
        npt.NDArray[np.float64],
        npt.NDArray[np.float64],
    ]:
        columns = _named(batch)
        missing = {"title", "artwork", "reward", "context"} - columns.keys()
        if missing:
            raise DataError(f"the batch has no column {', '.join(sorted(missing))}")
        x = self._vectors(columns["context"])
        row = self._rows(columns["title"], columns["artwork"])
        reward = _numbers("reward", columns["reward"])
        given = columns.get("weight")
        weight = np.ones(len(x)) if given is None else _numbers("weight", given)
        if (weight < 0).any():
            raise DataError(f"row {int(np.argmax(weight < 0))}: weight must not be negative")
        for name, column in (("title", row), ("reward", reward), ("weight", weight)):
            if len(column) != len(x):
                raise DataError(f"{len(column)} values of {name} for {len(x)} contexts")
        return x, row, reward, weight

    def _vectors(self, contexts: object) -> npt.NDArray[np.float64]:
        if isinstance(contexts, pa.ChunkedArray):
            contexts = contexts.combine_chunks()
        if isinstance(contexts, pa.Array):
            if pa.types.is_binary(contexts.type) or pa.types.is_large_binary(contexts.type):
                contexts = contexts.to_pylist()
            else:
                contexts = self._flattened(contexts)
        if isinstance(contexts, np.ndarray) and contexts.dtype.kind in "fiu":
            if contexts.ndim != 2 or contexts.shape[1] != self.schema.width:
                raise DataError(
                    f"context has shape {contexts.shape}; [n, {self.schema.width}] is needed"
                )
            if not np.isfinite(contexts).all():
                raise DataError("context: every slot must be finite")
            return contexts.astype(np.float64)
        if not isinstance(contexts, Sequence | np.ndarray):
            raise DataError(f"context: cannot read {type(contexts).__name__}")
        return self.schema.encode_many(contexts).astype(np.float64)

    def _flattened(self, lists: pa.Array) -> npt.NDArray[np.float64]:
        """An Arrow column of lists of numbers, each schema.width long, as [n, width]."""
        width = self.schema.width
        if not (pa.types.is_list(lists.type) or pa.types.is_fixed_size_list(lists.type)):
            raise DataError(
                f"context must be a list of {width} numbers or binary, not {lists.type}"
            )
        lengths = set(pc.unique(pc.list_value_length(lists)).to_pylist())
        if lengths - {width} or lists.flatten().null_count:
            raise DataError(f"context: every list must have {width} numbers and no nulls")
        numbers: npt.NDArray[np.float64] = lists.flatten().to_numpy().astype(np.float64)
        return numbers.reshape(-1, width)

    def _rows(self, titles: object, artworks: object) -> npt.NDArray[np.int64]:
        names, shown = _texts(titles), _texts(artworks)
        if len(names) != len(shown):
            raise DataError(f"{len(shown)} artworks for {len(names)} titles")
        pairs = list(zip(names, shown, strict=True))
        try:
            return np.fromiter((self._row[p] for p in pairs), dtype=np.int64, count=len(pairs))
        except KeyError as error:
            title, artwork = error.args[0]
            raise DataError(
                f"row {pairs.index((title, artwork))}: title {title!r} with artwork {artwork!r} "
                f"is not among the trainer's titles"
            ) from None


def _named(batch: object) -> dict[str, object]:
    if isinstance(batch, Log):
        return {
            "title": batch.title,
            "artwork": batch.artwork,
            "reward": batch.reward,
            "context": batch.contexts,
        }
    if isinstance(batch, pa.Table | pa.RecordBatch):
        return {name: batch.column(name) for name in batch.schema.names}
    if isinstance(batch, Mapping):
        return dict(batch)
    raise DataError(f"a batch is an Arrow table, a Log or a mapping, not {type(batch).__name__}")


def _texts(column: object) -> list[str]:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return [str(text) for text in column.to_pylist()]
    if isinstance(column, np.ndarray | Sequence) and not isinstance(column, str):
        return [str(text) for text in column]
    raise DataError(f"title and artwork must be columns of strings, not {type(column).__name__}")


def _numbers(name: str, column: object) -> npt.NDArray[np.float64]:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        column = column.to_numpy()
    try:
        numbers = np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be numbers: {error}") from None
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise DataError(f"{name} must be one finite number a row")
    return numbers
