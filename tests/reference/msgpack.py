# SPDX-License-Identifier: Apache-2.0
"""MessagePack, one value at a time, with the offset of everything (bundle.md §1, decision.md §3).

`Reader.read` takes the kinds of value it may meet. The order of its checks is the one that
bundle.md §8 asks for: first the type, which the first byte tells; then whether the value fits.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .refused import Refused

Payload = int | float | bool | bytes | None


@dataclass(frozen=True)
class Value:
    """One MessagePack value; of a list or map only the head, its elements follow in the bytes."""

    at: int  # offset of its first byte
    kind: str
    payload: Payload  # number, boolean, bytes; the count of elements of a list or map
    start: int  # offset of the payload of a str, bin or ext; for the rest where the value ends

    @property
    def count(self) -> int:
        """Elements of a list, entries of a map."""
        assert isinstance(self.payload, int)
        return self.payload

    @property
    def bytes(self) -> bytes:
        """What a str or bin holds."""
        assert isinstance(self.payload, bytes)
        return self.payload

    @property
    def number(self) -> int | float:
        """The number as written."""
        assert isinstance(self.payload, (int, float))
        return self.payload


_SIZED = {
    0xC4: ("bin", 1), 0xC5: ("bin", 2), 0xC6: ("bin", 4),
    0xC7: ("ext", 1), 0xC8: ("ext", 2), 0xC9: ("ext", 4),
    0xD9: ("str", 1), 0xDA: ("str", 2), 0xDB: ("str", 4),
}  # fmt: skip
_COUNTED = {0xDC: ("list", 2), 0xDD: ("list", 4), 0xDE: ("map", 2), 0xDF: ("map", 4)}
_NUMBERS = {
    0xCA: ("float32", ">f"), 0xCB: ("float64", ">d"),
    0xCC: ("uint", ">B"), 0xCD: ("uint", ">H"), 0xCE: ("uint", ">I"), 0xCF: ("uint", ">Q"),
    0xD0: ("int", ">b"), 0xD1: ("int", ">h"), 0xD2: ("int", ">i"), 0xD3: ("int", ">q"),
}  # fmt: skip
_FIXED_EXT = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


def kind_of(first: int) -> str:
    """The kind of value that starts with this byte.

    One of uint, int (the signed formats), float32, float64, bool, nil, str, bin, ext, list, map
    and never (0xc1, which MessagePack leaves without a meaning).
    """
    if first <= 0x7F:
        return "uint"
    if first <= 0x8F:
        return "map"
    if first <= 0x9F:
        return "list"
    if first <= 0xBF:
        return "str"
    if first >= 0xE0:
        return "int"
    if first in _FIXED_EXT:
        return "ext"
    simple = {0xC0: "nil", 0xC1: "never", 0xC2: "bool", 0xC3: "bool"}
    return simple.get(first) or {**_SIZED, **_COUNTED, **_NUMBERS}[first][0]


class Reader:
    """Reads data from `at` on and nothing from `end` on."""

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        """at: where to start; end: where to stop, by default the end of data."""
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end

    def peek(self) -> str:
        """The kind of the next value. Refuses with EA_E_TRUNCATED where there is none."""
        if self.at >= self.end:
            raise Refused("EA_E_TRUNCATED", self.at)
        return kind_of(self.data[self.at])

    def read(self, *kinds: str) -> Value:
        """The next value, of one of these kinds. Refuses with EA_E_TYPE or EA_E_TRUNCATED."""
        at = self.at
        kind = self.peek()
        if kind not in kinds:
            raise Refused("EA_E_TYPE", at)
        first = self.data[at]
        self.at += 1
        if first in _NUMBERS:
            form = _NUMBERS[first][1]
            number: int | float = struct.unpack(form, self._take(at, struct.calcsize(form)))[0]
            return Value(at, kind, number, self.at)
        if first in _COUNTED:
            return Value(at, kind, self._big(at, _COUNTED[first][1]), self.at)
        if first in _SIZED:
            size = self._big(at, _SIZED[first][1])
        elif first in _FIXED_EXT:
            size = _FIXED_EXT[first]
        elif kind == "str":
            size = first & 0x1F
        elif kind in ("list", "map"):
            return Value(at, kind, first & 0x0F, self.at)
        else:
            inline: dict[str, Payload] = {
                "uint": first, "int": first - 256, "bool": first == 0xC3,
            }  # fmt: skip
            return Value(at, kind, inline.get(kind), self.at)
        if kind == "ext":
            size += 1  # the byte that says which extension
        start = self.at
        return Value(at, kind, self._take(at, size), start)

    def _take(self, at: int, size: int) -> bytes:
        if size > self.end - self.at:
            raise Refused("EA_E_TRUNCATED", at)
        self.at += size
        return self.data[self.at - size : self.at]

    def _big(self, at: int, size: int) -> int:
        return int.from_bytes(self._take(at, size), "big")

    def skip(self) -> None:
        """Passes one value with all it contains, whatever it is; 0xc1 alone is refused."""
        left = 1
        while left:
            value = self.read(
                "uint", "int", "float32", "float64", "bool", "nil", "str", "bin", "ext", "list",
                "map",
            )  # fmt: skip
            left -= 1
            if value.kind == "list":
                left += value.count
            elif value.kind == "map":
                left += 2 * value.count
