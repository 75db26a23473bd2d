# SPDX-License-Identifier: Apache-2.0
"""A check from verified metadata to the trial of a bundle, as steps that somebody else makes.

check → plan → fetch → verify → stage → trial → commit, or quarantine: the machine decides, changes
the state in memory and yields what is to be done next; who drives it does that, on disks and
networks or in a simulator, and throws a SyncError in where it fails.
"""

from __future__ import annotations

from typing import NamedTuple

from edgeart.errors import SyncError
from edgeart.sync.plan import Facts, choose
from edgeart.sync.state import Held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterable, Mapping

    from edgeart.sync.offers import Delta, Offer, Offers, Target
    from edgeart.sync.plan import Factory
    from edgeart.sync.state import Minima, PolicyState, State


class GetDeny(NamedTuple):
    """Fetch the deny list, check it, keep it, let it act."""

    target: Target


class Take(NamedTuple):
    """Have a bundle's verified bytes durably in the store, by a delta or whole."""

    offer: Offer
    delta: Delta | None


class Examine(NamedTuple):
    """Open a stored bundle, compare it with what is signed, run its test vectors."""

    offer: Offer


class Save(NamedTuple):
    """Make the state durable."""


class SaveMinima(NamedTuple):
    """Make the remembered minima durable."""


class Serve(NamedTuple):
    """Let the bundle run that is to run now, a trial included."""

    policy: str


class Clean(NamedTuple):
    """Delete the bundles that nothing names any more, except what was begun of these."""

    begun: tuple[str, ...]


Step = GetDeny | Take | Examine | Save | SaveMinima | Serve | Clean

# What the next offer would meet as well, so that there is no use in trying the whole bundle.
_OF_THE_DEVICE = frozenset({"no_space", "read_only", "storage", "stopped"})


class Done(NamedTuple):
    """How one policy's part of a check ended."""

    code: str  # current, staged, restored, kept, newer, quarantined, or that of what failed
    text: str


class Machine:
    """The rules, over what one device remembers.

    policies: names that the application asks for. factories: of each, None where there is none
    that opens. bases: SHA-256 of the factory bundles, asked for only where a delta could use one.
    serves: whether this process runs what is staged. version: of this library. reads, bucket: as
    for `plan.choose`. present: stored bundles.
    """

    def __init__(  # noqa: PLR0913 - what a device knows
        self,
        state: State,
        minima: Minima,
        factories: Mapping[str, Factory | None],
        *,
        version: str,
        reads: Callable[[int], bool],
        bucket: Callable[[str, str], int],
        present: Container[str],
        bases: Callable[[str], str | None],
        serves: bool = True,
    ) -> None:
        self.state = state
        self.minima = minima
        self.factories = factories
        self._version = version
        self._reads = reads
        self._bucket = bucket
        self._present = present
        self._bases = bases
        self._serves = serves
        # Policies whose trial this process does not run: it could not be written down that it does.
        self.held_back: set[str] = set()

    def facts(self, name: str, now: float) -> Facts:
        """What the rules ask about a policy. now: seconds since 1970."""
        policy = self.state.of(name)
        waited = now - self.state.checked
        return Facts(
            version=self._version,
            minimum=self.minima.of.get(name, (1, ()))[0],
            stale=bool(policy.max_stale) and waited > policy.max_stale,
            factory=self.factories.get(name),
            present=self._present,
            trial=name not in self.held_back,
        )

    def check(
        self, offers: Offers, signers: tuple[str, ...], now: float
    ) -> Generator[Step, None, tuple[dict[str, Done], SyncError | None]]:
        """All that follows from verified targets metadata.

        signers: the keys behind them. Returns how each policy's part ended, and why the check as a
        whole was not successful, if it was not.
        """
        state = self.state
        state.interval = offers.interval
        yield from self._records(offers)
        failure: SyncError | None = None
        if offers.deny.sha256 != state.deny:
            try:
                yield GetDeny(offers.deny)
                state.deny = offers.deny.sha256
            except SyncError as error:
                failure = error
        if failure is None:
            state.checked = now
            for name in self.factories:
                yield Serve(name)  # nothing is stale any more
        done = {}
        begun: list[str] = []
        for name in self.factories:
            done[name], why = yield from self._policy(name, offers, now, begun)
            # A server that wants to be left alone is to be, whatever it has answered before.
            if why is not None and (why.code == "stopped" or why.retry_after is not None):
                failure = failure or why
        try:
            yield from self._raise(offers, signers)
            yield Clean(tuple(begun))
        except SyncError as error:
            failure = failure or error
        return done, failure

    def _records(self, offers: Offers) -> Generator[Step, None, None]:
        for name in self.factories:
            record = offers.records.get(name)
            if record is not None:
                policy = self.state.of(name)
                policy.serve, policy.killed = record.serve, record.killed
                policy.max_stale = record.max_stale
            yield Serve(name)

    def _raise(self, offers: Offers, signers: tuple[str, ...]) -> Generator[Step, None, None]:
        """Raises the sync minima, after the state that names the bundles which they ask for."""
        raised = False
        for name in self.factories:
            record = offers.records.get(name)
            if record is not None:
                self.state.of(name).minimum = record.minimum
                if record.minimum > self.minima.of.get(name, (1, ()))[0]:
                    self.minima.of[name] = (record.minimum, signers)
                    raised = True
        if raised:
            for name in self.factories:
                yield Serve(name)
            yield Save()
        yield SaveMinima()  # what was forgotten is forgotten there, too

    def _policy(
        self, name: str, offers: Offers, now: float, begun: list[str]
    ) -> Generator[Step, None, tuple[Done, SyncError | None]]:
        """How one policy's part of the check ends: its mistakes are no other policy's."""
        try:
            return (yield from self._installed(name, offers, now, begun)), None
        except SyncError as error:
            return Done(error.code, str(error)), error

    def _installed(
        self, name: str, offers: Offers, now: float, begun: list[str]
    ) -> Generator[Step, None, Done]:
        broken = None
        if name in offers.broken:
            broken = Done("malformed", offers.broken[name])
        policy = self.state.of(name)
        facts = self.facts(name, now)
        record = offers.records.get(name)
        if record is not None:
            facts = facts._replace(minimum=max(facts.minimum, record.minimum))
        plan = choose(policy, offers.offers.get(name, ()), facts, self._reads, self._bucket)
        offer = plan.offer
        if offer is None or record is None:
            return broken or Done(plan.code if offer is None else "kept", plan.text)
        yield Save()  # what the records said, before what may take long
        if offer.sha256 not in self._present:
            begun.append(offer.sha256)
            yield from self._take(policy, offer)
            begun.remove(offer.sha256)
        try:
            yield Examine(offer)
        except SyncError as error:
            if error.code not in _OF_THE_DEVICE:
                policy.quarantine(offer.sha256, self._version, error.code)
                yield Save()
            raise
        taken = Held(offer.sha256, offer.sequence, offer.format, offer.length)
        if taken == policy.active:  # it was lost, and has proved itself before
            yield Serve(name)
            return broken or Done("restored", f"sequence {offer.sequence} was fetched again")
        policy.end_trial()
        policy.trial, policy.starts = taken, int(self._serves)
        self.held_back.add(name)  # until it is written down, so that a crash in it counts
        yield Save()
        self.held_back.discard(name)
        yield Serve(name)
        return broken or Done("staged", f"sequence {offer.sequence} is in its trial")

    def _take(self, policy: PolicyState, offer: Offer) -> Generator[Step, None, None]:
        for delta in _with_base(offer.deltas, self._held(policy, offer)):
            try:
                yield Take(offer, delta)
            except SyncError as error:
                if error.code in _OF_THE_DEVICE or error.retry_after is not None:
                    raise
                break
            return
        yield Take(offer, None)

    def _held(self, policy: PolicyState, offer: Offer) -> set[str]:
        held = {digest for digest in policy.blobs() if digest in self._present}
        factory = self._bases(offer.policy) if offer.deltas else None
        return held | {factory} if factory else held

    # Trials.

    def started(self, name: str) -> None:
        """Counts a process that begins with the trial, before the bundle is opened."""
        self.state.of(name).starts += 1

    def commit(self, name: str) -> None:
        """Ends a trial well: the bundle is the active one, the one before it the previous."""
        policy = self.state.of(name)
        trial = policy.end_trial()
        if trial is None:
            return
        before = policy.active
        # One that is not below the new one was taken under keys that are trusted no more, and
        # would be preferred to it for ever.
        if before is not None and before.sequence < trial.sequence:
            policy.previous = before
        elif policy.previous is not None and policy.previous.sequence >= trial.sequence:
            policy.previous = None
        policy.active = trial

    def revert(self, name: str) -> None:
        """Ends a trial badly: its hash is remembered, and what ran before runs again."""
        policy = self.state.of(name)
        trial = policy.end_trial()
        if trial is not None:
            policy.quarantine(trial.sha256, self._version, "trial")


def _with_base(deltas: Iterable[Delta], held: set[str]) -> list[Delta]:
    """The smallest delta whose base is here, if any."""
    return sorted((d for d in deltas if d.base in held), key=lambda d: d.length)[:1]
