# SPDX-License-Identifier: Apache-2.0
"""Hostile bundles with a wrong weight, code, scale or bias (bundle.md §1, §4)."""

from __future__ import annotations

from collections.abc import Sequence

from .hostile_parts import F32, I8, Case, accepted, array_of, changed_at, damaged, element, raw
from .write import Array, Field, build, f32s, fix_crc, u32s

STRIDE = 16


UNCLEAN = {
    "NaN": 0x7FC00000, "infinity": 0x7F800000, "-infinity": 0xFF800000, "-0": 0x80000000,
    "a subnormal": 1, "below 2**-50": 0x267FFFFF, "2**20": 0x49800000, "-2**20": 0xC9800000,
}  # fmt: skip


def _set(name: str, base: Sequence[Field], at: int, new: bytes) -> Array:
    return changed_at(array_of(base, name), at, new)


def number_cases() -> list[Case]:
    """Every array of numbers that act on a score."""
    cases = []
    places = [("weights", F32, 13), ("bias", F32, 0), ("bias", I8, 5), ("scales", I8, 3)]
    for name, base, index in places:
        label = f"{name} of {'f32' if base is F32 else 'i8'}"
        at = element(name, 4, index)
        for what, bits in UNCLEAN.items():
            slot = 3 if name == "weights" else index
            array = _set(name, base, 4 * slot, u32s([bits]))
            where = element(name, 4, slot)
            case = damaged(f"{label}: {what}", "EA_E_RANGE", where, {name: array}, base=base)
            cases.append(case)
        for edge in (2.0**-50, 1048575.9375):
            array = _set(name, base, 4 * (3 if name == "weights" else index), f32s([edge]))
            cases.append(accepted(f"{label}: {edge}", {name: array}, base=base))
        if name == "weights":
            for what, bits in (("1", 0x3F800000), ("-0", 0x80000000), ("NaN", 0x7FC00000)):
                array = _set(name, base, 4 * index, u32s([bits]))
                case = damaged(f"{label}: slot k is not 0 but {what}", "EA_E_PADDING", at,
                               {name: array}, base=base)  # fmt: skip
                cases.append(case)
    negative = _set("scales", I8, 8, f32s([-1.0]))
    at = element("scales", 4, 2)
    cases.append(damaged("scales: negative", "EA_E_RANGE", at, scales=negative))
    codes: list[tuple[str, str, int, int]] = [
        ("-128", "EA_E_RANGE", 0, 0x80),
        ("-128 in the last slot", "EA_E_RANGE", 5 * STRIDE + 11, 0x80),
        ("slot k is 1", "EA_E_PADDING", 12, 1),
        ("slot k is -128", "EA_E_PADDING", 2 * STRIDE + 12, 0x80),
        ("the last padding slot is 1", "EA_E_PADDING", 6 * STRIDE - 1, 1),
    ]
    for what, status, index, code in codes:
        array = _set("weights", I8, index, bytes([code]))
        at = element("weights", 1, index)
        cases.append(damaged(f"codes: {what}", status, at, weights=array))
    for code in (0x81, 0x7F):
        array = _set("weights", I8, 0, bytes([code]))
        cases.append(accepted(f"codes: {code - 256 if code > 127 else code}", weights=array))
    at_end = build(I8)
    moved = fix_crc(at_end.data[:-5] + b"\0" + at_end.data[-5:])
    cases.append(raw("a zero byte before the checksum", moved, "EA_E_TRAILING", len(moved) - 6))
    return cases
