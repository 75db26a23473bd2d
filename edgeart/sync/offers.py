# SPDX-License-Identifier: Apache-2.0
"""What signed metadata says, taken apart by the rules of native/spec/sync.md §3 to §5 and §7."""

from __future__ import annotations

import json
from typing import NamedTuple

from edgeart.errors import SyncError
from edgeart.sync.schedule import LONGEST_INTERVAL, SHORTEST_INTERVAL
from edgeart.sync.state import is_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

LARGEST_SEQUENCE = (1 << 53) - 1
LARGEST_BUNDLE = 1 << 26  # bytes, unless the application allows more
LARGEST_DENY = 1 << 20  # bytes
_MOST_DENIED = 65_536  # artworks
_MOST_DELTAS = 16
_MOST_KILLED = 64
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_NAME = _LETTERS | frozenset("._-")


class Target(NamedTuple):
    """A target as TUF's metadata names it."""

    length: int
    sha256: str
    custom: Any


class Share(NamedTuple):
    """A range of the 10,000 buckets that a salt sorts units into."""

    salt: str
    first: int
    end: int


class Delta(NamedTuple):
    """A way to a bundle from another one."""

    base: str  # SHA-256
    sha256: str  # of the delta
    length: int


class Offer(NamedTuple):
    """A bundle that a repository offers."""

    policy: str
    sequence: int
    format: int
    sha256: str
    length: int
    rollout: Share
    arm: Share | None
    deltas: tuple[Delta, ...]

    @property
    def path(self) -> str:
        """Of its bytes, from the repository's address."""
        return f"targets/{self.policy}/{self.sha256}.{self.sequence}.f{self.format}.edgeart"

    def path_of(self, delta: Delta) -> str:
        """Of a delta's bytes."""
        return f"targets/{self.policy}/{delta.sha256}.delta"


class Record(NamedTuple):
    """What holds for a policy as a whole."""

    minimum: int
    killed: frozenset[int]
    serve: str  # newest, factory or defaults
    max_stale: int  # seconds, 0: for ever


class Offers(NamedTuple):
    """All a repository says."""

    interval: int  # seconds
    records: dict[str, Record]
    offers: dict[str, list[Offer]]  # by policy
    deny: Target
    broken: dict[str, str]  # by policy, what breaks a rule and was skipped; "": by no policy


def read_offers(
    targets: Mapping[str, Target], signed: object, largest: int = LARGEST_BUNDLE
) -> Offers:
    """Takes verified targets metadata apart.

    targets: by name. signed: the field `edgeart` of the signed part. largest: bundle in bytes that
    is taken. Raises SyncError where it says nothing that this version can follow.
    """
    if not isinstance(signed, dict) or not _integer(signed.get("format"), 1, 1 << 31):
        raise SyncError("the targets metadata do not speak of policies", code="malformed")
    if signed["format"] != 1:
        raise SyncError(
            f"the repository is of format {signed['format']}, where this version reads 1; upgrade "
            "edgeart",
            code="newer",
        )
    interval, policies = signed.get("interval"), signed.get("policies")
    if not _integer(interval, SHORTEST_INTERVAL, LONGEST_INTERVAL):
        raise SyncError(f"interval {interval!r}", code="malformed")
    if not isinstance(policies, dict):
        raise SyncError("the targets metadata have no map of policies", code="malformed")
    deny = targets.get("deny.json")
    if deny is None or not is_digest(deny.sha256) or not 1 <= deny.length <= LARGEST_DENY:
        raise SyncError("the repository has no deny.json that could be read", code="malformed")
    records: dict[str, Record] = {}
    broken: dict[str, str] = {}
    for name, record in policies.items():
        try:
            records[name] = _record(name, record)
        except ValueError as error:  # noqa: PERF203 - one at a time is the point
            broken[name] = f"record: {error}"
    offers: dict[str, list[Offer]] = {}
    for name, target in targets.items():
        if name == "deny.json":
            continue
        try:
            offer = _offer(name, target, largest)
        except ValueError as error:
            policy = name.partition("/")[0]
            broken[policy if policy in policies else ""] = f"target {name[:80]!r}: {error}"
            continue
        offers.setdefault(offer.policy, []).append(offer)
    return Offers(int(signed["interval"]), records, offers, deny, broken)


def parse_name(name: str) -> tuple[str, int, int] | None:
    """Policy, sequence and format of a bundle target's name; None for any other name."""
    policy, slash, rest = name.partition("/")
    parts = rest.split(".")
    if not slash or len(parts) != 3 or parts[2] != "edgeart" or not is_policy(policy):
        return None
    sequence, format_ = parts[0], parts[1][1:]
    if parts[1][:1] != "f" or not _decimal(sequence, 16) or not _decimal(format_, 3):
        return None
    if int(sequence) > LARGEST_SEQUENCE or int(format_) > 255:
        return None
    return policy, int(sequence), int(format_)


def is_policy(name: object) -> bool:
    """Whether it could be a policy's name (native/spec/bundle.md §4)."""
    return (
        isinstance(name, str) and 1 <= len(name) <= 64 and name[0] in _LETTERS
        and _NAME.issuperset(name)
    )  # fmt: skip


def read_deny(data: bytes) -> dict[str, list[str]]:
    """The deny list: title to artworks. Raises SyncError for bytes that are none."""
    try:
        content = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise SyncError(f"deny.json is no JSON: {error}", code="malformed") from error
    if not isinstance(content, dict) or not isinstance(content.get("titles"), dict):
        raise SyncError("deny.json has no map of titles", code="malformed")
    if content.get("format") != 1 or isinstance(content["format"], bool):
        raise SyncError(f"deny.json is of format {content.get('format')!r}", code="newer")
    titles: dict[str, list[str]] = content["titles"]
    for artworks in titles.values():
        if not _strings(artworks) or not artworks:
            raise SyncError("deny.json has a title without a list of artworks", code="malformed")
    if sum(map(len, titles.values())) > _MOST_DENIED:
        raise SyncError(f"deny.json has more than {_MOST_DENIED} artworks", code="malformed")
    return titles


def _record(name: str, record: Any) -> Record:
    if not is_policy(name):
        raise ValueError(f"{name[:80]!r} is no policy's name")
    minimum, killed = _field(record, "minimum"), _field(record, "killed")
    stale, serve = _field(record, "max_stale"), _field(record, "serve")
    if not _integer(minimum, 1, LARGEST_SEQUENCE):
        raise ValueError(f"minimum {minimum!r}")
    if not isinstance(killed, list) or len(killed) > _MOST_KILLED:
        raise ValueError("killed is no list of at most 64")
    if not all(_integer(sequence, 1, LARGEST_SEQUENCE) for sequence in killed):
        raise ValueError("killed has what is no sequence")
    if not _integer(stale, 0, LARGEST_SEQUENCE) or not isinstance(serve, str):
        raise ValueError("max_stale or serve")
    if serve not in ("newest", "defaults"):
        serve = "factory"
    return Record(minimum, frozenset(killed), serve, stale)


def _offer(name: str, target: Target, largest: int) -> Offer:
    named = parse_name(name)
    if named is None:
        raise ValueError("no name of a bundle")
    policy, sequence, format_ = named
    custom = target.custom
    said = tuple(_field(custom, key) for key in ("policy", "sequence", "format"))
    if said != named or any(isinstance(value, bool) for value in said):
        raise ValueError(f"custom says {said!r}")
    if not is_digest(target.sha256):
        raise ValueError("no SHA-256")
    if not 1 <= target.length <= largest:
        raise ValueError(f"{target.length} bytes, of {largest} at most")
    rollout = _field(custom, "rollout")
    percent = _field(rollout, "percent")
    if not _integer(percent, 0, 10_000):
        raise ValueError(f"rollout of {percent!r}")
    return Offer(
        policy, sequence, format_, target.sha256, target.length,
        Share(_salt(rollout), 0, percent), _arm(custom.get("arm")),
        tuple(_deltas(custom.get("deltas", []), target.length)),
    )  # fmt: skip


def _arm(arm: Any) -> Share | None:
    if arm is None:
        return None
    first, end = _field(arm, "from"), _field(arm, "to")
    if not (_integer(first, 0, 10_000) and _integer(end, 0, 10_000) and first < end):
        raise ValueError(f"arm from {first!r} to {end!r}")
    if not is_policy(_field(arm, "name")):
        raise ValueError("arm without a name")
    return Share(_salt(arm), first, end)


def _deltas(deltas: Any, length: int) -> Iterator[Delta]:
    """Those a device can use for a bundle of so many bytes."""
    if not isinstance(deltas, list) or len(deltas) > _MOST_DELTAS:
        raise ValueError("deltas is no list of at most 16")
    for delta in deltas:
        base, digest, size = (_field(delta, key) for key in ("base", "sha256", "length"))
        if not _integer(_field(delta, "codec"), 0, 1 << 31):
            raise ValueError("delta without a codec")
        if delta["codec"] == 1:
            if not is_digest(base) or not is_digest(digest) or not _integer(size, 1, 1 << 31):
                raise ValueError("delta without base, sha256 or length")
            if size < length:
                yield Delta(base, digest, size)


def _salt(share: Any) -> str:
    salt = _field(share, "salt")
    if not isinstance(salt, str) or not 1 <= len(salt.encode("utf-8", "replace")) <= 64:
        raise ValueError(f"salt {salt!r}")
    return salt


def _field(content: Any, key: str) -> Any:
    if not isinstance(content, dict) or key not in content:
        raise ValueError(f"no {key}")
    return content[key]


def _strings(content: object) -> bool:
    return isinstance(content, list) and all(isinstance(each, str) for each in content)


def _integer(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _decimal(text: str, digits: int) -> bool:
    """Whether it is a number from 1 on without leading zeros, of so many digits at most."""
    return 1 <= len(text) <= digits and text[0] != "0" and not text.strip("0123456789")
