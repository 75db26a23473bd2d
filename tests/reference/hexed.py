# SPDX-License-Identifier: Apache-2.0
"""How the vector files write bits: hexadecimal, most significant digit first, fixed width."""

from __future__ import annotations

import base64
import struct

from .binary import bits32


def hex32(value: int) -> str:
    """Eight digits of an unsigned integer."""
    return f"{value:08x}"


def hex64(value: int) -> str:
    """Sixteen digits of an unsigned integer; JSON numbers would lose some in many languages."""
    return f"{value:016x}"


def hexf32(x: float) -> str:
    """The bits of a binary32."""
    return hex32(bits32(x))


def hexf64(x: float) -> str:
    """The bits of a binary64."""
    return struct.pack(">d", x).hex()


def base64_of(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")
