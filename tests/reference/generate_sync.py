# SPDX-License-Identifier: Apache-2.0
"""Known answers of sync.md: buckets, deltas, and deltas that must be refused."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from typing import Any

from .hexed import hex64
from .sync import BLOCK, MAGIC, OPERATIONS, DeltaRefused, apply_delta, bucket

BASE = bytes(i * 7 % 256 for i in range(300)) + bytes(range(200, 250)) * 2

# A stream that needs an inflater, not only stored blocks: made once by zlib, so that no version of
# it decides what is committed. It inflates to: insert of 1,000 zeros.
DEFLATED = bytes.fromhex("78da637cc1ce300a46c12818f60000af7200f1")


def sync_vectors() -> dict[str, Any]:
    """The content of sync.json."""
    units = [0, 1, 7, 42, 2**32, 2**63, 2**64 - 1, 0x0123456789ABCDEF]
    salts = ["s", "12:row", "spring", "été", "x" * 64]
    return {
        "about": "sync.md §4 and §8. bucket: [unit, salt, ea-roll0, ea-roll1]. A delta is hex, or "
        "pieces; result is null where it must be refused, for the reason named.",
        "buckets": [
            [hex64(unit), salt, bucket("ea-roll0", unit, salt), bucket("ea-roll1", unit, salt)]
            for unit in units
            for salt in salts
        ],
        "base": BASE.hex(),
        "deltas": [
            {"name": name, "delta": _pieces(data), "result": _result(data)}
            for name, data in (*_good(), *_hostile())
        ],
    }


def stored(data: bytes) -> bytes:
    """A zlib stream of stored blocks, the same from every machine."""
    blocks = [data[i : i + 65_535] for i in range(0, len(data), 65_535)] or [b""]
    out = b"\x78\x01"
    for i, block in enumerate(blocks):
        size = len(block).to_bytes(2, "little")
        out += bytes([i == len(blocks) - 1]) + size + bytes(255 - b for b in size) + block
    return out + zlib.adler32(data).to_bytes(4, "big")


def leb(number: int, size: int = 0) -> bytes:
    """LEB128, with `size` bytes at least."""
    out: list[int] = []
    while number > 127 or len(out) + 1 < size:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def insert(data: bytes) -> bytes:
    """Operation 1."""
    return b"\x01" + leb(len(data)) + data


def copy(offset: int, n: int) -> bytes:
    """Operation 2."""
    return b"\x02" + leb(offset) + leb(n)


def sum_bytes(offset: int, data: bytes) -> bytes:
    """Operation 3."""
    return b"\x03" + leb(offset) + leb(len(data)) + data


def sum_words(offset: int, planes: bytes) -> bytes:
    """Operation 4."""
    return b"\x04" + leb(offset) + leb(len(planes)) + planes


def delta(result: bytes, stream: bytes, *, base: bytes = BASE, length: int | None = None) -> bytes:
    """A delta file around a zlib stream."""
    size = len(result) if length is None else length
    head = MAGIC + (1).to_bytes(4, "little") + size.to_bytes(4, "little")
    return head + hashlib.sha256(base).digest() + hashlib.sha256(result).digest() + stream


def _good() -> Iterator[tuple[str, bytes]]:
    def made(name: str, result: bytes, operations: bytes) -> tuple[str, bytes]:
        return name, delta(result, stored(operations))

    planes = bytes([1, 255, 0, 255, 0, 255, 2, 255])  # +0x02000001 and −1
    words = [int.from_bytes(BASE[at : at + 4], "little") for at in (3, 7)]
    sums = [(words[0] + 0x02000001) % 2**32, (words[1] - 1) % 2**32]
    yield made("insert", b"whole", insert(b"whole"))
    yield made("copy of everything", BASE, copy(0, len(BASE)))
    yield made("copies overlap and go back", BASE[9:20] + BASE[:12], copy(9, 11) + copy(0, 12))
    yield made(
        "sum of bytes, modulo 256",
        bytes((b + d) % 256 for b, d in zip(BASE[5:8], (255, 1, 128), strict=True)),
        sum_bytes(5, bytes([255, 1, 128])),
    )
    yield made(
        "sum of words in planes, at an odd offset",
        b"".join(word.to_bytes(4, "little") for word in sums),
        sum_words(3, planes),
    )
    yield made("numbers longer than need be", BASE[2:3], b"\x02" + leb(2, 5) + leb(1, 5))
    yield made("the largest insert", bytes(BLOCK), insert(bytes(BLOCK)))
    yield made("the most operations", BASE[:1] * OPERATIONS, copy(0, 1) * OPERATIONS)
    yield "compressed", delta(bytes(1000), DEFLATED)


def _hostile() -> Iterator[tuple[str, bytes]]:
    fine = delta(b"whole", stored(insert(b"whole")))

    def made(name: str, operations: bytes, length: int = 5) -> tuple[str, bytes]:
        return name, delta(b"whole", stored(operations), length=length)

    yield "empty", b""
    yield "head alone", fine[:80]
    yield "short head", fine[:79]
    yield "magic", b"\x88" + fine[1:]
    yield "codec 2", fine[:8] + b"\x02" + fine[9:]
    yield "length 0", delta(b"", stored(b""), length=0)
    yield "length above 2^30", delta(b"whole", stored(insert(b"whole")), length=2**30 + 1)
    yield "another base", delta(b"whole", stored(insert(b"whole")), base=b"other")
    yield "another result", delta(b"wholE", stored(insert(b"whole")))
    yield "longer than announced", delta(b"whole", stored(insert(b"whole")), length=4)
    yield "shorter than announced", delta(b"whole", stored(insert(b"whole")), length=6)
    yield "bytes after the stream", fine + b"\0"
    yield "stream cut", fine[:-1]
    yield "stream cut in its checksum", fine[:-4]
    yield "checksum of the stream", fine[:-1] + bytes([fine[-1] ^ 1])
    yield "stored block damaged", fine[:83] + bytes([fine[83] ^ 1]) + fine[84:]
    yield "raw deflate", delta(b"whole", stored(insert(b"whole"))[2:-4])
    yield "preset dictionary", delta(b"whole", b"\x78\x20" + stored(insert(b"whole"))[2:])
    yield "window above 32 KiB", delta(b"whole", b"\x88\x1c" + stored(insert(b"whole"))[2:])
    yield made("operation 0", b"\0" + insert(b"whole"))
    yield made("operation 5", b"\x05" + leb(0) + leb(5))
    yield made("operation after the result", insert(b"whole") + copy(0, 1))
    yield made("half an operation after the result", insert(b"whole") + b"\x01")
    yield made("insert of nothing", insert(b"") + insert(b"whole"))
    yield made("copy of nothing", copy(0, 0) + insert(b"whole"))
    yield made("copy past the base", copy(len(BASE) - 4, 5))
    yield made("copy from the base's end", copy(len(BASE), 5))
    yield made("copy from far away", copy(2**32 - 1, 5))
    yield made("copy of far too much", copy(0, 2**32 - 1))
    yield made("sum past the base", sum_bytes(len(BASE) - 4, bytes(5)))
    yield made("words past the base", sum_words(len(BASE) - 4, bytes(8)), length=8)
    yield made("words and a half", sum_words(0, bytes(5)))
    yield made("sum longer than a block", sum_bytes(0, bytes(BLOCK + 1)), length=BLOCK + 1)
    yield made("insert longer than a block", insert(bytes(BLOCK + 1)), length=BLOCK + 1)
    yield made("number of six bytes", b"\x02" + leb(0, 6) + leb(5))
    yield made("number of 2^32", b"\x02" + leb(2**32) + leb(5))
    yield made("cut in a number", b"\x02\x80")
    yield made("cut in the data", b"\x01\x05who")
    yield made("one operation too many", copy(0, 1) * (OPERATIONS + 1), length=OPERATIONS + 1)


def _result(data: bytes) -> list[list[Any]] | None:
    try:
        return _pieces(apply_delta(BASE, data))
    except DeltaRefused:
        return None


def _pieces(data: bytes) -> list[list[Any]]:
    """[[hex, times], …]: runs of one repeated short piece are told once."""
    pieces: list[list[Any]] = []
    at = plain = 0
    while at < len(data):
        found = None
        for size in (1, 3):
            piece, end = data[at : at + size], at + size
            while data[end : end + size] == piece:
                end += size
            if (end - at) // size >= 64 and (found is None or end > found[1]):
                found = (piece, end)
        if found is None:
            at += 1
            continue
        if plain < at:
            pieces.append([data[plain:at].hex(), 1])
        pieces.append([found[0].hex(), (found[1] - at) // len(found[0])])
        at = plain = found[1]
    if plain < len(data):
        pieces.append([data[plain:].hex(), 1])
    return pieces
