# SPDX-License-Identifier: Apache-2.0
"""Makes a feedback log readable: what `edgeart log` prints, without touching a byte of it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import msgpack

from edgeart import segments
from edgeart.events import (
    CONTEXT,
    IMPRESSION,
    LOST,
    NO_CONTEXT,
    OUTCOME,
    STATUS,
    Segment,
    read_segment,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

PLAIN: list[Any] = [0, 1 << 31, None, None]  # reason, total, shown, candidates where left out
_REASONS = {0: "policy", 10: "redrawn", 20: "recomputed", 30: "none", 40: "unknown_title",
            50: "fallback", 60: "host_uniform"}  # fmt: skip


def read_log(directory: Path) -> Iterator[tuple[str, Segment]]:
    """Every segment of a log with its state: sealed, active or quarantined.

    Only reads, so that a log in use may be looked at. Raises OSError, and ValueError for what is
    no feedback log.
    """
    if not directory.is_dir():
        raise NotADirectoryError(0, "not a directory; name the log's directory", str(directory))
    for folder, state in ((directory, "sealed"), (directory / "quarantine", "quarantined")):
        if folder.is_dir():
            for sealed, _, _ in segments.sealed_in(str(folder)):
                data = Path(sealed.path).read_bytes()
                yield state, read_segment(data, sealed.stream, sealed.first)
    for path, stream, first in segments.actives_in(str(directory)):
        yield "active", read_segment(Path(path).read_bytes(), stream, first)


def events_of(segment: Segment) -> Iterator[dict[str, object]]:
    """The events of a segment as mappings with names for everything."""
    after = segment.events[0][0] if segment.events else 0
    for sequence, packed in segment.events:
        if sequence > after:
            yield {"event": "gap", "first": after, "last": sequence - 1}
        after = sequence + 1
        body: list[Any] = msgpack.unpackb(packed)
        at = segment.started + body[1] if segment.started else None
        ref = segments.ref_of(segment.stream, sequence)
        yield {"event": _KINDS.get(body[0], str(body[0])), "ref": ref, "at": at} | _fields(body)


_KINDS = {
    CONTEXT: "context",
    IMPRESSION: "impression",
    OUTCOME: "outcome",
    LOST: "lost",
    STATUS: "status",
}


def _fields(body: list[Any]) -> dict[str, object]:
    kind, _, *rest = body
    if kind == IMPRESSION:
        context, title, artwork, n, row, column, *special = rest
        reason, total, shown, candidates = [*special, *PLAIN[len(special) :]][:4]
        return {
            "context": None if context == NO_CONTEXT else context, "title": title,
            "artwork": artwork, "propensity": n / total, "slot": [row, column],
            "reason": _REASONS.get(reason, str(reason)), "shown": shown,
            "candidates": candidates.hex() if isinstance(candidates, bytes) else candidates,
        }  # fmt: skip
    if kind == OUTCOME:
        return {"of": segments.ref_of(rest[0], rest[1]), "minutes": rest[2]}
    if kind == CONTEXT:
        policy, sequence, digest, values, seed, unit_epoch, cell, denied, subject, *more = rest
        required, forbidden = [*more, 0, 0][:2]
        return {
            "policy": policy, "sequence": sequence, "digest": digest.hex(),
            "values": msgpack.unpackb(values, unicode_errors="replace"), "seed": seed,
            "unit_epoch": unit_epoch, "cell": cell, "denied": denied.hex() if denied else None,
            "subject": subject, "required": required, "forbidden": forbidden,
        }  # fmt: skip
    if kind == LOST:
        reason, count, stream, first, last = rest[:5]
        return {
            "reason": reason, "count": count, "from": segments.ref_of(stream, first),
            "to": segments.ref_of(stream, last),
        }  # fmt: skip
    if kind == STATUS:
        names = ("policy", "sequence", "source", "checked", "stale_since", "error")
        return dict(zip(names, rest, strict=False))
    return {"body": repr(rest)}


def line_of(event: dict[str, Any]) -> str:
    """One event for a person to read."""
    if event["event"] == "gap":
        return f"  gap         sequences {event['first']} to {event['last']} are not here"
    at = event["at"]
    when = "time unknown"
    if at is not None:
        when = datetime.fromtimestamp(at / 1000, timezone.utc).strftime("%m-%d %H:%M:%S")
    rest = {
        "impression": lambda: (
            f"{event['title']}: {event['artwork'] or 'no artwork'}, propensity "
            f"{event['propensity']:.6f}, {event['reason']}, slot {event['slot'][0]}/"
            f"{event['slot'][1]}"
            + (f", shown instead: {event['shown']}" * bool(event["shown"]))
            + _among(event["candidates"])
        ),
        "outcome": lambda: f"{event['minutes']:g} minutes after {event['of']}",
        "context": lambda: (
            f"policy {event['policy']} {event['sequence']}, unit {event['unit_epoch']:016x}"
            f"{_conditions(event)}, {event['values']}"
        ),
        "status": lambda: (
            f"policy {event['policy']} {event['sequence']}, {event['source']}"
            + (", stale" * (event["stale_since"] is not None))
            + (f", {event['error']}" * bool(event["error"]))
        ),
        "lost": lambda: f"{event['count']} events, {event['reason']}: {event['from']} on",
    }.get(event["event"], lambda: str(event["body"]))()
    return f"  {event['event']:<11} {event['ref']}  {when}  {rest}"


def _among(candidates: str | list[str] | None) -> str:
    if candidates is None:
        return ""
    if isinstance(candidates, list):
        return f", among the host's {', '.join(candidates) or 'none'}"
    # Bytes of a bitmap, the least significant bit of the first byte being the first artwork.
    places = [
        str(8 * byte + bit)
        for byte, bits in enumerate(bytes.fromhex(candidates))
        for bit in range(8)
        if bits >> bit & 1
    ]
    return f", among the title's artworks {', '.join(places) or 'none'} (from 0)"


def _conditions(event: dict[str, Any]) -> str:
    text = f", cell {event['cell']}" if event["cell"] is not None else ""
    for name in ("required", "forbidden"):
        if event[name]:
            text += f", {name} {event[name]:#x}"
    return text + (f", denied {event['denied']}" if event["denied"] else "")
