# SPDX-License-Identifier: Apache-2.0
"""Where the fields of a bundle lie (bundle.md §4), and the same bundle under another sequence."""

from __future__ import annotations

from dataclasses import dataclass

import msgpack

import edgeart

from ..errors import ModelError

ALIGNMENT = 64
HEAD = b"\x94\xa7edgeart"
CHECKSUM_SIZE = 5

WORDS = frozenset(
    """word_ends title_ends title_rows title_order title_scale artwork_ends masks scales bias
    variance_scale""".split()  # noqa: SIM905 - a list of these would take a line each
)
"""Arrays of four-byte elements."""
OTHERS = frozenset(["word_order", "title_hash", "weights", "variance_codes"])
BIN_HEADER = {0xC4: 2, 0xC5: 3, 0xC6: 5}


@dataclass(frozen=True)
class Field:
    """One field of the body, in bytes from the document's start.

    start: of its key. value: of its value. data: of an array's or a text's bytes, of any other
    value itself. end: of the field, exclusive.
    """

    key: str
    start: int
    value: int
    data: int
    end: int


class Document:
    """A bundle that edgeart has accepted, taken apart.

    name, sequence, format: as it says. policy: the opened bundle. fields: of the body, in order.
    Raises edgeart.BundleError for bytes that are no bundle.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.policy = edgeart.Policy.from_bytes(data)
        self.name: str = self.policy.name
        self.sequence: int = self.policy.sequence
        self.format, position = _unpacked(data, len(HEAD))
        self.fields = {field.key: field for field in _fields(data, position)}

    def array(self, key: str) -> memoryview:
        """The data of a field; empty where this format or kind of bundle has none."""
        field = self.fields.get(key)
        return memoryview(self.data)[field.data : field.end] if field else memoryview(b"")


def _unpacked(data: bytes, position: int) -> tuple[int, int]:
    """The small value at `position`, and the position after it."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(data[position : position + 9])
    return unpacker.unpack(), position + unpacker.tell()


def _fields(data: bytes, position: int) -> list[Field]:
    """The fields of the body map that begins at `position`."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(data), strict_map_key=False)
    unpacker.feed(memoryview(data)[position:])
    fields = []
    for _ in range(unpacker.read_map_header()):
        start = position + unpacker.tell()
        key = unpacker.unpack()
        value = position + unpacker.tell()
        unpacker.skip()
        begin = value
        if key in WORDS or key in OTHERS:
            begin = value + 5
            begin += -begin % ALIGNMENT
        elif key.endswith("_text"):
            begin = value + BIN_HEADER[data[value]]
        fields.append(Field(key, start, value, begin, position + unpacker.tell()))
    return fields


def resequenced(data: bytes, sequence: int) -> bytes:
    """The bundle with another sequence; everything it decides stays the same.

    Test vectors hold unchanged: neither scores nor integers n depend on the sequence. Where the
    number needs more or fewer bytes, the padding before the first array makes up for it, by 64
    bytes more or less if need be, so that all data stay aligned. Raises as Document, and
    ModelError for a sequence that bundle.md does not allow.
    """
    if not 1 <= sequence < 2**53:
        raise ModelError(f"sequence must be from 1 to 2**53 - 1, not {sequence}")
    document = Document(data)
    field = document.fields["sequence"]
    first = next(f for f in document.fields.values() if f.key in WORDS or f.key in OTHERS)
    head = data[: field.value] + msgpack.packb(sequence) + data[field.end : first.value]
    padding = -(len(head) + 5) % ALIGNMENT
    size = first.end - first.data
    array = b"\xc6" + (padding + size).to_bytes(4, "big") + bytes(padding)
    changed: bytes = head + array + data[first.data : len(data) - CHECKSUM_SIZE]
    changed += b"\xce" + edgeart.crc32c(changed).to_bytes(4, "big")
    if Document(changed).sequence != sequence:
        raise RuntimeError(f"the bundle of sequence {sequence} says another")
    return changed
