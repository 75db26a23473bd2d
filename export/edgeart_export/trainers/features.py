# SPDX-License-Identifier: Apache-2.0
"""What is known of artworks: tags and numbers, as vectors that a prior can be a function of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from ..errors import DataError
from .sums import Floats

Described: TypeAlias = "str | Iterable[str] | Mapping[str, float] | Sequence[float]"
"""Of one artwork: a tag, several tags, numbers by name, or a vector of numbers."""

Pair = tuple[str, str]


class ArtworkFeatures:
    """Vectors of artworks, all of one length: a 1 for each tag, and numbers by their spread.

    given: (title, artwork) → tags or numbers, see `Described`; or an Arrow table with `title`,
    `artwork` and any other columns: of strings (a tag each, `column=value`), of lists of strings
    (tags), of numbers, or of lists of numbers (a vector). Numbers are centred and divided by their
    standard deviation over the artworks given. What is missing is a tag that is not there, or a
    number that is the mean. Raises DataError.

    names: of the d columns. rows: (title, artwork) → float64 [d].
    """

    def __init__(self, given: Mapping[Pair, Described] | pa.Table) -> None:
        described = _tabled(given) if isinstance(given, pa.Table) else _mapped(given)
        tags = sorted({tag for tags, _ in described.values() for tag in tags})
        numbers = sorted({name for _, numbers in described.values() for name in numbers})
        self._tags = {tag: i for i, tag in enumerate(tags)}
        self._numbers = {name: len(tags) + i for i, name in enumerate(numbers)}
        self._centre, self._scale = np.zeros(len(numbers)), np.ones(len(numbers))
        for i, name in enumerate(numbers):
            column = np.array([n[name] for _, n in described.values() if name in n])
            spread = float(column.std())
            self._centre[i], self._scale[i] = column.mean(), spread if spread > 0 else 1.0
        self.rows: dict[Pair, Floats] = {p: self._vector(*d) for p, d in described.items()}
        count = len(tags) + len(numbers)
        self._mean: Floats = (
            np.mean([*self.rows.values()], axis=0) if self.rows else np.zeros(count)
        )

    @property
    def names(self) -> list[str]:
        """The columns: tags, then numbers."""
        return [*self._tags, *self._numbers]

    def more(self, given: ArtworkFeatures | Mapping[Pair, Described] | pa.Table) -> ArtworkFeatures:
        """These and more artworks, in the same columns; tags that none had before are left out.

        Raises DataError for features with columns of their own.
        """
        if isinstance(given, ArtworkFeatures):
            if given.to_json() != self.to_json():
                raise DataError("artwork features with other columns: give them as a mapping")
            rows = given.rows
        else:
            described = _tabled(given) if isinstance(given, pa.Table) else _mapped(given)
            rows = {pair: self._vector(*found) for pair, found in described.items()}
        return self.from_json(self.to_json(), {**self.rows, **rows})

    def matrix(self, pairs: Sequence[Pair]) -> Floats:
        """float64 [artworks, d]; who is not described has the mean of those given at first."""
        found = np.empty((len(pairs), len(self._mean)))
        for i, pair in enumerate(pairs):
            found[i] = self.rows.get(pair, self._mean)
        return found

    def to_json(self) -> dict[str, object]:
        """The columns, as `from_json` reads them; not the artworks."""
        return {
            "tags": list(self._tags),
            "numbers": list(self._numbers),
            "centre": self._centre.tolist(),
            "scale": self._scale.tolist(),
            "mean": self._mean.tolist(),
        }

    @classmethod
    def from_json(cls, columns: Mapping[str, Any], rows: Mapping[Pair, Floats]) -> ArtworkFeatures:
        """Features with the columns that `to_json` described."""
        made = cls({})
        made._tags = {tag: i for i, tag in enumerate(columns["tags"])}
        count = len(made._tags)
        made._numbers = {name: count + i for i, name in enumerate(columns["numbers"])}
        made._centre = np.array(columns["centre"], dtype=np.float64)
        made._scale = np.array(columns["scale"], dtype=np.float64)
        made._mean = np.array(columns["mean"], dtype=np.float64)
        made.rows = dict(rows)
        return made

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ArtworkFeatures)
            and self.to_json() == other.to_json()
            and self.rows.keys() == other.rows.keys()
            and all(np.array_equal(row, other.rows[pair]) for pair, row in self.rows.items())
        )

    __hash__ = None  # type: ignore[assignment]

    def _vector(self, tags: Sequence[str], numbers: Mapping[str, float]) -> Floats:
        vector = np.zeros(len(self._tags) + len(self._numbers))
        for tag in tags:
            if tag in self._tags:
                vector[self._tags[tag]] = 1.0
        first = len(self._tags)
        for name, value in numbers.items():
            if name in self._numbers:
                i = self._numbers[name]
                vector[i] = (value - self._centre[i - first]) / self._scale[i - first]
        return vector


_Found = tuple[list[str], dict[str, float]]


def _mapped(given: object) -> dict[Pair, _Found]:
    if not isinstance(given, Mapping):
        raise DataError(
            f"artwork features are a mapping of (title, artwork) or an Arrow table, not "
            f"{type(given).__name__}"
        )
    found = {}
    for pair, described in given.items():
        if not (isinstance(pair, tuple) and len(pair) == 2):
            raise DataError(f"artwork features: the keys are (title, artwork), not {pair!r}")
        found[str(pair[0]), str(pair[1])] = _read("", described, pair)
    return found


def _tabled(table: pa.Table) -> dict[Pair, _Found]:
    missing = {"title", "artwork"} - set(table.schema.names)
    if missing:
        raise DataError(f"artwork features: the table has no column {', '.join(sorted(missing))}")
    rest = [name for name in table.schema.names if name not in ("title", "artwork")]
    found: dict[Pair, _Found] = {}
    for row in table.to_pylist():
        pair = str(row["title"]), str(row["artwork"])
        if pair in found:
            raise DataError(f"artwork features: {pair} is described more than once")
        tags: list[str] = []
        numbers: dict[str, float] = {}
        for name in rest:
            if row[name] is not None:
                more = _read(name, row[name], pair)
                tags += more[0]
                numbers |= more[1]
        found[pair] = tags, numbers
    return found


def _read(name: str, value: Any, pair: object) -> _Found:
    """Tags and numbers of one value; name: of its column, empty where there is none."""
    if isinstance(value, str):
        return [f"{name}={value}" if name else value], {}
    if isinstance(value, Real):
        return [], {name or "[0]": _number(value, pair)}
    if isinstance(value, Mapping):
        return [], {str(key): _number(number, pair) for key, number in value.items()}
    several = list(value) if isinstance(value, Iterable) else None
    if several is not None and all(isinstance(one, str) for one in several):
        return [f"{name}={one}" if name else one for one in several], {}
    if several is not None and all(isinstance(one, Real) for one in several):
        return [], {f"{name}[{i}]": _number(one, pair) for i, one in enumerate(several)}
    raise DataError(
        f"artwork features of {pair!r}: tags or numbers are needed, not {type(value).__name__}"
    )


def _number(value: Any, pair: object) -> float:
    number = float(value)
    if not abs(number) < 2.0**50:
        raise DataError(f"artwork features of {pair!r}: a number must be finite, not {value!r}")
    return number
