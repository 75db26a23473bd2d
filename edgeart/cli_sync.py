# SPDX-License-Identifier: Apache-2.0
"""`edgeart sync` and `edgeart status`: checks for newer policies, and shows how a sync stands."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

from edgeart.client import device_secret
from edgeart.explain_view import aligned
from edgeart.selector_state import unit_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from edgeart.sync.state import Held, PolicyState

_BUNDLES = ("active", "previous", "trial")


def sync_arguments(command: argparse.ArgumentParser) -> None:
    """What `edgeart sync` takes."""
    command.add_argument("--url", required=True, metavar="URL", help="of the repository")
    command.add_argument(
        "--root", required=True, metavar="FILE", help="root metadata that came with the application"
    )
    command.add_argument(
        "--policy", action="append", required=True, metavar="NAME=FILE",
        help="a policy and its factory bundle; repeatable",
    )  # fmt: skip
    command.add_argument(
        "--unit", default="", metavar="KEY",
        help="the key that the application gives its Client, which decides what is offered",
    )  # fmt: skip
    command.add_argument(
        "--token", metavar="VARIABLE", help="name of the environment variable with a bearer token"
    )
    command.add_argument("--proxy", metavar="URL", help="http://host:port")


def sync(options: argparse.Namespace, parser: argparse.ArgumentParser) -> dict[str, object]:
    """Checks for newer policies once: fetches, verifies and stores what is offered to this device.

    The directory is the application's, which must not be running. What is fetched is put to its
    trial when the application starts the next time.
    """
    from edgeart.sync import Syncer  # noqa: PLC0415 - one command's

    policies = dict(policy.partition("=")[::2] for policy in options.policy)
    if not all(policies.values()):
        parser.error("sync: --policy is NAME=FILE")
    token = None
    if options.token is not None:
        if options.token not in os.environ:
            parser.error(f"sync: there is no environment variable {options.token}")
        token = lambda: os.environ[options.token]  # noqa: E731 - two lines for one
    directory = Path(options.file)
    directory.mkdir(parents=True, exist_ok=True)
    unit = unit_key(device_secret(str(directory)), options.unit.encode())
    try:
        syncer = Syncer(
            directory / "sync", options.url,
            root=options.root, policies=policies, unit=unit, token=token, proxy=options.proxy,
        )  # fmt: skip
    except ValueError as error:
        parser.error(f"sync: {error}")
    try:
        found = syncer.refresh()
    finally:
        syncer.close()
    if not options.json:
        print(f"{found.code}{f': {found.text}' if found.text else ''}")
        print(f"{found.requests} requests, {found.sent:,} bytes sent, {found.received:,} received")
        for name, policy in found.policies.items():
            print(f"{name}: {policy.code}: {policy.text}")
    return found._asdict() | {
        "ok": found.ok,
        "policies": {name: policy._asdict() for name, policy in found.policies.items()},
    }


def status(options: argparse.Namespace, _: argparse.ArgumentParser) -> dict[str, object]:
    """Shows how the sync of an application's directory stands; it may be running.

    Only reads. What the application really runs may be its factory bundle, where that is newer.
    """
    from edgeart.sync.state import Slots  # noqa: PLC0415 - one command's

    directory = Path(options.file)
    if (directory / "sync").is_dir():
        directory /= "sync"
    if not directory.is_dir():
        raise NotADirectoryError(0, "not a directory; name the application's", str(directory))
    slots = Slots(str(directory))
    state = slots.load()
    minima = slots.load_minima(state)
    policies = {
        name: _policy(policy, directory) | {"minimum": minima.of.get(name, (1, ()))[0]}
        for name, policy in state.policies.items()
    }
    found: dict[str, object] = {
        "checked": _moment(state.checked),
        "next_check": _moment(state.due),
        "interval": state.interval,
        "failures": state.failures,
        "error": list(state.error) if state.error else None,
        "root_version": state.root,
        "denied_artworks": _denied(directory),
        "policies": policies,
    }
    if not options.json:
        for name, value in found.items():
            if name != "policies":
                text = ": ".join(value) if isinstance(value, list) else value
                print(f"{name.replace('_', ' ')}: {'-' if text is None else text}")
        for name, policy in policies.items():
            print(f"policy {name}:")
            rows = [(f"  {key.replace('_', ' ')}", _text(value)) for key, value in policy.items()]
            print(*aligned(rows), sep="\n")
    return found


def _policy(policy: PolicyState, directory: Path) -> dict[str, object]:
    found: dict[str, object] = {name: _held(getattr(policy, name), directory) for name in _BUNDLES}
    return found | {
        "serve": policy.serve,
        "killed": sorted(policy.killed),
        "max_stale": policy.max_stale,
        "quarantined": {digest: why[1] for digest, why in policy.quarantined.items()},
    }


def _held(held: Held | None, directory: Path) -> dict[str, object] | None:
    if held is None:
        return None
    stored = (directory / "blobs" / f"{held.sha256}.edgeart").is_file()
    return {"sequence": held.sequence, "format": held.format, "bytes": held.length,
            "sha256": held.sha256, "stored": stored}  # fmt: skip


def _text(value: object) -> str:
    if isinstance(value, dict) and "sequence" in value:
        missing = "" if value["stored"] else ", not stored: it is fetched again"
        return f"sequence {value['sequence']}, {value['bytes']:,} bytes{missing}"
    if isinstance(value, dict):
        return ", ".join(f"{digest[:12]}… ({code})" for digest, code in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)


def _denied(directory: Path) -> int | None:
    from edgeart.errors import SyncError  # noqa: PLC0415 - one command's
    from edgeart.sync.offers import read_deny  # noqa: PLC0415 - likewise

    try:
        return sum(map(len, read_deny((directory / "deny.json").read_bytes()).values()))
    except (OSError, SyncError):
        return None


def _moment(seconds: float) -> str | None:
    if not 0 < seconds < 1e11:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
