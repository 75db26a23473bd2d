# SPDX-License-Identifier: Apache-2.0
"""Laws of the decision (decision.md §6 to §8) on random policies."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import sample, sample_format2
from tests.reference.bundle import open_bundle
from tests.reference.decide import (
    NO_ARTWORK,
    NONE,
    POLICY,
    RECOMPUTED,
    REDRAWN,
    UNKNOWN_TITLE,
    Context,
    Limits,
    candidates,
    context_hash,
    explore,
    prepare,
    select,
    select_page,
    verify,
)
from tests.reference.explore import TOTAL
from tests.reference.siphash import draw_key
from tests.reference.write import fields, pack, write

SEEDS = st.integers(0, 2**64 - 1)


def prepared(random_: random.Random) -> Context:
    explorer = random_.choice(sample.EXPLORERS)
    rows = random_.choice(["f32", "i8"])
    description = sample.policy(random_, explorer=explorer, rows=rows, titles=4, most=5)
    if random_.random() < 0.5:
        explorer = random_.choice([*sample.EXPLORERS, *sample_format2.EXPLORERS])
        description = sample_format2.policy(random_, explorer=explorer, rows=rows, titles=4, most=5)
    context_map = pack(sample.context(random_, description["features"]))
    seed, unit = random_.getrandbits(64), random_.getrandbits(64)
    return prepare(open_bundle(write(description)), context_map, seed=seed, unit=unit)


@given(SEEDS)
def test_a_page_is_its_titles_decided_one_by_one_in_any_order(seed: int) -> None:
    random_ = sample.seeded(seed)
    context = prepared(random_)
    titles = [title.id for title in context.bundle.titles]
    denied = Limits(sample.denied(random_, len(context.bundle.bias)))
    alone = {title: select(context, title, denied) for title in titles}
    page = random_.choices(titles, k=8)
    assert select_page(context, page, denied) == [alone[title] for title in page]


@given(SEEDS)
def test_denying_changes_only_what_showed_a_denied_artwork(seed: int) -> None:
    random_ = sample.seeded(seed)
    context = prepared(random_)
    denied = Limits(sample.denied(random_, len(context.bundle.bias)))
    for title in context.bundle.titles:
        free, limited = select(context, title.id), select(context, title.id, denied)
        found = candidates(context, title.id, denied)
        is_denied = dict(zip(found.rows, found.denied, strict=True))
        if all(found.denied):
            assert (limited.row, limited.n, limited.total) == (NONE, 0, TOTAL)
            assert limited.reason == NO_ARTWORK
            continue
        assert not is_denied[limited.row]
        assert limited.n == found.n[found.rows.index(limited.row)] > 0
        assert sum(found.n) == found.total == limited.total
        if is_denied[free.row]:
            assert limited.reason in (REDRAWN, RECOMPUTED)
        else:
            assert (limited.row, limited.reason) == (free.row, POLICY)


@given(SEEDS)
def test_propensities_under_denial_are_the_renormalised_ones(seed: int) -> None:
    random_ = sample.seeded(seed)
    context = prepared(random_)
    denied = Limits(sample.denied(random_, len(context.bundle.bias)))
    for title in context.bundle.titles:
        free, limited = candidates(context, title.id), candidates(context, title.id, denied)
        left = [n if not hidden else 0 for n, hidden in zip(free.n, limited.denied, strict=True)]
        if sum(left):
            assert [Fraction(n, limited.total) for n in limited.n] == [
                Fraction(n, sum(left)) for n in left
            ]


def test_draws_follow_the_propensities() -> None:
    context = prepare(
        open_bundle(
            write(
                {
                    "explorer": ["softmax", 0.05, 1.0],
                    "titles": {"t": ["a", "b", "c", "d"]},
                    "weights": [[0.0]] * 4,
                    "bias": [0.5, 0.0, 1.0, -0.5],
                }
            )
        ),
        b"\x80",
        seed=0,
    )
    draws = 10_000
    for denied in (Limits(), Limits(b"\x04")):
        found = candidates(context, "t", denied)
        seen = [0] * 4
        for seed in range(draws):
            seen[select(replace(context, key=draw_key(seed, "policy")), "t", denied).row] += 1
        expected = [n / found.total * draws for n in found.n]
        statistic = sum((s - e) ** 2 / e for s, e in zip(seen, expected, strict=True) if e)
        # The 1 − 10⁻⁴ quantile of χ² with three degrees of freedom is 21.1, with two 18.4.
        assert statistic < 18.4
        assert all(s == 0 for s, e in zip(seen, expected, strict=True) if not e)


def test_an_unknown_title_has_no_artwork() -> None:
    context = prepare(open_bundle(write({})), b"\x80", seed=0)
    decision = select(context, "t")
    assert (decision.title, decision.row, decision.reason) == (NONE, NONE, UNKNOWN_TITLE)
    assert (decision.n, decision.total) == (0, TOTAL)
    assert math.copysign(1.0, decision.score) == 1.0


def test_all_probability_on_denied_artworks_is_computed_anew() -> None:
    description = {
        "titles": {"t": ["a", "b", "c"]},
        "weights": [[0.0]] * 3,
        "bias": [1.0, 0.0, 0.5],
    }
    context = prepare(open_bundle(write(description)), b"\x80", seed=0)
    decision = select(context, "t", Limits(b"\x01"))
    assert (decision.row, decision.n, decision.total) == (2, TOTAL, TOTAL)
    assert decision.reason == RECOMPUTED
    assert candidates(context, "t", Limits(b"\x01")).n == [0, 0, TOTAL]


@settings(max_examples=30)
@given(SEEDS)
def test_the_context_hash_covers_scores_and_variances(seed: int) -> None:
    random_ = sample.seeded(seed)
    context = prepared(random_)
    row = random_.randrange(len(context.bundle.bias))
    scores = list(context.scores)
    scores[row] = 0.25 if scores[row] != 0.25 else 0.5
    assert context_hash(replace(context, scores=scores)) != context_hash(context)
    if context.variances is not None:
        variances = list(context.variances)
        variances[row] = 0.25 if variances[row] != 0.25 else 0.5
        assert context_hash(replace(context, variances=variances)) != context_hash(context)


@settings(max_examples=30)
@given(SEEDS)
def test_the_context_hash_covers_the_integers_of_every_cell(seed: int) -> None:
    context = prepared(sample.seeded(seed))
    bundle = context.bundle
    floored = replace(bundle, explorer=replace(bundle.explorer, floor=0.123))
    changed = [floored]
    for index, cell in enumerate(bundle.cells.cells):
        other = replace(cell, explorer=replace(cell.explorer, floor=0.123))
        cells = (*bundle.cells.cells[:index], other, *bundle.cells.cells[index + 1 :])
        changed.append(replace(bundle, cells=replace(bundle.cells, cells=cells)))
    for number, other_bundle in enumerate(changed):
        other_context = replace(context, bundle=other_bundle)
        if any(
            explore(context, title, number, title.rows)
            != explore(other_context, title, number, title.rows)
            for title in bundle.titles
        ):
            assert context_hash(other_context) != context_hash(context)


def test_a_bundle_verifies_when_its_hashes_are_right() -> None:
    description = {"titles": {"t": ["a", "b"]}, "weights": [[0.5], [1.0]], "bias": [0.0, 0.25]}
    right = context_hash(prepare(open_bundle(write(description)), b"\x80", seed=9))
    assert verify(open_bundle(write({**description, "vectors": [(b"\x80", right)]})))
    assert not verify(open_bundle(write({**description, "vectors": [(b"\x80", right ^ 1)]})))
    assert dict(fields(description))["vectors"] == []
