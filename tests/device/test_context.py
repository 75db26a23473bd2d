# SPDX-License-Identifier: Apache-2.0
"""What a context may be given as, what it becomes, and how its errors help."""

from __future__ import annotations

import array
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgpack
import pytest

import edgeart
from tests.reference import context as reference_context
from tests.reference.decide import open_bundle
from tests.reference.write import pack
from tests.support.bundles import FULL, bundle


def test_a_full_context_fills_its_slots(context: edgeart.Context) -> None:
    taste = [struct.unpack("f", struct.pack("f", x / 0.9))[0] for x in (0.7, 0.2)]
    got = context.vector.tolist()
    assert got[:5] == [-0.5, 0.0, 1.0, 0.0, 0.0]
    assert got[5:7] == pytest.approx(taste, rel=1e-6)
    assert got[7:] == [0.0, 0.5, -1.0, 2.0, 1.0]
    assert context.report == edgeart.Report(missing=0, other=0, clipped=0, ignored=0)
    assert (context.seed, context.unit) == (42, 7)


@pytest.mark.parametrize(
    "values",
    [
        {},
        FULL,
        {"hour": float("nan"), "country": "FR", "taste": ["comedy", "x", "comedy"], "more": [{}]},
        {
            "hour": float("-inf"),
            "taste": {"romance": None, "höhe": -3},
            "embedding": [9e9, 1, -0.0],
        },
        {"hour": None, "embedding": struct.pack("<3f", 1, 2, 3)},
    ],
)
def test_slots_and_report_are_the_reference_s(
    policy: edgeart.Policy, values: dict[str, object]
) -> None:
    opened = open_bundle(bundle(policy.rows))
    slots, report = reference_context.encode(opened.features, pack(values))
    context = policy.context(values, seed=1)
    assert context.vector.tolist() == slots
    assert policy.encode(values).tolist() == slots
    assert tuple(context.report) == (
        report.missing, report.other, report.clipped, report.ignored
    )  # fmt: skip


class Custom(Mapping[str, object]):
    """A mapping that is no dict."""

    def __getitem__(self, key: str) -> object:
        return FULL[key]

    def __iter__(self) -> Any:
        return iter(FULL)

    def __len__(self) -> int:
        return len(FULL)


@pytest.mark.parametrize(
    "values",
    [
        msgpack.packb(FULL),
        bytearray(msgpack.packb(FULL)),
        memoryview(msgpack.packb(FULL)),
        MappingProxyType(FULL),
        Custom(),
        FULL | {"embedding": (0.5, -1.0, 2.0)},
        FULL | {"embedding": array.array("f", [0.5, -1.0, 2.0])},
        FULL | {"embedding": array.array("f", [0.5, -1.0, 2.0]).tobytes()},
        FULL | {"taste": MappingProxyType({"comedy": 0.7, "romance": 0.2})},
    ],
    ids=lambda values: type(values).__name__,
)
def test_a_context_may_come_as_any_mapping_or_as_its_bytes(
    policy: edgeart.Policy, context: edgeart.Context, values: Any
) -> None:
    assert policy.context(values, seed=42).vector == context.vector


def test_no_values_is_the_empty_map(policy: edgeart.Policy) -> None:
    assert policy.context(seed=1).report.missing == 4
    assert policy.context(None, seed=1).vector == policy.context({}, seed=1).vector


REFUSED = [
    ({"hour": "nine"}, "EA_E_TYPE", "hour", "number"),
    ({"country": "US", "hour": True}, "EA_E_TYPE", "hour", "number"),
    ({"country": 3}, "EA_E_TYPE", "country", "a str"),
    ({"taste": {"comedy": "much"}}, "EA_E_TYPE", "taste", "mapping of str to number"),
    ({"taste": ["comedy", 1]}, "EA_E_TYPE", "taste", "list of str"),
    ({"embedding": [1, 2]}, "EA_E_TYPE", "embedding", "3 numbers"),
    ({"hour": 1, 3: 4}, "EA_E_TYPE", None, "names of fields are str"),
    ({"taste": {str(i): 1 for i in range(4097)}}, "EA_E_LIMIT", "taste", "4,096"),
    ({str(i): 1 for i in range(1025)}, "EA_E_LIMIT", None, "1,024"),
    ({"country": "US", "long": "x" * 65536}, "EA_E_LIMIT", "long", "65,536"),
    ({"hour": object()}, "EA_E_TYPE", "hour", "object"),
    ({"hour": 1, "country": {1, 2}}, "EA_E_TYPE", "country", "set"),
    ({"hour": 2**64}, "EA_E_TYPE", "hour", "64 bits"),
    ([1, 2], "EA_E_TYPE", None, "mapping of field names"),
    ("US", "EA_E_TYPE", None, "mapping of field names"),
    (b"\x93\x01\x02\x03", "EA_E_TYPE", None, "one map"),
    (b"\x81\xa4hour", "EA_E_TRUNCATED", "hour", "end inside"),
    (b"\x81\xa4hour\xc1", "EA_E_TYPE", "hour", "number"),
    (b"\x82\xa4hour\x01\xa4hour\x02", "EA_E_DUPLICATE", "hour", "once"),
    (b"\x81\xa5taste\x82\xa6comedy\x01\xa6comedy\x01", "EA_E_DUPLICATE", "taste", "once"),
    (b"\x80\x00", "EA_E_TRAILING", None, "byte 1"),
    (b"", "EA_E_TRUNCATED", None, "byte 0"),
    (b"\x81\xc4\x04hour\x01", "EA_E_TYPE", None, "names of fields are str"),
]


@pytest.mark.parametrize(("values", "status", "field", "words"), REFUSED)
def test_a_refused_context_names_its_field(
    policy: edgeart.Policy, values: Any, status: str, field: str | None, words: str
) -> None:
    for call in (lambda: policy.context(values, seed=1), lambda: policy.encode(values)):
        with pytest.raises(edgeart.ContextError) as caught:
            call()
        assert (caught.value.status, caught.value.field) == (status, field)
        assert words in str(caught.value)
        assert field is None or repr(field) in str(caught.value)
        assert isinstance(caught.value, ValueError)


def test_the_offset_of_a_refusal_is_that_of_the_value(policy: edgeart.Policy) -> None:
    data = msgpack.packb({"unknown": [1, 2], "hour": "nine"})
    with pytest.raises(edgeart.ContextError) as caught:
        policy.context(data, seed=1)
    assert caught.value.offset == data.index(b"\xa4nine")


def test_a_map_nested_deeper_than_msgpack_reads_is_no_obstacle(policy: edgeart.Policy) -> None:
    deep = b"\x91" * 60_000 + b"\xc0"
    assert policy.context(b"\x81\xa1x" + deep, seed=1).report.ignored == 1
    with pytest.raises(edgeart.ContextError):
        policy.context(b"\x82\xa1x" + deep + b"\xa4hour\xa1x", seed=1)


def test_a_dict_nested_too_deep_for_msgpack_names_its_field(policy: edgeart.Policy) -> None:
    deep: list[object] = []
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(edgeart.ContextError, match="'x'"):
        policy.context({"hour": 1, "x": deep}, seed=1)


def test_a_lone_surrogate_is_an_unknown_word(policy: edgeart.Policy) -> None:
    assert policy.context({"country": "\ud800"}, seed=1).report.other == 1


@pytest.mark.parametrize(("seed", "unit"), [(-1, 0), (2**64, 0), (0, -1), (0, 2**64)])
def test_seed_and_unit_are_unsigned_64_bit(policy: edgeart.Policy, seed: int, unit: int) -> None:
    with pytest.raises(edgeart.ContextError, match=r"0 to 2\*\*64 - 1"):
        policy.context({}, seed=seed, unit=unit)
    assert policy.context({}, seed=2**64 - 1, unit=2**64 - 1).seed == 2**64 - 1


def test_seed_has_no_default_and_is_an_int(policy: edgeart.Policy) -> None:
    with pytest.raises(TypeError, match="seed"):
        policy.context({})  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        policy.context({}, seed="42")  # type: ignore[arg-type]


def test_vectors_are_fresh_and_read_only(context: edgeart.Context) -> None:
    vector = context.vector
    assert vector.readonly
    assert vector.format == "f"
    assert vector.obj is not context.vector.obj


def test_a_context_s_repr_says_whose_it_is(context: edgeart.Context) -> None:
    assert repr(context) == "<Context for policy 'row', seed 42, unit 7>"
