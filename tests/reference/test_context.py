# SPDX-License-Identifier: Apache-2.0
"""Context maps whose vectors can be told by hand (decision.md §3)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.binary import round32
from tests.reference.context import Report, encode
from tests.reference.features import Feature
from tests.reference.msgpack import Reader
from tests.reference.refused import Refused
from tests.reference.write import Entries, Raw, pack

HOUR = Feature("number", b"hour", 2, centre=12.0, scale=6.0, clip=2.0, indicator=True)
PLACE = Feature("category", b"place", 3, vocabulary=2, words=(b"US", b""))
TASTE = Feature("weights", b"taste", 2, vocabulary=2, words=(b"comedy", b"drama"))
SHAPE = Feature("vector", b"shape", 2, length=2, clip=100.0)

VALUES: list[tuple[Feature, object, list[float], Report]] = [
    (HOUR, 15, [0.5, 0.0], Report()),
    (HOUR, 12.0, [0.0, 0.0], Report()),
    (HOUR, math.nan, [0.0, 1.0], Report(missing=1)),
    (HOUR, None, [0.0, 1.0], Report(missing=1)),
    (HOUR, -math.inf, [-2.0, 0.0], Report(clipped=1)),
    (HOUR, 2**64 - 1, [2.0, 0.0], Report(clipped=1)),
    (HOUR, Raw(b"\xca\x41\x70\x00\x00"), [0.5, 0.0], Report()),
    (HOUR, Raw(b"\xd3" + b"\xff" * 8), [-2.0, 0.0], Report(clipped=1)),
    (HOUR, Raw(b"\xff"), [-2.0, 0.0], Report(clipped=1)),
    (PLACE, "US", [1.0, 0.0, 0.0], Report()),
    (PLACE, "", [0.0, 1.0, 0.0], Report()),
    (PLACE, "GB", [0.0, 0.0, 1.0], Report(other=1)),
    (PLACE, None, [0.0, 0.0, 0.0], Report(missing=1)),
    (TASTE, {"comedy": 3, "drama": -1}, [0.75, -0.25], Report()),
    (TASTE, {"comedy": None, "drama": math.nan}, [0.0, 0.0], Report()),
    (TASTE, {"comedy": math.inf, "x": 5}, [1.0, 0.0], Report(other=1, clipped=1)),
    (TASTE, {}, [0.0, 0.0], Report()),
    (TASTE, ["drama", "x", "drama", "comedy", "x"], [1 / 3, 2 / 3], Report(other=2)),
    (SHAPE, [1, -0.0], [1.0, 0.0], Report()),
    (SHAPE, [math.inf, -200], [100.0, -100.0], Report(clipped=2)),
    (SHAPE, [math.nan, 200], [0.0, 0.0], Report(missing=1)),
    (SHAPE, bytes.fromhex("0000803f 000000c0"), [1.0, -2.0], Report()),
]


@pytest.mark.parametrize(("feature", "value", "slots", "report"), VALUES)
def test_a_value_becomes_the_slots_that_the_rules_give(
    feature: Feature, value: object, slots: list[float], report: Report
) -> None:
    name = feature.name.decode()
    x, got = encode([feature], pack({name: value}))
    assert x == [*map(round32, slots), 1.0]
    assert got == report
    assert all(math.copysign(1.0, element) == 1.0 for element in x if element == 0)


REFUSED: list[tuple[object, str, int]] = [
    (Raw(b""), "EA_E_TRUNCATED", 0),
    (Raw(b"\x90"), "EA_E_TYPE", 0),
    (Raw(b"\x80\x00"), "EA_E_TRAILING", 1),
    (Raw(b"\xdf\xff\xff\xff\xff"), "EA_E_LIMIT", 0),
    ({1: 1}, "EA_E_TYPE", 1),
    ({"hour": True}, "EA_E_TYPE", 6),
    ({"place": 1}, "EA_E_TYPE", 7),
    ({"taste": {1: 1}}, "EA_E_TYPE", 8),
    ({"taste": {"x": "y"}}, "EA_E_TYPE", 10),
    ({"taste": ["x", 1]}, "EA_E_TYPE", 10),
    ({"shape": [1]}, "EA_E_TYPE", 7),
    ({"shape": [1, None]}, "EA_E_TYPE", 9),
    ({"shape": b"1234567"}, "EA_E_TYPE", 7),
    ({"undeclared": [[Raw(b"\xc1")]]}, "EA_E_TYPE", 14),
    (Entries((("hour", 1), ("hour", 1))), "EA_E_DUPLICATE", 7),
    ({"taste": Entries((("drama", 1), ("drama", 1)))}, "EA_E_DUPLICATE", 15),
    ({"taste": ["x"] * 4097}, "EA_E_LIMIT", 7),
]


@pytest.mark.parametrize(("value", "status", "offset"), REFUSED)
def test_a_refused_map_is_refused_where_the_violation_is(
    value: object, status: str, offset: int
) -> None:
    with pytest.raises(Refused) as refused:
        encode([HOUR, PLACE, TASTE, SHAPE], pack(value))
    assert (refused.value.status, refused.value.offset) == (status, offset)


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(JSON_LIKE)
def test_any_value_is_skipped_to_its_last_byte(value: Any) -> None:
    data = pack(value)
    reader = Reader(data + b"\xc1")
    reader.skip()
    assert reader.at == len(data)


@given(JSON_LIKE, st.data())
def test_any_cut_value_is_refused_as_truncated(value: Any, data: st.DataObject) -> None:
    whole = pack({"undeclared": value})
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Refused) as refused:
        encode([HOUR], whole[:cut])
    assert refused.value.status == "EA_E_TRUNCATED"
    assert refused.value.offset <= cut


@given(st.dictionaries(st.sampled_from(["hour", "place", "taste", "shape", "x"]), JSON_LIKE))
def test_every_slot_of_an_accepted_map_is_clean(entries: dict[str, Any]) -> None:
    try:
        x, _ = encode([HOUR, PLACE, TASTE, SHAPE], pack(entries))
    except Refused:
        return
    assert len(x) == 10
    assert all(element == 0 or 2.0**-50 <= abs(element) <= 2.0**19 for element in x)
