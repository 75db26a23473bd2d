# SPDX-License-Identifier: Apache-2.0
"""What the actions of `edgeart-export publish` do, and how they say so."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import edgeart

from ..commands import tables
from ..errors import PublishError
from ..exploring import LOST, missing_holdbacks
from .keys import PASSWORD, REGISTER, Held, KeyRing, new_key, read_register, register_key
from .offers import Arm, Offer
from .publisher import Added, Publisher
from .repository import Outcome, Repository
from .status import describe

EXIT_OK, EXIT_ACT = 0, 3
Report = Mapping[str, Any]


def init(options: argparse.Namespace) -> int:
    """Keys first, then the repository."""
    folders = [*options.offline, options.online]
    password = _new_password() if options.encrypt else None
    for role, count in (("root", options.root_keys), ("targets", options.targets_keys)):
        held = [key for folder in options.offline for key in _held(folder) if key.role == role]
        for number in range(0 if held else count):
            new_key(options.offline[number % len(options.offline)], role, password=password)
    if not any(key.role == "online" for key in _held(options.online)):
        new_key(options.online, "online")
    ring = KeyRing(dict.fromkeys(f for f in folders if (f / REGISTER).exists()))
    outcome = Publisher(Repository(options.repository, now=options.now), ring).init(
        thresholds={"root": options.root_threshold, "targets": options.targets_threshold},
        days={
            role: getattr(options, f"{role}_days")
            for role in ("root", "targets", "snapshot", "timestamp")
        },
        interval=options.interval,
    )
    keys = [
        {"role": k.role, "key": k.key.keyid, "uri": k.uri, "folder": str(k.folder)}
        for k in ring.held
    ]
    root = options.repository / "metadata" / "1.root.json"
    note = f"serve metadata/ and targets/, and give applications {root}"
    return _done(options, outcome, {"keys": keys}, note)


def key(options: argparse.Namespace) -> int:
    """One key, made or registered."""
    if (options.uri is None) != (options.public is None):
        raise PublishError("a key that is kept elsewhere needs both --uri and --public")
    if options.uri is not None:
        held = register_key(options.repository, options.role, options.uri, options.public)
    else:
        password = _new_password() if options.encrypt else None
        held = new_key(options.repository, options.role, password=password)
    report = {"role": held.role, "key": held.key.keyid, "uri": held.uri}
    tables.show(report, options.json, lambda r: print(f"{r['role']} key {r['key']} at {r['uri']}"))
    return EXIT_OK


def add(options: argparse.Namespace) -> int:
    """A release."""
    arm = None
    if options.arm:
        experiment, name, first, end = options.arm
        arm = Arm(name, first, end, salt=experiment)
    bundles = [path.read_bytes() for path in options.bundle]
    refuse = not options.without_holdbacks
    notes = [_holdbacks(*each, refuse=refuse) for each in zip(options.bundle, bundles, strict=True)]
    added = _publisher(options).add(
        bundles,
        percent=options.percent,
        arm=arm,
        new=options.new,
        policy=options.policy,
        bases=[path.read_bytes() for path in options.base],
        deltas=options.deltas,
    )
    for note in filter(None, notes):
        print(note, file=sys.stderr)
    return _added(options, added)


def _holdbacks(path: Path, data: bytes, *, refuse: bool) -> str:
    """What a bundle without holdbacks loses, as a note; of format 2 it is refused, if asked for."""
    policy = edgeart.Policy.from_bytes(data)
    missing = missing_holdbacks(policy.explorer.kind, (c.explorer.kind for c in policy.cells))
    lost = "; ".join(LOST[kind] for kind in missing)
    if missing and refuse and policy.format > 1:  # format 1 has no cells
        raise PublishError(
            f"{path} has no {' and no '.join(missing)} holdback: {lost}. Export it with "
            f"--holdback, or publish it --without-holdbacks"
        )
    return f"note: {path} has no {' and no '.join(missing)} holdback: {lost}" if missing else ""


def rollout(options: argparse.Namespace) -> int:
    """Another percentage."""
    return _added(
        options, _publisher(options).rollout(options.policy, options.sequence, options.percent)
    )


def revert(options: argparse.Namespace) -> int:
    """Older contents."""
    added = _publisher(options).revert(
        options.policy, to=options.to, percent=options.percent, deltas=options.deltas
    )
    return _added(options, added)


def kill(options: argparse.Namespace) -> int:
    """A stop."""
    publisher = _publisher(options)
    if options.forget:
        return _done(options, publisher.forget(options.policy, options.forget), {})
    outcome = publisher.kill(options.policy, sequence=options.sequence, serve=options.serve)
    note = ""
    if options.sequence:
        note = "devices go on with the best they have; `publish revert` gives them a newer one"
    return _done(options, outcome, {}, note)


def deny(options: argparse.Namespace) -> int:
    """The deny list, changed or shown."""
    publisher = _publisher(options)
    if options.file:
        return _done(options, publisher.deny_all(_read_denied(options.file)), {})
    if options.title:
        if not options.artwork:
            raise PublishError(f"name the artworks of {options.title!r}")
        outcome = publisher.deny(options.title, options.artwork, lift=options.lift)
        return _done(options, outcome, {})
    tables.show(publisher.denied(), options.json, _show_denied)
    return EXIT_OK


def set_(options: argparse.Namespace) -> int:
    """Numbers of the repository or of a policy."""
    given = (options.interval, options.minimum, options.max_stale)
    if given == (None, None, None):
        raise PublishError("give --interval, --minimum or --max-stale")
    outcome = _publisher(options).set(
        options.policy,
        interval=options.interval,
        minimum=options.minimum,
        max_stale=options.max_stale,
    )
    return _done(options, outcome, {})


def status(options: argparse.Namespace) -> int:
    """All there is to know."""
    report = describe(Repository(options.repository, now=options.now))
    tables.show(report, options.json, _show_status)
    return EXIT_ACT if report["warnings"] else EXIT_OK


def refresh(options: argparse.Namespace) -> int:
    """The timer's work; it says what a person should do."""
    publisher = _publisher(options)
    code = _done(options, publisher.refresh(), {})
    warnings = describe(publisher.repository)["warnings"]
    for warning in warnings:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"note: {warning}")
    return EXIT_ACT if warnings else code


def renew(options: argparse.Namespace) -> int:
    """Longer-lived signatures."""
    return _done(options, _publisher(options).renew(options.role), {})


def rotate(options: argparse.Namespace) -> int:
    """Other keys."""
    if not options.remove and not options.new:
        raise PublishError("give --remove KEY, --new DIR or both")
    fresh: list[Held] = []
    for folder in options.new:
        found = [key for key in _held(folder) if key.role == options.role]
        if not found:
            password = _new_password() if options.encrypt else None
            found = [new_key(folder, options.role, password=password)]
        fresh += found
    publisher = _publisher(options, options.new)
    outcome = publisher.rotate(options.role, options.remove, fresh)
    return _done(options, outcome, {"added": [held.key.keyid for held in fresh]})


def sign(options: argparse.Namespace) -> int:
    """Signatures for what waits, or an end to it."""
    publisher = _publisher(options)
    if options.discard:
        publisher.discard()
        tables.show({"discarded": True}, options.json, lambda _: print("the change is dropped"))
        return EXIT_OK
    return _done(options, publisher.sign(), {})


RUN: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "init": init,
    "key": key,
    "add": add,
    "rollout": rollout,
    "revert": revert,
    "kill": kill,
    "deny": deny,
    "set": set_,
    "status": status,
    "refresh-timestamp": refresh,
    "renew": renew,
    "rotate-key": rotate,
    "sign": sign,
}


def _publisher(options: argparse.Namespace, more: Sequence[Path] = ()) -> Publisher:
    ring = KeyRing(dict.fromkeys([*options.keys, *more]))
    return Publisher(Repository(options.repository, now=options.now), ring)


def _held(folder: Path) -> list[Held]:
    return read_register(folder) if (folder / REGISTER).exists() else []


def _new_password() -> str:
    given = os.environ.get(PASSWORD)
    if given is not None:
        return given
    first, second = (getpass.getpass(f"{text} of the new keys: ") for text in ("Password", "Again"))
    if first != second or not first:
        raise PublishError("the two passwords differ or are empty; nothing was made")
    return first


def _read_denied(path: Path) -> dict[str, list[str]]:
    try:
        titles = json.loads(path.read_bytes())
    except ValueError as error:
        raise PublishError(f"{path} is not JSON: {error}") from None
    if isinstance(titles, dict) and "titles" in titles:  # a deny.json itself
        titles = titles["titles"]
    if not isinstance(titles, dict) or not all(isinstance(a, list) for a in titles.values()):
        raise PublishError(f"{path} must map title to a list of artworks")
    return titles


def _added(options: argparse.Namespace, added: Added) -> int:
    report = {
        "offers": [_offer(offer) for offer in added.offers],
        "dropped": [offer.target for offer in added.dropped],
    }
    return _done(options, added.outcome, report)


def _offer(offer: Offer) -> dict[str, Any]:
    return {"target": offer.target, **offer.custom(), "length": offer.length}


def _done(options: argparse.Namespace, outcome: Outcome, report: Report, note: str = "") -> int:
    whole = {
        "published": outcome.published,
        "versions": outcome.versions,
        "missing": outcome.missing,
        **report,
    }

    def show(_: Report) -> None:
        for offer in report.get("offers", ()):
            print(_sentence(offer))
        for target in report.get("dropped", ()):
            print(f"{target}: no longer offered, a newer one is for everybody")
        for held in report.get("keys", ()):
            print(f"{held['role']} key {held['key'][:8]} in {held['folder']}: {held['uri']}")
        if outcome.published:
            print("published: " + ", ".join(f"{r} {v}" for r, v in outcome.versions.items()))
        else:
            print("not yet published: run `publish sign` where these keys are")
            for role, keyids in outcome.missing.items():
                print(f"  {role}: of {', '.join(keyid[:8] for keyid in keyids)}")
        if note:
            print(note)

    tables.show(whole, options.json, show)
    return EXIT_OK if outcome.published else EXIT_ACT


def _sentence(offer: Mapping[str, Any]) -> str:
    arm = offer.get("arm")
    whom = f"{offer['rollout']['percent'] / 100:g} % of "
    whom += f"arm {arm['salt']}/{arm['name']}" if arm else "all units"
    deltas = [delta["length"] for delta in offer.get("deltas", ())]
    sizes = f"; deltas of {', '.join(f'{size:,}' for size in deltas)}" if deltas else ""
    return f"{offer['target']}: to {whom}, {offer['length']:,} bytes{sizes}"


def _show_denied(denied: Report) -> None:
    for title, artworks in denied.items():
        print(f"{title}: {', '.join(artworks)}")
    if not denied:
        print("no artwork is denied")


def _show_status(report: Report) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("role", "version", "holds until", "signatures", "keys"):
        table.add_column(column)
    for role, found in report["roles"].items():
        keys = ", ".join(keyid[:8] for keyid in found["keys"])
        table.add_row(role, str(found["version"]), found["expires"], str(found["threshold"]), keys)
    tables.show_table(table)
    for name, policy in report["policies"].items():
        print(f"\n{name}: newest {policy['newest']}, serves {policy['serve']}, sync minimum "
              f"{policy['minimum']}, killed {policy['killed'] or 'none'}, good "
              f"{policy['good'] or 'none'}")  # fmt: skip
        for offer in policy["offers"]:
            print(f"  {_sentence(offer)}")
    print(
        f"\n{report['denied']} artworks denied; devices check every {report['interval']} s; "
        f"{report['bytes']:,} bytes are served"
    )
    for warning in report["warnings"]:
        print(f"note: {warning}")
