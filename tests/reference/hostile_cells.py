# SPDX-License-Identifier: Apache-2.0
"""Hostile bundles with wrong cells (bundle.md §5.1)."""

from __future__ import annotations

import math
from typing import Any

from .hostile_body import HUGE_LIST, HUGE_STRING, NOT_UTF8
from .hostile_parts import TOWERED, Case, Offset, accepted, damaged, item, value
from .write import Raw

SALT = "salt"
FIXED: list[Any] = ["fixed", 0.0]


def cell_cases() -> list[Case]:
    """The list, its salt, the cells and their shares."""
    return [*_cells(), *_shares()]


def _cell_case(what: str, status: str, where: Offset, cells: object) -> Case:
    return damaged(f"cells: {what}", status, where, {"cells": cells}, base=TOWERED)


def _cells() -> list[Case]:
    at, salt, first = value("cells"), item("cells", 0), item("cells", 1)
    name, explorer = item("cells", 1, 0), item("cells", 1, 2)
    kind = item("cells", 1, 2, 0)

    def many(count: int) -> list[Any]:
        return [SALT, *([f"c{i}", 2.0**-10, FIXED] for i in range(count))]

    def one(*cell: object) -> list[Any]:
        return [SALT, list(cell)]

    wrong: list[tuple[str, str, Offset, object]] = [
        ("a map", "EA_E_TYPE", at, {}),
        ("nil", "EA_E_TYPE", at, None),
        ("an empty list", "EA_E_TYPE", at, []),
        ("17", "EA_E_LIMIT", at, many(17)),
        ("2**32 - 1 elements", "EA_E_LIMIT", at, HUGE_LIST),
        ("salt a number", "EA_E_TYPE", salt, [1]),
        ("salt bytes", "EA_E_TYPE", salt, [b"salt"]),
        ("salt of 65 bytes", "EA_E_LIMIT", salt, ["s" * 65]),
        ("salt far behind the end", "EA_E_TRUNCATED", salt, [HUGE_STRING]),
        ("salt is a lone continuation byte", "EA_E_UTF8", salt, [Raw(b"\xa1\x80")]),
        ("17 and a wrong salt", "EA_E_LIMIT", at, [1, *many(17)[1:]]),
        ("a cell that is a map", "EA_E_TYPE", first, [SALT, {}]),
        ("a cell that is nil", "EA_E_TYPE", first, [SALT, None]),
        ("an empty cell", "EA_E_TYPE", first, one()),
        ("a cell of two", "EA_E_TYPE", first, one("a", 0.5)),
        ("a cell of four", "EA_E_TYPE", first, one("a", 0.5, FIXED, 1)),
        ("a name of 65 characters", "EA_E_LIMIT", name, one("x" * 65, 0.5, FIXED)),
        ("an empty name", "EA_E_LIMIT", name, one("", 0.5, FIXED)),
        ("a name that is bytes", "EA_E_TYPE", name, one(b"a", 0.5, FIXED)),
        ("a name twice", "EA_E_ORDER", item("cells", 2, 0),
         [SALT, ["a", 0.25, FIXED], ["a", 0.25, FIXED]]),
        ("a name twice, apart", "EA_E_ORDER", item("cells", 3, 0),
         [SALT, ["a", 0.25, FIXED], ["b", 0.25, FIXED], ["a", 0.25, FIXED]]),
        ("an explorer that is a string", "EA_E_TYPE", explorer, one("a", 0.5, "fixed")),
        ("an explorer that is empty", "EA_E_TYPE", explorer, one("a", 0.5, [])),
        ("an explorer of another length", "EA_E_TYPE", explorer, one("a", 0.5, ["fixed"])),
        ("an unknown explorer", "EA_E_UNSUPPORTED", kind, one("a", 0.5, ["boltzmann", 0.0])),
        ("an unknown explorer alone", "EA_E_UNSUPPORTED", kind, one("a", 0.5, ["boltzmann"])),
        ("a floor above 1", "EA_E_RANGE", item("cells", 1, 2, 1), one("a", 0.5, ["fixed", 2.0])),
        ("a temperature of 0", "EA_E_RANGE", item("cells", 1, 2, 2),
         one("a", 0.5, ["softmax", 0.0, 0.0])),
        ("a wrong name before a wrong share", "EA_E_RANGE", name, one("-", 2.0, FIXED)),
        ("a wrong share before a wrong explorer", "EA_E_RANGE", item("cells", 1, 1),
         one("a", 2.0, 1)),
    ]  # fmt: skip
    for bad in ("a b", ".a", "-a", "é"):
        wrong.append((f"a name {bad!r}", "EA_E_RANGE", name, one(bad, 0.5, FIXED)))
    for what, form in NOT_UTF8.items():
        wrong.append((f"name is {what}", "EA_E_UTF8", name, one(Raw(form), 0.5, FIXED)))
    good: list[tuple[str, object]] = [
        ("none", [SALT]),
        ("16", many(16)),
        ("an empty salt", [""]),
        ("a salt of 64 bytes", ["é" * 32, ["a", 0.5, FIXED]]),
        ("a name of 64 characters", one("x" * 64, 0.5, FIXED)),
        ("the policy's name", one("row", 0.5, FIXED)),
    ]
    return [
        *(_cell_case(*case) for case in wrong),
        *(accepted(f"cells: {what}", {"cells": cells}, base=TOWERED) for what, cells in good),
    ]


def _shares() -> list[Case]:
    def shared(*shares: object) -> list[Any]:
        return [SALT, *([f"c{i}", share, FIXED] for i, share in enumerate(shares))]

    first = item("cells", 1, 1)
    unit = 2.0**-31
    wrong: list[tuple[str, str, Offset, object]] = [
        (f"a share of {bad}", "EA_E_RANGE", first, shared(bad))
        for bad in (
            0.0, -0.0, math.nan, math.inf, -0.5, math.nextafter(unit, 0.0),
            math.nextafter(1.0, 2.0),
        )
    ]  # fmt: skip
    wrong += [
        ("a share that is an integer", "EA_E_TYPE", first, shared(1)),
        ("a share that is a float 32", "EA_E_TYPE", first, shared(Raw(b"\xca\x3f\0\0\0"))),
        ("a share that is nil", "EA_E_TYPE", first, shared(None)),
        ("shares above 1", "EA_E_RANGE", item("cells", 2, 1), shared(0.75, 0.5)),
        ("shares above 1 by one unit", "EA_E_RANGE", item("cells", 3, 1), shared(0.5, 0.5, unit)),
        ("all shares above 1", "EA_E_RANGE", item("cells", 2, 1), shared(0.75, 0.5, 0.75)),
    ]
    good = [
        ("shares of 1", shared(0.5, 0.5)),
        ("a share of 1", shared(1.0)),
        ("the least share", shared(unit)),
        # Rounded down each, they leave nothing over.
        ("shares of 1 in units", shared(1.0 - unit, 1.75 * unit)),
        ("sixteen of a sixteenth", shared(*[0.0625] * 16)),
    ]
    return [
        *(_cell_case(*case) for case in wrong),
        *(accepted(f"cells: {what}", {"cells": cells}, base=TOWERED) for what, cells in good),
    ]
