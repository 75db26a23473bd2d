# SPDX-License-Identifier: Apache-2.0
"""The bytes of a bundle (bundle.md): MessagePack values, aligned arrays, fields, checksum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgpack
import numpy as np
import numpy.typing as npt

import edgeart

from ..errors import ModelError

ALIGNMENT = 64
MAX_BYTES = 2**30
STRIDES = {"f32": 8, "i8": 16}
"""Rows are padded with zeros to a multiple of so many slots."""


class Declared(Protocol):
    """A feature, as far as the writer looks at it."""

    @property
    def words(self) -> Sequence[str]:
        """The vocabulary, empty for features without."""
        ...

    def wire(self) -> list[object]:
        """The list that stands in a bundle (bundle.md §6)."""
        ...


def _no_rows() -> npt.NDArray[np.float32]:
    return np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class WireLayer:
    """A layer as it is stored.

    weights: float32 or int8 [inputs, m]; scales: float32 [m], with int8 only; bias: float32 [m].
    """

    activation: str
    rows: str
    weights: npt.NDArray[np.generic]
    scales: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]


@dataclass(frozen=True)
class WireVariances:
    """Variances as they are stored: codes uint8 [R, k] and their one factor (bundle.md §4.1)."""

    codes: npt.NDArray[np.uint8]
    scale: np.float32


@dataclass(frozen=True)
class Body:
    """What stands in a bundle, already valid; without titles it encodes contexts and no more.

    weights: float32 or int8 [R, k]; scales: float32 [R], with int8 weights only; bias: float32 [R].
    vectors: (context map, hash) pairs. From `tower` on all is format 2, which is written where any
    of it is there, or the explorer is one that format 1 does not know. cells: lists as in §5.1;
    title_scale: float32 [T] or empty; masks: uint32 [R] or empty.
    """

    features: Sequence[Declared]
    k: int
    name: str = "schema"
    sequence: int = 1
    meta: Mapping[str, str] = field(default_factory=dict)
    explorer: Sequence[object] = ("fixed", 0.0)
    titles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rows: str = "f32"
    weights: npt.NDArray[np.generic] = field(default_factory=_no_rows)
    scales: npt.NDArray[np.float32] = field(default_factory=_no_rows)
    bias: npt.NDArray[np.float32] = field(default_factory=_no_rows)
    vectors: Sequence[tuple[bytes, int]] = ()
    tower: Sequence[WireLayer] = ()
    cells: Sequence[Sequence[object]] = ()
    salt: str = ""
    attributes: Sequence[str] = ()
    title_scale: npt.NDArray[np.float32] = field(default_factory=_no_rows)
    masks: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, dtype=np.uint32))
    variances: WireVariances | None = None

    @property
    def format(self) -> int:
        """The lowest format that can say all this."""
        new = (
            self.explorer[0] in _EXPLORERS_OF_2,
            len(self.tower),
            len(self.cells),
            len(self.attributes),
            len(self.title_scale),
            self.variances is not None,
        )
        return 2 if any(new) else 1


_EXPLORERS_OF_2 = ("thompson", "ucb")


def document(body: Body) -> bytes:
    """The bundle. Equal bodies give equal bytes. Raises ModelError where it cannot be written."""
    titles = list(body.titles)
    hashes = np.array([edgeart.title_hash(title) for title in titles], dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    _check_hashes(titles, hashes[order], order)
    counts = [len(artworks) for artworks in body.titles.values()]
    vocabularies = [feature.words for feature in body.features]
    two, quantised = body.format == 2, body.rows == "i8"

    out = _Writer(body.format, 21 + quantised + two * (5 + 2 * (body.variances is not None)))
    out.field("name", body.name)
    out.field("sequence", body.sequence)
    out.field("meta", dict(sorted(body.meta.items())))
    out.field("explorer", list(body.explorer))
    if two:
        out.field("cells", [body.salt, *(list(cell) for cell in body.cells)])
    out.field("features", [feature.wire() for feature in body.features])
    out.strings("word", (word for words in vocabularies for word in words))
    out.array("word_order", word_order(vocabularies))
    out.tower(body.tower)
    out.field("k", body.k)
    if two:
        out.field("attributes", list(body.attributes))
    out.strings("title", titles)
    out.array("title_hash", hashes)
    out.array("title_order", order.astype(np.uint32))
    out.array("title_rows", np.cumsum(counts, dtype=np.int64).astype(np.uint32))
    if two:
        out.array("title_scale", body.title_scale)
    out.strings("artwork", (artwork for row in body.titles.values() for artwork in row))
    if two:
        out.array("masks", body.masks)
    out.field("rows", body.rows)
    out.array("weights", strided(body.weights, len(body.bias), body.k, STRIDES[body.rows]))
    if quantised:
        out.array("scales", body.scales)
    out.array("bias", body.bias)
    if two:
        out.variances(body.variances, len(body.bias), body.k)
    out.field("vectors", [list(vector) for vector in body.vectors])
    return out.finish()


def _check_hashes(
    titles: Sequence[str], ascending: npt.NDArray[np.uint64], order: npt.NDArray[np.intp]
) -> None:
    equal = np.flatnonzero(ascending[1:] == ascending[:-1])
    if len(equal):
        first, second = titles[order[equal[0]]], titles[order[equal[0] + 1]]
        raise ModelError(
            f"titles {first!r} and {second!r} have the same hash, so that one bundle cannot hold "
            f"both (for a million titles a chance of 1 in 37 million); rename one"
        )


def strided(
    weights: npt.NDArray[np.generic], count: int, k: int, step: int
) -> npt.NDArray[np.generic]:
    """[count, k] as rows that end in zeros, up to a multiple of `step`."""
    padded = np.zeros((count, -(-k // step) * step), dtype=weights.dtype)
    padded[:, :k] = weights.reshape(count, k)
    return padded


def word_order(vocabularies: Sequence[Sequence[str]]) -> npt.NDArray[np.uint16]:
    """For each vocabulary the indices of its words so that their UTF-8 bytes ascend: uint16 [W]."""
    order: list[int] = []
    for words in vocabularies:
        encoded = [word.encode() for word in words]
        order += sorted(range(len(words)), key=encoded.__getitem__)
    return np.array(order, dtype=np.uint16)


class _Writer:
    def __init__(self, format_: int, keys: int) -> None:
        self._bytes = bytearray()
        self._packer = msgpack.Packer(use_bin_type=True, use_single_float=False)
        self._bytes += self._packer.pack_array_header(4)
        self._bytes += self._packer.pack("edgeart") + self._packer.pack(format_)
        self._bytes += self._packer.pack_map_header(keys)
        self._left = keys

    def field(self, key: str, value: object) -> None:
        """A field of plain MessagePack."""
        self._left -= 1
        self._bytes += self._packer.pack(key) + self._packer.pack(value)

    def array(self, key: str, data: npt.NDArray[np.generic]) -> None:
        """A field that is an array: a bin 32, padded so that its data begins aligned."""
        self._left -= 1
        self._bytes += self._packer.pack(key)
        self._array(key, data)

    def tower(self, layers: Sequence[WireLayer]) -> None:
        """The tower: a list of lists that hold arrays."""
        self._left -= 1
        self._bytes += self._packer.pack("tower") + self._packer.pack_array_header(len(layers))
        for layer in layers:
            inputs, outputs = layer.weights.shape
            quantised = layer.rows == "i8"
            self._bytes += self._packer.pack_array_header(5 + quantised)
            for value in (layer.activation, outputs, layer.rows):
                self._bytes += self._packer.pack(value)
            step = STRIDES[layer.rows]
            self._array("tower", strided(layer.weights, inputs, outputs, step))
            if quantised:
                self._array("tower", layer.scales)
            self._array("tower", layer.bias)

    def variances(self, variances: WireVariances | None, count: int, k: int) -> None:
        """The field `variance`, and its two arrays where there are variances."""
        if variances is None:
            self.field("variance", "none")
            return
        self.field("variance", "e5m3")
        self.array("variance_codes", strided(variances.codes, count, k, STRIDES["i8"]))
        self.array("variance_scale", np.array([variances.scale], dtype=np.float32))

    def _array(self, key: str, data: npt.NDArray[np.generic]) -> None:
        little = data.astype(data.dtype.newbyteorder("<"), order="C", copy=False)
        padding = -(len(self._bytes) + 5) % ALIGNMENT
        length = padding + little.nbytes
        if len(self._bytes) + length > MAX_BYTES:
            raise ModelError(
                f"the bundle would pass {MAX_BYTES} bytes at {key!r}; use fewer artworks or slots"
            )
        self._bytes += b"\xc6" + length.to_bytes(4, "big") + bytes(padding)
        self._bytes += little.tobytes()

    def strings(self, key: str, texts: Iterable[str]) -> None:
        """A string table: the two fields `key_ends` and `key_text`."""
        encoded = [text.encode() for text in texts]
        ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
        if len(ends) and ends[-1] > MAX_BYTES:
            raise ModelError(f"the texts of {key!r} alone pass {MAX_BYTES} bytes; use shorter ids")
        self.array(f"{key}_ends", ends.astype(np.uint32))
        self.field(f"{key}_text", b"".join(encoded))

    def finish(self) -> bytes:
        if self._left:
            raise RuntimeError(f"{self._left} announced fields were not written")
        total = len(self._bytes) + 5
        if total > MAX_BYTES:
            raise ModelError(f"the bundle would be {total} bytes; {MAX_BYTES} are allowed")
        checksum = edgeart.crc32c(self._bytes)
        self._bytes += b"\xce" + checksum.to_bytes(4, "big")
        return bytes(self._bytes)
