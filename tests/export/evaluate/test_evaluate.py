# SPDX-License-Identifier: Apache-2.0
"""Policies are evaluated by the propensities that devices would have used, and honestly so."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgpack
import numpy as np
import pytest

import edgeart
from edgeart_export import (
    Category,
    CrossFitted,
    DataError,
    EpsilonGreedy,
    Explorer,
    FeatureSchema,
    Fixed,
    GivenModel,
    Greedy,
    LinearTrainer,
    Log,
    PolicyModel,
    SquareCB,
    Uniform,
    evaluate,
    holdbacks,
    logged_value,
)
from edgeart_export.evaluate import propensities
from edgeart_export.evaluate.groups import groups
from edgeart_export.evaluate.shares import Defaults, Shares, common, rows_of
from edgeart_export.obd import TITLE, load_impressions, load_items
from tests.support.models import opened

SCHEMA = FeatureSchema([Category("c", ["a", "b"])])
TITLES = {"t": ["x", "y", "z"], "u": ["x", "y"]}


def model(explorer: Explorer) -> PolicyModel:
    """Artwork x wins for c = a, y for c = b."""
    row = {"x": [1, 0, 0, 0], "y": [0, 1, 0, 0], "z": [0, 0, 0, 0]}
    weights = np.array([row[a] for artworks in TITLES.values() for a in artworks], np.float32)
    return PolicyModel("p", 5, SCHEMA, TITLES, weights, np.zeros(5, np.float32), explorer)


def policy(explorer: Explorer) -> edgeart.Policy:
    return opened(model(explorer))


def uniform_log(count: int, seed: int = 0) -> Log:
    """A log of uniform choices; an artwork that wins earns 1 in 2 times, another 1 in 10."""
    rng = np.random.default_rng(seed)
    titles = [("t", "u")[i] for i in rng.integers(2, size=count)]
    contexts = [{"c": "ab"[i]} for i in rng.integers(2, size=count)]
    artworks = [str(rng.choice(TITLES[title])) for title in titles]
    wins = [{"a": "x", "b": "y"}[c["c"]] == a for c, a in zip(contexts, artworks, strict=True)]
    return Log(
        contexts=contexts,
        title=titles,
        artwork=artworks,
        reward=(rng.random(count) < np.where(wins, 0.5, 0.1)).astype(np.float64),
        propensity=np.array([1 / len(TITLES[title]) for title in titles]),
    )


def test_propensities_are_those_of_the_policy() -> None:
    log = uniform_log(30)
    target = policy(EpsilonGreedy(0.3))
    found = propensities(target, log)
    assert sorted(np.concatenate([p.rows for p in found.values()]).tolist()) == list(range(30))
    for title, prediction in found.items():
        for row, values in zip(prediction.rows.tolist(), prediction.values, strict=True):
            context = target.context(log.contexts[row], seed=row)
            wanted = target.propensities(context, title)
            assert dict(zip(prediction.artworks, values.tolist(), strict=True)) == wanted


def test_a_policy_is_judged_by_its_own_explorer_and_not_by_its_holdbacks() -> None:
    log, plain = uniform_log(30), model(EpsilonGreedy(0.3))
    for share in (0.1, 0.45):
        held = dataclasses.replace(plain, cells=holdbacks(share, share))
        target = opened(held)
        for wanted, found in zip(
            propensities(policy(EpsilonGreedy(0.3)), log).values(),
            propensities(target, log).values(),
            strict=True,
        ):
            assert np.array_equal(found.values, wanted.values)
    everybody = dataclasses.replace(plain, cells=holdbacks(0, 1))
    with pytest.raises(DataError, match="export the policy with smaller shares of cells"):
        propensities(opened(everybody), log)


def test_evaluation_by_hand() -> None:
    # Greedy with floor ⅒: 0.8 for the winner of three, 0.1 for the others; logged uniformly.
    log = Log(
        [{"c": "a"}, {"c": "a"}], ["t", "t"], ["x", "y"], np.array([1.0, 0.0]), [1 / 3, 1 / 3]
    )
    found = evaluate(policy(Greedy(floor=0.1)), log)
    assert found.ips.value == pytest.approx((2.4 * 1 + 0.3 * 0) / 2, rel=1e-8)
    assert found.snips.value == pytest.approx(2.4 / 2.7, rel=1e-8)
    assert found.largest_weight == pytest.approx(2.4, rel=1e-8)
    assert found.effective_sample_size == pytest.approx(2.7**2 / (2.4**2 + 0.3**2), rel=1e-8)
    assert found.dr is None
    assert (found.policy, found.sequence, found.rows) == ("p", 5, 2)
    assert found.explorer == "greedy:floor=0.1"


@pytest.mark.parametrize("explorer", [Greedy(floor=0.05), SquareCB(20.0), Uniform(), Fixed()])
def test_estimates_find_the_true_value(explorer: Explorer) -> None:
    log = uniform_log(6000, seed=1)
    target = policy(explorer)
    truth = 0.0
    for title, artworks in TITLES.items():
        for c, winner in (("a", "x"), ("b", "y")):
            shares = target.propensities(target.context({"c": c}, seed=0), title)
            truth += sum(shares[a] * (0.5 if a == winner else 0.1) for a in artworks) / 4
    reward_model = CrossFitted(SCHEMA, TITLES, l2=1.0)
    found = evaluate(target, log, reward_model=reward_model)
    assert found.dr is not None
    for estimate in (found.ips, found.snips, found.dr):
        assert abs(estimate.value - truth) < 4 * estimate.se + 1e-9
    assert found.mean_weight_holds
    assert found.dr.se < found.ips.se


def test_the_logging_policy_itself_has_weights_of_one() -> None:
    log = uniform_log(500)
    found = evaluate(policy(Uniform()), log)
    assert found.largest_weight == pytest.approx(1, abs=1e-8)
    assert found.snips.value == pytest.approx(logged_value(log).value, abs=1e-8)
    assert found.snips.se == pytest.approx(logged_value(log).se, rel=1e-6)
    assert found.mean_weight_holds


def test_wrong_logged_propensities_are_noticed() -> None:
    log = uniform_log(4000)
    wrong = dataclasses.replace(log, propensity=log.propensity * 0.8)
    assert evaluate(policy(Greedy(floor=0.1)), log).mean_weight_holds
    assert not evaluate(policy(Greedy(floor=0.1)), wrong).mean_weight_holds
    # Also where all weights are equal and the standard error is next to nothing.
    assert not evaluate(policy(Uniform()), wrong).mean_weight_holds


def test_an_artwork_the_policy_lacks_has_weight_zero() -> None:
    log = uniform_log(300)
    smaller = PolicyModel(
        "s", 1, SCHEMA, {"t": ["y", "x"], "u": ["y"]}, np.ones((3, 4)), np.zeros(3), Uniform()
    )
    target = opened(smaller)
    known = [a in smaller.titles[t] for t, a in zip(log.title, log.artwork, strict=True)]
    found = evaluate(target, log, reward_model=CrossFitted(SCHEMA, TITLES))
    assert 0 < sum(known) < 300
    assert found.mean_weight.value == pytest.approx(
        sum(3 / 2 if t == "t" else 2.0 for t, k in zip(log.title, known, strict=True) if k) / 300,
        rel=1e-8,
    )


def test_an_order_of_artworks_of_its_own_changes_nothing() -> None:
    """A policy may list a title's artworks in another order than the reward model does."""
    log = uniform_log(400)
    straight = model(EpsilonGreedy(0.5))
    rows = [2, 0, 1, 4, 3]
    titles = {"t": ["z", "x", "y"], "u": ["y", "x"]}
    turned = dataclasses.replace(straight, titles=titles, weights=straight.weights[rows])
    reward_model = GivenModel(straight)
    one, other = (evaluate(opened(m), log, reward_model=reward_model) for m in (straight, turned))
    assert one.dr is not None
    assert other.dr is not None
    assert other.dr.value == pytest.approx(one.dr.value, rel=1e-9)
    assert other.snips.value == pytest.approx(one.snips.value, rel=1e-9)


def test_unknown_titles_and_artworks_are_refused_by_name() -> None:
    log = dataclasses.replace(uniform_log(3), title=["t", "t", "v"], artwork=["x", "y", "x"])
    with pytest.raises(DataError, match="row 2: policy 'p' has no title 'v'"):
        evaluate(policy(Uniform()), log)
    with pytest.raises(DataError, match="the reward model knows no title 'v'"):
        GivenModel(model(Uniform())).predict(log)
    smaller = {"t": ["x", "y"], "u": ["x", "y"]}
    part = PolicyModel("s", 1, SCHEMA, smaller, np.ones((4, 4)), np.zeros(4), Uniform())
    with pytest.raises(DataError, match="knows no artwork 'z' of title 't'"):
        evaluate(policy(Uniform()), uniform_log(20), reward_model=GivenModel(part))


def test_a_floor_that_cannot_hold_is_named() -> None:
    found = evaluate(policy(Greedy(floor=0.4)), uniform_log(20))
    assert found.floors == (("t", 0.4, 3),)
    assert evaluate(policy(Greedy(floor=0.3)), uniform_log(20)).floors == ()


def test_cross_fitting_never_predicts_a_row_from_itself() -> None:
    """A row's own reward must not move its prediction, whatever it is."""
    log = uniform_log(60)
    fitted = CrossFitted(SCHEMA, TITLES, l2=0.5, folds=5, seed=3)
    before = fitted.predict(log)
    moved = False
    for row in range(0, 60, 7):
        reward = log.reward.copy()
        reward[row] += 100.0
        after = fitted.predict(dataclasses.replace(log, reward=reward))
        for title, prediction in before.items():
            own = prediction.rows == row
            assert np.array_equal(prediction.values[own], after[title].values[own])
            moved |= not np.array_equal(prediction.values[~own], after[title].values[~own])
    assert moved


def test_cross_fitting_keeps_clusters_together() -> None:
    log = dataclasses.replace(uniform_log(60), cluster=np.repeat(np.arange(20), 3))
    fitted = CrossFitted(SCHEMA, TITLES, l2=0.5)
    before = fitted.predict(log)
    reward = log.reward.copy()
    reward[30:33] += 100.0
    after = fitted.predict(dataclasses.replace(log, reward=reward))
    for title, prediction in before.items():
        own = (prediction.rows >= 30) & (prediction.rows < 33)
        assert np.array_equal(prediction.values[own], after[title].values[own])


def test_cross_fitting_needs_folds_and_rows() -> None:
    with pytest.raises(DataError, match="at least 2 folds, not 1"):
        CrossFitted(SCHEMA, TITLES, folds=1)
    with pytest.raises(DataError, match="3 rows or clusters cannot be dealt to 5 folds"):
        CrossFitted(SCHEMA, TITLES).predict(uniform_log(3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": ["t"]}, "log: 1 values of title for 2 contexts"),
        ({"reward": [0.0, np.nan]}, "log: row 1: reward must be finite, not nan"),
        ({"propensity": [0.0, 1.0]}, "log: row 0: propensity must be above 0 and at most 1"),
        ({"propensity": [0.5, 1.1]}, "log: row 1: propensity must be above 0 and at most 1"),
    ],
)
def test_a_log_that_cannot_be_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataclasses.replace(uniform_log(2), **change)


def test_rows_of_a_log_can_be_taken() -> None:
    log = dataclasses.replace(uniform_log(10), cluster=np.arange(10))
    part = log.take(np.array([7, 2]))
    assert part.title == [log.title[7], log.title[2]]
    assert part.cluster is not None
    assert part.cluster.tolist() == [7, 2]


@pytest.mark.parametrize("explorer", [Greedy(floor=0.05), Greedy(floor=0.01), SquareCB(50.0)])
def test_mean_weight_holds_on_the_second_half_of_the_recorded_log(
    open_bandit: Path, explorer: Explorer
) -> None:
    items = load_items(open_bandit / "random_men_items.csv")
    rows = load_impressions(open_bandit / "random_men.csv.gz", items=items)
    first, log = rows.half("first"), rows.half("second").log()
    trainer = LinearTrainer(first.schema(), {TITLE: items.artworks()}, l2=100.0).fit(first.log())
    target = opened(trainer.to_model("men", 1, explorer))
    found = evaluate(target, log, reward_model=GivenModel(trainer.to_model("men", 1)))
    assert found.mean_weight_holds
    assert abs(found.mean_weight.value - 1) < 0.2
    assert 0 < found.effective_sample_size <= 5000.0001
    assert found.dr is not None
    assert min(found.dr.se, found.snips.se) > 0
    # 34 candidates cannot each have a twentieth: there the declared floor makes the policy uniform.
    assert bool(found.floors) == (explorer.floor == 0.05)


def test_estimators_that_need_a_model_or_one_that_can_be_fitted_anew_are_there_with_it() -> None:
    log, target = uniform_log(1500, seed=2), policy(Greedy(floor=0.1))
    plain = {"snips", "ips", "clipped", "replay"}
    assert {*evaluate(target, log).overall.estimates} == plain
    given = evaluate(target, log, reward_model=GivenModel(model(Uniform())))
    assert {*given.overall.estimates} == plain | {"dm", "dr", "sndr"}
    fitted = evaluate(target, log, reward_model=CrossFitted(SCHEMA, TITLES, l2=1.0))
    assert {*fitted.overall.estimates} == plain | {"dm", "dr", "sndr", "mrdr"}
    truth = fitted.snips
    for name, estimate in fitted.overall.estimates.items():
        if name not in ("dm", "replay"):
            assert abs(estimate.value - truth.value) < 4 * truth.se


def test_replay_judges_the_likeliest_artwork_and_has_an_interval_after_uniform_logging() -> None:
    log = uniform_log(6000, seed=3)
    found = evaluate(policy(Greedy(floor=0.1)), log)
    assert found.overall.interval("replay") is not None
    low, high = found.overall.interval("replay") or (0.0, 0.0)
    # Without its exploration greedy always shows the winner, which earns 1 in 2 times.
    assert low <= 0.5 <= high
    skewed = dataclasses.replace(log, propensity=np.where(np.arange(6000) % 2, 0.3, 0.4))
    assert evaluate(policy(Greedy(floor=0.1)), skewed).overall.interval("replay") is None


def test_the_direct_method_has_no_interval() -> None:
    log = uniform_log(6000, seed=3)
    found = evaluate(policy(Uniform()), log, reward_model=CrossFitted(SCHEMA, TITLES, l2=1.0))
    assert found.overall.interval("dm") is None
    assert found.overall.interval("dr") is not None
    assert found.to_json()["dm"] == {
        "value": found.overall.estimates["dm"].value,
        "se": None,
        "low": None,
        "high": None,
    }


@pytest.mark.parametrize(
    ("rows", "clusters", "rewarded", "doubt"),
    [
        (900, 900, 300, "the effective sample of 900 rows is smaller than 1,000"),
        (2000, 2000, 24, "rewarded rows count as 24.0 of equal weight, fewer than 25"),
        (2000, 99, 500, "units count as 99 like ones, fewer than 100"),
        (2000, 200, 500, None),
    ],
)
def test_too_few_rows_rewards_or_units_have_no_interval_but_a_plain_warning(
    rows: int, clusters: int, rewarded: int, doubt: str | None
) -> None:
    log = dataclasses.replace(
        uniform_log(rows),
        reward=(np.arange(rows) < rewarded).astype(np.float64),
        cluster=np.arange(rows) % clusters,
    )
    found = evaluate(policy(Uniform()), log, bootstrap=True)
    assert found.doubts == (() if doubt is None else (doubt,))
    told = found.to_json()["snips"]
    assert isinstance(told, dict)
    assert (told["low"] is None) == (told["bootstrap"] is None) == (doubt is not None)
    assert told["value"] == found.snips.value


def test_member_groups_have_estimates_of_their_own() -> None:
    log = uniform_log(9000, seed=4)
    target = policy(Greedy(floor=0.05))
    found = evaluate(target, log, group="c", reward_model=GivenModel(model(Uniform())))
    assert {*found.groups} == {"a", "b"}
    total = 0
    for name, group in found.groups.items():
        assert group is not None
        rows = np.flatnonzero([context["c"] == name for context in log.contexts])
        alone = evaluate(target, log.take(rows), reward_model=GivenModel(model(Uniform())))
        for estimator in ("snips", "sndr"):
            assert group.estimates[estimator].value == pytest.approx(
                alone.overall.estimates[estimator].value, rel=1e-12
            )
            assert group.interval(estimator) == pytest.approx(alone.overall.interval(estimator))
        total += group.rows
    assert total == 9000


def test_groups_need_a_category_of_few_values() -> None:
    log = uniform_log(60)
    packed = [msgpack.packb({"c": "a"}), msgpack.packb({}), msgpack.packb({"c": "b"})] * 20
    names = groups(packed, "c").tolist()
    assert names[:3] == ["a", "(missing)", "b"]
    with pytest.raises(DataError, match="no context has the feature 'd'"):
        groups(log.contexts, "d")
    with pytest.raises(DataError, match="row 0: feature 'c' is 3; groups need a category"):
        groups([{"c": 3}], "c")
    with pytest.raises(DataError, match="'c' has 51 values; groups need one of at most 50"):
        groups([{"c": str(i)} for i in range(51)], "c")


def test_shares_are_the_same_whether_they_are_kept_or_not() -> None:
    target = policy(EpsilonGreedy(0.3))
    packed = [msgpack.packb({"c": "ab"[i % 2]}) for i in range(60)]
    log = dataclasses.replace(uniform_log(60), contexts=packed)
    kept = Shares(target, keep=True)
    kept.of(log)
    for one, other, fresh in zip(
        kept.of(log).values(),
        Shares(target).of(log).values(),
        propensities(
            target, dataclasses.replace(log, contexts=[*map(msgpack.unpackb, packed)])
        ).values(),
        strict=True,
    ):
        assert np.array_equal(one.values, other.values)
        assert np.array_equal(one.values, fresh.values)


def test_defaults_are_each_titles_first_artwork() -> None:
    log = uniform_log(300)
    found = rows_of(log, Defaults(policy(Uniform())).of(log), None)
    first = np.array([TITLES[t][0] == a for t, a in zip(log.title, log.artwork, strict=True)])
    assert np.array_equal(found.weight, np.where(first, 1 / log.propensity, 0))


def test_titles_that_all_policies_have_are_found() -> None:
    smaller = PolicyModel("s", 1, SCHEMA, {"t": ["x"]}, np.zeros((1, 4)), np.zeros(1), Uniform())
    both = [policy(Uniform()), opened(smaller)]
    assert common(["t", "u", "t", "v"], both).tolist() == [True, False, True, False]
