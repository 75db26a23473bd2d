# SPDX-License-Identifier: Apache-2.0
"""The linear layer in front of the heads: hundreds of slots become a few numbers that matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError, ExportError
from ..model.tower import Layer, forward
from .batch import Columns
from .sums import Floats, Ints

FAINT = 0.1
"""Least length of a direction, beside the longest."""

_ROWS = 1 << 16
"""Contexts widened to float64 at a time."""


def apply(layer: Layer, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What the layer makes of encoded contexts [n, slots]: u, [n, rank]."""
    u = np.empty((len(vectors), layer.outputs), dtype=np.float32)
    for first in range(0, len(vectors), _ROWS):
        some = slice(first, first + _ROWS)
        u[some] = forward([layer], vectors[some].astype(np.float64))
    return u


def learn(columns: Columns, title: Ints, features: Floats, rank: int) -> Layer:
    """A layer of `rank` outputs, the last of which is 1, from a batch.

    What tells artworks of a title apart is in the cross moments bₐ = Σ ω·(r − r̄ₜ)·(x − x̄), less
    the artwork's share of those of its title: what all artworks of a title have in common is not
    looked at. In coordinates in which contexts are spherical, (Σ + κI)^-½(x − x̄) with κ the mean
    eigenvalue of their covariance Σ, the outputs are the directions in which the bₐ/√nₐ vary most:
    reduced-rank regression (Izenman 1975, *Reduced-rank regression for the multivariate linear
    model*; the ridge as in canonical ridge, Vinod 1976). Three kinds of rows are put together:
    those of artworks, those of artworks pooled by their features, which have the same noise and
    far more signal, and one of all exposures, r on x, without which the level of rewards is lost.

    columns: at least one row; title: of every artwork, [R]; features: [R, d]. Raises DataError.
    """
    if not len(columns) or not (columns.weight > 0).any():
        raise DataError("a layer cannot be learned from a batch without rows: give `layer`")
    new = np.ones(len(columns)) if columns.previous is None else np.isnan(columns.previous)
    weight: Floats = columns.weight * new
    total = weight.sum()
    if not total > 0:
        raise DataError("a layer cannot be learned from corrections alone: give `layer`")
    rows, slots = columns.row, columns.vectors.shape[1] - 1  # without the intercept
    titles = title[rows]
    per_title = np.bincount(titles, weight, int(title.max()) + 1)
    rewards = np.bincount(titles, weight * columns.reward, int(title.max()) + 1)
    left = weight * (columns.reward - (rewards / np.maximum(per_title, 1e-300))[titles])
    of_context = np.bincount(columns.context, weight, len(columns.vectors)).astype(np.float64)
    mean, covariance = _moments(columns.vectors[:, :slots], of_context)
    cross = np.zeros((len(title), slots))
    order = np.argsort(rows, kind="stable")
    for first in range(0, len(order), _ROWS):
        some = order[first : first + _ROWS]
        starts = np.flatnonzero(np.diff(rows[some], prepend=-1))
        x = columns.vectors[columns.context[some], :slots].astype(np.float64) - mean
        cross[rows[some][starts]] += np.add.reduceat(x * left[some, None], starts, axis=0)
    counts = np.bincount(rows, weight, len(title)).astype(np.float64)
    seen = np.flatnonzero(counts > 0)
    whole = cross.sum(axis=0)
    by_title = np.zeros((len(per_title), slots))
    np.add.at(by_title, title, cross)
    share = counts[seen] / per_title[title[seen]]
    own = cross[seen] - share[:, None] * by_title[title[seen]]
    values, vectors = np.linalg.eigh(covariance)
    ridge = max(float(np.maximum(values, 0).mean()), 1e-12)
    whiten = (vectors / np.sqrt(np.maximum(values, 0) + ridge)) @ vectors.T
    stacked = [own / np.sqrt(counts[seen])[:, None]]
    f = _centred(features[seen], counts[seen], title[seen])
    if f.shape[1]:
        gram = (f * counts[seen, None]).T @ f
        size, turn = np.linalg.eigh(gram)
        kept = size > 1e-9 * max(size.max(), 1e-300)
        stacked.append((turn[:, kept] / np.sqrt(size[kept])).T @ (f.T @ own))
    directions = _leading(whole @ whiten, np.concatenate(stacked) @ whiten, rank - 1)
    weights = np.zeros((slots + 1, rank))
    weights[:slots, : rank - 1] = whiten @ directions
    bias = -(mean @ weights[:slots])
    weights[slots, rank - 1] = 1.0
    return Layer(weights.astype(np.float32), bias.astype(np.float32), "identity")


def _moments(vectors: npt.NDArray[np.float32], weight: Floats) -> tuple[Floats, Floats]:
    """Weighted mean [slots] and covariance [slots, slots]."""
    slots = vectors.shape[1]
    mean, square = np.zeros(slots), np.zeros((slots, slots))
    for first in range(0, len(vectors), _ROWS):
        x = vectors[first : first + _ROWS].astype(np.float64)
        weighted = x * weight[first : first + _ROWS, None]
        mean += weighted.sum(axis=0)
        square += weighted.T @ x
    mean /= weight.sum()
    return mean, square / weight.sum() - np.outer(mean, mean)


def _centred(features: Floats, counts: Floats, title: Ints) -> Floats:
    """Features less the mean of their title's artworks, each counting as often as it was shown."""
    titles = int(title.max()) + 1
    sums = np.zeros((titles, features.shape[1]))
    np.add.at(sums, title, features * counts[:, None])
    means = sums / np.maximum(np.bincount(title, counts, titles), 1e-300)[:, None]
    centred: Floats = features - means[title]
    return centred


def _leading(first: Floats, rows: Floats, count: int) -> Floats:
    """`first`, then the directions across it in which rows vary most: [slots, count].

    Each is as long as it stands out: √ of how far the variance along it is above that of the first
    direction left out, which is noise if anything is; at least FAINT of the longest, lest i8 lose
    it. The heads' one λ then shrinks what is mostly noise more.
    """
    size = float(np.linalg.norm(first))
    leading = first[:, None] / (size if size > 0 else 1.0)
    across = rows - (rows @ leading) @ leading.T
    values, vectors = np.linalg.eigh(across.T @ across)
    values, vectors = values[::-1], vectors[:, ::-1][:, : count - 1]
    noise = values[count - 1] if count <= len(values) else 0.0
    above = np.sqrt(np.maximum(values[: vectors.shape[1]] - noise, 0))
    longest = above.max(initial=0)
    lengths = np.maximum(above / longest, FAINT) if longest > 0 else np.ones_like(above)
    # An eigenvector's sign is arbitrary; the largest element is made positive.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    found: Floats = np.concatenate([leading, vectors * signs * lengths], axis=1)
    return found


def checked(layer: Layer, slots: int) -> Layer:
    """A layer given by hand, if it fits: linear, from `slots`, its last output always 1."""
    if not isinstance(layer, Layer):
        raise DataError(f"layer must be a Layer, not {type(layer).__name__}")
    if layer.inputs != slots or layer.activation != "identity":
        raise DataError(
            f"layer must be linear and have {slots} inputs, as the schema has slots: {layer!r}"
        )
    last = layer.weights[:, -1].astype(np.float64)
    if last[:-1].any() or abs(last[-1] + layer.bias[-1] - 1) > 1e-6:
        raise DataError("the last output of `layer` must be 1 for every context: the intercept")
    return layer


def equal(one: Layer | None, other: Layer | None) -> bool:
    """Whether two layers compute the same."""
    if one is None or other is None:
        return one is other
    return np.array_equal(one.weights, other.weights) and np.array_equal(one.bias, other.bias)


def to_json(layer: Layer | None) -> dict[str, Any] | None:
    """The layer as `from_json` reads it, exactly."""
    if layer is None:
        return None
    return {"weights": layer.weights.tolist(), "bias": layer.bias.tolist(), "rows": layer.rows}


def from_json(described: dict[str, Any] | None) -> Layer | None:
    """The layer that `to_json` described. Raises DataError."""
    if described is None:
        return None
    try:
        weights = np.array(described["weights"], dtype=np.float32)
        bias = np.array(described["bias"], dtype=np.float32)
        return Layer(weights, bias, "identity", described["rows"])
    except (KeyError, ValueError, ExportError) as error:
        raise DataError(f"a layer cannot be read: {error}") from None
