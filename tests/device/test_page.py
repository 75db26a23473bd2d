# SPDX-License-Identifier: Apache-2.0
"""What a whole page says at once, without a Decision for each title."""

from __future__ import annotations

import struct
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeart
from tests.support.bundles import FULL, TITLES, bundle

# Ids that a separator could cut, of all lengths a bundle may have.
ODD = {
    "plain": ["a", "b"],
    "nul\0inside": ["\0", "\0\0", "x\0y"],
    "long": ["ö" * 127, "l" * 255, "n" * 254 + "\0"],
}


def test_artworks_and_propensities_are_those_of_the_decisions(
    policy: edgeart.Policy, context: edgeart.Context
) -> None:
    titles = [*TITLES, "nobody", *list(TITLES)[:3]]
    page = policy.select_page(context, titles)
    assert page.artworks() == [decision.artwork for decision in page]
    assert list(page.propensities()) == [decision.propensity for decision in page]
    assert page.artworks()[len(TITLES)] is None
    assert page.propensities()[len(TITLES)] == 0.0


def test_denials_change_them_as_they_change_decisions(
    policy: edgeart.Policy, context: edgeart.Context
) -> None:
    titles = list(TITLES)
    shown = policy.select_page(context, titles).artworks()
    denied = {title: [artwork] for title, artwork in zip(titles, shown, strict=True) if artwork}
    page = policy.select_page(context, titles, limits=policy.limits(denied=denied))
    assert page.artworks() == [decision.artwork for decision in page]
    assert list(page.propensities()) == [decision.propensity for decision in page]
    assert not any(a == b for a, b in zip(page.artworks(), shown, strict=True) if a)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([*ODD, "nobody", "nul"]), max_size=9), st.integers(0, 2**64 - 1))
def test_ids_of_any_length_and_with_null_bytes_come_out_whole(titles: list[str], seed: int) -> None:
    policy = edgeart.Policy.from_bytes(bundle(titles=ODD))
    page = policy.select_page(policy.context(FULL, seed=seed), titles)
    expected = [decision.artwork for decision in page]
    assert page.artworks() == expected
    for title, artwork in zip(titles, expected, strict=True):
        assert artwork in ODD.get(title, [None])


def test_a_page_without_titles_says_nothing(
    policy: edgeart.Policy, context: edgeart.Context
) -> None:
    page = policy.select_page(context, [])
    assert page.artworks() == []
    assert page.propensities().tolist() == []
    assert page.unknown() == []


@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 2500])
def test_titles_are_iterated_and_sliced_as_they_stand(count: int) -> None:
    names = {f"title-{t}": ["a"] for t in range(count)}
    titles = edgeart.Policy.from_bytes(bundle(titles=names)).titles
    assert list(titles) == list(names)
    assert titles[::-2] == tuple(names)[::-2]
    assert list(reversed(titles)) == list(reversed(names))


def test_titles_with_null_bytes_come_out_whole() -> None:
    titles = edgeart.Policy.from_bytes(bundle(titles=ODD)).titles
    assert list(titles) == list(ODD)
    assert titles[1:] == tuple(ODD)[1:]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="classes became buffers with Python 3.12")
def test_a_page_is_a_buffer_of_its_records(
    policy: edgeart.Policy, context: edgeart.Context
) -> None:
    page = policy.select_page(context, list(TITLES))
    view = memoryview(page)  # type: ignore[arg-type,unused-ignore]
    assert view.readonly
    assert view == page.raw
    first = struct.unpack_from("=IIIIfHH", view)
    assert first == struct.unpack_from("=IIIIfHH", page.raw)


def test_raw_is_no_copy(policy: edgeart.Policy, context: edgeart.Context) -> None:
    page = policy.select_page(context, list(TITLES))
    ffi = policy._ffi
    assert ffi.from_buffer(page.raw) == ffi.cast("char *", page._records)
