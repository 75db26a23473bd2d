# SPDX-License-Identifier: Apache-2.0
"""Exposures are taken in once, corrected in place, and only used where they can judge a policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import edgeart
from edgeart_export import (
    Category,
    DataError,
    FeatureSchema,
    Number,
    PolicyModel,
    Uniform,
    Vector,
    Weights,
)
from edgeart_export.exposures import Exposures
from edgeart_export.exposures.exposures import COLUMNS
from edgeart_export.exposures.usable import cut, said, schema_of, trained_until, usable
from tests.support.models import opened

SCHEMA = FeatureSchema([Category("country", ["US", "GB"])])
PLAIN: dict[str, Any] = {
    "unit_epoch": 7,
    "policy_sequence": 3,
    "map": msgpack.packb({"country": "US"}),
    "title": "t",
    "artwork": "a",
    "n": 1 << 30,
    "propensity": 0.5,
    "reason": 0,
    "shown": None,
    "shown_first": 1000,
    "reward": 0.0,
    "previous": None,
}


def table(*rows: dict[str, Any], **kinds: pa.DataType) -> pa.Table:
    """Exposures with the keys 1, 2, …, each as PLAIN but for what is given."""
    full = [
        {"exposure": i.to_bytes(16, "big"), **PLAIN, **row} for i, row in enumerate(rows, start=1)
    ]
    types: dict[str, pa.DataType] = {
        "exposure": pa.binary(16),
        "unit_epoch": pa.uint64(),
        "policy_sequence": pa.uint64(),
        "map": pa.binary(),
        "n": pa.uint32(),
        "reason": pa.uint8(),
        "shown": pa.string(),
        "shown_first": pa.timestamp("ms", tz="UTC"),
        "reward": pa.float32(),
        "previous": pa.float32(),
        "cell": pa.string(),
        **kinds,
    }
    names = [*COLUMNS, *(["cell"] if any("cell" in row for row in rows) else [])]
    columns = {name: pa.array([row.get(name) for row in full], types.get(name)) for name in names}
    return pa.table(columns)


def exposures(*rows: dict[str, Any]) -> Exposures:
    found = Exposures(SCHEMA)
    found.add(table(*rows))
    return found


def policy(meta: dict[str, str] | None = None, titles: tuple[str, ...] = ("t",)) -> edgeart.Policy:
    model = PolicyModel(
        *("p", 1, SCHEMA, {title: ["a", "b"] for title in titles}),
        weights=np.zeros((2 * len(titles), SCHEMA.width)),
        bias=np.zeros(2 * len(titles)),
        explorer=Uniform(),
        meta=meta or {},
    )
    return opened(model)


def test_what_has_no_propensity_is_counted_by_why_and_left_out() -> None:
    found = exposures(
        {},
        {"reason": 10, "n": 5},
        {"reason": 20},
        {"reason": 50},
        {"reason": 60},
        {"n": 0},
        {"shown": "b"},
        {"reason": 77},
    )
    assert len(found) == 3
    assert found.excluded == {
        "another artwork shown": 1,
        "policy": 1,
        "fallback": 1,
        "host_uniform": 1,
        "reason 77": 1,
    }
    assert found.reasons == {
        "policy": 3,
        "redrawn": 1,
        "recomputed": 1,
        "fallback": 1,
        "host_uniform": 1,
        "reason 77": 1,
    }


def test_columns_are_as_given_and_large_pseudonyms_stay_apart() -> None:
    big = 2**64 - 5
    found = exposures({"unit_epoch": big}, {"unit_epoch": 3, "artwork": "b", "reward": 1.0})
    assert found.unit.astype(np.uint64).tolist() == [big, 3]
    assert found.artwork.tolist() == ["a", "b"]
    assert found.reward.tolist() == [0.0, 1.0]
    assert found.shown_first.tolist() == [1000, 1000]
    log = found.log(np.array([1, 0]))
    assert log.artwork == ["b", "a"]
    assert log.time is not None
    assert log.time.tolist() == [1000, 1000]
    assert log.slot is None
    assert log.cluster is not None
    assert len(set(log.cluster.tolist())) == 2


def test_places_on_the_page_are_kept_where_the_table_has_them() -> None:
    found, slots = Exposures(), table({}, {})
    for name, values in (("slot_row", [3, 0]), ("slot_column", [1, 7])):
        slots = slots.append_column(name, pa.array(values, pa.uint32()))
    found.add(slots)
    log = found.log(np.array([0, 1]))
    assert log.slot is not None
    assert log.slot.tolist() == [[3, 1], [0, 7]]


def test_the_cut_of_a_training_is_its_last_showing() -> None:
    found = exposures({"shown_first": 50}, {"shown_first": 71}, {"shown_first": 90})
    meta = cut(found, np.array([0, 1]))
    assert meta == {"trained_until": "1970-01-01T00:00:00.071Z"}
    assert trained_until(policy(meta)) == 71


def test_a_correction_changes_the_reward_in_place_whenever_it_comes() -> None:
    found = exposures({}, {})
    later = table({"reward": 1.0, "previous": 0.0})
    later = later.set_column(0, "exposure", pa.array([(2).to_bytes(16, "big")], pa.binary(16)))
    assert found.reward.tolist() == [0.0, 0.0]
    found.add(later)
    assert found.reward.tolist() == [0.0, 1.0]
    assert (len(found), found.corrected) == (2, 1)


def test_what_was_never_given_cannot_be_corrected_and_nothing_is_given_twice() -> None:
    with pytest.raises(DataError, match="is corrected but was never given"):
        exposures({"reward": 1.0, "previous": 0.0})
    found = exposures({})
    with pytest.raises(DataError, match="stands there twice"):
        found.add(table({}))
    with pytest.raises(DataError, match="exposures without a column 'n'"):
        found.add(table({}).drop_columns(["n"]))


def test_a_folder_is_read_file_after_file(tmp_path: Path) -> None:
    pq.write_table(table({}, {}), tmp_path / "exposures-ab-00000001.parquet")
    later = table({"reward": 1.0, "previous": 0.0})
    pq.write_table(later, tmp_path / "exposures-ab-00000002.parquet")
    read: list[int] = []
    found = Exposures.load(tmp_path, progress=read.append)
    assert found.reward.tolist() == [1.0, 0.0]
    assert read == [2, 2]
    with pytest.raises(DataError, match=r"holds no exposures-….parquet"):
        Exposures.load(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="without a schema have no vectors"):
        found.vectors(np.array([0]))
    (tmp_path / "exposures-ab-00000003.parquet").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"exposures-ab-00000003\.parquet: "):
        Exposures.load(tmp_path)


def test_vectors_are_those_of_the_schema_also_for_maps_that_come_later() -> None:
    found = exposures({}, {"map": msgpack.packb({"country": "GB"})})
    assert found.vectors(np.array([1, 0])).tolist() == [[0, 1, 0, 1], [1, 0, 0, 1]]
    more = table({"map": msgpack.packb({})})
    found.add(more.set_column(0, "exposure", pa.array([b"x" * 16], pa.binary(16))))
    assert found.vectors(np.array([2])).tolist() == [SCHEMA.encode({}).tolist()]
    assert Exposures(SCHEMA).vectors(np.array([], dtype=np.intp)).shape == (0, 4)


def test_cells_that_leave_nothing_to_chance_are_told_from_those_that_do() -> None:
    found = exposures(
        {"cell": "fixed", "propensity": 1.0, "n": 1 << 31},
        {"cell": None, "propensity": 1.0, "n": 1 << 31},  # a title with one artwork
        {"cell": None, "propensity": 0.3},
        {"cell": "uniform", "propensity": 0.5},
        {"cell": None, "policy_sequence": 4, "propensity": 1.0},  # greedy that day
    )
    assert found.explored().tolist() == [False, True, True, True, False]


def test_zeros_say_until_when_rewards_are_settled() -> None:
    found = exposures({"shown_first": 50}, {"shown_first": 70}, {"shown_first": 90, "reward": 1.0})
    assert found.settled_until() == 70
    assert found.settled(100, 30).tolist() == [0, 1]
    assert Exposures().settled_until() == -1


def test_only_what_can_judge_is_used_and_the_rest_is_counted() -> None:
    found = exposures(
        {"shown_first": 10},
        {"shown_first": 40},
        {"shown_first": 60, "title": "u"},
        {"shown_first": 60, "cell": "fixed", "propensity": 1.0},
        {"shown_first": 60, "reason": 50},
        {"shown_first": 90},
        {"shown_first": 95, "reward": 1.0},
    )
    used = usable(found, [policy(), policy(titles=("t", "u"))], since=20)
    assert sorted(used.rows.tolist()) == [1, 4]
    assert used.left_out == {
        "fallback": 1,
        "before the cut": 1,
        "too young for a 0": 1,
        "decided without chance": 1,
        "title not in every policy": 1,
    }
    assert (used.since, used.until) == (20, 90)
    with pytest.raises(DataError, match="no exposure is left to judge by: 1 fallback"):
        usable(found, [policy(titles=("w",))])


def test_the_moment_of_training_is_read_from_meta_and_rounded_up() -> None:
    for text, wanted in (
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01T01:00:01.000100+01:00", 1001),
        (said(1_700_000_000_123), 1_700_000_000_123),
    ):
        assert trained_until(policy({"trained_until": text})) == wanted
    assert trained_until(policy()) is None
    for text in ("yesterday", "2026-01-31T06:00:00"):
        with pytest.raises(DataError, match="which is no moment such as"):
            trained_until(policy({"trained_until": text}))


def test_a_policy_says_which_features_it_reads() -> None:
    schema = FeatureSchema(
        [
            Category("c", ["x", "y"]),
            Weights("w", ["a"]),
            Number("n", mean=3, std=2, clip=4, indicator=False),
            Vector("v", 3, clip=7),
        ]
    )
    model = PolicyModel(
        *("p", 1, schema, {"t": ["a"]}),
        weights=np.zeros((1, schema.width)),
        bias=np.zeros(1),
        explorer=Uniform(),
    )
    assert schema_of(opened(model)) == schema
