# SPDX-License-Identifier: Apache-2.0
"""Writes bundles from a plain description, good ones and, for hostile inputs, damaged ones.

    data = write({
        "name": "row",                                   # default "policy"
        "sequence": 1,                                   # default 1
        "meta": {"made": "by hand"},                     # default {}
        "explorer": ["softmax", 0.01, 0.5],              # default ["greedy", 0.0]
        "features": [                                    # default []
            ["number", "hour", 12.0, 6.0, 8.0, True],    # centre, scale, clip, indicator
            ["category", "country", ["US", "GB"]],
            ["weights", "taste", ["comedy", "romance"]],
            ["vector", "embedding", 16, 1024.0],         # length, clip
        ],
        "titles": {"title-7": ["couple", "laugh"]},      # artworks; the first is the default
        "rows": "i8",                                    # or "f32", which is the default
        "weights": [[…], […]],                           # R rows of k: floats, or codes for i8
        "scales": […],                                   # R; only for i8
        "bias": […],                                     # R; default zeros
        "vectors": [(context_map, hash)],                # default []
    })

Nothing is checked: what the description says is what the bytes say. `fields` gives the body as
an editable list, `assemble` makes a document of any such list, and `Raw` puts any bytes where a
value is expected, so that every field can be damaged with all the rest intact. `build` tells as
well where every field came to stand.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .crc32c import crc32c
from .siphash import title_hash

Description = Mapping[str, Any]
Field = tuple[str, object]
MAGIC = bytes.fromhex("94a765646765617274")


@dataclass(frozen=True)
class Raw:
    """Bytes that stand in the document as they are."""

    data: bytes


@dataclass(frozen=True)
class Array:
    """The data of a bundle.md §3 array; padding is what the place in the document asks for.

    padding: other padding than that. length: another payload length than the true one.
    """

    data: bytes
    padding: bytes | None = None
    length: int | None = None


@dataclass(frozen=True)
class Entries:
    """A map as a sequence of entries, so that keys may repeat and stand in any order."""

    items: tuple[tuple[object, object], ...]


def pack(value: object) -> bytes:
    """One value as MessagePack in its shortest form; a float as float 64.

    None, bool, int, float, str, bytes, list or tuple, dict or Entries, Raw.
    """
    if isinstance(value, Raw):
        return value.data
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return _pack_int(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        return _head(len(text), ((31, 0xA0), (0xFF, 0xD9), (0xFFFF, 0xDA), (2**32, 0xDB))) + text
    if isinstance(value, bytes):
        return _head(len(value), ((0xFF, 0xC4), (0xFFFF, 0xC5), (2**32, 0xC6))) + value
    if isinstance(value, (list, tuple)):
        head = _head(len(value), ((15, 0x90), (0xFFFF, 0xDC), (2**32, 0xDD)))
        return head + b"".join(map(pack, value))
    if isinstance(value, (Mapping, Entries)):
        items = value.items if isinstance(value, Entries) else tuple(value.items())
        head = _head(len(items), ((15, 0x80), (0xFFFF, 0xDE), (2**32, 0xDF)))
        return head + b"".join(pack(key) + pack(item) for key, item in items)
    raise TypeError(f"no MessagePack form for {type(value).__name__}")


def _head(count: int, forms: Sequence[tuple[int, int]]) -> bytes:
    """The first bytes of what has a count; each form is its largest count and its first byte."""
    for largest, first in forms:
        if count <= largest:
            if largest < 0x20:
                return bytes([first | count])
            return bytes([first]) + count.to_bytes({0xFF: 1, 0xFFFF: 2}.get(largest, 4), "big")
    raise ValueError(f"{count} is too large for MessagePack")


def _pack_int(value: int) -> bytes:
    if -32 <= value < 128:
        return struct.pack("b", value) if value < 0 else bytes([value])
    if value >= 0:
        for size, first in ((1, 0xCC), (2, 0xCD), (4, 0xCE), (8, 0xCF)):
            if value < 256**size:
                return bytes([first]) + value.to_bytes(size, "big")
    for size, first in ((1, 0xD0), (2, 0xD1), (4, 0xD2), (8, 0xD3)):
        if -(256**size) // 2 <= value < 0:
            return bytes([first]) + value.to_bytes(size, "big", signed=True)
    raise ValueError(f"{value} is too large for MessagePack")


def u16s(values: Iterable[int]) -> bytes:
    """Little-endian u16."""
    return b"".join(value.to_bytes(2, "little") for value in values)


def u32s(values: Iterable[int]) -> bytes:
    """Little-endian u32."""
    return b"".join(value.to_bytes(4, "little") for value in values)


def u64s(values: Iterable[int]) -> bytes:
    """Little-endian u64."""
    return b"".join(value.to_bytes(8, "little") for value in values)


def f32s(values: Iterable[float]) -> bytes:
    """Little-endian binary32."""
    return b"".join(struct.pack("<f", value) for value in values)


def i8s(values: Iterable[int]) -> bytes:
    """Signed bytes."""
    return b"".join(struct.pack("b", value) for value in values)


def _ends(lengths: Iterable[int]) -> Array:
    ends, end = [], 0
    for length in lengths:
        end += length
        ends.append(end)
    return Array(u32s(ends))


def _table(name: str, strings: Sequence[str]) -> list[Field]:
    texts = [string.encode("utf-8") for string in strings]
    return [(f"{name}_ends", _ends(map(len, texts))), (f"{name}_text", b"".join(texts))]


def _feature(feature: Sequence[Any]) -> tuple[list[Any], int, list[str]]:
    """A described feature as it stands in the bundle, its width and its words."""
    kind, name, *rest = feature
    if kind == "category":
        return [kind, name, len(rest[0])], len(rest[0]) + 1, list(rest[0])
    if kind == "weights":
        return [kind, name, len(rest[0])], len(rest[0]), list(rest[0])
    if kind == "vector":
        return [kind, name, *rest], rest[0], []
    return [kind, name, *rest], 2 if rest[3] else 1, []


def width(feature: Sequence[Any]) -> int:
    """Slots of a described feature."""
    return _feature(feature)[1]


def fields(description: Description) -> list[Field]:
    """The body's keys and values in order: arrays as `Array`, the rest as `pack` takes it."""
    features = [_feature(feature) for feature in description.get("features", [])]
    words = [word for _, _, vocabulary in features for word in vocabulary]
    word_order = [
        index
        for _, _, vocabulary in features
        for index in sorted(range(len(vocabulary)), key=lambda i: vocabulary[i].encode("utf-8"))
    ]
    k = 1 + sum(slots for _, slots, _ in features)
    titles: dict[str, list[str]] = dict(description.get("titles", {}))
    hashes = [title_hash(title) for title in titles]
    artworks = [artwork for its in titles.values() for artwork in its]
    rows = description.get("rows", "f32")
    stride = -(-k // 8) * 8 if rows == "f32" else -(-k // 16) * 16
    padded = [list(row) + [0] * (stride - len(row)) for row in description.get("weights", [])]
    flat = [element for row in padded for element in row]
    body: list[Field] = [
        ("name", description.get("name", "policy")),
        ("sequence", description.get("sequence", 1)),
        ("meta", description.get("meta", {})),
        ("explorer", description.get("explorer", ["greedy", 0.0])),
        ("features", [written for written, _, _ in features]),
        *_table("word", words),
        ("word_order", Array(u16s(word_order))),
        ("tower", []),
        ("k", k),
        *_table("title", list(titles)),
        ("title_hash", Array(u64s(hashes))),
        ("title_order", Array(u32s(sorted(range(len(hashes)), key=hashes.__getitem__)))),
        ("title_rows", _ends(map(len, titles.values()))),
        *_table("artwork", artworks),
        ("rows", rows),
        ("weights", Array(f32s(flat) if rows == "f32" else i8s(flat))),
        ("bias", Array(f32s(description.get("bias", [0.0] * len(artworks))))),
        ("vectors", [[context, check] for context, check in description.get("vectors", [])]),
    ]
    if rows == "i8":
        body.insert(-2, ("scales", Array(f32s(description["scales"]))))
    return body


@dataclass(frozen=True)
class Place:
    """Where a field came to stand in a document, in bytes from its start."""

    key: int
    value: int
    data: int  # where the data of an array begins, after the padding; else as value
    end: int


@dataclass(frozen=True)
class Document:
    """A bundle's bytes and the places of its fields."""

    data: bytes
    body: int  # offset of the body's head
    places: Mapping[str, Place]


def build(
    body: Sequence[Field],
    *,
    count: int | None = None,
    magic: bytes = MAGIC,
    version: object = 1,
    tail: bytes = b"",
) -> Document:
    """A document with this body and the right checksum, and where everything is in it.

    count: another number of entries in the body's head. tail: bytes between body and checksum.
    """
    out = bytearray(magic + pack(version))
    start = len(out)
    size = len(body) if count is None else count
    out += _head(size, ((15, 0x80), (0xFFFF, 0xDE), (2**32, 0xDF)))
    places = {}
    for key, value in body:
        key_at = len(out)
        out += pack(key)
        value_at = data_at = len(out)
        if isinstance(value, Array):
            padding = bytes(-(len(out) + 5) % 64) if value.padding is None else value.padding
            payload = padding + value.data
            length = len(payload) if value.length is None else value.length
            out += b"\xc6" + length.to_bytes(4, "big") + payload
            data_at = len(out) - len(value.data)
        else:
            out += pack(value)
        places[key] = Place(key_at, value_at, data_at, len(out))
    return Document(fix_crc(bytes(out) + tail + b"\xce\0\0\0\0"), start, places)


def assemble(body: Sequence[Field]) -> bytes:
    """The bytes of a document with this body and the right checksum."""
    return build(body).data


def write(description: Description) -> bytes:
    """The bundle of a description."""
    return assemble(fields(description))


def replace(body: Sequence[Field], /, **values: object) -> list[Field]:
    """The body with other values for some of its keys."""
    unknown = values.keys() - {key for key, _ in body}
    if unknown:
        raise KeyError(f"the body has no {sorted(unknown)}")
    return [(key, values.get(key, value)) for key, value in body]


def fix_crc(data: bytes) -> bytes:
    """The document with its last four bytes made the checksum of what is before the last five."""
    return data[:-4] + crc32c(data[:-5]).to_bytes(4, "big")
