# SPDX-License-Identifier: Apache-2.0
"""A batch holds every event of its range, however many are packed at a time."""

from __future__ import annotations

import zlib

import msgpack

from edgeart.batch import pack_batch
from tests.support.loopback import bodies

STREAM, STARTED = 7, 1_764_547_200_000


def events(count: int) -> list[tuple[int, list[object]]]:
    """Events of every kind, with gaps between their sequences."""
    made: list[tuple[int, list[object]]] = []
    for i in range(count):
        body: list[object] = [
            2,
            5 * i,
            0,
            f"title-{i % 9}",
            f"artwork-{i % 4}",
            2**31 - i,
            i % 3,
            i,
        ]
        if i % 50 == 0:
            body = [1, 5 * i, "row", i, b"d" * 16, b"\x80", 1, 2, None, None, None]
        elif i % 11 == 0:
            body += [20, 2**31, f"instead-{i}"]
        elif i % 13 == 0:
            body = [3, 5 * i, STREAM, i - 1, 0.5 * i]
        elif i % 97 == 0:
            body = [4, 5 * i, "size", i, STREAM, 0, i]
        made.append((3 * i + 2, body))
    return made


def test_a_batch_of_many_pieces_holds_every_event_of_its_range_once() -> None:
    made = events(20_000)
    packed = [(sequence, msgpack.packb(body)) for sequence, body in made]
    first, last = made[100][0] - 1, made[-100][0] + 1
    batch = msgpack.unpackb(zlib.decompress(pack_batch(STREAM, STARTED, first, last, packed)))
    assert (batch["format"], batch["stream"], batch["started"]) == (1, STREAM, STARTED)
    assert (batch["first"], batch["last"]) == (first, last)
    assert sorted(bodies(batch)) == made[100 : len(made) - 99]


def test_a_batch_without_events_is_one() -> None:
    batch = msgpack.unpackb(zlib.decompress(pack_batch(STREAM, STARTED, 4, 9, [])))
    assert list(bodies(batch)) == []
    assert (batch["first"], batch["last"]) == (4, 9)
