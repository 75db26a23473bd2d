# SPDX-License-Identifier: Apache-2.0
"""Builds `edgeart_export._statistics`, the compiled sums of the linear trainer."""

from __future__ import annotations

import sys
from pathlib import Path

from cffi import FFI

NATIVE = Path(__file__).resolve().parent
ROOT = NATIVE.parent


def declarations() -> str:
    """The part of statistics.h between its cffi markers."""
    header = (NATIVE / "statistics.h").read_text(encoding="utf-8")
    return header.split("/* [cffi */", 1)[1].split("/* cffi] */", 1)[0]


def flags() -> list[str]:
    """Optimised, but with every operation rounded as C says."""
    if sys.platform == "win32":
        return ["/O2", "/fp:precise"]
    return [
        "-std=c11",
        "-O3",
        "-g0",
        "-ffp-contract=off",
        "-fno-fast-math",
        "-fvisibility=hidden",
    ]


ffibuilder = FFI()
ffibuilder.cdef(declarations())
ffibuilder.set_source(
    "edgeart_export._statistics",
    '#include "statistics.h"',
    sources=[(NATIVE / "statistics.c").relative_to(ROOT).as_posix()],
    include_dirs=[NATIVE.relative_to(ROOT).as_posix()],
    depends=[(NATIVE / "statistics.h").relative_to(ROOT).as_posix()],
    extra_compile_args=flags(),
    extra_link_args=[] if sys.platform in ("win32", "darwin") else ["-s"],
    py_limited_api=True,
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
