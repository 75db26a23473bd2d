# SPDX-License-Identifier: Apache-2.0
"""The titles of a bundle as a sequence that holds none of them: every look goes to the bundle."""

# The modules of this package share its private names; a policy's are spread over several files.
# ruff: noqa: SLF001

from __future__ import annotations

# collections.abc gives the same class, but imports `collections`, which costs 3 ms at start-up.
from _collections_abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import overload

    from edgeart.describe import Described

_AT_A_TIME = 1024  # ids that one native call looks up for an iteration


class Titles(Sequence[str]):
    """All title ids of a policy in bundle order. `in` and `.index()` cost one hash, not a scan."""

    __slots__ = ("_policy",)

    def __init__(self, policy: Described) -> None:
        self._policy = policy

    def __len__(self) -> int:
        return self._policy._title_count

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> str: ...
        @overload
        def __getitem__(self, index: slice) -> tuple[str, ...]: ...

    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        every = range(len(self))
        if isinstance(index, slice):
            return self._policy._title_ids(every[index])
        try:
            return self._policy._title_id(every[index])
        except IndexError:
            raise IndexError(f"title {index} of a bundle of {len(every)} titles") from None

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _AT_A_TIME):
            yield from self[first : first + _AT_A_TIME]

    def __contains__(self, title: object) -> bool:
        return isinstance(title, str) and self._policy._find(title) is not None

    def index(self, title: str, start: int = 0, stop: int | None = None) -> int:
        """Index of a title in bundle order. Raises ValueError where it is not in the range."""
        found = self._policy._find(title)
        if found is None or found not in range(len(self))[start:stop]:
            raise ValueError(f"{title!r} is not among these titles")
        return found

    def count(self, title: str) -> int:
        """1 if the bundle has the title, else 0."""
        return int(title in self)

    def __repr__(self) -> str:
        return f"<Titles of policy {self._policy.name!r}, {len(self)} titles>"
