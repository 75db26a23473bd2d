# SPDX-License-Identifier: Apache-2.0
"""What signed targets metadata says to devices: offers, arms, records (sync.md §3 to §5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import PublishError

FORMAT = 1
EVERYBODY = 10_000
"""The percentage of everybody, in hundredths of a percent, and the number of buckets."""
MAX_SEQUENCE = 2**53 - 1
MAX_DELTAS, MAX_GOOD, MAX_KILLED = 16, 16, 64
INTERVALS = (60, 604_800)
SERVE = ("newest", "factory", "defaults")

_TARGET = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})/([1-9][0-9]{0,15})\.f([1-9][0-9]{0,2})\.edgeart"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Arm:
    """One side of an experiment: units whose bucket for `salt` is from `first` up to `end`."""

    name: str
    first: int
    end: int
    salt: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PublishError(f"an arm's name is as a policy's, not {self.name!r}")
        _whole("arm's begin", self.first, 0, EVERYBODY - 1)
        _whole("arm's end", self.end, self.first + 1, EVERYBODY)
        _check_salt("arm", self.salt)

    def meets(self, other: Arm) -> bool:
        """Whether a unit could be in both."""
        return self.salt != other.salt or (self.first < other.end and other.first < self.end)


@dataclass(frozen=True)
class Delta:
    """A delta that makes an offer's bundle; base and sha256 are hexadecimal."""

    base: str
    sha256: str
    length: int
    codec: int = 1

    def __post_init__(self) -> None:
        for name, value in (("base", self.base), ("sha256", self.sha256)):
            if not _HASH.fullmatch(value):
                raise PublishError(f"a delta's {name} is 64 hexadecimal digits, not {value!r}")
        _whole("delta's length", self.length, 1, 2**30)


@dataclass(frozen=True)
class Offer:
    """One bundle target. percent: in hundredths; sha256 (hexadecimal), length: of the bundle."""

    policy: str
    sequence: int
    format: int
    sha256: str
    length: int
    percent: int
    salt: str
    arm: Arm | None = None
    deltas: tuple[Delta, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.policy):
            raise PublishError(f"{self.policy!r} is not a policy name")
        _whole("sequence", self.sequence, 1, MAX_SEQUENCE)
        _whole("format", self.format, 1, 255)
        _whole("length", self.length, 1, 2**30)
        _whole("percent", self.percent, 0, EVERYBODY)
        _check_salt("rollout", self.salt)
        if not _HASH.fullmatch(self.sha256):
            raise PublishError(f"sha256 is 64 hexadecimal digits, not {self.sha256!r}")
        if len(self.deltas) > MAX_DELTAS:
            raise PublishError(f"{len(self.deltas)} deltas; at most {MAX_DELTAS} are allowed")

    @property
    def target(self) -> str:
        """The target's name."""
        return target_name(self.policy, self.sequence, self.format)

    @property
    def for_everybody(self) -> bool:
        """Whether every unit may take it."""
        return self.arm is None and self.percent == EVERYBODY

    def custom(self) -> dict[str, Any]:
        """The target's `custom` (sync.md §4)."""
        custom: dict[str, Any] = {
            "policy": self.policy,
            "sequence": self.sequence,
            "format": self.format,
            "rollout": {"percent": self.percent, "salt": self.salt},
        }
        if self.arm is not None:
            custom["arm"] = {
                "name": self.arm.name,
                "from": self.arm.first,
                "to": self.arm.end,
                "salt": self.arm.salt,
            }
        if self.deltas:
            custom["deltas"] = [vars(delta) for delta in self.deltas]
        return custom

    @classmethod
    def read(cls, target: str, sha256: str, length: int, custom: Mapping[str, Any]) -> Offer:
        """The offer of a target. Raises PublishError where it breaks a rule."""
        policy, sequence, format_ = split_target(target)
        try:
            if (custom["policy"], custom["sequence"], custom["format"]) != (
                policy,
                sequence,
                format_,
            ):
                raise PublishError(f"target {target}: its custom speaks of another bundle")
            arm = custom.get("arm")
            return cls(
                policy=policy,
                sequence=sequence,
                format=format_,
                sha256=sha256,
                length=length,
                percent=custom["rollout"]["percent"],
                salt=custom["rollout"]["salt"],
                arm=arm and Arm(arm["name"], arm["from"], arm["to"], arm["salt"]),
                deltas=tuple(
                    Delta(d["base"], d["sha256"], d["length"], d["codec"])
                    for d in custom.get("deltas", ())
                ),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise PublishError(
                f"target {target}: its custom is not as sync.md §4: {error}"
            ) from None


@dataclass(frozen=True)
class Record:
    """What is said of one policy as a whole (sync.md §5). max_stale: seconds, 0 for ever."""

    newest: int
    good: tuple[int, ...] = ()
    minimum: int = 1
    killed: tuple[int, ...] = ()
    serve: str = "newest"
    max_stale: int = 0

    def __post_init__(self) -> None:
        _whole("newest", self.newest, 1, MAX_SEQUENCE)
        _whole("sync minimum", self.minimum, 1, MAX_SEQUENCE)
        _whole("max_stale", self.max_stale, 0, MAX_SEQUENCE)
        for sequence in (*self.good, *self.killed):
            _whole("sequence", sequence, 1, MAX_SEQUENCE)
        if len(self.killed) > MAX_KILLED:
            raise PublishError(
                f"{len(self.killed)} killed sequences; at most {MAX_KILLED} are allowed: take "
                f"those that no device has any more off with `publish kill --forget`"
            )
        if self.serve not in SERVE:
            raise PublishError(f"serve is one of {', '.join(SERVE)}, not {self.serve!r}")

    def to_json(self) -> dict[str, Any]:
        """The record as it is signed."""
        return {
            "newest": self.newest,
            "good": list(self.good),
            "minimum": self.minimum,
            "killed": list(self.killed),
            "serve": self.serve,
            "max_stale": self.max_stale,
        }

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Record:
        """The record of its JSON. Raises PublishError."""
        try:
            return cls(
                newest=record["newest"],
                good=tuple(record["good"]),
                minimum=record["minimum"],
                killed=tuple(record["killed"]),
                serve=record["serve"],
                max_stale=record["max_stale"],
            )
        except (KeyError, TypeError) as error:
            raise PublishError(f"a record is not as sync.md §5: {error}") from None


@dataclass
class Catalogue:
    """All offers and records of a repository, as a publisher changes them."""

    interval: int = 21_600
    offers: dict[str, Offer] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)

    def of(self, policy: str) -> list[Offer]:
        """A policy's offers, the newest first, then the highest format."""
        own = [offer for offer in self.offers.values() if offer.policy == policy]
        return sorted(own, key=lambda offer: (offer.sequence, offer.format), reverse=True)

    def record(self, policy: str) -> Record:
        """A policy's record. Raises PublishError for a policy that was never published."""
        try:
            return self.records[policy]
        except KeyError:
            known = ", ".join(sorted(self.records)) or "none"
            raise PublishError(f"no policy {policy!r} was published here; known: {known}") from None

    def put(self, offer: Offer) -> None:
        """Adds an offer or replaces it. Raises PublishError where its arm meets another's."""
        for other in self.of(offer.policy):
            if other.sequence == offer.sequence or not (other.arm and offer.arm):
                continue
            same = other.arm.name == offer.arm.name and other.arm.salt == offer.arm.salt
            if (other.arm != offer.arm) if same else other.arm.meets(offer.arm):
                raise PublishError(
                    f"arm {offer.arm.name!r} shares units with arm {other.arm.name!r} of sequence "
                    f"{other.sequence}: give arms of one experiment ranges that do not overlap, "
                    f"and end one experiment (publish for everybody) before the next"
                )
        self.offers[offer.target] = offer

    def settle(self, policy: str) -> list[Offer]:
        """Drops, and returns, the offers that no device would take any more.

        Those are the ones below the largest sequence for everybody, unless a device reads them and
        does not read that one. What was for everybody before is remembered as good.
        """
        offers = self.of(policy)
        full = max((o.sequence for o in offers if o.for_everybody), default=0)
        least = min((o.format for o in offers if o.sequence == full), default=0)
        gone = [o for o in offers if o.sequence < full and o.format >= least]
        for offer in gone:
            del self.offers[offer.target]
        record = self.record(policy)
        good = {o.sequence for o in gone if o.for_everybody} | set(record.good)
        good -= {full, *record.killed}
        kept = tuple(sorted(good, reverse=True)[:MAX_GOOD])
        self.records[policy] = replace(record, good=kept)
        return gone

    def field(self) -> dict[str, Any]:
        """The field `edgeart` of the targets metadata."""
        return {
            "format": FORMAT,
            "interval": self.interval,
            "policies": {name: record.to_json() for name, record in self.records.items()},
        }


def target_name(policy: str, sequence: int, format_: int) -> str:
    """The name of a bundle target (sync.md §3)."""
    return f"{policy}/{sequence}.f{format_}.edgeart"


def split_target(target: str) -> tuple[str, int, int]:
    """Policy, sequence and format of a bundle target's name. Raises PublishError."""
    match = _TARGET.fullmatch(target)
    if not match:
        raise PublishError(f"{target!r} is not the name of a bundle target (sync.md §3)")
    return match[1], int(match[2]), int(match[3])


def _check_salt(what: str, salt: object) -> None:
    if not isinstance(salt, str) or not 1 <= len(salt.encode()) <= 64:
        raise PublishError(f"the {what}'s salt is a text of 1 to 64 bytes, not {salt!r}")


def _whole(what: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise PublishError(f"{what} must be an int from {least} to {most}, not {value!r}")
