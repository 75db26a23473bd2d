# SPDX-License-Identifier: Apache-2.0
"""What a publisher does to a repository: add, roll out, revert, kill, deny, rotate keys."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import PublishError
from ..format.document import Document, resequenced
from .deny import denied, write_denied
from .keeper import Keeper, check_interval
from .offers import EVERYBODY, Arm, Catalogue, Offer, Record
from .release import before, checked, published, write_delta
from .repository import Outcome, State


@dataclass(frozen=True)
class Added:
    """What came of a release. dropped: offers that no device would take any more."""

    outcome: Outcome
    offers: Sequence[Offer]
    dropped: Sequence[Offer]


class Publisher(Keeper):
    """Changes what a repository offers; each method is one change, whole or not at all."""

    def add(
        self,
        bundles: Sequence[bytes],
        *,
        percent: int,
        arm: Arm | None = None,
        new: bool = False,
        policy: str | None = None,
        bases: Iterable[bytes] = (),
        deltas: int = 4,
    ) -> Added:
        """Offers a sequence of a policy: one bundle, or several of different formats.

        percent: of the units, in hundredths. new: the policy has never been published, which
        otherwise is refused, as is a bundle of another policy than `policy`. bases: further
        bundles that devices have, such as those in the application's package. deltas: from how
        many earlier bundles. Raises PublishError; edgeart.EdgeartError for bundles that are
        damaged or whose test vectors do not hold.
        """
        documents = checked(bundles, policy)
        name, sequence = documents[0].name, documents[0].sequence
        with self.files.lock():
            state, catalogue = self._begin()
            record = catalogue.records.get(name)
            if (record is None) != new:
                known = ", ".join(sorted(catalogue.records)) or "none"
                raise PublishError(
                    f"policy {name!r} was never published here (known: {known}); if that is right, "
                    f"say --new"
                    if record is None
                    else f"policy {name!r} is not new here; leave --new out"
                )
            if record is not None and sequence <= record.newest:
                raise PublishError(
                    f"policy {name!r} was published up to sequence {record.newest}; export with "
                    f"--sequence {record.newest + 1} or more, not {sequence}"
                )
            record = record or Record(newest=sequence, minimum=1)
            return self._offer(
                state,
                catalogue,
                documents,
                record,
                percent=percent,
                deltas=deltas,
                arm=arm,
                bases=bases,
            )

    def rollout(self, policy: str, sequence: int, percent: int) -> Added:
        """Changes who takes a sequence; in all its formats. percent: in hundredths."""
        with self.files.lock():
            state, catalogue = self._begin()
            catalogue.record(policy)
            changed = [
                replace(offer, percent=percent)
                for offer in catalogue.of(policy)
                if offer.sequence == sequence
            ]
            if not changed:
                offered = sorted({offer.sequence for offer in catalogue.of(policy)})
                raise PublishError(
                    f"sequence {sequence} of policy {policy!r} is not offered; those are: "
                    f"{', '.join(map(str, offered)) or 'none'}"
                )
            for offer in changed:
                catalogue.put(offer)
            dropped = catalogue.settle(policy)
            return Added(self._commit(state, catalogue), changed, dropped)

    def revert(
        self, policy: str, *, to: int | None = None, percent: int = EVERYBODY, deltas: int = 4
    ) -> Added:
        """Offers older contents under a sequence above all others.

        to: the sequence whose contents come back; None is the last one that was for everybody
        before the newest. Raises PublishError where its bundles are no longer there.
        """
        with self.files.lock():
            state, catalogue = self._begin()
            record = catalogue.record(policy)
            if to is None:
                full = [o.sequence for o in catalogue.of(policy) if o.for_everybody]
                older = [s for s in (*full, *record.good) if s < record.newest]
                to = max((s for s in older if s not in record.killed), default=None)
            if to is None:
                raise PublishError(
                    f"policy {policy!r} has no sequence that was for everybody before; name one "
                    f"with --to"
                )
            old = published(self.files, state, policy, to)
            sequence = record.newest + 1
            documents = [Document(resequenced(self.files.load_bundle(o), sequence)) for o in old]
            return self._offer(
                state, catalogue, documents, record, percent=percent, deltas=deltas, source=to
            )

    def kill(
        self, policy: str, *, sequence: int | None = None, serve: str | None = None
    ) -> Outcome:
        """Stops a sequence on all devices, or a policy: what it then serves (sync.md §5)."""
        with self.files.lock():
            state, catalogue = self._begin()
            record = catalogue.record(policy)
            if sequence is not None:
                killed = tuple(sorted({*record.killed, sequence}))
                good = tuple(s for s in record.good if s != sequence)
                record = replace(record, killed=killed, good=good)
                for offer in catalogue.of(policy):
                    if offer.sequence == sequence:
                        del catalogue.offers[offer.target]
            if serve is not None:
                record = replace(record, serve=serve)
            catalogue.records[policy] = record
            return self._commit(state, catalogue)

    def forget(self, policy: str, sequence: int) -> Outcome:
        """Takes a sequence off the killed ones, which no device can have any more."""
        with self.files.lock():
            state, catalogue = self._begin()
            record = catalogue.record(policy)
            if sequence not in record.killed:
                raise PublishError(f"sequence {sequence} of policy {policy!r} is not killed")
            killed = tuple(s for s in record.killed if s != sequence)
            catalogue.records[policy] = replace(record, killed=killed)
            return self._commit(state, catalogue)

    def set(
        self,
        policy: str | None = None,
        *,
        interval: int | None = None,
        minimum: int | None = None,
        max_stale: int | None = None,
    ) -> Outcome:
        """Changes the interval of checks, or a policy's sync minimum or staleness, in seconds.

        Raises PublishError for a minimum that would leave devices without a bundle to take.
        """
        with self.files.lock():
            state, catalogue = self._begin()
            if interval is not None:
                check_interval(interval)
                catalogue.interval = interval
            if minimum is not None or max_stale is not None:
                if policy is None:
                    raise PublishError("sync minimum and staleness are a policy's: name it")
                record = catalogue.record(policy)
                if max_stale is not None:
                    record = replace(record, max_stale=max_stale)
                if minimum is not None:
                    record = _raised(record, minimum, catalogue.of(policy), policy)
                catalogue.records[policy] = record
            return self._commit(state, catalogue)

    def deny(
        self,
        title: str,
        artworks: Collection[str],
        *,
        lift: bool = False,
    ) -> Outcome:
        """Denies artworks of a title on all devices, or lifts that."""
        with self.files.lock():
            state, _ = self._begin()
            titles = denied(self.files, state)
            kept = set(titles.get(title, ()))
            if lift and (unknown := sorted(set(artworks) - kept)):
                raise PublishError(f"title {title!r}: not denied: {', '.join(unknown)}")
            kept = kept - set(artworks) if lift else kept | set(artworks)
            titles[title] = sorted(kept)
            return self._commit_denied(state, titles)

    def deny_all(self, titles: Mapping[str, Collection[str]]) -> Outcome:
        """Replaces the whole deny list."""
        with self.files.lock():
            state, _ = self._begin()
            return self._commit_denied(state, {t: sorted(set(a)) for t, a in titles.items()})

    def denied(self) -> dict[str, list[str]]:
        """The deny list: title to artworks."""
        return denied(self.files, self.repository.load())

    # Parts.

    def _offer(  # noqa: PLR0913 - the parts of one release
        self,
        state: State,
        catalogue: Catalogue,
        documents: Sequence[Document],
        record: Record,
        *,
        percent: int,
        deltas: int,
        arm: Arm | None = None,
        bases: Iterable[bytes] = (),
        source: int | None = None,
    ) -> Added:
        """Makes the offers of a release. source: the sequence whose contents these are."""
        name, sequence = documents[0].name, documents[0].sequence
        known = [Document(base) for base in bases]
        known += before(self.files, state, catalogue, record, name, deltas)
        catalogue.records[name] = replace(record, newest=sequence)
        offers = []
        for document in documents:
            made = (write_delta(self.files, base, document) for base in known)
            offer = Offer(
                policy=name,
                sequence=sequence,
                format=document.format,
                sha256=hashlib.sha256(document.data).hexdigest(),
                length=len(document.data),
                percent=percent,
                # Another salt for each sequence: it is not always the same units that go first.
                salt=f"{sequence}:{name}"[:64],
                arm=arm,
                deltas=tuple({d.base: d for d in made if d is not None}.values()),
            )
            self.files.write_once(self.files.bundle(offer), document.data)
            catalogue.put(offer)
            offers.append(offer)
        dropped = catalogue.settle(name)
        if source is not None:
            # What is taken back is not gone back to, and the source is what is offered now.
            kept = tuple(s for s in catalogue.records[name].good if s < source)
            catalogue.records[name] = replace(catalogue.records[name], good=kept)
        return Added(self._commit(state, catalogue), offers, dropped)

    def _commit_denied(self, state: State, titles: Mapping[str, Sequence[str]]) -> Outcome:
        targets = state.targets.signed
        write_denied(self.files, targets, titles)
        return self.repository.commit(self.ring, targets=targets)


def _raised(record: Record, minimum: int, offers: Sequence[Offer], policy: str) -> Record:
    """The record with another sync minimum; killed sequences below it need not be told any more."""
    full = max((offer.sequence for offer in offers if offer.for_everybody), default=0)
    if minimum > full:
        raise PublishError(
            f"sync minimum {minimum} of policy {policy!r} is above {full}, the newest sequence "
            f"that is for everybody: devices would have nothing to take"
        )
    if minimum < record.minimum:
        raise PublishError(
            f"sync minimum {minimum} of policy {policy!r} is below {record.minimum}, which devices "
            f"remember; it can only be raised"
        )
    return replace(record, minimum=minimum, good=tuple(s for s in record.good if s >= minimum))
