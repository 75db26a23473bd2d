# SPDX-License-Identifier: Apache-2.0
"""Turns a segment's events into the batch that goes over the wire (native/spec/feedback.md §5)."""

from __future__ import annotations

import struct
import time
import zlib
from itertools import chain, pairwise

import msgpack

from edgeart.events import CONTEXT, IMPRESSION, OUTCOME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

# The thread that uploads works on so many events, or list elements, and then gives the interpreter
# away for so many seconds: an app that waits for it waits some 0.2 ms, and not for a whole batch.
_EVENTS, _ELEMENTS, _BREATH = 128, 4096, 2e-5

_IMPRESSION = ("at", "context", "title", "artwork", "n", "slot_row", "slot_column")
_OUTCOME = ("at", "ref_stream", "ref_sequence", "minutes")
_SPECIAL = len(_IMPRESSION) + 1  # an impression has more elements where it is not plain


def pack_batch(
    stream: int, started: int, first: int, last: int, events: Sequence[tuple[int, bytes]]
) -> bytes:
    """The compressed batch of the events with sequences from first to last."""
    contexts: list[object] = []
    impressions, outcomes = _Columns(_IMPRESSION), _Columns(_OUTCOME)
    others: list[object] = []
    for start in range(0, len(events), _EVENTS):
        time.sleep(_BREATH)
        shown: list[tuple[int, list[Any]]] = []
        played: list[tuple[int, list[Any]]] = []
        for sequence, packed in events[start : start + _EVENTS]:
            if not first <= sequence <= last:
                continue
            body = msgpack.unpackb(packed, strict_map_key=False)
            if body[0] == IMPRESSION:
                shown.append((sequence, body))
            elif body[0] == OUTCOME:
                played.append((sequence, body))
            elif body[0] == CONTEXT:
                contexts.append([sequence, body])
            else:
                others.append([sequence, body])
        impressions.add(shown)
        outcomes.add(played)
    batch = {
        "format": 1,
        "stream": stream,
        "first": first,
        "last": last,
        "started": started,
        "contexts": contexts,
        "impressions": {**impressions.lists(), "special": impressions.special},
        "outcomes": outcomes.lists(),
        "others": others,
    }
    packer = msgpack.Packer(use_single_float=True)
    compressor = zlib.compressobj(9)
    pieces = [compressor.compress(piece) for piece in _packed(packer, batch)]
    return b"".join((*pieces, compressor.flush()))


class _Columns:
    """The columns of one kind of event, filled a few events at a time.

    names: of the elements of an event's body behind its kind.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._lists: dict[str, list[Any]] = {name: [] for name in ("sequence", *names)}
        self._n = bytearray()  # n is no list but one row of u32
        self._before = {"sequence": 0, "at": 0}
        self.special: list[object] = []

    def add(self, events: Sequence[tuple[int, list[Any]]]) -> None:
        count = len(self._lists["sequence"])
        self._differ("sequence", [sequence for sequence, _ in events])
        for place, name in enumerate(self._names, 1):
            values = [body[place] for _, body in events]
            if name == "at":
                self._differ(name, values)
            elif name == "n":
                self._n += struct.pack(f"<{len(values)}I", *values)
            else:
                self._lists[name] += values
        if self._names is _IMPRESSION:
            self.special += (
                [index, *body[_SPECIAL : _SPECIAL + 4]]
                for index, (_, body) in enumerate(events, count)
                if len(body) > _SPECIAL
            )

    def _differ(self, name: str, values: Sequence[int]) -> None:
        """Each element less the one before, the first as it is: small numbers compress."""
        steps = pairwise(chain((self._before[name],), values))
        self._lists[name] += (after - before for before, after in steps)
        if values:
            self._before[name] = values[-1]

    def lists(self) -> dict[str, object]:
        """The columns as they go into the batch."""
        if "n" not in self._lists:
            return {**self._lists}
        return {**self._lists, "n": bytes(self._n)}


def _packed(packer: msgpack.Packer, value: object) -> Iterator[bytes]:
    """The MessagePack bytes of a value, long lists piece by piece."""
    if isinstance(value, dict):
        yield packer.pack_map_header(len(value))
        for key, element in value.items():
            yield packer.pack(key)
            yield from _packed(packer, element)
    elif isinstance(value, list):
        yield packer.pack_array_header(len(value))
        for start in range(0, len(value), _ELEMENTS):
            time.sleep(_BREATH)
            elements = value[start : start + _ELEMENTS]
            yield packer.pack(elements)[len(packer.pack_array_header(len(elements))) :]
    else:
        yield packer.pack(value)
