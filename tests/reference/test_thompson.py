# SPDX-License-Identifier: Apache-2.0
"""Thompson's probabilities against numerical integration, and their laws (decision.md §5.2)."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import sample
from tests.reference.binary import round32, tiny
from tests.reference.explore import TOTAL, integers
from tests.reference.features import Explorer
from tests.reference.thompson import best_probabilities, grid
from tests.support import quadrature

SEEDS = st.integers(0, 2**64 - 1)


def belief(random_: random.Random, apart: float) -> tuple[list[float], list[float]]:
    """Means and standard deviations, these at most so many times apart."""
    count = random_.choice([2, 2, 3, 4, 6, 10])
    span = random_.choice([1.0, 2.0, 5.0, apart])
    if random_.random() < 0.3:
        sigmas = [random_.choice([1.0, span]) for _ in range(count)]
    else:
        sigmas = [math.exp(random_.uniform(0, math.log(span))) for _ in range(count)]
    spread = random_.choice([0.0, 0.1, 0.5, 1.0, 3.0, 8.0]) * max(sigmas)
    return [random_.gauss(0.0, spread) for _ in range(count)], sigmas


def gaps(means: list[float]) -> list[float]:
    return [max(means) - mean for mean in means]


def worst(means: list[float], sigmas: list[float]) -> float:
    """The largest error of a probability."""
    true = quadrature.best_probabilities(means, sigmas)
    assert abs(sum(true) - 1) < 1e-10, "the truth itself"
    ours = best_probabilities(gaps(means), sigmas)
    return max(abs(a - b) for a, b in zip(ours, true, strict=True))


def test_the_integration_gives_what_is_known_in_closed_form() -> None:
    means, sigmas = [0.3, -0.2], [0.5, 1.2]
    p, q = quadrature.best_probabilities(means, sigmas)
    assert abs(p - quadrature.distribution(0.5 / 1.3)) < 1e-12
    assert abs(p + q - 1) < 1e-12
    assert all(
        abs(each - 1 / 7) < 1e-12 for each in quadrature.best_probabilities([2.0] * 7, [3.0] * 7)
    )


def test_probabilities_are_those_of_the_integral() -> None:
    random_ = sample.seeded(1)
    errors = sorted(worst(*belief(random_, 30.0)) for _ in range(400))
    print(f"largest error of 400: {errors[-1]:.1e}, median {errors[200]:.1e}")
    assert errors[-1] <= 2e-4
    assert errors[200] <= 1e-5


# Found by climbing from random beliefs towards larger errors.
HARDEST: list[tuple[list[float], list[float]]] = [
    ([-19.325, 0.0, -32.082, -19.513], [1.0, 5.0, 5.0, 1.0]),
    ([-38.6063, -77.0385, 0.0, -142.4264, -41.3891], [1.0, 1.1735, 10.6796, 23.3402, 1.8132]),
    ([-41.872, 0.0, -97.8061], [1.0, 11.6169, 12.6788]),
    (
        [-138.1967, -163.2504, 0.0, -102.9679, -176.9375],
        [8.3915, 13.9561, 28.694, 1.9049, 1.6809],
    ),
]


@pytest.mark.parametrize(("means", "sigmas"), HARDEST)
def test_the_hardest_beliefs_stay_within_the_stated_error(
    means: list[float], sigmas: list[float]
) -> None:
    error = worst(means, sigmas)
    print(f"error {error:.1e}")
    assert error <= 3e-4


def test_many_candidates_that_are_left_out_stay_within_the_stated_error() -> None:
    # Each has a chance of 3·10⁻⁶, which is given to the first.
    means, sigmas = [0.0, *[-4.65] * 255], [1 / 30, *[1.0] * 255]
    at = grid(gaps(means), sigmas)
    assert at is not None
    assert at.alive == (0,)
    error = 1 - quadrature.best_probability(0, means, sigmas)
    print(f"error {error:.1e}")
    assert 2e-4 < error <= 3e-3


@given(SEEDS)
def test_two_candidates_have_the_probability_of_their_difference(seed: int) -> None:
    random_ = sample.seeded(seed)
    gap, sigma = random_.uniform(0, 5), math.exp(random_.uniform(0, math.log(30)))
    p = best_probabilities([0.0, gap], [1.0, sigma])
    assert abs(p[1] - quadrature.distribution(-gap / math.hypot(1.0, sigma))) <= 3e-4
    assert abs(sum(p) - 1) < 1e-15


SCORES = st.floats(-1000, 1000, width=32).map(tiny)
VARIANCES = st.floats(0, 1000, width=32).map(tiny)
BELIEFS = st.lists(st.tuples(SCORES, VARIANCES), min_size=1, max_size=40)
ALPHAS = st.sampled_from([2.0**-20, 0.3, 1.0, 2.0**20]) | st.floats(2.0**-20, 2.0**20)


@settings(max_examples=60)
@given(BELIEFS, ALPHAS, st.floats(0.0, 1.0))
def test_integers_add_up_keep_the_floor_and_stay_in_their_order(
    beliefs: list[tuple[float, float]], alpha: float, floor: float
) -> None:
    scores, variances = zip(*beliefs, strict=True)
    n = integers(Explorer("thompson", floor, alpha), scores, variances)
    assert sum(n) == TOTAL
    assert min(n) >= min(math.floor(floor * TOTAL), TOTAL // len(n))


@settings(max_examples=40)
@given(st.lists(SCORES, min_size=2, max_size=12), st.floats(2.0**-7, 100, width=32), ALPHAS)
def test_of_equally_uncertain_candidates_a_better_one_never_has_less(
    scores: list[float], variance: float, alpha: float
) -> None:
    n = integers(Explorer("thompson", 0.0, alpha), scores, [round32(variance)] * len(scores))
    order = sorted(range(len(n)), key=scores.__getitem__)
    # w is a sum of binary32: the last bits of two nearly equal ones may change places.
    slack = TOTAL // 2**20
    assert all(n[a] <= n[b] + slack for a, b in itertools.pairwise(order))


@pytest.mark.parametrize(
    ("scores", "variances", "expected"),
    [
        ([0.5], [1.0], [TOTAL]),
        ([0.5, 0.75, 0.25], [0.0, 0.0, 0.0], [0, TOTAL, 0]),
        ([0.5, 0.75, 0.75], [0.0, 0.0, 0.0], [0, TOTAL, 0]),
        ([0.0, -100.0], [1.0, 1.0], [TOTAL, 0]),
        ([0.5, 0.5], [1.0, 1.0], [TOTAL // 2, TOTAL // 2]),
        # What is uncertain is out of reach, and left are only certain ones.
        ([0.5, 0.5, -20.0], [0.0, 0.0, 1.0], [TOTAL, 0, 0]),
    ],
)
def test_plain_cases_come_out_as_by_thought(
    scores: list[float], variances: list[float], expected: list[int]
) -> None:
    assert integers(Explorer("thompson", 0.0, 1.0), scores, variances) == expected


@pytest.mark.parametrize(("ratio", "points"), [(1, 16), (4, 32), (16, 128), (32, 256), (99, 256)])
def test_the_grid_grows_with_how_far_standard_deviations_are_apart(
    ratio: float, points: int
) -> None:
    at = grid([0.0, 0.0], [1.0, 1.0 / ratio])
    assert at is not None
    assert 8 * at.blocks <= points
    assert at.h <= max(1 / ratio, 1 / 32) * 1.0001
    assert len({at.point(j) for j in range(8 * at.blocks)}) == 8 * at.blocks


def test_ucb_gives_all_but_the_floor_to_the_highest_bound() -> None:
    scores, variances = [0.5, 1.0, 0.75], [1.0, 0.25, 0.5625]
    assert integers(Explorer("ucb", 0.0, 1.0), scores, variances) == [TOTAL, 0, 0]  # all 1.5: tied
    assert integers(Explorer("ucb", 0.0, 0.5), scores, variances) == [0, TOTAL, 0]
    floored = integers(Explorer("ucb", 0.25, 2.0), scores, variances)
    assert floored == [TOTAL // 2, TOTAL // 4, TOTAL // 4]
    assert integers(Explorer("ucb", 1.0, 2.0), scores, variances)[1:] == [TOTAL // 3] * 2


@given(BELIEFS, ALPHAS)
def test_ucb_is_greedy_for_the_certain(beliefs: list[tuple[float, float]], beta: float) -> None:
    scores = [score for score, _ in beliefs]
    ucb = integers(Explorer("ucb", 0.01, beta), scores, [0.0] * len(scores))
    assert ucb == integers(Explorer("greedy", 0.01), scores)


@pytest.mark.parametrize("sure", [0.0, 1e-6, 1e-3, 1 / 64])
def test_a_candidate_far_surer_than_another_keeps_its_share(sure: float) -> None:
    """Counted as 32 times surer, it must not lose mass at the end of the grid."""
    # P(N(0, 1) > 0.01), the other being all but fixed at 0.01
    wanted = math.erfc(0.01 / math.sqrt(2)) / 2
    assert best_probabilities([0.01, 0.0], [1.0, sure])[0] == pytest.approx(wanted, abs=3e-3)
