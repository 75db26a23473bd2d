# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export publish`: its words, options and help."""

from __future__ import annotations

import argparse
import os
import re
import textwrap
from pathlib import Path
from typing import Any

from ..commands.parts import command, moment
from ..errors import ExportError
from ..reward import parse_duration

KEYS = "EDGEART_KEYS"

_ABOUT = """\
Offers bundles to devices: makes and maintains a signed repository (The Update Framework) of static
files, which any web server or CDN serves. Serve its folders metadata/ and targets/.
"""

_EPILOG = """\
a first week:
  edgeart-export publish init repo --offline keys/offline --online keys/online
  export EDGEART_KEYS=keys/offline:keys/online
  edgeart-export publish add repo row.edgeart --new --percent 100
  edgeart-export publish add repo row-13.edgeart --percent 1
  edgeart-export publish rollout repo row 13 --percent 25
  edgeart-export publish revert repo row              # or all of it back
  edgeart-export publish deny repo title-7 laugh      # one artwork, on every device
  edgeart-export publish status repo
and every hour, from a timer, with the online keys alone:
  edgeart-export publish refresh-timestamp repo --keys keys/online

Keys, rotation, compromise and recovery: docs/publishing.md. What it costs, what to watch:
docs/operating.md. What is signed and what devices do with it: native/spec/sync.md.

exit codes: 0 done; 1 failed, the message says where and what to do; 2 wrong usage; 3 done as far as
possible, but somebody has to act: a change waits for signatures, or a signature runs out
"""

_KEYS_HELP = (
    f"folder with keys that sign, may be given again (default: the folders in {KEYS}, separated "
    f"by {os.pathsep!r})"
)


def register(commands: Any) -> None:
    """Adds the command to the subparsers of `edgeart-export`."""
    brief = "Offers bundles to devices in a signed repository of static files."
    top = command(commands, "publish", run, _ABOUT, brief=brief, epilog=_EPILOG)
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    _register_setup(actions)
    _register_releases(actions)
    _register_stops(actions)
    _register_upkeep(actions)


def run(options: argparse.Namespace) -> int:
    """Runs the action. Raises ExportError, edgeart.EdgeartError or OSError."""
    try:
        from . import cli_run  # noqa: PLC0415 - what only this command needs
    except ModuleNotFoundError as error:
        raise ExportError(
            f"{error.name} is not installed; run: pip install 'edgeart-export[publish]'"
        ) from None
    if getattr(options, "keys", ()) is None:
        options.keys = [Path(part) for part in os.environ.get(KEYS, "").split(os.pathsep) if part]
    return cli_run.RUN[options.action](options)


def _action(
    actions: Any, name: str, about: str, example: str, *, keys: bool = True, note: str = ""
) -> argparse.ArgumentParser:
    more = "\n\n" + textwrap.fill(note, 100) if note else ""
    sub = command(actions, name, run, about + more, f"publish {example}", brief=about)
    sub.add_argument("repository", type=Path, help="folder of the repository")
    if keys:
        sub.add_argument(
            "--keys", type=Path, action="append", metavar="DIR", default=None, help=_KEYS_HELP
        )
    sub.add_argument("--json", action="store_true", help="print one JSON object")
    sub.add_argument("--now", type=moment, help="sign as of this moment, UTC (default: the clock)")
    return sub


def _register_setup(actions: Any) -> None:
    init = _action(
        actions,
        "init",
        "Makes a repository without policies, and the keys its folders lack.",
        "init repo --offline keys/a --offline keys/b --online keys/online --root-keys 3",
        keys=False,
        note="A folder of keys may hold keys already, made or registered with `publish key`; "
        "then those are used. With several --offline folders the new keys are dealt out "
        "in turn, so that nobody holds enough of them alone.",
    )
    folder: dict[str, Any] = {"type": Path, "required": True, "metavar": "DIR"}
    init.add_argument("--offline", action="append", **folder, help="for keys of root and targets")
    init.add_argument("--online", **folder, help="for the key of snapshot and timestamp")
    for role, keys in (("root", 3), ("targets", 1)):
        init.add_argument(f"--{role}-keys", type=_count, default=keys, help=f"default {keys}")
    init.add_argument("--root-threshold", type=_count, default=2, help="signatures (default 2)")
    init.add_argument("--targets-threshold", type=_count, default=1, help="default 1")
    init.add_argument("--encrypt", action="store_true", help="encrypt the new offline keys")
    init.add_argument(
        "--interval", type=_seconds, default=21_600, help="between a device's checks (default 6h)"
    )
    for role, days in (("root", 365), ("targets", 180), ("snapshot", 14), ("timestamp", 3)):
        init.add_argument(
            f"--{role}-days", type=_count, default=days, help=f"a signature holds (default {days})"
        )

    key = _action(
        actions,
        "key",
        "Makes a key in a folder, or tells a folder of one in a KMS or HSM.",
        "key keys/new --role targets --uri awskms:alias/targets --public targets.pem",
        keys=False,
        note="`repository` is the folder of keys here. The URI is one that securesystemslib "
        "can sign with: awskms:, azurekms:, gcpkms:, hsm:, file2: and others; its own "
        "extra must be there.",
    )
    key.add_argument("--role", choices=("root", "targets", "online"), required=True)
    key.add_argument("--uri", help="where to sign; without it an Ed25519 key is made")
    key.add_argument("--public", type=Path, metavar="PEM", help="public key of --uri")
    key.add_argument("--encrypt", action="store_true", help="encrypt the new key")


def _register_releases(actions: Any) -> None:
    add = _action(
        actions,
        "add",
        "Offers a new sequence of a policy.",
        "add repo row.edgeart --percent 1",
        note="Refused: a bundle that is damaged or whose test vectors do not hold here, a "
        "sequence not above all earlier ones, the name of another policy. Two bundles of "
        "one sequence and of different formats are one release: devices take the highest "
        "format that they read.",
    )
    add.add_argument("bundle", type=Path, nargs="+", help="bundle, or one for each format")
    add.add_argument("--percent", type=_percent, required=True, help="of the units, such as 0.5")
    add.add_argument("--new", action="store_true", help="the policy was never published before")
    add.add_argument("--policy", help="refuse bundles of another policy")
    add.add_argument(
        "--without-holdbacks",
        action="store_true",
        help="accept a bundle without cells that see defaults and artworks drawn alike",
    )
    add.add_argument(
        "--arm",
        type=_arm,
        metavar="EXPERIMENT/ARM:FROM-TO",
        help="only for units in this range of percents, such as couples/b:50-100; --percent is "
        "then of those",
    )
    _add_deltas(add)
    add.add_argument(
        "--base",
        type=Path,
        action="append",
        default=[],
        help="make a delta from this bundle too, such as the factory bundle; may be given again",
    )

    rollout = _action(
        actions,
        "rollout",
        "Changes which share of the units takes a sequence.",
        "rollout repo row 13 --percent 25",
        note="More percent only adds units. Fewer take nothing away from those that have it: "
        "that is what `revert` and `kill` are for.",
    )
    _add_policy(rollout)
    rollout.add_argument("sequence", type=_count)
    rollout.add_argument("--percent", type=_percent, required=True)

    revert = _action(
        actions,
        "revert",
        "Offers older contents again, under a sequence above all others.",
        "revert repo row",
    )
    _add_policy(revert)
    revert.add_argument("--to", type=_count, help="sequence (default: the last good one)")
    revert.add_argument("--percent", type=_percent, default=10_000, help="default 100")
    _add_deltas(revert)


def _register_stops(actions: Any) -> None:
    kill = _action(
        actions,
        "kill",
        "Stops a sequence, or a policy, on every device that checks.",
        "kill repo row --sequence 13",
        note="A killed sequence is not run by any device, factory bundles included; devices go "
        "on with the best they have. No download is needed. `--serve newest` lifts a "
        "policy's stop; a killed sequence stays killed: publish its contents under a new "
        "one with `revert --to`.",
    )
    _add_policy(kill)
    what = kill.add_mutually_exclusive_group(required=True)
    what.add_argument("--sequence", type=_count, help="do not use this one")
    what.add_argument(
        "--serve",
        choices=("newest", "factory", "defaults"),
        help="factory: use no synced bundle; defaults: use no policy; newest: as always",
    )
    what.add_argument(
        "--forget", type=_count, metavar="SEQUENCE", help="no device can have it any more"
    )

    deny = _action(
        actions,
        "deny",
        "Denies artworks of a title, on every device and in every policy.",
        "deny repo title-7 laugh couple",
        note="With neither title nor --file it prints the list.",
    )
    deny.add_argument("title", nargs="?")
    deny.add_argument("artwork", nargs="*")
    deny.add_argument("--lift", action="store_true", help="allow them again")
    deny.add_argument(
        "--file", type=Path, help="replace the whole list by this JSON: title to artworks"
    )

    change = _action(
        actions,
        "set",
        "Changes the interval of checks, a sync minimum or how long a policy may be stale.",
        "set repo row --minimum 12 --max-stale 30d",
    )
    change.add_argument("policy", nargs="?")
    change.add_argument("--interval", type=_seconds, help="between checks, such as 6h")
    change.add_argument("--minimum", type=_count, help="lowest sequence devices may go back to")
    change.add_argument(
        "--max-stale",
        type=_seconds,
        help="without a successful check for so long, devices use the factory bundle; 0s: never",
    )


def _register_upkeep(actions: Any) -> None:
    _action(actions, "status", "Says what is offered, to whom, and what runs out.", "status repo",
            keys=False)  # fmt: skip
    _action(
        actions,
        "refresh-timestamp",
        "Signs timestamp anew, and snapshot in time: for a timer, with the online keys.",
        "refresh-timestamp repo --keys keys/online",
    )
    renew = _action(
        actions, "renew", "Signs root or targets anew before they run out.", "renew repo targets"
    )
    renew.add_argument("role", nargs="+", choices=("root", "targets"))
    rotate = _action(
        actions,
        "rotate-key",
        "Takes keys out of a role and puts new ones in.",
        "rotate-key repo online --remove 3f2a --new keys/online-2",
        note="Signed by old and new root keys. Keys are named by the begin of their id "
        "(`publish status`). What the role has signed is signed anew with its new keys.",
    )
    rotate.add_argument("role", choices=("root", "targets", "online"))
    rotate.add_argument("--remove", action="append", default=[], metavar="KEY", help="may repeat")
    rotate.add_argument(
        "--new",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder whose keys for the role are put in; without any, a key is made there",
    )
    rotate.add_argument("--encrypt", action="store_true", help="encrypt the new key")
    sign = _action(
        actions, "sign", "Adds signatures to the change that waits for them.", "sign repo"
    )
    sign.add_argument("--discard", action="store_true", help="drop the change instead")


def _add_policy(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("policy", help="name of the policy")


def _add_deltas(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--deltas",
        type=_whole,
        default=4,
        help="make deltas from so many bundles before it (default 4)",
    )


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _count(text: str) -> int:
    value = _whole(text)
    if not value:
        raise argparse.ArgumentTypeError("a whole number from 1 on is needed, not 0")
    return value


def _percent(text: str) -> int:
    """A percentage with at most two decimals, as hundredths."""
    whole, _, decimals = text.partition(".")
    digits = whole + decimals
    value = int(whole) * 100 + int(decimals.ljust(2, "0") or 0) if digits.isdecimal() else -1
    if not whole or len(decimals) > 2 or not 0 <= value <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage such as 12.5, 0 to 100")
    return value


def _arm(text: str) -> tuple[str, str, int, int]:
    """Experiment, arm, and its range in hundredths of a percent."""
    found = re.fullmatch(r"(.+)/([^/:]+):([0-9.]+)-([0-9.]+)", text)
    if not found:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not EXPERIMENT/ARM:FROM-TO such as couples/b:50-100"
        )
    return found[1], found[2], _percent(found[3]), _percent(found[4])


def _seconds(text: str) -> int:
    try:
        return int(parse_duration(text).total_seconds())
    except ExportError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
