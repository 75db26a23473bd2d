# SPDX-License-Identifier: Apache-2.0
"""How two policies with the same titles differ: which artworks are best, and by how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import edgeart

from ..schema import Values


@dataclass(frozen=True)
class Difference:
    """What changes where one policy is asked in the place of an exact one.

    flips: share of (context, title) pairs whose best artwork is another, 0 to 1. score_error: the
    largest |score − score|. loss: what the artwork that is best for the other one scores less, by
    the exact scores, than the exact best: the mean over all pairs; largest_loss: the most.
    contexts: how many were compared.
    """

    flips: float
    score_error: float
    loss: float
    largest_loss: float
    contexts: int


def against(
    exact: edgeart.Policy, policy: edgeart.Policy, contexts: Iterable[Values], rows: Iterable[range]
) -> Difference:
    """How a policy differs from another with the same titles; rows: of each title."""
    starts = np.array([own.start for own in rows], dtype=np.intp)
    flips, error, lost, most, count = 0, 0.0, 0.0, 0.0, 0
    for values in contexts:
        count += 1
        if len(starts):
            wanted, got = (
                np.asarray(p.scores(p.context(values, seed=0)), dtype=np.float32)
                for p in (exact, policy)
            )
            error = max(error, float(np.abs(wanted.astype(np.float64) - got).max()))
            best, chosen = _best(wanted, starts), _best(got, starts)
            flips += int((best != chosen).sum())
            loss = wanted[best].astype(np.float64) - wanted[chosen]
            lost, most = lost + float(loss.sum()), max(most, float(loss.max()))
    pairs = max(1, count * len(starts))
    return Difference(flips / pairs, error, lost / pairs, most, count)


def _best(scores: npt.NDArray[np.float32], starts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The first row of each title's largest score."""
    largest = np.maximum.reduceat(scores, starts)
    counts = np.diff(np.append(starts, len(scores)))
    winners = np.flatnonzero(scores == np.repeat(largest, counts))
    return winners[np.searchsorted(winners, starts)]
