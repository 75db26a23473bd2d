# SPDX-License-Identifier: Apache-2.0
"""The checksum of bundles and segments, and hashes of titles and units, by the compiled core."""

# The modules of this package share its private names.
# ruff: noqa: SLF001

from __future__ import annotations

from edgeart.policy import Policy

_BUCKETS = 10_000
_TITLE_DOMAIN = int.from_bytes(b"ea-title", "little")


def crc32c(data: bytes | bytearray | memoryview) -> int:
    """CRC-32C of the bytes, as bundles and feedback segments carry it."""
    memory = Policy._ffi.from_buffer(data)
    return int(Policy._lib.ea_crc32c(0, memory, len(memory)))


def title_hash(title: str) -> int:
    """The u64 by which a bundle knows a title (native/spec/decision.md §2.2)."""
    key = title.encode()
    return int(Policy._lib.ea_hash(_TITLE_DOMAIN, 0, key, len(key)))


def bucket(domain: str, unit: int, salt: str) -> int:
    """Which of 10,000 buckets a unit falls into (native/spec/sync.md §4)."""
    key = salt.encode("utf-8", "surrogatepass")
    number = int.from_bytes(domain.encode(), "little")
    hashed: int = Policy._lib.ea_hash(unit, number, key, len(key))
    return hashed * _BUCKETS >> 64
