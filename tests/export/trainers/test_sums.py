# SPDX-License-Identifier: Apache-2.0
"""The native sums are those of numpy, for sparse rows and dense ones, extras and corrections."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks import trainer_sums
from edgeart_export.trainers.sums import Rows, Sums

ARTWORKS = 7


def drawn(width: int, extras: int, share: float, count: int = 600) -> tuple[Rows, Any]:
    """Rows, and the vectors v = (x, z, y) they stand for; whole numbers, whose sums are exact."""
    rng = np.random.default_rng(width + 100 * extras)
    x = rng.integers(-3, 4, (count // 2, width)) * (rng.random((count // 2, width)) < share)
    context = rng.integers(0, len(x), count)
    z = np.zeros((count, extras))
    extra = None
    if extras:
        extra = np.stack(
            [rng.integers(-1, extras // 2, count), rng.integers(extras // 2, extras, count)], axis=1
        )
        for column in extra.T:
            set_ = column >= 0
            z[np.flatnonzero(set_), column[set_]] = 1
    reward = rng.integers(-2, 3, count).astype(np.float64)
    weight = rng.integers(0, 3, count).astype(np.float64)
    artwork = rng.integers(0, ARTWORKS - 1, count)  # the last has no rows
    rows = Rows(x.astype(np.float32), context, artwork, reward, weight, extra=extra)
    return rows, np.hstack([x[context], z, reward[:, None]])


def square(sums: Sums) -> npt.NDArray[np.float64]:
    """Σ ω·v·vᵀ of every artwork, put together from its parts."""
    part = sums.part(slice(None))
    top = np.concatenate([part.xx, part.xz, part.xy[..., None]], axis=2)
    middle = np.concatenate([part.xz.transpose(0, 2, 1), part.zz, part.zy[..., None]], axis=2)
    last = np.concatenate([part.xy, part.zy, part.yy[:, None]], axis=1)[:, None]
    return np.concatenate([top, middle, last], axis=1)


@pytest.mark.parametrize("share", [1.0, 0.05], ids=["dense", "sparse"])
@pytest.mark.parametrize(("width", "extras"), [(1, 0), (4, 2), (31, 0), (32, 8), (61, 0), (130, 3)])
def test_sums_are_those_of_numpy_to_the_bit(width: int, extras: int, share: float) -> None:
    rows, v = drawn(width, extras, share)
    sums = Sums(ARTWORKS, width, extras)
    sums.add(rows)
    for artwork in range(ARTWORKS):
        own = rows.artwork == artwork
        wanted = (v[own] * rows.weight[own, None]).T @ v[own]
        np.testing.assert_array_equal(square(sums)[artwork], wanted)
        assert sums.counts[artwork] == rows.weight[own].sum()
        assert sums.rewards[artwork] == (rows.weight * rows.reward)[own].sum()


@pytest.mark.parametrize("share", [1.0, 0.05], ids=["dense", "sparse"])
def test_a_corrected_reward_leaves_what_the_right_one_would_have(share: float) -> None:
    rows, _ = drawn(93, 3, share)
    right = Sums(ARTWORKS, 93, 3)
    right.add(rows)
    first = np.zeros_like(rows.reward)
    corrected = Sums(ARTWORKS, 93, 3)
    given = (rows.vectors, rows.context, rows.artwork)
    corrected.add(Rows(*given, first, rows.weight, extra=rows.extra))
    corrected.add(Rows(*given, rows.reward, rows.weight, previous=first, extra=rows.extra))
    np.testing.assert_array_equal(square(corrected), square(right))
    np.testing.assert_array_equal(corrected.counts, right.counts)
    np.testing.assert_array_equal(corrected.rewards, right.rewards)


def test_rows_that_correct_nothing_may_stand_among_those_that_do() -> None:
    rows, _ = drawn(9, 0, 1.0, count=40)
    plain, mixed = Sums(ARTWORKS, 9), Sums(ARTWORKS, 9)
    plain.add(rows)
    new = np.full(40, np.nan)
    mixed.add(Rows(rows.vectors, rows.context, rows.artwork, rows.reward, rows.weight, new))
    np.testing.assert_array_equal(mixed.values, plain.values)


def test_the_same_rows_give_the_same_bits() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(500, 32)).astype(np.float32)
    rows = Rows(x, np.arange(500), rng.integers(0, 3, 500), rng.random(500), rng.random(500))
    one, two = Sums(3, 32), Sums(3, 32)
    one.add(rows)
    two.add(rows)
    assert one.values.tobytes() == two.values.tobytes()


@pytest.mark.parametrize(("artwork", "context"), [(7, 0), (-1, 0), (0, 2), (0, -1)])
def test_what_is_out_of_range_is_refused_before_anything_is_added(
    artwork: int, context: int
) -> None:
    sums = Sums(ARTWORKS, 2)
    bad = Rows(
        np.ones((2, 2), np.float32),
        np.array([0, context]),
        np.array([0, artwork]),
        np.ones(2),
        np.ones(2),
    )
    with pytest.raises(IndexError, match="row 1: artwork"):
        sums.add(bad)
    assert not sums.values.any()


@pytest.mark.parametrize("extra", [(0, 3), (3, 1), (1, 1), (2, 0), (3, -1)])
def test_extras_out_of_range_or_order_are_refused(extra: tuple[int, int]) -> None:
    sums = Sums(1, 2, 3)
    one = np.ones(1)
    bad = Rows(
        np.ones((1, 2), np.float32), np.array([0]), np.array([0]), one, one, extra=np.array([extra])
    )
    with pytest.raises(IndexError, match=r"row 0: .* of 3"):
        sums.add(bad)


def test_halving_is_exact() -> None:
    rows, _ = drawn(5, 0, 1.0)
    sums = Sums(ARTWORKS, 5)
    sums.add(rows)
    before = sums.values.copy()
    sums.halve(3)
    np.testing.assert_array_equal(sums.values * 8, before)


def test_the_benchmark_compares_equal_sums_and_counts_all_bytes() -> None:
    found = trainer_sums.race("sparse", 100, 5, barred=False, rounds=2)
    assert found["exposures"] == 500
    assert found["loop_over_sums"]["median"] > 0
    assert found["met"] is None
    kept = trainer_sums.memory(artworks=200, exposures=100_000)
    n = kept["slots"] + 1
    assert kept["sums_bytes"] == 200 * 8 * (n * (n + 1) // 2 + 2)
    assert kept["peak_bytes_model"] >= kept["peak_bytes_learned"] > kept["sums_bytes"]
