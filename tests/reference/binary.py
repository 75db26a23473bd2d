# SPDX-License-Identifier: Apache-2.0
"""binary32 arithmetic on top of Python's floats, which are binary64 (decision.md §1).

A sum, difference, product or quotient of two binary32 numbers, rounded to binary64 and then to
binary32, is the same as rounded to binary32 at once: binary64 carries 53 bits, and 2·24 + 2 are
enough (Figueroa 1995, *When is double rounding innocuous?*). So binary32 arithmetic is binary64
arithmetic with `round32` after every single operation.
"""

from __future__ import annotations

import struct

_BINARY32, _UNSIGNED32 = struct.Struct("<f"), struct.Struct("<I")

SMALLEST = 2.0**-50
"""The least magnitude a value may have besides 0."""


def round32(x: float) -> float:
    """The binary32 nearest to x, ties to even. |x| must be below the binary32 overflow limit."""
    rounded: float = _BINARY32.unpack(_BINARY32.pack(x))[0]
    return rounded


def bits32(x: float) -> int:
    """The bits of a binary32 as an unsigned integer."""
    bits: int = _UNSIGNED32.unpack(_BINARY32.pack(x))[0]
    return bits


def from_bits32(bits: int) -> float:
    """The binary32 that has these bits."""
    x: float = _BINARY32.unpack(_UNSIGNED32.pack(bits))[0]
    return x


def tiny(x: float) -> float:
    """+0 where |x| < 2⁻⁵⁰ (so for −0 as well), else x."""
    return 0.0 if abs(x) < SMALLEST else x


def is_clean(bits: int) -> bool:
    """Whether a binary32 with these bits may stand in a bundle (bundle.md §1)."""
    return bits == 0 or 77 <= (bits >> 23 & 0xFF) <= 146


def le32(x: int) -> bytes:
    """LE32: four little-endian bytes."""
    return x.to_bytes(4, "little")


def le64(x: int) -> bytes:
    """LE64: eight little-endian bytes."""
    return x.to_bytes(8, "little")
