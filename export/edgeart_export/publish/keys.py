# SPDX-License-Identifier: Apache-2.0
"""Keys of a repository: folders of key files, and whatever else securesystemslib can sign with."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.exceptions import Error as SSLibError
from securesystemslib.signer import CryptoSigner, Key, Signer, SSlibKey

from ..errors import PublishError
from ..files import write_atomically

REGISTER = "keys.json"
PASSWORD = "EDGEART_KEY_PASSWORD"  # noqa: S105 - the name of the variable that holds it
ROLES = ("root", "targets", "online")
"""Roles as the publisher knows them; `online` signs snapshot and timestamp."""

Secrets = Callable[[str], str]
"""Asked for the password of a named key."""


@dataclass(frozen=True)
class Held:
    """A key that a folder tells of. uri: what signs with it; `file:NAME` is in that folder."""

    role: str
    uri: str
    key: Key
    folder: Path

    @property
    def name(self) -> str:
        """How people call it: its URI and the begin of its id."""
        return f"{self.uri} ({self.key.keyid[:8]})"

    def signer(self, secrets: Secrets) -> Signer:
        """What signs with it. Raises PublishError that says what is missing."""
        try:
            if self.uri.startswith("file:"):
                return self._file(self.folder / self.uri.removeprefix("file:"), secrets)
            return Signer.from_priv_key_uri(self.uri, self.key, secrets)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm, SSLibError) as error:
            raise PublishError(f"key {self.name} of {self.folder}: {error}") from error

    def _file(self, path: Path, secrets: Secrets) -> Signer:
        pem = path.read_bytes()
        password = None
        if b"ENCRYPTED" in pem.split(b"\n", 1)[0]:
            password = secrets(self.name).encode()
        elif path.stat().st_mode & 0o077:
            raise PublishError(
                f"{path} is not encrypted and others may read it; run: chmod 600 {path}"
            )
        private = load_pem_private_key(pem, password)
        if not isinstance(private, Ed25519PrivateKey) or not isinstance(self.key, SSlibKey):
            raise PublishError(f"{path} holds no Ed25519 key; name other keys by another URI")
        return CryptoSigner(private, self.key)


class KeyRing:
    """The keys of some folders; those whose signing needs a password ask when they are used."""

    def __init__(self, folders: Iterable[Path], secrets: Secrets | None = None) -> None:
        self.held = [key for folder in folders for key in read_register(folder)]
        self._secrets = secrets or ask_password
        self._signers: dict[str, Signer] = {}

    def has(self, keyid: str) -> bool:
        """Whether one of the folders tells of this key."""
        return any(held.key.keyid == keyid for held in self.held)

    def signer(self, keyid: str) -> Signer:
        """The signer of a key that is held. Raises PublishError."""
        if keyid not in self._signers:
            held = next(held for held in self.held if held.key.keyid == keyid)
            self._signers[keyid] = held.signer(self._secrets)
        return self._signers[keyid]

    def of(self, role: str) -> list[Held]:
        """The keys meant for a role, in the order of the folders."""
        return [held for held in self.held if held.role == role]


def ask_password(name: str) -> str:
    """The password of a key: from the environment, else asked for at the terminal."""
    given = os.environ.get(PASSWORD)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise PublishError(f"key {name} is encrypted; set {PASSWORD} or run at a terminal")
    return getpass.getpass(f"Password of key {name}: ")


def new_key(folder: Path, role: str, *, password: str | None = None) -> Held:
    """Makes an Ed25519 key in a folder, readable by its owner alone, and tells of it there.

    password: to encrypt the file with; None leaves it plain. Raises PublishError, OSError.
    """
    _check_role(role)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = Ed25519PrivateKey.generate()
    number = 1
    while (path := folder / f"{role}-{number}.pem").exists():
        number += 1
    encryption: KeySerializationEncryption = NoEncryption()
    if password is not None:
        encryption = BestAvailableEncryption(password.encode())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    key = SSlibKey.from_crypto(private.public_key())
    return _register(Held(role, f"file:{path.name}", key, folder))


def register_key(folder: Path, role: str, uri: str, public: Path) -> Held:
    """Tells a folder of a key that is kept elsewhere, such as in a KMS or an HSM.

    uri: a private key URI of securesystemslib. public: the public key, PEM. Raises PublishError.
    """
    _check_role(role)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        key = SSlibKey.from_crypto(load_pem_public_key(public.read_bytes()))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PublishError(f"{public}: no public key in PEM form: {error}") from None
    return _register(Held(role, uri, key, folder))


def read_register(folder: Path) -> list[Held]:
    """The keys a folder tells of. Raises PublishError where it does not."""
    path = folder / REGISTER
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_bytes())["keys"]
        return [
            Held(e["role"], e["uri"], Key.from_dict(e["keyid"], dict(e["key"])), folder)
            for e in entries
        ]
    except FileNotFoundError:
        raise PublishError(
            f"{folder} has no {REGISTER}: it is no folder of keys; `publish init` and "
            f"`publish key` make one"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise PublishError(f"{path} is damaged: {error}") from None


def _register(held: Held) -> Held:
    known = read_register(held.folder) if (held.folder / REGISTER).exists() else []
    if any(other.key.keyid == held.key.keyid for other in known):
        raise PublishError(f"{held.folder} has the key {held.key.keyid[:8]} already")
    entries = [
        {"role": k.role, "uri": k.uri, "keyid": k.key.keyid, "key": k.key.to_dict()}
        for k in (*known, held)
    ]
    text = json.dumps({"keys": entries}, indent=1) + "\n"
    write_atomically(held.folder / REGISTER, text.encode())
    return held


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise PublishError(f"a key's role is one of {', '.join(ROLES)}, not {role!r}")
