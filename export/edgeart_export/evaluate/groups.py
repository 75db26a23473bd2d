# SPDX-License-Identifier: Apache-2.0
"""Member groups: the values of a declared feature, such as country, on the rows of a log."""

from __future__ import annotations

from collections.abc import Sequence

import msgpack
import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..schema import Values

MISSING = "(missing)"
"""The group of those whose context does not have the feature."""

MOST = 50
"""More groups than this are no groups of members, but a feature of numbers or names."""


def groups(contexts: Sequence[Values], feature: str) -> npt.NDArray[np.object_]:
    """What each context says of a feature: text [n]; MISSING where it says nothing.

    Raises DataError for a value that is no text, a feature that no context has, and one of more
    than 50 values.
    """
    known: dict[int, str] = {}
    found = np.array([MISSING] * len(contexts), dtype=object)
    for row, values in enumerate(contexts):
        # Rows of one context share their map, which the log keeps alive: its id stays its own.
        name = known.get(id(values))
        if name is None:
            name = known[id(values)] = _value(values, feature, row)
        found[row] = name
    names = set(known.values())
    if names <= {MISSING}:
        raise DataError(f"no context has the feature {feature!r}; groups need a declared one")
    if len(names) > MOST:
        raise DataError(
            f"feature {feature!r} has {len(names)} values; groups need one of at most {MOST}"
        )
    return found


def _value(values: Values, feature: str, row: int) -> str:
    fields = msgpack.unpackb(values) if isinstance(values, bytes) else values
    value = fields.get(feature) if isinstance(fields, dict) else None
    if value is None:
        return MISSING
    if not isinstance(value, str):
        raise DataError(
            f"row {row}: feature {feature!r} is {value!r}; groups need a category, whose values "
            f"are texts"
        )
    return value
