# SPDX-License-Identifier: Apache-2.0
"""The vectors of hostile.json: damaged bundles, each with the status and offset it must get.

Status and offset of every case are stated beside it, from the specification; the reference reader
must agree before anything is written, so neither can drift without the other.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from .bundle import open_bundle
from .hexed import base64_of
from .hostile_body import body_cases
from .hostile_cells import cell_cases
from .hostile_document import document_cases
from .hostile_format2 import format2_cases
from .hostile_numbers import number_cases
from .hostile_parts import BASES, Case
from .hostile_tables import table_cases
from .hostile_tower import tower_cases
from .refused import Refused
from .write import fix_crc


def verdict(data: bytes) -> tuple[str, int]:
    """The reference's status and offset; EA_OK and 0 if it accepts."""
    try:
        open_bundle(data)
    except Refused as refused:
        return refused.status, refused.offset
    return "EA_OK", 0


def _pieces(data: bytes) -> str | list[list[Any]]:
    """Long runs of one byte are written as [hex, times]."""
    if len(data) < 2000:
        return data.hex()
    pieces: list[list[Any]] = []
    at = 0
    for run in re.finditer(rb"(?s)(.)\1{63,}", data):
        pieces += [[data[at : run.start()].hex(), 1], [run[1].hex(), len(run[0])]]
        at = run.end()
    return [*pieces, [data[at:].hex(), 1]]


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes at their beginning two byte strings have in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _patch(case: Case) -> dict[str, Any]:
    """The case as a base bundle, whose first and last bytes are kept, and what is between."""
    right = case.crc
    data = case.data[:-4] if right else case.data
    best: tuple[int, int, int] | None = None
    for index, whole in enumerate(BASES):
        base = whole[:-4] if right else whole
        start = _shared(base, data)
        end = _shared(base[start:][::-1], data[start:][::-1])
        if best is None or start + end > best[1] + best[2]:
            best = (index, start, end)
    assert best is not None
    index, start, end = best
    return {
        "name": case.name,
        "base": index,
        "start": start,
        "insert": _pieces(data[start : len(data) - end]),
        "end": end,
        "crc": right,
        "status": case.status,
        "offset": case.offset,
    }


def unpatch(bases: list[bytes], patch: dict[str, Any]) -> bytes:
    """The bytes of a case of hostile.json; README.md of the vectors says the same in words."""
    base = bases[patch["base"]]
    if patch["crc"]:
        base = base[:-4]
    inserted = patch["insert"]
    pieces: list[list[Any]] = [[inserted, 1]] if isinstance(inserted, str) else inserted
    middle = b"".join(bytes.fromhex(text) * times for text, times in pieces)
    data = base[: patch["start"]] + middle + base[len(base) - patch["end"] :]
    return fix_crc(data + bytes(4)) if patch["crc"] else data


@cache
def hostile_cases() -> tuple[Case, ...]:
    """Every case; raises AssertionError where the reference and the stated verdict differ."""
    cases = [*document_cases(), *body_cases(), *table_cases(), *number_cases()]
    cases += [*format2_cases(), *cell_cases(), *tower_cases()]
    for case in cases:
        got = verdict(case.data)
        if got != (case.status, case.offset):
            raise AssertionError(f"{case.name}: stated {case.status, case.offset}, got {got}")
    names = [case.name for case in cases]
    assert len(names) == len(set(names)), sorted(n for n in names if names.count(n) > 1)
    return tuple(cases)


def hostile_vectors() -> dict[str, Any]:
    """The content of hostile.json."""
    cases = [_patch(case) for case in hostile_cases()]
    return {
        "about": "bundle.md §8. data = base[:start] + insert + base[len(base) - end:]; where crc "
        "is true, base is without its last four bytes, and the right CRC-32C, of all but the last "
        "byte, is appended.",
        "bases": [base64_of(base) for base in BASES],
        "cases": cases,
    }
