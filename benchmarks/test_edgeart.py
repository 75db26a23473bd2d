# SPDX-License-Identifier: Apache-2.0
"""pytest-benchmark cases of page, select, encode and open: `pytest benchmarks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack

import edgeart
from benchmarks.homepage import SEED, TITLES, VALUES, Homepage, Rows, homepage
from edgeart import _native

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


def test_page(benchmark: BenchmarkFixture, home: Homepage) -> None:
    page = benchmark(home.policy.select_page, home.context, home.titles)
    assert len(page) == TITLES
    assert all(page.artworks())


def test_select(benchmark: BenchmarkFixture, home: Homepage) -> None:
    decision = benchmark(home.policy.select, home.context, home.titles[7])
    assert decision.artwork in home.artworks[7]


def test_context_from_a_dict(benchmark: BenchmarkFixture) -> None:
    policy = homepage("squarecb", "i8").policy
    context = benchmark(policy.context, VALUES, seed=SEED)
    assert context.report.missing == 0


def test_context_from_msgpack_bytes(benchmark: BenchmarkFixture) -> None:
    policy = homepage("squarecb", "i8").policy
    context = benchmark(policy.context, msgpack.packb(VALUES), seed=SEED)
    assert context.report.missing == 0


def test_open_from_memory(benchmark: BenchmarkFixture, rows: Rows) -> None:
    policy = benchmark(edgeart.Policy.from_bytes, homepage("squarecb", rows).bundle)
    assert len(policy.titles) == TITLES


def test_empty_cffi_call(benchmark: BenchmarkFixture) -> None:
    assert benchmark(_native.lib.ea_abi_version) > 0
