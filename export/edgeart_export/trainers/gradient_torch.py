# SPDX-License-Identifier: Apache-2.0
"""Training of a tower by torch, on the loss of the logged artwork alone. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn import functional

from ..errors import DataError
from .gradient import Epoch, GradientTower, Linear, Task

_GROUP = 65_536  # rows at a time where only the loss is wanted


def train(task: Task, training: GradientTower) -> tuple[list[Linear], Linear]:
    """The trained layers, and the output layer: weights [R, k] and bias [R], all float64."""
    with _threads(training.threads), torch.enable_grad():
        return _Run(task, training).result()


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """So many threads for torch meanwhile: how many it has is a setting of the whole process."""
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        if count is not None:
            torch.set_num_threads(before)


class _Run:
    """One training. All chance comes from a generator of its own, none from torch's global one."""

    def __init__(self, task: Task, training: GradientTower) -> None:
        self._training = training
        self._chance = torch.Generator().manual_seed(training.seed)
        self._activation = torch.relu if training.activation == "relu" else torch.tanh
        kept = np.flatnonzero(~task.held)
        self._parts = [self._tensors(task, kept), self._tensors(task, np.flatnonzero(task.held))]
        self._epochs = training.epochs if task.start is None else training.refit_epochs
        self._parameters = self._drawn(task) if task.start is None else self._given(task.start)

    @staticmethod
    def _tensors(task: Task, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        columns = (task.x, task.row, task.reward, task.weight)
        return tuple(torch.from_numpy(np.ascontiguousarray(column[rows])) for column in columns)

    def _drawn(self, task: Task) -> list[torch.Tensor]:
        """Layers as He et al. 2015 (relu) and Glorot, Bengio 2010 (tanh) draw them; outputs 0."""
        found = []
        gain = math.sqrt(2.0) if self._training.activation == "relu" else 1.0
        inputs = task.x.shape[1]
        for outputs in self._training.widths:
            weights = torch.randn(inputs, outputs, generator=self._chance)
            found += [weights * (gain / math.sqrt(inputs)), torch.zeros(outputs)]
            inputs = outputs
        found += [torch.zeros(task.artworks, inputs), torch.zeros(task.artworks)]
        return [parameter.requires_grad_() for parameter in found]

    @staticmethod
    def _given(start: tuple[list[Linear], Linear]) -> list[torch.Tensor]:
        layers, output = start
        arrays = [array for pair in (*layers, output) for array in pair]
        return [torch.from_numpy(a.astype(np.float32)).requires_grad_() for a in arrays]

    def _loss(self, part: tuple[torch.Tensor, ...], rows: torch.Tensor | slice) -> torch.Tensor:
        """The weighted sum of losses of some rows of a part."""
        x, row, reward, weight = (column[rows] for column in part)
        *layers, output, offset = self._parameters
        for weights, bias in zip(layers[::2], layers[1::2], strict=True):
            x = self._activation(torch.addmm(bias, x, weights))
        # Only the logged artwork's row: what the others would have brought is not known.
        score = (x * output[row]).sum(dim=1) + offset[row]
        if self._training.loss == "squared":
            return (weight * (score - reward) ** 2).sum()
        return functional.binary_cross_entropy_with_logits(score, reward, weight, reduction="sum")

    def _held_out(self) -> float | None:
        part = self._parts[1]
        count = len(part[0])
        if not count or not float(part[3].sum()):
            return None
        with torch.no_grad():
            groups = (slice(i, i + _GROUP) for i in range(0, count, _GROUP))
            total = sum(float(self._loss(part, group)) for group in groups)
        return total / float(part[3].sum())

    def result(self) -> tuple[list[Linear], Linear]:
        """Trains to the end, or until nothing gets better, or somebody cancels."""
        training, part = self._training, self._parts[0]
        count = len(part[0])
        optimizer = torch.optim.AdamW(
            self._parameters, lr=training.learning_rate, weight_decay=training.weight_decay
        )
        steps = self._epochs * math.ceil(count / training.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        # What is there before is a candidate too: starting at a tower, nothing can get worse.
        best, best_loss, best_epoch = self._copy(), self._held_out(), 0
        for epoch in range(1, self._epochs + 1):
            total = 0.0
            order = torch.randperm(count, generator=self._chance)
            for rows in torch.split(order, training.batch_size):
                loss = self._loss(part, rows)
                optimizer.zero_grad()
                torch.autograd.backward(loss / len(rows))
                optimizer.step()
                schedule.step()
                total += float(loss.detach())
            mean = total / max(float(part[3].sum()), 1e-12)
            if not math.isfinite(mean):
                raise DataError(
                    f"training diverged in epoch {epoch}: the loss is {mean}; lower learning_rate "
                    f"({training.learning_rate:g}) or look for outliers among rewards and weights"
                )
            held = self._held_out()
            if held is None or best_loss is None or held < best_loss:
                best, best_loss, best_epoch = self._copy(), held, epoch
            if training.progress is not None:
                training.progress(Epoch(epoch, self._epochs, mean, held, best_epoch))
            if training.cancel is not None and training.cancel():
                break
            if epoch - best_epoch >= training.patience:
                break
        pairs = list(zip(best[::2], best[1::2], strict=True))
        return pairs[:-1], pairs[-1]

    def _copy(self) -> list[np.ndarray]:
        return [p.detach().numpy().astype(np.float64) for p in self._parameters]
