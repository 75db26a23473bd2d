# SPDX-License-Identifier: Apache-2.0
"""One title and many: decisions, pages, and what they are made of."""

from __future__ import annotations

import gc
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgeart
from tests.reference import decide as reference
from tests.reference.write import pack
from tests.support.bundles import EXPLORERS, FULL, TITLES, bundle

POLICIES = {
    (rows, kind): edgeart.Policy.from_bytes(bundle(rows, explorer=explorer))
    for rows in ("f32", "i8")
    for kind, explorer in EXPLORERS.items()
}
TITLE = st.sampled_from([*TITLES, "nobody", "", "title-", "\ud800", "größe" * 60])
SEED = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(("rows", "kind"), POLICIES)
def test_decisions_and_propensities_are_the_reference_s(rows: str, kind: str) -> None:
    policy = POLICIES[rows, kind]
    opened = reference.open_bundle(bundle(rows, explorer=EXPLORERS[kind]))
    for seed in (0, 42, 2**64 - 1):
        known = reference.prepare(opened, pack(FULL), seed=seed)
        context = policy.context(FULL, seed=seed)
        for title in TITLES:
            expected = reference.select(known, title)
            got = policy.select(context, title)
            assert (got.row, got.n, got.total) == (expected.row, expected.n, expected.total)
            assert (got.score, got.reason) == (expected.score, "policy")
            candidates = policy.candidates(context, title)
            weighed = reference.candidates(known, title)
            assert candidates.n.tolist() == list(weighed.n)
            assert candidates.total == weighed.total


@given(st.sampled_from(list(POLICIES)), SEED, st.lists(TITLE, max_size=60))
def test_a_page_is_its_titles_decided_singly(
    which: tuple[str, str], seed: int, titles: list[str]
) -> None:
    policy = POLICIES[which]
    context = policy.context(FULL, seed=seed)
    page = policy.select_page(context, titles)
    assert len(page) == len(titles)
    assert [decision.title for decision in page] == titles
    for decision, title in zip(page, titles, strict=True):
        if title in TITLES:
            assert decision == policy.select(context, title)
        else:
            assert (decision.reason, decision.artwork) == ("unknown_title", None)
            assert (decision.propensity, decision.score, decision.row) == (0.0, 0.0, None)
            assert (decision.n, decision.total) == (0, 2**31)
    assert page.artworks() == [decision.artwork for decision in page]


@given(SEED, st.permutations(list(TITLES)))
def test_order_and_company_change_no_decision(seed: int, titles: list[str]) -> None:
    policy = POLICIES["i8", "squarecb"]
    context = policy.context(FULL, seed=seed)
    shuffled = dict(zip(titles, policy.select_page(context, titles).artworks(), strict=True))
    plain = dict(zip(TITLES, policy.select_page(context, list(TITLES)).artworks(), strict=True))
    assert shuffled == plain


@given(st.sampled_from(list(POLICIES)), SEED, st.sampled_from(list(TITLES)))
def test_the_propensity_is_the_chosen_artwork_s(
    which: tuple[str, str], seed: int, title: str
) -> None:
    policy = POLICIES[which]
    context = policy.context({"hour": seed % 24}, seed=seed)
    decision = policy.select(context, title)
    propensities = policy.propensities(context, title)
    candidates = policy.candidates(context, title)
    assert list(propensities) == TITLES[title]
    assert sum(candidates.n.tolist()) == candidates.total == 2**31
    assert decision.artwork is not None
    assert decision.propensity == propensities[decision.artwork] == decision.n / decision.total > 0
    assert decision.row is not None
    assert decision.score == policy.scores(context)[decision.row]
    assert candidates.artworks.index(decision.artwork) == candidates.rows.tolist().index(
        decision.row
    )


def test_a_decision_says_who_decided(policy: edgeart.Policy, context: edgeart.Context) -> None:
    decision = policy.select(context, "title-3")
    assert (decision.title, decision.policy, decision.sequence) == ("title-3", "row", 12)
    assert (decision.reason, decision.cell) == ("policy", None)
    assert decision.artwork in TITLES["title-3"]
    assert repr(decision).startswith("Decision(title='title-3', artwork='art-3-")


def test_equal_decisions_are_equal_and_others_are_not(
    policy: edgeart.Policy, context: edgeart.Context
) -> None:
    one, same = policy.select(context, "title-3"), policy.select(context, "title-3")
    assert one == same
    assert hash(one) == hash(same)
    assert one != policy.select(context, "title-4")
    assert one != "title-3"
    other = edgeart.Policy.from_bytes(bundle(policy.rows))
    assert one != other.select(other.context(FULL, seed=42, unit=7), "title-3")


def test_the_fixed_explorer_shows_the_default() -> None:
    policy = edgeart.Policy.from_bytes(bundle(explorer=["fixed", 0.0]))
    context = policy.context(FULL, seed=3)
    page = policy.select_page(context, policy.titles)
    assert page.artworks() == [artworks[0] for artworks in TITLES.values()]
    assert {decision.propensity for decision in page} == {1.0}


def test_greedy_shows_the_best_score() -> None:
    policy = edgeart.Policy.from_bytes(bundle("f32", explorer=["greedy", 0.0]))
    context = policy.context(FULL, seed=3)
    for title in TITLES:
        found = policy.candidates(context, title)
        scores = found.scores.tolist()
        assert policy.select(context, title).artwork == found.artworks[scores.index(max(scores))]


def test_a_page_is_a_sequence(policy: edgeart.Policy, context: edgeart.Context) -> None:
    titles = ["title-1", "title-2", "title-3"]
    page = policy.select_page(context, titles)
    singles = [policy.select(context, title) for title in titles]
    assert isinstance(page, Sequence)
    assert list(page) == singles
    assert (page[-1], page[1:], page[::-2]) == (singles[2], tuple(singles[1:]),
                                               (singles[2], singles[0]))  # fmt: skip
    assert singles[1] in page
    assert page.index(singles[1]) == 1
    for index in (3, -4):
        with pytest.raises(IndexError):
            page[index]
    assert "3 decisions" in repr(page)


def test_a_decision_outlives_its_page(policy: edgeart.Policy, context: edgeart.Context) -> None:
    page = policy.select_page(context, list(TITLES))
    decision, expected = page[7], policy.select(context, "title-7")
    del page
    gc.collect()
    assert decision == expected


def test_raw_holds_24_bytes_a_decision(policy: edgeart.Policy, context: edgeart.Context) -> None:
    page = policy.select_page(context, ["title-3", "nobody"])
    assert page.raw.readonly
    assert len(page.raw) == 48
    found, unknown = struct.iter_unpack("=IIIIfHH", page.raw)
    decision = page[0]
    assert found == (3, decision.row, decision.n, decision.total, decision.score, 0, 0)
    assert unknown == (2**32 - 1, 2**32 - 1, 0, 2**31, 0.0, 40, 0)


def test_pages_do_not_share_results(policy: edgeart.Policy) -> None:
    titles = policy.page_titles(TITLES)
    first = policy.select_page(policy.context(FULL, seed=1), titles)
    before = first.artworks()
    second = policy.select_page(policy.context(FULL, seed=2), titles)
    assert first.artworks() == before != second.artworks()


@pytest.mark.parametrize("kind", [list, tuple, lambda titles: titles])
def test_titles_may_come_prepared_or_in_any_sequence(
    policy: edgeart.Policy, context: edgeart.Context, kind: Any
) -> None:
    expected = [policy.select(context, title) for title in TITLES]
    assert list(policy.select_page(context, kind(policy.titles))) == expected
    assert list(policy.select_page(context, policy.page_titles(kind(policy.titles)))) == expected


def test_titles_prepared_by_another_policy_are_looked_up_again(
    policy: edgeart.Policy, context: edgeart.Context
) -> None:
    some = {title: TITLES[title] for title in ("title-9", "title-3")}
    other = edgeart.Policy.from_bytes(bundle(titles=some))
    prepared = other.page_titles(["title-3", "title-5"])
    page = policy.select_page(context, prepared)
    assert list(page) == [policy.select(context, title) for title in ("title-3", "title-5")]


def test_a_list_that_changes_between_pages_is_seen(
    policy: edgeart.Policy, context: edgeart.Context
) -> None:
    titles = ["title-3", "title-4"]
    policy.select_page(context, titles)
    titles[0] = "title-5"
    assert policy.select_page(context, titles)[0].title == "title-5"
    titles.append("title-6")
    assert policy.select_page(context, titles)[2] == policy.select(context, "title-6")


def test_unknown_titles_are_named(policy: edgeart.Policy, context: edgeart.Context) -> None:
    calls = (policy.select, policy.propensities, policy.candidates, policy.explain)
    for title in ("nobody", "", "\ud800"):
        for call in calls:
            with pytest.raises(edgeart.UnknownTitleError) as caught:
                call(context, title)
            assert repr(title) in str(caught.value)
            assert isinstance(caught.value, KeyError)
        with pytest.raises(edgeart.UnknownTitleError):
            policy.artworks(title)


def test_a_context_belongs_to_its_policy(policy: edgeart.Policy, context: edgeart.Context) -> None:
    other = edgeart.Policy.from_bytes(bundle(policy.rows))
    for call in (
        lambda: other.select(context, "title-3"),
        lambda: other.select_page(context, ["title-3"]),
        lambda: other.candidates(context, "title-3"),
        lambda: other.explain(context, "title-3"),
        lambda: other.scores(context),
    ):
        with pytest.raises(edgeart.ForeignContextError, match="context was made by another"):
            call()


@pytest.mark.parametrize("wrong", [None, {}, 7])
def test_what_is_no_context_and_no_title_is_a_type_error(
    policy: edgeart.Policy, context: edgeart.Context, wrong: Any
) -> None:
    with pytest.raises(TypeError, match=r"policy\.context"):
        policy.select(wrong, "title-3")
    with pytest.raises(TypeError, match=r"policy\.context"):
        policy.select_page(wrong, ["title-3"])
    with pytest.raises(TypeError, match="title id is a str"):
        policy.select(context, wrong)
    with pytest.raises(TypeError):
        policy.select_page(context, [wrong])


def test_a_str_is_no_page(policy: edgeart.Policy, context: edgeart.Context) -> None:
    for call in (lambda: policy.select_page(context, "title-3"),
                 lambda: policy.page_titles("title-3")):  # fmt: skip
        with pytest.raises(TypeError, match="sequence of title ids"):
            call()
