# SPDX-License-Identifier: Apache-2.0
"""What a device remembers of its syncs: two slots written in turn (native/spec/sync.md §9)."""

from __future__ import annotations

import os
import struct

import msgpack

from edgeart.sums import crc32c
from edgeart.sync import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAGIC = b"\x89eas\r\n\x1a\n"
FORMAT = 1
LARGEST = 1 << 16  # bytes of the map
_HEADER = struct.Struct("<8sIIQII")  # magic, format, crc, generation, size, 0
_CRC_FROM = 16  # byte after the checksum
SLOTS = ("state-0", "state-1")
DEFAULT_INTERVAL = 21_600  # seconds, until a check has said otherwise
# What taking a map apart raises where it was written by somebody else.
NOT_OURS = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
MOST_QUARANTINED = 16  # hashes of one policy; the oldest are forgotten


class Held:
    """A bundle on this device, by what was signed of it. Constant."""

    __slots__ = ("format", "length", "sequence", "sha256")

    def __init__(self, sha256: str, sequence: int, format: int, length: int) -> None:  # noqa: A002
        self.sha256 = sha256  # 64 hexadecimal digits
        self.sequence = sequence
        self.format = format  # of the bundle
        self.length = length  # bytes

    def packed(self) -> list[object]:
        """As the state's map has it."""
        return [self.sha256, self.sequence, self.format, self.length]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and self.packed() == other.packed()

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"Held({self.sha256[:12]}…, sequence {self.sequence})"


class PolicyState:
    """What is remembered of one policy; the record's part is as the last verified one said."""

    def __init__(self, packed: dict[str, Any] | None = None) -> None:
        """packed: what `packed` gave. Raises one of NOT_OURS for anything else."""
        self._kept = dict(packed or {})
        self.active = _held(self._kept.get("active"))
        self.previous = _held(self._kept.get("previous"))
        self.trial = _held(self._kept.get("trial"))
        # Of the trial: processes that ran it and have not come through yet; pages and failed pages
        # before it; its own, and its seconds, in processes that have ended.
        self.starts = int(self._kept.get("starts", 0))
        self.before = _numbers(self._kept.get("before", (0, 0)), 2)
        self.tried = _numbers(self._kept.get("tried", (0, 0, 0)), 3)
        # SHA-256 to the library's version that refused it and the code of why, oldest first.
        self.quarantined: dict[str, tuple[str, str]] = {
            str(sha256): (str(version), str(code))
            for sha256, (version, code) in self._kept.get("quarantined", {}).items()
        }
        self.serve = str(self._kept.get("serve", "newest"))
        self.killed = frozenset(int(s) for s in self._kept.get("killed", ()))
        self.max_stale = int(self._kept.get("max_stale", 0))
        self.minimum = int(self._kept.get("minimum", 1))  # as the last record said

    def packed(self) -> dict[str, Any]:
        """For the state's map. What a newer library wrote there beside it stays."""
        return self._kept | {
            "active": self.active and self.active.packed(),
            "previous": self.previous and self.previous.packed(),
            "trial": self.trial and self.trial.packed(),
            "starts": self.starts,
            "before": list(self.before),
            "tried": list(self.tried),
            "quarantined": {sha256: list(why) for sha256, why in self.quarantined.items()},
            "serve": self.serve,
            "killed": sorted(self.killed),
            "max_stale": self.max_stale,
            "minimum": self.minimum,
        }

    def end_trial(self) -> Held | None:
        """Forgets all about the trial; the bundle that was in it."""
        trial, self.trial = self.trial, None
        self.starts, self.before, self.tried = 0, (0, 0), (0, 0, 0)
        return trial

    def quarantine(self, sha256: str, version: str, code: str) -> None:
        """Remembers a bundle that is not to be fetched again."""
        self.quarantined.pop(sha256, None)
        self.quarantined[sha256] = (version, code)
        while len(self.quarantined) > MOST_QUARANTINED:
            del self.quarantined[next(iter(self.quarantined))]

    def blobs(self) -> set[str]:
        """SHA-256 of every bundle that must not be deleted."""
        return {held.sha256 for held in (self.active, self.previous, self.trial) if held}


class State:
    """All that is remembered, but for the remembered sync minima."""

    def __init__(self, packed: dict[str, Any] | None = None) -> None:
        """packed: what `packed` gave. Raises one of NOT_OURS for anything else."""
        self._kept = dict(packed or {})
        get = self._kept.get
        self.anchor = str(get("anchor", ""))  # SHA-256 of the application's root
        self.root = int(get("root", 0))  # version of the newest trusted root
        # By role the newest version and the keys that signed it.
        self.roles: dict[str, tuple[int, tuple[str, ...]]] = {
            str(role): (int(version), tuple(map(str, signers)))
            for role, (version, signers) in get("roles", {}).items()
        }
        floor, signers = get("floor", (0, ()))
        self.floor = (int(floor), tuple(map(str, signers)))  # seconds since 1970; who said so
        self.etag, self.etag_of = map(str, get("etag", ("", "")))  # and SHA-256 of those bytes
        self.checked = float(get("checked", 0))  # last successful check, seconds since 1970
        self.interval = int(get("interval", DEFAULT_INTERVAL))
        self.due = float(get("due", 0))  # next check, seconds since 1970; 0: not known yet
        self.asked = float(get("asked", 0))  # last check, successful or not
        self.failures = int(get("failures", 0))
        self.not_before = float(get("not_before", 0))  # as a server asked
        self.deny = str(get("deny", ""))  # SHA-256
        self.error = tuple(map(str, get("error", ()))) or None  # code and sentence of the last one
        self.policies = {
            str(name): PolicyState(policy) for name, policy in get("policies", {}).items()
        }

    def packed(self) -> dict[str, Any]:
        """As a map. What a newer library wrote beside it stays."""
        return self._kept | {
            "anchor": self.anchor,
            "root": self.root,
            "roles": {role: [version, list(by)] for role, (version, by) in self.roles.items()},
            "floor": [self.floor[0], list(self.floor[1])],
            "etag": [self.etag, self.etag_of],
            "checked": self.checked,
            "interval": self.interval,
            "due": self.due,
            "asked": self.asked,
            "failures": self.failures,
            "not_before": self.not_before,
            "deny": self.deny,
            "error": list(self.error or ()),
            "policies": {name: policy.packed() for name, policy in self.policies.items()},
        }

    def of(self, policy: str) -> PolicyState:
        """What is remembered of a policy, which need not have been there."""
        return self.policies.setdefault(policy, PolicyState())

    def blobs(self) -> set[str]:
        """SHA-256 of every bundle that must not be deleted."""
        return set[str]().union(*(policy.blobs() for policy in self.policies.values()))


class Minima:
    """The remembered sync minimum of each policy, and the keys that signed it."""

    def __init__(self, packed: dict[str, Any] | None = None) -> None:
        """packed: what `packed` gave. Raises one of NOT_OURS for anything else."""
        self.of: dict[str, tuple[int, tuple[str, ...]]] = {
            str(policy): (int(sequence), tuple(map(str, signers)))
            for policy, (sequence, signers) in (packed or {}).items()
        }

    def packed(self) -> dict[str, Any]:
        """As a map."""
        return {policy: [sequence, list(by)] for policy, (sequence, by) in self.of.items()}


class Slots:
    """State and minima in a directory. Methods raise OSError."""

    def __init__(self, directory: str) -> None:
        self._paths = [os.path.join(directory, name) for name in SLOTS]
        self._minimum = os.path.join(directory, "minimum")
        self._generation = 0
        self._slot = 0  # the one that counts
        self._saved: dict[str, Any] = {}  # minima as the file has them

    def load(self) -> State:
        """What the newer slot that holds says; an empty state where none does."""
        best, generation = State(), 0
        for slot, path in enumerate(self._paths):
            found = read_frame(files.read(path, LARGEST + _HEADER.size))
            if found is None or found[0] <= generation:
                continue
            try:
                best = State(found[1])
            except NOT_OURS:
                continue  # the checksum holds, but it is not ours
            generation, self._slot = found[0], slot
        self._generation = generation
        return best

    def save(self, state: State) -> None:
        """Writes the slot that does not count, which counts from then on."""
        slot = 1 - self._slot if self._generation else 0
        data = frame(self._generation + 1, state.packed())
        files.overwrite(self._paths[slot], data)
        self._generation += 1
        self._slot = slot

    def load_minima(self, state: State) -> Minima:
        """The remembered minima; where they are lost, those of the state."""
        found = read_frame(files.read(self._minimum, LARGEST + _HEADER.size))
        if found is not None:
            try:
                minima = Minima(found[1])
            except NOT_OURS:
                pass  # the checksum holds, but it is not ours
            else:
                self._saved = minima.packed()
                return minima
        minima = Minima()
        signers = state.roles.get("targets", (0, ()))[1]
        for name, policy in state.policies.items():
            if policy.minimum > 1:
                minima.of[name] = (policy.minimum, signers)
        return minima

    def save_minima(self, minima: Minima) -> None:
        """Replaces the file, so that it is never torn, where it says something else."""
        packed = minima.packed()
        if packed != self._saved:
            files.replace(self._minimum, frame(self._generation, packed))
            self._saved = packed


def frame(generation: int, content: dict[str, Any]) -> bytes:
    """The bytes of a slot. Raises OSError for more than a slot holds."""
    body: bytes = msgpack.packb(content)
    if len(body) > LARGEST:
        raise OSError(f"the sync state has {len(body)} bytes, of {LARGEST} at most")
    rest = struct.pack("<QII", generation, len(body), 0) + body
    head = struct.pack("<8sII", MAGIC, FORMAT, crc32c(rest))
    return head + rest


def read_frame(data: bytes | None) -> tuple[int, dict[str, Any]] | None:
    """Generation and map of a slot's bytes; None where they are not whole."""
    if data is None or len(data) < _HEADER.size:
        return None
    magic, format_, crc, generation, size, _ = _HEADER.unpack_from(data)
    if (magic, format_, size) != (MAGIC, FORMAT, len(data) - _HEADER.size):
        return None
    if crc != crc32c(data[_CRC_FROM:]):
        return None
    try:
        content = msgpack.unpackb(data[_HEADER.size :])
    except ValueError:
        return None
    return (generation, content) if isinstance(content, dict) else None


def _held(packed: Any) -> Held | None:
    if packed is None:
        return None
    sha256, sequence, format_, length = packed
    if not is_digest(sha256):
        raise ValueError(f"{sha256!r} is no SHA-256")
    return Held(sha256, int(sequence), int(format_), int(length))


def _numbers(packed: Any, count: int) -> tuple[int, ...]:
    numbers = tuple(map(int, packed))
    if len(numbers) != count:
        raise ValueError(f"{count} numbers are due, not {packed!r}")
    return numbers


def is_digest(text: object) -> bool:
    """Whether it is a SHA-256 in 64 lower-case hexadecimal digits, and so safe as a file name."""
    return isinstance(text, str) and len(text) == 64 and not text.strip("0123456789abcdef")
