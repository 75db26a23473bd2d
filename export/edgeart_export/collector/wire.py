# SPDX-License-Identifier: Apache-2.0
"""From the bytes of a request to the map of a batch, without letting them grow beyond bounds."""

from __future__ import annotations

import zlib
from typing import Any

import msgpack

from .columns import type_name
from .errors import BatchError

MAX_BODY = 2**20
MAX_INFLATED = 2**24
MAX_EVENTS = 65_536
"""The limits of feedback.md §6."""

MAX_CONTAINERS = 4 * MAX_EVENTS
MAX_ELEMENTS = 20 * MAX_EVENTS
"""Lists and maps, and their elements. An event has at most 2 and 13, and 256 where a host names the
artworks it has; without a bound, a body of empty lists would take seventy times its size in memory,
and seconds. Halves of a batch stay within it, however much they name."""


def inflate(body: bytes) -> bytes:
    """A zlib stream (RFC 1950) undone, never beyond the limit.

    Raises BatchError: 413 where there would be more, 400 where the bytes are no such stream.
    """
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(body, MAX_INFLATED + 1)
    except zlib.error as error:
        raise BatchError(400, f"body: not the zlib format: {error}") from None
    if len(data) > MAX_INFLATED:
        raise BatchError(413, f"body: inflates to more than {MAX_INFLATED} bytes; send halves")
    if not inflater.eof:
        raise BatchError(400, f"body: ends inside the zlib stream, after {len(body)} bytes")
    if inflater.unused_data:
        offset = len(body) - len(inflater.unused_data)
        raise BatchError(400, f"body: something follows the zlib stream at byte {offset}")
    return data


def unpack(data: bytes) -> dict[Any, Any]:
    """The map that these bytes are.

    Strings that are no UTF-8 hold lone surrogates, so that the one event they belong to can be
    refused. Raises BatchError: 400 where the bytes are no MessagePack, 422 where they are no map,
    413 where they hold more than a batch may.
    """
    bound = _Bound()
    try:
        document = msgpack.unpackb(
            data,
            strict_map_key=False,
            unicode_errors="surrogateescape",
            max_array_len=2 * MAX_EVENTS,  # more than allowed, so that the answer can be 413
            max_map_len=2 * MAX_EVENTS,
            list_hook=bound.list_hook,
            object_hook=bound.map_hook,
            ext_hook=_Ext,
        )
    except msgpack.ExtraData as error:
        offset = len(data) - len(error.extra)
        raise BatchError(400, f"batch: something follows the map at byte {offset}") from None
    except BatchError:
        raise
    except (ValueError, TypeError) as error:  # of a map: keys that cannot be one are a TypeError
        reason = str(error) or type(error).__name__
        raise BatchError(400, f"batch: not MessagePack within its limits: {reason}") from None
    if type(document) is not dict:
        raise BatchError(422, f"batch: {type_name(document)}, not a map")
    return document


class _Ext:
    """A value of an extension type: none has a meaning here, and none is taken for nil."""

    __slots__ = ()

    def __init__(self, code: int, data: bytes) -> None:
        pass


class _Bound:
    """Counts elements while they are read."""

    def __init__(self) -> None:
        self._containers = 0
        self._elements = 0

    def list_hook(self, values: list[Any]) -> list[Any]:
        self._take(len(values))
        return values

    def map_hook(self, values: dict[Any, Any]) -> dict[Any, Any]:
        self._take(2 * len(values))
        return values

    def _take(self, elements: int) -> None:
        self._containers += 1
        self._elements += elements
        if self._containers > MAX_CONTAINERS or self._elements > MAX_ELEMENTS:
            raise BatchError(
                413,
                f"batch: more than {MAX_CONTAINERS} lists and maps, or {MAX_ELEMENTS} elements; "
                f"send halves",
            )


def bodies(data: bytes, key: str) -> list[bytes]:
    """The bytes of each body of the list `[[sequence, body], …]` under a key of the batch's map.

    The map must have been unpacked before, so that it is known to be well-formed.
    """
    reader = msgpack.Unpacker(
        strict_map_key=False, unicode_errors="surrogateescape", max_buffer_size=len(data)
    )
    reader.feed(data)
    found: list[bytes] = []
    for _ in range(reader.read_map_header()):
        if reader.unpack() != key:
            reader.skip()
            continue
        found.clear()  # of a key that comes twice the last one holds, as in unpack
        for _ in range(reader.read_array_header()):
            reader.read_array_header()
            reader.skip()
            start = reader.tell()
            reader.skip()
            found.append(data[start : reader.tell()])
    return found
