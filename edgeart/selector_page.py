# SPDX-License-Identifier: Apache-2.0
"""What a Selector answers for a page: decisions of its policy, and those made without it."""

# The modules of this package share its private names.
# ruff: noqa: SLF001

from __future__ import annotations

from _collections_abc import Sequence

from edgeart.decision import restricted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import overload

    from edgeart.decision import Decision, Page
    from edgeart.events import ContextRecord
    from edgeart.host import HostDecision


class SelectorPage(Sequence["Decision | HostDecision"]):
    """The decisions of one page, in the order of its titles."""

    __slots__ = ("_candidates", "_origin", "_others", "_page", "titles")

    titles: tuple[str, ...]

    def __init__(
        self,
        titles: tuple[str, ...],
        page: Page | None,
        others: dict[int, Decision | HostDecision],
        origin: ContextRecord | None,
        candidates: dict[str, bytes],
    ) -> None:
        """others: what was decided otherwise than by the page, by place. candidates: of Limits."""
        self.titles = titles
        self._page = page
        self._others = others
        self._origin = origin
        self._candidates = candidates

    def __len__(self) -> int:
        return len(self.titles)

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> Decision | HostDecision: ...
        @overload
        def __getitem__(self, index: slice) -> tuple[Decision | HostDecision, ...]: ...

    def __getitem__(
        self, index: int | slice
    ) -> Decision | HostDecision | tuple[Decision | HostDecision, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self.titles))))
        place = range(len(self.titles))[index]
        other = self._others.get(place)
        if other is not None:
            return other
        assert self._page is not None  # noqa: S101 - every place has the one or the other
        decision = self._page[place]
        if decision.title in self._candidates:
            decision = restricted(decision, self._candidates[decision.title])
        decision._origin = self._origin
        return decision

    def artworks(self) -> list[str | None]:
        """The chosen artwork of every title, None where there is none."""
        found: list[str | None] = [None] * len(self.titles)
        if self._page is not None:
            found = self._page.artworks()
        for place, decision in self._others.items():
            found[place] = decision.artwork
        return found
