# SPDX-License-Identifier: Apache-2.0
"""SipHash and CRC-32C of the reference against values other people published."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.crc32c import crc32c
from tests.reference.siphash import H, domain, draw_key, siphash, title_hash

SEQUENCE_KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)

# SipHash-1-3, key zero, of the bytes 0, 1, 2, … of each length, as the authors' own program gives
# them; published in the test suite of OCaml (testsuite/tests/lib-hashtbl, compared there with the
# implementation in its runtime).
SIPHASH_1_3 = [
    0xD1FBA762150C532C, 0x68A914128E01E473, 0x010BAC45C41E3669, 0x4D4C9A4A8EF6E0AD,
    0x7CC43F98813E4DBD, 0x5ABE2169DFF36275, 0xE3C25F87624F1CDB, 0x2F098AB0C751325A,
    0xEAD411E67EBE2EEA, 0x75927F9D95124362, 0xAF9F77A65AB51A1D, 0xFE64CE8B6617FCFF,
    0xA6BAF4FB0F9FE1C2, 0xA0CF3211850F8E0D, 0x7F86049379FBFE67, 0xF30EB725BB91C9EA,
    0x8972188433A5C5B7, 0x4883C49A2C009C1D,
]  # fmt: skip

# SipHash-2-4 under the key 00 01 … 0f of the same messages: the paper's appendix A has that of
# length 15, the authors' vectors.h all of them.
SIPHASH_2_4 = [
    0x726FDB47DD0E0E31, 0x74F839C593DC67FD, 0x0D6C8009D9A94F5A, 0x85676696D7FB7E2D,
    0xCF2794E0277187B7, 0x18765564CD99A68D, 0xCBC9466E58FEE3CE, 0xAB0200F58B01D137,
    0x93F5F5799A932462, 0x9E0082DF0BA9E4B0, 0x7A5DBBC594DDB9F3, 0xF4B32F46226BADA7,
    0x751E8FBC860EE5FB, 0x14EA5627C0843D90, 0xF723CA908E7AF2EE, 0xA129CA6149BE45E5,
]  # fmt: skip


@pytest.mark.parametrize("length", range(len(SIPHASH_1_3)))
def test_siphash_1_3_gives_the_published_values(length: int) -> None:
    assert H(0, 0, bytes(range(length))) == SIPHASH_1_3[length]


@pytest.mark.parametrize("length", range(len(SIPHASH_2_4)))
def test_the_same_code_with_2_4_rounds_gives_the_published_values(length: int) -> None:
    got = siphash(*SEQUENCE_KEY, bytes(range(length)), compression=2, finalisation=4)
    assert got == SIPHASH_2_4[length]


@pytest.mark.skipif(
    sys.hash_info.algorithm != "siphash13", reason="this Python hashes bytes in another way"
)
def test_siphash_1_3_is_what_python_hashes_bytes_with() -> None:
    lengths = [*range(1, 40), 255, 256, 257, 1000]
    program = f"print([hash(bytes(i % 251 for i in range(n))) for n in {lengths}])"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    ours = [H(0, 0, bytes(i % 251 for i in range(n))) for n in lengths]
    signed = [value - 2**64 if value >= 2**63 else value for value in ours]
    assert answer.stdout.strip() == str(signed)


@given(st.binary(max_size=64), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_the_hash_depends_on_both_key_halves_and_fits_64_bits(
    message: bytes, k0: int, k1: int
) -> None:
    value = H(k0, k1, message)
    assert 0 <= value < 2**64
    assert value != H(k0 ^ 1, k1, message)
    assert value != H(k0, k1 ^ 1, message)


def test_a_domain_is_its_characters_read_from_the_lowest_byte() -> None:
    assert domain("ea-title").to_bytes(8, "little") == b"ea-title"
    with pytest.raises(ValueError, match="eight"):
        domain("short")


def test_titles_and_draw_keys_hash_apart() -> None:
    d0, d1 = draw_key(7, "row")
    assert len({d0, d1, title_hash("row"), title_hash("rows")}) == 4
    assert draw_key(8, "row") != (d0, d1) != draw_key(7, "rows")


# RFC 3720 (iSCSI), appendix B.4, whose digests are printed there byte by byte, lowest first.
CRC_VECTORS = [
    (b"123456789", 0xE3069283),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
    (
        bytes.fromhex(
            "01c00000000000000000000000000000140000000000040000000014"
            "0000001828000000000000000200000000000000"
        ),
        0xD9963A56,
    ),
]


@pytest.mark.parametrize(("data", "expected"), CRC_VECTORS)
def test_crc32c_gives_the_published_values(data: bytes, expected: int) -> None:
    assert crc32c(data) == expected


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_crc32c_continues(first: bytes, second: bytes) -> None:
    assert crc32c(second, crc32c(first)) == crc32c(first + second)
