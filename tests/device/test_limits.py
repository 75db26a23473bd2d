# SPDX-License-Identifier: Apache-2.0
"""What limits a choice besides the policy: the laws of native/spec/decision.md §6."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeart
from tests.reference import decide as reference
from tests.reference.write import pack
from tests.support.bundles import ATTRIBUTES, EXPLORERS, FULL, TITLES, bundle, rich, twins
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
    limits = policy.limits(denied=artworks)
    assert sum(map(int.bit_count, limits.denied)) == sum(map(len, artworks.values()))
    for title in TITLES:
        gone = artworks.get(title, [])
        free = policy.select(context, title)
        limited = policy.select(context, title, limits=limits)
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
    limits = policy.limits(denied=artworks)
    page = policy.select_page(context, policy.titles, limits=limits)
    for decision in page:
        title, gone = decision.title, artworks.get(decision.title, [])
        free = policy.candidates(context, title)
        limited = policy.candidates(context, title, limits=limits)
        left = {a: n for a, n in zip(free.artworks, free.n, strict=True) if a not in gone}
        now = dict(zip(limited.artworks, limited.n, strict=True))
        assert decision == policy.select(context, title, limits=limits)
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
            chosen = policy.propensities(context, title, limits=limits)[decision.artwork]
            assert decision.propensity == chosen > 0


@pytest.mark.parametrize("kind", ["uniform", "epsilon_greedy", "softmax", "squarecb"])
def test_redrawn_artworks_follow_the_renormalised_propensities(kind: str) -> None:
    policy = edgeart.Policy.from_bytes(twins(EXPLORERS[kind], titles=50))
    limits = policy.limits(denied={title: ["a1", "a3"] for title in policy.titles})
    titles = policy.page_titles(policy.titles)
    shares = policy.propensities(policy.context(seed=0), "t0", limits=limits)
    everything: Counter[str | None] = Counter()
    redrawn: Counter[str | None] = Counter()
    for seed in range(400):
        context = policy.context(seed=seed)
        page = policy.select_page(context, titles, limits=limits)
        everything.update(page.artworks())
        redrawn.update(d.artwork for d in page if d.reason == "redrawn")
    assert_drawn_from(everything, shares)
    assert_drawn_from(redrawn, shares)


def test_all_probability_on_denied_artworks_is_computed_anew() -> None:
    policy = edgeart.Policy.from_bytes(twins(["greedy", 0.0], titles=1))
    context = policy.context(seed=5)
    assert policy.select(context, "t0").artwork == "a3"
    decision = policy.select(context, "t0", limits=policy.limits(denied={"t0": ["a3"]}))
    assert (decision.artwork, decision.reason, decision.propensity) == ("a5", "recomputed", 1.0)


RICH = {
    (rows, tower): rich(rows, tower=tower, explorer=explorer)
    for rows, tower, explorer in (
        ("i8", True, ["thompson", 0.01, 1.0]),
        ("f32", False, ["ucb", 0.02, 1.0]),
        ("i8", False, ["squarecb", 0.0, 10.0]),
    )
}
OPENED = {which: edgeart.Policy.from_bytes(data) for which, data in RICH.items()}
REFERENCE = {which: reference.open_bundle(data) for which, data in RICH.items()}
SOME_ATTRIBUTES = st.sets(st.sampled_from(ATTRIBUTES), max_size=2)


def names_of(bits: int) -> set[str]:
    return {name for i, name in enumerate(ATTRIBUTES) if bits >> i & 1}


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(list(RICH)),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    CHOICES,
    SOME_ATTRIBUTES,
    SOME_ATTRIBUTES,
    CHOICES,
)
def test_under_any_limits_the_reference_decides_the_same(
    which: tuple[str, bool],
    seed: int,
    unit: int,
    denied: dict[str, list[str]],
    required: set[str],
    forbidden: set[str],
    candidates: dict[str, list[str]],
) -> None:
    policy, known = OPENED[which], REFERENCE[which]
    limits = policy.limits(
        denied=denied, required=required, forbidden=forbidden, candidates=candidates
    )
    context = policy.context(FULL, seed=seed, unit=unit)
    theirs = reference.prepare(known, pack(FULL), seed=seed, unit=unit)
    allowed = reference.Limits(limits.denied, limits.excluded, limits.required, limits.forbidden)
    assert names_of(limits.required) == required
    assert names_of(limits.forbidden) == forbidden
    for decision in policy.select_page(context, list(TITLES), limits=limits):
        title = decision.title
        expected = reference.select(theirs, title, allowed)
        row = 2**32 - 1 if decision.row is None else decision.row
        assert (row, decision.n, decision.total) == (expected.row, expected.n, expected.total)
        assert (decision.score, decision._record.cell) == (expected.score, expected.cell)
        assert decision == policy.select(context, title, limits=limits)
        found = policy.candidates(context, title, limits=limits)
        weighed = reference.candidates(theirs, title, allowed)
        assert (found.rows.tolist(), found.n.tolist()) == (weighed.rows, weighed.n)
        assert found.total == weighed.total
        eligible = [
            artwork
            for artwork in TITLES[title]
            if required <= set(policy.artwork_attributes(title, artwork))
            and not forbidden & set(policy.artwork_attributes(title, artwork))
            and artwork in candidates.get(title, TITLES[title])
        ]
        assert list(found.artworks) == eligible
        assert list(policy.propensities(context, title, limits=limits)) == eligible
        fallback = policy.fallback(title, limits=limits)
        left = [a for a in eligible if a not in denied.get(title, [])]
        assert fallback.artwork == (left[0] if left else None)
        assert fallback.reason == ("fallback" if left else "none")
        assert (fallback.n, fallback.total, fallback.propensity) == (0, 2**31, 0.0)
        assert (decision.artwork is None) == (not left)
        assert decision.artwork is None or decision.artwork in left


def test_limits_name_what_does_not_exist(policy: edgeart.Policy) -> None:
    for what in ("denied", "candidates"):
        with pytest.raises(edgeart.UnknownTitleError, match=r"'nobody'; it has 41, such as"):
            policy.limits(**{what: {"nobody": []}})
        with pytest.raises(edgeart.UnknownArtworkError, match=r"'laugh'.*art-3-0") as caught:
            policy.limits(**{what: {"title-3": ["laugh"]}})
        assert isinstance(caught.value, KeyError)
        with pytest.raises(TypeError, match="list of ids"):
            policy.limits(**{what: {"title-3": "art-3-0"}})
    for what in ("required", "forbidden"):
        with pytest.raises(edgeart.UnknownAttributeError, match=r"'mature' that .* has none"):
            policy.limits(**{what: ["mature"]})
        known = OPENED["i8", True]
        with pytest.raises(edgeart.UnknownAttributeError, match="lang_en, lang_de, mature"):
            known.limits(**{what: ["lang_fr"]})
        with pytest.raises(TypeError, match="list of names"):
            known.limits(**{what: "mature"})


def test_an_artwork_denied_twice_counts_once(policy: edgeart.Policy) -> None:
    limits = policy.limits(denied={"title-3": ["art-3-1", "art-3-1"], "title-4": ["art-4-0"]})
    assert repr(limits) == "<Limits for policy 'row': 2 artworks denied>"


def test_limits_say_what_they_are() -> None:
    policy = OPENED["i8", True]
    limits = policy.limits(
        required=["lang_en"], forbidden=["mature"], candidates={"title-3": ["art-3-1"]}
    )
    assert repr(limits) == (
        "<Limits for policy 'row': 0 artworks denied; required lang_en; forbidden mature; "
        "candidates of 1 titles>"
    )
    assert (limits.required, limits.forbidden, limits.denied) == (0b001, 0b100, b"")
    assert limits.candidates == {"title-3": b"\x02"}
    first = policy.candidates(policy.context(seed=1), "title-3").rows[0]
    gone = {
        row for row in range(8 * len(limits.excluded)) if limits.excluded[row // 8] >> row % 8 & 1
    }
    assert gone == {first, first + 2, first + 3}


def test_a_title_without_candidates_has_no_artwork(
    policy: edgeart.Policy, context: edgeart.Context
) -> None:
    limits = policy.limits(candidates={"title-3": []})
    decision = policy.select(context, "title-3", limits=limits)
    assert (decision.artwork, decision.reason, decision.n) == (None, "none", 0)
    assert policy.propensities(context, "title-3", limits=limits) == {}
    assert policy.select(context, "title-4", limits=limits).artwork is not None


def test_limits_belong_to_their_policy(policy: edgeart.Policy, context: edgeart.Context) -> None:
    other = edgeart.Policy.from_bytes(bundle(policy.rows)).limits()
    for call in (
        lambda: policy.select(context, "title-3", limits=other),
        lambda: policy.select_page(context, ["title-3"], limits=other),
        lambda: policy.fallback("title-3", limits=other),
    ):
        with pytest.raises(edgeart.ForeignContextError, match="limits were made by another"):
            call()
    for wrong in ({"title-3": ["art-3-0"]}, context):
        with pytest.raises(TypeError, match=r"policy\.limits"):
            policy.select(context, "title-3", limits=wrong)  # type: ignore[arg-type]
