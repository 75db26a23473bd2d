# SPDX-License-Identifier: Apache-2.0
"""The worked examples of decision.md are those that the oracle computes."""

from __future__ import annotations

import re
import struct

from tests.reference.worked import HEADING, SPEC, main, render

PAIR = re.compile(r"`([0-9a-f]{8}|[0-9a-f]{16})` (-?[0-9][0-9.e+-]*[0-9]|-?[0-9])")


def section() -> str:
    return HEADING + SPEC.read_text(encoding="utf-8").split(HEADING)[1]


def test_the_section_is_what_the_oracle_computes() -> None:
    assert section() == render(), "run `python -m tests.reference.worked`"
    assert main(["--check"]) == 0


def test_bits_and_decimals_beside_them_are_one_number() -> None:
    pairs = PAIR.findall(section())
    assert len(pairs) > 80
    for digits, decimal in pairs:
        form = ">f" if len(digits) == 8 else ">d"
        assert struct.pack(form, float(decimal)).hex() == digits, decimal
