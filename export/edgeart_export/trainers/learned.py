# SPDX-License-Identifier: Apache-2.0
"""What a linear trainer has seen: its artworks' sums, as of its latest exposure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property

import numpy as np

from ..log import row_index
from ..model import check_titles
from . import heads
from .clock import Clock
from .sums import Floats, Ints, Sums


class Learned:
    """Sums of R artworks over vectors of k, and the clock that lets them age.

    titles: title → artworks; rows stand in their order. Raises ModelError, SchemaError.
    """

    def __init__(
        self,
        titles: Mapping[str, Sequence[str]],
        k: int,
        extras: int,
        half_life: timedelta | None,
    ) -> None:
        self.titles: dict[str, tuple[str, ...]] = check_titles(titles)
        self.half_life = half_life
        self._row = row_index(self.titles)
        self._shape = k, extras
        self._forget()

    def _forget(self) -> None:
        self._sums = Sums(len(self._row), *self._shape)
        self._clock = Clock(self.half_life)

    @cached_property
    def _title(self) -> Ints:
        """The number of the title of every artwork: [R]."""
        return heads.title_of_rows(self.titles)

    @property
    def _now(self) -> Sums:
        return self._clock.now(self._sums)

    def shared(self) -> tuple[Sums, Clock]:
        """The very sums and their clock, for who keeps them on disk."""
        return self._sums, self._clock

    @property
    def A(self) -> Floats:  # noqa: N802 - as the papers call it
        """Σ ω·u·uᵀ of every artwork: float64 [R, k, k]; unpacked, for inspection."""
        return self._now.part(slice(None)).xx

    @property
    def b(self) -> Floats:
        """Σ ω·r·u of every artwork: float64 [R, k]."""
        return self._now.part(slice(None)).xy

    @property
    def squares(self) -> Floats:
        """Σ ω·r² of every artwork: float64 [R]."""
        return self._now.squares

    @property
    def counts(self) -> Floats:
        """Σ ω of every artwork: float64 [R]."""
        return self._now.counts

    @property
    def rewards(self) -> Floats:
        """Σ ω·r of every artwork: float64 [R]."""
        return self._now.rewards

    @property
    def latest(self) -> int | None:
        """Of the exposures that a trainer with a half-life has seen, the latest `time`."""
        return self._clock.latest

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the sums take."""
        return self._sums.nbytes

    def rows_of(self, titles: Mapping[str, Sequence[str]]) -> Ints:
        """The rows of these titles' artworks, in this order: [artworks]. Raises KeyError."""
        return np.array([self._row[pair] for pair in row_index(titles)], dtype=np.int64)

    def together(self, titles: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """The trainer's titles and artworks, and after them what these have besides."""
        found = {title: list(row) for title, row in self.titles.items()}
        for title, row in check_titles(titles).items():
            old = found.setdefault(title, [])
            old += [artwork for artwork in row if artwork not in set(old)]
        return found

    def best_fixed(self) -> dict[str, str]:
        """Per title the artwork of the best mean reward (0 for one never shown): no context."""
        mean = self.rewards / np.maximum(self.counts, np.finfo(float).tiny)
        best, first = {}, 0
        for title, artworks in self.titles.items():
            best[title] = artworks[int(np.argmax(mean[first : first + len(artworks)]))]
            first += len(artworks)
        return best
