# SPDX-License-Identifier: Apache-2.0
"""The model: what a trainer produces, anybody may build by hand, and the writers export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..errors import ModelError, SchemaError
from ..schema import FeatureSchema, check_text
from .arrays import first, numbers
from .attributes import Masks, check_attributes, check_masks, check_title_scale
from .cells import NAME, Cell, check_cells
from .explorers import Explorer
from .tower import Layer, check_tower

MAX_TITLES = 2**20
MAX_CANDIDATES = 256
MAX_ARTWORKS = 2**22


@dataclass(frozen=True, eq=False)
class PolicyModel:
    """A policy: context → tower → u of length k; score of an artwork = u · its weights + its bias.

    name: policy name, 1 to 64 of `A-Z a-z 0-9 . _ -`, a letter or digit first.
    sequence: 1 to 2⁵³ − 1; a larger one is newer.
    titles: title id → artwork ids in order, the first is the default; ids of 1 to 255 bytes.
    weights: float32 [R, k], rows in the order of `titles`; bias: float32 [R].
    meta: at most 32 texts for people (keys to 64 bytes, values to 1,024).
    variance: float32 [R, k] ≥ 0 or None, σ² / diagonal of the precision, for Thompson and Ucb.
    tower: at most 8 `Layer`, from the encoded context on; k is the last one's number of outputs,
      schema.width where there is none.
    title_scale: factor of the explorer's parameter, title → factor (1 where not named) or
      float32 [titles]; above 0. It acts on the policy's own explorer, if that is Softmax, SquareCB,
      Thompson or Ucb.
    attributes: at most 32 names of what artworks may be, such as "mature"; masks: which artwork is
      what, title → artwork → names, or uint32 [R] with bit i for the i-th name. A call may require
      and forbid attributes.
    cells: at most 16 `Cell`, shares of the units with an explorer of their own; see `holdbacks`.
      salt: text of at most 64 bytes; with another one the units fall into cells anew.

    Arrays are copied, made read-only and cleaned: below 2⁻⁵⁰ in magnitude becomes 0, and 2²⁰ or
    more is refused. Afterwards title_scale and masks are arrays. What no explorer of the policy
    uses (variance, title_scale) stays with the model and is not written. Raises ModelError that
    names the title, artwork and slot where it can.
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
    tower: Sequence[Layer] = ()
    title_scale: Mapping[str, float] | npt.NDArray[np.float32] | None = None
    attributes: Sequence[str] = ()
    masks: Masks | npt.NDArray[np.uint32] | None = None
    cells: Sequence[Cell] = ()
    salt: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(str(self.name)):
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
        set_ = object.__setattr__
        try:
            set_(self, "titles", check_titles(self.titles))
            set_(self, "meta", _check_meta(self.meta))
            set_(self, "attributes", check_attributes(self.attributes))
            check_text(self.salt, "salt", 0, 64)
        except SchemaError as error:
            raise ModelError(str(error)) from None
        set_(self, "tower", check_tower(self.tower, self.schema.width))
        shape = len(self.artworks), self.k
        set_(self, "weights", self._array("weights", self.weights, shape))
        set_(self, "bias", self._array("bias", self.bias, shape[:1]))
        if self.variance is not None:
            variance = self._array("variance", self.variance, shape)
            if (variance < 0).any():
                place = first(variance < 0, self._place)
                raise ModelError(f"variance must not be negative: {place}")
            set_(self, "variance", variance)
        if self.title_scale is not None:
            set_(self, "title_scale", check_title_scale(self.title_scale, self.titles))
        if self.masks is not None:
            set_(self, "masks", check_masks(self.masks, self.attributes, self.titles))
        set_(self, "cells", check_cells(self.cells))
        self._check_explorers()

    def _check_explorers(self) -> None:
        for explorer, where in ((self.explorer, ""), *((c.explorer, c.name) for c in self.cells)):
            if explorer.uncertain and self.variance is None:
                cell = f"cell {where!r}: " if where else ""
                raise ModelError(
                    f"{cell}{explorer.kind} needs to know how uncertain the scores are: give "
                    f"`variance`, σ² / diagonal of the precision, or use another explorer"
                )

    @property
    def k(self) -> int:
        """Length of u and of a row: outputs of the tower's last layer, or slots without one."""
        return self.tower[-1].outputs if self.tower else self.schema.width

    @property
    def uses_variance(self) -> bool:
        """Whether an explorer, the policy's own or a cell's, looks at the variances."""
        return any(e.uncertain for e in (self.explorer, *(cell.explorer for cell in self.cells)))

    @property
    def factors(self) -> npt.NDArray[np.float32]:
        """The factors of titles, float32 [T]; empty where the own explorer has no use for them."""
        if self.title_scale is None or not self.explorer.scaled:
            return np.zeros(0, dtype=np.float32)
        return np.asarray(self.title_scale, dtype=np.float32)

    @property
    def sets(self) -> npt.NDArray[np.uint32]:
        """The attributes of the artworks as bits, uint32 [R]; empty without attributes."""
        if self.masks is None:
            return np.zeros(len(self.bias) if self.attributes else 0, dtype=np.uint32)
        return np.asarray(self.masks, dtype=np.uint32)[: None if self.attributes else 0]

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
        k = "outputs of the tower" if self.tower else "schema.width"
        return numbers(
            what,
            values,
            shape,
            f"[artworks, {k}]" if len(shape) == 2 else "[artworks]",
            self._place,
            "rescale the rewards or drop the row",
        )

    def _place(self, index: tuple[int, ...]) -> str:
        title, artwork = self.artworks[index[0]]
        slot = ""
        if len(index) > 1:
            named = not self.tower
            slot = f", slot {self.schema.slots()[index[1]]!r}" if named else f", u[{index[1]}]"
        return f"title {title!r}, artwork {artwork!r}{slot}"


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
