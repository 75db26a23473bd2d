# SPDX-License-Identifier: Apache-2.0
"""Hostile bundles of format 2: its frame, explorers, attributes, factors and variances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .hostile_body import HUGE_LIST, HUGE_STRING, NOT_UTF8
from .hostile_numbers import UNCLEAN
from .hostile_parts import (
    F32,
    I8,
    PLAIN,
    TOWERED,
    Case,
    Offset,
    accepted,
    array_of,
    changed_at,
    damaged,
    element,
    item,
    raw,
    value,
)
from .hostile_tables import array_forms
from .write import Array, Document, Raw, build, f32s, fix_crc, u32s

GOOD = build(TOWERED)
NEW_KEYS = [
    "cells", "tower", "attributes", "title_scale", "masks", "variance", "variance_codes",
    "variance_scale",
]  # fmt: skip
SALT = "salt"
FIXED: list[Any] = ["fixed", 0.0]
SCALES = array_of(TOWERED, "title_scale").data


def format2_cases() -> list[Case]:
    """Everything of format 2 but its cells and its tower."""
    return [
        *_frames(),
        *_keys(),
        *_explorers(),
        *_attributes(),
        *_masks(),
        *_factors(),
        *_variances(),
    ]


def body_head(document: Document) -> int:
    """The offset of the body."""
    return document.body


def _frames() -> list[Case]:
    cases = []
    for what, body, version in (
        ("a body of format 1 in format 2, i8", I8, 2),
        ("a body of format 1 in format 2, f32", F32, 2),
        ("a body of format 2 in format 1", TOWERED, 1),
        ("a plain body of format 2 in format 1", PLAIN, 1),
    ):
        document = build(body, version=version)
        cases.append(raw(what, document.data, "EA_E_TYPE", document.body))
    data = GOOD.data
    wrong = data[:-1] + bytes([data[-1] ^ 1])
    cases.append(raw("format 2 and a wrong checksum", wrong, "EA_E_CRC", len(data) - 5))
    cases.append(raw("format 2 and nothing more", data[:10], "EA_E_TRUNCATED", 10))
    for count in (0, 21, 22, 25, 30, 2**32 - 1):
        document = build(TOWERED, count=count)
        what = f"format 2: a body of {count} keys"
        cases.append(raw(what, document.data, "EA_E_TYPE", document.body))
    counts = [
        ("i8 with variances and 26", TOWERED, 26),
        ("i8 with variances and 27", TOWERED, 27),
        ("i8 with variances and 28", TOWERED, 28),
        ("f32 without variances and 27", PLAIN, 27),
        ("f32 without variances and 28", PLAIN, 28),
        ("f32 without variances and 29", PLAIN, 29),
    ]
    for what, body, count in counts:
        document = build(body, count=count)
        cases.append(raw(f"{what} keys", document.data, "EA_E_TYPE", document.body))
    # What the rows contradict is found before the bias is read, what the variances do, after.
    bad = changed_at(array_of(PLAIN, "bias"), 0, u32s([0x7FC00000]))
    unclean = [(key, bad if key == "bias" else its) for key, its in PLAIN]
    document = build(unclean, count=27)
    cases.append(raw("27 keys, f32, NaN as bias", document.data, "EA_E_TYPE", document.body))
    document = build(unclean, count=28)
    at = document.places["bias"].data
    cases.append(raw("28 keys, no variances, NaN as bias", document.data, "EA_E_RANGE", at))
    cases.append(accepted("format 2, plain", base=PLAIN))
    cases.append(accepted("format 2, everything", base=TOWERED))
    as_uint64 = build(TOWERED, version=Raw(b"\xcf" + bytes(7) + b"\2")).data
    # Eight bytes more move every array by eight.
    moved = GOOD.places["word_ends"].value + 8
    cases.append(raw("format 2 as uint 64, arrays not moved", _moved(8), "EA_E_LENGTH", moved))
    cases.append(raw("format 2 as uint 64", as_uint64, "EA_OK", 0))
    return cases


def _moved(by: int) -> bytes:
    """The document with its format in a wider form and nothing else changed."""
    return fix_crc(GOOD.data[:9] + b"\xcf" + bytes(by - 1) + b"\2" + GOOD.data[10:])


def _keys() -> list[Case]:
    cases = []
    for name in NEW_KEYS:
        place = GOOD.places[name]
        data = bytearray(GOOD.data)
        data[place.key + 1] ^= 0x20
        what = f"format 2: key {name} in another case"
        cases.append(raw(what, fix_crc(bytes(data)), "EA_E_KEY", place.key))
        for where, at, offset in (
            ("before key", place.key, place.key),
            ("before value of", place.value, place.value),
        ):
            cut = fix_crc(GOOD.data[:at] + b"\xce\0\0\0\0")
            cases.append(raw(f"format 2: cut {where} {name}", cut, "EA_E_TRUNCATED", offset))
        without = build(
            [entry for entry in TOWERED if entry[0] != name], version=2, count=len(TOWERED)
        )
        following = [key for key, _ in TOWERED][[key for key, _ in TOWERED].index(name) + 1]
        at = without.places[following].key
        cases.append(raw(f"format 2: no {name}", without.data, "EA_E_KEY", at))
    return cases


def _explorers() -> list[Case]:
    at = value("explorer")
    kind, parameter = item("explorer", 0), item("explorer", 2)
    cases = []
    for name in ("thompson", "ucb"):
        old = damaged(f"format 1: {name}", "EA_E_UNSUPPORTED", kind, explorer=[name, 0.0, 1.0])
        cases.append(old)
        wrong: list[tuple[str, str, Offset, list[Any]]] = [
            ("without parameter", "EA_E_TYPE", at, [name, 0.0]),
            ("with two parameters", "EA_E_TYPE", at, [name, 0.0, 1.0, 1.0]),
            ("parameter an integer", "EA_E_TYPE", parameter, [name, 0.0, 1]),
            ("floor above 1", "EA_E_RANGE", item("explorer", 1), [name, 1.5, 1.0]),
        ]
        for bad in (
            -0.0,
            math.nan,
            math.inf,
            0.0,
            -1.0,
            math.nextafter(2.0**-20, 0.0),
            math.nextafter(2.0**20, math.inf),
        ):
            wrong.append((f"{bad}", "EA_E_RANGE", parameter, [name, 0.0, bad]))
        for what, status, where, explorer in wrong:
            case = damaged(
                f"format 2: {name} {what}", status, where, {"explorer": explorer}, base=TOWERED
            )
            cases.append(case)
        for edge in (2.0**-20, 2.0**20):
            explorer = [name, 1.0, edge]
            good = accepted(f"format 2: {name} {edge}", {"explorer": explorer}, base=TOWERED)
            cases.append(good)
        changes: dict[str, object] = {"explorer": [name, 0.0, 1.0]}
        what = f"format 2: {name} without variances"
        cases.append(damaged(what, "EA_E_KEY", value("variance"), changes, base=PLAIN))
        changes = {"cells": [SALT, ["a", 0.5, FIXED], ["b", 0.5, [name, 0.0, 1.0]]]}
        what = f"format 2: {name} in a cell without variances"
        cases.append(damaged(what, "EA_E_KEY", value("variance"), changes, base=PLAIN))
    return cases


def _attributes() -> list[Case]:
    at = value("attributes")
    first, second = item("attributes", 0), item("attributes", 1)
    names = [f"a{i}" for i in range(33)]
    wrong: list[tuple[str, str, Offset, object]] = [
        ("a map", "EA_E_TYPE", at, {}),
        ("nil", "EA_E_TYPE", at, None),
        ("33", "EA_E_LIMIT", at, names),
        ("2**32 - 1", "EA_E_LIMIT", at, HUGE_LIST),
        ("a number", "EA_E_TYPE", second, ["a", 1]),
        ("bytes", "EA_E_TYPE", first, [b"a", "b"]),
        ("an empty name", "EA_E_LIMIT", second, ["a", ""]),
        ("a name of 65 bytes", "EA_E_LIMIT", first, ["x" * 65, "b"]),
        ("far behind the end", "EA_E_TRUNCATED", first, [HUGE_STRING, "b"]),
        ("a name twice", "EA_E_ORDER", second, ["a", "a"]),
        ("a name twice, apart", "EA_E_ORDER", item("attributes", 2), ["a", "b", "a"]),
    ]
    for what, form in NOT_UTF8.items():
        wrong.append((f"name is {what}", "EA_E_UTF8", second, ["a", Raw(form)]))
    cases = [
        damaged(f"attributes: {what}", status, where, {"attributes": its}, base=TOWERED)
        for what, status, where, its in wrong
    ]
    longest = {"attributes": ["x" * 64, "\0é"]}
    full: dict[str, object] = {
        "attributes": names[:32], "masks": Array(u32s([2**32 - 1, 2**31, 0, 1, 2, 3])),
    }  # fmt: skip
    return [
        *cases,
        accepted("attributes: any name of 64 bytes", longest, base=TOWERED),
        accepted("attributes: 32 and every bit", full, base=TOWERED),
    ]


def _masks() -> list[Case]:
    at, masks = value("masks"), array_of(TOWERED, "masks")
    none = Array(b"")
    cases = []
    for what, index, mask in (
        ("bit 2 of two", 4, 4), ("bit 31 of two", 0, 2**31), ("all bits of two", 5, 2**32 - 1),
    ):  # fmt: skip
        changed = changed_at(masks, 4 * index, u32s([mask]))
        where = element("masks", 4, index)
        case = damaged(f"masks: {what}", "EA_E_RANGE", where, {"masks": changed}, base=TOWERED)
        cases.append(case)
    nameless = changed_at(masks, 16, u32s([2]))
    where = element("masks", 4, 3)
    cases += [
        damaged("masks: one attribute fewer", "EA_E_RANGE", element("masks", 4, 2),
                {"attributes": ["a"]}, base=TOWERED),
        damaged("masks: one attribute fewer, later", "EA_E_RANGE", where,
                {"attributes": ["a"], "masks": Array(u32s([0, 1, 0, 3, 0, 0]))}, base=TOWERED),
        damaged("masks: without attributes", "EA_E_LENGTH", at, {"attributes": []}, base=TOWERED),
        damaged("masks: none with attributes", "EA_E_LENGTH", at, {"masks": none}, base=TOWERED),
        accepted("masks: neither", {"attributes": [], "masks": none}, base=TOWERED),
        accepted("masks: others", {"masks": nameless}, base=TOWERED),
        *array_forms(TOWERED, ["masks"]),
    ]  # fmt: skip
    return cases


def _with_unclean(name: str, index: int, label: str) -> list[Case]:
    """The array with an element that is not clean, 0 or negative, and the edges that are right."""
    cases = []
    where = element(name, 4, index)
    for what, bits in {**UNCLEAN, "0": 0, "-1": 0xBF800000}.items():
        changed = changed_at(array_of(TOWERED, name), 4 * index, u32s([bits]))
        case = damaged(f"{label}: {what}", "EA_E_RANGE", where, {name: changed}, base=TOWERED)
        cases.append(case)
    for edge in (2.0**-50, 1048575.9375):
        changed = changed_at(array_of(TOWERED, name), 4 * index, f32s([edge]))
        cases.append(accepted(f"{label}: {edge}", {name: changed}, base=TOWERED))
    return cases


def _factors() -> list[Case]:
    at, none = value("title_scale"), Array(b"")
    cases = _with_unclean("title_scale", 1, "title_scale")
    kinds: Sequence[tuple[list[Any], bool]] = [
        (["fixed", 0.0], False), (["uniform", 0.0], False), (["greedy", 0.0], False),
        (["epsilon_greedy", 0.0, 0.5], False), (["softmax", 0.0, 1.0], True),
        (["squarecb", 0.0, 1.0], True), (["ucb", 0.0, 1.0], True),
    ]  # fmt: skip
    for explorer, allowed in kinds:
        changes: dict[str, object] = {"explorer": explorer}
        what = f"title_scale with {explorer[0]}"
        if allowed:
            cases.append(accepted(what, changes, base=TOWERED))
        else:
            cases.append(damaged(what, "EA_E_LENGTH", at, changes, base=TOWERED))
        cases.append(accepted(f"no {what}", {**changes, "title_scale": none}, base=TOWERED))
    lengths = {"one": SCALES[:4], "two": SCALES[:8], "four": SCALES + f32s([1.0]),
               "six": SCALES * 2}  # fmt: skip
    for what, data in lengths.items():
        changes = {"title_scale": Array(data)}
        cases.append(damaged(f"title_scale: {what}", "EA_E_LENGTH", at, changes, base=TOWERED))
    forms = array_forms(TOWERED, ["title_scale"])
    # Without data it is empty, as it may be.
    return [*cases, *(case for case in forms if not case.name.endswith("without data"))]


def _variances() -> list[Case]:
    at = value("variance")
    cases = []
    for word in ("", "E5M3", "e5m3 ", "f32", "None"):
        what = f"variance: {word!r}"
        cases.append(damaged(what, "EA_E_KEY", at, {"variance": word}, base=TOWERED))
    for form in (b"e5m3", None, 1, ["e5m3"]):
        what = f"variance: {form!r}"
        cases.append(damaged(what, "EA_E_TYPE", at, {"variance": form}, base=TOWERED))
    bad: dict[str, object] = {"variance": Raw(b"\xa2e\xff")}
    cases.append(damaged("variance: not UTF-8", "EA_E_UTF8", at, bad, base=TOWERED))
    changes: dict[str, object] = {
        "explorer": ["greedy", 0.0], "cells": [SALT], "title_scale": Array(b""),
    }  # fmt: skip
    none = {**changes, "variance": "none"}
    plain = {"variance": "e5m3"}
    cases += [
        accepted("variances that no explorer needs", changes, base=TOWERED),
        damaged("variance: none in a body that has them", "EA_E_TYPE", body_head, none,
                base=TOWERED),
        damaged("variance: none where they are needed", "EA_E_KEY", at, {"variance": "none"},
                base=TOWERED),
        damaged("variance: e5m3 in a body without", "EA_E_TYPE", body_head, plain, base=PLAIN),
    ]  # fmt: skip
    codes = array_of(TOWERED, "variance_codes")
    for what, index, code in (("slot k", 3, 1), ("the last", 6 * 16 - 1, 0xFF)):
        changed = changed_at(codes, index, bytes([code]))
        where = element("variance_codes", 1, index)
        name = f"variance_codes: {what} is not 0"
        cases.append(
            damaged(name, "EA_E_PADDING", where, {"variance_codes": changed}, base=TOWERED)
        )
    for code in (0x80, 0xFF):
        changed = changed_at(codes, 0, bytes([code]))
        cases.append(accepted(f"variance_codes: {code}", {"variance_codes": changed}, base=TOWERED))
    cases += array_forms(TOWERED, ["variance_codes", "variance_scale"])
    two = {"variance_scale": Array(f32s([0.5, 0.5]))}
    where = value("variance_scale")
    cases.append(damaged("variance_scale: two", "EA_E_LENGTH", where, two, base=TOWERED))
    return [*cases, *_with_unclean("variance_scale", 0, "variance_scale")]
