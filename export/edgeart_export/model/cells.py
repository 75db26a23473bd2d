# SPDX-License-Identifier: Apache-2.0
"""Cells: shares of the units that have an explorer of their own (bundle.md §5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ModelError
from .explorers import Explorer, Fixed, Uniform

MAX_CELLS = 16
LEAST_SHARE = 2.0**-31
UNITS = 2**31
"""Into so many equal parts the hash of a unit falls; a share is rounded down to whole ones."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a policy or a cell may be called."""


@dataclass(frozen=True)
class Cell:
    """A share of the units, and the explorer that decides for them.

    name: as a policy's, 1 to 64 of `A-Z a-z 0-9 . _ -`, a letter or digit first. share: 2⁻³¹ to 1.
    A decision's propensity is that of its cell's explorer. Raises ModelError.
    """

    name: str
    share: float
    explorer: Explorer

    def __post_init__(self) -> None:
        if not NAME.fullmatch(str(self.name)):
            raise ModelError(
                f"cell name {self.name!r} must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a "
                f"letter or digit"
            )
        if isinstance(self.share, bool) or not isinstance(self.share, int | float):
            raise ModelError(f"cell {self.name!r}: share must be a number, not {self.share!r}")
        if not LEAST_SHARE <= self.share <= 1:
            raise ModelError(
                f"cell {self.name!r}: share must be 2**-31 to 1, not {self.share!r}; leave the "
                f"cell out to give it no units"
            )
        if not isinstance(self.explorer, Explorer):
            raise ModelError(
                f"cell {self.name!r}: explorer must be one such as Uniform(), not {self.explorer!r}"
            )
        object.__setattr__(self, "share", float(self.share))

    def wire(self) -> list[object]:
        """The list that stands in a bundle: name, share, explorer."""
        return [self.name, self.share, self.explorer.wire()]


def holdbacks(fixed: float = 0.02, uniform: float = 0.03) -> tuple[Cell, ...]:
    """The usual two cells: one that always shows defaults, one that shows every candidate alike.

    fixed, uniform: shares of the units; 0 leaves the cell out. With one salt a unit stays in its
    cell across bundles as long as the shares up to its cell stay: changing `fixed` moves the units
    of `uniform` too. Raises ModelError.
    """
    shares = (("fixed", fixed, Fixed()), ("uniform", uniform, Uniform()))
    return tuple(Cell(name, share, explorer) for name, share, explorer in shares if share != 0)


def check_cells(cells: object) -> tuple[Cell, ...]:
    """`cells` as a tuple that bundle.md §5.1 allows. Raises ModelError."""
    if not isinstance(cells, Sequence):
        raise ModelError(f"cells must be a sequence of Cell, not {type(cells).__name__}")
    checked = tuple(cells)
    if len(checked) > MAX_CELLS:
        raise ModelError(f"{len(checked)} cells; at most {MAX_CELLS} are allowed")
    taken, names = 0, set()
    for cell in checked:
        if not isinstance(cell, Cell):
            raise ModelError(f"cells must be Cell objects, not {cell!r}")
        if cell.name in names:
            raise ModelError(f"two cells are called {cell.name!r}; names must be distinct")
        names.add(cell.name)
        taken += int(cell.share * UNITS)
        if taken > UNITS:
            raise ModelError(
                f"cell {cell.name!r}: with its share of {cell.share:g} the cells take "
                f"{taken / UNITS:.6g} of the units; 1 is all there is"
            )
    return checked
