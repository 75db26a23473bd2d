# SPDX-License-Identifier: Apache-2.0
"""Chooses for a render loop: one member profile, one policy that may be swapped, no exceptions."""

# The modules of this package share its private names.
# ruff: noqa: SLF001, BLE001

from __future__ import annotations

from edgeart.clocks import wall_ms
from edgeart.context import pack
from edgeart.decision import restricted
from edgeart.events import ContextRecord
from edgeart.host import HostDecision, HostLimits, told
from edgeart.selector_page import SelectorPage
from edgeart.selector_state import Counts, SelectorState, unit_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from edgeart.decision import Decision
    from edgeart.feedback import FeedbackLog
    from edgeart.host import Artworks, Told
    from edgeart.policy import Policy

    Choice = Decision | HostDecision

EPOCH_MS = 28 * 86_400_000  # how long a unit keeps its draws and its pseudonym
_MOST_DRAWN = 256  # artworks of a title unknown to the bundle: native/spec/decision.md §6


class Selector:
    """Chooses artworks for one member profile, and records what was seen.

    policy: None until there is one; `use` swaps it between pages. log: None to record nothing.
    unit: an opaque, stable key of the member profile; it never leaves the device. secret: 32 random
    bytes of this device, by which unit and epoch become seeds and pseudonyms. subject: an opaque
    key under which the server may find plays in logs of its own. clock: milliseconds since 1970.

    `page`, `select`, `shown`, `outcome` and `set_context` never raise: where the policy cannot be
    used a title's first artwork that may be shown is chosen, with a reason, and `errors` counts
    what happened. What `set_limits` denies or forbids is shown by none of them, whatever happens.
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
        self.log = log
        self.subject = subject
        self.errors: dict[str, int] = {}  # how often, by what it was
        self.last_error: Exception | None = None
        self._unit = unit
        self._secret = secret[:64]
        self._clock = clock or (log.clock if log is not None else wall_ms)
        # What a state is made from; app and sync each set their own part, from their own threads.
        self._policy = (policy, Counts())
        self._values: dict[str, object] | None = {}  # None: they could not be used
        self._limits = HostLimits()
        self._withdrawn: dict[str, frozenset[str]] = {}
        self._renew()

    # What decides.

    @property
    def policy(self) -> Policy | None:
        """The policy that decides now."""
        return self._state.policy

    def use(self, policy: Policy | None) -> None:
        """Decides by another policy from the next page on; context and limits stay."""
        if policy is not None:
            _ = policy.digest  # hashed before the swap, which takes no time then
        self._policy = (policy, Counts())
        self._renew()

    @property
    def tally(self) -> tuple[int, int]:
        """Pages asked for since the policy that decides was put in place, and how many it failed.

        Failed are those that the policy or its context could not serve.
        """
        tally = self._policy[1]
        return tally.pages, tally.failed

    def set_context(self, values: Mapping[str, object]) -> None:
        """What is known of the member now; it stays until it is set again."""
        given: dict[str, object] | None = None
        try:
            given = dict(values)
        except Exception as error:
            self._note("context", error)
        self._values = given
        self._renew()

    def set_limits(
        self,
        *,
        denied: Mapping[str, Iterable[str]] | None = None,
        required: Iterable[str] = (),
        forbidden: Iterable[str] = (),
        candidates: Mapping[str, Artworks] | None = None,
    ) -> None:
        """What every choice has to keep to from now on, in place of what was set before.

        denied: title to artworks that must not be shown. required, forbidden: attributes that an
        artwork must have, all of them, and must not have, any of them. candidates: as for `page`.

        They hold for every policy that comes. One that lacks an attribute named here cannot tell
        what may be shown: none of its titles' artworks is then, and `errors` counts it. For titles
        that a bundle does not know the attributes are those that `candidates` tells.

        Raises TypeError where a str is given for several names.
        """
        self._limits = HostLimits(denied, required, forbidden, candidates)
        self._renew()

    def withdraw(self, denied: Mapping[str, Iterable[str]]) -> None:
        """Artworks, by title, that must not be shown, on top of what `set_limits` denies.

        They hold until it is called again, whatever the policy.
        """
        self._withdrawn = {title: frozenset(names) for title, names in denied.items()}
        self._renew()

    def _renew(self) -> None:
        """Puts a new state in place in one assignment: a page under way keeps the one it has.

        Without a lock, which a fork could leave locked for ever: whoever assigns last looks again
        whether that is still what is wanted, so that no thread's change is lost.
        """
        while True:
            wanted = (self._policy, self._values, self._limits, self._withdrawn)
            self._state = self._made(*wanted)
            now = (self._policy, self._values, self._limits, self._withdrawn)
            if all(a is b for a, b in zip(wanted, now, strict=True)):
                return

    def _made(
        self,
        policy_and_tally: tuple[Policy | None, Counts],
        values: dict[str, object] | None,
        given: HostLimits,
        withdrawn: dict[str, frozenset[str]],
    ) -> SelectorState:
        policy, tally = policy_and_tally
        host = given.denying(withdrawn)
        state = SelectorState(policy, host, self._clock() // EPOCH_MS, tally)
        if policy is None:
            return state
        try:
            state.limits = host.of(policy)
        except Exception as error:
            self._note("limits", error)
        if values is None:
            return state
        try:
            declared = {f.name: values[f.name] for f in policy.features if f.name in values}
            packed = pack(declared)
            seed = self._key(b"seed", policy.name.encode(), state.epoch)
            # The unit's key is the same in every epoch, and so is its cell.
            context = policy.context(packed, seed=seed, unit=self.unit)
            limits = state.limits
            state.record = ContextRecord(
                policy=policy.name,
                sequence=policy.sequence,
                digest=policy.digest,
                values=packed,
                seed=seed,
                unit_epoch=self._key(b"unep", b"", state.epoch),
                cell=context.cell,
                denied=None if limits is None else limits.denied,
                subject=self.subject,
                required=0 if limits is None else limits.required,
                forbidden=0 if limits is None else limits.forbidden,
            )
            state.context = context  # last: with it the state is usable
        except Exception as error:
            self._note("context", error)
        return state

    @property
    def unit(self) -> int:
        """The u64 that contexts carry as their unit."""
        return self._key(b"unit", b"", 0)

    def _key(self, use: bytes, name: bytes, epoch: int) -> int:
        return unit_key(self._secret, self._unit, use, name, epoch)

    # Choosing.

    def page(
        self, titles: Sequence[str], *, candidates: Mapping[str, Artworks] | None = None
    ) -> SelectorPage:
        """Chooses for many titles.

        candidates: title to the artworks that the host has of it, the default first: ids, or id to
        the names of its attributes. They come in place of what `set_limits` says of those titles.
        A title of the bundle is decided among them as if it had no others; of a title that the
        bundle does not know one is drawn uniformly (of the first 256).
        """
        state = self._state
        try:
            ids = tuple(titles)
        except Exception as error:
            self._note("titles", error)
            return SelectorPage((), None, {}, None, {})
        given = state.host.candidates
        if candidates is not None:
            given = given | self._told(candidates)
        state.tally.pages += 1
        if state.policy is not None and state.context is not None:
            try:
                limits = state.limited(given)
                if limits is None:
                    state.tally.failed += 1
                    others = {i: self._unlimited(state, t, given) for i, t in enumerate(ids)}
                    return SelectorPage(ids, None, others, None, {})
                page = state.policy.select_page(state.context, ids, limits=limits)
                others = {i: self._unknown(state, ids[i], given) for i in page.unknown()}
                return SelectorPage(ids, page, others, state.record, limits.candidates)
            except Exception as error:
                self._note("page", error)
        state.tally.failed += 1
        others = {i: self._fallback(state, title, given) for i, title in enumerate(ids)}
        return SelectorPage(ids, None, others, None, {})

    def select(self, title: str, *, candidates: Artworks | None = None) -> Choice:
        """Chooses for one title, as `page` does."""
        given = None if candidates is None else {title: candidates}
        return self.page((title,), candidates=given)[0]

    def _told(self, candidates: Mapping[str, Artworks]) -> dict[str, Told]:
        """Candidates by title; those that cannot be read are none at all."""
        try:
            return told(candidates)
        except Exception as error:
            self._note("candidates", error)
        try:
            titles = list(candidates)
        except Exception:  # noted above
            return {}
        return {title: self._told_of(title, candidates) for title in titles}

    def _told_of(self, title: str, candidates: Mapping[str, Artworks]) -> Told:
        try:
            return told({title: candidates[title]})[title]
        except Exception:  # noted above
            return {}

    def _unknown(self, state: SelectorState, title: str, candidates: dict[str, Told]) -> Choice:
        """For a title that the bundle does not have: one of the host's artworks, all alike."""
        assert state.policy is not None  # noqa: S101 - has just decided
        assert state.context is not None  # noqa: S101 - likewise
        names = state.host.allowed(title, candidates.get(title, {}))[:_MOST_DRAWN]
        if not names:
            reason = "none" if candidates.get(title) else "unknown_title"
            return HostDecision(title, None, reason, policy=state.policy)
        decision = state.policy.select_host(state.context, title, names)
        decision._origin = state.record
        return decision

    def _unlimited(self, state: SelectorState, title: str, candidates: dict[str, Told]) -> Choice:
        """Where the policy cannot tell what may be shown: nothing of its own titles."""
        assert state.policy is not None  # noqa: S101 - it is what cannot tell
        if title in state.policy.titles:
            return HostDecision(title, None, "none", policy=state.policy)
        return self._unknown(state, title, candidates)

    def _fallback(self, state: SelectorState, title: str, candidates: dict[str, Told]) -> Choice:
        """The first artwork that may be shown; nothing is drawn, so it has no propensity."""
        policy = state.policy
        try:
            if policy is not None and title in policy.titles:
                limits = state.limited(candidates)
                if limits is None:
                    return HostDecision(title, None, "none", policy=policy)
                decision = policy.fallback(title, limits=limits)
                bits = limits.candidates.get(title)
                return decision if bits is None else restricted(decision, bits)
        except Exception as error:
            self._note("fallback", error)
        try:
            artworks = candidates.get(title, {})
        except TypeError as error:  # what cannot even be looked up is no title
            self._note("titles", error)
            artworks = {}
        if not artworks:
            return HostDecision(title, None, "unknown_title", policy=policy)
        names = state.host.allowed(title, artworks)
        artwork, reason = (names[0], "fallback") if names else (None, "none")
        return HostDecision(title, artwork, reason, policy=policy, candidates=names)

    # Recording.

    def shown(
        self,
        decision: Choice,
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
