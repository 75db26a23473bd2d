# SPDX-License-Identifier: Apache-2.0
"""States come back with all their settings, and what is no state says so."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgeart_export import DataError, LinearTrainer
from tests.export.trainers.conformance import SCHEMA, TITLES, rows

TAGS = {("seven", "couple"): "people", ("eight", "duel"): ["dark", "people"]}


def trained() -> LinearTrainer:
    trainer = LinearTrainer(
        SCHEMA, TITLES, artworks=TAGS, half_life=timedelta(days=3), slots=(3, 4)
    )
    trainer.sources = {"night-1.parquet": 7}
    return trainer.partial_fit(rows(60))


def test_everything_comes_back(tmp_path: Path) -> None:
    trainer = trained()
    trainer.save_state(tmp_path / "state.parquet")
    back = LinearTrainer.load_state(tmp_path / "state.parquet")
    for name in ("schema", "titles", "l2", "artworks", "half_life", "slots", "sources", "latest"):
        assert getattr(back, name) == getattr(trainer, name), name
    np.testing.assert_array_equal(back.solve(), trainer.solve())
    back.sources = {}
    assert back.merge(trained()).counts.sum() == pytest.approx(2 * trainer.counts.sum())


def test_what_has_been_learned_by_both_is_not_merged() -> None:
    with pytest.raises(DataError, match=r"both trainers have learned from 'night-1\.parquet'"):
        trained().merge(trained())


def test_the_file_is_a_table_that_others_can_read(tmp_path: Path) -> None:
    trainer = trained()
    trainer.save_state(tmp_path / "state.parquet")
    table = pq.read_table(tmp_path / "state.parquet")
    assert table.column_names == ["title", "artwork", "count", "reward", "sums", "features"]
    assert table.column("artwork").to_pylist() == [a for row in TITLES.values() for a in row]
    n = SCHEMA.width + 5 + 1
    assert len(table.column("sums")[0].as_py()) == n * (n + 1) // 2
    assert table.column("features").to_pylist()[3] == [1.0, 1.0]


def test_more_titles_keep_what_was_learned_in_its_place() -> None:
    trainer = LinearTrainer(SCHEMA, TITLES, l2=2.0).partial_fit(rows(60))
    more = trainer.extended({"nine": ["new"], "ten": ["x", "y"]})
    old = {title: tuple(row) for title, row in TITLES.items()}
    assert more.titles == {**old, "nine": ("alone", "new"), "ten": ("x", "y")}
    np.testing.assert_array_equal(more.A[:6], trainer.A)
    np.testing.assert_array_equal(more.solve()[:6], trainer.solve())
    assert not more.A[6:].any()
    both = more.partial_fit({**rows(3), "title": ["ten"] * 3, "artwork": ["x", "y", "x"]})
    assert both.counts[7:].all()
    model = trainer.to_model("p", 1, titles={"nine": ["new", "alone"]})
    assert model.titles == {"nine": ("new", "alone")}
    assert not model.weights[0].any()
    np.testing.assert_allclose(model.weights[1], trainer.solve()[5], rtol=1e-6)
    with pytest.raises(DataError, match="has no artwork features"):
        trainer.extended({"ten": ["x"]}, {("ten", "x"): "dark"})


def _told(table: pa.Table, **changes: Any) -> pa.Table:
    told = json.loads(table.schema.metadata[b"edgeart.trainer"])
    told |= changes
    told = {name: value for name, value in told.items() if value != "gone"}
    return table.replace_schema_metadata({b"edgeart.trainer": json.dumps(told)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace_schema_metadata({}), "no state of a trainer"),
        (lambda t: _told(t, format=2), "another format than 1"),
        (lambda t: _told(t, width=-1), "no usable width"),
        (lambda t: _told(t, width=3), "columns are not those of a state"),
        (lambda t: _told(t, kind="neural"), "the state of a 'neural' trainer"),
        (lambda t: _told(t, slots="gone"), "missing or unusable entry"),
        (lambda t: _told(t, schema=[]), "another width than the schema"),
        (lambda t: t.drop_columns(["count"]), "columns are not those of a state"),
        (lambda t: t.take([0, 3, 1, 2, 4, 5]), "artworks of title 'seven' stand apart"),
    ],
)
def test_what_is_no_state_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "state.parquet"
    trained().save_state(path)
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(DataError, match=message) as refused:
        LinearTrainer.load_state(path)
    assert str(path) in str(refused.value)


def test_sums_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    trainer = trained()
    trainer._sums.counts[1] = np.nan
    trainer.save_state(tmp_path / "state.parquet")
    with pytest.raises(DataError, match="counts are not all finite"):
        LinearTrainer.load_state(tmp_path / "state.parquet")


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no Parquet")
    with pytest.raises(DataError, match="no state of a trainer"):
        LinearTrainer.load_state(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        LinearTrainer.load_state(tmp_path / "absent")
