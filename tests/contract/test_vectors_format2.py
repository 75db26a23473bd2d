# SPDX-License-Identifier: Apache-2.0
"""The native core against what native/vectors has of format 2."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from edgeart._native import ffi, lib
from tests.reference import worked_policy as worked
from tests.reference.binary import bits32
from tests.reference.decide import Limits, context_hash, select
from tests.reference.write import pack, write

KINDS = {"thompson": 60, "ucb": 70}


@pytest.fixture(scope="module")
def policies(vectors: Any, open_core: Any) -> list[tuple[dict[str, Any], Any]]:
    """Each policy of policy2.json, and the native core with it open."""
    return [
        (each, open_core(base64.b64decode(each["bundle"])))
        for each in vectors("policy2.json")["policies"]
    ]


def encoded(core: Any, case: dict[str, Any]) -> Any:
    return core.encode(bytes.fromhex(case["map"]), int(case["seed"], 16), int(case["unit"], 16))


def record(known: list[Any]) -> list[int]:
    """A known decision as the native core gives it, without the title that was asked for."""
    title, row, n, total, score, reason, cell = known[1:8]
    return [title, row, n, total, int(score, 16), reason, cell]


def bits(digits: list[str]) -> list[int]:
    return [int(each, 16) for each in digits]


def test_every_pair_of_lists_becomes_the_known_integers(vectors: Any) -> None:
    content = vectors("explore.json")
    pairs = {each["name"]: each for each in content["pairs"]}
    for case in content["uncertain"]:
        pair = pairs[case["pair"]]
        lists = [
            struct.unpack(f"<{len(its)}f", struct.pack(f"<{len(its)}I", *bits(its)))
            for its in (pair["scores"], pair["variances"])
        ]
        floor, parameter = (
            struct.unpack(">d", bytes.fromhex(case[key]))[0] for key in ("floor", "parameter")
        )
        settings = (ffi.sizeof("ea_explorer"), KINDS[case["kind"]], floor, parameter)
        explorer = ffi.new("ea_explorer *", settings)
        scores, variances = (ffi.new("float[]", its) for its in lists)
        n = ffi.new("uint32_t[]", len(scores))
        assert lib.ea_explore(explorer, scores, variances, len(scores), n) == 0, case
        assert list(n) == case["n"], case
    assert len(content["uncertain"]) > 500


def test_units_fall_into_the_known_cells(policies: list[tuple[dict[str, Any], Any]]) -> None:
    seen = set()
    for each, core in policies:
        for unit, cell in each["cells"]:
            assert core.cell_of(int(unit, 16)) == cell
            seen.add(cell)
    assert len(seen) >= 3


def test_every_policy_computes_the_known_bits(
    policies: list[tuple[dict[str, Any], Any]],
) -> None:
    for each, core in policies:
        for case in each["contexts"]:
            context = encoded(core, case)
            assert context.slots() == bits(case["slots"])
            assert context.u() == bits(case["u"])
            assert context.scores() == bits(case["scores"])
            variances = bits(case["variances"]) or [0] * len(case["scores"])
            assert context.variances() == variances
            assert f"{context.hash():016x}" == case["hash"]
            found = [
                candidate[1]
                for title in range(core.info.titles)
                for candidate in context.candidates(title)[0]
            ]
            assert found == case["n"][case["cell"]]


def test_every_decision_under_limits_is_the_known_one(
    policies: list[tuple[dict[str, Any], Any]],
) -> None:
    reasons = set()
    for each, core in policies:
        for case in each["contexts"]:
            context = encoded(core, case)
            for page in case["pages"]:
                limits = Limits(
                    bytes.fromhex(page["denied"]),
                    bytes.fromhex(page["excluded"]),
                    page["required"],
                    page["forbidden"],
                )
                titles = [core.find(known[0]) for known in page["decisions"]]
                expected = [record(known) for known in page["decisions"]]
                assert context.page(titles, limits) == expected
                assert [context.select(title, limits) for title in titles] == expected
                fallbacks = [record(known) for known in page["fallbacks"]]
                assert [core.fallback(title, limits) for title in titles] == fallbacks
                reasons |= {its[5] for its in [*expected, *fallbacks]}
            for *known, count in case["hosts"]:
                assert context.host(known[0], count) == record(known)
                reasons.add(known[6])
    assert reasons == {0, 10, 20, 30, 40, 50, 60}


def test_the_worked_examples_are_the_native_cores_too(open_core: Any) -> None:
    ours = worked.prepared()
    core = open_core(write(worked.POLICY))
    theirs = core.encode(pack(worked.MAP), worked.SEED, worked.UNIT)
    assert theirs.u() == list(map(bits32, ours.u))
    assert theirs.scores() == list(map(bits32, ours.scores))
    assert theirs.hash() == context_hash(ours)
    for limits in (Limits(), Limits(denied=b"\1")):
        known = select(ours, "title-7", limits)
        assert theirs.select(0, limits)[:4] == [known.title, known.row, known.n, known.total]


def test_every_policy_verifies(policies: list[tuple[dict[str, Any], Any]]) -> None:
    import edgeart

    for each, _ in policies:
        assert edgeart.Policy.from_bytes(base64.b64decode(each["bundle"])).verify() == 2
