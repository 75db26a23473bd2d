# SPDX-License-Identifier: Apache-2.0
"""What a policy says about titles and candidates: the half of Policy that no page needs."""

# Imports are late where no decision needs them, and the modules of this package share its
# private names.
# ruff: noqa: PLC0415, SLF001

from __future__ import annotations

from edgeart.decision import Decision
from edgeart.errors import UnknownArtworkError, UnknownTitleError, VectorError
from edgeart.parts import Parts
from edgeart.titles import Titles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from edgeart.context import Context
    from edgeart.host import HostDecision
    from edgeart.limits import Limits
    from edgeart.types import Candidates, Explanation


_MOST_CANDIDATES = 256  # EA_MAX_CANDIDATES of edgeart.h
_MOST_TRIALS = 1 << 24  # of units: a matter of seconds


class Described(Parts):
    """Base of Policy: what needs no speed."""

    __slots__ = ()

    def select(self, context: Context, title: str, *, limits: Limits | None = None) -> Decision:
        """Policy's own, which has the speed."""
        raise NotImplementedError

    def _context_memory(self) -> tuple[Any, Any, int]:
        raise NotImplementedError

    def _artwork(self, row: int) -> str | None:
        raise NotImplementedError

    @property
    def titles(self) -> Titles:
        """All title ids, in bundle order."""
        return Titles(self)

    def artworks(self, title: str) -> tuple[str, ...]:
        """Ids of a title's artworks in row order, the first being its default.

        Raises UnknownTitleError.
        """
        return tuple(map(self._artwork_id, self._rows_of(self._index(title))))

    def artwork_ids(self) -> list[str]:
        """Ids of all artworks, in row order."""
        rows = self._ffi.new("uint32_t[]", list(range(self.artwork_count)))
        found: Any = self._ids(rows, 1, len(rows), of_titles=False)
        return list(found)

    def artwork_attributes(self, title: str, artwork: str) -> tuple[str, ...]:
        """Names of the attributes an artwork has. Raises UnknownTitleError, UnknownArtworkError."""
        rows = self._rows_of(self._index(title))
        names = tuple(map(self._artwork_id, rows))
        if artwork not in names:
            raise UnknownArtworkError(
                f"title {title!r} of policy {self.name!r} has no artwork {artwork!r}; it has "
                f"{', '.join(names)}"
            )
        mask = self._ffi.new("uint32_t *")
        self._check(self._lib.ea_artwork_mask(self._handle, rows[names.index(artwork)], mask))
        return tuple(name for i, name in enumerate(self.attributes) if mask[0] >> i & 1)

    def title_scale(self, title: str) -> float:
        """The factor of the explorer's parameter for a title, 1.0 where titles have none.

        Raises UnknownTitleError.
        """
        scale = self._ffi.new("double *")
        self._check(self._lib.ea_title_scale(self._handle, self._index(title), scale))
        return float(scale[0])

    def limits(
        self,
        *,
        denied: Mapping[str, Iterable[str]] | None = None,
        required: Iterable[str] = (),
        forbidden: Iterable[str] = (),
        candidates: Mapping[str, Iterable[str]] | None = None,
    ) -> Limits:
        """What choices have to keep to, for any number of them (native/spec/decision.md §6).

        denied: title to the artworks of it that must not be shown; where one would have been,
        another is drawn. required, forbidden: names of attributes that an artwork must have, all
        of them, and must not have, any of them. candidates: title to the artworks of it that the
        host has; a title that is not named has all of its own. What is not eligible by attributes
        or candidates counts as if it did not exist.

        Raises UnknownTitleError, UnknownArtworkError or UnknownAttributeError.
        """
        from edgeart.limits import build

        return build(self, denied, required, forbidden, candidates)

    def candidates(
        self, context: Context, title: str, *, limits: Limits | None = None
    ) -> Candidates:
        """Every candidate of a title with its score and integer n. Raises as `select`."""
        index, handle = self._index(title), self._handle_of(context)
        return self._told(self._lib.ea_propensities, limits, index, handle, index)

    def _told(self, function: Any, limits: Limits | None, index: int, *given: Any) -> Candidates:
        """What ea_propensities or its like tells of the title at index."""
        from edgeart.types import Candidates

        most = len(self._rows_of(index))
        records = self._ffi.new("ea_candidate[]", most)
        count, total = self._ffi.new("uint32_t *"), self._ffi.new("uint32_t *")
        self._check(
            function(self._handle, *given, self._limits_of(limits), records, most, count, total)
        )
        raw = self._bytes_of(records)[: count[0] * self._ffi.sizeof("ea_candidate")]
        words, floats = raw.cast("I"), raw.cast("f")  # four of either a record
        rows = self._ffi.cast("uint32_t *", records)  # the first of a record's four words
        names: Any = tuple(self._ids(rows, 4, count[0], of_titles=False))
        return Candidates(names, words[0::4], words[1::4], floats[2::4], words[3::4], total[0])

    def propensities(
        self, context: Context, title: str, *, limits: Limits | None = None
    ) -> dict[str, float]:
        """Candidate to the probability with which it is shown. Raises as `select`.

        The values are 0.0 throughout where every candidate is denied, and add up to 1 otherwise;
        without any candidate there are none.
        """
        found = self.candidates(context, title, limits=limits)
        return {name: n / found.total for name, n in zip(found.artworks, found.n, strict=True)}

    def fallback(self, title: str, *, limits: Limits | None = None) -> Decision:
        """The choice without a context: the first candidate that is not denied, undrawn.

        Raises UnknownTitleError, and ForeignContextError for limits of another policy.
        """
        record = self._ffi.new("ea_decision *")
        limit = self._limits_of(limits)
        self._check(self._lib.ea_fallback(self._handle, self._index(title), limit, record))
        return Decision(self, title, record)

    def select_host(self, context: Context, title: str, artworks: Sequence[str]) -> HostDecision:
        """Draws, all alike probable, one of the artworks a host has of a title the bundle lacks.

        artworks: 1 to 256 different ids, none of which may be denied; their order matters.
        Raises ValueError for others and for a title of the bundle.
        """
        from edgeart.host import HostDecision

        names = list(artworks)
        if isinstance(artworks, str) or not 1 <= len(set(names)) == len(names) <= _MOST_CANDIDATES:
            raise ValueError(
                f"artworks {artworks!r} of title {title!r}: give 1 to {_MOST_CANDIDATES} "
                "different ids"
            )
        if self._find(title) is not None:
            raise ValueError(
                f"policy {self.name!r} has title {title!r}; use select with limits(candidates=…)"
            )
        key = title.encode("utf-8", "replace")  # as the feedback log writes it
        record = self._ffi.new("ea_decision *")
        handle = self._handle_of(context)
        self._check(
            self._lib.ea_select_host(self._handle, handle, key, len(key), len(names), record)
        )
        return HostDecision(
            title, names[record.row], "host_uniform", n=record.n, total=record.total,
            cell=self._cell_name(record.cell), policy=self, candidates=names,
        )  # fmt: skip

    def unit_of_cell(self, cell: str | None) -> int:
        """Some unit that falls into a cell, None being none of them: to repeat logged decisions.

        Found by trial, as cells are hashed; the smaller a cell's share, the longer it takes.
        Raises LookupError where the policy has no such cell, or its share is too small to be met.
        """
        share = 1.0 if not self._info.cells else self._cell(0)[1]
        index = 0
        if cell is not None:
            names = [known.name for known in self.cells]
            if cell not in names:
                raise LookupError(
                    f"policy {self.name!r}, sequence {self.sequence}, has no cell {cell!r}; it "
                    f"has {', '.join(names) or 'none'}"
                )
            index = names.index(cell) + 1
            share = self.cells[index - 1].share
        # So many that missing a cell by chance is a matter of e^-64.
        for unit in range(int(min(64 / share, _MOST_TRIALS)) if share else 0):
            if self._cell_of(unit) == index:
                return unit
        raise LookupError(
            f"policy {self.name!r}, sequence {self.sequence}: no unit was found in "
            f"{'no cell' if cell is None else f'cell {cell!r}'}, whose share is {share:g}"
        )

    def explain(self, context: Context, title: str, *, limits: Limits | None = None) -> Explanation:
        """Which features spoke for which artwork of a title. Raises as `select`.

        Explanation says how a score is taken apart.
        """
        from edgeart.explain import explain

        return explain(self, context, title, limits)

    def scores(self, context: Context) -> memoryview[float]:
        """Scores of all rows: a fresh view of 'f'. Raises ForeignContextError."""
        return self._of_all_rows(self._lib.ea_scores, context)

    def variances(self, context: Context) -> memoryview[float]:
        """Variances of all rows' scores, likewise; 0.0 throughout for a policy without."""
        return self._of_all_rows(self._lib.ea_variances, context)

    def verify(self) -> int:
        """Runs the bundle's test vectors and returns how many there are. Raises VectorError."""
        memory, handle, size = self._context_memory()
        failed = self._ffi.new("uint32_t *")
        status = self._lib.ea_policy_verify(self._handle, handle, size, failed)
        if status == self._lib.EA_E_VECTOR:
            raise VectorError(
                f"policy {self.name!r}, sequence {self.sequence}: test vector {failed[0]} of "
                f"{self.vector_count} does not hold here (EA_E_VECTOR); do not use this bundle on "
                "this kind of machine, and report it with the bundle",
                status=self._status_name(status),
                vector=failed[0],
            )
        self._check(status)
        del memory  # had to live until here
        return self.vector_count

    # For the modules of this package.

    def _of_all_rows(self, function: Any, context: Context) -> memoryview[float]:
        count = self._info.artworks
        values = self._ffi.new("float[]", count)
        self._check(function(self._handle, self._handle_of(context), values, count))
        return self._bytes_of(values).cast("f")

    def _hash_of(self, context: Context) -> int:
        value = self._ffi.new("uint64_t *")
        self._check(self._lib.ea_context_hash(self._handle, self._handle_of(context), value))
        return int(value[0])

    def _row_weights(self, row: int) -> tuple[memoryview[float], float]:
        """The weights of a row as they act, a view of 'f' of length k, and its bias."""
        weights, bias = self._ffi.new("float[]", self.k), self._ffi.new("float *")
        self._check(self._lib.ea_row_weights(self._handle, row, weights, self.k, bias))
        return self._bytes_of(weights).cast("f"), bias[0]

    def _acting_vector(self, context: Context) -> list[float]:
        """The slots of a context as rows meet them: for i8 rows code times scale."""
        ffi, slots = self._ffi, self._ffi.new("float[]", self.slots)
        codes, scale = ffi.new("int8_t[]", self.k), ffi.new("float *")
        handle = self._handle_of(context)
        self._check(
            self._lib.ea_context_vector(self._handle, handle, slots, self.slots, codes, scale)
        )
        if self.rows == "i8":
            return [code * scale[0] for code in codes]
        return list(slots)

    def _slots_of(self, handle: Any) -> memoryview[float]:
        slots, null = self._ffi.new("float[]", self.slots), self._ffi.NULL
        self._check(
            self._lib.ea_context_vector(self._handle, handle, slots, self.slots, null, null)
        )
        return self._bytes_of(slots).cast("f")

    def _u_of(self, context: Context) -> memoryview[float]:
        u = self._ffi.new("float[]", self.k)
        handle = self._handle_of(context)
        self._check(self._lib.ea_context_u(self._handle, handle, u, self.k))
        return self._bytes_of(u).cast("f")

    def _index(self, title: str) -> int:
        index = self._find(title)
        if index is None:
            some = ", ".join(map(repr, self.titles[:3]))
            raise UnknownTitleError(
                f"policy {self.name!r}, sequence {self.sequence}, has no title {title!r}; it has "
                f"{self._title_count}{f', such as {some}' if some else ''}"
            )
        return index

    def _find(self, title: str) -> int | None:
        if not isinstance(title, str):
            raise TypeError(f"a title id is a str, not {title!r}")
        key = title.encode("utf-8", "surrogatepass")  # no bundle has such a title: not found
        index: int = self._lib.ea_title_find(self._handle, key, len(key))
        return None if index == self._lib.EA_NONE else index

    def _rows_of(self, index: int) -> range:
        first, count = self._ffi.new("uint32_t *"), self._ffi.new("uint32_t *")
        self._check(self._lib.ea_title_info(self._handle, index, self._ffi.NULL, first, count))
        return range(first[0], first[0] + count[0])

    # What only native calls can tell, and what to raise then.

    def _handle_of(self, context: Context) -> Any:
        try:
            return context._handle
        except AttributeError:
            raise TypeError(
                f"a context is made by policy.context(values, seed=…), not {context!r}"
            ) from None

    def _limits_of(self, limits: Limits | None) -> Any:
        if limits is None:
            return self._ffi.NULL
        try:
            pointer = limits._limits
        except AttributeError:
            raise TypeError(
                f"limits are made by policy.limits(denied=…, required=…), not {limits!r}"
            ) from None
        if limits.policy is not self:
            raise self._foreign("limits were", "limits()")
        return pointer
