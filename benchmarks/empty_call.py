# SPDX-License-Identifier: Apache-2.0
"""A call through cffi to a C function that does nothing: the unit in which `select` is measured."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import TYPE_CHECKING, Any

from cffi import FFI

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@cache
def empty_call(folder: Path) -> Callable[[], None]:
    """The function, compiled into the folder as cffi compiles it for anybody.

    Not one of edgeart's own: those leave out what cffi does round every call and they do not need,
    and a shorter unit would not make `select` slower.
    """
    builder = FFI()
    builder.cdef("void nothing(void);")
    builder.set_source(
        "_nothing", "static void nothing(void) {}", extra_compile_args=["-O2"],
        py_limited_api=True,
    )  # fmt: skip
    path = builder.compile(tmpdir=str(folder))
    spec = importlib.util.spec_from_file_location("_nothing", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    call: Callable[[], None] = module.lib.nothing
    return call
