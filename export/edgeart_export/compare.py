# SPDX-License-Identifier: Apache-2.0
"""How two policies with the same titles differ: which artworks are best, and by how much."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

import edgeart

from .schema import Values


def against(
    exact: edgeart.Policy, policy: edgeart.Policy, contexts: Iterable[Values], rows: Iterable[range]
) -> tuple[float, float, int]:
    """How a policy differs from another with the same titles: flips, score error, contexts.

    rows: of each title. Flips are the share of (context, title) pairs whose best artwork differs, 0
    to 1; the error is the largest |score − score|; the last is the number of contexts.
    """
    starts = np.array([own.start for own in rows], dtype=np.intp)
    flips, error, count = 0, 0.0, 0
    for values in contexts:
        count += 1
        if len(starts):
            wanted, got = (
                np.asarray(p.scores(p.context(values, seed=0)), dtype=np.float32)
                for p in (exact, policy)
            )
            error = max(error, float(np.abs(wanted.astype(np.float64) - got).max()))
            flips += int((_best(wanted, starts) != _best(got, starts)).sum())
    return flips / max(1, count * len(starts)), error, count


def _best(scores: npt.NDArray[np.float32], starts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The first row of each title's largest score."""
    largest = np.maximum.reduceat(scores, starts)
    counts = np.diff(np.append(starts, len(scores)))
    winners = np.flatnonzero(scores == np.repeat(largest, counts))
    return winners[np.searchsorted(winners, starts)]
