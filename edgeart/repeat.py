# SPDX-License-Identifier: Apache-2.0
"""Repeats logged decisions: from what feedback.md §4 writes down back to artwork, n and total."""

# The modules of this package share its private names.
# ruff: noqa: SLF001

from __future__ import annotations

from typing import NamedTuple

from edgeart.errors import RepetitionError
from edgeart.limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

    from edgeart.context import Context
    from edgeart.decision import Decision
    from edgeart.host import HostDecision
    from edgeart.policy import Policy

    Buffer = bytes | memoryview | array[int]


_MOST_RESTRICTED = 4096  # limits of a title that a Repeater keeps


class Repeated(NamedTuple):
    """What `Repeater.pages` gives."""

    statuses: memoryview  # 'i', of each context: 0, or the status for which nothing was decided
    raw: memoryview  # of each title a record as of `Page.raw`, all 0 where nothing was decided


class Repeater:
    """Logged contexts of one bundle that share cell and limits, repeated one by one or by pages.

    The arguments are elements of a context event with their meaning of feedback.md §4. That the
    bundle is the right one, by its digest, is the caller's to check. Raises RepetitionError for a
    cell that the policy does not have.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        cell: str | None = None,
        denied: bytes | None = None,
        required: int = 0,
        forbidden: int = 0,
        unit: int | None = None,
    ) -> None:
        """unit: some unit of the cell, in its place, where one is known."""
        self.policy = policy
        try:
            self.unit = policy.unit_of_cell(cell) if unit is None else unit
        except LookupError as error:
            raise RepetitionError(str(error)) from error
        self._limits = Limits(policy, denied or b"", required, forbidden, {})
        self._restricted: dict[tuple[str, bytes], Limits] = {}

    def limits(self, title: str, candidates: bytes | None = None) -> Limits:
        """The limits that held for a title; candidates: the impression's bitmap, if any."""
        if candidates is None:
            return self._limits
        found = self._restricted.get((title, candidates))
        if found is None:
            if len(self._restricted) >= _MOST_RESTRICTED:
                self._restricted.clear()
            found = self._limits.having({title: candidates})
            self._restricted[title, candidates] = found
        return found

    def pages(
        self, maps: Buffer, map_ends: Buffer, seeds: Buffer, titles: Buffer, ends: Buffer
    ) -> Repeated:
        """Encodes each context and decides its titles, all in one native call.

        maps: the contexts' maps, one after the other. map_ends: u64, where each one ends. seeds:
        u64, of each context. titles: u32, indices as of `PreparedTitles.indices`, context by
        context. ends: u64, where the titles of each end. All are buffers in the machine's order.
        Other threads go on meanwhile. Raises ValueError for lengths that do not go together.
        """
        policy = self.policy
        ffi, lib = policy._ffi, policy._lib
        count, title_count = memoryview(seeds).nbytes // 8, memoryview(titles).nbytes // 4
        if not memoryview(map_ends).nbytes == memoryview(ends).nbytes == 8 * count:
            raise ValueError("map_ends, seeds and ends must be as many u64 as there are contexts")
        statuses = ffi.new("int32_t[]", count)
        records = ffi.new("ea_decision[]", title_count)
        owner, context, size = policy._context_memory()
        numbers = (self.unit, size, count, memoryview(maps).nbytes, title_count)
        given = [ffi.from_buffer(each) for each in (seeds, map_ends, ends, maps, titles)]
        memory = (policy._handle, context, self._limits._limits, *given, statuses, records)
        status = lib.edgeart_repeat(
            ffi.new("uint64_t[]", numbers),
            ffi.new("void *[]", [ffi.cast("void *", each) for each in memory]),
        )
        del owner, given  # had to live until here
        if status:
            raise ValueError(
                "map_ends and ends must not decrease, nor pass the ends of maps and titles"
            )
        return Repeated(policy._bytes_of(statuses).cast("i"), policy._bytes_of(records))


class Repetition:
    """A logged context under the bundle that decided, for any number of its impressions.

    The arguments are those of Repeater, and the context's map and seed; repeater: one made of the
    other arguments, in their place.

    Raises RepetitionError for a cell that the policy does not have, ContextError for values.
    """

    context: Context

    def __init__(
        self,
        policy: Policy,
        *,
        values: bytes,
        seed: int,
        cell: str | None = None,
        denied: bytes | None = None,
        required: int = 0,
        forbidden: int = 0,
        repeater: Repeater | None = None,
    ) -> None:
        self.policy = policy
        self._repeater = repeater or Repeater(
            policy, cell=cell, denied=denied, required=required, forbidden=forbidden
        )
        self.context = policy.context(values, seed=seed, unit=self._repeater.unit)

    def limits(self, title: str, candidates: bytes | None = None) -> Limits:
        """The limits that held for a title; candidates: the impression's bitmap, if any."""
        return self._repeater.limits(title, candidates)

    def decide(
        self, title: str, candidates: bytes | Sequence[str] | None = None
    ) -> Decision | HostDecision:
        """The decision again. candidates: the impression's, a bitmap or the artworks' names.

        Raises RepetitionError where the bundle's titles and the candidates do not go together.
        """
        known = title in self.policy.titles
        if candidates is None or isinstance(candidates, bytes):
            if not known and candidates is not None:
                raise RepetitionError(
                    f"policy {self.policy.name!r} has no title {title!r}, of whose rows the "
                    "impression names candidates"
                )
            limits = self.limits(title, candidates)
            if known:
                return self.policy.select(self.context, title, limits=limits)
            return self.policy.select_page(self.context, (title,), limits=limits)[0]
        if known:
            raise RepetitionError(
                f"policy {self.policy.name!r} has title {title!r}, for which the impression has "
                "the candidates of an unknown one"
            )
        return self.policy.select_host(self.context, title, candidates)
