# SPDX-License-Identifier: Apache-2.0
"""Opens a bundle: every rule of bundle.md in one pass, in the order of the bytes.

Values and string tables are read here, arrays and their elements in `arrays.py`. Where the
specification leaves a choice, the comment at the place says which one was taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import limits
from .arrays import BundleReader, Integers, Rows, Table
from .cells import Cells, read_cells
from .crc32c import crc32c
from .features import SCALED, UNCERTAIN, Explorer, Feature, read_explorer, read_features
from .msgpack import Value
from .refused import Refused
from .siphash import title_hash
from .tower import Layer, read_tower

MAGIC = b"\x94\xa7edgeart"
KEYS = {1: (21, 22), 2: (26, 27, 28, 29)}
"""How many keys the body of each format may have."""
LEAST_FACTOR = 2.0**-50
"""The least clean number above 0."""


@dataclass(frozen=True)
class Title:
    """A title and its rows: first, first + 1, …, one for each artwork."""

    id: str
    hash: int
    first: int
    artworks: tuple[str, ...]
    factor: float = 1.0  # of the parameter of the policy's own explorer

    @property
    def rows(self) -> range:
        """Its rows."""
        return range(self.first, self.first + len(self.artworks))


@dataclass(frozen=True)
class Bundle:
    """The content of a bundle that is in order. What a format lacks is empty."""

    version: int
    name: str
    sequence: int
    meta: tuple[tuple[str, str], ...]
    explorer: Explorer
    cells: Cells
    features: tuple[Feature, ...]
    tower: tuple[Layer, ...]
    k: int
    attributes: tuple[str, ...]
    titles: tuple[Title, ...]
    masks: tuple[int, ...]  # R; empty without attributes
    rows: str  # "f32" or "i8"
    weights: Rows  # R rows of stride elements; codes for i8
    scales: tuple[float, ...]  # R; empty for f32
    bias: tuple[float, ...]  # R
    variance: str  # "none" or "e5m3"
    variance_codes: Rows  # R rows of stride codes; empty for "none"
    variance_scale: float
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
    if version.payload not in KEYS:
        raise Refused("EA_E_VERSION", version.at)
    if len(data) > limits.DOCUMENT_BYTES:
        raise Refused("EA_E_LIMIT", limits.DOCUMENT_BYTES)
    end = len(data) - 5
    if end < head.at:
        raise Refused("EA_E_TRUNCATED", head.at)
    if data[end] != 0xCE or int.from_bytes(data[end + 1 :], "big") != crc32c(data[:end]):
        raise Refused("EA_E_CRC", end)
    body = BundleReader(data, head.at, end)
    bundle = _read_body(body, int(version.number))
    if body.at != end:
        raise Refused("EA_E_TRAILING", body.at)
    return bundle


def _read_body(body: BundleReader, version: int) -> Bundle:
    entries = body.read("map")
    if entries.count not in KEYS[version]:
        raise Refused("EA_E_TYPE", entries.at)
    body.key("name")
    name = body.name().bytes.decode()
    body.key("sequence")
    sequence = body.unsigned(1, limits.SEQUENCE, "EA_E_RANGE")
    body.key("meta")
    meta = _meta(body)
    body.key("explorer")
    explorer = read_explorer(body, version)
    cells = Cells()
    if version > 1:
        body.key("cells")
        cells = read_cells(body)
    body.key("features")
    features = read_features(body)
    slots = 1 + sum(feature.width for feature in features)
    words = body.table("word", limits.WORD, least=0, count=sum(f.vocabulary for f in features))
    features = _with_words(body, features, words)
    body.key("tower")
    tower = read_tower(body, slots, version)
    body.key("k")
    at = body.at
    k = body.unsigned(1, limits.SLOTS, "EA_E_LIMIT")
    if k != (tower[-1].outputs if tower else slots):
        raise Refused("EA_E_LIMIT", at)
    attributes = _attributes(body) if version > 1 else ()
    titles = _titles(body, version, explorer)
    total = sum(len(title.artworks) for title in titles)
    masks = _masks(body, total, len(attributes)) if version > 1 else ()
    numbers = _numbers(body, entries, (total, k), version)
    variance: tuple[str, Rows, float] = ("none", (), 0.0)
    if version > 1:
        explorers = [explorer, *(cell.explorer for cell in cells.cells)]
        needed = any(each.kind in UNCERTAIN for each in explorers)
        variance = _variances(body, entries, (total, k), needed=needed)
    body.key("vectors")
    return Bundle(
        version, name, sequence, meta, explorer, cells, features, tower, k, attributes, titles,
        masks, *numbers, *variance, _vectors(body),
    )  # fmt: skip


def _numbers(
    body: BundleReader, entries: Value, size: tuple[int, int], version: int
) -> tuple[str, Rows, tuple[float, ...], tuple[float, ...]]:
    """Kind of rows, R rows of k weights, scales, bias; size: (R, k)."""
    body.key("rows")
    kind, _ = body.word("f32", "i8")
    # Of the numbers of keys of a format, lowest first, the odd ones are those with `scales`.
    if entries.count not in KEYS[version][1 if kind == "i8" else 0 :: 2]:
        raise Refused("EA_E_TYPE", entries.at)
    body.key("weights")
    weights = body.rows(kind, *size)
    scales: tuple[float, ...] = ()
    if kind == "i8":
        body.key("scales")
        scales = body.floats(size[0], least=0.0)
    body.key("bias")
    return kind, weights, scales, body.floats(size[0])


def _variances(
    body: BundleReader, entries: Value, size: tuple[int, int], *, needed: bool
) -> tuple[str, Rows, float]:
    """Kind of variances, R rows of k codes, factor of all; needed: an explorer needs them."""
    body.key("variance")
    kind, at = body.word("none", "e5m3")
    # Whether the word can be is taken to come before what the number of keys says.
    if kind == "none" and needed:
        raise Refused("EA_E_KEY", at)
    if entries.count not in (KEYS[2][2:] if kind == "e5m3" else KEYS[2][:2]):
        raise Refused("EA_E_TYPE", entries.at)
    if kind == "none":
        return kind, (), 0.0
    body.key("variance_codes")
    codes = body.code_rows(*size, signed=False)
    body.key("variance_scale")
    return kind, codes, body.floats(1, least=LEAST_FACTOR)[0]


def _attributes(body: BundleReader) -> tuple[str, ...]:
    body.key("attributes")
    entries = body.read("list")
    if entries.count > limits.ATTRIBUTES:
        raise Refused("EA_E_LIMIT", entries.at)
    names: list[str] = []
    for _ in range(entries.count):
        value = body.string(1, limits.ATTRIBUTE_NAME)
        if value.bytes.decode() in names:
            raise Refused("EA_E_ORDER", value.at)
        names.append(value.bytes.decode())
    return tuple(names)


def _masks(body: BundleReader, total: int, attributes: int) -> tuple[int, ...]:
    body.key("masks")
    masks = body.integers(4, total if attributes else 0)
    for index, mask in enumerate(masks.values):
        if mask >> attributes:
            raise Refused("EA_E_RANGE", masks.offset(index))
    return masks.values


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


def _titles(body: BundleReader, version: int, explorer: Explorer) -> tuple[Title, ...]:
    ids = body.table("title", limits.ID, least=1, most=limits.TITLES)
    count = len(ids.strings)
    body.key("title_hash")
    hashes = body.integers(8, count)
    for index, text in enumerate(ids.strings):
        if hashes.values[index] != title_hash(text.decode()):
            raise Refused("EA_E_HASH", hashes.offset(index))
    body.key("title_order")
    body.integers(4, count).check_ascending(0, count, hashes.values)
    ends = _title_rows(body, count)
    factors: tuple[float, ...] = ()
    if version > 1:
        body.key("title_scale")
        lengths = {0, count} if explorer.kind in SCALED else {0}
        factors = body.floats(lengths, least=LEAST_FACTOR)
    factors = factors or (1.0,) * count
    artworks = body.table("artwork", limits.ID, least=1, count=ends[-1] if ends else 0)
    titles, first = [], 0
    for text, hashed, end, factor in zip(ids.strings, hashes.values, ends, factors, strict=True):
        its = artworks.strings[first:end]
        for index, artwork in enumerate(its):
            if artwork in its[:index]:
                raise Refused("EA_E_ORDER", artworks.offsets[first + index])
        titles.append(Title(text.decode(), hashed, first, tuple(a.decode() for a in its), factor))
        first = end
    return tuple(titles)


def _title_rows(body: BundleReader, count: int) -> tuple[int, ...]:
    body.key("title_rows")
    ends: Integers = body.integers(4, count)
    previous = 0
    for index, end in enumerate(ends.values):
        if end < previous:
            raise Refused("EA_E_ORDER", ends.offset(index))
        if not 1 <= end - previous <= limits.CANDIDATES or end > limits.ROWS:
            raise Refused("EA_E_LIMIT", ends.offset(index))
        previous = end
    return ends.values


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
