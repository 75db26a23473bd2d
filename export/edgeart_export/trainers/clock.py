# SPDX-License-Identifier: Apache-2.0
"""Forgetting by event time: what an exposure weighs, whatever order exposures arrive in."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from ..errors import DataError
from ..reward import milliseconds
from .sums import Floats, Ints, Sums


class Clock:
    """The moment that sums are relative to, and the latest exposure they hold.

    An exposure weighs half for every half-life that it is older than the latest one. Sums are kept
    as of a moment at or after the latest exposure, a whole number of half-lives since 1970: to
    move them to another one is then a division by a power of two, which rounds nothing, so that
    neither the order of batches nor how they are split or merged makes a difference.
    half_life: None, and nothing is forgotten. Raises DataError for one below a millisecond.
    """

    def __init__(self, half_life: timedelta | None) -> None:
        if half_life is not None and milliseconds(half_life) < 1:
            raise DataError(f"half_life must be a millisecond or more, not {half_life}")
        self.half_life = half_life
        self.moment: int | None = None
        self.latest: int | None = None

    def copy(self) -> Clock:
        """The same, to be moved on its own."""
        made = Clock(self.half_life)
        made.moment, made.latest = self.moment, self.latest
        return made

    def weights(self, time: Ints, sums: Sums) -> Floats:
        """What rows of these times (milliseconds) weigh; moves `sums` on if they are later."""
        life, latest = self._life(), int(time.max())
        self._advance(-(-latest // life), latest, sums)
        return np.exp2((time - (self.moment or 0) * life) / life)

    def align(self, sums: Sums, theirs: Sums, other: Clock) -> Sums:
        """Brings both to one moment: `sums` in place; `theirs` is returned, copied if it moves."""
        if other.moment is None or other.latest is None:
            return theirs
        self._advance(other.moment, other.latest, sums)
        behind = (self.moment or 0) - other.moment
        if behind:
            theirs = theirs.copy()
            theirs.halve(behind)
        return theirs

    def now(self, sums: Sums) -> Sums:
        """The sums as of the latest exposure."""
        if self.half_life is None or self.moment is None or self.latest is None:
            return sums
        life = self._life()
        return sums.times(2.0 ** ((self.moment * life - self.latest) / life))

    def _life(self) -> int:
        if self.half_life is None:
            raise ValueError("without a half-life nothing ages")
        return milliseconds(self.half_life)

    def _advance(self, moment: int, latest: int, sums: Sums) -> None:
        self.latest = latest if self.latest is None else max(self.latest, latest)
        if self.moment is not None and moment > self.moment:
            sums.halve(moment - self.moment)
        self.moment = moment if self.moment is None else max(self.moment, moment)
