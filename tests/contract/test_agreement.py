# SPDX-License-Identifier: Apache-2.0
"""The native core and the reference, which share no code, agree on random input to the bit.

Each example is one seed of a generator, so a failure is repeated by its seed alone. More of them:
EDGEART_EXAMPLES=20000 pytest tests/contract/test_agreement.py, or `make agreement N=10000`.
"""

from __future__ import annotations

import random
from dataclasses import replace as changed
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import sample, sample_format2
from tests.reference.binary import bits32
from tests.reference.bundle import open_bundle
from tests.reference.decide import prepare, select
from tests.reference.features import UNCERTAIN
from tests.reference.refused import Refused
from tests.reference.siphash import draw_key
from tests.reference.write import Array, Raw, assemble, build, fields, fix_crc, pack, write
from tests.support.agreement import check_context, check_explorer, check_policy, described

CONTRACT = settings(settings.get_profile("contract"))
SEEDS = st.integers(0, 2**64 - 1)


def reference_verdict(data: bytes) -> tuple[str, int]:
    try:
        open_bundle(data)
    except Refused as refused:
        return refused.status, refused.offset
    return "EA_OK", 0


@settings(CONTRACT, max_examples=5 * CONTRACT.max_examples)
@given(SEEDS)
def test_random_policies_decide_alike(seed: int) -> None:
    check_policy(seed)


@CONTRACT
@given(SEEDS)
def test_explorers_alone_give_the_same_integers(seed: int) -> None:
    random_ = sample.seeded(seed)
    for _ in range(10):
        check_explorer(random_)


@CONTRACT
@given(SEEDS)
def test_draws_of_neighbouring_seeds_fall_alike(open_core: Any, seed: int) -> None:
    random_ = sample.seeded(seed)
    data = write(described(random_, titles=1, most=4))
    core, bundle = open_core(data), open_bundle(data)
    prepared, start = prepare(bundle, b"\x80", seed=0), random_.getrandbits(63)
    for neighbour in range(start, start + 20):
        ours = changed(prepared, key=draw_key(neighbour, bundle.name))
        decision = select(ours, "title-0")
        got = core.encode(b"\x80", neighbour).select(0)
        assert got[:3] == [decision.title, decision.row, decision.n]


@pytest.mark.parametrize("rows", ["f32", "i8"])
@pytest.mark.parametrize(
    "explorer",
    [
        ["softmax", 0.001, 0.5],
        ["squarecb", 0.0, 30.0],
        ["uniform", 0.0],
        ["thompson", 0.0, 1.0],
        ["ucb", 0.001, 1.0],
    ],
)
def test_titles_of_the_largest_size_decide_alike(
    open_core: Any, rows: str, explorer: list[Any]
) -> None:
    random_ = sample.seeded(3)
    count = 256
    description = sample.policy(random_, explorer=explorer, rows=rows, titles=1, most=1)
    k = len(description["weights"][0])
    description |= sample.numbers(random_, rows, count, k)
    description["titles"] = {"title-0": [f"{i}" for i in range(count)]}
    if explorer[0] in UNCERTAIN:
        description["variance"] = sample_format2.variance(random_, count, k)
    data = write(description)
    context_map = pack(sample.context(random_, description["features"]))
    check_context(open_core(data), open_bundle(data), context_map, random_)


INTERESTING = [0x00, 0x01, 0x7F, 0x80, 0x90, 0xA0, 0xC0, 0xC1, 0xC4, 0xC6, 0xCB, 0xCF, 0xDF, 0xFF]


def scratch(random_: random.Random, data: bytes) -> bytes:
    """The bytes with one to four small damages."""
    out = bytearray(data)
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(out) + 1)
        roll = random_.random()
        if roll < 0.35 and at < len(out):
            out[at] ^= 1 << random_.randrange(8)
        elif roll < 0.7 and at < len(out):
            out[at] = random_.choice(INTERESTING)
        elif roll < 0.8:
            out[at:at] = bytes(random_.choices(INTERESTING, k=random_.randint(1, 3)))
        elif roll < 0.9:
            del out[at : at + random_.randint(1, 3)]
        else:
            other = random_.randrange(len(out) + 1)
            out[at : at + 4] = out[other : other + 4]
    return bytes(out)


def mutilate(random_: random.Random, description: dict[str, Any]) -> bytes:
    """A bundle of this description with one field damaged and all else in order."""
    body = fields(description)
    index = random_.randrange(len(body))
    key, value = body[index]
    if isinstance(value, Array):
        data = bytearray(value.data)
        for _ in range(random_.randint(1, 2) if data else 0):
            data[random_.randrange(len(data))] = random_.choice([*INTERESTING, *range(6)])
        body[index] = (key, Array(bytes(data)))
    else:
        document = build(body)
        place = document.places[key]
        body[index] = (key, Raw(scratch(random_, document.data[place.value : place.end])))
    return assemble(body)


def assert_same_verdict(open_core: Any, verdict: Any, data: bytes, random_: random.Random) -> None:
    ours = reference_verdict(data)
    assert verdict(data) == ours, data.hex()
    if ours[0] == "EA_OK":
        check_context(open_core(data), open_bundle(data), b"\x80", random_)


@CONTRACT
@given(SEEDS)
def test_scratched_bundles_get_the_same_verdict(open_core: Any, verdict: Any, seed: int) -> None:
    random_ = sample.seeded(seed)
    data = write(described(random_, titles=2, most=4))
    for _ in range(8):
        damaged = scratch(random_, data)
        assert_same_verdict(open_core, verdict, damaged, random_)
        if len(damaged) > 4:
            assert_same_verdict(open_core, verdict, fix_crc(damaged), random_)


@CONTRACT
@given(SEEDS)
def test_bundles_with_one_damaged_field_get_the_same_verdict(
    open_core: Any, verdict: Any, seed: int
) -> None:
    random_ = sample.seeded(seed)
    description = described(random_, titles=3, most=3)
    description["vectors"] = [(b"\x80", 1), (pack({"f0": 1}), 2**40)]
    for _ in range(8):
        assert_same_verdict(open_core, verdict, mutilate(random_, description), random_)


@CONTRACT
@given(SEEDS)
def test_scratched_contexts_get_the_same_verdict(open_core: Any, refusal: Any, seed: int) -> None:
    random_ = sample.seeded(seed)
    described_features = sample.features(random_)
    data = write({"features": described_features})
    core, bundle = open_core(data), open_bundle(data)
    for _ in range(8):
        context_map = pack(sample.context(random_, described_features))
        if random_.random() < 0.9:
            context_map = scratch(random_, context_map)
        expected: Any
        try:
            prepared = prepare(bundle, context_map, seed=0)
            report = prepared.report
            counts = [report.missing, report.other, report.clipped, report.ignored]
            expected = [bits32(x) for x in prepared.x], counts
        except Refused as refused:
            expected = refused.status, refused.offset
        got: Any
        try:
            encoded = core.encode(context_map)
            got = encoded.slots(), encoded.report
        except refusal as refused:
            got = refused.verdict
        assert got == expected, context_map.hex()
