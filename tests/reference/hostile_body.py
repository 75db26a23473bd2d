# SPDX-License-Identifier: Apache-2.0
"""Hostile bundles with a wrong small value: name to features, k, rows, vectors."""

from __future__ import annotations

import math
from typing import Any

from .hostile_parts import EMPTY, FEATURES, I8, Case, accepted, damaged, item, key, value, wide
from .write import Document, Entries, Raw, fields

HUGE_LIST = Raw(b"\xdd\xff\xff\xff\xff")
HUGE_MAP = Raw(b"\xdf\xff\xff\xff\xff")
HUGE_STRING = Raw(b"\xdb\xff\xff\xff\xff")
HUGE_BYTES = Raw(b"\xc6\xff\xff\xff\xff")
DEEP = Raw(b"\x91" * 100 + b"\xc0")
NOT_UTF8 = {
    "a lone continuation byte": b"\xa1\x80",
    "a cut sequence": b"\xa2a\xc3",
    "an overlong slash": b"\xa2\xc0\xaf",
    "an overlong three": b"\xa3\xe0\x80\xaf",
    "a surrogate": b"\xa3\xed\xa0\x80",
    "above U+10FFFF": b"\xa4\xf4\x90\x80\x80",
    "0xff": b"\xa1\xff",
}


def body_cases() -> list[Case]:
    """Every value of the body that is no array or table."""
    return [*_name(), *_sequence(), *_meta(), *_explorer(), *_features(), *_rest(), *_vectors()]


def _name() -> list[Case]:
    at = value("name")
    cases = [
        damaged("name: empty", "EA_E_LIMIT", at, name=""),
        damaged("name: 65 characters", "EA_E_LIMIT", at, name="x" * 65),
        damaged("name: cut far behind the end", "EA_E_TRUNCATED", at, name=HUGE_STRING),
        damaged("name: bytes", "EA_E_TYPE", at, name=b"row"),
        damaged("name: nil", "EA_E_TYPE", at, name=None),
        damaged("name: bytes past the end", "EA_E_TYPE", at, name=HUGE_BYTES),
        damaged(
            "sequence: a string past the end", "EA_E_TYPE", value("sequence"), sequence=HUGE_STRING
        ),
        damaged("name: 100 lists deep", "EA_E_TYPE", at, name=DEEP),
        accepted("name: 64 characters", name="x" * 64),
        accepted("name: every character", name="0Az9._-"),
        accepted("name: as str 32", name=Raw(b"\xdb\0\0\0\x03row")),
    ]
    for bad in ("a b", "a/b", ".a", "-a", "_a", "é", "a\0", "a:"):
        cases.append(damaged(f"name: {bad!r}", "EA_E_RANGE", at, name=bad))
    for what, form in NOT_UTF8.items():
        cases.append(damaged(f"name: {what}", "EA_E_UTF8", at, name=Raw(form)))
    return cases


def _sequence() -> list[Case]:
    at = value("sequence")
    wrong: list[tuple[str, object]] = [
        ("negative", -1), ("int 8", Raw(b"\xd0\x05")), ("int 64", Raw(b"\xd3" + bytes(8))),
        ("float 64", 12.0), ("float 32", Raw(b"\xca\x3f\x80\0\0")), ("string", "12"),
        ("boolean", True), ("nil", None), ("0xc1", Raw(b"\xc1")),
    ]  # fmt: skip
    return [
        damaged("sequence: 0", "EA_E_RANGE", at, sequence=0),
        damaged("sequence: 2**53", "EA_E_RANGE", at, sequence=2**53),
        damaged("sequence: 2**64 - 1", "EA_E_RANGE", at, sequence=2**64 - 1),
        *(damaged(f"sequence: {what}", "EA_E_TYPE", at, sequence=form) for what, form in wrong),
        accepted("sequence: 2**53 - 1", sequence=2**53 - 1),
        accepted("sequence: 1 as uint 64", sequence=Raw(wide(1))),
    ]


def _meta() -> list[Case]:
    at = value("meta")
    first, second = value("meta", 1), value("meta", 3)

    def entries(count: int) -> dict[str, str]:
        return {f"key{i}": "" for i in range(count)}

    cases = [
        damaged("meta: a list", "EA_E_TYPE", at, meta=[]),
        damaged("meta: nil", "EA_E_TYPE", at, meta=None),
        damaged("meta: 33 entries", "EA_E_LIMIT", at, meta=entries(33)),
        damaged("meta: 2**32 - 1 entries", "EA_E_LIMIT", at, meta=HUGE_MAP),
        damaged("meta: a key of 65 bytes", "EA_E_LIMIT", first, meta={"x" * 65: ""}),
        damaged("meta: a value of 1,025 bytes", "EA_E_LIMIT", second, meta={"x": "y" * 1025}),
        damaged("meta: a key that is a number", "EA_E_TYPE", first, meta={1: ""}),
        damaged("meta: a value that is a number", "EA_E_TYPE", second, meta={"x": 1}),
        damaged("meta: a value that is bytes", "EA_E_TYPE", second, meta={"x": b""}),
        damaged("meta: a value that is nil", "EA_E_TYPE", second, meta={"x": None}),
        damaged("meta: 100 lists deep", "EA_E_TYPE", second, meta={"x": DEEP}),
        damaged("meta: a huge value", "EA_E_TRUNCATED", second, meta={"x": HUGE_STRING}),
        accepted("meta: 32 entries", meta=entries(32)),
        accepted("meta: longest key and value", meta={"x" * 64: "y" * 1024}),
        accepted("meta: empty key", meta={"": "é"}),
        accepted("meta: a key twice", meta=Entries((("x", "1"), ("x", "2")))),
    ]
    for what, form in NOT_UTF8.items():
        meta = Entries(((Raw(form), ""),))
        cases.append(damaged(f"meta: key is {what}", "EA_E_UTF8", first, meta=meta))
        cases.append(damaged(f"meta: value is {what}", "EA_E_UTF8", second, meta={"x": Raw(form)}))
    return cases


def _explorer() -> list[Case]:
    at = value("explorer")
    kind, floor, parameter = (item("explorer", i) for i in range(3))

    def case(what: str, status: str, where: Any, explorer: object) -> Case:
        return damaged(f"explorer: {what}", status, where, explorer=explorer)

    cases = [
        case("a map", "EA_E_TYPE", at, {}),
        case("a string", "EA_E_TYPE", at, "greedy"),
        case("an empty list", "EA_E_TYPE", at, []),
        case("kind alone", "EA_E_TYPE", at, ["greedy"]),
        case("greedy with a parameter", "EA_E_TYPE", at, ["greedy", 0.0, 0.0]),
        case("softmax without temperature", "EA_E_TYPE", at, ["softmax", 0.0]),
        case("squarecb with two parameters", "EA_E_TYPE", at, ["squarecb", 0.0, 1.0, 1.0]),
        case("2**32 - 1 elements", "EA_E_TYPE", at, Raw(HUGE_LIST.data + b"\xa6greedy")),
        case("kind is a number", "EA_E_TYPE", kind, [1, 0.0]),
        case("kind is bytes", "EA_E_TYPE", kind, [b"greedy", 0.0]),
        case("100 lists deep", "EA_E_TYPE", kind, DEEP),
        case("kind is not UTF-8", "EA_E_UTF8", kind, [Raw(b"\xa1\xff"), 0.0]),
        case("unknown", "EA_E_UNSUPPORTED", kind, ["thompson", 0.0, 1.0, 1.0, 1.0]),
        case("unknown, kind alone", "EA_E_UNSUPPORTED", kind, ["ucb"]),
        case("in capitals", "EA_E_UNSUPPORTED", kind, ["GREEDY", 0.0]),
        case("empty kind", "EA_E_UNSUPPORTED", kind, ["", 0.0]),
        case("floor is an integer", "EA_E_TYPE", floor, ["greedy", 0]),
        case("floor is a float 32", "EA_E_TYPE", floor, ["greedy", Raw(b"\xca\0\0\0\0")]),
        case("floor is nil", "EA_E_TYPE", floor, ["greedy", None]),
        case("parameter is an integer", "EA_E_TYPE", parameter, ["squarecb", 0.0, 1]),
    ]
    for bad in (-0.0, math.nan, math.inf, -math.inf, -1e-300, math.nextafter(1.0, 2.0), 2.0):
        cases.append(case(f"floor {bad}", "EA_E_RANGE", floor, ["greedy", bad]))
    ranges = {
        "epsilon_greedy": (0.0, 1.0), "softmax": (2.0**-20, 2.0**20), "squarecb": (0.0, 2.0**40),
    }  # fmt: skip
    for name, (least, most) in ranges.items():
        below = math.nextafter(least, -math.inf)
        for bad in (-0.0, math.nan, math.inf, below, math.nextafter(most, math.inf)):
            cases.append(case(f"{name} {bad}", "EA_E_RANGE", parameter, [name, 0.0, bad]))
        for edge in (least, most):
            cases.append(accepted(f"explorer: {name} {edge}", explorer=[name, 1.0, edge]))
    for name in ("fixed", "uniform", "greedy"):
        cases.append(accepted(f"explorer: {name}", explorer=[name, 5e-324]))
    return cases


def _features() -> list[Case]:
    at = value("features")
    number, category, weights, vector = (item("features", i) for i in range(4))

    def case(what: str, status: str, where: Any, *features: object) -> Case:
        return damaged(f"features: {what}", status, where, features=list(features))

    hour = FEATURES[0]
    first = [["number", "hour", 12.0, 6.0, 8.0, True], ["category", "place", 2]]
    third, fourth = ["weights", "taste", 3], ["vector", "shape", 3, 1024.0]
    whole = {"features": [*first, third, fourth]}
    assert dict(I8)["features"] == whole["features"]
    cases = [
        damaged("features: a map", "EA_E_TYPE", at, features={}),
        damaged("features: 2**32 - 1", "EA_E_LIMIT", at, features=HUGE_LIST),
        damaged("features: 257", "EA_E_LIMIT", at, features=[hour] * 257),
        damaged("features: 100 lists deep", "EA_E_TYPE", item("features", 0, 0), features=DEEP),
        case("an element that is a map", "EA_E_TYPE", number, {}),
        case("an element that is nil", "EA_E_TYPE", number, None),
        case("an empty list", "EA_E_TYPE", number, []),
        case("kind alone", "EA_E_TYPE", number, ["number"]),
        case("a number without indicator", "EA_E_TYPE", number, hour[:5]),
        case("a number with one more", "EA_E_TYPE", number, [*hour, 1]),
        case("a category with one more", "EA_E_TYPE", category, hour, ["category", "c", 2, 1]),
        case("weights without m", "EA_E_TYPE", weights, *first, ["weights", "w"]),
        case("a vector without clip", "EA_E_TYPE", vector, *first, third, ["vector", "v", 3]),
        case("unknown kind", "EA_E_UNSUPPORTED", item("features", 0, 0), ["text", "t", 1, 2, 3]),
        case("unknown kind alone", "EA_E_UNSUPPORTED", item("features", 0, 0), ["text"]),
        case("kind is a number", "EA_E_TYPE", item("features", 0, 0), [1, "hour"]),
        case("kind is not UTF-8", "EA_E_UTF8", item("features", 0, 0), [Raw(b"\xa1\xc3")]),
    ]
    name_at = item("features", 0, 1)

    def named(name: object) -> list[object]:
        return ["number", name, *hour[2:]]

    cases += [
        case("empty name", "EA_E_LIMIT", name_at, named("")),
        case("a name of 65 bytes", "EA_E_LIMIT", name_at, named("x" * 65)),
        case("a name that is bytes", "EA_E_TYPE", name_at, named(b"hour")),
        case("a huge name", "EA_E_TRUNCATED", name_at, named(HUGE_STRING)),
        case("a name twice", "EA_E_ORDER", item("features", 1, 1), hour, ["category", "hour", 2]),
        case("a name twice, apart", "EA_E_ORDER", item("features", 2, 1), *first,
             ["weights", "hour", 3]),
        accepted("features: the longest name", features=[named("x" * 64), *whole["features"][1:]]),
        accepted("features: any name", features=[named("\0é🎬"), *whole["features"][1:]]),
    ]  # fmt: skip
    for what, form in NOT_UTF8.items():
        cases.append(case(f"name is {what}", "EA_E_UTF8", name_at, named(Raw(form))))
    cases += _feature_numbers()
    for m, status in ((0, "EA_E_LIMIT"), (1024, "EA_E_LIMIT"), (2**64 - 1, "EA_E_LIMIT"),
                      (-1, "EA_E_TYPE"), (2.0, "EA_E_TYPE"), (None, "EA_E_TYPE")):  # fmt: skip
        places = item("features", 1, 2), item("features", 2, 2), item("features", 3, 2)
        cases += [
            case(f"category of {m}", status, places[0], hour, ["category", "place", m]),
            case(f"weights of {m}", status, places[1], *first, ["weights", "taste", m]),
            case(f"vector of {m}", status, places[2], *first, third, ["vector", "v", m, 1.0]),
        ]
    return cases


def _feature_numbers() -> list[Case]:
    hour: list[Any] = list(FEATURES[0])
    rest = dict(I8)["features"]
    assert isinstance(rest, list)
    above, below = math.inf, -math.inf
    ranges = {
        "centre": (2, -(2.0**50), 2.0**50),
        "scale": (3, 2.0**-50, 2.0**50),
        "clip": (4, 2.0**-20, 2.0**19),
    }
    cases = []
    for name, (index, least, most) in ranges.items():
        at = item("features", 0, index)
        past = (math.nextafter(least, below), math.nextafter(most, above))
        for bad in (math.nan, above, below, -0.0, *past):
            features = [[*hour[:index], bad, *hour[index + 1 :]], *rest[1:]]
            cases.append(damaged(f"features: {name} {bad}", "EA_E_RANGE", at, features=features))
        for good in (least, most):
            features = [[*hour[:index], good, *hour[index + 1 :]], *rest[1:]]
            cases.append(accepted(f"features: {name} {good}", features=features))
        features = [[*hour[:index], 1, *hour[index + 1 :]], *rest[1:]]
        cases.append(damaged(f"features: {name} integer", "EA_E_TYPE", at, features=features))
    for form, what in ((1, "1"), (None, "nil"), ("true", "a string")):
        features = [[*hour[:5], form], *rest[1:]]
        at = item("features", 0, 5)
        cases.append(damaged(f"features: indicator {what}", "EA_E_TYPE", at, features=features))
    for bad in (math.nan, 0.0, math.nextafter(2.0**19, above), -0.0):
        features = [*rest[:3], ["vector", "shape", 3, bad]]
        at = item("features", 3, 3)
        cases.append(damaged(f"features: vector clip {bad}", "EA_E_RANGE", at, features=features))
    return cases


def _rest() -> list[Case]:
    cases = [
        damaged("tower: a layer", "EA_E_UNSUPPORTED", value("tower"), tower=[["relu", 1]]),
        damaged("tower: huge", "EA_E_UNSUPPORTED", value("tower"), tower=HUGE_LIST),
        damaged("tower: a map", "EA_E_TYPE", value("tower"), tower={}),
        damaged("tower: nil", "EA_E_TYPE", value("tower"), tower=None),
        accepted("tower: as array 32", tower=Raw(b"\xdd\0\0\0\0")),
    ]
    ks: list[tuple[object, str]] = [
        (0, "EA_E_LIMIT"), (1025, "EA_E_LIMIT"), (2**64 - 1, "EA_E_LIMIT"), (11, "EA_E_LIMIT"),
        (13, "EA_E_LIMIT"), (1024, "EA_E_LIMIT"), (-12, "EA_E_TYPE"), (12.0, "EA_E_TYPE"),
        ("12", "EA_E_TYPE"), (None, "EA_E_TYPE"),
    ]  # fmt: skip
    cases += [damaged(f"k: {k!r}", status, value("k"), k=k) for k, status in ks]
    cases.append(accepted("k: as uint 16", k=Raw(b"\xcd\0\x0c")))
    wide_body = fields({"features": [["vector", "a", 1023, 1.0]]})
    cases.append(accepted("1,024 slots", base=wide_body))
    wider = fields({"features": [["vector", "a", 1023, 1.0], ["vector", "b", 1, 1.0]]})
    cases.append(damaged("1,025 slots", "EA_E_LIMIT", item("features", 1), base=wider))
    category = fields({"features": [["category", "a", [f"{i}" for i in range(1023)]]]})
    cases.append(
        damaged("1,025 slots of a category", "EA_E_LIMIT", item("features", 0), base=category)
    )
    many = [["number", f"{i}", 0.0, 1.0, 1.0, False] for i in range(256)]
    cases.append(accepted("256 features", base=fields({"features": many})))
    for rows in ("f16", "", "I8", "i8 ", "f32\0"):
        cases.append(damaged(f"rows: {rows!r}", "EA_E_KEY", value("rows"), rows=rows))
    for form in (8, b"i8", None):
        cases.append(damaged(f"rows: {form!r}", "EA_E_TYPE", value("rows"), rows=form))
    at = value("rows")
    cases.append(damaged("rows: not UTF-8", "EA_E_UTF8", at, rows=Raw(b"\xa2i\xff")))
    head = _body_head
    cases.append(damaged("rows: f32 in a body of i8", "EA_E_TYPE", head, rows="f32"))
    scaleless = [entry for entry in I8 if entry[0] != "scales"]
    cases.append(damaged("rows: i8 without scales", "EA_E_TYPE", head, base=scaleless))
    swapped = [(("scale" if name == "scales" else name), its) for name, its in I8]
    cases.append(damaged("rows: i8, scales misnamed", "EA_E_KEY", key("scale"), base=swapped))
    return cases


def _body_head(document: Document) -> int:
    return document.body


def _vectors() -> list[Case]:
    at, first = value("vectors"), item("vectors", 0)
    context, check = item("vectors", 0, 0), item("vectors", 0, 1)
    huge = Raw(b"\xc6\xff\xff\xff\xff")
    wrong: list[tuple[str, str, Any, object]] = [
        ("a map", "EA_E_TYPE", at, {}),
        ("nil", "EA_E_TYPE", at, None),
        ("65", "EA_E_LIMIT", at, [[b"\x80", 1]] * 65),
        ("2**32 - 1", "EA_E_LIMIT", at, HUGE_LIST),
        ("an entry that is a map", "EA_E_TYPE", first, [{}]),
        ("an entry of one", "EA_E_TYPE", first, [[b"\x80"]]),
        ("an entry of three", "EA_E_TYPE", first, [[b"\x80", 1, 1]]),
        ("a context that is a string", "EA_E_TYPE", context, [["\x00", 1]]),
        ("a context that is a map", "EA_E_TYPE", context, [[{}, 1]]),
        ("a context of 65,537 bytes", "EA_E_LIMIT", context, [[bytes(65_537), 1]]),
        ("a huge context", "EA_E_TRUNCATED", context, [[huge, 1]]),
        ("a hash below 0", "EA_E_TYPE", check, [[b"\x80", -1]]),
        ("a hash that is a float", "EA_E_TYPE", check, [[b"\x80", 1.0]]),
        ("a hash that is bytes", "EA_E_TYPE", check, [[b"\x80", bytes(8)]]),
        ("the second entry nil", "EA_E_TYPE", item("vectors", 1), [[b"\x80", 1], None]),
        ("100 lists deep", "EA_E_TYPE", first, DEEP),
    ]
    return [
        *(damaged(f"vectors: {w}", s, where, vectors=form) for w, s, where, form in wrong),
        accepted("vectors: none", vectors=[]),
        accepted("vectors: 64, none of them true", vectors=[[b"", 2**64 - 1]] * 64),
        accepted("vectors: a context of 65,536 bytes", vectors=[[bytes(65_536), 0]]),
        accepted("vectors: a context that is no map", base=EMPTY, vectors=[[b"\xc1", 0]]),
    ]
