# SPDX-License-Identifier: Apache-2.0
"""Keys lie in folders, readable by their owner alone or encrypted, or are kept elsewhere."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from securesystemslib.exceptions import UnverifiedSignatureError

from edgeart_export.errors import PublishError
from edgeart_export.publish.keys import (
    PASSWORD,
    KeyRing,
    ask_password,
    new_key,
    read_register,
    register_key,
)
from edgeart_export.publish.publisher import Publisher
from edgeart_export.publish.repository import Repository
from tests.support.repositories import Made


def test_a_new_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    held = new_key(tmp_path / "keys", "root")
    path = tmp_path / "keys" / "root-1.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert held.uri == "file:root-1.pem"
    second = new_key(tmp_path / "keys", "root")
    assert second.uri == "file:root-2.pem"
    assert [key.key.keyid for key in read_register(tmp_path / "keys")] == [
        held.key.keyid, second.key.keyid
    ]  # fmt: skip


def test_a_key_signs_and_its_signature_holds(tmp_path: Path) -> None:
    held = new_key(tmp_path, "targets")
    signature = KeyRing([tmp_path]).signer(held.key.keyid).sign(b"payload")
    held.key.verify_signature(signature, b"payload")
    with pytest.raises(UnverifiedSignatureError):
        held.key.verify_signature(signature, b"another")


def test_a_plain_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    held = new_key(tmp_path, "targets")
    (tmp_path / "targets-1.pem").chmod(0o640)
    with pytest.raises(PublishError, match="chmod 600"):
        KeyRing([tmp_path]).signer(held.key.keyid)


def test_an_encrypted_key_asks_for_its_password_once_and_only_when_it_signs(
    tmp_path: Path,
) -> None:
    held = new_key(tmp_path, "targets", password="correct horse")  # noqa: S106
    (tmp_path / "targets-1.pem").chmod(0o644)  # it may be read: it says nothing
    asked: list[str] = []

    def secrets(name: str) -> str:
        asked.append(name)
        return "correct horse"

    ring = KeyRing([tmp_path], secrets)
    assert ring.has(held.key.keyid)
    assert asked == []
    for _ in range(2):
        held.key.verify_signature(ring.signer(held.key.keyid).sign(b"x"), b"x")
    assert asked == [held.name]
    with pytest.raises(PublishError, match=r"targets-1\.pem"):
        KeyRing([tmp_path], lambda _: "wrong").signer(held.key.keyid)


def test_a_password_comes_from_the_environment_or_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PASSWORD, "from outside")
    assert ask_password("k") == "from outside"
    monkeypatch.delenv(PASSWORD)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(PublishError, match=f"set {PASSWORD}"):
        ask_password("k")


def test_keys_of_other_kinds_sign_by_a_uri_of_securesystemslib(tmp_path: Path) -> None:
    """As KMS and HSM keys do: a public key here, a URI that signs somewhere else."""
    private = generate_private_key(SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    elsewhere, public = tmp_path / "elsewhere.pem", tmp_path / "public.pem"
    elsewhere.write_bytes(pem)
    public.write_bytes(
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    held = register_key(tmp_path / "kms", "targets", f"file2:{elsewhere}", public)
    for role in ("root", "online"):
        new_key(tmp_path / "kms", role)
    ring = KeyRing([tmp_path / "kms"])
    Publisher(Repository(tmp_path / "repo"), ring).init(thresholds={})
    made = Made.__new__(Made)
    made.path = tmp_path / "repo"
    made.root = (made.path / "metadata" / "1.root.json").read_bytes()
    made.reader(tmp_path / "device").refresh()
    (targets,) = (made.path / "metadata").glob("*.targets.json")
    (signature,) = json.loads(targets.read_bytes())["signatures"]
    assert signature["keyid"] == held.key.keyid


def test_a_kind_of_key_whose_package_is_missing_is_named(tmp_path: Path) -> None:
    private = generate_private_key(SECP256R1())
    public = tmp_path / "public.pem"
    public.write_bytes(
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    held = register_key(tmp_path, "targets", "nosuchkms:alias/x", public)
    with pytest.raises(PublishError, match="nosuchkms"):
        KeyRing([tmp_path]).signer(held.key.keyid)
    public.write_text("no key")
    with pytest.raises(PublishError, match="no public key in PEM form"):
        register_key(tmp_path, "targets", "hsm:", public)


def test_a_file_of_another_key_is_refused(tmp_path: Path) -> None:
    held = new_key(tmp_path, "targets")
    new_key(tmp_path, "targets")
    (tmp_path / "targets-2.pem").rename(tmp_path / "targets-1.pem")
    with pytest.raises(PublishError, match="does not match"):
        KeyRing([tmp_path]).signer(held.key.keyid)
    (tmp_path / "targets-1.pem").unlink()
    with pytest.raises(PublishError, match="No such file"):
        KeyRing([tmp_path]).signer(held.key.keyid)
    private = generate_private_key(SECP256R1())
    path = tmp_path / "targets-1.pem"
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    with pytest.raises(PublishError, match="no Ed25519 key"):
        KeyRing([tmp_path]).signer(held.key.keyid)


def test_a_folder_without_keys_is_named(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="no folder of keys"):
        KeyRing([tmp_path])
    (tmp_path / "keys.json").write_text('{"keys": [{}]}')
    with pytest.raises(PublishError, match="damaged"):
        KeyRing([tmp_path])
    with pytest.raises(PublishError, match="one of root, targets, online"):
        new_key(tmp_path, "mirror")


def test_a_key_is_told_of_once(tmp_path: Path) -> None:
    new_key(tmp_path, "targets")
    register = tmp_path / "keys.json"
    (key,) = json.loads(register.read_bytes())["keys"]
    public = tmp_path / "public.pem"
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private = load_pem_private_key((tmp_path / "targets-1.pem").read_bytes(), None)
    public.write_bytes(
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(PublishError, match=f"has the key {key['keyid'][:8]} already"):
        register_key(tmp_path, "targets", "file2:x", public)


def test_too_few_keys_make_no_repository(tmp_path: Path) -> None:
    for role in ("root", "targets", "online"):
        new_key(tmp_path / "keys", role)
    ring = KeyRing([tmp_path / "keys"])
    with pytest.raises(PublishError, match="root needs 2 keys; the folders have 1"):
        Publisher(Repository(tmp_path / "repo"), ring).init(thresholds={"root": 2})
    assert not (tmp_path / "repo").exists()


def test_a_role_keeps_as_many_keys_as_must_sign(tmp_path: Path) -> None:
    made = Made(tmp_path)
    publisher = made.publisher()
    keys = publisher.repository.load().root.signed.roles["root"].keyids
    with pytest.raises(PublishError, match="root needs 2 keys and would have 1"):
        publisher.rotate("root", keys[:2], [])
    with pytest.raises(PublishError, match="is the begin of 3 keys of root"):
        publisher.rotate("root", [""], [])
    with pytest.raises(PublishError, match="is the begin of 0 keys of root; its keys are"):
        publisher.rotate("root", ["zz"], [])
    assert publisher.rotate("root", [keys[0][:12]], []).published
    assert publisher.repository.load().root.signed.roles["root"].keyids == keys[1:]
