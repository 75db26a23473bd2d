# SPDX-License-Identifier: Apache-2.0
"""Which bundle a device runs and which it takes (native/spec/sync.md §6): rules, and no I/O."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from edgeart.sync.offers import Offer, Share
    from edgeart.sync.state import Held, PolicyState

MOST_STARTS = 3  # processes that may run a bundle in its trial without ending the trial


class Factory(NamedTuple):
    """The bundle that came with the application."""

    sequence: int
    format: int


class Facts(NamedTuple):
    """What the rules ask besides what is remembered and offered."""

    version: str  # of this library: what another one refused is tried again
    minimum: int  # the sync minimum, the remembered one included
    stale: bool  # longer without a successful check than the record allows
    factory: Factory | None  # None: there is none that opens
    present: Container[str]  # SHA-256 of the bundles that are stored
    trial: bool = True  # whether this process may run one in its trial


class Plan(NamedTuple):
    """What is to be done about one policy."""

    offer: Offer | None  # to be taken
    code: str  # current, taken, kept, newer: in a word, what the offers come to
    text: str  # the same for people


def quarantined(policy: PolicyState, sha256: str, version: str) -> bool:
    """Whether a bundle failed here. What could not be opened may open with another library."""
    why = policy.quarantined.get(sha256)
    return why is not None and (why[1] == "trial" or why[0] == version)


def usable(policy: PolicyState, held: Held, facts: Facts) -> bool:
    """Whether a synced bundle may run at all."""
    return (
        held.sequence not in policy.killed
        and held.sha256 in facts.present
        and not quarantined(policy, held.sha256, facts.version)
    )


def runs(policy: PolicyState, facts: Facts) -> list[Held | Factory]:
    """The bundles that may run, the one to be preferred first; an empty list: defaults."""
    if policy.serve == "defaults":
        return []
    ranked: list[tuple[int, int, int, Held | Factory]] = []
    factory = facts.factory
    if factory is not None and factory.sequence not in policy.killed:
        # Of two that are equal the one that came with the application needs no trust in a disk.
        ranked.append((factory.sequence, factory.format, 1, factory))
    if policy.serve == "newest" and not facts.stale:
        tried = policy.trial if facts.trial else None
        ranked += (
            (held.sequence, held.format, 0, held)
            for held in (tried, policy.active, policy.previous)
            if held is not None and held.sequence >= facts.minimum and usable(policy, held, facts)
        )
    return [bundle for *_, bundle in sorted(ranked, key=lambda r: r[:3], reverse=True)]


def choose(
    policy: PolicyState,
    offers: Iterable[Offer],
    facts: Facts,
    reads: Callable[[int], bool],
    bucket: Callable[[str, str], int],
) -> Plan:
    """Which offer to take.

    reads: whether this library reads a format. bucket: of this device's unit, by domain and salt.
    """
    if policy.serve != "newest":
        return Plan(None, "kept", f"the record says to serve {policy.serve}")
    best: dict[int, Offer] = {}
    newest = 0
    for offer in offers:
        newest = max(newest, offer.sequence)
        rival = best.get(offer.sequence)
        if reads(offer.format) and (rival is None or offer.format > rival.format):
            best[offer.sequence] = offer
    here = max(
        [(h.sequence, h.format) for h in (policy.trial, policy.active, policy.previous)
         if h is not None and usable(policy, h, facts)]
        + ([facts.factory[:2]] if facts.factory and facts.factory.sequence not in policy.killed
           else []),
        default=(0, 0),
    )  # fmt: skip
    refused = 0
    for sequence in sorted(best, reverse=True):
        offer = best[sequence]
        if (sequence, offer.format) <= here:
            break
        if sequence < facts.minimum or sequence in policy.killed:
            continue
        if quarantined(policy, offer.sha256, facts.version):
            refused = refused or sequence
            continue
        if open_to(offer, bucket):
            return Plan(offer, "taken", f"sequence {sequence} is offered")
    if refused:
        return Plan(None, "quarantined", f"sequence {refused} failed on this device before")
    if newest > max(best, default=0) and newest > here[0]:
        return Plan(None, "newer", f"sequence {newest} is of a format that needs a newer edgeart")
    return Plan(None, "current", "nothing newer is offered to this unit")


def open_to(offer: Offer, bucket: Callable[[str, str], int]) -> bool:
    """Whether an offer is for this unit."""
    if not _within(offer.rollout, "ea-roll0", bucket):
        return False
    return offer.arm is None or _within(offer.arm, "ea-roll1", bucket)


def _within(share: Share, domain: str, bucket: Callable[[str, str], int]) -> bool:
    return share.first < share.end and share.first <= bucket(domain, share.salt) < share.end
