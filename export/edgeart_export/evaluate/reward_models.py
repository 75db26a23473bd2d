# SPDX-License-Identifier: Apache-2.0
"""Reward models for doubly robust estimates: predictions that never saw the row they are for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..log import Log
from ..model import PolicyModel
from ..model.tower import forward
from ..schema import FeatureSchema, Values
from ..trainers.linear import LinearTrainer

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


class Prediction:
    """Predicted rewards of the candidates of one title, for some rows of a log.

    rows: intp [m], rows of the log; artworks: K ids; values: float64 [m, K].
    """

    def __init__(self, rows: Rows, artworks: Sequence[str], values: Floats) -> None:
        self.rows = rows
        self.artworks = tuple(artworks)
        self.values = values

    def columns(self, title: str, artworks: Sequence[str]) -> Floats:
        """The values in the order of these artworks: [m, len(artworks)]. Raises DataError."""
        place = {artwork: i for i, artwork in enumerate(self.artworks)}
        missing = [artwork for artwork in artworks if artwork not in place]
        if missing:
            raise DataError(
                f"the reward model knows no artwork {missing[0]!r} of title {title!r}; "
                f"train it with the titles of the policy"
            )
        return self.values[:, [place[artwork] for artwork in artworks]]


class RewardModel(Protocol):
    """Whatever predicts the reward of every candidate for the rows of a log."""

    def predict(self, log: Log) -> dict[str, Prediction]:
        """Per title of the log a Prediction for all its rows."""
        ...


def rows_by_title(log: Log) -> Iterator[tuple[str, Rows]]:
    """The titles of a log, in order of their first row, and the rows of each."""
    rows: dict[str, list[int]] = {}
    for row, title in enumerate(log.title):
        rows.setdefault(title, []).append(row)
    for title, found in rows.items():
        yield title, np.array(found, dtype=np.intp)


def encoded_rows(schema: FeatureSchema, log: Log) -> npt.NDArray[np.float32]:
    """The encoded contexts of a log: float32 [n, width]. Rows that share a map share its code."""
    # The log keeps its maps alive, so that each id stays one map's.
    number: dict[int, int] = {}
    distinct: list[Values] = []
    code = np.zeros(len(log), dtype=np.intp)
    for row, values in enumerate(log.contexts):
        code[row] = known = number.setdefault(id(values), len(number))
        if known == len(distinct):
            distinct.append(values)
    found: npt.NDArray[np.float32] = schema.encode_many(distinct)[code]
    return found


class GivenModel:
    """Predicts with a model trained on other data, for example on an earlier part of the log."""

    def __init__(self, model: PolicyModel) -> None:
        self._model = model

    def predict(self, log: Log) -> dict[str, Prediction]:
        """The model's scores. Raises DataError for a title it does not have."""
        encoded = encoded_rows(self._model.schema, log).astype(np.float64)
        vectors = forward(self._model.tower, encoded)
        weights = self._model.weights.astype(np.float64)
        return _predict(log, self._model.titles, vectors, [(slice(None), weights)], self._model)


class CrossFitted:
    """Predicts every row with a LinearTrainer that saw only the other folds of the log itself.

    folds: 2 or more; rows are dealt to them at random (by `seed`), a cluster always as a whole.
    l2: λ of the trainer. Cross-fitting: Chernozhukov et al. 2018, *Double/debiased machine
    learning for treatment and structural parameters*.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        titles: Mapping[str, Sequence[str]],
        *,
        l2: float = 100.0,
        folds: int = 5,
        seed: int = 0,
    ) -> None:
        if folds < 2:
            raise DataError(f"cross-fitting needs at least 2 folds, not {folds}")
        self._schema, self._titles = schema, titles
        self._l2, self._folds, self._seed = l2, folds, seed

    def predict(self, log: Log, weight: Floats | None = None) -> dict[str, Prediction]:
        """Out-of-fold predictions; weight: what each row counts when fitted, [n], None: all alike.

        Raises DataError for titles or artworks it was not given.
        """
        return cross_fit(self._schema, self._titles, log, self._deal(log), self._l2, weight)

    def _deal(self, log: Log) -> npt.NDArray[np.int64]:
        rng = np.random.default_rng(self._seed)
        group = np.arange(len(log))
        if log.cluster is not None:
            group = np.unique(log.cluster, return_inverse=True)[1]
        groups = int(group.max(initial=-1)) + 1
        if groups < self._folds:
            raise DataError(f"{groups} rows or clusters cannot be dealt to {self._folds} folds")
        dealt: npt.NDArray[np.int64] = rng.permutation(np.arange(groups) % self._folds)[group]
        return dealt


def cross_fit(
    schema: FeatureSchema,
    titles: Mapping[str, Sequence[str]],
    log: Log,
    fold: npt.NDArray[np.int64],
    l2: float,
    weight: Floats | None = None,
) -> dict[str, Prediction]:
    """Predicts each row with a LinearTrainer of penalty l2 that saw the rows of other folds alone.

    fold: [n], 0 to folds − 1, of which each has a row. weight: [n] ≥ 0, what a row counts.
    """
    vectors = encoded_rows(schema, log)
    folds = int(fold.max(initial=-1)) + 1
    parts = []
    for f in range(folds):
        rows = np.flatnonzero(fold == f)
        picked = rows.tolist()
        batch: dict[str, object] = {
            "title": [log.title[i] for i in picked],
            "artwork": [log.artwork[i] for i in picked],
            "reward": log.reward[rows],
            "context": vectors[rows],
        }
        if weight is not None:
            batch["weight"] = weight[rows]
        parts.append(LinearTrainer(schema, titles, l2=l2).fit(batch))
    fitted: list[tuple[npt.NDArray[np.bool_] | slice, Floats]] = []
    for f in range(folds):
        others = LinearTrainer(schema, titles, l2=l2)
        for g, part in enumerate(parts):
            if g != f:
                others.merge(part)
        fitted.append((fold == f, others.solve()))
    return _predict(log, titles, vectors.astype(np.float64), fitted, None)


def _predict(
    log: Log,
    titles: Mapping[str, Sequence[str]],
    vectors: Floats,
    fitted: Sequence[tuple[npt.NDArray[np.bool_] | slice, Floats]],
    model: PolicyModel | None,
) -> dict[str, Prediction]:
    """Each title's rows times the weights that are for them; `fitted`: which rows, what weights."""
    first, starts = 0, {}
    for title, artworks in titles.items():
        starts[title] = first
        first += len(artworks)
    predictions = {}
    for title, rows in rows_by_title(log):
        if title not in titles:
            raise DataError(f"the reward model knows no title {title!r}, which the log has")
        part = slice(starts[title], starts[title] + len(titles[title]))
        values = np.zeros((len(rows), len(titles[title])))
        for which, weights in fitted:
            chosen = np.zeros(len(log), dtype=bool)
            chosen[which] = True
            mine = chosen[rows]
            values[mine] = vectors[rows[mine]] @ weights[part].T
        if model is not None:
            values += model.bias[part]
        predictions[title] = Prediction(rows, titles[title], values)
    return predictions
