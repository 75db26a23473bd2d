# SPDX-License-Identifier: Apache-2.0
"""Hostile bundles whose frame is damaged: magic, format, checksum, ends (bundle.md §2, §8)."""

from __future__ import annotations

from typing import Any

from .crc32c import crc32c
from .hostile_parts import F32, I8, Case, raw, wide
from .write import MAGIC, Document, Field, Raw, build, fix_crc

GOOD = build(I8)


def _closed(data: bytes) -> bytes:
    """The bytes with a right checksum behind them."""
    return fix_crc(data + b"\xce\0\0\0\0")


def document_cases() -> list[Case]:
    """Everything outside the body, and the body's head and keys."""
    return [*_beginnings(), *_versions(), *_checksums(), *_cuts(), *_keys()]


def _beginnings() -> list[Case]:
    data = GOOD.data
    cases = [raw("no bytes", b"", "EA_E_TRUNCATED", 0)]
    cases += [raw(f"magic cut at {n}", MAGIC[:n], "EA_E_TRUNCATED", 0) for n in range(1, 9)]
    others = {
        "a list of three": b"\x93" + data[1:],
        "a list of four as array 16": b"\xdc\x00\x04" + data[1:],
        "magic as str 8": b"\x94\xd9\x07" + data[2:],
        "magic in capitals": b"\x94\xa7EDGEART" + data[9:],
        "magic with another last letter": b"\x94\xa7edgearu" + data[9:],
        "one wrong byte": b"\x00",
        "eight bytes, the last wrong": MAGIC[:7] + b"x",
        "text": b"edgeart bundle, or is it?",
        "zeros": bytes(100),
    }
    return cases + [raw(name, bytes_, "EA_E_MAGIC", 0) for name, bytes_ in others.items()]


def _versions() -> list[Case]:
    cases = [
        raw("no format", MAGIC, "EA_E_TRUNCATED", 9),
        raw("format cut", MAGIC + b"\xcd\x00", "EA_E_TRUNCATED", 9),
    ]
    for version in (0, 3, 127, 255, 2**16, 2**32, 2**64 - 1):
        data = build(I8, version=version).data
        cases.append(raw(f"format {version}", data, "EA_E_VERSION", 9))
    newer = GOOD.data[:9] + b"\x03" + GOOD.data[10:]
    cases.append(raw("format 3 and a wrong checksum", newer, "EA_E_VERSION", 9))
    cases.append(raw("format 3 and nothing more", newer[:10], "EA_E_VERSION", 9))
    types = {
        "nil": b"\xc0", "-1": b"\xff", "int 8": b"\xd0\x01", "boolean": b"\xc3",
        "a string": b"\xa11", "float 64": b"\xcb\x3f\xf0" + bytes(6), "a list": b"\x91\x01",
        "0xc1": b"\xc1",
    }  # fmt: skip
    for name, form in types.items():
        cases.append(raw(f"format is {name}", build(I8, version=Raw(form)).data, "EA_E_TYPE", 9))
    for name, form in (("uint 8", b"\xcc\x01"), ("uint 64", wide(1))):
        cases.append(raw(f"format 1 as {name}", build(I8, version=Raw(form)).data, "EA_OK", 0))
    return cases


def _checksums() -> list[Case]:
    data = GOOD.data
    end = len(data) - 5
    crc = data[-4:]
    wrong = {
        "the last bit flipped": (data[:-1] + bytes([data[-1] ^ 1]), end),
        "a bit in the body flipped": (data[:700] + bytes([data[700] ^ 4]) + data[701:], end),
        "checksum of zero": (data[:-4] + bytes(4), end),
        "little-endian checksum": (data[:-4] + crc[::-1], end),
        "checksum over its own first byte": (
            data[:-4] + crc32c(data[:-4]).to_bytes(4, "big"),
            end,
        ),
        "one byte behind": (data + b"\0", end + 1),
        "twice the bundle": (data * 2, len(data) + end),
        "the last byte cut": (data[:-1], end - 1),
        "half the bundle": (data[: len(data) // 2], len(data) // 2 - 5),
    }
    cases = [raw(f"checksum: {n}", d, "EA_E_CRC", at) for n, (d, at) in wrong.items()]
    for name, first in (("uint 64", b"\xcf"), ("int 32", b"\xd2"), ("float 32", b"\xca")):
        changed = data[:-5] + first + crc
        cases.append(raw(f"checksum as {name}", changed, "EA_E_CRC", end))
    for name, short in (
        ("nothing", b""),
        ("a byte", b"\xde"),
        ("half a checksum", b"\xce" + crc[:3]),
    ):
        cases.append(raw(f"format and {name} more", data[:10] + short, "EA_E_TRUNCATED", 10))
    cases.append(raw("a frame without body", _closed(data[:10]), "EA_E_TRUNCATED", 10))
    tails = (("nil", b"\xc0"), ("another key", b"\xa1x\x01"), ("a checksum", b"\xce" + crc))
    for name, tail in tails:
        bytes_ = build(I8, tail=tail).data
        cases.append(raw(f"behind the body: {name}", bytes_, "EA_E_TRAILING", end))
    return cases


def _cuts() -> list[Case]:
    """Cut before each key, before each value and before the last byte of each value."""
    cases = []
    for name, place in GOOD.places.items():
        for what, at, offset in (
            ("before key", place.key, place.key),
            ("inside key", place.value - 1, place.key),
            ("before value of", place.value, place.value),
        ):
            cut = _closed(GOOD.data[:at])
            cases.append(raw(f"cut {what} {name}", cut, "EA_E_TRUNCATED", offset))
        if name not in ("meta", "explorer", "features", "tower", "k", "sequence", "vectors"):
            cut = _closed(GOOD.data[: place.end - 1])
            cases.append(raw(f"cut inside {name}", cut, "EA_E_TRUNCATED", place.value))
    return cases


def _rekeyed(body: list[Field], old: str, new: object) -> Document:
    changed: list[Any] = [(new if name == old else name, value) for name, value in body]
    return build(changed)


def _keys() -> list[Case]:
    cases = []
    for name, place in GOOD.places.items():
        data = bytearray(GOOD.data)
        data[place.key + 1] ^= 0x20
        cases.append(
            raw(f"key {name} in another case", fix_crc(bytes(data)), "EA_E_KEY", place.key)
        )
    for index in (0, 8, 20):
        body = list(I8)
        body[index], body[index + 1] = body[index + 1], body[index]
        document = build(body)
        at = document.places[body[index][0]].key
        cases.append(raw(f"key {body[index][0]} too early", document.data, "EA_E_KEY", at))
    without = build([entry for entry in I8 if entry[0] != "meta"])
    cases.append(raw("no meta", without.data, "EA_E_KEY", without.places["explorer"].key))
    name_at = GOOD.places["name"].key
    forms: list[tuple[str, object, str]] = [
        ("bytes", b"name", "EA_E_TYPE"),
        ("a number", 1, "EA_E_TYPE"),
        ("nil", None, "EA_E_TYPE"),
        ("0xc1", Raw(b"\xc1"), "EA_E_TYPE"),
        ("not UTF-8", Raw(b"\xa4nam\xff"), "EA_E_UTF8"),
        ("longer", "names", "EA_E_KEY"),
        ("empty", "", "EA_E_KEY"),
        ("a huge string", Raw(b"\xdb\xff\xff\xff\xff"), "EA_E_TRUNCATED"),
    ]
    for what, form, status in forms:
        data_ = _rekeyed(I8, "name", form).data
        cases.append(raw(f"first key is {what}", data_, status, name_at))
    long_key = _rekeyed(I8, "name", Raw(b"\xd9\x04name")).data
    cases.append(raw("first key as str 8", long_key, "EA_OK", 0))

    at = GOOD.body
    for count in (0, 1, 15, 20, 23, 65_535, 2**32 - 1):
        data_ = build(I8, count=count).data
        cases.append(raw(f"a body of {count} keys", data_, "EA_E_TYPE", at))
    for what, head in (("a list", b"\xdc\x00\x16"), ("nil", b"\xc0"), ("ext", b"\xc7\x02\x00")):
        data_ = fix_crc(GOOD.data[:at] + head + GOOD.data[at + 3 :])
        cases.append(raw(f"the body is {what}", data_, "EA_E_TYPE", at))
    head32 = fix_crc(GOOD.data[:at] + b"\xdf\0\0\0\x16" + GOOD.data[at + 3 :])
    cases.append(_shifted_body(head32))
    for what, body, count in (("i8 and 21", I8, 21), ("f32 and 22", F32, 22)):
        document = build(body, count=count)
        cases.append(raw(f"rows {what} keys", document.data, "EA_E_TYPE", at))
    return cases


def _shifted_body(data: bytes) -> Case:
    """The head as map 32 moves all by two bytes, so that the first array's padding is wrong."""
    at = GOOD.places["word_ends"].value + 2
    return raw("all moved by two bytes", data, "EA_E_LENGTH", at)
