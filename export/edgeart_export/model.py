# SPDX-License-Identifier: Apache-2.0
"""The model: what a trainer produces, anybody may build by hand, and the writers export."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .errors import ModelError, SchemaError
from .explorers import Explorer
from .quantize import BOUND, clean
from .schema import FeatureSchema, check_text

MAX_TITLES = 2**20
MAX_CANDIDATES = 256
MAX_ARTWORKS = 2**22
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, eq=False)
class PolicyModel:
    """A linear policy: score of an artwork = encoded context · its weights + its bias.

    name: policy name, 1 to 64 of `A-Z a-z 0-9 . _ -`, a letter or digit first.
    sequence: 1 to 2⁵³ − 1; a larger one is newer.
    titles: title id → artwork ids in order, the first is the default; ids of 1 to 255 bytes.
    weights: float32 [R, schema.width], rows in the order of `titles`; bias: float32 [R].
    variance: float32 [R, schema.width] or None, σ² / diagonal of the precision. It stays with the
      model; bundle format 1 has no place for it.
    tower: layers before the rows; format 1 has none, so it must be empty.
    meta: at most 32 texts for people (keys to 64 bytes, values to 1,024).

    Arrays are copied, made read-only and cleaned: below 2⁻⁵⁰ in magnitude becomes 0, and 2²⁰ or
    more is refused. Raises ModelError that names the title, artwork and slot where it can.
    """

    name: str
    sequence: int
    schema: FeatureSchema
    titles: Mapping[str, Sequence[str]]
    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    explorer: Explorer
    meta: Mapping[str, str] = field(default_factory=dict)
    variance: npt.NDArray[np.float32] | None = None
    tower: Sequence[object] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(str(self.name)):
            raise ModelError(
                f"policy name {self.name!r} must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a "
                f"letter or digit"
            )
        if type(self.sequence) is not int or not 1 <= self.sequence < 2**53:
            raise ModelError(f"sequence must be an int from 1 to 2**53 - 1, not {self.sequence!r}")
        if not isinstance(self.schema, FeatureSchema):
            raise ModelError(f"schema must be a FeatureSchema, not {type(self.schema).__name__}")
        if not isinstance(self.explorer, Explorer):
            raise ModelError(f"explorer must be one such as Greedy(), not {self.explorer!r}")
        if len(self.tower):
            raise ModelError("bundle format 1 has no tower: leave `tower` empty")
        set_ = object.__setattr__
        try:
            set_(self, "titles", check_titles(self.titles))
            set_(self, "meta", _check_meta(self.meta))
        except SchemaError as error:
            raise ModelError(str(error)) from None
        count, width = len(self.artworks), self.schema.width
        set_(self, "weights", self._array("weights", self.weights, (count, width)))
        set_(self, "bias", self._array("bias", self.bias, (count,)))
        if self.variance is not None:
            variance = self._array("variance", self.variance, (count, width))
            if (variance < 0).any():
                raise ModelError(f"variance must not be negative: {self._place(variance < 0)}")
            set_(self, "variance", variance)

    @cached_property
    def artworks(self) -> list[tuple[str, str]]:
        """(title, artwork) of every row."""
        return [(title, artwork) for title, row in self.titles.items() for artwork in row]

    def title_rows(self) -> dict[str, range]:
        """The rows of every title."""
        rows, first = {}, 0
        for title, artworks in self.titles.items():
            rows[title] = range(first, first + len(artworks))
            first += len(artworks)
        return rows

    def _array(self, what: str, values: object, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        try:
            given = np.asarray(values)
        except ValueError as error:
            raise ModelError(f"{what} must be an array of shape {shape}: {error}") from None
        if given.dtype.kind not in "fiu":
            raise ModelError(f"{what}: real numbers are needed, not {given.dtype}")
        with np.errstate(over="ignore"):  # what overflows is refused below, with its place
            array = given.astype(np.float32)
        if array.shape != shape:
            meaning = "[artworks, schema.width]" if len(shape) == 2 else "[artworks]"
            raise ModelError(f"{what} has shape {array.shape}; {meaning} is {shape}")
        unfit = ~(np.abs(array) < BOUND)
        if unfit.any():
            value = array[tuple(np.argwhere(unfit)[0])]
            raise ModelError(
                f"{what} must be finite and below 2**20 in magnitude, not {value}: "
                f"{self._place(unfit)}; rescale the rewards or drop the row"
            )
        array = clean(array)
        array.setflags(write=False)
        return array

    def _place(self, marked: npt.NDArray[np.bool_]) -> str:
        first = np.argwhere(marked)[0]
        title, artwork = self.artworks[first[0]]
        slot = f", slot {self.schema.slots()[first[1]]!r}" if len(first) > 1 else ""
        others = int(marked.sum()) - 1
        return f"title {title!r}, artwork {artwork!r}{slot}" + (
            f" (and {others} more)" if others else ""
        )


def check_titles(titles: object) -> dict[str, tuple[str, ...]]:
    """`titles` as a dict of tuples. Raises ModelError, SchemaError where bundle.md §4 is broken."""
    if not isinstance(titles, Mapping):
        raise ModelError(f"titles must map title to artworks, not {type(titles).__name__}")
    if len(titles) > MAX_TITLES:
        raise ModelError(f"{len(titles)} titles; at most {MAX_TITLES} are allowed")
    checked = {}
    for title, artworks in titles.items():
        check_text(title, "title id", 1, 255)
        if isinstance(artworks, str):
            raise ModelError(f"title {title!r}: artworks must be a list of ids, not one string")
        row = tuple(artworks)
        if not 1 <= len(row) <= MAX_CANDIDATES:
            raise ModelError(
                f"title {title!r} has {len(row)} artworks; 1 to {MAX_CANDIDATES} are allowed"
            )
        for artwork in row:
            check_text(artwork, f"title {title!r}: artwork id", 1, 255)
        if len(set(row)) != len(row):
            double = next(artwork for artwork in row if row.count(artwork) > 1)
            raise ModelError(f"title {title!r} has the artwork {double!r} more than once")
        checked[title] = row
    total = sum(map(len, checked.values()))
    if total > MAX_ARTWORKS:
        raise ModelError(f"{total} artworks; at most {MAX_ARTWORKS} are allowed")
    return checked


def _check_meta(meta: object) -> dict[str, str]:
    if not isinstance(meta, Mapping):
        raise ModelError(f"meta must map texts to texts, not {type(meta).__name__}")
    if len(meta) > 32:
        raise ModelError(f"meta has {len(meta)} entries; at most 32 are allowed")
    return {
        check_text(key, "meta key", 0, 64): check_text(value, f"meta {key!r}", 0, 1024)
        for key, value in meta.items()
    }
