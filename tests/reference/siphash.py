# SPDX-License-Identifier: Apache-2.0
"""SipHash (Aumasson, Bernstein 2012) and the domains that keep its uses apart (decision.md §2)."""

from __future__ import annotations

MASK = 2**64 - 1


def domain(name: str) -> int:
    """D(name): the u64 whose little-endian bytes are these eight ASCII characters."""
    raw = name.encode("ascii")
    if len(raw) != 8:
        raise ValueError(f"a domain has eight characters, {name!r} has {len(raw)}")
    return int.from_bytes(raw, "little")


def _rotate(x: int, by: int) -> int:
    return (x << by | x >> (64 - by)) & MASK


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = (v0 + v1) & MASK
    v2 = (v2 + v3) & MASK
    v1 = _rotate(v1, 13) ^ v0
    v3 = _rotate(v3, 16) ^ v2
    v0 = _rotate(v0, 32)
    v2 = (v2 + v1) & MASK
    v0 = (v0 + v3) & MASK
    v1 = _rotate(v1, 17) ^ v2
    v3 = _rotate(v3, 21) ^ v0
    v2 = _rotate(v2, 32)
    return v0, v1, v2, v3


def siphash(k0: int, k1: int, message: bytes, *, compression: int, finalisation: int) -> int:
    """SipHash with the given numbers of rounds; the key halves and the result are u64."""
    v = (
        k0 ^ int.from_bytes(b"somepseu", "big"),
        k1 ^ int.from_bytes(b"dorandom", "big"),
        k0 ^ int.from_bytes(b"lygenera", "big"),
        k1 ^ int.from_bytes(b"tedbytes", "big"),
    )
    # The last word holds the bytes that are left over and, on top, the length modulo 256.
    whole = len(message) // 8 * 8
    last = message[whole:].ljust(7, b"\0") + bytes([len(message) % 256])
    padded = message[:whole] + last
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v = (v[0], v[1], v[2], v[3] ^ word)
        for _ in range(compression):
            v = _round(*v)
        v = (v[0] ^ word, v[1], v[2], v[3])
    v = (v[0], v[1], v[2] ^ 0xFF, v[3])
    for _ in range(finalisation):
        v = _round(*v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def H(k0: int, k1: int, message: bytes) -> int:  # noqa: N802  (the specification's name)
    """SipHash-1-3: decision.md §2.1."""
    return siphash(k0, k1, message, compression=1, finalisation=3)


def title_hash(title: str) -> int:
    """T(title): decision.md §2.2."""
    return H(domain("ea-title"), 0, title.encode("utf-8"))


def draw_key(seed: int, policy: str) -> tuple[int, int]:
    """(d0, d1) for a context's seed under a policy of this name: decision.md §2.3."""
    name = policy.encode("utf-8")
    return H(seed, domain("ea-draw0"), name), H(seed, domain("ea-draw1"), name)
