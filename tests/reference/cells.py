# SPDX-License-Identifier: Apache-2.0
"""Shares of units that have an explorer of their own (bundle.md §5.1, decision.md §2.4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from . import limits
from .arrays import BundleReader
from .features import Explorer, read_explorer
from .refused import Refused
from .siphash import H, domain

WHOLE = 2**31
"""All units: what the cells' units add up to at most."""


@dataclass(frozen=True)
class Cell:
    """A share of the units; of WHOLE units it has these many."""

    name: str
    share: float
    explorer: Explorer

    @property
    def units(self) -> int:
        """⌊share · 2³¹⌋."""
        return math.floor(self.share * WHOLE)


@dataclass(frozen=True)
class Cells:
    """The cells of a policy, numbered from 1; cell 0, not among them, is the policy's own."""

    salt: bytes = b""
    cells: tuple[Cell, ...] = ()

    def cell_of(self, unit: int) -> int:
        """The number of the cell that this unit falls into."""
        b = H(unit, domain("ea-cell0"), self.salt) * WHOLE >> 64
        running = 0
        for number, cell in enumerate(self.cells, 1):
            running += cell.units
            if running > b:
                return number
        return 0


def read_cells(body: BundleReader) -> Cells:
    """`[salt, [name, share, explorer]…]`."""
    entries = body.read("list")
    if entries.count == 0:
        raise Refused("EA_E_TYPE", entries.at)
    if entries.count > 1 + limits.CELLS:
        raise Refused("EA_E_LIMIT", entries.at)
    salt = body.string(0, limits.SALT).bytes
    cells: list[Cell] = []
    for _ in range(entries.count - 1):
        entry = body.read("list")
        if entry.count != 3:
            raise Refused("EA_E_TYPE", entry.at)
        name = body.name()
        if name.bytes.decode() in [cell.name for cell in cells]:
            raise Refused("EA_E_ORDER", name.at)
        at = body.at
        share = body.float64(2.0**-31, 1.0)
        if sum(cell.units for cell in cells) + math.floor(share * WHOLE) > WHOLE:
            raise Refused("EA_E_RANGE", at)
        cells.append(Cell(name.bytes.decode(), share, read_explorer(body, version=2)))
    return Cells(salt, tuple(cells))
