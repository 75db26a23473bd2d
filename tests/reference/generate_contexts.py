# SPDX-License-Identifier: Apache-2.0
"""The vectors of context.json: one schema, many maps, every rule of decision.md §3."""

from __future__ import annotations

import math
import struct
from typing import Any

from .bundle import open_bundle
from .context import encode
from .hexed import base64_of, hexf32
from .refused import Refused
from .write import Entries, Raw, pack, write

SCHEMA = [
    ["number", "hour", 12.0, 6.0, 2.0, True],
    ["number", "plain", 0.0, 1.0, 8.0, False],
    ["category", "place", ["US", "GB", "", "été"]],
    ["weights", "taste", ["comedy", "drama", "crime", ""]],
    ["vector", "shape", 3, 100.0],
]
Case = tuple[str, bytes]

NUMBERS: list[tuple[str, object]] = [
    ("positive fixint", 15),
    ("negative fixint", -3),
    ("uint 8", Raw(b"\xcc\x0f")),
    ("uint 16", Raw(b"\xcd\x00\x0f")),
    ("uint 32", Raw(b"\xce\x00\x00\x00\x0f")),
    ("uint 64", Raw(b"\xcf" + bytes(7) + b"\x0f")),
    ("largest uint 64", 2**64 - 1),
    ("uint 64 between two binary64", 2**53 + 1),
    ("int 8", Raw(b"\xd0\xf6")),
    ("int 16", Raw(b"\xd1\xff\xf6")),
    ("int 32", Raw(b"\xd2\xff\xff\xff\xf6")),
    ("int 64", Raw(b"\xd3" + b"\xff" * 7 + b"\xf6")),
    ("int 8 that is positive", Raw(b"\xd0\x0f")),
    ("least int 64", -(2**63)),
    ("float 32", Raw(b"\xca" + struct.pack(">f", 13.5))),
    ("float 32 NaN", Raw(b"\xca\x7f\xc0\x00\x00")),
    ("float 32 signalling NaN", Raw(b"\xca\x7f\x80\x00\x01")),
    ("float 32 infinity", Raw(b"\xca\x7f\x80\x00\x00")),
    ("float 32 subnormal", Raw(b"\xca\x00\x00\x00\x01")),
    ("float 64", 13.5),
    ("a third", 1 / 3),
    ("NaN", math.nan),
    ("infinity", math.inf),
    ("minus infinity", -math.inf),
    ("minus zero", -0.0),
    ("zero", 0),
    ("subnormal", 5e-324),
    ("largest binary64", 1.7976931348623157e308),
    ("at the clip of plain", 8.0),
    ("just above the clip of plain", math.nextafter(8.0, 9.0)),
    ("2**-50", 2.0**-50),
    ("just below 2**-50", math.nextafter(2.0**-50, 0.0)),
    ("rounds up to 2**-50 in binary32", 2.0**-50 * (1 - 2.0**-30)),
    ("halfway between two binary32, even below", 1 + 2.0**-24),
    ("halfway between two binary32, even above", 1 + 3 * 2.0**-24),
    ("nil", None),
]
WRONG: list[tuple[str, object]] = [
    ("boolean", True),
    ("string", "x"),
    ("bytes", b"1234"),
    ("list", [1]),
    ("map", {"x": 1}),
    ("ext", Raw(b"\xd4\x01\x02")),
    ("timestamp", Raw(b"\xd6\xff\x00\x00\x00\x00")),
    ("never used", Raw(b"\xc1")),
]
TASTES: list[tuple[str, object]] = [
    ("empty map", {}),
    ("empty list", []),
    ("sums to one", {"comedy": 0.25, "drama": 0.75}),
    ("any scale", {"comedy": 3, "drama": 2, "crime": 7}),
    ("negative weights", {"comedy": -1, "drama": 2}),
    ("cancelling weights", {"comedy": -1, "drama": 1}),
    ("nil and NaN are 0", {"comedy": None, "drama": math.nan, "crime": 1}),
    ("all 0", {"comedy": 0, "drama": -0.0}),
    ("infinite", {"comedy": math.inf, "drama": 1}),
    ("minus infinite", {"comedy": -math.inf, "drama": 2.0**20}),
    ("tiny beside large", {"comedy": 2.0**20, "drama": 2.0**-40}),
    ("tiny alone", {"comedy": 2.0**-60}),
    ("unknown words", {"x": 1, "y": None, "comedy": 1}),
    ("an unknown word above the clip", {"x": 1e300, "comedy": 1}),
    ("an unknown word twice", Entries((("x", 1), ("x", 2)))),
    ("the empty word", {"": 2, "comedy": 2}),
    ("order of the sum", {"crime": 1e-9, "drama": 1.0, "comedy": 1 / 3, "": 0.1}),
    ("list", ["comedy"]),
    ("list with repetitions", ["drama", "comedy", "drama", "", "x", "x"]),
    ("list of unknown words", ["x"]),
    ("a word twice", Entries((("comedy", 1), ("drama", 1), ("comedy", 1)))),
    ("a word twice, nil first", Entries((("comedy", None), ("comedy", 1)))),
    ("a key that is a number", Entries(((1, 1),))),
    ("a key that is bytes", Entries(((b"comedy", 1),))),
    ("a value that is a string", {"comedy": "1"}),
    ("an unknown word's value is a boolean", {"x": True}),
    ("an unknown word's value is 0xc1", {"x": Raw(b"\xc1")}),
    ("a number in a list", ["comedy", 1]),
    ("nil in a list", [None]),
    ("4096 entries in a list", ["comedy"] * 4096),
    ("4097 entries in a list", ["comedy"] * 4097),
    ("4097 entries in a map", Raw(b"\xde\x10\x01" + b"\xa1x\x01" * 4097)),
]
SHAPES: list[tuple[str, object]] = [
    ("list", [1, -2.5, 0]),
    ("list of every kind of number", [Raw(b"\xca\x3f\x80\x00\x00"), Raw(b"\xd1\xff\xfe"), 1e-40]),
    ("list with NaN", [1, math.nan, 300]),
    ("clipped", [100.5, -math.inf, math.inf]),
    ("bin", struct.pack("<3f", 1.0, -2.5, 0.1)),
    ("bin with NaN", struct.pack("<3f", 1.0, math.nan, 0.1)),
    ("bin with infinity", struct.pack("<3f", math.inf, -math.inf, -0.0)),
    ("bin of subnormals", bytes.fromhex("010000000100008000000000")),
    ("bin 16", Raw(b"\xc5\x00\x0c" + struct.pack("<3f", 1.0, 2.0, 3.0))),
    ("short list", [1, 2]),
    ("long list", [1, 2, 3, 4]),
    ("empty list", []),
    ("short bin", bytes(11)),
    ("long bin", bytes(13)),
    ("bin of four", bytes(16)),
    ("empty bin", b""),
    ("a string in the list", [1, "2", 3]),
    ("nil in the list", [1, None, 3]),
    ("a list in the list", [1, [2], 3]),
    ("NaN, then a wrong type", [math.nan, True, 3]),
]


def _documents() -> list[Case]:
    deep = b"\x91" * 100
    nested = b"\xdd\xff\xff\xff\xff" * 50
    undeclared: list[tuple[str, object]] = [
        ("100 lists deep", Raw(deep + b"\xc0")),
        ("100 maps deep", Raw(b"\x81\xa0" * 100 + b"\xc0")),
        ("10,000 lists deep", Raw(b"\x91" * 10_000 + b"\xc0")),
        ("100 lists deep around 0xc1", Raw(deep + b"\xc1")),
        ("huge counts, nested", Raw(nested)),
        ("a huge map", Raw(b"\xdf\xff\xff\xff\xff\xc0")),
        ("a map with odd keys", Entries(((1, 2), (None, None), ([1], {}), (1, 3)))),
        ("every kind", [None, True, 1, -1, 1.5, "x", b"x", Raw(b"\xc7\x01\x05x"), {"": []}]),
        ("every extension", [Raw(b"\xd4" + bytes(2)), Raw(b"\xd8" + bytes(17))]),
        ("a string that is not UTF-8", Raw(b"\xa2\xff\xfe")),
        ("a key that is not a declared name's str", b"hour"),
        ("0xc1", Raw(b"\xc1")),
    ]
    fields = {f"u{i}": i for i in range(1025)}
    exact = b"\x81\xa1x\xc5\xff\xf9" + bytes(65_529)
    maps: list[Case] = [
        ("nothing at all", b""),
        ("empty map", b"\x80"),
        ("map 16", b"\xde\x00\x01\xa4hour\x0f"),
        ("map 32", b"\xdf\x00\x00\x00\x01\xa4hour\x0f"),
        ("a list", b"\x90"),
        ("nil", b"\xc0"),
        ("0xc1", b"\xc1"),
        ("bytes after the map", b"\x80\xc0"),
        ("a map after the map", b"\x81\xa4hour\x0f\x80"),
        ("a key that is a number", b"\x81\x01\x01"),
        ("a key that is bytes", b"\x81\xc4\x04hour\x0f"),
        ("a key that is nil", b"\x81\xc0\x01"),
        ("a key that is 0xc1", b"\x81\xc1\x01"),
        ("a key that is bytes past the end", b"\x81\xc6\xff\xff\xff\xff"),
        ("a number that is a string past the end", b"\x81\xa4hour\xdb\xff"),
        ("a category that is a float cut short", b"\x81\xa5place\xcb\x00"),
        ("a vector of another length past the end", b"\x81\xa5shape\xc4\x0d\x00"),
        ("a key as str 8", b"\x81\xd9\x04hour\x0f"),
        ("a key as str 16", b"\x81\xda\x00\x04hour\x0f"),
        ("a key as str 32", b"\x81\xdb\x00\x00\x00\x04hour\x0f"),
        ("a key that is not UTF-8", b"\x81\xa2\xff\xff\x0f"),
        ("a key that begins like a name", b"\x81\xa5hours\x0f"),
        ("a declared name twice", pack(Entries((("hour", 1), ("x", 2), ("hour", 1))))),
        ("a declared name twice, nil", pack(Entries((("hour", None), ("hour", None))))),
        ("an undeclared name twice", pack(Entries((("x", 1), ("x", 2))))),
        ("1,024 fields", pack(dict(list(fields.items())[:1024]))),
        ("1,025 fields", pack(fields)),
        ("2**32 - 1 fields", b"\xdf\xff\xff\xff\xff"),
        ("65,536 bytes", exact),
        ("65,537 bytes", exact[:3] + b"\xc5\xff\xfa" + bytes(65_530)),
        ("65,537 bytes, one after a map of 65,536", exact + b"\0"),
    ]
    return maps + [(f"undeclared: {name}", pack({"x": value})) for name, value in undeclared]


def _cases() -> list[Case]:
    cases = _documents()
    for name, value in NUMBERS:
        cases.append((f"number: {name}", pack({"plain": value, "hour": value})))
    for field in ("hour", "place", "taste", "shape"):
        for name, value in WRONG:
            fits = (field, name) in {
                ("place", "string"), ("taste", "list"), ("taste", "map"),
            }  # fmt: skip
            if not fits:
                cases.append((f"{field}: {name}", pack({"a": 0, field: value})))
    for word in ("US", "GB", "", "été", "us", "US ", "x" * 300):
        cases.append((f"category: {word[:10]!r}", pack({"place": word})))
    cases.append(("category: not UTF-8", b"\x81\xa5place\xa2\xc3\x28"))
    cases += [(f"weights: {name}", pack({"taste": value})) for name, value in TASTES]
    cases += [(f"vector: {name}", pack({"shape": value})) for name, value in SHAPES]
    whole = pack(
        {
            "place": "GB",
            "hour": 20.25,
            "taste": {"drama": 1, "x": Raw(b"\xcd\x01\x00")},
            "extra": [1, {"a": "b"}, Raw(b"\xc7\x02\x01ab")],
            "shape": [1, 2, 3],
        }
    )
    cases.append(("typical", whole))
    cases += [(f"typical, cut at {at}", whole[:at]) for at in range(len(whole))]
    return cases


def _pieces(data: bytes) -> str | list[list[Any]]:
    """Long maps end in one byte, or one short pattern, again and again: written as pieces."""
    for size in (1, 3, 7):
        unit, times = data[-size:], 0
        at = len(data) - size
        while at >= 0 and data[at : at + size] == unit:
            times += 1
            at -= size
        if times > 500:
            return [[data[: len(data) - size * times].hex(), 1], [unit.hex(), times]]
    return data.hex()


def context_vectors() -> dict[str, Any]:
    """The content of context.json."""
    bundle_bytes = write({"features": SCHEMA})
    features = open_bundle(bundle_bytes).features
    cases: list[dict[str, Any]] = []
    for name, data in _cases():
        case: dict[str, Any] = {"name": name, "map": _pieces(data)}
        try:
            x, report = encode(features, data)
        except Refused as refused:
            case |= {"status": refused.status, "offset": refused.offset}
        else:
            counts = [report.missing, report.other, report.clipped, report.ignored]
            case |= {"slots": [hexf32(element) for element in x], "report": counts}
        cases.append(case)
    return {
        "about": "decision.md §3. map: hex, or pieces [hex, times]; report: missing, other, "
        "clipped, ignored.",
        "features": SCHEMA,
        "bundle": base64_of(bundle_bytes),
        "cases": cases,
    }
