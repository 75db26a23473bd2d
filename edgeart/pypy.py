# SPDX-License-Identifier: Apache-2.0
"""What PyPy needs instead: there C code that cffi calls cannot raise."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def raising(select: Callable[..., Any]) -> Callable[..., Any]:
    """A function that raises LookupError where `select` answers with a total of 0."""

    def selected(*arguments: object) -> Any:
        record = select(*arguments)
        if not record.total:
            raise LookupError
        return record

    return selected
