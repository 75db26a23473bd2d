# SPDX-License-Identifier: Apache-2.0
"""Buckets of units and deltas between bundles, read from sync.md §4 and §8."""

from __future__ import annotations

import hashlib
import zlib

from .siphash import H, domain

BUCKETS = 10_000
MAGIC = bytes.fromhex("896561640d0a1a0a")
BLOCK = 65_536
OPERATIONS = 65_536


class DeltaRefused(Exception):  # noqa: N818 - what a reader does, as Refused
    """These bytes are no delta from this base; the text says what is wrong."""


def bucket(use: str, unit: int, salt: str) -> int:
    """Where a unit stands from 0 to 9,999; use: `ea-roll0` for rollouts, `ea-roll1` for arms."""
    return H(unit, domain(use), salt.encode()) * BUCKETS >> 64


def apply_delta(base: bytes, data: bytes) -> bytes:
    """What the delta makes of the base. Raises DeltaRefused for each reason of §8.1."""
    if data[:8] != MAGIC or len(data) < 80:
        raise DeltaRefused("magic")
    if int.from_bytes(data[8:12], "little") != 1:
        raise DeltaRefused("codec")
    length = int.from_bytes(data[12:16], "little")
    if not 1 <= length <= 2**30:
        raise DeltaRefused("length")
    if data[16:48] != hashlib.sha256(base).digest():
        raise DeltaRefused("base")
    result = _run(base, _Stream(data[80:]), length)
    if hashlib.sha256(result).digest() != data[48:80]:
        raise DeltaRefused("result")
    return result


def _run(base: bytes, stream: _Stream, length: int) -> bytes:
    result = bytearray()
    operations = 0
    while len(result) < length:
        operations += 1
        if operations > OPERATIONS:
            raise DeltaRefused("operations")
        kind = stream.take(1)[0]
        if kind not in (1, 2, 3, 4):
            raise DeltaRefused("operation")
        offset = 0 if kind == 1 else stream.number()
        n = stream.number()
        most = length if kind == 2 else BLOCK
        if not 1 <= n <= most or (kind == 4 and n % 4):
            raise DeltaRefused("size")
        if kind != 1 and offset + n > len(base):
            raise DeltaRefused("base bytes")
        if len(result) + n > length:
            raise DeltaRefused("too long")
        old = base[offset : offset + n]
        if kind == 1:
            result += stream.take(n)
        elif kind == 2:
            result += old
        elif kind == 3:
            result += bytes((b + d) % 2**8 for b, d in zip(old, stream.take(n), strict=True))
        else:
            planes, words = stream.take(n), n // 4
            for i in range(words):
                difference = sum(planes[j * words + i] << 8 * j for j in range(4))
                word = int.from_bytes(old[4 * i : 4 * i + 4], "little")
                result += ((word + difference) % 2**32).to_bytes(4, "little")
    stream.end()
    return bytes(result)


class _Stream:
    """The inflated operations, as many bytes at a time as are asked for."""

    def __init__(self, data: bytes) -> None:
        self._inflater = zlib.decompressobj(15)
        self._left = data
        self._ready = b""

    def take(self, n: int) -> bytes:
        """Exactly n bytes."""
        while len(self._ready) < n:
            try:
                more = self._inflater.decompress(self._left, n - len(self._ready))
            except zlib.error:
                raise DeltaRefused("stream") from None
            self._left = self._inflater.unconsumed_tail
            if not more:
                raise DeltaRefused("stream ends")
            self._ready += more
        taken, self._ready = self._ready[:n], self._ready[n:]
        return taken

    def number(self) -> int:
        """An unsigned LEB128 of at most five bytes, below 2³²."""
        value = 0
        for place in range(5):
            byte = self.take(1)[0]
            value |= (byte & 127) << 7 * place
            if byte < 128:
                break
        else:
            raise DeltaRefused("number")
        if value >= 2**32:
            raise DeltaRefused("number")
        return value

    def end(self) -> None:
        """Nothing may follow, neither in the stream nor after it."""
        try:
            more = self._inflater.decompress(self._left, 1)
        except zlib.error:
            raise DeltaRefused("stream") from None
        if more or not self._inflater.eof or self._inflater.unused_data:
            raise DeltaRefused("goes on")
