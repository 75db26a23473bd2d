# SPDX-License-Identifier: Apache-2.0
"""The gate on counted instructions: what it lets through, and that its record is complete."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

NATIVE = Path(__file__).resolve().parents[2] / "native"


@pytest.fixture(scope="module")
def gates() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gates", NATIVE / "tools" / "gates.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("found", "same", "passes"),
    [
        (10_000, True, True),
        (10_300, True, True),
        (10_301, True, False),
        (9_700, True, True),
        (9_699, True, False),  # what became faster is recorded
        (10_301, False, True),
        (11_500, False, True),
        (11_501, False, False),
        (5_000, False, True),
    ],
)
def test_counts_pass_within_their_bounds(
    gates: ModuleType, found: int, *, same: bool, passes: bool
) -> None:
    wrong = gates.compare({"page": found}, {"page": 10_000}, same=same)
    assert (wrong == []) is passes
    assert all("page" in line for line in wrong)


def test_jobs_come_and_go_with_the_record_only(gates: ModuleType) -> None:
    assert gates.compare({"new": 5}, {"old": 5}, same=True) == [
        "new: 5 instructions, not recorded",
        "old: recorded, but not counted any more",
    ]


def test_the_record_has_a_page_by_each_explorer_and_the_calls(gates: ModuleType) -> None:
    record = json.loads(gates.RECORD.read_text(encoding="utf-8"))
    assert set(record["instructions"]) == set(gates.KERNELS)
    for kernel in gates.KERNELS:
        names = record["instructions"][kernel]
        for explorer in ("greedy", "softmax", "squarecb", "thompson", "ucb"):
            assert names[f"page i8 {explorer}, {kernel}"] > 0
        assert names[f"select i8 squarecb, {kernel}"] > 0
    assert {"open i8", "append an impression"} <= set(record["instructions"]["avx2"])
