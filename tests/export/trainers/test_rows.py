# SPDX-License-Identifier: Apache-2.0
"""Rows are what their batch was, and come back as a batch."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from edgeart_export import DataError, LinearTrainer, Log
from edgeart_export.trainers.rows import Names, joined, read_rows
from tests.export.trainers.conformance import SCHEMA, TITLES, rows


def test_a_batch_of_rows_teaches_what_the_batch_taught() -> None:
    batch = rows(50)
    batch["previous"] = np.where(np.arange(50) % 5 == 0, 0.5, np.nan)
    read = read_rows(batch, SCHEMA, TITLES)
    one, two = LinearTrainer(SCHEMA, TITLES), LinearTrainer(SCHEMA, TITLES)
    again = Names(TITLES).batch(read)
    np.testing.assert_array_equal(one.fit(batch).solve(), two.fit(again).solve())
    assert again["artwork"].to_pylist() == batch["artwork"]  # type: ignore[attr-defined]
    assert read.new.tolist() == (np.arange(50) % 5 != 0).tolist()


def test_what_is_expected_is_taken_off_rewards_given_before_too() -> None:
    batch = rows(20)
    batch["previous"] = np.where(np.arange(20) < 5, 0.5, np.nan)
    read = read_rows(batch, SCHEMA, TITLES)
    less = Names(TITLES).batch(read, expected=np.full(20, 0.25))
    np.testing.assert_array_equal(less["reward"], batch["reward"] - 0.25)
    np.testing.assert_array_equal(less["previous"], batch["previous"] - 0.25)


def test_parts_are_joined_in_order_and_absent_columns_are_what_they_mean() -> None:
    first, second = rows(10), rows(6, seed=9)
    for name in ("propensity", "time", "slot_row", "slot_column"):
        second.pop(name, None)
    second["previous"] = np.full(6, 1.0)
    whole = joined([read_rows(batch, SCHEMA, TITLES) for batch in (first, second)])
    assert len(whole) == 16
    assert sorted(whole.more) == ["previous", "propensity"]
    assert whole.more["propensity"].tolist() == [0.25] * 10 + [1.0] * 6
    assert np.isnan(whole.more["previous"]).tolist() == [True] * 10 + [False] * 6
    np.testing.assert_array_equal(whole.reward, [*first["reward"], *second["reward"]])


@pytest.mark.parametrize("name", ["cluster", "unit_epoch"])
def test_members_may_be_numbers_texts_or_bytes(name: str) -> None:
    members = np.arange(40) // 3
    found = []
    for column in (
        members,
        [f"m{m}" for m in members],
        pa.array([bytes([m]) * 16 for m in members.tolist()], pa.binary(16)),
        pa.chunked_array([pa.array(members)]),
    ):
        cluster = read_rows({**rows(40), name: column}, SCHEMA, TITLES).more["cluster"]
        assert cluster.dtype == np.int64
        found.append(np.unique(cluster, return_inverse=True)[1])
        equal = cluster[:, None] == cluster
        assert (equal == (members[:, None] == members)).all()
    late = {**rows(2), name: ["m5", "m5"]}
    early = read_rows({**rows(40), name: [f"m{m}" for m in members]}, SCHEMA, TITLES)
    assert read_rows(late, SCHEMA, TITLES).more["cluster"][0] == early.more["cluster"][15]


def test_a_logs_clusters_are_read() -> None:
    batch = rows(12)
    log = Log(
        batch["context"], batch["title"], batch["artwork"], batch["reward"], batch["propensity"],
        cluster=np.arange(12) // 2,
    )  # fmt: skip
    assert read_rows(log, SCHEMA, TITLES).more["cluster"].tolist() == (np.arange(12) // 2).tolist()


def test_members_that_are_missing_are_refused() -> None:
    with pytest.raises(DataError, match="3 values of cluster for 4 contexts"):
        read_rows({**rows(4), "cluster": [1, 2, 3]}, SCHEMA, TITLES)
    with pytest.raises(DataError, match="cluster is missing in 1 rows"):
        read_rows({**rows(2), "cluster": pa.array([None, b"a"])}, SCHEMA, TITLES)
