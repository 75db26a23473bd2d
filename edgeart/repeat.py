# SPDX-License-Identifier: Apache-2.0
"""Repeats logged decisions: from what feedback.md §4 writes down back to artwork, n and total."""

from __future__ import annotations

from edgeart.errors import RepetitionError
from edgeart.limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeart.context import Context
    from edgeart.decision import Decision
    from edgeart.host import HostDecision
    from edgeart.policy import Policy


class Repetition:
    """A logged context under the bundle that decided, for any number of its impressions.

    The arguments are the elements of a context event with their meaning of feedback.md §4. That
    the bundle is the right one, by its digest, is the caller's to check.

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
    ) -> None:
        self.policy = policy
        try:
            unit = policy.unit_of_cell(cell)
        except LookupError as error:
            raise RepetitionError(str(error)) from error
        self.context = policy.context(values, seed=seed, unit=unit)
        self._limits = Limits(policy, denied or b"", required, forbidden, {})

    def limits(self, title: str, candidates: bytes | None = None) -> Limits:
        """The limits that held for a title; candidates: the impression's bitmap, if any."""
        return self._limits if candidates is None else self._limits.having({title: candidates})

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
            return self.policy.select_page(self.context, (title,), limits=limits)[0]
        if known:
            raise RepetitionError(
                f"policy {self.policy.name!r} has title {title!r}, for which the impression has "
                "the candidates of an unknown one"
            )
        return self.policy.select_host(self.context, title, candidates)
