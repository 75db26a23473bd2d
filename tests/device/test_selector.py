# SPDX-License-Identifier: Apache-2.0
"""The Selector: on no path a denied or forbidden artwork, and never an exception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeart
from tests.support.bundles import ATTRIBUTES, FULL, TITLES, bundle, rich

SECRET = bytes(range(32))
POLICIES: dict[str, edgeart.Policy | None] = {
    "thompson over a tower": edgeart.Policy.from_bytes(rich()),
    "greedy": edgeart.Policy.from_bytes(rich("f32", tower=False, explorer=["greedy", 0.0])),
    "fixed": edgeart.Policy.from_bytes(rich(tower=False, explorer=["fixed", 0.0])),
    "of format 1": edgeart.Policy.from_bytes(bundle()),
    "none": None,
}
HOST = {"new-1": ["n0", "n1", "n2"], "new-2": ["m0"]}
EVERYTHING = {**{title: TITLES[title] for title in list(TITLES)[:12]}, **HOST}
NAMES = st.sets(st.sampled_from([*ATTRIBUTES, "unheard_of"]), max_size=2)


@st.composite
def some_artworks(draw: st.DrawFn, *, told: bool) -> dict[str, Any]:
    """Of some titles some artworks, an unknown one among them; told: perhaps with attributes."""
    found: dict[str, Any] = {}
    for title in draw(st.sets(st.sampled_from(list(EVERYTHING)), max_size=8)):
        names = draw(st.lists(st.sampled_from([*EVERYTHING[title], "by hand"]), unique=True))
        found[title] = names
        if told and draw(st.booleans()):
            found[title] = {name: draw(st.sets(st.sampled_from(ATTRIBUTES))) for name in names}
    return found


CONTEXTS = st.sampled_from([FULL, {}, {"hour": "nine"}, {"country": 7}, None])


def may_show(  # what the limits mean, written down once more
    policy: edgeart.Policy | None,
    title: str,
    artwork: str,
    denied: Mapping[str, Sequence[str]],
    required: set[str],
    forbidden: set[str],
    candidates: Mapping[str, Any],
) -> bool:
    if artwork in denied.get(title, ()):
        return False
    if title in candidates and artwork not in candidates[title]:
        return False
    told = candidates.get(title)
    if isinstance(told, dict) and (not required <= told[artwork] or forbidden & told[artwork]):
        return False
    if policy is not None and title in policy.titles:
        if artwork not in policy.artworks(title) or not required | forbidden <= set(
            policy.attributes
        ):
            return False
        has = set(policy.artwork_attributes(title, artwork))
        return required <= has and not forbidden & has
    if title not in candidates:
        return False
    return isinstance(told, dict) or not required | forbidden


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(list(POLICIES)),
    st.binary(max_size=3),
    CONTEXTS,
    some_artworks(told=False),
    NAMES,
    NAMES,
    some_artworks(told=True),
    some_artworks(told=True),
)
def test_on_no_path_an_artwork_is_shown_that_may_not_be(
    which: str,
    unit: bytes,
    values: Any,
    denied: dict[str, Any],
    required: set[str],
    forbidden: set[str],
    standing: dict[str, Any],
    given_now: dict[str, Any],
) -> None:
    policy = POLICIES[which]
    selector = edgeart.Selector(policy, None, unit=unit, secret=SECRET)
    selector.set_limits(denied=denied, required=required, forbidden=forbidden, candidates=standing)
    selector.set_context(values)
    candidates = standing | given_now
    page = selector.page(list(EVERYTHING), candidates=given_now)
    singles = [
        selector.select(title, candidates=given_now.get(title, standing.get(title)))
        for title in EVERYTHING
    ]
    assert len(page) == len(EVERYTHING)
    for decision, single in zip(page, singles, strict=True):
        title = decision.title
        allowed = [
            artwork
            for artwork in dict.fromkeys([*EVERYTHING[title], *candidates.get(title, ())])
            if may_show(policy, title, artwork, denied, required, forbidden, candidates)
        ]
        assert (decision.artwork, decision.n, decision.reason) == (
            single.artwork, single.n, single.reason
        )  # fmt: skip
        if not allowed:
            assert decision.artwork is None
            assert decision.n == 0
            assert decision.reason in {"none", "unknown_title"}
        else:
            assert decision.artwork in allowed
            drawn = decision.reason != "fallback"
            assert drawn == (decision.n > 0)
            assert drawn == (policy is not None and values in (FULL, {}))
    refused = values is None or (policy is not None and values not in (FULL, {}))
    missing = policy is not None and not required | forbidden <= set(policy.attributes)
    expected = {"context"} if refused else set()
    assert set(selector.errors) == (expected | {"limits"} if missing else expected)


def test_a_known_title_is_decided_among_the_host_s_candidates_as_the_policy_would() -> None:
    policy = POLICIES["thompson over a tower"]
    assert policy is not None
    selector = edgeart.Selector(policy, None, unit=b"u", secret=SECRET)
    selector.set_context(FULL)
    state = selector._state
    assert state.context is not None
    some = ["art-6-5", "art-6-2", "made by hand"]
    decision = selector.select("title-6", candidates=some)
    limits = policy.limits(candidates={"title-6": some[:2]})
    assert decision.n == policy.select(state.context, "title-6", limits=limits).n
    assert decision.artwork == policy.select(state.context, "title-6", limits=limits).artwork
    assert selector.select("title-6", candidates=["made by hand"]).reason == "none"
    assert selector.select("title-6", candidates=[]).artwork is None
    assert selector.select("title-6").artwork is not None


def test_an_unknown_title_is_drawn_as_the_policy_draws_it() -> None:
    policy = POLICIES["of format 1"]
    assert policy is not None
    selector = edgeart.Selector(policy, None, unit=b"u", secret=SECRET)
    context = selector._state.context
    assert context is not None
    names = [f"n{i}" for i in range(300)]
    for some in (["a", "b", "c"], names):
        decision = selector.select("new", candidates=some)
        expected = policy.select_host(context, "new", some[:256])
        assert (decision.artwork, decision.n) == (expected.artwork, expected.n)
        assert decision.reason == "host_uniform"
    assert not selector.errors


def test_limits_outlive_policies_and_contexts() -> None:
    first, second = POLICIES["greedy"], POLICIES["thompson over a tower"]
    assert first is not None
    assert second is not None
    selector = edgeart.Selector(first, None, unit=b"u", secret=SECRET)
    selector.set_limits(forbidden=["mature"], denied={"title-6": ["art-6-1"]})
    for policy in (first, second, None, first):
        selector.use(policy)
        selector.set_context(FULL)
        for decision in selector.page(list(TITLES)):
            if decision.artwork is not None:
                assert policy is not None
                has = policy.artwork_attributes(decision.title, decision.artwork)
                assert "mature" not in has
                assert decision.artwork != "art-6-1"
    selector.set_limits()
    shown = {d.artwork for d in selector.page(list(TITLES))}
    assert None not in shown


def test_a_policy_that_cannot_tell_what_is_forbidden_shows_none_of_its_own() -> None:
    selector = edgeart.Selector(POLICIES["of format 1"], None, unit=b"u", secret=SECRET)
    selector.set_limits(forbidden=["mature"])
    page = selector.page(
        ["title-3", "new"], candidates={"new": {"grim": ["mature"], "kind": ["lang_en"]}}
    )
    assert page.artworks() == [None, "kind"]
    assert [decision.reason for decision in page] == ["none", "host_uniform"]
    assert selector.errors == {"limits": 1}
    assert isinstance(selector.last_error, edgeart.UnknownAttributeError)


def test_a_unit_stays_in_its_cell_in_every_epoch() -> None:
    day, now = 86_400_000, [1_800_000_000_000]
    policy = POLICIES["thompson over a tower"]
    cells = set()
    for unit in range(40):
        seen, seeds = set(), set()
        for _ in range(3):
            selector = edgeart.Selector(
                policy, None, unit=bytes([unit]), secret=SECRET, clock=lambda: now[0]
            )
            seen.add(selector.select("title-6").cell)
            assert selector._state.context is not None
            seeds.add(selector._state.context.seed)
            now[0] += 28 * day
        assert len(seen) == 1
        assert len(seeds) == 3
        cells |= seen
    assert cells == {None, "holdback", "random"}


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.page(None),
        lambda s: s.page(["title-3", 7, ["x"], None]),
        lambda s: s.page(["title-3"], candidates=7),
        lambda s: s.page(["title-3", "title-4"], candidates={"title-3": 7}),
        lambda s: s.page(["new"], candidates={"new": {"a": 7}}),
        lambda s: [s.select("new", candidates="couple")],
        lambda s: [s.select(None)],
    ],
)
@pytest.mark.parametrize("which", ["thompson over a tower", "of format 1", "none"])
def test_misuse_is_noted_and_raises_nothing(which: str, call: Any) -> None:
    selector = edgeart.Selector(POLICIES[which], None, unit=b"u", secret=SECRET)
    for decision in call(selector):
        assert decision.title != "new" or decision.artwork is None
    assert which == "none" or selector.errors
    assert selector.select("title-4").artwork is not None or which == "none"


def test_candidates_that_cannot_be_read_leave_the_others_alone() -> None:
    selector = edgeart.Selector(POLICIES["of format 1"], None, unit=b"u", secret=SECRET)
    given: Any = {"title-3": 7, "title-4": ["art-4-1"], "title-6": "art-6-1"}
    page = selector.page(["title-3", "title-4", "title-6", "title-5"], candidates=given)
    assert page.artworks()[:3] == [None, "art-4-1", None]
    assert page.artworks()[3] is not None
    assert selector.errors == {"candidates": 1}


def test_a_page_is_a_sequence_of_all_kinds_of_decisions() -> None:
    policy = POLICIES["of format 1"]
    selector = edgeart.Selector(policy, None, unit=b"u", secret=SECRET)
    assert selector.policy is policy
    titles = ["title-3", "new", "title-4", "nobody"]
    page = selector.page(titles, candidates={"new": ["a"], "title-4": ["art-4-2"]})
    assert (page.titles, len(page)) == (tuple(titles), 4)
    assert page[1:3] == (page[1], page[2])
    assert page[-1].reason == "unknown_title"
    assert page[2].artwork == "art-4-2"
    assert page.artworks() == [decision.artwork for decision in page]
    assert repr(page[1]) == (
        "HostDecision(title='new', artwork='a', propensity=1, reason='host_uniform')"
    )
    with pytest.raises(IndexError):
        page[4]
    assert selector.shown(page[0]) is None  # without a log
    selector.outcome(None, minutes=1)
    with pytest.raises(ValueError, match="32 random ones"):
        edgeart.Selector(policy, None, unit=b"u", secret=b"short")


def test_where_the_policy_fails_the_host_s_own_artworks_serve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    selector = edgeart.Selector(POLICIES["of format 1"], None, unit=b"u", secret=SECRET)
    selector.set_limits(denied={"title-4": ["art-4-0"]})

    def broken(*_: object, **__: object) -> None:
        raise edgeart.EdgeartError("broken")

    monkeypatch.setattr(edgeart.Policy, "select_page", broken)
    assert selector.select("title-4").artwork == "art-4-1"
    assert selector.select("title-4").reason == "fallback"
    monkeypatch.setattr(edgeart.Policy, "fallback", broken)
    assert selector.select("title-4").artwork is None
    given = ["art-4-0", "art-4-3"]
    assert selector.select("title-4", candidates=given).artwork == "art-4-3"
    assert selector.errors == {"page": 4, "fallback": 2}
