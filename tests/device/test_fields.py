# SPDX-License-Identifier: Apache-2.0
"""Context maps cut into fields and joined again."""

from __future__ import annotations

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from edgeart.fields import join, split

VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, width=32)
    | st.text(max_size=300)
    | st.binary(max_size=300)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=40)),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=30,
)
MAP = st.dictionaries(st.text(max_size=300), VALUE, max_size=40)


@given(MAP, st.booleans())
def test_every_field_is_cut_out_whole(values: dict[str, object], single: bool) -> None:  # noqa: FBT001
    packed = msgpack.packb(values, use_single_float=single)
    fields = split(packed)
    assert list(fields) == [key.encode() for key in values]
    for (key, value), (packed_key, packed_value) in zip(
        values.items(), fields.values(), strict=True
    ):
        assert msgpack.unpackb(packed_key) == key
        assert packed_value == msgpack.packb(value, use_single_float=single)
    joined = join(fields.values())
    assert msgpack.unpackb(joined) == msgpack.unpackb(packed)


def test_nesting_has_no_bound() -> None:
    deep = b"\x91" * 60_000 + b"\xc0"
    fields = split(b"\x82\xa1a" + deep + b"\xa1b\x07")
    assert fields == {b"a": (b"\xa1a", deep), b"b": (b"\xa1b", b"\x07")}


def test_keys_need_not_be_utf_8_and_repeated_ones_are_there_once() -> None:
    fields = split(b"\x83\xa1\xff\x01\xd9\x01x\x02\xa1x\x03")
    assert fields == {b"\xff": (b"\xa1\xff", b"\x01"), b"x": (b"\xa1x", b"\x03")}
