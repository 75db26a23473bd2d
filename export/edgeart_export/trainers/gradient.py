# SPDX-License-Identifier: Apache-2.0
"""A tower trained by gradients: the settings, and what is done without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..model.tower import MAX_LAYERS, MAX_OUTPUTS, Activation, Layer
from ..schema import FeatureSchema
from .constant import constant_bias
from .lift import without_torch
from .random_tower import layer, standardise
from .rows import Rows

Floats = npt.NDArray[np.float64]
Linear: TypeAlias = tuple[Floats, Floats]
"""Weights [inputs, outputs] and bias [outputs]."""
Start: TypeAlias = tuple[list[Linear], Linear]
"""Layers, and the output layer: weights [R, k] and bias [R]."""


@dataclass(frozen=True)
class Epoch:
    """How training stands after an epoch.

    number: from 1, of at most `epochs`. loss: mean loss of the rows trained on. held_out: that of
    the rows held out, None without any. best: the epoch whose layers will be kept if it ended now.
    """

    number: int
    epochs: int
    loss: float
    held_out: float | None
    best: int


@dataclass(frozen=True)
class GradientTower:
    """Layers of `hidden` outputs and one of k, trained by torch (AdamW: Loshchilov, Hutter 2019).

    Needs `pip install edgeart-export[neural]`. Trained is a network of the layers and an output for
    each artwork, on the loss of the logged artwork's output alone, times the row's weight; inputs
    are standardised, which is folded into the first layer.

    hidden, k: 1 to 1,024 each, k to 1,023. activation: `relu` or `tanh`. loss: `squared`; or
    `logistic`, for rewards from 0 to 1. epochs: most passes over the rows, refit_epochs where
    training starts at a tower; learning_rate falls to 0 over them (half a cosine). held_out: share
    of the clusters (rows, where there is no column `cluster`) that is not trained on and says when
    to stop: after `patience` epochs without a new best. The best epoch's layers are kept. threads:
    of torch while it trains, after which they are as before; layers as small as these are trained
    fastest by one; None leaves what the host has set. progress is called after every
    epoch; where cancel returns true, training ends there and what was best so far is kept. seed:
    the same seed, rows and threads give the same layers on the same machine.
    """

    hidden: tuple[int, ...] = (128,)
    k: int = 32
    activation: Literal["relu", "tanh"] = "relu"
    loss: Literal["squared", "logistic"] = "squared"
    epochs: int = 40
    refit_epochs: int = 10
    patience: int = 8
    held_out: float = 0.1
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    batch_size: int = 128
    threads: int | None = 1
    seed: int = 0
    progress: Callable[[Epoch], None] | None = None
    cancel: Callable[[], bool] | None = None
    l2: ClassVar[float] = 30.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        if len(self.hidden) >= MAX_LAYERS:
            raise DataError(f"{len(self.hidden)} hidden layers; at most {MAX_LAYERS - 1} fit")
        for name, most in (("hidden", MAX_OUTPUTS), ("k", MAX_OUTPUTS - 1)):
            widths = self.hidden if name == "hidden" else (self.k,)
            if any(type(width) is not int or not 1 <= width <= most for width in widths):
                raise DataError(f"{name} must be ints from 1 to {most}, not {getattr(self, name)}")
        for name, allowed in (("activation", ("relu", "tanh")), ("loss", ("squared", "logistic"))):
            if getattr(self, name) not in allowed:
                raise DataError(f"{name} must be one of {allowed}, not {getattr(self, name)!r}")
        for name in ("epochs", "refit_epochs", "patience", "batch_size", "threads"):
            value = getattr(self, name)
            if (value is not None or name != "threads") and (type(value) is not int or value < 1):
                raise DataError(f"{name} must be an int above 0, not {value!r}")
        ranges = {"held_out": (0, 0.9), "learning_rate": (1e-9, 1e3), "weight_decay": (0, 1e3)}
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise DataError(f"{name} must be {low:g} to {high:g}, not {getattr(self, name)!r}")

    @property
    def widths(self) -> tuple[int, ...]:
        """Outputs of the layers, without the constant."""
        return (*self.hidden, self.k)

    def learn(
        self,
        schema: FeatureSchema,
        rows: Rows,
        artworks: int,
        start: tuple[Sequence[Layer], Floats] | None = None,
    ) -> tuple[tuple[Layer, ...], Floats]:
        """A tower trained on rows (n ≥ 1), and the network's output layer as rows for it.

        start: a tower that this made, and rows [R, k + 1] for it. Returns layers, the last with an
        output that is always 1 behind its own, and float64 [R, k + 1], 0 for artworks that were not
        shown and where the loss is logistic (log-odds are no rewards). Raises ImportError without
        torch, DataError where training diverges.
        """
        try:
            from .gradient_torch import train  # noqa: PLC0415 - torch takes seconds to import
        except ModuleNotFoundError as error:
            raise without_torch("a tower trained by gradients", error) from error
        outside = (rows.reward < 0) | (rows.reward > 1)
        if self.loss == "logistic" and outside.any():
            raise DataError(
                f"a reward of {rows.reward[outside][0]:g} has no logistic loss, which is for "
                f"rewards from 0 to 1: use the squared loss"
            )
        centre, factor = standardise(schema, rows.vectors)
        mean, size = _scale(rows) if self.loss == "squared" else (0.0, 1.0)
        task = Task(
            x=((rows.vectors - centre) * factor).astype(np.float32),
            row=rows.row,
            reward=((rows.reward - mean) / size).astype(np.float32),
            weight=(rows.weight / rows.weight.mean()).astype(np.float32),
            held=held_out(rows, self.held_out, self.seed),
            artworks=artworks,
            start=None,
        )
        if start is not None:
            begin = _start(start, artworks, self, (centre, factor), (mean, size))
            task = replace(task, start=begin)
        layers, (output, offset) = train(task, self)
        prior = np.zeros((artworks, self.k + 1))
        if self.loss == "squared":
            shown = np.unique(rows.row)
            prior[shown, :-1] = size * output[shown]
            prior[shown, -1] = mean + size * offset[shown]
        return _folded(layers, self.activation, centre, factor), prior


@dataclass(frozen=True, eq=False)
class Task:
    """What torch is given: n rows of standardised contexts, and where to start.

    x: float32 [n, width]. row: int64 [n]. reward, weight: float32 [n], rewards of mean 0 and
    variance 1 where the loss is squared. held: bool [n], not trained on. start: layers for
    standardised contexts; None: drawn.
    """

    x: npt.NDArray[np.float32]
    row: npt.NDArray[np.int64]
    reward: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]
    held: npt.NDArray[np.bool_]
    artworks: int
    start: Start | None


def held_out(rows: Rows, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which rows are held out: bool [n], about `share` of the clusters, all rows of each.

    None are where there are fewer than 20 clusters, of which a share would say nothing.
    """
    cluster = rows.more.get("cluster")
    members, which = np.unique(
        np.arange(len(rows)) if cluster is None else cluster, return_inverse=True
    )
    count = round(share * len(members))
    if len(members) < 20 or count < 1:
        return np.zeros(len(rows), dtype=bool)
    chosen = np.zeros(len(members), dtype=bool)
    chosen[np.random.default_rng(seed).permutation(len(members))[:count]] = True
    return np.asarray(chosen[which])


def _scale(rows: Rows) -> tuple[float, float]:
    """Mean and standard deviation of the rewards; 1 where they do not vary."""
    mean = float(np.average(rows.reward, weights=rows.weight))
    variance = float(np.average((rows.reward - mean) ** 2, weights=rows.weight))
    return mean, variance**0.5 if variance > 0 else 1.0


def _folded(
    layers: Sequence[Linear], activation: Activation, centre: Floats, factor: Floats
) -> tuple[Layer, ...]:
    """The layers for encoded contexts: standardising goes into the first, a 1 behind the last."""
    weights, bias = layers[0]
    weights = weights * factor[:, None]
    made = [(weights, bias - centre @ weights), *layers[1:]]
    weights, bias = made[-1]
    made[-1] = (
        np.concatenate([weights, np.zeros((len(weights), 1))], axis=1),
        np.append(bias, constant_bias(activation)),
    )
    return tuple(layer(weights, bias, activation) for weights, bias in made)


def _start(
    start: tuple[Sequence[Layer], Floats],
    artworks: int,
    training: GradientTower,
    slots: tuple[Floats, Floats],
    rewards: tuple[float, float],
) -> Start | None:
    """Where training begins: the reverse of `_folded`. None where the tower is another network's.

    Slots that do not vary in these rows are left out: what they gave is in the bias.
    """
    tower, output = start
    if [(layer.outputs, layer.activation) for layer in tower] != [
        (width + (i == len(training.widths) - 1), training.activation)
        for i, width in enumerate(training.widths)
    ]:
        return None
    layers = [(x.weights.astype(np.float64), x.bias.astype(np.float64)) for x in tower]
    layers[-1] = layers[-1][0][:, :-1], layers[-1][1][:-1]
    (centre, factor), (weights, bias) = slots, layers[0]
    used = factor > 0
    inverse = np.where(used, 1 / np.where(used, factor, 1.0), 0.0)
    layers[0] = weights * inverse[:, None], bias + centre @ weights
    if training.loss == "logistic":
        return layers, (np.zeros((artworks, training.k)), np.zeros(artworks))
    mean, size = rewards
    known = output.any(axis=1)
    offset = np.where(known, (output[:, -1] - mean) / size, 0.0)
    return layers, (output[:, :-1] / size, offset)
