# SPDX-License-Identifier: Apache-2.0
"""CRC-32C and SipHash-1-3 over numpy arrays: what a bundle writer must compute itself."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]

CASTAGNOLI = 0x82F63B78


def _crc_table() -> U32:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> np.uint32(1)) ^ np.where(table & 1, np.uint32(CASTAGNOLI), np.uint32(0))
    return table


_CRC_TABLE = _crc_table()


def crc32c(data: bytes | bytearray | memoryview) -> int:
    """The CRC-32C (bundle.md §2) of `data`.

    The bytes are cut into lanes that advance together, one numpy step for one byte of every lane,
    and the lanes' remainders are then joined: a CRC is linear, so the remainder of a concatenation
    is the first remainder moved on by the second part's length, exclusive-or the second's.
    """
    size = len(data)
    if size < 4:
        state = 0xFFFFFFFF
        for byte in bytes(data):
            state = int(_CRC_TABLE[(state ^ byte) & 255]) ^ (state >> 8)
        return state ^ 0xFFFFFFFF
    length = max(64, round(size**0.5))
    lanes = -(-size // length)
    # Zeros in front change nothing in a CRC that starts at 0; starting at all ones is the same as
    # starting at 0 with the first four bytes inverted.
    padded = np.zeros(lanes * length, dtype=np.uint8)
    start = lanes * length - size
    padded[start:] = np.frombuffer(data, dtype=np.uint8)
    padded[start : start + 4] ^= 255
    # 32 further lanes of zero bytes, each starting with one bit, show how a lane's length moves it.
    columns = np.zeros((length, lanes + 32), dtype=np.uint32)
    columns[:, :lanes] = padded.reshape(lanes, length).T
    state_ = np.zeros(lanes + 32, dtype=np.uint32)
    state_[lanes:] = np.uint32(1) << np.arange(32, dtype=np.uint32)
    for column in columns:
        state_ = _CRC_TABLE[(state_ ^ column) & 255] ^ (state_ >> np.uint32(8))
    moved = state_[lanes:].tolist()
    result = 0
    for remainder in state_[:lanes].tolist():
        shifted, bit = 0, 0
        while result:
            if result & 1:
                shifted ^= moved[bit]
            result >>= 1
            bit += 1
        result = shifted ^ remainder
    return result ^ 0xFFFFFFFF


def _rotate(x: U64, bits: int) -> U64:
    rotated: U64 = (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))
    return rotated


def _round(v0: U64, v1: U64, v2: U64, v3: U64) -> tuple[U64, U64, U64, U64]:
    v0 = v0 + v1
    v2 = v2 + v3
    v1 = _rotate(v1, 13) ^ v0
    v3 = _rotate(v3, 16) ^ v2
    v0 = _rotate(v0, 32) + v3
    v2 = v2 + v1
    v3 = _rotate(v3, 21) ^ v0
    v1 = _rotate(v1, 17) ^ v2
    return v0, v1, _rotate(v2, 32), v3


def siphash13(key0: int, key1: int, messages: Sequence[bytes]) -> U64:
    """SipHash-1-3 (decision.md §2.1) of every message under one key: uint64 [len(messages)]."""
    result = np.zeros(len(messages), dtype=np.uint64)
    lengths = np.fromiter(map(len, messages), dtype=np.int64, count=len(messages))
    # Messages of equally many whole words go through the rounds together.
    order = np.argsort(lengths // 8, kind="stable")
    edges = np.flatnonzero(np.diff(lengths[order] // 8)) + 1
    for first, last in pairwise([0, *edges.tolist(), len(messages)]):
        group = order[first:last]
        if len(group):
            blocks = int(lengths[group[0]] // 8) + 1
            joined = b"".join(messages[i].ljust(blocks * 8, b"\0") for i in group.tolist())
            words = np.frombuffer(joined, dtype="<u8").reshape(-1, blocks).astype(np.uint64)
            words[:, -1] |= (lengths[group] & 255).astype(np.uint64) << np.uint64(56)
            result[group] = _sip_words(key0, key1, words)
    return result


def _sip_words(key0: int, key1: int, words: U64) -> U64:
    ones = np.ones(len(words), dtype=np.uint64)
    v0 = ones * np.uint64(key0 ^ 0x736F6D6570736575)
    v1 = ones * np.uint64(key1 ^ 0x646F72616E646F6D)
    v2 = ones * np.uint64(key0 ^ 0x6C7967656E657261)
    v3 = ones * np.uint64(key1 ^ 0x7465646279746573)
    for word in words.T:
        v3 = v3 ^ word
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 = v0 ^ word
    v2 = v2 ^ np.uint64(255)
    for _ in range(3):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    result: U64 = v0 ^ v1 ^ v2 ^ v3
    return result


def siphash13_one(key0: int, key1: int, message: bytes) -> int:
    """SipHash-1-3 of one long message, in Python integers (numpy would gain nothing)."""
    mask = 0xFFFFFFFFFFFFFFFF
    v0, v1 = key0 ^ 0x736F6D6570736575, key1 ^ 0x646F72616E646F6D
    v2, v3 = key0 ^ 0x6C7967656E657261, key1 ^ 0x7465646279746573
    blocks = len(message) // 8 + 1
    padded = bytearray(message.ljust(blocks * 8, b"\0"))
    padded[-1] = len(message) & 255
    words = [*struct.unpack(f"<{blocks}Q", padded), *[None] * 3]  # None: a finalisation round
    v2_mark = 255
    for word in words:
        if word is None:
            v2 ^= v2_mark
            v2_mark = 0
        else:
            v3 ^= word
        v0 = v0 + v1 & mask
        v2 = v2 + v3 & mask
        v1 = (v1 << 13 & mask | v1 >> 51) ^ v0
        v3 = (v3 << 16 & mask | v3 >> 48) ^ v2
        v0 = (v0 << 32 & mask | v0 >> 32) + v3 & mask
        v2 = v2 + v1 & mask
        v3 = (v3 << 21 & mask | v3 >> 43) ^ v0
        v1 = (v1 << 17 & mask | v1 >> 47) ^ v2
        v2 = v2 << 32 & mask | v2 >> 32
        if word is not None:
            v0 ^= word
    return v0 ^ v1 ^ v2 ^ v3


def domain(name: str) -> int:
    """D(name) of decision.md §2.1: eight ASCII characters as a little-endian integer."""
    return int.from_bytes(name.encode("ascii"), "little")


def title_hashes(titles: Sequence[str]) -> U64:
    """The title hash (decision.md §2.2) of every id: uint64 [len(titles)]."""
    return siphash13(domain("ea-title"), 0, [title.encode() for title in titles])
