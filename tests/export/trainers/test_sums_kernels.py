# SPDX-License-Identifier: Apache-2.0
"""Any processor adds the same sums: the same bits by AVX2 and AVX-512, else but for rounding."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from cffi import FFI
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeart_export import _statistics
from edgeart_export.trainers.sums import Rows, Sums

NATIVE = Path(__file__).resolve().parents[3] / "export" / "native"
ARTWORKS = 5
GUARD = 64
"""Doubles before and after the sums that nobody may write: more than a tile is wide."""


def own(name: str, compiled: Any = _statistics) -> int:
    """The kernel of this name; the test is left out where the processor has not got it."""
    kernel: int = getattr(compiled.lib, f"ES_{name}")
    if not compiled.lib.es_has(kernel):
        pytest.skip(f"this processor has no {name}")
    return kernel


def added(kernel: int, rows: Rows, width: int, extras: int, compiled: Any = _statistics) -> Sums:
    """The rows' sums by this kernel, which has written nothing beside them."""
    sums = Sums(ARTWORKS, width, extras)
    guarded = np.full(sums.values.size + 2 * GUARD, np.nan)
    guarded[GUARD:-GUARD] = 0
    sums.values = guarded[GUARD:-GUARD].reshape(sums.values.shape)

    native = compiled.lib

    def add(*given: object) -> None:
        assert native.es_add_by(kernel, *given)

    lib = SimpleNamespace(es_group=native.es_group, es_scratch=native.es_scratch, es_add=add)
    with mock.patch.multiple(_statistics, ffi=compiled.ffi, lib=lib):
        sums.add(rows)
    assert np.isnan(guarded[:GUARD]).all()
    assert np.isnan(guarded[-GUARD:]).all()
    return sums


def drawn(
    rng: np.random.Generator, count: int, width: int, extras: int, share: float, *, whole: bool
) -> Rows:
    """Rows of any numbers or, `whole`, of small ones whose sums are exact; some correct others."""

    def numbers(*shape: int) -> npt.NDArray[np.float64]:
        return rng.integers(-3, 4, shape).astype(float) if whole else rng.normal(size=shape)

    contexts = max(1, count // 2)
    x = numbers(contexts, width) * (rng.random((contexts, width)) < share)
    extra = None
    if extras:
        extra = np.sort(rng.integers(-1, extras, (count, 2)), axis=1)
        extra[extra[:, 0] == extra[:, 1], 0] = -1
    weight = np.abs(numbers(count)) * (rng.random(count) < 0.8)
    return Rows(
        x.astype(np.float32),
        rng.integers(0, contexts, count),
        rng.integers(0, ARTWORKS, count),
        numbers(count),
        weight,
        np.where(rng.random(count) < 0.2, numbers(count), np.nan),
        extra,
    )


def magnitudes(rows: Rows) -> Rows:
    """Rows whose sums are those of the absolute values of all that is added for the others."""
    previous = rows.previous
    assert previous is not None
    largest = np.abs(rows.reward) + np.abs(np.nan_to_num(previous))
    return Rows(
        np.abs(rows.vectors), rows.context, rows.artwork, largest, rows.weight, extra=rows.extra
    )


SHAPES: dict[str, st.SearchStrategy[Any]] = {
    "width": st.integers(1, 41) | st.integers(60, 90),
    "extras": st.integers(0, 9),
    "count": st.integers(0, 300),
    "share": st.sampled_from([1.0, 0.5, 0.05]),
    "seed": st.integers(0, 2**32 - 1),
}


@settings(max_examples=150, deadline=None)
@given(**SHAPES)
def test_avx512_gives_the_bits_of_avx2(
    width: int, extras: int, count: int, share: float, seed: int
) -> None:
    rows = drawn(np.random.default_rng(seed), count, width, extras, share, whole=False)
    avx2 = added(own("AVX2"), rows, width, extras)
    avx512 = added(own("AVX512"), rows, width, extras)
    assert avx512.values.tobytes() == avx2.values.tobytes()
    assert avx512.counts.tobytes() == avx2.counts.tobytes()
    assert avx512.rewards.tobytes() == avx2.rewards.tobytes()


@settings(max_examples=150, deadline=None)
@given(**SHAPES)
def test_fusing_changes_no_more_than_rounding(
    width: int, extras: int, count: int, share: float, seed: int
) -> None:
    """Each sum is off by at most its number of roundings, of the sum of absolute values.

    n products and n sums are rounded, weights before; Higham, Accuracy and Stability of Numerical
    Algorithms, §3.1.
    """
    rows = drawn(np.random.default_rng(seed), count, width, extras, share, whole=False)
    portable = added(own("PORTABLE"), rows, width, extras)
    fused = added(own("AVX2"), rows, width, extras)
    scale = added(own("PORTABLE"), magnitudes(rows), width, extras)
    bound = 2 * (count + 4) * np.finfo(np.float64).eps * scale.values
    assert (np.abs(fused.values - portable.values) <= bound).all()


@pytest.mark.parametrize("name", ["PORTABLE", "AVX2", "AVX512"])
@pytest.mark.parametrize("share", [1.0, 0.05], ids=["dense", "sparse"])
@pytest.mark.parametrize(("width", "extras"), [(1, 0), (7, 0), (8, 1), (32, 0), (33, 6), (96, 3)])
def test_every_kernel_adds_whole_numbers_exactly(
    name: str, share: float, width: int, extras: int
) -> None:
    rows = drawn(np.random.default_rng(width), 500, width, extras, share, whole=True)
    sums = added(own(name), rows, width, extras)
    assert rows.previous is not None
    assert rows.extra is not None or not extras
    z = np.zeros((500, extras + 1))  # the last for an index of -1
    for column in () if rows.extra is None else rows.extra.T:
        z[np.arange(500), column] = 1
    v = np.hstack([rows.vectors[rows.context], z[:, :extras]])
    new = np.isnan(rows.previous)
    for artwork in range(ARTWORKS):
        of = rows.artwork == artwork
        seen, weight = v[of & new], rows.weight[of & new, None]
        before = np.nan_to_num(rows.previous[of])
        got = np.zeros((sums.n, sums.n))
        got[np.triu_indices(sums.n)] = sums.values[artwork]
        np.testing.assert_array_equal(got[:-1, :-1], np.triu(seen.T @ (weight * seen)))
        change = rows.weight[of] * (rows.reward[of] - before)
        np.testing.assert_array_equal(got[:-1, -1], v[of].T @ change)
        assert got[-1, -1] == rows.weight[of] @ (rows.reward[of] ** 2 - before**2)


def test_the_fastest_kernel_there_is_adds_what_is_not_given_to_another() -> None:
    rows = drawn(np.random.default_rng(3), 400, 32, 2, 1.0, whole=False)
    best = max(filter(_statistics.lib.es_has, (1, 2, 3)))
    sums = Sums(ARTWORKS, 32, 2)
    sums.add(rows)
    assert sums.values.tobytes() == added(best, rows, 32, 2).values.tobytes()


@pytest.mark.parametrize("kernel", [-1, 0, 4])
def test_a_kernel_that_is_not_there_adds_nothing(kernel: int) -> None:
    assert not _statistics.lib.es_has(kernel)
    nothing = _statistics.ffi.NULL
    assert not _statistics.lib.es_add_by(kernel, nothing, nothing, nothing, nothing, nothing)


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
@pytest.mark.skipif(sys.platform == "win32", reason="cc is not asked there")
@pytest.mark.parametrize("define", ["ES_PORTABLE_ONLY", "ES_ALL"])
def test_no_kernel_does_what_c_leaves_undefined(define: str, tmp_path: Path) -> None:
    """Compiled so that it would stop; and as other processors compile it."""
    library = tmp_path / "sums.so"
    flags = ["-std=c11", "-O1", "-shared", "-fPIC", f"-D{define}", "-ffp-contract=off"]
    trap = ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
    command = ["cc", *flags, *trap, "-o", str(library), str(NATIVE / "statistics.c")]
    subprocess.run(command, check=True)
    header = (NATIVE / "statistics.h").read_text(encoding="utf-8")
    ffi = FFI()
    ffi.cdef(header.split("/* [cffi */", 1)[1].split("/* cffi] */", 1)[0])
    checked = SimpleNamespace(ffi=ffi, lib=ffi.dlopen(str(library)))
    kernels = [*filter(checked.lib.es_has, (1, 2, 3))]
    assert kernels == [1] or define == "ES_ALL"
    rng = np.random.default_rng(8)
    for width, extras, share in [(1, 0, 1.0), (2, 7, 1.0), (61, 4, 1.0), (96, 4, 0.05)]:
        rows = drawn(rng, 300, width, extras, share, whole=True)
        wanted = Sums(ARTWORKS, width, extras)
        wanted.add(rows)
        for kernel in kernels:
            got = added(kernel, rows, width, extras, checked)
            np.testing.assert_array_equal(got.values, wanted.values)
