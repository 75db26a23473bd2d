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
        # of format 2, which is taken where one of these, thompson or ucb is there:
        "tower": [                                       # rows: one for each input
            ["relu", 16, "f32", [[…], […]], bias],
            ["tanh", 8, "i8", [[…], […]], scales, bias],
        ],
        "cells": ["salt", ["holdback", 0.01, ["fixed", 0.0]]],
        "attributes": ["mature"], "masks": [0, 1],       # R masks
        "title_scale": […],                              # T factors
        "variance": {"codes": [[…], […]], "scale": 1.0}, # R rows of k codes
        "format": 2,                                     # even if 1 would do
    })

Nothing is checked: what the description says is what the bytes say. `fields` gives the body as
an editable list, `assemble` makes a document of any such list, and `Raw` puts any bytes where a
value is expected, so that every field can be damaged with all the rest intact. `build` tells as
well where every field came to stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .crc32c import crc32c
from .packing import Array, Entries, Raw, f32s, i8s, map_head, pack, put, u16s, u32s, u64s
from .siphash import title_hash

__all__ = [
    "MAGIC", "Array", "Description", "Document", "Entries", "Field", "Place", "Raw", "assemble",
    "build", "f32s", "fields", "fix_crc", "format_of", "i8s", "pack", "replace", "rows_of", "u16s",
    "u32s", "u64s", "width", "write",
]  # fmt: skip

Description = Mapping[str, Any]
Field = tuple[str, object]
MAGIC = bytes.fromhex("94a765646765617274")


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


def rows_of(kind: str, rows: Iterable[Sequence[Any]], width_: int) -> Array:
    """Rows of elements, `f32`, `i8` or codes of variances, each filled up with zeros."""
    stride = -(-width_ // 8) * 8 if kind == "f32" else -(-width_ // 16) * 16
    flat = [element for row in rows for element in [*row, *[0] * (stride - len(row))]]
    if kind == "f32":
        return Array(f32s(flat))
    return Array(i8s(flat) if kind == "i8" else bytes(flat))


def _layer(layer: Sequence[Any]) -> list[Any]:
    activation, outputs, kind, rows, *floats = layer
    arrays = [Array(f32s(its)) for its in floats]
    return [activation, outputs, kind, rows_of(kind, rows, outputs), *arrays]


FORMAT_2 = ("tower", "cells", "attributes", "masks", "title_scale", "variance")


def format_of(description: Description) -> int:
    """The lowest format that can say this, or the one that is asked for."""
    explorer = description.get("explorer", ["greedy"])[0]
    needed = explorer in ("thompson", "ucb") or any(description.get(key) for key in FORMAT_2)
    asked: int = description.get("format", 2 if needed else 1)
    return asked


def fields(description: Description) -> list[Field]:
    """The body's keys and values in order: arrays as `Array`, the rest as `pack` takes it."""
    features = [_feature(feature) for feature in description.get("features", [])]
    words = [word for _, _, vocabulary in features for word in vocabulary]
    word_order = [
        index
        for _, _, vocabulary in features
        for index in sorted(range(len(vocabulary)), key=lambda i: vocabulary[i].encode("utf-8"))
    ]
    tower = description.get("tower", [])
    k = tower[-1][1] if tower else 1 + sum(slots for _, slots, _ in features)
    titles: dict[str, list[str]] = dict(description.get("titles", {}))
    hashes = [title_hash(title) for title in titles]
    artworks = [artwork for its in titles.values() for artwork in its]
    rows = description.get("rows", "f32")
    variance = description.get("variance")
    new = format_of(description) > 1
    body: list[tuple[bool, Field]] = [
        (True, ("name", description.get("name", "policy"))),
        (True, ("sequence", description.get("sequence", 1))),
        (True, ("meta", description.get("meta", {}))),
        (True, ("explorer", description.get("explorer", ["greedy", 0.0]))),
        (new, ("cells", description.get("cells", [""]))),
        (True, ("features", [written for written, _, _ in features])),
        *((True, field) for field in _table("word", words)),
        (True, ("word_order", Array(u16s(word_order)))),
        (True, ("tower", [_layer(layer) for layer in tower])),
        (True, ("k", k)),
        (new, ("attributes", description.get("attributes", []))),
        *((True, field) for field in _table("title", list(titles))),
        (True, ("title_hash", Array(u64s(hashes)))),
        (True, ("title_order", Array(u32s(sorted(range(len(hashes)), key=hashes.__getitem__))))),
        (True, ("title_rows", _ends(map(len, titles.values())))),
        (new, ("title_scale", Array(f32s(description.get("title_scale", []))))),
        *((True, field) for field in _table("artwork", artworks)),
        (new, ("masks", Array(u32s(description.get("masks", []))))),
        (True, ("rows", rows)),
        (True, ("weights", rows_of(rows, description.get("weights", []), k))),
        (rows == "i8", ("scales", Array(f32s(description.get("scales", []))))),
        (True, ("bias", Array(f32s(description.get("bias", [0.0] * len(artworks)))))),
        (new, ("variance", "e5m3" if variance else "none")),
    ]
    if variance:
        codes = rows_of("codes", variance["codes"], k)
        body.append((True, ("variance_codes", codes)))
        body.append((True, ("variance_scale", Array(f32s([variance["scale"]])))))
    vectors = [[context, check] for context, check in description.get("vectors", [])]
    return [*(field for there, field in body if there), ("vectors", vectors)]


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
    version: object = None,
    tail: bytes = b"",
) -> Document:
    """A document with this body and the right checksum, and where everything is in it.

    count: another number of entries in the body's head. version: the format, by default the one
    that has these keys. tail: bytes between body and checksum.
    """
    if version is None:
        version = 2 if "cells" in dict(body) else 1
    out = bytearray(magic + pack(version))
    start = len(out)
    out += map_head(len(body) if count is None else count)
    places = {}
    for key, value in body:
        key_at = len(out)
        out += pack(key)
        value_at = len(out)
        data_at = put(out, value)
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
