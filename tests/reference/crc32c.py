# SPDX-License-Identifier: Apache-2.0
"""CRC-32C, the Castagnoli CRC that ends a bundle (bundle.md §2)."""

from __future__ import annotations

POLYNOMIAL = 0x82F63B78  # reflected


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = [_entry(byte) for byte in range(256)]


def crc32c(data: bytes, crc: int = 0) -> int:
    """The CRC of data, continuing from crc; 0 starts."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
