# SPDX-License-Identifier: Apache-2.0
"""A repository of policies in memory, made with python-tuf, every part of which may be bent."""

from __future__ import annotations

import json
import struct
import zlib
from datetime import datetime, timedelta, timezone
from functools import cache
from hashlib import sha256
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from tests.support.bundles import rich, verified_bundle

TITLES = {f"title-{t}": [f"art-{t}-{a}" for a in range(4)] for t in range(12)}
LONG = 3650.0  # days: beyond every test's clock
_COMPACT = JSONSerializer(compact=True)


@cache
def policy_bundle(sequence: int, name: str = "row", seed: int = 0) -> bytes:
    """A small bundle of format 1 with test vectors."""
    return verified_bundle(name=name, sequence=sequence, titles=TITLES, seed=seed or sequence)


@cache
def rich_bundle(sequence: int, name: str = "row") -> bytes:
    """One of format 2."""
    return rich(name=name, sequence=sequence, titles=TITLES, tower=False, seed=sequence)


class Repository:
    """What a publisher has and what a server serves: `files`, by path.

    now: seconds since 1970, by which everything is signed; moved by the tests.
    """

    def __init__(self, now: float = 1_800_000_000.0, *, threshold: int = 2) -> None:
        self.now = now
        self.files: dict[str, bytes] = {}
        self._signed: set[int] = set()
        self.days = {"root": LONG, "targets": LONG, "snapshot": LONG, "timestamp": LONG}
        self.signers: dict[str, list[CryptoSigner]] = {
            role: [
                CryptoSigner.generate_ed25519() for _ in range(threshold if role == "root" else 1)
            ]
            for role in ("root", "targets", "snapshot", "timestamp")
        }
        self.root = Root(version=1, expires=self._expires("root"), consistent_snapshot=True)
        for role, signers in self.signers.items():
            for signer in signers:
                self.root.add_key(signer.public_key, role)
        self.root.roles["root"].threshold = threshold
        self.targets = Targets(version=1)
        self.snapshot = Snapshot(version=1)
        self.timestamp = Timestamp(version=1)
        self.policies: dict[str, dict[str, Any]] = {}
        self.interval = 21_600
        self.at: int | None = None  # None: now
        self.sign_root()
        self.anchor = self.files["metadata/1.root.json"]
        self.deny({})
        self.record("row")
        self.publish()

    def _expires(self, role: str) -> datetime:
        at = datetime.fromtimestamp(int(self.now), timezone.utc)
        return at + timedelta(days=self.days[role])

    # Content.

    def record(self, policy: str, **fields: Any) -> None:
        """What holds for a policy as a whole."""
        record = self.policies.setdefault(
            policy,
            {"newest": 1, "good": [], "minimum": 1, "killed": [], "serve": "newest",
             "max_stale": 0},
        )  # fmt: skip
        record.update(fields)

    def offer(
        self,
        bundle: bytes,
        sequence: int,
        policy: str = "row",
        *,
        format: int = 1,  # noqa: A002 - the specification's word
        percent: int = 10_000,
        salt: str = "",
        **custom: Any,
    ) -> str:
        """Offers a bundle; the path of its bytes."""
        name = f"{policy}/{sequence}.f{format}.edgeart"
        said = {
            "policy": policy, "sequence": sequence, "format": format,
            "rollout": {"percent": percent, "salt": salt or f"salt-{sequence}"},
        }  # fmt: skip
        return self.add(name, bundle, said | custom)

    def add(self, name: str, data: bytes, custom: Any = None) -> str:
        """Adds any target; the path of its bytes."""
        digest = sha256(data).hexdigest()
        self.targets.targets[name] = TargetFile(
            len(data), {"sha256": digest}, name, {} if custom is None else {"custom": custom}
        )
        folder, slash, base = name.rpartition("/")
        path = f"targets/{folder}{slash}{digest}.{base}"
        self.files[path] = data
        return path

    def delta(self, base: bytes, result: bytes, /, **header: Any) -> dict[str, Any]:
        """Adds a delta of policy `row`; its description for an offer."""
        packed = delta_of(base, result, **header)
        digest = sha256(packed).hexdigest()
        self.files[f"targets/row/{digest}.delta"] = packed
        return {
            "base": sha256(base).hexdigest(), "sha256": digest, "length": len(packed), "codec": 1,
        }  # fmt: skip

    def deny(self, titles: Any) -> None:
        """Withdraws artworks, by title."""
        content = {"format": 1, "titles": titles}
        self.add("deny.json", json.dumps(content).encode())

    # Signing.

    def publish(self) -> None:
        """Signs a new version of everything that devices look at."""
        self.sign_targets()
        self.sign_snapshot()
        self.sign_timestamp()

    def sign_root(self) -> None:
        """Writes the root's current version."""
        self._write("root", self.root)

    def sign_targets(self) -> None:
        """Writes the next version of targets."""
        self._next(self.targets)
        self.targets.expires = self._expires("targets")
        self.targets.unrecognized_fields["edgeart"] = {
            "format": 1, "interval": self.interval, "policies": self.policies,
        }  # fmt: skip
        self._write("targets", self.targets)

    def sign_snapshot(self) -> None:
        """Writes the next version of snapshot, which names the targets."""
        self._next(self.snapshot)
        self.snapshot.expires = self._expires("snapshot")
        self.snapshot.meta["targets.json"] = MetaFile(self.targets.version)
        self._write("snapshot", self.snapshot)

    def sign_timestamp(self) -> None:
        """Writes the next version of timestamp, which names the snapshot."""
        self._next(self.timestamp)
        self.timestamp.expires = self._expires("timestamp")
        self.timestamp.snapshot_meta = MetaFile(self.snapshot.version)
        at = int(self.now) if self.at is None else self.at
        self.timestamp.unrecognized_fields["edgeart"] = {"at": at}
        self._write("timestamp", self.timestamp)

    def rotate(self, role: str, *, sign_by_old: bool = True) -> list[CryptoSigner]:
        """Gives a role new keys in a new version of root; the old ones."""
        old = self.signers[role]
        new = [CryptoSigner.generate_ed25519() for _ in old]
        for signer in old:
            self.root.revoke_key(signer.public_key.keyid, role)
        for signer in new:
            self.root.add_key(signer.public_key, role)
        self.signers[role] = new
        self.root.version += 1
        self.root.expires = self._expires("root")
        extra = old if role == "root" and sign_by_old else []
        self._write("root", self.root, extra)
        return old

    def _next(self, signed: Signed) -> None:
        """Version 1 the first time, and one more each time after it."""
        signed.version += id(signed) in self._signed
        self._signed.add(id(signed))

    def _write(self, role: str, signed: Signed, extra: list[CryptoSigner] | None = None) -> None:
        metadata: Metadata[Any] = Metadata(signed)
        for signer in [*self.signers[role], *(extra or [])]:
            metadata.sign(signer, append=True)
        prefix = "" if role == "timestamp" else f"{signed.version}."
        self.files[f"metadata/{prefix}{role}.json"] = metadata.to_bytes(_COMPACT)


def leb(number: int) -> bytes:
    """An unsigned LEB128."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def operation(kind: int, *numbers: int, data: bytes = b"") -> bytes:
    """One operation of a delta."""
    return bytes([kind]) + b"".join(map(leb, numbers)) + data


def delta_of(
    base: bytes, result: bytes, /, operations: bytes | None = None, **header: Any
) -> bytes:
    """A delta: of given operations, or of sums where both have bytes and inserts where not.

    header: magic, codec, length, base and result where they are to be others than they should be;
    stream: the compressed bytes themselves.
    """
    if operations is None:
        operations = b""
        for first in range(0, len(result), 65_536):
            piece = result[first : first + 65_536]
            of = base[first : first + len(piece)]
            if len(of) < len(piece):
                operations += operation(1, len(piece), data=piece)
            elif of == piece:
                operations += operation(2, first, len(piece))
            else:
                sums = bytes((b - a) % 256 for a, b in zip(of, piece, strict=True))
                operations += operation(3, first, len(piece), data=sums)
    head: bytes = (
        header.get("magic", b"\x89ead\r\n\x1a\n")
        + struct.pack("<II", header.get("codec", 1), header.get("length", len(result)))
        + header.get("base", sha256(base).digest())
        + header.get("result", sha256(result).digest())
    )
    stream: bytes = header.get("stream", zlib.compress(operations, 9))
    return head + stream
