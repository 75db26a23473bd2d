# SPDX-License-Identifier: Apache-2.0
"""Buckets are even and independent, deltas do what sync.md §8 says and nothing else."""

from __future__ import annotations

import zlib
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import generate_sync as make
from tests.reference.siphash import H
from tests.reference.sync import BUCKETS, DeltaRefused, apply_delta, bucket
from tests.support.chi2 import assert_drawn_from, assert_independent

UNITS = [H(3, 4, i.to_bytes(4, "little")) for i in range(10_000)]


@pytest.mark.parametrize("units", [UNITS, range(10_000)], ids=["hashed", "counted"])
@pytest.mark.parametrize("use", ["ea-roll0", "ea-roll1"])
def test_buckets_are_even(use: str, units: list[int]) -> None:
    counts = Counter(bucket(use, unit, "12:row") * 50 // BUCKETS for unit in units)
    assert_drawn_from(counts, dict.fromkeys(range(50), 1 / 50))


def test_rollouts_of_two_sequences_and_arms_are_independent() -> None:
    def quarter(use: str, unit: int, salt: str) -> int:
        return bucket(use, unit, salt) * 4 // BUCKETS

    for other in (("ea-roll0", "13:row"), ("ea-roll1", "12:row")):
        pairs = [
            (quarter("ea-roll0", unit, "12:row"), quarter(other[0], unit, other[1]))
            for unit in UNITS
        ]
        assert_independent(Counter(pairs))


def test_vectors_are_refused_for_the_reason_they_are_named_after() -> None:
    reasons: Counter[str] = Counter()
    for name, data in make._hostile():
        with pytest.raises(DeltaRefused) as refused:
            apply_delta(make.BASE, data)
        reasons[str(refused.value)] += 1
        assert name
    assert set(reasons) == {
        "magic", "codec", "length", "base", "result", "operations", "operation", "size",
        "base bytes", "too long", "stream", "stream ends", "number", "goes on",
    }  # fmt: skip


def test_good_vectors_use_every_operation() -> None:
    first = set()
    for name, data in make._good():
        assert len(apply_delta(make.BASE, data)) == int.from_bytes(data[12:16], "little"), name
        first.add(zlib.decompress(data[80:])[0])
    assert first == {1, 2, 3, 4}


@given(
    st.binary(min_size=1, max_size=200),
    st.binary(min_size=1, max_size=200),
    st.integers(0, 255),
)
def test_a_result_has_the_hash_it_was_announced_with(base: bytes, want: bytes, flip: int) -> None:
    data = make.delta(want, make.stored(make.insert(want)), base=base)
    assert apply_delta(base, data) == want
    damaged = bytearray(data)
    damaged[flip % len(data)] ^= 1 + flip % 255
    if bytes(damaged) != data:
        with suppress(DeltaRefused):
            assert apply_delta(base, bytes(damaged)) == want  # such as a bit nobody reads
