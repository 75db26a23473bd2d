# SPDX-License-Identifier: Apache-2.0
"""What a policy answers: one Decision, or a Page of them that are built when looked at."""

# The modules of this package share its private names; a policy's are spread over several files.
# ruff: noqa: SLF001

from __future__ import annotations

# collections.abc gives the same class, but imports `collections`, which costs 3 ms at start-up.
from _collections_abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, overload

    from edgeart.describe import Described
    from edgeart.events import ContextRecord
    from edgeart.policy import Policy


class Decision:
    """One choice: the artwork that represents a title, and how it came about. Constant.

    Its fields are decoded when they are read. Two decisions are equal when the same policy object
    gave them and every field is equal.
    """

    __slots__ = ("_origin", "_policy", "_record", "title")

    title: str  # as asked for
    _origin: ContextRecord | None  # set by a Selector alone: the context it was made under

    def __init__(self, policy: Described, title: str, record: Any) -> None:
        self._policy = policy
        self._record = record
        self.title = title

    @property
    def artwork(self) -> str | None:
        """Id of the chosen artwork; None where no artwork may be shown, or the title is unknown."""
        return self._policy._artwork(self._record.row)

    @property
    def propensity(self) -> float:
        """Probability with which this artwork was chosen: n / total, 0.0 without an artwork."""
        record = self._record
        return float(record.n / record.total)

    @property
    def score(self) -> float:
        """Score of the chosen artwork, a binary32 value; 0.0 without an artwork."""
        return float(self._record.score)

    @property
    def cell(self) -> str | None:
        """Name of the unit's cell, whose explorer decided; None for the policy's own explorer."""
        return self._policy._cell_name(self._record.cell)

    @property
    def policy(self) -> str:
        """Name of the policy."""
        return self._policy.name

    @property
    def sequence(self) -> int:
        """Sequence number of the policy's bundle."""
        return self._policy.sequence

    @property
    def reason(self) -> str:
        """How it came about: native/spec/decision.md §7.

        policy, redrawn, recomputed, none, unknown_title, or from `Policy.fallback` fallback.
        """
        return self._policy._reasons[self._record.reason]

    @property
    def n(self) -> int:
        """Numerator of the propensity."""
        return int(self._record.n)

    @property
    def total(self) -> int:
        """Denominator of the propensity: 2**31 less what lies on denied artworks; never 0."""
        return int(self._record.total)

    @property
    def row(self) -> int | None:
        """Row of the chosen artwork in the bundle; None without an artwork."""
        row: int = self._record.row
        return None if row == self._policy._none else row

    def _fields(self) -> tuple[object, ...]:
        record = self._record
        return (self.title, record.title, record.row, record.n, record.total, record.reason,
                record.cell, record.score)  # fmt: skip

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Decision):
            return NotImplemented
        return self._policy is other._policy and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Decision belongs to its Policy and cannot be pickled; "
                        "keep its fields instead")  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"Decision(title={self.title!r}, artwork={self.artwork!r}, "
            f"propensity={self.propensity:.6g}, score={self.score:.6g}, reason={self.reason!r}, "
            f"policy={self.policy!r}, sequence={self.sequence})"
        )


class Restricted(Decision):
    """A Decision among those of a title's artworks that the host has. A Selector makes them."""

    # A class of its own, so that decisions without a restriction pay nothing for it.
    __slots__ = ("_candidates",)

    _candidates: bytes  # bit i of byte i // 8: the host has the title's i-th artwork


def restricted(decision: Decision, candidates: bytes) -> Restricted:
    """The same decision, with the candidates it was made among."""
    twin = Restricted(decision._policy, decision.title, decision._record)
    twin._candidates = candidates
    return twin


class PreparedTitles:
    """The titles of a page, looked up once. Made by `Policy.page_titles` for that policy.

    Given to another policy it works as the plain titles would: they are looked up again.
    """

    __slots__ = ("_indices", "policy", "titles")

    policy: Policy
    titles: tuple[str, ...]

    def __init__(self, policy: Policy, titles: tuple[str, ...], indices: Any) -> None:
        self.policy = policy
        self.titles = titles
        self._indices = indices

    @property
    def indices(self) -> memoryview:
        """Index of each title in the bundle, 2**32 - 1 for one it does not have: a view of 'I'."""
        return self.policy._bytes_of(self._indices).cast("I")

    def __len__(self) -> int:
        return len(self.titles)

    def __reduce__(self) -> NoReturn:
        raise TypeError("PreparedTitles belong to their Policy and cannot be pickled; "
                        "keep their .titles instead")  # fmt: skip

    def __repr__(self) -> str:
        return f"<PreparedTitles of policy {self.policy.name!r}, {len(self.titles)} titles>"


class Page(Sequence["Decision"]):
    """The decisions of one call of `Policy.select_page`, in the order of its titles. Constant.

    A Decision is built when it is looked up and stays valid without the page.
    """

    __slots__ = ("_policy", "_records", "titles")

    titles: tuple[str, ...]

    def __init__(self, policy: Policy, titles: tuple[str, ...], records: Any) -> None:
        self._policy = policy
        self._records = records
        self.titles = titles

    def __len__(self) -> int:
        return len(self.titles)

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> Decision: ...
        @overload
        def __getitem__(self, index: slice) -> tuple[Decision, ...]: ...

    def __getitem__(self, index: int | slice) -> Decision | tuple[Decision, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self.titles))))
        title = self.titles[index]  # raises IndexError, and TypeError for other types
        return Decision(self._policy, title, self._record(index))

    def _record(self, index: int) -> Any:
        return self._policy._copied(self._records[index % len(self.titles)])

    @property
    def raw(self) -> memoryview:
        """The records as bytes, read-only and not copied, 24 per title: `ea_decision` of edgeart.h.

        title u32, row u32, n u32, total u32, score f32, reason u16, cell u16, all in the machine's
        order; for numpy `np.frombuffer(page.raw, [("title", "u4"), ("row", "u4"), ("n", "u4"),
        ("total", "u4"), ("score", "f4"), ("reason", "u2"), ("cell", "u2")])`. From Python 3.12
        on a page is such a buffer itself: `memoryview(page)`, `np.frombuffer(page, ...)`.
        """
        return self._policy._bytes_of(self._records)

    def __buffer__(self, _flags: int) -> memoryview:
        return self.raw

    def unknown(self) -> list[int]:
        """Places of the titles that the bundle does not have."""
        none = self._policy._none
        indices = self.raw.cast("I")[0::6].tolist()
        return [i for i, index in enumerate(indices) if index == none] if none in indices else []

    def artworks(self) -> list[str | None]:
        """The chosen artwork of every title, None where there is none."""
        return self._policy._artworks_of(self._records)

    def propensities(self) -> memoryview[float]:
        """The propensity of every title's choice, 0.0 without one: a fresh view of 'd'."""
        return self._policy._propensities_of(self._records)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Page belongs to its Policy and cannot be pickled; "
                        "keep its .titles and .artworks() instead")  # fmt: skip

    def __repr__(self) -> str:
        return f"<Page of policy {self._policy.name!r}, {len(self.titles)} decisions>"
