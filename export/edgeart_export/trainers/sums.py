# SPDX-License-Identifier: Apache-2.0
"""Sums of products per artwork, added up natively: all that a trainer remembers of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .. import _statistics

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CELLS = 1 << 21
"""Doubles of unpacked matrices at a time (16 MB): what is solved or shown comes in such parts."""


@dataclass(frozen=True, eq=False)
class Rows:
    """n rows ready to be added.

    vectors: float32 [contexts, width], all finite; context: int64 [n], which of them is a row's.
    artwork: int64 [n]. reward, weight: float64 [n], a weight is 0 or more. previous: float64 [n] or
    None; a row where it is not NaN corrects a reward given before. extra: int64 [n, 2] or None: the
    two extras that are 1, the smaller first, below 0 for none.
    """

    vectors: npt.NDArray[np.float32]
    context: Ints
    artwork: Ints
    reward: Floats
    weight: Floats
    previous: Floats | None = None
    extra: Ints | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """The sums of some artworks, unpacked. x: context, z: extras, y: reward; ω: weight.

    xx: Σω·x·xᵀ [c, width, width]; xz [c, width, extras]; xy [c, width]; zz [c, extras, extras];
    zy [c, extras]; yy [c].
    """

    xx: Floats
    xz: Floats
    xy: Floats
    zz: Floats
    zy: Floats
    yy: Floats


class Sums:
    """Per artwork the upper triangle of Σ ω·v·vᵀ over its rows, with v = (x, z, y).

    x is the context, z a vector of extras (nuisance indicators), y the reward. Memory: 8 bytes for
    each of n(n + 1)/2 sums an artwork, n = width + extras + 1, and 16 more: 4.5 KB at width 32.

    values: float64 [artworks, n(n + 1)/2]; counts, rewards: Σω and Σω·y, float64 [artworks].
    """

    def __init__(self, artworks: int, width: int, extras: int = 0) -> None:
        self.width, self.extras = width, extras
        self.n = width + extras + 1
        self.values: Floats = np.zeros((artworks, self.n * (self.n + 1) // 2))
        self.counts: Floats = np.zeros(artworks)
        self.rewards: Floats = np.zeros(artworks)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def nbytes(self) -> int:
        """Bytes of all sums."""
        return self.values.nbytes + self.counts.nbytes + self.rewards.nbytes

    @property
    def squares(self) -> Floats:
        """Σω·y², float64 [artworks]: the last of an artwork's triangle."""
        return self.values[:, -1]

    def add(self, rows: Rows) -> None:
        """Adds rows. The same calls give the same bits; elsewhere too: native/statistics.h."""
        count, artworks = len(rows.artwork), len(self)
        if not count:
            return
        ffi, lib = _statistics.ffi, _statistics.lib
        vectors = np.ascontiguousarray(rows.vectors, dtype=np.float32)
        artwork, context = _int64(rows.artwork), _int64(rows.context)
        reward, weight = _float64(rows.reward), _float64(rows.weight)
        previous = None if rows.previous is None else _float64(rows.previous)
        extra = None if rows.extra is None else _int64(rows.extra)
        # What a pointer is made from must outlive the call: all of it is in local names.
        held = [
            _pointer("float[]", vectors),
            _pointer("int64_t[]", context),
            _pointer("int64_t[]", artwork),
            ffi.NULL if extra is None else _pointer("int64_t[]", extra),
            _pointer("double[]", reward),
            _pointer("double[]", weight),
            ffi.NULL if previous is None else _pointer("double[]", previous),
        ]
        native = ffi.new("es_rows *", [self.width, self.extras, artworks, count, *held])
        starts = _pointer("int64_t[]", np.empty(artworks + 1, np.int64))
        entries = np.empty(count * ffi.sizeof("es_entry"), np.uint8)
        grouped = _pointer("es_entry[]", entries)
        refused = lib.es_group(native, len(vectors), starts, grouped)
        if refused:
            row = refused - 1
            raise IndexError(
                f"row {row}: artwork {artwork[row]} of {artworks}, context {context[row]} of "
                f"{len(vectors)}, extras {None if extra is None else extra[row]} of {self.extras}"
            )
        scratch = _pointer("double[]", np.empty(lib.es_scratch(self.n)))
        into = [_pointer("double[]", own) for own in (self.values, self.counts, self.rewards)]
        lib.es_add(native, starts, grouped, scratch, ffi.new("es_sums *", into))

    def merge(self, other: Sums) -> None:
        """Adds the sums of as many artworks and the same widths."""
        self.values += other.values
        self.counts += other.counts
        self.rewards += other.rewards

    def halve(self, times: int) -> None:
        """Divides everything by 2 so many times, exactly unless it becomes smaller than doubles."""
        for array in (self.values, self.counts, self.rewards):
            np.ldexp(array, -times, out=array)

    def place(self, rows: Ints, other: Sums) -> None:
        """Puts the sums of the other's artworks at these rows, in place of what is there."""
        self.values[rows] = other.values
        self.counts[rows], self.rewards[rows] = other.counts, other.rewards

    def copy(self) -> Sums:
        """The same sums, in memory of their own."""
        return self.times(1.0)

    def times(self, factor: float) -> Sums:
        """Other sums, each `factor` times as large."""
        made = Sums.__new__(Sums)
        made.width, made.extras, made.n = self.width, self.extras, self.n
        made.values = self.values * factor
        made.counts, made.rewards = self.counts * factor, self.rewards * factor
        return made

    def parts(self, rows: Ints | None = None) -> Iterator[tuple[Ints, Part]]:
        """Artworks (all, or these) in parts of bounded size: their indices and their sums."""
        rows = np.arange(len(self)) if rows is None else rows
        step = max(1, _CELLS // self.n**2)
        for first in range(0, len(rows), step):
            some = rows[first : first + step]
            yield some, self.part(some)

    def part(self, rows: Ints | slice) -> Part:
        """The sums of these artworks, unpacked."""
        full = self.values[rows][:, self._unpack].reshape(-1, self.n, self.n)
        w = self.width
        return Part(
            xx=full[:, :w, :w],
            xz=full[:, :w, w:-1],
            xy=full[:, :w, -1],
            zz=full[:, w:-1, w:-1],
            zy=full[:, w:-1, -1],
            yy=full[:, -1, -1],
        )

    @cached_property
    def _unpack(self) -> npt.NDArray[np.intp]:
        """Where in the triangle each element of the square is."""
        place = np.zeros((self.n, self.n), dtype=np.intp)
        upper = np.triu_indices(self.n)
        place[upper] = np.arange(len(upper[0]))
        square: npt.NDArray[np.intp] = np.maximum(place, place.T).ravel()
        return square


def _int64(array: Ints) -> Ints:
    dense: Ints = np.ascontiguousarray(array, dtype=np.int64)
    return dense


def _float64(array: Floats) -> Floats:
    dense: Floats = np.ascontiguousarray(array, dtype=np.float64)
    return dense


def _pointer(kind: str, array: npt.NDArray[np.generic]) -> object:
    return _statistics.ffi.from_buffer(kind, array)
