# SPDX-License-Identifier: Apache-2.0
"""The ridge is the textbook's, its sums merge, and every form of batch gives the same sums."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeart_export import Category, DataError, FeatureSchema, Greedy, LinearTrainer, Log, Number

SCHEMA = FeatureSchema([Category("c", ["a", "b"]), Number("n", indicator=False)])
TITLES = {"t": ["x", "y"], "u": ["x"]}
SUMS = ("A", "b", "rewards", "squares", "counts")

ROW = st.tuples(
    st.sampled_from([("t", "x"), ("t", "y"), ("u", "x")]),
    st.sampled_from(["a", "b", "?"]),
    st.integers(-3, 3),
    st.integers(0, 4),
)


def batch_of(rows: list[Any]) -> Log:
    return Log(
        contexts=[{"c": c, "n": n} for _, c, n, _ in rows],
        title=[pair[0] for pair, *_ in rows],
        artwork=[pair[1] for pair, *_ in rows],
        reward=np.array([r for *_, r in rows], dtype=np.float64),
        propensity=np.ones(len(rows)),
    )


def trainer(l2: float = 2.0) -> LinearTrainer:
    return LinearTrainer(SCHEMA, TITLES, l2=l2)


def sums(of: LinearTrainer) -> dict[str, Any]:
    return {name: getattr(of, name).tolist() for name in SUMS}


def some_rows(count: int = 60) -> list[Any]:
    rng = np.random.default_rng(8)
    pairs = [("t", "x"), ("t", "y"), ("u", "x")]
    return [
        (pairs[rng.integers(3)], "ab?"[rng.integers(3)], float(rng.normal()), float(rng.random()))
        for _ in range(count)
    ]


# Whole numbers add up exactly, so that the laws hold to the bit and in any order.
@given(st.lists(ROW, min_size=1, max_size=30), st.lists(ROW, min_size=1, max_size=30))
def test_merging_parts_equals_training_on_all(one: list[Any], two: list[Any]) -> None:
    whole = trainer().fit(batch_of(one + two))
    merged = trainer().fit(batch_of(one)).merge(trainer().fit(batch_of(two)))
    reverse = trainer().fit(batch_of(two)).merge(trainer().fit(batch_of(one)))
    later = trainer().partial_fit(batch_of(one)).partial_fit(batch_of(two))
    assert sums(whole) == sums(merged) == sums(reverse) == sums(later)


@given(st.lists(ROW, min_size=1, max_size=20))
def test_an_untrained_part_changes_nothing(rows: list[Any]) -> None:
    part = trainer().fit(batch_of(rows))
    before = sums(part)
    assert sums(part.merge(trainer())) == before


def test_fit_forgets_and_partial_fit_does_not() -> None:
    rows = some_rows()
    once = sums(trainer().fit(batch_of(rows)))
    assert sums(trainer().fit(batch_of(rows[:5])).fit(batch_of(rows))) == once
    assert sums(trainer().fit(batch_of(rows)).partial_fit(batch_of(rows))) != once


def test_weights_are_the_ridge_solution_of_each_artwork() -> None:
    rows = some_rows()
    log = batch_of(rows)
    model = trainer().fit(log).to_model("p", 3, Greedy(floor=0.1), {"k": "v"})
    x = SCHEMA.encode_many(log.contexts).astype(np.float64)
    for row, (title, artwork) in enumerate(model.artworks):
        mine = [i for i, (pair, *_) in enumerate(rows) if pair == (title, artwork)]
        # Ridge as least squares with √λ·I stacked below: another way to the same numbers.
        stacked = np.vstack([x[mine], np.sqrt(2.0) * np.eye(SCHEMA.width)])
        wanted = np.linalg.lstsq(stacked, np.append(log.reward[mine], np.zeros(SCHEMA.width)))[0]
        np.testing.assert_allclose(model.weights[row], wanted, rtol=1e-5, atol=1e-6)
    assert (model.name, model.sequence, model.explorer.floor) == ("p", 3, 0.1)
    assert not model.bias.any()


def test_variance_is_the_titles_noise_over_the_diagonal_of_the_precision() -> None:
    fitted = trainer().fit(batch_of(some_rows()))
    model = fitted.to_model("p", 1)
    assert model.variance is not None
    noise, w = fitted.noise(), fitted.solve()
    a, k = fitted.A, SCHEMA.width
    regular = a + 2.0 * np.eye(k)
    used = np.trace(np.linalg.solve(regular, a), axis1=1, axis2=2)
    residual = fitted.squares - 2 * (w * fitted.b).sum(axis=1)
    residual += np.einsum("ri,rij,rj->r", w, a, w)
    assert noise == pytest.approx(residual.sum() / (fitted.counts.sum() - used.sum()), rel=1e-9)
    # A title's own, shrunk to the pool by a hundred exposures; the first title has rows 0 and 1.
    for rows in ([0, 1], [2]):
        own = (residual[rows].sum() + 100 * noise) / (fitted.counts[rows] - used[rows]).sum(
            initial=100
        )
        diagonal = np.diagonal(a, axis1=1, axis2=2)[rows] + 2.0
        np.testing.assert_allclose(model.variance[rows], own / diagonal, rtol=1e-6)


def test_variances_may_be_told_to_doubt_more_than_the_weights_are_shrunk() -> None:
    fitted = trainer().fit(batch_of(some_rows()))
    plain, doubting = fitted.to_model("p", 1), fitted.to_model("p", 1, variance_l2=0.5)
    assert plain.variance is not None
    assert doubting.variance is not None
    np.testing.assert_array_equal(doubting.weights, plain.weights)
    diagonal = np.diagonal(fitted.A, axis1=1, axis2=2)
    np.testing.assert_allclose(
        doubting.variance * (diagonal + 0.5), plain.variance * (diagonal + 2.0), rtol=1e-6
    )
    surer = fitted.to_model("p", 1, variance_l2=7.0)  # a bound, not another λ
    np.testing.assert_array_equal(surer.variance, plain.variance)


def test_noise_estimates_the_variance_of_the_rewards_about_their_mean() -> None:
    rng = np.random.default_rng(5)
    n = rng.normal(size=6000)
    log = batch_of([(("t", "x"), "a", v, 0.0) for v in n])
    log.reward[:] = 0.5 + 0.2 * n + rng.normal(0, 0.3, 6000)
    # 6,000 draws of variance 0.09: standard error 0.09 · √(2/6000) = 0.0016.
    assert trainer(0.01).fit(log).noise() == pytest.approx(0.09, abs=0.005)


def test_an_artwork_never_shown_scores_nothing() -> None:
    model = trainer().fit(batch_of([(("t", "x"), "a", 1.0, 1.0)])).to_model("p", 1)
    assert model.weights[0].any()
    assert not model.weights[1:].any()


def test_weight_counts_a_row_so_many_times() -> None:
    rows = some_rows(10)
    doubled = trainer().fit(batch_of(rows + rows))
    log = batch_of(rows)
    weighted = trainer().fit(
        {
            "title": log.title,
            "artwork": log.artwork,
            "reward": log.reward,
            "context": log.contexts,
            "weight": np.full(10, 2.0),
        }
    )
    for name in SUMS:
        np.testing.assert_allclose(getattr(weighted, name), getattr(doubled, name), rtol=1e-12)


def test_every_form_of_batch_gives_the_same_sums() -> None:
    log = batch_of(some_rows())
    wanted = sums(trainer().fit(log))
    x = SCHEMA.encode_many(log.contexts)
    texts = {"title": pa.array(log.title).dictionary_encode(), "artwork": pa.array(log.artwork)}
    lists = {
        "fixed": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), SCHEMA.width),
        "list": pa.array(x.tolist(), pa.list_(pa.float32())),
        "binary": pa.array([msgpack.packb(c) for c in log.contexts], pa.binary()),
    }
    for name, context in lists.items():
        columns = {**texts, "reward": pa.array(log.reward), "context": context}
        for batch in (pa.table(columns), pa.RecordBatch.from_pydict(columns)):
            assert sums(trainer().fit(batch)) == wanted, name
        sliced = trainer()
        for part in pa.table(columns).to_batches(max_chunksize=7):
            sliced.partial_fit(part)
        for what in SUMS:
            np.testing.assert_allclose(getattr(sliced, what), np.array(wanted[what]), rtol=1e-9)
    arrays = {"title": np.array(log.title), "artwork": np.array(log.artwork), "context": x}
    assert sums(trainer().fit({**arrays, "reward": log.reward})) == wanted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reward": None}, "the batch has no column reward"),
        ({"artwork": ["x", "z"]}, "row 1: title 't' with artwork 'z' is not among"),
        ({"reward": [0.0, np.nan]}, "row 1: reward must be finite, not nan"),
        ({"reward": ["a", "b"]}, "reward must be numbers"),
        ({"reward": [1.0]}, "1 values of reward for 2 contexts"),
        ({"weight": [1.0, -1.0]}, "row 1: weight must be finite and not negative, not -1"),
        ({"context": np.zeros((2, 3))}, r"context has shape \(2, 3\); \[n, 5\] is needed"),
        ({"context": np.full((2, 5), np.inf)}, "context: every slot must be finite"),
        ({"context": pa.array([[1.0], [1.0, 2.0]])}, "every list must have 5 numbers"),
        ({"context": pa.array([1.0, 2.0])}, "context must be a list of 5 numbers or binary"),
        ({"context": 7}, "context: cannot read int"),
        ({"artwork": ["x"]}, "1 artworks for 2 titles"),
        ({"title": "tt"}, "title and artwork must be columns of strings"),
    ],
)
def test_a_batch_that_cannot_be_used_is_refused_and_changes_nothing(
    change: dict[str, Any], message: str
) -> None:
    batch: dict[str, Any] = {
        "title": ["t", "t"],
        "artwork": ["x", "y"],
        "reward": [0.0, 1.0],
        "context": np.ones((2, 5), np.float32),
    }
    fitted = trainer().fit(batch)
    before = sums(fitted)
    batch.update(change)
    with pytest.raises(DataError, match=message):
        fitted.partial_fit({name: column for name, column in batch.items() if column is not None})
    assert sums(fitted) == before


def test_what_is_no_batch_is_refused() -> None:
    with pytest.raises(DataError, match="a batch is an Arrow table, a Log or a mapping, not int"):
        trainer().fit(7)  # type: ignore[arg-type]


@pytest.mark.parametrize("l2", [0, -1, float("inf"), float("nan")])
def test_a_penalty_that_is_none_is_refused(l2: float) -> None:
    with pytest.raises(DataError, match="l2 must be a number above 0"):
        trainer(l2)


def test_trainers_of_different_questions_are_not_merged() -> None:
    with pytest.raises(DataError, match="different l2"):
        trainer(1.0).merge(trainer(2.0))
    with pytest.raises(DataError, match="different titles"):
        trainer().merge(LinearTrainer(SCHEMA, {"t": ["x"]}, l2=2.0))
    with pytest.raises(DataError, match="different schema"):
        trainer().merge(LinearTrainer(FeatureSchema([]), TITLES, l2=2.0))
    with pytest.raises(DataError, match="another order"):
        trainer().merge(LinearTrainer(SCHEMA, dict(reversed(TITLES.items())), l2=2.0))


def test_best_fixed_is_the_best_mean_of_each_title() -> None:
    rows = [(("t", "x"), "a", 0, 1), (("t", "x"), "a", 0, 0), (("t", "y"), "a", 0, 2)]
    assert trainer().fit(batch_of(rows)).best_fixed() == {"t": "y", "u": "x"}
