# SPDX-License-Identifier: Apache-2.0
"""The vectorised CRC and hashes equal the oracle's, which reads the specification by itself."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from edgeart_export.hashing import crc32c, domain, siphash13, siphash13_one, title_hashes
from tests.reference import siphash
from tests.reference.crc32c import crc32c as reference_crc32c

U64 = st.integers(0, 2**64 - 1)


def test_crc_of_the_published_check_string() -> None:
    assert crc32c(b"123456789") == 0xE3069283


@given(st.binary(max_size=300))
def test_crc_equals_the_oracle_on_short_data(data: bytes) -> None:
    assert crc32c(data) == reference_crc32c(data)


def test_crc_equals_the_oracle_at_every_lane_geometry() -> None:
    draw = random.Random(1)  # noqa: S311 - no secret
    for size in (4095, 4096, 4097, 64 * 64 - 1, 70_001):
        data = draw.randbytes(size)
        assert crc32c(data) == reference_crc32c(data), size


@given(U64, U64, st.lists(st.binary(max_size=40), max_size=20))
def test_siphash_of_many_messages_equals_the_oracle_on_each(
    key0: int, key1: int, messages: list[bytes]
) -> None:
    expected = [siphash.H(key0, key1, message) for message in messages]
    assert siphash13(key0, key1, messages).tolist() == expected
    assert [siphash13_one(key0, key1, message) for message in messages] == expected


def test_length_enters_siphash_modulo_256() -> None:
    message = bytes(range(256)) * 3
    expected = siphash.H(1, 2, message)
    assert siphash13(1, 2, [message]).tolist() == [expected]
    assert siphash13_one(1, 2, message) == expected


@given(st.lists(st.text(min_size=1, max_size=20)))
def test_title_hashes_equal_the_oracle(titles: list[str]) -> None:
    titles = [t for t in titles if t.isprintable()]
    assert title_hashes(titles).tolist() == [siphash.title_hash(title) for title in titles]


def test_domain_is_eight_characters_as_a_little_endian_number() -> None:
    assert domain("ea-title") == siphash.domain("ea-title")
