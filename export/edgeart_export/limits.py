# SPDX-License-Identifier: Apache-2.0
"""The limits of a call, by name: what a choice had to keep to, whichever policy makes it.

Bits of rows and attributes mean something in one bundle alone. By name the limits of a logged call
can be put to any other policy, and it can be asked what it would have shown under them.
"""

from __future__ import annotations

from dataclasses import dataclass

import edgeart

_MOST = 4096
"""Limits of a policy that are kept; each has a bit for every row of the bundle."""


@dataclass(frozen=True)
class CallLimits:
    """What limited one choice besides the policy (native/spec/decision.md §6), for its title.

    denied: artworks of the title that must not be shown. required, forbidden: names of attributes
    that an artwork must have, all of them, and must not have, any of them. candidates: the artworks
    of the title that the host had; None: whatever the bundle has.
    """

    denied: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    candidates: frozenset[str] | None = None

    def __bool__(self) -> bool:
        """Whether they limit anything."""
        return self != _NOTHING


_NOTHING = CallLimits()


class Within:
    """A policy under the limits of calls, as `edgeart.Selector` puts them to it.

    Denied artworks and candidates of the host that the bundle lacks are no matter. A policy that
    lacks an attribute cannot tell what may be shown: it shows nothing.
    """

    def __init__(self, policy: edgeart.Policy) -> None:
        self.policy = policy
        self._limits: dict[tuple[str | None, CallLimits], edgeart.Limits | None] = {}
        self._eligible: dict[tuple[str, CallLimits], frozenset[str]] = {}
        self._context: edgeart.Context | None = None

    def limits(self, title: str, call: CallLimits) -> edgeart.Limits | None:
        """The policy's limits for a call's title; None where it can show nothing of it."""
        # What says nothing of single artworks is the same for all titles.
        single = call.denied or call.candidates is not None
        key = (title if single else None, call)
        if key not in self._limits:
            if len(self._limits) >= _MOST:
                self._limits.clear()
            self._limits[key] = self._made(title, call)
        return self._limits[key]

    def _made(self, title: str, call: CallLimits) -> edgeart.Limits | None:
        has = self.policy.artworks(title) if call.denied or call.candidates is not None else ()
        candidates = call.candidates
        try:
            return self.policy.limits(
                denied={title: [name for name in has if name in call.denied]} if has else None,
                required=sorted(call.required),
                forbidden=sorted(call.forbidden),
                candidates=None
                if candidates is None
                else {title: [name for name in has if name in candidates]},
            )
        except edgeart.UnknownAttributeError:
            return None

    def eligible(self, title: str, call: CallLimits) -> frozenset[str]:
        """The artworks of a title that the policy may show under the limits of a call.

        They do not depend on the context. Of what is denied none is among them.
        """
        found = self._eligible.get((title, call))
        if found is None:
            limits = self.limits(title, call)
            if limits is None:
                found = frozenset()
            else:
                if self._context is None:
                    self._context = self.policy.context(None, seed=0)
                told = self.policy.candidates(self._context, title, limits=limits)
                pairs = zip(told.artworks, told.denied, strict=True)
                found = frozenset(name for name, denied in pairs if not denied)
            self._eligible[title, call] = found
        return found
