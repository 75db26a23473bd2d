# SPDX-License-Identifier: Apache-2.0
"""Chooses for a render loop: one member profile, one policy that may be swapped, no exceptions."""

# The modules of this package share its private names.
# ruff: noqa: SLF001, BLE001

from __future__ import annotations

from _collections_abc import Sequence
from hashlib import blake2b

from edgeart.context import pack
from edgeart.events import ContextRecord, HostDecision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import overload

    from edgeart.context import Context, Denied
    from edgeart.decision import Decision, Page
    from edgeart.feedback import FeedbackLog
    from edgeart.policy import Policy

EPOCH_MS = 28 * 86_400_000  # how long a unit keeps its draws and its pseudonym


class SelectorPage(Sequence["Decision | HostDecision"]):
    """The decisions of one page, in the order of its titles."""

    __slots__ = ("_host", "_page", "_state", "titles")

    titles: tuple[str, ...]

    def __init__(
        self,
        titles: tuple[str, ...],
        page: Page | None,
        host: dict[int, HostDecision],
        state: _State,
    ) -> None:
        self.titles = titles
        self._page = page
        self._host = host  # what the policy did not decide, by place
        self._state = state

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
        host = self._host.get(place)
        if host is not None:
            return host
        assert self._page is not None  # noqa: S101 - every place has the one or the other
        decision = self._page[place]
        decision._origin = self._state.record
        return decision

    def artworks(self) -> list[str | None]:
        """The chosen artwork of every title, None where there is none."""
        return [decision.artwork for decision in self]


class _State:
    """What decides until it is replaced as a whole: one policy, one context."""

    __slots__ = ("context", "denial", "epoch", "policy", "record", "values")

    def __init__(
        self,
        policy: Policy | None,
        values: dict[str, object] | None,
        epoch: int,
    ) -> None:
        self.policy = policy
        self.values = values  # None: they could not be used
        self.epoch = epoch
        self.context: Context | None = None
        self.record: ContextRecord | None = None
        self.denial: Denied | None = None


class Selector:
    """Chooses artworks for one member profile, and records what was seen.

    policy: None until there is one; `use` swaps it between pages. log: None to record nothing.
    unit: an opaque, stable key of the member profile; it never leaves the device. secret: 32 random
    bytes of this device, by which unit and epoch become seeds and pseudonyms. subject: an opaque
    key under which the server may find plays in logs of its own. clock: milliseconds since 1970.

    `page`, `select`, `shown`, `outcome` and `set_context` never raise: where the policy cannot be
    used a title's default artwork is chosen, with a reason, and `errors` counts what happened.
    """

    def __init__(
        self,
        policy: Policy | None,
        log: FeedbackLog | None,
        *,
        unit: bytes,
        secret: bytes,
        subject: str | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        if len(secret) < 16:
            raise ValueError(f"secret of {len(secret)} bytes: give 32 random ones, kept for good")
        from edgeart.feedback import wall_ms  # noqa: PLC0415 - with no log, no need of it

        self.log = log
        self.subject = subject
        self.errors: dict[str, int] = {}  # how often, by what it was
        self.last_error: Exception | None = None
        self._unit = unit
        self._secret = secret[:64]
        self._clock = clock or (log.clock if log is not None else wall_ms)
        self._denied: dict[str, tuple[str, ...]] = {}
        self._state = self._renewed(policy, {})

    # What decides.

    @property
    def policy(self) -> Policy | None:
        """The policy that decides now."""
        return self._state.policy

    def use(self, policy: Policy | None) -> None:
        """Decides by another policy from the next page on; the context stays."""
        self._state = self._renewed(policy, self._state.values)

    def set_context(self, values: Mapping[str, object]) -> None:
        """What is known of the member now; it stays until it is set again."""
        given: dict[str, object] | None = None
        try:
            given = dict(values)
        except Exception as error:
            self._note("context", error)
        self._state = self._renewed(self._state.policy, given)

    def deny(self, artworks: Mapping[str, Iterable[str]]) -> None:
        """Artworks that must not be shown, by title; replaces what was denied before."""
        self._denied = {title: tuple(names) for title, names in artworks.items()}
        self._state = self._renewed(self._state.policy, self._state.values)

    def _renewed(self, policy: Policy | None, values: dict[str, object] | None) -> _State:
        """A state to be put in place in one assignment: a page under way keeps the one it has."""
        state = _State(policy, values, self._clock() // EPOCH_MS)
        if policy is None or values is None:
            return state
        try:
            if self._denied:
                state.denial = policy.denied(self._known_denied(policy))
            declared = {f.name: values[f.name] for f in policy.features if f.name in values}
            packed = pack(declared)
            seed = self._key(b"seed", policy.name.encode(), state.epoch)
            context = policy.context(packed, seed=seed, unit=self._key(b"unit", b"", 0))
            state.record = ContextRecord(
                policy=policy.name,
                sequence=policy.sequence,
                digest=policy.digest,
                values=packed,
                seed=seed,
                unit_epoch=self._key(b"unep", b"", state.epoch),
                denied=state.denial.bitmap if state.denial is not None else None,
                subject=self.subject,
            )
            state.context = context  # last: with it the state is usable
        except Exception as error:
            self._note("context", error)
        return state

    def _known_denied(self, policy: Policy) -> dict[str, list[str]]:
        known = {}
        for title, names in self._denied.items():
            if title in policy.titles:
                artworks = policy.artworks(title)
                known[title] = [name for name in names if name in artworks]
        return known

    def _key(self, use: bytes, name: bytes, epoch: int) -> int:
        """A u64 that says nothing of the unit to whoever lacks the secret."""
        text = b"\0".join((name, epoch.to_bytes(8, "little", signed=True), self._unit))
        hashed = blake2b(text, digest_size=8, key=self._secret, person=b"edgeart-" + use)
        return int.from_bytes(hashed.digest(), "little")

    # Choosing.

    def page(
        self,
        titles: Sequence[str],
        *,
        candidates: Mapping[str, Sequence[str]] | None = None,
    ) -> SelectorPage:
        """Chooses for many titles.

        candidates: the artworks the host has for titles that the bundle may not know, the default
        first; of these one is drawn uniformly.
        """
        state = self._state
        try:
            ids = tuple(titles)
        except Exception as error:
            self._note("titles", error)
            return SelectorPage((), None, {}, state)
        candidates = candidates or {}
        if state.policy is not None and state.context is not None:
            try:
                page = state.policy.select_page(state.context, ids, denied=state.denial)
                host = {i: self._host_uniform(state, ids[i], candidates) for i in page.unknown()}
                return SelectorPage(ids, page, host, state)
            except Exception as error:
                self._note("page", error)
        host = {i: self._fallback(state, title, candidates) for i, title in enumerate(ids)}
        return SelectorPage(ids, None, host, state)

    def select(
        self, title: str, *, candidates: Sequence[str] | None = None
    ) -> Decision | HostDecision:
        """Chooses for one title, as `page` does."""
        given = {title: candidates} if candidates else None
        return self.page((title,), candidates=given)[0]

    def _fallback(
        self, state: _State, title: str, candidates: Mapping[str, Sequence[str]]
    ) -> HostDecision:
        """The default artwork that is not denied; nothing is drawn, so it has no propensity."""
        names: Sequence[str] = candidates.get(title, ())
        try:
            if state.policy is not None and title in state.policy.titles:
                names = state.policy.artworks(title)
        except Exception as error:
            self._note("fallback", error)
        denied = self._denied.get(title, ())
        artwork = next((name for name in names if name not in denied), None)
        return _host_decision(state, title, artwork, "fallback", 0)

    def _host_uniform(
        self, state: _State, title: str, candidates: Mapping[str, Sequence[str]]
    ) -> HostDecision:
        """One of the host's artworks, all alike probable."""
        denied = self._denied.get(title, ())
        names = [name for name in candidates.get(title, ()) if name not in denied]
        if not names:
            return _host_decision(state, title, None, "unknown_title", 0)
        draw = self._key(b"host", title.encode("utf-8", "replace"), state.epoch)
        n = (1 << 31) // len(names)
        return _host_decision(state, title, names[draw * len(names) >> 64], "host_uniform", n)

    # Recording.

    def shown(
        self,
        decision: Decision | HostDecision,
        *,
        slot: tuple[int, int] = (0, 0),
        instead: str | None = None,
    ) -> str | None:
        """Records that a decision was really seen; a ref for `outcome`, or None.

        slot: row and column on the page, from 0. instead: the artwork that the application showed
        in its place; such an impression is in no weighted estimate.
        """
        if self.log is None:
            return None
        try:
            origin = getattr(decision, "_origin", None)
            return self.log.shown(decision, origin, slot=slot, instead=instead)
        except Exception as error:
            self._note("shown", error)
            return None

    def outcome(self, ref: str | None, *, minutes: float) -> None:
        """Records what followed: the minutes played so far, of which the most count.

        ref: what `shown` returned, in this process or any earlier one; None is ignored.
        """
        if self.log is None or ref is None:
            return
        try:
            self.log.outcome(ref, minutes=minutes)
        except Exception as error:
            self._note("outcome", error)

    def _note(self, what: str, error: Exception) -> None:
        self.errors[what] = self.errors.get(what, 0) + 1
        self.last_error = error


def _host_decision(
    state: _State, title: str, artwork: str | None, reason: str, n: int
) -> HostDecision:
    policy = state.policy
    name, sequence = (policy.name, policy.sequence) if policy is not None else ("", 0)
    decision = HostDecision(title, artwork, reason, n, 1 << 31, name, sequence)
    if reason == "host_uniform":
        decision._origin = state.record
    return decision
