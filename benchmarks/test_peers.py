# SPDX-License-Identifier: Apache-2.0
"""pytest-benchmark cases of the peers, each on the homepage policy: `pytest benchmarks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.homepage import homepage
from benchmarks.peers import numpy_peer, onnx_peer, vw_peer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchmark.fixture import BenchmarkFixture

    from benchmarks.interleave import Contestant


def run(benchmark: BenchmarkFixture, contestants: Sequence[Contestant], name: str) -> None:
    (contestant,) = (one for one in contestants if one.name == name)
    benchmark.extra_info["scale"] = contestant.scale
    compiled = compile(contestant.statement, name, "exec")
    names = dict(contestant.names)

    def statement() -> bool:
        exec(compiled, names)  # noqa: S102 - a statement of this repository
        return True

    assert benchmark(statement)


def test_numpy_page(benchmark: BenchmarkFixture) -> None:
    home = homepage("squarecb", "i8")
    run(benchmark, numpy_peer.contestants(home), numpy_peer.PAGE)


@pytest.mark.skipif(onnx_peer.ABSENT is not None, reason=str(onnx_peer.ABSENT))
@pytest.mark.parametrize("titles", [1, 3000])
@pytest.mark.parametrize("name", ["run", "io-binding"])
def test_onnxruntime(benchmark: BenchmarkFixture, titles: int, name: str) -> None:
    home = homepage("squarecb", "i8")
    both = onnx_peer.contestants(home, titles=titles, plain="run", bound="io-binding")
    run(benchmark, both, name)


@pytest.mark.skipif(vw_peer.ABSENT is not None, reason=str(vw_peer.ABSENT))
@pytest.mark.parametrize("name", [vw_peer.PAGE, vw_peer.TITLE])
def test_vowpalwabbit(benchmark: BenchmarkFixture, name: str) -> None:
    run(benchmark, vw_peer.vowpalwabbit(homepage("squarecb", "i8")), name)


@pytest.mark.skipif(vw_peer.ABSENT_NEXT is not None, reason=str(vw_peer.ABSENT_NEXT))
@pytest.mark.parametrize("name", [vw_peer.PAGE_NEXT, vw_peer.TITLE_NEXT])
def test_vowpal_wabbit_next(benchmark: BenchmarkFixture, name: str) -> None:
    run(benchmark, vw_peer.vowpal_wabbit_next(homepage("squarecb", "i8")), name)
