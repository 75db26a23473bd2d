# SPDX-License-Identifier: Apache-2.0
"""Artworks that must not be shown: the laws of native/spec/decision.md §6."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgeart
from tests.support.bundles import EXPLORERS, FULL, TITLES, bundle, twins
from tests.support.chi2 import assert_drawn_from

POLICIES = {
    kind: edgeart.Policy.from_bytes(bundle(explorer=explorer))
    for kind, explorer in EXPLORERS.items()
}
CHOICES = st.dictionaries(
    st.sampled_from(list(TITLES)), st.sets(st.integers(0, 6)), max_size=len(TITLES)
).map(
    lambda some: {
        title: [TITLES[title][i] for i in sorted(which) if i < len(TITLES[title])]
        for title, which in some.items()
    }
)


@given(st.sampled_from(list(POLICIES)), st.integers(0, 2**64 - 1), CHOICES)
def test_denying_changes_only_what_showed_a_denied_artwork(
    kind: str, seed: int, artworks: dict[str, list[str]]
) -> None:
    policy = POLICIES[kind]
    context = policy.context(FULL, seed=seed)
    denied = policy.denied(artworks)
    assert len(denied) == sum(map(len, artworks.values()))
    for title in TITLES:
        gone = artworks.get(title, [])
        free = policy.select(context, title)
        limited = policy.select(context, title, denied=denied)
        assert limited.artwork not in gone
        if len(gone) == len(TITLES[title]):
            assert (limited.artwork, limited.reason, limited.propensity) == (None, "none", 0.0)
        elif free.artwork not in gone:
            assert (limited.artwork, limited.reason) == (free.artwork, "policy")
        else:
            assert limited.reason in {"redrawn", "recomputed"}


@given(st.sampled_from(list(POLICIES)), st.integers(0, 2**64 - 1), CHOICES)
def test_what_remains_keeps_its_proportions(
    kind: str, seed: int, artworks: dict[str, list[str]]
) -> None:
    policy = POLICIES[kind]
    context = policy.context(FULL, seed=seed)
    denied = policy.denied(artworks)
    page = policy.select_page(context, policy.titles, denied=denied)
    for decision in page:
        title, gone = decision.title, artworks.get(decision.title, [])
        free = policy.candidates(context, title)
        limited = policy.candidates(context, title, denied=denied)
        left = {a: n for a, n in zip(free.artworks, free.n, strict=True) if a not in gone}
        now = dict(zip(limited.artworks, limited.n, strict=True))
        assert decision == policy.select(context, title, denied=denied)
        assert [bool(no) for no in limited.denied] == [a in gone for a in limited.artworks]
        if sum(left.values()):
            assert now == left | dict.fromkeys(gone, 0)
            assert limited.total == sum(left.values())
        elif left:
            assert limited.total == sum(now.values()) == 2**31
            assert decision.reason == "recomputed"
        else:
            assert (limited.total, sum(now.values())) == (2**31, 0)
        if decision.artwork is not None:
            chosen = policy.propensities(context, title, denied=denied)[decision.artwork]
            assert decision.propensity == chosen > 0


@pytest.mark.parametrize("kind", ["uniform", "epsilon_greedy", "softmax", "squarecb"])
def test_redrawn_artworks_follow_the_renormalised_propensities(kind: str) -> None:
    policy = edgeart.Policy.from_bytes(twins(EXPLORERS[kind], titles=50))
    denied = policy.denied({title: ["a1", "a3"] for title in policy.titles})
    titles = policy.page_titles(policy.titles)
    shares = policy.propensities(policy.context(seed=0), "t0", denied=denied)
    everything: Counter[str | None] = Counter()
    redrawn: Counter[str | None] = Counter()
    for seed in range(400):
        context = policy.context(seed=seed)
        page = policy.select_page(context, titles, denied=denied)
        everything.update(page.artworks())
        redrawn.update(d.artwork for d in page if d.reason == "redrawn")
    assert_drawn_from(everything, shares)
    assert_drawn_from(redrawn, shares)


def test_all_probability_on_denied_artworks_is_computed_anew() -> None:
    policy = edgeart.Policy.from_bytes(twins(["greedy", 0.0], titles=1))
    context = policy.context(seed=5)
    assert policy.select(context, "t0").artwork == "a3"
    decision = policy.select(context, "t0", denied=policy.denied({"t0": ["a3"]}))
    assert (decision.artwork, decision.reason, decision.propensity) == ("a5", "recomputed", 1.0)


def test_denied_names_what_does_not_exist(policy: edgeart.Policy) -> None:
    with pytest.raises(edgeart.UnknownTitleError, match="nobody"):
        policy.denied({"nobody": []})
    with pytest.raises(edgeart.UnknownArtworkError, match=r"'laugh'.*art-3-0") as caught:
        policy.denied({"title-3": ["laugh"]})
    assert isinstance(caught.value, KeyError)
    with pytest.raises(TypeError, match="list of ids"):
        policy.denied({"title-3": "art-3-0"})


def test_an_artwork_denied_twice_counts_once(policy: edgeart.Policy) -> None:
    denied = policy.denied({"title-3": ["art-3-1", "art-3-1"], "title-4": ["art-4-0"]})
    assert len(denied) == 2
    assert repr(denied) == "<Denied for policy 'row', 2 artworks>"


def test_denied_belongs_to_its_policy(policy: edgeart.Policy, context: edgeart.Context) -> None:
    other = edgeart.Policy.from_bytes(bundle(policy.rows)).denied({})
    with pytest.raises(edgeart.ForeignContextError, match="denied artworks were made by another"):
        policy.select(context, "title-3", denied=other)
    with pytest.raises(edgeart.ForeignContextError):
        policy.select_page(context, ["title-3"], denied=other)
    with pytest.raises(TypeError, match=r"policy\.denied"):
        policy.select(context, "title-3", denied={"title-3": ["art-3-0"]})  # type: ignore[arg-type]
