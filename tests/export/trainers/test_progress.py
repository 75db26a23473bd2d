# SPDX-License-Identifier: Apache-2.0
"""The statistic that decides is the within-title correlation, over the later half of the rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgeart_export.trainers.progress import Progress, _step

Part = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray, np.ndarray]


def part(count: int, seed: int) -> Part:
    """Titles, rewards, predictions, weights, propensities."""
    rng = np.random.default_rng(seed)
    title = rng.integers(0, 3, count)
    reward = rng.random(count) + title
    one, two = reward + rng.normal(size=count), rng.normal(size=count)
    weight = rng.integers(1, 4, count) * 1.0
    return title, reward, {"one": one, "two": two}, weight, np.full(count, 0.25)


def test_it_is_the_squared_correlation_within_titles() -> None:
    progress = Progress(3, ("one", "two"))
    title, reward, predicted, weight, chance = part(500, 1)
    progress.add(100, title, reward, predicted, weight, chance)
    repeated = np.repeat(np.arange(500), weight.astype(int))
    for name, found in progress.explained().items():
        r, s = reward[repeated].copy(), predicted[name][repeated].copy()
        for t in range(3):
            of = title[repeated] == t
            r[of] -= r[of].mean()
            s[of] -= s[of].mean()
        correlation = np.corrcoef(r, s)[0, 1]
        assert found == pytest.approx(max(correlation, 0) ** 2, rel=1e-9), name
    assert progress.explained()["one"] > 0.02


def test_how_far_predictions_are_shrunk_does_not_matter_but_their_sign_does() -> None:
    progress = Progress(3, ("as it is", "shrunk", "turned"))
    title, reward, predicted, weight, chance = part(300, 2)
    one = predicted["one"]
    scores = {"as it is": one, "shrunk": 7 + 0.01 * one, "turned": -one}
    progress.add(100, title, reward, scores, weight, chance)
    found = progress.explained()
    assert found["as it is"] == pytest.approx(found["shrunk"], rel=1e-6)
    assert found["turned"] == 0.0


def at_once(seeds: range, count: int) -> dict[str, float]:
    """The statistic of these parts added as one."""
    parts = [part(count, seed) for seed in seeds]
    title, reward, weight, chance = (np.concatenate([p[i] for p in parts]) for i in (0, 1, 3, 4))
    progress = Progress(3, ("one", "two"))
    names = ("one", "two")
    predicted = {name: np.concatenate([p[2][name] for p in parts]) for name in names}
    progress.add(100, title, reward, predicted, weight, chance)
    return progress.explained()


def test_only_the_later_half_counts() -> None:
    progress = Progress(3, ("one", "two"))
    for seed in range(8):
        title, reward, predicted, weight, chance = part(100, seed)
        if seed < 4:
            predicted = {"one": -predicted["one"], "two": reward}
        progress.add(100 * seed, title, reward, predicted, weight, chance)
    assert progress.rows == 800
    assert progress.explained() == pytest.approx(at_once(range(4, 8), 100), rel=1e-9)


def test_who_had_learned_equally_much_is_one_part() -> None:
    progress = Progress(3, ("one", "two"))
    for seed in range(8):
        progress.add(100 + 50 * (seed // 4) + seed, *part(10, seed))
    assert progress.rows == 80
    assert [*progress.parts] == [100, 150]
    assert progress.explained() == pytest.approx(at_once(range(4, 8), 10), rel=1e-9)


def test_parts_are_bounded_and_boundaries_a_tenth_apart_are_told_apart() -> None:
    boundary, boundaries = 100, []
    while boundary < 10**9:
        boundaries.append(_step(boundary))
        assert 0.95 * boundary <= boundaries[-1] <= boundary
        boundary += max(100, boundary // 10)
    assert boundaries == sorted(set(boundaries))
    assert len({_step(n) for n in range(0, 10**6, 7)}) < 200
    assert all(_step(_step(n)) == _step(n) for n in range(10**5))


def test_merging_adds_parts_in_any_order() -> None:
    def predicted(seeds: range, at: int) -> Progress:
        made = Progress(3, ("one", "two"))
        for seed in seeds:
            made.add(at + 100 * (seed % 2), *part(50, seed))
        return made

    made = [(range(4), 100), (range(4, 6), 100), (range(6, 9), 300)]
    found = []
    for order in itertools.permutations(made):
        one, *others = (predicted(*which) for which in order)
        for other in others:
            kept = other.explained()
            one.merge(other)
            one.merge(Progress(3, ("one", "two")))
            assert other.explained() == kept
        assert sorted(one.parts) == [100, 200, 300, 400]
        assert one.rows == 450
        found.append(one)
    for one in found[1:]:
        assert one.explained() == pytest.approx(found[0].explained(), rel=1e-12)
        assert one.errors() == pytest.approx(found[0].errors(), rel=1e-12)


def test_among_more_titles_the_same_is_said() -> None:
    progress = Progress(3, ("one", "two"))
    progress.add(100, *part(200, 1))
    wider = progress.placed(5, np.array([4, 0, 2]))
    assert wider.titles == 5
    assert wider.explained() == pytest.approx(progress.explained(), rel=1e-12)
    assert wider.errors() == progress.errors()


def test_a_candidate_that_said_nothing_explains_nothing() -> None:
    title, reward, predicted, weight, chance = part(200, 1)
    progress = Progress(3, ("one", "later"))
    progress.add(100, title, reward, {"one": predicted["one"]}, weight, chance)
    assert progress.explained()["later"] == 0.0
    assert progress.explained()["one"] > 0.0


def test_what_never_varies_explains_nothing() -> None:
    progress = Progress(1, ("constant",))
    rows = np.zeros(50, dtype=np.int64)
    rewards = np.random.default_rng(1).random(50)
    one = np.ones(50)
    progress.add(100, rows, rewards, {"constant": np.full(50, 1e6)}, one, one)
    assert progress.explained() == {"constant": 0.0}
    same = Progress(1, ("varies",))
    same.add(100, rows, np.full(50, 0.3), {"varies": rewards}, one, one)
    assert same.explained() == {"varies": 0.0}
    assert Progress(1, ("nothing",)).explained() == {"nothing": 0.0}


def test_errors_are_mean_squares_by_weight_whatever_the_propensity() -> None:
    progress = Progress(3, ("one", "two"))
    title, reward, predicted, weight, _ = part(200, 5)
    progress.add(100, title, reward, predicted, weight, np.linspace(0.01, 1, 200))
    for name, found in progress.errors().items():
        wanted = np.average((predicted[name] - reward) ** 2, weights=weight)
        assert found == pytest.approx(wanted, rel=1e-12)
    assert Progress(1, ("nothing",)).errors() == {"nothing": 0.0}


def test_a_rare_choice_counts_as_many_but_no_more_than_ten() -> None:
    title, reward, predicted, weight, _ = part(200, 5)
    rare = np.where(np.arange(200) < 50, 0.5, 0.001)
    one, two = Progress(3, ("one", "two")), Progress(3, ("one", "two"))
    one.add(100, title, reward, predicted, weight, rare)
    two.add(100, title, reward, predicted, weight * np.where(rare == 0.5, 2.0, 10.0), np.ones(200))
    assert one.explained() == pytest.approx(two.explained(), rel=1e-12)
