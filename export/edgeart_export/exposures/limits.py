# SPDX-License-Identifier: Apache-2.0
"""The limits that exposures carry, from bits of the bundle that decided to names.

Rows and attributes of attribution's table are those of the bundle with the exposure's digest
(docs/attribution.md). Who has that bundle can say which artworks and attributes they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

import edgeart

from ..errors import DataError
from ..limits import CallLimits

COLUMNS = ("denied", "required", "forbidden", "candidates")
"""What limits a choice, in a table of exposures; where one is not there, it limited nothing."""

Ints = npt.NDArray[np.intp]


class _Raw(NamedTuple):
    """Limits as they were logged: bitmaps without zeros at their ends, sets of attributes."""

    digest: bytes
    denied: bytes
    required: int
    forbidden: int
    candidates: bytes | None


class LoggedLimits:
    """All different limits of some exposures by number, 0 where there are none."""

    def __init__(self) -> None:
        self._raw: list[_Raw] = []
        self._number: dict[_Raw, int] = {}
        self._policies: dict[bytes, edgeart.Policy] = {}
        self._titles: dict[tuple[bytes, str], tuple[int, tuple[str, ...]] | None] = {}
        self._named: dict[tuple[int, str], CallLimits] = {}
        self._same: dict[CallLimits, CallLimits] = {}

    def numbers(self, fresh: pa.Table) -> Ints:
        """The number of each row's limits, [rows]; ones not met before get one."""
        found = np.zeros(len(fresh), dtype=np.intp)
        given = [name for name in COLUMNS if name in fresh.column_names]
        limited = np.zeros(len(fresh), dtype=bool)
        for name in given:
            limited |= _says_something(fresh.column(name), zero=name in ("required", "forbidden"))
        if not limited.any():
            return found
        names = [name for name in ("digest", *given) if name in fresh.column_names]
        some = fresh.select(names).filter(pa.array(limited))
        code = np.zeros(len(some), dtype=np.intp)
        for column in some.columns:
            encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
            size = max(1, len(encoded.dictionary))
            _, code = np.unique(code * size + encoded.indices.to_numpy(), return_inverse=True)
        first = np.unique(code, return_index=True)[1]
        kinds = some.take(pa.array(first)).to_pylist()
        found[limited] = np.array([self._numbered(kind) for kind in kinds], dtype=np.intp)[code]
        return found

    def _numbered(self, kind: dict[str, Any]) -> int:
        candidates = kind.get("candidates")
        raw = _Raw(
            kind.get("digest") or b"",
            (kind.get("denied") or b"").rstrip(b"\0"),
            kind.get("required") or 0,
            kind.get("forbidden") or 0,
            None if candidates is None else candidates.rstrip(b"\0"),
        )
        if raw not in self._number:
            self._raw.append(raw)
            self._number[raw] = len(self._raw)
        return self._number[raw]

    # By name.

    def digests(self) -> set[bytes]:
        """Of the bundles whose rows and attributes some limits name."""
        return {raw.digest for raw in self._raw}

    def know(self, policies: Iterable[edgeart.Policy]) -> None:
        """Takes policies in, so that limits of their bundles have names."""
        for policy in policies:
            self._policies.setdefault(policy.digest, policy)

    def known(self, numbers: Ints, titles: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
        """Whether limits, by number, can be named for these titles: their bundle is known."""
        found: npt.NDArray[np.bool_] = numbers == 0
        for row in np.flatnonzero(~found).tolist():
            digest = self._raw[int(numbers[row]) - 1].digest
            found[row] = self._title(digest, titles[row]) is not None
        return found

    def named(
        self, numbers: Ints, titles: npt.NDArray[np.object_]
    ) -> list[CallLimits | None] | None:
        """Limits as they held for these titles, None where nothing was limited.

        None where nothing limited any of them. Raises DataError for limits that are not `known`.
        """
        if not numbers.any():
            return None
        unknown = np.flatnonzero(~self.known(numbers, titles))
        if len(unknown):
            digest = self._raw[int(numbers[unknown[0]]) - 1].digest
            raise DataError(
                f"{len(unknown)} exposures were decided under limits that are rows and attributes "
                f"of bundles not at hand, such as {digest.hex() or 'one without digest'}; give the "
                f"bundles that decided"
            )
        pairs = zip(numbers.tolist(), titles, strict=True)
        return [self._call(number, title) if number else None for number, title in pairs]

    def _call(self, number: int, title: str) -> CallLimits | None:
        call = self._named.get((number, title))
        if call is None:
            raw = self._raw[number - 1]
            found = self._title(raw.digest, title)
            assert found is not None  # noqa: S101 - it is known
            first, artworks = found
            attributes = self._policies[raw.digest].attributes
            call = CallLimits(
                _at(artworks, raw.denied, first),
                _names(attributes, raw.required),
                _names(attributes, raw.forbidden),
                None if raw.candidates is None else _at(artworks, raw.candidates, 0),
            )
            # Equal ones are one, so that who compares them finds out at once.
            call = self._named[number, title] = self._same.setdefault(call, call)
        return call or None

    def _title(self, digest: bytes, title: str) -> tuple[int, tuple[str, ...]] | None:
        """First row of a title, and its artworks, under the bundle that decided."""
        key = digest, title
        if self._titles.get(key) is None:  # what was not known may be now
            policy, self._titles[key] = self._policies.get(digest), None
            if policy is not None and title in policy.titles:
                row = policy.fallback(title).row  # without limits the first of the title
                assert row is not None  # noqa: S101 - a title has an artwork
                self._titles[key] = row, policy.artworks(title)
        return self._titles[key]


def _says_something(column: pa.ChunkedArray, *, zero: bool) -> npt.NDArray[np.bool_]:
    """Where a column is not null nor, where zero means nothing, 0."""
    there = pc.fill_null(pc.not_equal(column, 0), fill_value=False) if zero else pc.is_valid(column)
    found: npt.NDArray[np.bool_] = there.to_numpy()
    return found


def _at(artworks: tuple[str, ...], bits: bytes, first: int) -> frozenset[str]:
    """The artworks, the first of which is at bit `first`, whose bits are set."""
    number = int.from_bytes(bits, "little") >> first
    return frozenset(name for place, name in enumerate(artworks) if number >> place & 1)


def _names(attributes: tuple[str, ...], bits: int) -> frozenset[str]:
    """The names of attributes. A bit without one is called by its number: no policy knows that."""
    places = (place for place in range(bits.bit_length()) if bits >> place & 1)
    return frozenset(attributes[p] if p < len(attributes) else f"attribute {p}" for p in places)
