# SPDX-License-Identifier: Apache-2.0
"""The loader reads the Open Bandit Dataset's layout exactly, or says in which line it cannot."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from edgeart_export import DataError
from edgeart_export.obd import TITLE, load_impressions, load_items

HEADER = (
    ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,"
    "user-item_affinity_0,user-item_affinity_1"
)
LINES = [
    "0,2019-11-24 00:03:00.500000+00:00,1,3,0,0.5,aa,xx,0.0,1.0",
    "1,2019-11-24 00:01:00+00:00,0,1,1,0.25,aa,yy,2.0,0.0",
    "2,2019-11-24 01:02:00+01:00,1,2,0,0.75,bb,xx,0.0,0.0",
    "3,2019-11-24 00:01:00+00:00,1,2,0,0.5,aa,zz,0.0,0.0",
]
ITEMS = ",item_id,item_feature_0,item_feature_1\n0,1,-0.5,p\n1,0,0.25,q\n"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def changed(column: int, value: str) -> str:
    cells = LINES[0].split(",")
    cells[column] = value
    return ",".join(cells)


def test_rows_are_typed_and_sorted_by_time(tmp_path: Path) -> None:
    rows = load_impressions(write(tmp_path / "log.csv", *LINES), affinity=True)
    # 01:02 in +01:00 is 00:02 in UTC; equal times keep the order of the file.
    assert [str(t)[11:] for t in rows.timestamp] == [
        "00:01:00.000000",
        "00:01:00.000000",
        "00:02:00.000000",
        "00:03:00.500000",
    ]
    assert rows.item.tolist() == [0, 1, 1, 1]
    assert rows.position.tolist() == [1, 2, 2, 3]
    assert rows.click.tolist() == [1, 0, 0, 0]
    assert rows.propensity.tolist() == [0.25, 0.5, 0.75, 0.5]
    assert rows.user.tolist() == [["aa", "yy"], ["aa", "zz"], ["bb", "xx"], ["aa", "xx"]]
    assert rows.affinity.tolist() == [[2, 0], [0, 0], [0, 0], [0, 1]]


def test_a_gzipped_log_is_the_same_log(tmp_path: Path) -> None:
    plain = write(tmp_path / "log.csv", *LINES)
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert load_impressions(packed).contexts() == load_impressions(plain).contexts()


def test_affinities_are_read_only_when_asked_for(tmp_path: Path) -> None:
    rows = load_impressions(write(tmp_path / "log.csv", *LINES))
    assert rows.affinity.shape == (4, 0)


def test_halves_are_halves_in_time(tmp_path: Path) -> None:
    rows = load_impressions(write(tmp_path / "log.csv", *LINES[:3]))
    assert (len(rows.half("first")), len(rows.half("second")), len(rows.half("all"))) == (1, 2, 3)
    assert rows.half("first").timestamp.max() <= rows.half("second").timestamp.min()


def test_the_log_has_position_and_user_features_as_context(tmp_path: Path) -> None:
    log = load_impressions(write(tmp_path / "log.csv", *LINES)).log()
    assert log.contexts[0] == {"position": "1", "user_feature_0": "aa", "user_feature_1": "yy"}
    assert log.title == [TITLE] * 4
    assert log.artwork == ["item-0", "item-1", "item-1", "item-1"]
    assert log.reward.tolist() == [1, 0, 0, 0]


def test_vocabularies_hold_the_most_frequent_words_first(tmp_path: Path) -> None:
    rows = load_impressions(write(tmp_path / "log.csv", *LINES))
    words = {f.name: f.words for f in rows.schema(max_words=2).features}
    assert words == {
        "position": ("2", "1"),
        "user_feature_0": ("aa", "bb"),
        "user_feature_1": ("xx", "yy"),
    }


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (1, "yesterday", "column timestamp: 'yesterday' is not an ISO 8601 time"),
        (2, "x", "column item_id: 'x' is not a whole number from 0 on"),
        (2, "-1", "column item_id: '-1' is not a whole number"),
        (2, "7", "column item_id: 7 is not in .*items.csv"),
        (3, "0", "column position: '0' is not a whole number from 1 on"),
        (4, "2", "column click: 2 is neither 0 nor 1"),
        (5, "0", "column propensity_score: 0.0 is not above 0 and at most 1"),
        (5, "1.5", "column propensity_score: 1.5 is not above 0"),
        (5, "nan", "column propensity_score: 'nan' is not a finite number"),
        (8, "", "column user-item_affinity_0: '' is not a finite number"),
    ],
)
def test_a_bad_cell_is_refused_with_file_line_and_column(
    tmp_path: Path, column: int, value: str, message: str
) -> None:
    (tmp_path / "items.csv").write_text(ITEMS)
    items = load_items(tmp_path / "items.csv")
    path = write(tmp_path / "log.csv", LINES[1], changed(column, value))
    with pytest.raises(DataError, match=f"log.csv, line 3, {message}"):
        load_impressions(path, items=items, affinity=True)


def test_a_ragged_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 3: 2 cells under 10 columns"):
        load_impressions(write(tmp_path / "log.csv", LINES[0], "1,2"))


def test_another_file_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(ITEMS)
    with pytest.raises(DataError, match="line 1: no column timestamp, position, click"):
        load_impressions(tmp_path / "items.csv")
    with pytest.raises(DataError, match="no rows after the header"):
        load_impressions(write(tmp_path / "log.csv"))
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(DataError, match="line 1: no column item_id"):
        load_items(tmp_path / "empty.csv")


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    whole = gzip.compress(write(tmp_path / "log.csv", *LINES * 50).read_bytes())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"log\.csv\.gz, after line"):
        load_impressions(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(HEADER.encode() + b"\n\xff\xfe\n")
    with pytest.raises(DataError, match=r"log\.csv, after line"):
        load_impressions(path)


def test_items_are_sorted_by_id_and_distinct(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text(ITEMS)
    items = load_items(path)
    assert items.ids == (0, 1)
    assert items.numeric.tolist() == [0.25, -0.5]
    assert items.categories == (("q",), ("p",))
    assert items.artworks() == ["item-0", "item-1"]
    path.write_text(ITEMS + "2,1,0.0,r\n")
    with pytest.raises(DataError, match=r"items\.csv, line 4, column item_id: 1 stands there"):
        load_items(path)


@pytest.mark.parametrize(("name", "clicks"), [("random_men", 46), ("bts_men", 69)])
def test_the_published_files_are_read(open_bandit: Path, name: str, clicks: int) -> None:
    items = load_items(open_bandit / f"{name}_items.csv")
    seen: list[int] = []
    rows = load_impressions(
        open_bandit / f"{name}.csv.gz", items=items, affinity=True, progress=seen.append
    )
    assert (len(rows), len(items.ids), int(rows.click.sum())) == (10_000, 34, clicks)
    assert rows.affinity.shape == (10_000, 34)
    assert (np.diff(rows.timestamp) >= np.timedelta64(0)).all()
    assert seen[-1] == 10_000
    if name == "random_men":
        assert np.allclose(rows.propensity, 1 / 34)
