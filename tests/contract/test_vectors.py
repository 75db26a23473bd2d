# SPDX-License-Identifier: Apache-2.0
"""The package and its native core against every file of native/vectors."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

import edgeart
from edgeart._native import ffi, lib
from tests.reference.decide import Limits
from tests.reference.generate_hostile import unpatch
from tests.reference.write import write

REASONS = {0: "policy", 10: "redrawn", 20: "recomputed", 30: "none", 40: "unknown_title"}
NONE = 2**32 - 1


def float64(digits: str) -> float:
    value: float = struct.unpack(">d", bytes.fromhex(digits))[0]
    return value


def float32(digits: str) -> float:
    value: float = struct.unpack(">f", bytes.fromhex(digits))[0]
    return value


def hexes(view: Any) -> list[str]:
    return [struct.pack(">f", x).hex() for x in view]


def joined(pieces: str | list[list[Any]]) -> bytes:
    if isinstance(pieces, str):
        return bytes.fromhex(pieces)
    return b"".join(bytes.fromhex(text) * times for text, times in pieces)


def test_every_hash_is_the_known_one(vectors: Any) -> None:
    content = vectors("hash.json")
    for case in content["hashes"]:
        message = bytes(i % 251 for i in range(case["length"]))
        got = lib.ea_hash(int(case["k0"], 16), int(case["k1"], 16), message, len(message))
        assert f"{got:016x}" == case["hash"], case
    title_domain = int.from_bytes(b"ea-title", "little")
    for case in content["titles"]:
        text = case["title"].encode()
        assert f"{lib.ea_hash(title_domain, 0, text, len(text)):016x}" == case["hash"], case
    for case in content["draw_keys"]:
        name = case["policy"].encode()
        for half, domain in (("d0", b"ea-draw0"), ("d1", b"ea-draw1")):
            k1 = int.from_bytes(domain, "little")
            got = lib.ea_hash(int(case["seed"], 16), k1, name, len(name))
            assert f"{got:016x}" == case[half], case
    assert len(content["hashes"]) > 100


def test_every_checksum_is_the_known_one_in_one_piece_or_two(vectors: Any) -> None:
    for case in vectors("crc32c.json")["checksums"]:
        data = bytes.fromhex(case["bytes"])
        assert f"{lib.ea_crc32c(0, data, len(data)):08x}" == case["crc32c"], case
        half = len(data) // 3
        first = lib.ea_crc32c(0, data, half)
        rest = data[half:]
        assert f"{lib.ea_crc32c(first, rest, len(rest)):08x}" == case["crc32c"], case


def test_every_context_map_encodes_or_is_refused_as_known(vectors: Any) -> None:
    content = vectors("context.json")
    policy = edgeart.Policy.from_bytes(base64.b64decode(content["bundle"]))
    wrong = []
    for case in content["cases"]:
        data = joined(case["map"])
        try:
            context = policy.context(data, seed=0)
        except edgeart.ContextError as error:
            got: Any = (error.status, error.offset)
            expected: Any = (case.get("status"), case.get("offset"))
        else:
            got = (hexes(context.vector), list(context.report))
            expected = (case.get("slots"), case.get("report"))
            assert hexes(policy.encode(data)) == hexes(context.vector)
        if got != expected:
            wrong.append((case["name"], "expected", expected, "got", got))
    assert not wrong
    assert len(content["cases"]) > 200


def test_every_score_list_becomes_the_known_integers(vectors: Any) -> None:
    content = vectors("explore.json")
    lists = {each["name"]: list(map(float32, each["bits"])) for each in content["scores"]}
    policies: dict[tuple[str, str, str], edgeart.Policy] = {}
    for case in content["cases"]:
        settings = (case["kind"], case["floor"], case["parameter"])
        if settings not in policies:
            # The scores come in as biases of rows without weights.
            explorer: list[Any] = [case["kind"], float64(case["floor"])]
            if case["kind"] in ("epsilon_greedy", "softmax", "squarecb"):
                explorer.append(float64(case["parameter"]))
            policies[settings] = edgeart.Policy.from_bytes(
                write(
                    {
                        "explorer": explorer,
                        "titles": {
                            name: [str(i) for i in range(len(s))] for name, s in lists.items()
                        },
                        "weights": [[0.0] for s in lists.values() for _ in s],
                        "bias": [score for s in lists.values() for score in s],
                    }
                )
            )
        policy = policies[settings]
        found = policy.candidates(policy.context(seed=0), case["scores"])
        assert list(found.scores) == lists[case["scores"]]
        assert list(found.n) == case["n"], (case["scores"], settings)
        assert found.total == 2**31
    assert len(content["cases"]) > 500


def test_every_policy_scores_explores_and_hashes_as_known(vectors: Any, open_core: Any) -> None:
    content = vectors("policy.json")
    for each in content["policies"]:
        data = base64.b64decode(each["bundle"])
        policy, core = edgeart.Policy.from_bytes(data), open_core(data)
        for case in each["contexts"]:
            context_map, seed = bytes.fromhex(case["map"]), int(case["seed"], 16)
            context = policy.context(context_map, seed=seed)
            assert hexes(context.vector) == case["slots"]
            assert hexes(policy.scores(context)) == case["scores"]
            ns = [n for title in policy.titles for n in policy.candidates(context, title).n]
            assert ns == case["n"]
            assert f"{core.encode(context_map, seed).hash():016x}" == case["hash"]
    assert len(content["policies"]) >= 12


def test_every_decision_is_the_known_one(vectors: Any, open_core: Any) -> None:
    seen = set()
    for each in vectors("policy.json")["policies"]:
        core = open_core(base64.b64decode(each["bundle"]))
        for case in each["contexts"]:
            context = core.encode(bytes.fromhex(case["map"]), int(case["seed"], 16))
            for page in case["pages"]:
                limits = Limits(bytes.fromhex(page["denied"]))
                titles = [core.find(record[0]) for record in page["decisions"]]
                expected = [
                    [*record[1:5], int(record[5], 16), record[6], 0] for record in page["decisions"]
                ]
                assert context.page(titles, limits) == expected
                assert [context.select(title, limits) for title in titles] == expected
                seen |= {record[-2] for record in expected}
    assert seen == set(REASONS)


def test_the_package_decides_what_the_core_decides(vectors: Any) -> None:
    for each in vectors("policy.json")["policies"]:
        policy = edgeart.Policy.from_bytes(base64.b64decode(each["bundle"]))
        rows = [(title, artwork) for title in policy.titles for artwork in policy.artworks(title)]
        for case in each["contexts"]:
            context = policy.context(bytes.fromhex(case["map"]), seed=int(case["seed"], 16))
            for page in case["pages"]:
                bits = int.from_bytes(bytes.fromhex(page["denied"]), "little")
                limits: dict[str, list[str]] = {}
                for row, (title, artwork) in enumerate(rows):
                    if bits >> row & 1:
                        limits.setdefault(title, []).append(artwork)
                titles = [record[0] for record in page["decisions"]]
                denied = policy.limits(denied=limits)
                decisions = policy.select_page(context, titles, limits=denied)
                for decision, record in zip(decisions, page["decisions"], strict=True):
                    title, _, row, n, total, score, reason = record
                    assert decision.title == title
                    assert decision.artwork == (None if row == NONE else rows[row][1])
                    assert (decision.n, decision.total) == (n, total)
                    assert decision.propensity == n / total
                    assert hexes([decision.score]) == [score]
                    assert decision.reason == REASONS[reason]


@pytest.fixture(scope="module")
def hostile(vectors: Any) -> list[tuple[dict[str, Any], bytes]]:
    content = vectors("hostile.json")
    bases = [base64.b64decode(base) for base in content["bases"]]
    return [(case, unpatch(bases, case)) for case in content["cases"]]


def test_every_hostile_bundle_gets_its_status_and_offset(
    hostile: list[tuple[dict[str, Any], bytes]], verdict: Any
) -> None:
    wrong = []
    for case, data in hostile:
        got, expected = verdict(data), (case["status"], case["offset"])
        if got != expected:
            wrong.append((case["name"], "expected", expected, "got", got))
    assert not wrong, "\n".join(map(str, wrong))
    assert len(hostile) >= 150


def test_the_package_says_the_same_of_every_hostile_bundle(
    hostile: list[tuple[dict[str, Any], bytes]],
) -> None:
    for case, data in hostile:
        if case["status"] == "EA_OK":
            assert edgeart.Policy.from_bytes(data).size == len(data)
            continue
        with pytest.raises(edgeart.BundleError) as caught:
            edgeart.Policy.from_bytes(data)
        assert (caught.value.status, caught.value.offset) == (case["status"], case["offset"])


def test_a_test_vector_that_does_not_hold_is_found(vectors: Any) -> None:
    bases = [base64.b64decode(base) for base in vectors("hostile.json")["bases"]]
    assert edgeart.Policy.from_bytes(bases[0]).verify() == 1
    false = write({"vectors": [(b"\x80", 1)]})
    with pytest.raises(edgeart.VectorError) as caught:
        edgeart.Policy.from_bytes(false).verify()
    assert caught.value.status == "EA_E_VECTOR"


def test_every_status_of_the_bundle_specification_occurs(
    hostile: list[tuple[dict[str, Any], bytes]],
) -> None:
    names = {ffi.string(lib.ea_status_name(number)).decode() for number in range(20, 35)}
    assert {case["status"] for case, _ in hostile} == names | {"EA_OK"}


def test_the_package_hashes_and_checks_as_the_oracle_does() -> None:
    from tests.reference import crc32c, siphash

    for text in ("a", "title-7", "höhe", "x" * 255):
        assert edgeart.title_hash(text) == siphash.title_hash(text)
        assert edgeart.crc32c(text.encode()) == crc32c.crc32c(text.encode())
