# SPDX-License-Identifier: Apache-2.0
"""What the reference reads is what was described, and nothing damaged gets through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import sample, sample_format2
from tests.reference.bundle import open_bundle
from tests.reference.crc32c import crc32c
from tests.reference.generate_hostile import verdict
from tests.reference.refused import Refused
from tests.reference.write import build, fields, fix_crc, pack, write

SEEDS = st.integers(0, 2**64 - 1)


def described(seed: int) -> dict[str, Any]:
    random_ = sample.seeded(seed)
    rows = random_.choice(["f32", "i8"])
    if random_.random() < 0.5:
        explorer = random_.choice([*sample.EXPLORERS, *sample_format2.EXPLORERS])
        return sample_format2.policy(random_, explorer=explorer, rows=rows, titles=3, most=5)
    return sample.policy(random_, explorer=random_.choice(sample.EXPLORERS), rows=rows, titles=3)


@given(SEEDS)
def test_a_description_is_read_back(seed: int) -> None:
    description = described(seed)
    bundle = open_bundle(write(description))
    kind, floor, *parameter = description["explorer"]
    assert (bundle.name, bundle.sequence) == (description["name"], description["sequence"])
    assert dict(bundle.meta) == description["meta"]
    assert bundle.explorer.kind == kind
    assert [bundle.explorer.floor, bundle.explorer.parameter] == [floor, *(parameter or [0.0])]
    assert {title.id: list(title.artworks) for title in bundle.titles} == description["titles"]
    assert [list(row[: bundle.k]) for row in bundle.weights] == description["weights"]
    assert list(bundle.scales) == description.get("scales", [])
    assert list(bundle.bias) == description["bias"]
    features = description["features"]
    tower = description.get("tower", [])
    assert bundle.k == (tower[-1][1] if tower else sample.slots(features))
    for feature, (its_kind, name, *rest) in zip(bundle.features, features, strict=True):
        assert (feature.kind, feature.name) == (its_kind, name.encode())
        if its_kind in ("category", "weights"):
            assert [word.decode() for word in feature.words] == rest[0]


@given(SEEDS)
def test_what_format_2_adds_is_read_back(seed: int) -> None:
    description = described(seed)
    bundle = open_bundle(write(description))
    assert bundle.version == description.get("format", 1)
    salt, *cells = description.get("cells", [""])
    assert bundle.cells.salt == salt.encode()
    for cell, (name, share, (kind, floor, *parameter)) in zip(
        bundle.cells.cells, cells, strict=True
    ):
        assert (cell.name, cell.share) == (name, share)
        expected = (kind, floor, *(parameter or [0.0]))
        assert (cell.explorer.kind, cell.explorer.floor, cell.explorer.parameter) == expected
    for layer, (activation, outputs, rows, weights, *rest) in zip(
        bundle.tower, description.get("tower", []), strict=True
    ):
        assert (layer.activation, layer.outputs, layer.rows) == (activation, outputs, rows)
        assert [list(row[:outputs]) for row in layer.weights] == weights
        assert [list(its) for its in (layer.scales, layer.bias) if its] == rest
    assert list(bundle.attributes) == description.get("attributes", [])
    assert list(bundle.masks) == description.get("masks", [])
    factors = description.get("title_scale", [1.0] * 3)
    assert [title.factor for title in bundle.titles] == factors
    variance = description.get("variance", {"codes": [], "scale": 0.0})
    assert [list(row[: bundle.k]) for row in bundle.variance_codes] == variance["codes"]
    assert bundle.variance_scale == variance["scale"]


@given(SEEDS)
def test_arrays_begin_at_multiples_of_64(seed: int) -> None:
    document = build(fields(described(seed)))
    for name, place in document.places.items():
        if place.data != place.value:
            assert place.data % 64 == 0, name


@given(SEEDS, st.data())
def test_every_cut_is_refused(seed: int, data: st.DataObject) -> None:
    whole = write(described(seed))
    cut = data.draw(st.integers(0, len(whole) - 1))
    status, offset = verdict(whole[:cut])
    assert status in ("EA_E_TRUNCATED", "EA_E_CRC")
    assert offset <= cut
    if cut >= 15:
        closed = fix_crc(whole[:cut] + b"\xce\0\0\0\0")
        assert verdict(closed)[0] in ("EA_E_TRUNCATED", "EA_E_TRAILING")


@given(SEEDS, st.data())
def test_every_flipped_bit_is_refused(seed: int, data: st.DataObject) -> None:
    whole = bytearray(write(described(seed)))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Refused):
        open_bundle(bytes(whole))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_inside_of_them(data: bytes) -> None:
    started = [b"\x94\xa7edgeart" + bytes([version]) + data for version in (1, 2)]
    for candidate in (data, *started, *(fix_crc(each) for each in started)):
        status, offset = verdict(candidate)
        assert status != "EA_OK"
        assert 0 <= offset <= len(candidate)


def test_the_smallest_bundle_of_format_2_has_26_keys() -> None:
    document = build(fields({"format": 2}))
    assert document.data.startswith(b"\x94\xa7edgeart\x02\xde\x00\x1a\xa4name")
    cells = document.places["cells"]
    assert document.data[cells.key : cells.end] == b"\xa5cells\x91\xa0"
    variance = document.places["variance"]
    assert document.data[variance.key : variance.end] == b"\xa8variance\xa4none"
    assert open_bundle(document.data).version == 2


def test_a_layer_is_laid_out_as_by_hand() -> None:
    document = build(fields({"tower": [["relu", 2, "i8", [[1, -1]], [0.5, 1.0], [0.0, 2.0]]]}))
    place = document.places["tower"]
    data = document.data[place.value : place.end]
    assert data.startswith(b"\x91\x96\xa4relu\x02\xa2i8\xc6")
    assert data.endswith(bytes.fromhex("00000000 00000040"))  # 0 and 2, after zeros
    start = document.data.index(b"\1\xff", place.value)
    assert start % 64 == 0
    assert document.data[start : start + 16] == b"\1\xff" + bytes(14)


def test_the_smallest_bundle_is_laid_out_as_by_hand() -> None:
    document = build(fields({}))
    data = document.data
    assert data.startswith(b"\x94\xa7edgeart\x01\xde\x00\x15\xa4name\xa6policy\xa8sequence\x01")
    assert data[-5:] == b"\xce" + crc32c(data[:-5]).to_bytes(4, "big")
    assert data[document.places["vectors"].key : -5] == b"\xa7vectors\x90"
    ends = document.places["word_ends"]
    assert data[ends.value] == 0xC6
    assert int.from_bytes(data[ends.value + 1 : ends.value + 5], "big") == -(ends.value + 5) % 64


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_what_is_packed_starts_with_the_shortest_form(value: object) -> None:
    first = pack(value)[0]
    if isinstance(value, str):
        size = len(value.encode())
        assert first == (0xA0 | size if size < 32 else 0xD9 if size < 256 else 0xDA)
    if isinstance(value, int) and not isinstance(value, bool):
        assert len(pack(value)) == 1 if -32 <= value < 128 else len(pack(value)) in (2, 3, 5, 9)
