# SPDX-License-Identifier: Apache-2.0
"""Opens a bundle: every rule of bundle.md in one pass, in the order of the bytes.

Values and string tables are read here, arrays and their elements in `arrays.py`. Where the
specification leaves a choice, the comment at the place says which one was taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import limits
from .arrays import BundleReader, Table
from .crc32c import crc32c
from .features import Explorer, Feature, read_explorer, read_features
from .msgpack import Value
from .refused import Refused
from .siphash import title_hash

MAGIC = b"\x94\xa7edgeart"
FORMAT = 1
NAME_FIRST = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
NAME_REST = NAME_FIRST + b"._-"


@dataclass(frozen=True)
class Title:
    """A title and its rows: first, first + 1, …, one for each artwork."""

    id: str
    hash: int
    first: int
    artworks: tuple[str, ...]


@dataclass(frozen=True)
class Bundle:
    """The content of a bundle that is in order."""

    name: str
    sequence: int
    meta: tuple[tuple[str, str], ...]
    explorer: Explorer
    features: tuple[Feature, ...]
    k: int
    titles: tuple[Title, ...]
    rows: str  # "f32" or "i8"
    weights: tuple[tuple[float, ...], ...]  # R rows of stride elements; codes for i8
    scales: tuple[float, ...]  # R; empty for f32
    bias: tuple[float, ...]  # R
    vectors: tuple[tuple[bytes, int], ...]  # context map, hash

    def find(self, title: str) -> int:
        """Index of a title. Raises KeyError."""
        for index, entry in enumerate(self.titles):
            if entry.id == title:
                return index
        raise KeyError(title)


def open_bundle(data: bytes) -> Bundle:
    """Reads a bundle completely. Raises Refused with the status and offset of bundle.md §8."""
    if data[:9] != MAGIC:
        short = len(data) < 9 and MAGIC.startswith(data)
        raise Refused("EA_E_TRUNCATED" if short else "EA_E_MAGIC", 0)
    head = BundleReader(data, 9)
    version = head.read("uint")
    if version.payload != FORMAT:
        raise Refused("EA_E_VERSION", version.at)
    if len(data) > limits.DOCUMENT_BYTES:
        raise Refused("EA_E_LIMIT", limits.DOCUMENT_BYTES)
    # The specification does not say what a document is that ends before a checksum fits behind
    # its format; taken as one whose next value is missing.
    end = len(data) - 5
    if end < head.at:
        raise Refused("EA_E_TRUNCATED", head.at)
    if data[end] != 0xCE or int.from_bytes(data[end + 1 :], "big") != crc32c(data[:end]):
        raise Refused("EA_E_CRC", end)
    body = BundleReader(data, head.at, end)
    bundle = _read_body(body)
    if body.at != end:
        raise Refused("EA_E_TRAILING", body.at)
    return bundle


def _read_body(body: BundleReader) -> Bundle:
    entries = body.read("map")
    if entries.count not in (21, 22):
        raise Refused("EA_E_TYPE", entries.at)
    body.key("name")
    name = _name(body.string(1, limits.NAME_LENGTH))
    body.key("sequence")
    sequence = body.unsigned(1, limits.SEQUENCE, "EA_E_RANGE")
    body.key("meta")
    meta = _meta(body)
    body.key("explorer")
    explorer = read_explorer(body)
    body.key("features")
    features = read_features(body)
    words = body.table("word", limits.WORD, least=0, count=sum(f.vocabulary for f in features))
    features = _with_words(body, features, words)
    body.key("tower")
    tower = body.read("list")
    if tower.count:
        raise Refused("EA_E_UNSUPPORTED", tower.at)
    body.key("k")
    at = body.at
    k = body.unsigned(1, limits.SLOTS, "EA_E_LIMIT")
    if k != 1 + sum(feature.width for feature in features):
        raise Refused("EA_E_LIMIT", at)
    titles = _titles(body)
    total = sum(len(title.artworks) for title in titles)
    body.key("rows")
    rows_at = body.at
    rows = body.string(0, limits.DOCUMENT_BYTES).bytes
    if rows not in (b"f32", b"i8"):
        raise Refused("EA_E_KEY", rows_at)
    if entries.count != (22 if rows == b"i8" else 21):
        raise Refused("EA_E_TYPE", entries.at)
    weights: Sequence[Sequence[float]]
    scales: Sequence[float] = ()
    body.key("weights")
    if rows == b"f32":
        weights = body.float_rows(total, k)
    else:
        weights = body.code_rows(total, k)
        body.key("scales")
        scales = body.floats(total, least=0.0)
    body.key("bias")
    bias = body.floats(total)
    body.key("vectors")
    return Bundle(
        name, sequence, meta, explorer, features, k, titles, rows.decode(),
        tuple(map(tuple, weights)), tuple(scales), tuple(bias), _vectors(body),
    )  # fmt: skip


def _name(value: Value) -> str:
    # The specification names no status for a character that a policy name must not have.
    text = value.bytes
    if text[0] not in NAME_FIRST or any(byte not in NAME_REST for byte in text):
        raise Refused("EA_E_RANGE", value.at)
    return text.decode()


def _meta(body: BundleReader) -> tuple[tuple[str, str], ...]:
    entries = body.read("map")
    if entries.count > limits.META_ENTRIES:
        raise Refused("EA_E_LIMIT", entries.at)
    pairs = []
    for _ in range(entries.count):
        key = body.string(0, limits.META_KEY).bytes.decode()
        pairs.append((key, body.string(0, limits.META_VALUE).bytes.decode()))
    return tuple(pairs)


def _with_words(
    body: BundleReader, features: Sequence[Feature], words: Table
) -> tuple[Feature, ...]:
    """Gives the features their words; reads word_order, which proves the words distinct."""
    body.key("word_order")
    order = body.integers(2, len(words.strings))
    complete, first = [], 0
    for feature in features:
        m = feature.vocabulary
        texts = words.strings[first : first + m]
        order.check_ascending(first, m, texts)
        complete.append(feature.with_words(texts))
        first += m
    return tuple(complete)


def _titles(body: BundleReader) -> tuple[Title, ...]:
    ids = body.table("title", limits.ID, least=1, most=limits.TITLES)
    count = len(ids.strings)
    body.key("title_hash")
    hashes = body.integers(8, count)
    for index, text in enumerate(ids.strings):
        if hashes.values[index] != title_hash(text.decode()):
            raise Refused("EA_E_HASH", hashes.offset(index))
    body.key("title_order")
    body.integers(4, count).check_ascending(0, count, hashes.values)
    body.key("title_rows")
    ends = body.integers(4, count)
    previous = 0
    for index, end in enumerate(ends.values):
        if end < previous:
            raise Refused("EA_E_ORDER", ends.offset(index))
        if not 1 <= end - previous <= limits.CANDIDATES or end > limits.ROWS:
            raise Refused("EA_E_LIMIT", ends.offset(index))
        previous = end
    artworks = body.table("artwork", limits.ID, least=1, count=previous)
    titles, first = [], 0
    for text, hashed, end in zip(ids.strings, hashes.values, ends.values, strict=True):
        its = artworks.strings[first:end]
        for index, artwork in enumerate(its):
            if artwork in its[:index]:
                raise Refused("EA_E_ORDER", artworks.offsets[first + index])
        titles.append(Title(text.decode(), hashed, first, tuple(a.decode() for a in its)))
        first = end
    return tuple(titles)


def _vectors(body: BundleReader) -> tuple[tuple[bytes, int], ...]:
    entries = body.read("list")
    if entries.count > limits.VECTORS:
        raise Refused("EA_E_LIMIT", entries.at)
    vectors = []
    for _ in range(entries.count):
        entry = body.read("list")
        if entry.count != 2:
            raise Refused("EA_E_TYPE", entry.at)
        context = body.read("bin")
        if len(context.bytes) > limits.CONTEXT_BYTES:
            raise Refused("EA_E_LIMIT", context.at)
        vectors.append((context.bytes, body.unsigned(0, 2**64 - 1, "EA_E_RANGE")))
    return tuple(vectors)
