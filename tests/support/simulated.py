# SPDX-License-Identifier: Apache-2.0
"""A device and a publisher in memory, between which the sync's machine is driven step by step."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from edgeart.errors import SyncError
from edgeart.sync import machine
from edgeart.sync.machine import Done, Machine, Step
from edgeart.sync.offers import Offer, Offers, Record, Share, Target
from edgeart.sync.plan import Factory, runs
from edgeart.sync.state import Held, Minima, PolicyState, State

FACTORY = 5
DENY = Target(10, sha256(b"deny").hexdigest(), None)


def digest_of(sequence: int) -> str:
    """The simulated bundle's SHA-256."""
    return sha256(str(sequence).encode()).hexdigest()


class Publisher:
    """What is offered; a bundle is a sequence number, good or bad."""

    def __init__(self) -> None:
        self.offers: dict[int, int] = {}  # sequence to percent
        self.bad: set[int] = set()  # sequences whose bundle does not open
        self.record = Record(1, frozenset(), "newest", 0)

    def say(self) -> Offers:
        """As verified metadata."""
        offers = [
            Offer("row", s, 1, digest_of(s), 100, Share(f"s{s}", 0, percent), None, ())
            for s, percent in self.offers.items()
        ]
        return Offers(21_600, {"row": self.record}, {"row": offers}, DENY, {})


class CrashError(Exception):
    """The device lost its power."""


class SimulatedDevice:
    """What a device has in memory, and what is durable and so is there after a crash."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.blobs: set[str] = set()
        self.durable: tuple[dict[str, object], dict[str, object]] = ({}, {})
        self.now = 1_000_000.0
        self.begin()

    def begin(self) -> None:
        """A start: the durable part is read."""
        self.state, self.minima = State(self.durable[0] or None), Minima(self.durable[1] or None)
        self.machine = Machine(
            self.state, self.minima, {"row": Factory(FACTORY, 1)},
            version="1", reads=lambda f: f == 1, bucket=lambda _, salt: int(salt[1:]) * 37 % 10_000,
            present=self.blobs, bases=lambda _: None,
        )  # fmt: skip

    @property
    def policy(self) -> PolicyState:
        """What is remembered of it."""
        return self.state.of("row")

    def serves(self) -> Held | Factory | None:
        """What runs; None for defaults."""
        ranked = runs(self.policy, self.machine.facts("row", self.now))
        return ranked[0] if ranked else None

    def check(self, disturb: Callable[[int, Step], None]) -> Done:
        """One check. disturb: called before each step; raises SyncError or CrashError in its place.

        Raises CrashError, after the device has begun anew.
        """
        self.now += 30_000
        steps = self.machine.check(self.publisher.say(), ("key",), self.now)
        count = 0
        try:
            step = next(steps)
            while True:
                count += 1
                try:
                    disturb(count, step)
                    self._make(step)
                except SyncError as error:
                    step = steps.throw(error)
                else:
                    step = next(steps)
        except CrashError:
            self.begin()
            raise
        except StopIteration as end:
            self._save()
            done: Done = end.value[0]["row"]
            return done

    def _save(self) -> None:
        self.durable = (self.state.packed(), self.durable[1])

    def _make(self, step: Step) -> None:
        match step:
            case machine.Take(offer):
                self.blobs.add(offer.sha256)
            case machine.Examine(offer) if offer.sequence in self.publisher.bad:
                raise SyncError("it does not open", code="refused")
            case machine.Save():
                self._save()
            case machine.SaveMinima():
                self.durable = (self.durable[0], self.minima.packed())
            case machine.Clean(_):
                self.blobs &= self.state.blobs()
            case _:
                pass

    def end_trial(self, *, good: bool) -> None:
        """The application has run it for long enough, or could not."""
        if good:
            self.machine.commit("row")
        else:
            self.machine.revert("row")
        self._save()
