# SPDX-License-Identifier: Apache-2.0
"""Makes a bundle of the one a device has and a delta (native/spec/sync.md §8.1)."""

from __future__ import annotations

import struct
import time
import zlib
from hashlib import sha256

from edgeart.errors import SyncError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAGIC = b"\x89ead\r\n\x1a\n"
CODEC = 1
HEADER_SIZE = 80
LARGEST_DATA = 65_536  # bytes of one operation
MOST_OPERATIONS = 65_536
LARGEST_RESULT = 1 << 30  # bytes
_INSERT, _COPY, _SUM_OF_BYTES, _SUM_OF_WORDS = 1, 2, 3, 4
_FED = 16_384  # compressed bytes given to the inflater at a time
# The thread gives the interpreter away this often, for this many seconds: a page that waits for it
# would wait for the interpreter's switch interval, 5 ms, otherwise.
_AT_A_TIME, _BREATH = 32, 2e-5


def apply_delta(
    base: bytes | bytearray | memoryview,
    delta: bytes,
    write: Callable[[bytes], object],
    *,
    length: int,
    digest: bytes,
) -> None:
    """Hands the result to `write`, piece by piece from the first byte to the last.

    base, delta: as they are on the device. length, digest: of the result, as it is signed: bytes,
    and SHA-256. Needs 64 KiB and the inflater's window besides them. What was written counts only
    if this returns. Raises SyncError (code "delta") for whatever the specification refuses.
    """
    if len(delta) < HEADER_SIZE or delta[:8] != MAGIC:
        raise _refused("it does not begin like a delta")
    codec, size = struct.unpack_from("<II", delta, 8)
    if codec != CODEC:
        raise _refused(f"codec {codec}, where this version knows {CODEC}")
    if (size, delta[48:80]) != (length, digest) or not 1 <= size <= LARGEST_RESULT:
        raise _refused("it makes another bundle than the one that is wanted")
    if delta[16:48] != sha256(base).digest():
        raise _refused("it starts from another bundle than the one that is here")
    result = _Result(write, length)
    _run(_Stream(memoryview(delta)[HEADER_SIZE:]), memoryview(base), result)
    if result.hash.digest() != digest:
        raise _refused("the result has another SHA-256")


class _Result:
    """What was written so far."""

    def __init__(self, write: Callable[[bytes], object], length: int) -> None:
        self.write = write
        self.left = length
        self.hash = sha256()

    def append(self, data: bytes) -> None:
        self.left -= len(data)
        self.hash.update(data)
        self.write(data)


class _Stream:
    """The inflated operations, of which no more is ever in memory than was asked for."""

    def __init__(self, compressed: memoryview) -> None:
        self._compressed = compressed
        self._at = 0
        self._inflater = zlib.decompressobj()
        self._ready = b""  # inflated, from _start on not yet taken
        self._start = 0

    def take(self, count: int) -> bytes:
        """The next count bytes. Raises SyncError where there are fewer."""
        while len(self._ready) - self._start < count:
            more = self._inflate(max(count, 4096))
            if not more:
                raise _refused("its stream ends early")
            self._ready = self._ready[self._start :] + more
            self._start = 0
        self._start += count
        return self._ready[self._start - count : self._start]

    def number(self) -> int:
        """An unsigned LEB128 below 2**32."""
        value = 0
        for shift in range(0, 35, 7):
            (byte,) = self.take(1)
            value |= (byte & 127) << shift
            if byte < 128:
                if value >> 32:
                    break
                return value
        raise _refused("a number of 2**32 or more")

    def end(self) -> None:
        """Raises SyncError unless everything has been taken."""
        if self._start < len(self._ready) or self._inflate(1):
            raise _refused("its stream goes on after the result is complete")
        if not self._inflater.eof:
            raise _refused("its stream ends early")
        if self._inflater.unused_data or self._at < len(self._compressed):
            raise _refused("something follows its stream")

    def _inflate(self, most: int) -> bytes:
        """At most so many more bytes; none at the end. Raises SyncError."""
        inflater = self._inflater
        while not inflater.eof:
            fed = inflater.unconsumed_tail
            if not fed:
                fed = bytes(self._compressed[self._at : self._at + _FED])
                self._at += len(fed)
            try:
                out = inflater.decompress(fed, most)
            except zlib.error as error:
                raise _refused(f"its stream is damaged: {error}") from error
            if out or not (fed or inflater.eof):
                return out
        return b""


def _run(stream: _Stream, base: memoryview, result: _Result) -> None:
    for operation in range(MOST_OPERATIONS):
        if not result.left:
            break
        if operation % _AT_A_TIME == 0:
            time.sleep(_BREATH)
        (kind,) = stream.take(1)
        if not _INSERT <= kind <= _SUM_OF_WORDS:
            raise _refused(f"operation {kind}")
        offset = stream.number() if kind != _INSERT else 0
        n = stream.number()
        if not 1 <= n <= (result.left if kind == _COPY else min(result.left, LARGEST_DATA)):
            raise _refused(f"an operation of {n} bytes, with {result.left} to come")
        if kind != _INSERT and offset + n > len(base):
            raise _refused(f"bytes {offset} to {offset + n} of a base of {len(base)}")
        if kind == _COPY:
            for first in range(offset, offset + n, LARGEST_DATA):
                result.append(bytes(base[first : min(first + LARGEST_DATA, offset + n)]))
        else:
            result.append(_written(kind, base[offset : offset + n], stream.take(n)))
    if result.left:
        raise _refused(f"more than {MOST_OPERATIONS} operations")
    stream.end()


def _written(kind: int, base: memoryview, data: bytes) -> bytes:
    """What one operation with data writes."""
    if kind == _INSERT:
        return data
    if kind == _SUM_OF_BYTES:
        return _sums(base, data, 1)
    if len(data) % 4:
        raise _refused(f"words in {len(data)} bytes")
    quarter = len(data) // 4
    words = bytearray(len(data))
    for plane in range(4):
        words[plane::4] = data[plane * quarter : (plane + 1) * quarter]
    return _sums(base, words, 4)


def _sums(a: memoryview, b: bytes | bytearray, width: int) -> bytes:
    """Sums of little-endian numbers of width bytes, each modulo its size, all at once.

    As one long integer: the numbers without their highest bits are added, so that nothing is
    carried from one into the next; the highest bits are added without carry. (Warren, Hacker's
    Delight, 2nd edition, §2-18.)
    """
    top = int.from_bytes((bytes(width - 1) + b"\x80") * (len(b) // width), "little")
    x, y = int.from_bytes(a, "little"), int.from_bytes(b, "little")
    low = top ^ ((1 << 8 * len(b)) - 1)
    return (((x & low) + (y & low)) ^ ((x ^ y) & top)).to_bytes(len(b), "little")


def _refused(what: str) -> SyncError:
    return SyncError(f"delta: {what}; the whole bundle is fetched instead", code="delta")
