# SPDX-License-Identifier: Apache-2.0
"""Laws of eligibility, excluded rows, host candidates and fallback (decision.md §6)."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import sample, sample_format2
from tests.reference.bundle import Title, open_bundle
from tests.reference.decide import (
    FALLBACK,
    HOST_UNIFORM,
    NO_ARTWORK,
    NONE,
    UNKNOWN_TITLE,
    Context,
    Limits,
    candidates,
    explore,
    fallback,
    is_candidate,
    is_in,
    prepare,
    select,
    select_host,
)
from tests.reference.explore import TOTAL
from tests.reference.siphash import draw_key
from tests.reference.write import pack, write
from tests.support.chi2 import assert_drawn_from

SEEDS = st.integers(0, 2**64 - 1)


def prepared(random_: random.Random) -> tuple[Context, Limits]:
    """A context of a policy of format 2, and limits."""
    explorer = random_.choice([*sample.EXPLORERS, *sample_format2.EXPLORERS])
    description = sample_format2.policy(random_, explorer=explorer, rows="f32", titles=4, most=6)
    bundle = open_bundle(write(description))
    context_map = pack(sample.context(random_, description["features"]))
    limits = sample_format2.limits(random_, len(bundle.bias), len(bundle.attributes))
    seed, unit = random_.getrandbits(64), random_.getrandbits(64)
    return prepare(bundle, context_map, seed=seed, unit=unit), limits


def without(context: Context, limits: Limits) -> Context:
    """The context of a bundle that has the candidates alone; titles keep their places."""
    bundle = context.bundle
    titles: list[Title] = []
    kept: list[int] = []
    for title in bundle.titles:
        rows = [row for row in title.rows if is_candidate(bundle, row, limits)]
        names = tuple(title.artworks[row - title.first] for row in rows)
        titles.append(replace(title, first=len(kept), artworks=names))
        kept += rows
    masks = tuple(bundle.masks[row] for row in kept) if bundle.masks else ()
    variances = context.variances and [context.variances[row] for row in kept]
    return replace(
        context,
        bundle=replace(bundle, titles=tuple(titles), masks=masks),
        scores=[context.scores[row] for row in kept],
        variances=variances,
    )


@settings(max_examples=60)
@given(SEEDS)
def test_everything_is_as_if_what_is_no_candidate_did_not_exist(seed: int) -> None:
    context, limits = prepared(sample.seeded(seed))
    limits = replace(limits, denied=b"")
    fewer = without(context, limits)
    for title, left in zip(context.bundle.titles, fewer.bundle.titles, strict=True):
        limited = select(context, title.id, limits)
        if not left.artworks:
            assert (limited.reason, limited.row) == (NO_ARTWORK, NONE)
            assert candidates(context, title.id, limits).rows == []
            continue
        alone = select(fewer, title.id)
        chosen = title.artworks[limited.row - title.first]
        assert chosen == left.artworks[alone.row - left.first]
        assert (limited.n, limited.total, limited.score) == (alone.n, alone.total, alone.score)
        assert candidates(context, title.id, limits).n == candidates(fewer, left.id).n


@settings(max_examples=60)
@given(SEEDS)
def test_nothing_that_limits_forbid_is_ever_shown(seed: int) -> None:
    context, limits = prepared(sample.seeded(seed))
    bundle = context.bundle
    for title in bundle.titles:
        for decision in (select(context, title.id, limits), fallback(bundle, title.id, limits)):
            allowed = [
                row
                for row in title.rows
                if is_candidate(bundle, row, limits) and not is_in(limits.denied, row)
            ]
            assert (decision.row in allowed) if allowed else (decision.row == NONE)
            if not allowed:
                assert (decision.reason, decision.n, decision.total) == (NO_ARTWORK, 0, TOTAL)


@pytest.mark.parametrize(
    ("required", "forbidden", "rows"),
    [
        (0, 0, [0, 1, 2, 3]),
        (1, 0, [1, 3]),
        (3, 0, [3]),
        (0, 1, [0, 2]),
        (1, 2, [1]),
        (1, 1, []),
        (4, 0, []),
        (0, 4, [0, 1, 2, 3]),
    ],
)
def test_masks_are_matched_bit_by_bit(required: int, forbidden: int, rows: list[int]) -> None:
    description = {
        "attributes": ["mature", "german"],
        "titles": {"t": ["a", "b", "c", "d"]},
        "masks": [0, 1, 2, 3],
        "weights": [[0.0]] * 4,
    }
    context = prepare(open_bundle(write(description)), b"\x80", seed=0)
    limits = Limits(required=required, forbidden=forbidden)
    assert candidates(context, "t", limits).rows == rows
    assert fallback(context.bundle, "t", limits).row == (rows[0] if rows else NONE)


def test_without_masks_nothing_has_an_attribute() -> None:
    bundle = open_bundle(write({"titles": {"t": ["a"]}, "weights": [[0.0]]}))
    assert fallback(bundle, "t", Limits(forbidden=2**32 - 1)).row == 0
    assert fallback(bundle, "t", Limits(required=1)).reason == NO_ARTWORK


def test_the_default_of_an_excluded_one_is_the_next() -> None:
    description = {
        "explorer": ["fixed", 0.0], "titles": {"s": ["x"], "t": ["a", "b", "c"]},
        "weights": [[0.0]] * 4,
    }  # fmt: skip
    context = prepare(open_bundle(write(description)), b"\x80", seed=0)
    decision = select(context, "t", Limits(excluded=b"\x02"))
    assert (decision.row, decision.n) == (2, TOTAL)
    decision = fallback(context.bundle, "t", Limits(excluded=b"\x02", denied=b"\x04"))
    assert (decision.row, decision.n, decision.total, decision.reason) == (3, 0, TOTAL, FALLBACK)


def test_a_fallback_of_an_unknown_title_has_no_artwork() -> None:
    decision = fallback(open_bundle(write({})), "t")
    assert (decision.title, decision.row, decision.reason) == (NONE, NONE, UNKNOWN_TITLE)


@settings(max_examples=30)
@given(SEEDS)
def test_a_factor_acts_on_the_policys_own_explorer_alone(seed: int) -> None:
    random_ = sample.seeded(seed)
    factor = random_.choice([0.25, 3.0])
    tau = random_.choice([0.5, 1.0])
    cell = ["all", 1.0, ["softmax", 0.0, tau]]
    base = {
        "titles": {"t": ["a", "b", "c"]}, "weights": [[0.0]] * 3,
        "bias": [sample.clean(random_, 0.5) for _ in range(3)],
    }  # fmt: skip
    scaled = open_bundle(
        write({**base, "explorer": ["softmax", 0.0, tau], "title_scale": [factor],
               "cells": ["", cell]})
    )  # fmt: skip
    plain = open_bundle(write({**base, "explorer": ["softmax", 0.0, tau * factor]}))
    unscaled = open_bundle(write({**base, "explorer": ["softmax", 0.0, tau]}))

    def integers_of(bundle: object, number: int) -> list[int]:
        assert isinstance(bundle, type(scaled))
        context = prepare(bundle, b"\x80", seed=0)
        return explore(context, bundle.titles[0], number, range(3))

    assert integers_of(scaled, 0) == integers_of(plain, 0)
    assert integers_of(scaled, 1) == integers_of(unscaled, 0)


@pytest.mark.parametrize("count", [1, 2, 7, 256])
def test_a_title_of_the_hosts_is_drawn_evenly(count: int) -> None:
    context = prepare(open_bundle(write({})), b"\x80", seed=0)
    drawn: Counter[int] = Counter()
    for seed in range(20 * count + 200):
        decision = select_host(replace(context, key=draw_key(seed, "policy")), "t", count)
        drawn[decision.row] += 1
        assert (decision.title, decision.total, decision.reason) == (NONE, TOTAL, HOST_UNIFORM)
        extra = TOTAL - count * math.floor(TOTAL / count)
        assert decision.n == TOTAL // count + (extra if decision.row == 0 else 0)
    if count > 1:
        assert_drawn_from(drawn, dict.fromkeys(range(count), 1 / count))
