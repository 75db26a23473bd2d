# SPDX-License-Identifier: Apache-2.0
"""Writes native/vectors/*.json, the known answers that every implementation must give.

python -m tests.reference.generate            write them
python -m tests.reference.generate --check    exit 1 if a committed file differs
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .crc32c import crc32c
from .generate_contexts import context_vectors
from .generate_decisions import explore_vectors, policy_vectors
from .generate_format2 import format2_vectors, math_vectors, uncertain_vectors
from .generate_hostile import hostile_vectors
from .generate_sync import sync_vectors
from .hexed import hex32, hex64
from .siphash import H, domain, draw_key, title_hash

FOLDER = Path(__file__).resolve().parents[2] / "native" / "vectors"


def hash_vectors() -> dict[str, Any]:
    """SipHash-1-3 of messages of many lengths, title hashes and draw keys."""
    keys = [
        (0, 0),
        (0x0706050403020100, 0x0F0E0D0C0B0A0908),
        (2**64 - 1, 2**64 - 1),
        (domain("ea-title"), 0),
    ]
    lengths = [*range(34), 63, 64, 65, 255, 256, 257, 1000]
    titles = ["t", "title-7", "12345678", "été", "日本語", "🎬", "x" * 255]
    seeds = [0, 1, 42, 2**63, 2**64 - 1]
    return {
        "about": "decision.md §2. message: bytes i mod 251 for i = 0 … length − 1.",
        "hashes": [
            {
                "k0": hex64(k0),
                "k1": hex64(k1),
                "length": length,
                "hash": hex64(H(k0, k1, bytes(i % 251 for i in range(length)))),
            }
            for k0, k1 in keys
            for length in lengths
        ],
        "titles": [{"title": title, "hash": hex64(title_hash(title))} for title in titles],
        "draw_keys": [
            {"seed": hex64(seed), "policy": policy, "d0": hex64(d0), "d1": hex64(d1)}
            for seed in seeds
            for policy in ("row", "a", "0123456789" * 6)
            for d0, d1 in [draw_key(seed, policy)]
        ],
    }


def crc_vectors() -> dict[str, Any]:
    """CRC-32C of messages of many lengths."""
    messages = [b"123456789", bytes(32), b"\xff" * 32, bytes(range(32))]
    messages += [bytes(i * 7 % 251 for i in range(n)) for n in (*range(18), 63, 64, 65, 300)]
    return {
        "about": "bundle.md §2. Checksum of the bytes, started at 0.",
        "checksums": [{"bytes": m.hex(), "crc32c": hex32(crc32c(m))} for m in messages],
    }


FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "hash.json": hash_vectors,
    "crc32c.json": crc_vectors,
    "context.json": context_vectors,
    "math.json": math_vectors,
    "explore.json": lambda: explore_vectors() | uncertain_vectors(),
    "policy.json": policy_vectors,
    "policy2.json": format2_vectors,
    "hostile.json": hostile_vectors,
    "sync.json": sync_vectors,
}


def render(content: dict[str, Any]) -> str:
    """JSON with one line for each element of a list at the top, so that changes can be read."""
    parts = []
    for key, value in content.items():
        if isinstance(value, list):
            lines = ",\n".join("  " + json.dumps(item, ensure_ascii=True) for item in value)
            text = f"[\n{lines}\n ]"
        else:
            text = json.dumps(value, ensure_ascii=True)
        parts.append(f' "{key}": {text}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main(arguments: list[str] | None = None) -> int:
    """Writes or checks every file; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reference.generate", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args(arguments)
    code = 0
    for name, make in FILES.items():
        path, text = FOLDER / name, render(make())
        if not options.check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            code = 1
        else:
            continue
        sys.stdout.write(f"{name}: {'differs' if options.check else f'{len(text)} bytes'}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
