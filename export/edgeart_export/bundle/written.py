# SPDX-License-Identifier: Apache-2.0
"""What came of writing a bundle: its size, and what its form costs against f32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..format.wire import Body
from ..model import PolicyModel
from ..model.tower import Layer, Rows
from ..quantize import decode_variances, relative_error
from .bounds import Stored, score_bounds
from .compare import Difference
from .stable import Stability


@dataclass(frozen=True)
class WrittenLayer:
    """A layer of the tower. weight_error: largest |weight − stored| over the output's largest."""

    inputs: int
    outputs: int
    activation: str
    rows: Rows
    weight_error: float


@dataclass(frozen=True)
class Written:
    """What was written, and how it differs from f32 rows and layers.

    flips: share of (context, title) pairs whose best artwork differs, 0 to 1; loss: what its own
    best artwork scores less there, the mean over all pairs, and largest_loss the most. score_error:
    largest |score − score with f32 rows and layers|. contexts: number of contexts compared.
    score_bound: what score_error cannot pass for any context at all (`bounds`); it is of
    bound_row, a title and an artwork. row_error: root of the mean squared difference of the rows'
    weights over that of the weights. variance_error: largest relative error of a variance, None
    where none were written.
    """

    path: Path
    size: int
    format: int
    rows: Rows
    titles: int
    artworks: int
    vectors: int
    contexts: int
    flips: float
    loss: float
    largest_loss: float
    score_error: float
    score_bound: float
    bound_row: tuple[str, str] | None
    row_error: float
    variance_error: float | None
    layers: tuple[WrittenLayer, ...]
    stability: Stability | None = None


def written(
    path: Path,
    size: int,
    model: PolicyModel,
    body: Body,
    difference: Difference,
    *,
    vectors: int,
    stability: Stability | None,
) -> Written:
    """The report on a bundle of `size` bytes that was written from `body`."""
    rows = _acting(body.rows, body.weights, body.scales[:, None])
    layers = [_acting(layer.rows, layer.weights, layer.scales) for layer in body.tower]
    bounds = score_bounds(model, layers, rows)
    worst = int(bounds.argmax()) if len(bounds) else None
    exact = model.weights.astype(np.float64)
    squares = float((exact**2).sum())
    return Written(
        path=path,
        size=size,
        format=body.format,
        rows="i8" if body.rows == "i8" else "f32",
        titles=len(model.titles),
        artworks=len(model.artworks),
        vectors=vectors,
        contexts=difference.contexts,
        flips=difference.flips,
        loss=difference.loss,
        largest_loss=difference.largest_loss,
        score_error=difference.score_error,
        score_bound=0.0 if worst is None else float(bounds[worst]),
        bound_row=None if worst is None else model.artworks[worst],
        row_error=float(((exact - rows[0]) ** 2).sum() / squares) ** 0.5 if squares else 0.0,
        variance_error=_variance_error(model, body),
        layers=tuple(map(_layer, model.tower, layers)),
        stability=stability,
    )


def _acting(rows: str, weights: npt.NDArray[np.generic], scales: npt.NDArray[np.float32]) -> Stored:
    """Stored weights as numbers."""
    numbers = weights.astype(np.float64)
    return (numbers * scales, True) if rows == "i8" else (numbers, False)


def _layer(layer: Layer, stored: Stored) -> WrittenLayer:
    error = 0.0
    if stored[1]:
        largest = np.abs(layer.weights).max(axis=0)
        off = np.abs(stored[0] - layer.weights)
        error = float((off / np.where(largest > 0, largest, 1)).max())
    rows: Rows = "i8" if stored[1] else "f32"
    return WrittenLayer(layer.inputs, layer.outputs, layer.activation, rows, error)


def _variance_error(model: PolicyModel, body: Body) -> float | None:
    if body.variances is None or model.variance is None:
        return None
    stored = decode_variances(body.variances.codes, body.variances.scale)
    return relative_error(model.variance, stored)
