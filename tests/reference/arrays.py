# SPDX-License-Identifier: Apache-2.0
"""What a bundle builds from MessagePack: keys, strings, arrays and string tables (bundle.md §3)."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from . import limits
from .binary import from_bits32, is_clean
from .msgpack import Reader, Value
from .refused import Refused

NAME_FIRST = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
NAME_REST = NAME_FIRST + b"._-"
STRIDES = {"f32": 8, "i8": 16}
"""Of what the length of a row is a multiple, by the kind of its elements."""


def check_utf8(text: bytes, at: int) -> None:
    """Refuses text, the string at this offset, if it is not UTF-8; Python's decoder is strict."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("EA_E_UTF8", at) from error


@dataclass(frozen=True)
class Integers:
    """An array of unsigned integers with the offset of each."""

    start: int
    size: int  # bytes of one
    values: tuple[int, ...]

    def offset(self, index: int) -> int:
        """Offset of one element."""
        return self.start + self.size * index

    def check_ascending(self, first: int, count: int, keys: Sequence[Any]) -> None:
        """Refuses unless elements first… are indices that put keys into strict ascent."""
        for position in range(first, first + count):
            index = self.values[position]
            if index >= count:
                raise Refused("EA_E_ORDER", self.offset(position))
            if position > first and not keys[self.values[position - 1]] < keys[index]:
                raise Refused("EA_E_ORDER", self.offset(position))


Rows = tuple[tuple[float, ...], ...]
"""Rows of stride elements; codes are integers."""


def _split(values: Sequence[float], stride: int) -> Rows:
    return tuple(tuple(values[at : at + stride]) for at in range(0, len(values), stride))


@dataclass(frozen=True)
class Table:
    """A string table with the offset of each string."""

    strings: tuple[bytes, ...]
    offsets: tuple[int, ...]


class BundleReader(Reader):
    """Reads the constructs of a bundle, each with the checks of bundle.md §8 in their order."""

    def string(self, least: int, most: int) -> Value:
        """A str of least to most bytes: type, end, limit, UTF-8."""
        value = self.read("str")
        if not least <= len(value.bytes) <= most:
            raise Refused("EA_E_LIMIT", value.at)
        check_utf8(value.bytes, value.at)
        return value

    def key(self, expected: str) -> None:
        """The next key of the body."""
        value = self.read("str")
        check_utf8(value.bytes, value.at)
        if value.bytes != expected.encode():
            raise Refused("EA_E_KEY", value.at)

    def name(self) -> Value:
        """The name of a policy or of a cell."""
        value = self.string(1, limits.NAME_LENGTH)
        text = value.bytes
        if text[0] not in NAME_FIRST or any(byte not in NAME_REST for byte in text):
            raise Refused("EA_E_RANGE", value.at)
        return value

    def word(self, *words: str) -> tuple[str, int]:
        """One of these words, and its offset."""
        value = self.string(0, limits.DOCUMENT_BYTES)
        text = value.bytes.decode()
        if text not in words:
            raise Refused("EA_E_KEY", value.at)
        return text, value.at

    def kind(self, entry: Value, known: Collection[str]) -> str:
        """The first element of a `[kind, …]`, before the number of elements is judged."""
        if entry.count == 0:
            raise Refused("EA_E_TYPE", entry.at)
        value = self.string(0, limits.DOCUMENT_BYTES)
        kind = value.bytes.decode()
        if kind not in known:
            raise Refused("EA_E_UNSUPPORTED", value.at)
        return kind

    def unsigned(self, least: int, most: int, status: str) -> int:
        """An unsigned integer; status is given for one outside of least to most."""
        value = self.read("uint")
        assert isinstance(value.payload, int)
        if not least <= value.payload <= most:
            raise Refused(status, value.at)
        return value.payload

    def float64(self, least: float, most: float) -> float:
        """A binary64 from least to most, neither NaN nor −0."""
        value = self.read("float64")
        x = value.payload
        assert isinstance(x, float)
        negative_zero = x == 0 and math.copysign(1.0, x) < 0
        if negative_zero or not least <= x <= most:  # a comparison with NaN is false
            raise Refused("EA_E_RANGE", value.at)
        return x

    def array(
        self, size: int, count: int | Collection[int] | None, most: int = 0
    ) -> tuple[int, bytes]:
        """Offset and data of an array of count elements of size bytes, or of one of these counts.

        Without count the array's length is the count, and at most `most`.
        """
        at = self.at
        if self.peek() != "bin" or self.data[at] != 0xC6:
            raise Refused("EA_E_TYPE", at)
        value = self.read("bin")
        padding = -value.start % 64
        length = len(value.bytes) - padding
        counts = (count,) if isinstance(count, int) else count
        if length < 0 or length % size or (counts is not None and length // size not in counts):
            raise Refused("EA_E_LENGTH", at)
        if count is None and length // size > most:
            raise Refused("EA_E_LIMIT", at)
        for index, byte in enumerate(value.bytes[:padding]):
            if byte:
                raise Refused("EA_E_PADDING", value.start + index)
        return value.start + padding, value.bytes[padding:]

    def integers(self, size: int, count: int | Collection[int] | None, most: int = 0) -> Integers:
        """An array of unsigned integers."""
        start, data = self.array(size, count, most)
        values = (data[at : at + size] for at in range(0, len(data), size))
        return Integers(start, size, tuple(int.from_bytes(value, "little") for value in values))

    def floats(self, count: int | Collection[int], least: float = -math.inf) -> tuple[float, ...]:
        """An array of clean binary32, none below least."""
        array = self.integers(4, count)
        for index, bits in enumerate(array.values):
            if not is_clean(bits) or from_bits32(bits) < least:
                raise Refused("EA_E_RANGE", array.offset(index))
        return tuple(from_bits32(bits) for bits in array.values)

    def rows(self, kind: str, count: int, k: int) -> Rows:
        """Rows of k weights and zeros up to the stride, `f32` or `i8`."""
        return self.float_rows(count, k) if kind == "f32" else self.code_rows(count, k)

    def float_rows(self, count: int, k: int) -> Rows:
        """Rows of k clean binary32 and zeros up to a multiple of 8."""
        stride = -(-k // STRIDES["f32"]) * STRIDES["f32"]
        array = self.integers(4, count * stride)
        for index, bits in enumerate(array.values):
            if index % stride >= k and bits:
                raise Refused("EA_E_PADDING", array.offset(index))
            if not is_clean(bits):
                raise Refused("EA_E_RANGE", array.offset(index))
        return _split([from_bits32(bits) for bits in array.values], stride)

    def code_rows(self, count: int, k: int, *, signed: bool = True) -> Rows:
        """Rows of k codes, signed from −127 to 127, and zeros up to a multiple of 16."""
        stride = -(-k // STRIDES["i8"]) * STRIDES["i8"]
        array = self.integers(1, count * stride)
        for index, code in enumerate(array.values):
            if index % stride >= k and code:
                raise Refused("EA_E_PADDING", array.offset(index))
            if signed and code == 128:  # −128
                raise Refused("EA_E_RANGE", array.offset(index))
        return _split(
            [code - 256 if signed and code > 128 else code for code in array.values], stride
        )

    def table(
        self, name: str, longest: int, *, least: int, count: int | None = None, most: int = 0
    ) -> Table:
        """The two fields of a string table whose strings have least to longest bytes."""
        self.key(f"{name}_ends")
        ends = self.integers(4, count, most)
        self.key(f"{name}_text")
        text = self.read("bin")
        previous = 0
        for index, end in enumerate(ends.values):
            if end < previous:
                raise Refused("EA_E_ORDER", ends.offset(index))
            if not least <= end - previous <= longest:
                raise Refused("EA_E_LIMIT", ends.offset(index))
            previous = end
        if previous != len(text.bytes):
            raise Refused("EA_E_LENGTH", text.at)
        strings: list[bytes] = []
        offsets: list[int] = []
        previous = 0
        for end in ends.values:
            string, at = text.bytes[previous:end], text.start + previous
            check_utf8(string, at)
            strings.append(string)
            offsets.append(at)
            previous = end
        return Table(tuple(strings), tuple(offsets))
