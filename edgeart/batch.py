# SPDX-License-Identifier: Apache-2.0
"""Turns a segment's events into the batch that goes over the wire (native/spec/feedback.md §5)."""

from __future__ import annotations

import struct
import time
import zlib
from itertools import accumulate, pairwise

import msgpack

from edgeart.events import CONTEXT, IMPRESSION, OUTCOME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

# The thread that uploads gives the interpreter away this often, for this many seconds: a page that
# waits for it would wait for the interpreter's switch interval, 5 ms, otherwise.
_AT_A_TIME, _BREATH = 16, 2e-5


def pack_batch(
    stream: int, started: int, first: int, last: int, events: Iterable[tuple[int, bytes]]
) -> bytes:
    """The compressed batch of the events with sequences from first to last."""
    contexts: list[object] = []
    impressions: list[tuple[int, list[Any]]] = []
    outcomes: list[tuple[int, list[Any]]] = []
    others: list[object] = []
    for number, (sequence, packed) in enumerate(events):
        if number % _AT_A_TIME == 0:
            time.sleep(_BREATH)
        if not first <= sequence <= last:
            continue
        body = msgpack.unpackb(packed, strict_map_key=False)
        if body[0] == IMPRESSION:
            impressions.append((sequence, body))
        elif body[0] == OUTCOME:
            outcomes.append((sequence, body))
        elif body[0] == CONTEXT:
            contexts.append([sequence, body])
        else:
            others.append([sequence, body])
    batch = {
        "format": 1,
        "stream": stream,
        "first": first,
        "last": last,
        "started": started,
        "contexts": contexts,
        "impressions": _impressions(impressions),
        "outcomes": _outcomes(outcomes),
        "others": others,
    }
    return zlib.compress(msgpack.packb(batch, use_single_float=True), 9)


def _impressions(events: Sequence[tuple[int, list[Any]]]) -> dict[str, object]:
    bodies = [body for _, body in events]
    columns = _columns(bodies, 8)
    return {
        "sequence": differences([sequence for sequence, _ in events]),
        "at": differences(columns[1]),
        "context": columns[2],
        "title": columns[3],
        "artwork": columns[4],
        "n": struct.pack(f"<{len(bodies)}I", *columns[5]),
        "slot_row": columns[6],
        "slot_column": columns[7],
        "special": [[i, *body[8:12]] for i, body in enumerate(bodies) if len(body) > 8],
    }


def _outcomes(events: Sequence[tuple[int, list[Any]]]) -> dict[str, object]:
    columns = _columns([body for _, body in events], 5)
    return {
        "sequence": differences([sequence for sequence, _ in events]),
        "at": differences(columns[1]),
        "ref_stream": columns[2],
        "ref_sequence": columns[3],
        "minutes": columns[4],
    }


def _columns(bodies: Sequence[list[Any]], count: int) -> list[list[Any]]:
    return [[body[i] for body in bodies] for i in range(count)]


def differences(values: Sequence[int]) -> list[int]:
    """Each element less the one before, the first as it is: small numbers compress."""
    return [b - a for a, b in pairwise((0, *values))]


def running(values: Iterable[int]) -> list[int]:
    """What `differences` came from."""
    return list(accumulate(values))
