# SPDX-License-Identifier: Apache-2.0
"""numpy's bare part of a page: a matrix product and an argmax, without draw or propensity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.homepage import ARTWORKS, Homepage
from benchmarks.interleave import Contestant

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = "numpy matmul+argmax"


def page(home: Homepage) -> Callable[[], np.ndarray]:
    """Best artwork of every title; buffers are kept, as a caller in a hurry would."""
    weights = np.ascontiguousarray(home.weights)
    scores = np.empty(len(weights), np.float32)
    table = scores.reshape(-1, ARTWORKS)

    def best() -> np.ndarray:
        np.dot(weights, home.vector, out=scores)
        np.add(scores, home.bias, out=scores)
        result: np.ndarray = table.argmax(axis=1)
        return result

    return best


def contestants(home: Homepage) -> list[Contestant]:
    """The page, in one Python call."""
    return [Contestant(PAGE, "best()", {"best": page(home)})]
