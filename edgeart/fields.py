# SPDX-License-Identifier: Apache-2.0
"""Cuts a context map into its fields without decoding them, and joins some of them again."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# By a value's first byte, what follows it: so many bytes; or as many as a count of so many bytes
# says, and so many more; or so many values for each of the count.
_SIZES = {
    0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1,
    0xD1: 2, 0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
_COUNTED = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1),
            0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)}  # fmt: skip
_NESTED = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def split(packed: bytes) -> dict[bytes, tuple[bytes, bytes]]:
    """Key to packed key and packed value, for a map that the core has encoded.

    Of any depth and any size that a context may have. A key that is repeated, which only an
    undeclared one may be, is there once.
    """
    count, at = _head(packed, 0)
    fields = {}
    for _ in range(count // 2):
        value = _end(packed, at)
        end = _end(packed, value)
        fields[_text(packed[at:value])] = (packed[at:value], packed[value:end])
        at = end
    return fields


def join(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The packed map of some fields."""
    parts = [key + value for key, value in fields]
    return b"\xde" + len(parts).to_bytes(2, "big") + b"".join(parts)


def _text(packed: bytes) -> bytes:
    """The bytes of a packed string."""
    first = packed[0]
    return packed[1 + (_COUNTED[first][0] if first in _COUNTED else 0) :]


def _head(data: bytes, at: int) -> tuple[int, int]:
    """How many values lie inside the value at an offset, and where what follows its head begins."""
    first = data[at]
    at += 1
    if first in _NESTED:
        size, each = _NESTED[first]
        return int.from_bytes(data[at : at + size], "big") * each, at + size
    if first in _COUNTED:
        size, more = _COUNTED[first]
        return 0, at + size + int.from_bytes(data[at : at + size], "big") + more
    if 0x80 <= first < 0x90:
        return (first & 15) * 2, at
    if 0x90 <= first < 0xA0:
        return first & 15, at
    if 0xA0 <= first < 0xC0:
        return 0, at + (first & 31)
    return 0, at + _SIZES.get(first, 0)


def _end(data: bytes, at: int) -> int:
    """The offset behind the value at an offset."""
    waiting = 1
    while waiting:
        inside, at = _head(data, at)
        waiting += inside - 1
    return at
