# SPDX-License-Identifier: Apache-2.0
"""Packs values as MessagePack, arrays at multiples of 64, and any bytes where a value belongs."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


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


def put(out: bytearray, value: object) -> int:
    """Appends a value to a document; returns where the data of an array begins, else where it does.

    As `pack`, and Array as well, also in lists.
    """
    start = len(out)
    if isinstance(value, Array):
        padding = bytes(-(start + 5) % 64) if value.padding is None else value.padding
        payload = padding + value.data
        length = len(payload) if value.length is None else value.length
        out += b"\xc6" + length.to_bytes(4, "big") + payload
        return len(out) - len(value.data)
    if isinstance(value, (list, tuple)):
        out += list_head(len(value))
        for element in value:
            put(out, element)
    else:
        out += pack(value)
    return start


def list_head(count: int) -> bytes:
    """The first bytes of a list."""
    return _head(count, ((15, 0x90), (0xFFFF, 0xDC), (2**32, 0xDD)))


def map_head(count: int) -> bytes:
    """The first bytes of a map."""
    return _head(count, ((15, 0x80), (0xFFFF, 0xDE), (2**32, 0xDF)))


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
        return list_head(len(value)) + b"".join(map(pack, value))
    if isinstance(value, (Mapping, Entries)):
        items = value.items if isinstance(value, Entries) else tuple(value.items())
        return map_head(len(items)) + b"".join(pack(key) + pack(item) for key, item in items)
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
