# SPDX-License-Identifier: Apache-2.0
"""Hostile bundles with a wrong array or string table (bundle.md §3, §4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .hostile_parts import (
    EMPTY,
    FEATURES,
    I8,
    TITLES,
    Case,
    Offset,
    accepted,
    array_of,
    damaged,
    element,
    value,
)
from .siphash import title_hash
from .write import Array, Field, Raw, build, fields, u16s, u32s, u64s

BODY = dict(I8)
WORDS = ["US", "GB", "comedy", "drama", "crime"]
HASHES = [title_hash(title) for title in TITLES]
ORDER = sorted(range(3), key=HASHES.__getitem__)
STRIDE = 16
ARRAYS = [name for name, its in I8 if isinstance(its, Array)]
TEXTS = ["word_text", "title_text", "artwork_text"]
BAD_TEXT = {
    "a lone continuation byte": b"\x80",
    "an overlong slash": b"\xc0\xaf",
    "an overlong three": b"\xe0\x9f\xbf",
    "an overlong four": b"\xf0\x8f\xbf\xbf",
    "a surrogate": b"\xed\xbf\xbf",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "0xf5": b"\xf5\x80\x80\x80",
    "a cut sequence of four": b"\xf0\x90\x80",
    "a start where a continuation belongs": b"\xe2\x82\x41",
}
GOOD_TEXT = ["\x00", "\x7f", "\x80", "߿", "ࠀ", "퟿", "\ue000", "￿", "𐀀", "\U0010ffff"]


def table_cases() -> list[Case]:
    """Every array and every string table."""
    fewer = Array(b"", padding=b"")
    return [
        *array_forms(I8, ARRAYS),
        damaged("word_ends: nothing at all", "EA_E_LENGTH", value("word_ends"), word_ends=fewer),
        *_text_forms(),
        *_words(),
        *_title_ids(),
        *_title_arrays(),
        *_artworks(),
    ]


def array_forms(base: Sequence[Field], names: Iterable[str]) -> list[Case]:
    """Arrays of a body of another form, length or padding, by default of the i8 bundle."""
    cases = []
    good = build(base)
    for name in names:
        at, data = value(name), array_of(base, name).data
        place = good.places[name]
        zeros = bytes(place.data - place.value - 5)
        longer = Array(data + bytes(4 if name == "title_ends" else 1))
        wrong: list[tuple[str, str, object]] = [
            ("as a list", "EA_E_TYPE", [1, 2]),
            ("nil", "EA_E_TYPE", None),
            ("as a string", "EA_E_TYPE", "abc"),
            ("as bin 16", "EA_E_TYPE", Raw(b"\xc5" + len(data).to_bytes(2, "big") + data)),
            ("of 2**32 - 1 bytes", "EA_E_TRUNCATED", Array(data, length=2**32 - 1)),
            ("one byte longer", "EA_E_LENGTH", Array(data + b"\0")),
            ("one byte shorter", "EA_E_LENGTH", Array(data[:-1])),
            ("without data", "EA_E_LENGTH", Array(b"")),
            ("with 64 zeros more", "EA_E_LENGTH", Array(data, padding=zeros + bytes(64))),
        ]
        if name != "title_ends":
            much = damaged(f"{name}: much longer", "EA_E_LENGTH", at, {name: longer}, base=base)
            cases.append(much)
        for what, status, form in wrong:
            # Without data, or longer by whole entries, title_ends declares another T.
            if name == "title_ends" and what in ("without data", "with 64 zeros more"):
                continue
            cases.append(damaged(f"{name}: {what}", status, at, {name: form}, base=base))
        if zeros:
            for index in {0, len(zeros) - 1}:
                dirty = zeros[:index] + b"\1" + zeros[index + 1 :]
                array = Array(data, padding=dirty)
                where = value(name, 5 + index)
                what = f"{name}: padding byte {index} is 1"
                cases.append(damaged(what, "EA_E_PADDING", where, {name: array}, base=base))
            missing = Array(data, padding=zeros[:-1])
            what = f"{name}: padding too short"
            cases.append(damaged(what, "EA_E_LENGTH", at, {name: missing}, base=base))
    return cases


def _text_forms() -> list[Case]:
    cases = []
    for name in TEXTS:
        text = BODY[name]
        assert isinstance(text, bytes)
        size = len(text).to_bytes(4, "big")
        wrong: list[tuple[str, str, object]] = [
            ("a string", "EA_E_TYPE", text.decode()),
            ("nil", "EA_E_TYPE", None),
            ("a list", "EA_E_TYPE", []),
            ("one byte longer", "EA_E_LENGTH", text + b"x"),
            ("one byte shorter", "EA_E_LENGTH", text[:-1]),
            ("empty", "EA_E_LENGTH", b""),
            ("2**32 - 1 bytes", "EA_E_TRUNCATED", Raw(b"\xc6\xff\xff\xff\xff" + text)),
        ]
        cases += [damaged(f"{name}: {w}", s, value(name), {name: form}) for w, s, form in wrong]
        cases.append(accepted(f"{name}: as bin 32", {name: Raw(b"\xc6" + size + text)}))
        cases.append(accepted(f"{name}: as bin 16", {name: Raw(b"\xc5" + size[2:] + text)}))
        empty = f"{name}: text of an empty table"
        cases.append(damaged(empty, "EA_E_LENGTH", value(name), {name: b"x"}, base=EMPTY))
    decreasing = [
        ("word", [2, 4, 3, 15, 20], 2),
        ("title", [5, 4, 14], 1),
        ("artwork", [1, 0, 3, 4, 5, 7], 1),
    ]
    for name, ends, index in decreasing:
        at = element(f"{name}_ends", 4, index)
        changes = {f"{name}_ends": Array(u32s(ends))}
        cases.append(damaged(f"{name}_ends: decreasing", "EA_E_ORDER", at, changes))
    beyond = [("word", [2, 4, 10, 15, 21]), ("title", [5, 9, 15]), ("artwork", [1, 2, 3, 4, 5, 6])]
    for name, ends in beyond:
        at = value(f"{name}_text")
        changes = {f"{name}_ends": Array(u32s(ends))}
        cases.append(damaged(f"{name}_ends: last is not the length", "EA_E_LENGTH", at, changes))
    return cases


def _described(**changes: object) -> list[Field]:
    base: dict[str, Any] = {
        "features": FEATURES, "titles": TITLES, "rows": "i8",
        "weights": [[0] * 12] * 6, "scales": [1.0] * 6,
    }  # fmt: skip
    return fields({**base, **changes})


def _in_text(name: str, delta: int) -> Offset:
    """Offset of a byte of a text written as bin 8 or 16."""
    return lambda document: (
        document.places[name].value + {0xC4: 2, 0xC5: 3}[document.data[document.places[name].value]]
        + delta
    )  # fmt: skip


def _table(name: str, strings: Sequence[bytes]) -> dict[str, Any]:
    ends, end = [], 0
    for string in strings:
        end += len(string)
        ends.append(end)
    return {f"{name}_ends": Array(u32s(ends)), f"{name}_text": b"".join(strings)}


def _words() -> list[Case]:
    texts = [word.encode() for word in WORDS]
    cases = []
    for what, bad in BAD_TEXT.items():
        table = _table("word", [*texts[:3], bad, texts[4]])
        at = _in_text("word_text", 10)
        cases.append(damaged(f"word: {what}", "EA_E_UTF8", at, table))
    split = [b"US", b"GB", b"comed\xc3", b"\xa9rama", b"crime"]
    at = _in_text("word_text", 4)
    cases.append(damaged("word: é split in two", "EA_E_UTF8", at, _table("word", split)))
    long = _table("word", [*texts[:4], b"c" * 256])
    at = element("word_ends", 4, 4)
    cases.append(damaged("word: 256 bytes", "EA_E_LIMIT", at, long))
    cases.append(
        accepted("word: 255 bytes", _table("word", [*texts[:4], b"crim".ljust(255, b"e")]))
    )
    empty = {**_table("word", [b"US", b"", *texts[2:]]), "word_order": Array(u16s([1, 0, 0, 2, 1]))}
    cases.append(accepted("word: empty", empty))
    good = _described(features=[["category", "c", GOOD_TEXT]], weights=[[0] * 12] * 6)
    cases.append(accepted("word: the edges of UTF-8", base=good))

    orders: list[tuple[str, list[int], int]] = [
        ("descending", [0, 1, 0, 2, 1], 1),
        ("an index twice", [1, 1, 0, 2, 1], 1),
        ("an index out of range", [1, 2, 0, 2, 1], 1),
        ("first index out of range", [2, 0, 0, 2, 1], 0),
        ("index 65535", [1, 0, 0, 2, 65_535], 4),
        ("counted from the first feature", [1, 0, 2, 4, 3], 3),
        ("of the second feature descending", [1, 0, 1, 2, 0], 3),
    ]  # fmt: skip
    # 2 is inside of the second feature's three words, 4 is not.
    for what, order, index in orders:
        at = element("word_order", 2, index)
        changed = Array(u16s(order))
        cases.append(damaged(f"word_order: {what}", "EA_E_ORDER", at, word_order=changed))
    twice = _table("word", [b"US", b"US", *texts[2:]])
    twice["word_order"] = Array(u16s([0, 1, 0, 2, 1]))
    at = element("word_order", 2, 1)
    cases.append(damaged("word: twice in a feature", "EA_E_ORDER", at, twice))
    return cases


def _title_ids() -> list[Case]:
    cases = []
    for what, bad in BAD_TEXT.items():
        table = _table("title", [b"alpha", bad, b"gamma"])
        at = _in_text("title_text", 5)
        cases.append(damaged(f"title: {what}", "EA_E_UTF8", at, table))
    empty = _table("title", [b"alpha", b"", b"gamma"])
    at = element("title_ends", 4, 1)
    cases.append(damaged("title: empty id", "EA_E_LIMIT", at, empty))
    long = _table("title", [b"alpha", b"beta", b"g" * 256])
    cases.append(damaged("title: 256 bytes", "EA_E_LIMIT", element("title_ends", 4, 2), long))
    longest = _described(titles={"t" * 255: ["a"], "u": ["a", "b", "c", "d", "e"]})
    cases.append(accepted("title: 255 bytes", base=longest))
    far = Array(u32s([5, 9, 2**32 - 1]))
    at = element("title_ends", 4, 2)
    cases.append(damaged("title_ends: 2**32 - 1", "EA_E_LIMIT", at, title_ends=far))
    many = Array(bytes(4 * (2**20 + 1)))
    cases.append(damaged("2**20 + 1 titles", "EA_E_LIMIT", value("title_ends"), title_ends=many))
    short = Array(u32s([5, 9]))
    at = value("title_text")
    cases.append(damaged("title_ends: one title fewer", "EA_E_LENGTH", at, title_ends=short))
    return cases


def _title_arrays() -> list[Case]:
    cases = []
    for index in range(3):
        wrong = [h ^ (1 << 63 if i == index else 0) for i, h in enumerate(HASHES)]
        at = element("title_hash", 8, index)
        array = Array(u64s(wrong))
        cases.append(damaged(f"title_hash: {index} wrong", "EA_E_HASH", at, title_hash=array))
    swapped = Array(u64s([HASHES[1], HASHES[0], HASHES[2]]))
    at = element("title_hash", 8, 0)
    cases.append(damaged("title_hash: swapped", "EA_E_HASH", at, title_hash=swapped))
    orders = {
        "descending": (ORDER[::-1], 1),
        "an index twice": ([ORDER[0], ORDER[0], ORDER[2]], 1),
        "out of range": ([ORDER[0], 3, ORDER[2]], 1),
        "first out of range": ([2**32 - 1, ORDER[1], ORDER[2]], 0),
    }
    for what, (order, index) in orders.items():
        at = element("title_order", 4, index)
        array = Array(u32s(order))
        cases.append(damaged(f"title_order: {what}", "EA_E_ORDER", at, title_order=array))
    twice = _table("title", [b"alpha", b"alpha", b"gamma"])
    hashes = [HASHES[0], HASHES[0], HASHES[2]]
    twice["title_hash"] = Array(u64s(hashes))
    twice["title_order"] = Array(u32s(sorted(range(3), key=hashes.__getitem__)))
    index = 1 if HASHES[0] < HASHES[2] else 2
    at = element("title_order", 4, index)
    cases.append(damaged("title: an id twice", "EA_E_ORDER", at, twice))

    rows = {
        "first title without rows": ([0, 5, 6], "EA_E_LIMIT", 0),
        "a title without rows": ([2, 2, 6], "EA_E_LIMIT", 1),
        "decreasing": ([2, 1, 6], "EA_E_ORDER", 1),
        "a title of 257": ([2, 259, 260], "EA_E_LIMIT", 1),
        "2**32 - 1": ([2, 5, 2**32 - 1], "EA_E_LIMIT", 2),
        "more than 2**22": ([2**22 + 1, 2**22 + 2, 2**22 + 3], "EA_E_LIMIT", 0),
    }
    for what, (ends, status, index) in rows.items():
        at = element("title_rows", 4, index)
        cases.append(damaged(f"title_rows: {what}", status, at, title_rows=Array(u32s(ends))))
    for what, ends in (("one row more", [2, 5, 7]), ("one row fewer", [2, 4, 5])):
        at = value("artwork_ends")
        array = Array(u32s(ends))
        cases.append(damaged(f"title_rows: {what}", "EA_E_LENGTH", at, title_rows=array))
    largest = {"t": [f"{i}" for i in range(256)]}
    body = fields({"titles": largest, "weights": [[0.0]] * 256})
    cases.append(accepted("a title of 256", base=body))
    return cases


def _artworks() -> list[Case]:
    ids = [b"a", b"b", b"a", b"c", b"d", b"\xc3\xa9"]
    cases = []
    for what, bad in BAD_TEXT.items():
        table = _table("artwork", [*ids[:4], bad, ids[5]])
        at = _in_text("artwork_text", 4)
        cases.append(damaged(f"artwork: {what}", "EA_E_UTF8", at, table))
    wrong: list[tuple[str, str, list[bytes], int]] = [
        ("twice in a title", "EA_E_ORDER", [b"a", b"a", *ids[2:]], 1),
        ("twice in a title, apart", "EA_E_ORDER", [*ids[:2], b"a", b"c", b"a", b"x"], 4),
        ("two titles with an id twice", "EA_E_ORDER", [b"a", b"a", b"b", b"b", b"b", b"x"], 1),
        ("not UTF-8 before one twice", "EA_E_UTF8", [b"a", b"a", *ids[2:5], b"\xff"], 5),
    ]
    for what, status, strings, delta in wrong:
        at = _in_text("artwork_text", delta)
        cases.append(damaged(f"artwork: {what}", status, at, _table("artwork", strings)))
    for what, last in (("empty id", b""), ("256 bytes", b"x" * 256)):
        table = _table("artwork", [*ids[:5], last])
        at = element("artwork_ends", 4, 5)
        cases.append(damaged(f"artwork: {what}", "EA_E_LIMIT", at, table))
    cases.append(accepted("artwork: 255 bytes", _table("artwork", [*ids[:5], b"x" * 255])))
    across = [b"a", b"b", b"a", b"b", b"c", b"a"]
    cases.append(accepted("artwork: in several titles", _table("artwork", across)))
    return cases
