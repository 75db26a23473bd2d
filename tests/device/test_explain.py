# SPDX-License-Identifier: Apache-2.0
"""Explanations: what each feature adds to a score, to the lead, and that all of it adds up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeart
from tests.support.bundles import EXPLORERS, FULL, TITLES, bundle, rich

LINEAR = {
    rows: edgeart.Policy.from_bytes(bundle(rows, explorer=EXPLORERS["squarecb"]))
    for rows in ("f32", "i8")
}
TOWERS = {rows: edgeart.Policy.from_bytes(rich(rows)) for rows in ("f32", "i8")}
POLICIES = {("linear", rows): policy for rows, policy in LINEAR.items()} | {
    ("tower", rows): policy for rows, policy in TOWERS.items()
}
NAMES = ["hour", "country", "taste", "embedding"]
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "hour": st.none() | st.floats(-100, 100),
        "country": st.sampled_from(["US", "GB", "FR", None]),
        "taste": st.dictionaries(st.sampled_from(["comedy", "romance", "x"]), st.floats(0, 1)),
        "embedding": st.lists(st.floats(-3, 3), min_size=3, max_size=3),
        "undeclared": st.just([1, {"a": None}]),
    },
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(POLICIES)), VALUES, st.sampled_from(list(TITLES)), st.integers(0, 99))
def test_parts_add_up_to_the_score_and_to_the_lead(
    which: tuple[str, str], values: dict[str, Any], title: str, unit: int
) -> None:
    policy = POLICIES[which]
    context = policy.context(values, seed=1, unit=unit)
    explanation = policy.explain(context, title)
    candidates = policy.candidates(context, title)
    assert explanation.title == title
    assert explanation.decision == policy.select(context, title)
    assert tuple(a.artwork for a in explanation.artworks) == candidates.artworks
    for artwork, score in zip(explanation.artworks, candidates.scores, strict=True):
        assert list(artwork.features) == NAMES
        assert artwork.score == score
        assert artwork.propensity == policy.propensities(context, title)[artwork.artwork]
        parts = [artwork.bias, artwork.intercept, *artwork.features.values()]
        size = 1 + sum(map(abs, parts))
        bound = 4e-7 * size if which[0] == "linear" else 1e-15 * size
        assert sum(parts) == pytest.approx(score, rel=0, abs=bound)
        assert artwork.baseline == artwork.bias + artwork.intercept
    chosen = explanation.chosen
    assert chosen is not None
    assert chosen.artwork == explanation.decision.artwork
    assert explanation.baseline == chosen.baseline
    if len(TITLES[title]) == 1:
        assert (explanation.runner_up, explanation.lead) == (None, {})
        assert explanation.lead_baseline == 0.0
        return
    others = {a.artwork: a for a in explanation.artworks if a is not chosen}
    assert explanation.runner_up is not None
    second = others[explanation.runner_up]
    assert second.score == max(a.score for a in others.values())
    assert list(explanation.lead) == NAMES
    parts = [explanation.lead_baseline, *explanation.lead.values()]
    size = 10 * (1 + sum(map(abs, [*chosen.features.values(), *second.features.values()])))
    bound = 4e-7 * size if which[0] == "linear" else 1e-15 * size
    assert sum(parts) == pytest.approx(chosen.score - second.score, rel=0, abs=bound)


def _steps(policy: edgeart.Policy, order: list[str]) -> dict[str, list[float]]:
    """By feature, what happens to the scores of all rows when it joins those before it."""
    steps = {}
    for i, name in enumerate(order):
        before, after = (
            policy.scores(policy.context({n: FULL[n] for n in order[:j]}, seed=1))
            for j in (i, i + 1)
        )
        steps[name] = [b - a for a, b in zip(before, after, strict=True)]
    return steps


@pytest.mark.parametrize("rows", ["f32", "i8"])
def test_with_a_tower_a_part_is_the_mean_of_both_directions(rows: str) -> None:
    policy = TOWERS[rows]
    context = policy.context(FULL | {"undeclared": 1}, seed=1)
    forward, backward = (_steps(policy, order) for order in (NAMES, NAMES[::-1]))
    empty = policy.scores(policy.context(seed=1))
    for artwork in policy.explain(context, "title-6").artworks:
        assert artwork.baseline == pytest.approx(empty[artwork.row], rel=0, abs=1e-15)
        for name in NAMES:
            mean = (forward[name][artwork.row] + backward[name][artwork.row]) / 2
            assert artwork.features[name] == mean


@pytest.mark.parametrize("rows", ["f32", "i8"])
def test_without_a_tower_a_part_is_exact_whatever_the_others_are(rows: str) -> None:
    """For f32 rows a feature's part is what its slots' weights make of it, alone or not."""
    policy = LINEAR[rows]
    whole = policy.explain(policy.context(FULL, seed=1), "title-6")
    alone = policy.explain(policy.context({"country": "US"}, seed=1), "title-6")
    for one, other in zip(whole.artworks, alone.artworks, strict=True):
        # For i8 the vector is quantised as a whole: 1/127 of its largest slot, 2, at most.
        bound = 0.0 if rows == "f32" else 0.02
        assert one.features["country"] == pytest.approx(other.features["country"], abs=bound)
        assert one.baseline == pytest.approx(other.baseline, abs=bound)


def test_a_missing_feature_adds_nothing_but_its_indicator() -> None:
    for policy in POLICIES.values():
        for artwork in policy.explain(
            policy.context({"country": "US"}, seed=1), "title-6"
        ).artworks:
            assert artwork.features["taste"] == artwork.features["embedding"] == 0.0
            assert (artwork.features["hour"] != 0.0) == (not policy.tower)  # in the baseline there


def test_a_feature_no_weight_listens_to_adds_nothing() -> None:
    weights = [[0.0] * 12 for _ in range(2)]
    weights[1][3] = 0.5  # country GB speaks for the second artwork
    policy = edgeart.Policy.from_bytes(
        bundle("f32", explorer=["greedy", 0.0], titles={"t": ["a", "b"]}, weights=weights,
               bias=[0.25, 0.0])
    )  # fmt: skip
    explanation = policy.explain(policy.context(FULL | {"country": "GB"}, seed=1), "t")
    assert (explanation.decision.artwork, explanation.runner_up) == ("b", "a")
    assert explanation.lead == {"hour": 0.0, "country": 0.5, "taste": 0.0, "embedding": 0.0}
    assert (explanation.baseline, explanation.lead_baseline) == (0.0, -0.25)


@pytest.mark.parametrize("which", list(POLICIES))
def test_limits_bound_what_is_explained(which: tuple[str, str]) -> None:
    policy = POLICIES[which]
    context = policy.context(FULL, seed=1)
    limits = policy.limits(
        denied={"title-6": ["art-6-1"]}, candidates={"title-6": ["art-6-1", "art-6-2", "art-6-4"]}
    )
    explanation = policy.explain(context, "title-6", limits=limits)
    assert [a.artwork for a in explanation.artworks] == ["art-6-1", "art-6-2", "art-6-4"]
    assert [a.denied for a in explanation.artworks] == [True, False, False]
    assert {explanation.decision.artwork, explanation.runner_up} == {"art-6-2", "art-6-4"}
    none = policy.explain(context, "title-6", limits=policy.limits(candidates={"title-6": []}))
    assert (none.artworks, none.chosen, none.runner_up, none.lead) == ((), None, None, {})
    assert (none.baseline, none.decision.reason) == (0.0, "none")


def test_the_runner_up_is_the_first_of_equals() -> None:
    policy = edgeart.Policy.from_bytes(
        bundle("f32", explorer=["greedy", 0.0], titles={"t": ["a", "b", "c", "d"]},
               weights=[[0.0] * 12] * 4, bias=[1.0, 0.5, 0.5, 2.0])
    )  # fmt: skip
    limits = policy.limits(denied={"t": ["a"]})
    explanation = policy.explain(policy.context(seed=1), "t", limits=limits)
    assert (explanation.decision.artwork, explanation.runner_up) == ("d", "b")
