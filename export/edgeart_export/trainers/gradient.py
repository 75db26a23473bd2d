# SPDX-License-Identifier: Apache-2.0
"""How a tower is trained by gradients: the settings, and what is known without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..schema import FeatureSchema
from ..tower import Activation, Layer
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
class Training:
    """Settings of training by gradients (AdamW: Loshchilov, Hutter 2019).

    activation: of the layers, `relu` or `tanh`. loss: `squared`, or `logistic` for rewards from 0
    to 1; of the logged artwork's score alone, times the row's weight. epochs: most passes over the
    rows, refit_epochs where training starts at a tower. held_out: share of the clusters (rows,
    where there is no column `cluster`) that is not trained on and says when to stop: after
    `patience` epochs without a new best; the best epoch's layers are kept. learning_rate falls to 0
    over the epochs (half a cosine). threads: of torch, while it trains; None leaves what the host
    has set. progress is called after every epoch; where cancel returns true, training ends there
    and what was best so far is kept.
    """

    activation: Literal["relu", "tanh"] = "relu"
    loss: Literal["squared", "logistic"] = "squared"
    epochs: int = 40
    refit_epochs: int = 10
    patience: int = 8
    held_out: float = 0.1
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    batch_size: int = 256
    threads: int | None = None
    progress: Callable[[Epoch], None] | None = None
    cancel: Callable[[], bool] | None = None

    def __post_init__(self) -> None:
        if self.activation not in ("relu", "tanh"):
            raise DataError(f"activation must be 'relu' or 'tanh', not {self.activation!r}")
        if self.loss not in ("squared", "logistic"):
            raise DataError(f"loss must be 'squared' or 'logistic', not {self.loss!r}")
        for name in ("epochs", "refit_epochs", "patience", "batch_size"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise DataError(f"{name} must be an int above 0, not {getattr(self, name)!r}")
        if self.threads is not None and (type(self.threads) is not int or self.threads < 1):
            raise DataError(f"threads must be None or an int above 0, not {self.threads!r}")
        if not 0 <= self.held_out < 1:
            raise DataError(f"held_out must be 0 to below 1, not {self.held_out!r}")
        if not 0 < self.learning_rate < 1e3:
            raise DataError(f"learning_rate must be above 0, not {self.learning_rate!r}")
        if not 0 <= self.weight_decay < 1e3:
            raise DataError(f"weight_decay must be 0 or more, not {self.weight_decay!r}")


@dataclass(frozen=True, eq=False)
class Task:
    """What torch is given: n rows of standardised contexts, and where to start.

    x: float32 [n, width]. row: int64 [n]. reward, weight: float32 [n], rewards of mean 0 and
    variance 1 where the loss is squared. held: bool [n], not trained on. widths: outputs of the
    layers. start: layers for standardised contexts; None: drawn.
    """

    x: npt.NDArray[np.float32]
    row: npt.NDArray[np.int64]
    reward: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]
    held: npt.NDArray[np.bool_]
    artworks: int
    widths: tuple[int, ...]
    start: Start | None
    seed: int


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


def learn(
    schema: FeatureSchema,
    rows: Rows,
    artworks: int,
    widths: Sequence[int],
    training: Training,
    *,
    seed: int,
    start: tuple[Sequence[Layer], Floats] | None = None,
) -> tuple[tuple[Layer, ...], Floats]:
    """A tower trained on rows (n ≥ 1), and the network's output layer as rows for its outputs.

    widths: outputs of the layers. start: a tower that this made, and rows [R, k + 1] for it. Returns layers, the last with an output that is always 1 behind its own, and
    float64 [R, k + 1], 0 for artworks that were not shown and where the loss is logistic (log-odds
    are no rewards). Raises ImportError without torch, DataError where training diverges.
    """
    try:
        from .gradient_torch import train  # noqa: PLC0415 - torch takes seconds to import
    except ModuleNotFoundError as error:
        raise without_torch("a tower trained by gradients", error) from error
    if training.loss == "logistic" and not ((rows.reward >= 0) & (rows.reward <= 1)).all():
        bad = int(np.argmax((rows.reward < 0) | (rows.reward > 1)))
        raise DataError(
            f"row {bad}: reward {rows.reward[bad]:g} has no logistic loss; it needs 0 to 1"
        )
    centre, factor = standardise(schema, rows.vectors)
    mean, size = _scale(rows) if training.loss == "squared" else (0.0, 1.0)
    task = Task(
        x=((rows.vectors - centre) * factor).astype(np.float32),
        row=rows.row,
        reward=((rows.reward - mean) / size).astype(np.float32),
        weight=(rows.weight / rows.weight.mean()).astype(np.float32),
        held=held_out(rows, training.held_out, seed),
        artworks=artworks,
        widths=tuple(widths),
        start=None,
        seed=seed,
    )
    if start is not None:
        task = replace(task, start=_start(start, task, training, (centre, factor), (mean, size)))
    layers, (output, offset) = train(task, training)
    prior = np.zeros((artworks, widths[-1] + 1))
    if training.loss == "squared":
        shown = np.unique(rows.row)
        prior[shown, :-1] = size * output[shown]
        prior[shown, -1] = mean + size * offset[shown]
    return _folded(layers, training.activation, centre, factor), prior


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
    task: Task,
    training: Training,
    slots: tuple[Floats, Floats],
    rewards: tuple[float, float],
) -> Start | None:
    """Where training begins: the reverse of `_folded`. None where the tower is another network's.

    Slots that do not vary in these rows are left out: what they gave is in the bias.
    """
    tower, output = start
    if [(layer.outputs, layer.activation) for layer in tower] != [
        (width + (i == len(task.widths) - 1), training.activation)
        for i, width in enumerate(task.widths)
    ]:
        return None
    layers = [(x.weights.astype(np.float64), x.bias.astype(np.float64)) for x in tower]
    layers[-1] = layers[-1][0][:, :-1], layers[-1][1][:-1]
    (centre, factor), (weights, bias) = slots, layers[0]
    used = factor > 0
    inverse = np.where(used, 1 / np.where(used, factor, 1.0), 0.0)
    layers[0] = weights * inverse[:, None], bias + centre @ weights
    if training.loss == "logistic":
        return layers, (np.zeros((task.artworks, task.widths[-1])), np.zeros(task.artworks))
    mean, size = rewards
    known = output.any(axis=1)
    offset = np.where(known, (output[:, -1] - mean) / size, 0.0)
    return layers, (output[:, :-1] / size, offset)
