# SPDX-License-Identifier: Apache-2.0
"""The draws follow the propensities and know nothing of one another. All seeds are fixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest

import edgeart
from tests.support.bundles import EXPLORERS, twins
from tests.support.chi2 import assert_drawn_from, assert_independent


def decided(policy: edgeart.Policy, seeds: range) -> Iterator[list[str | None]]:
    """The artworks of all titles, for one seed after the other."""
    titles = policy.page_titles(policy.titles)
    for seed in seeds:
        yield policy.select_page(policy.context(b"\x80", seed=seed), titles).artworks()


@pytest.mark.parametrize("kind", EXPLORERS)
def test_a_million_draws_follow_the_propensities(kind: str) -> None:
    """200 titles of one probability vector each, times 5,000 seeds; rows counted natively."""
    policy = edgeart.Policy.from_bytes(twins(EXPLORERS[kind], titles=200))
    shares = policy.propensities(policy.context(seed=0), "t0")
    titles = policy.page_titles(policy.titles)
    rows: Counter[int] = Counter()
    for seed in range(5_000):
        page = policy.select_page(policy.context(b"\x80", seed=seed), titles)
        rows.update(page.raw.cast("I")[1::6].tolist())
    counts: Counter[str] = Counter()
    for row, count in rows.items():
        counts[f"a{row % 6}"] += count
    assert counts.total() == 1_000_000
    assert_drawn_from(counts, shares)


def test_the_draws_of_one_title_follow_the_propensities_over_seeds() -> None:
    policy = edgeart.Policy.from_bytes(twins(EXPLORERS["softmax"], titles=1))
    shares = policy.propensities(policy.context(seed=0), "t0")
    spread = range(0, 2**64, 2**64 // 30_000)
    for seeds in (range(30_000), spread):
        assert_drawn_from(Counter(artworks[0] for artworks in decided(policy, seeds)), shares)


def test_two_titles_two_seeds_and_two_policies_draw_independently() -> None:
    policy = edgeart.Policy.from_bytes(twins(["uniform", 0.0], titles=3))
    table = list(decided(policy, range(20_000)))
    assert_independent((row[0], row[1]) for row in table)
    assert_independent((row[1], row[2]) for row in table)
    assert_independent((row[0], following[0]) for row, following in pairwise(table))
    assert_independent((row[0], following[1]) for row, following in pairwise(table))
    halves = zip(table[:10_000], table[10_000:], strict=True)
    assert_independent((row[0], other[0]) for row, other in halves)


def test_a_title_draws_the_same_for_equal_seeds_whatever_the_unit() -> None:
    policy = edgeart.Policy.from_bytes(twins(["uniform", 0.0], titles=50))
    for seed in range(20):
        one = policy.select_page(policy.context(seed=seed, unit=1), policy.titles)
        two = policy.select_page(policy.context(seed=seed, unit=2), policy.titles)
        assert one.artworks() == two.artworks()
