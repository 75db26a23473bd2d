# SPDX-License-Identifier: Apache-2.0
"""Titles that a bundle does not have: native draws, and limits by name."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgeart
from edgeart.host import HostLimits, told
from tests.reference import decide as reference
from tests.reference.write import pack
from tests.support.bundles import FULL, rich
from tests.support.chi2 import assert_drawn_from

RICH = edgeart.Policy.from_bytes(rich())
REFERENCE = reference.open_bundle(rich())
NAMES = st.lists(st.text(max_size=3), min_size=1, max_size=12, unique=True)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.text(max_size=9), NAMES)
def test_the_host_s_artworks_are_drawn_as_the_reference_draws(
    seed: int, unit: int, title: str, names: list[str]
) -> None:
    context = RICH.context(FULL, seed=seed, unit=unit)
    theirs = reference.prepare(REFERENCE, pack(FULL), seed=seed, unit=unit)
    expected = reference.select_host(theirs, title, len(names))
    decision = RICH.select_host(context, title, names)
    assert decision.artwork == names[expected.row]
    assert (decision.n, decision.total) == (expected.n, expected.total)
    assert (decision.reason, decision.cell) == ("host_uniform", context.cell)
    assert decision.propensity == pytest.approx(1 / len(names), abs=1e-7)
    assert (decision.policy, decision.sequence, decision.title) == ("row", 12, title)
    assert (decision.row, decision.score) == (None, 0.0)


def test_the_host_s_artworks_are_all_alike_probable() -> None:
    names = [f"a{i}" for i in range(7)]
    drawn: Counter[str | None] = Counter(
        RICH.select_host(RICH.context(seed=seed), f"new-{seed % 5}", names).artwork
        for seed in range(7_000)
    )
    assert_drawn_from(drawn, dict.fromkeys(names, 1 / 7))


@pytest.mark.parametrize("names", [[], ["a", "a"], [str(i) for i in range(257)], "couple"])
def test_what_cannot_be_drawn_from_is_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match="1 to 256 different ids"):
        RICH.select_host(RICH.context(seed=1), "new", names)


def test_a_title_of_the_bundle_is_not_the_host_s_to_draw() -> None:
    with pytest.raises(ValueError, match=r"has title 'title-3'; use select with limits"):
        RICH.select_host(RICH.context(seed=1), "title-3", ["art-3-0"])
    other = edgeart.Policy.from_bytes(rich())
    with pytest.raises(edgeart.ForeignContextError):
        other.select_host(RICH.context(seed=1), "new", ["a"])


def test_what_the_host_does_not_tell_is_not_taken_for_harmless() -> None:
    given = told({"new": ["plain"], "other": {"clean": [], "grim": ["mature"], "de": ["lang_de"]}})
    free, strict = HostLimits(), HostLimits(forbidden=["mature"])
    german = HostLimits(required=["lang_de"], denied={"other": ["clean"]})
    assert free.allowed("new", given["new"]) == ["plain"]
    assert strict.allowed("new", given["new"]) == []
    assert german.allowed("new", given["new"]) == []
    assert free.allowed("other", given["other"]) == ["clean", "grim", "de"]
    assert strict.allowed("other", given["other"]) == ["clean", "de"]
    assert german.allowed("other", given["other"]) == ["de"]


def test_a_str_is_no_list_of_names() -> None:
    for call in (
        lambda: HostLimits(required="mature"),
        lambda: HostLimits(denied={"title-3": "art-3-0"}),
        lambda: told({"new": "a"}),
        lambda: told({"new": {"a": "mature"}}),
    ):
        with pytest.raises(TypeError, match="list of names"):
            call()
