# SPDX-License-Identifier: Apache-2.0
"""Units fall into cells evenly, and stay there (decision.md §2.4)."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.bundle import open_bundle
from tests.reference.cells import WHOLE, Cell, Cells
from tests.reference.decide import prepare, select
from tests.reference.features import Explorer
from tests.reference.siphash import H, domain
from tests.reference.write import write
from tests.support.chi2 import assert_drawn_from, assert_independent

FIXED = Explorer("fixed", 0.0)
UNITS = [H(1, 2, i.to_bytes(4, "little")) for i in range(20_000)]


def cells(salt: bytes, *shares: float) -> Cells:
    return Cells(salt, tuple(Cell(f"c{i}", share, FIXED) for i, share in enumerate(shares)))


@pytest.mark.parametrize("shares", [(0.5,), (0.05, 0.05), (0.1, 0.2, 0.3, 0.4), (1 / 16,) * 15])
def test_units_fall_into_cells_by_their_shares(shares: tuple[float, ...]) -> None:
    made = cells(b"spring", *shares)
    expected = dict(enumerate(shares, 1))
    expected[0] = 1 - sum(shares)
    if expected[0] < 1e-9:
        del expected[0]
    for units in (UNITS, range(20_000)):
        assert_drawn_from(Counter(map(made.cell_of, units)), expected)


def test_salts_divide_independently() -> None:
    spring, summer = cells(b"spring", 0.3, 0.3), cells(b"summer", 0.5)
    assert_independent((spring.cell_of(unit), summer.cell_of(unit)) for unit in UNITS)


@given(st.lists(st.floats(2.0**-31, 0.2), max_size=4), st.floats(2.0**-31, 0.2))
def test_a_cell_that_is_appended_takes_units_from_cell_0_alone(
    shares: list[float], added: float
) -> None:
    before, after = cells(b"s", *shares), cells(b"s", *shares, added)
    for unit in UNITS[:300]:
        was, now = before.cell_of(unit), after.cell_of(unit)
        assert now == was or (was == 0 and now == len(shares) + 1)


def test_a_later_share_moves_no_unit_of_an_earlier_cell() -> None:
    before, after = cells(b"s", 0.1, 0.2, 0.3), cells(b"s", 0.1, 0.2, 0.05)
    for unit in UNITS[:2000]:
        if before.cell_of(unit) in (1, 2):
            assert after.cell_of(unit) == before.cell_of(unit)


def test_all_units_are_in_a_cell_of_share_1_and_next_to_none_in_the_least() -> None:
    whole, least = cells(b"", 1.0), cells(b"", 2.0**-31)
    assert whole.cells[0].units == WHOLE
    assert least.cells[0].units == 1
    assert {whole.cell_of(unit) for unit in UNITS[:1000]} == {1}
    assert {least.cell_of(unit) for unit in UNITS[:1000]} == {0}


def test_a_holdback_keeps_its_units_and_its_picture_across_bundles() -> None:
    def bundle(name: str, sequence: int, bias: list[float], extra: list[object]) -> bytes:
        return write(
            {
                "name": name,
                "sequence": sequence,
                "explorer": ["greedy", 0.0],
                "cells": ["spring", ["holdback", 0.25, ["fixed", 0.0]], *extra],
                "titles": {"t": ["a", "b"]},
                "weights": [[0.0], [0.0]],
                "bias": bias,
            }
        )

    old = open_bundle(bundle("row", 1, [0.0, 1.0], []))
    new = open_bundle(bundle("row", 2, [0.0, 2.0], [["even", 0.5, ["uniform", 0.0]]]))
    held = 0
    for unit in UNITS[:400]:
        before = select(prepare(old, b"\x80", seed=unit, unit=unit), "t")
        after = select(prepare(new, b"\x80", seed=unit, unit=unit), "t")
        if before.cell == 1:
            held += 1
            assert (before.row, before.n) == (after.row, after.n) == (0, WHOLE)
        assert (before.cell == 1) == (after.cell == 1)
    assert 60 < held < 140


def test_the_cell_is_the_high_bits_of_the_hash_and_the_first_above_them() -> None:
    salt = b"salt"
    for unit in UNITS[:200]:
        b = H(unit, domain("ea-cell0"), salt) >> 33
        at, above = cells(salt, b / WHOLE or 2.0**-31), cells(salt, (b + 1) / WHOLE)
        assert above.cell_of(unit) == 1
        if b:
            assert at.cell_of(unit) == 0
