# SPDX-License-Identifier: Apache-2.0
"""The rules of attribution, each on tables small enough to work out by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgeart_export import DataError
from edgeart_export.attribution import Report, attribute
from edgeart_export.attribution.tables import EXPOSURES
from edgeart_export.reward import QualityPlay, parse_duration
from tests.support.landing_tables import FULL, MINUTE, Landing, moment, ref

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LATER = 1_000.0  # hours: everything is settled by then
SUBJECT: dict[str, Any] = {"subject": "s"}


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path)


def run(
    landing: Landing, now: float = LATER, plays: Sequence[Path] = (), **settings: Any
) -> tuple[list[dict[str, Any]], Report]:
    """The exposures that a run gives out, and its report."""
    landing.land()
    folder = landing.folder
    report = attribute(
        landing.path, folder / "state", folder / "out", now=moment(now), plays=plays, **settings
    )
    return [] if report.file is None else pq.read_table(report.file).to_pylist(), report


def by_title(rows: list[dict[str, Any]], column: str = "reward") -> dict[str, Any]:
    return {row["title"]: row[column] for row in rows}


def test_an_exposure_carries_all_that_training_and_evaluation_need(landing: Landing) -> None:
    context = landing.context(
        subject="s", cell="fixed", map=b"\x81\xa1h\x01", denied=b"\x08", required=2, forbidden=5
    )
    first = landing.impression(
        context, 1, slot_row=2, slot_column=3, n=FULL // 8, total=FULL // 2, candidates=b"\x07"
    )
    landing.impression(context, 5, slot_row=9, slot_column=9)
    landing.outcome(first, 2, 12)
    (row,), report = run(landing)
    assert pq.read_schema(report.file).equals(EXPOSURES)
    assert len(row.pop("exposure")) == 16
    assert row == {
        "unit_epoch": 7,
        "policy": "row",
        "policy_sequence": 3,
        "digest": b"0123456789abcdef",
        "seed": 42,
        "map": b"\x81\xa1h\x01",
        "subject": "s",
        "cell": "fixed",
        "title": "t",
        "artwork": "a",
        "shown": None,
        "n": FULL // 8,
        "total": FULL // 2,
        "propensity": 0.25,
        "reason": 0,
        "slot_row": 2,
        "slot_column": 3,
        "shown_first": moment(1),
        "shown_last": moment(5),
        "shown_count": 2,
        "minutes": 12.0,
        "reward": 1.0,
        "previous": None,
        "denied": b"\x08",
        "required": 2,
        "forbidden": 5,
        "candidates": b"\x07",
    }


def test_limits_are_those_of_the_first_impression(landing: Landing) -> None:
    for at, denied, candidates in ((3, b"\x01", b"\x06"), (1, b"\x02", None), (2, None, b"\x05")):
        context = landing.context(denied=denied, required=at)
        landing.impression(context, at, candidates=candidates)
    landing.impression(landing.context(), 1, title="free", candidates=b"")
    rows, _ = run(landing)
    found = {
        row["title"]: tuple(row[n] for n in ("denied", "required", "forbidden", "candidates"))
        for row in rows
    }
    assert found == {"t": (b"\x02", 1, 0, None), "free": (None, 0, 0, b"")}


def test_a_replayed_batch_changes_nothing_but_the_count_of_duplicates(landing: Landing) -> None:
    context = landing.context()
    landing.again("contexts", 8)
    shown = landing.impression(context, 1)
    for received in (9, 10):
        landing.again("impressions", received)
    landing.outcome(shown, 2, 15)
    landing.again("outcomes", 9)
    (row,), report = run(landing)
    assert row["shown_count"] == 1
    assert row["reward"] == 1
    assert report.counts["impressions"] == 3
    assert report.counts["duplicates"] == 2
    assert report.counts["outcomes_matched"] == 1


def test_of_copies_that_differ_the_one_received_first_holds(landing: Landing) -> None:
    context = landing.context()
    landing.impression(context, 1, artwork="later", sequence=9, received=4)
    landing.impression(context, 1, artwork="earlier", sequence=9, received=3)
    (row,), _ = run(landing)
    assert row["artwork"] == "earlier"


def test_one_key_in_several_streams_is_one_exposure(landing: Landing) -> None:
    for stream, at in ((2, 30.0), (1, 3.0), (3, 300.0)):
        context = landing.context(stream=stream, at=at)
        landing.impression(context, at, stream=stream)
    (row,), _ = run(landing)
    assert row["shown_count"] == 3
    assert (row["shown_first"], row["shown_last"]) == (moment(3), moment(300))


@pytest.mark.parametrize(
    "other",
    [
        {"unit_epoch": 8},
        {"policy": "hero"},
        {"policy_sequence": 4},
        {"digest": b"fedcba9876543210"},
        {"seed": 43},
        {"map": b"\x81\xa1h\x02"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_context_is_another_exposure(landing: Landing, other: dict[str, Any]) -> None:
    landing.impression(landing.context(), 1)
    landing.impression(landing.context(**other), 2)
    rows, _ = run(landing)
    assert len({row["exposure"] for row in rows}) == 2


def test_title_artwork_and_what_was_shown_instead_tell_exposures_apart(landing: Landing) -> None:
    context = landing.context()
    # Texts that run into each other when they are only joined, and none against empty.
    for title, artwork, shown in (
        ("ab", "c", None),
        ("a", "bc", None),
        ("ab", "c", "x"),
        ("ab", "cx", None),
        ("ab", None, None),
        ("ab", "", None),
        ("ab/1:c", "", None),
    ):
        landing.impression(context, 1, title, artwork=artwork, shown=shown)
    rows, report = run(landing)
    assert len({row["exposure"] for row in rows}) == 7
    assert report.counts["shown_instead"] == 1


def test_files_that_landed_before_cells_had_names_are_read(landing: Landing) -> None:
    """Then cell was a number, and what limits a choice had no columns."""
    landing.impression(landing.context(), 1, title="old")
    landing.land()
    later = {
        "contexts": ["required", "forbidden"],
        "impressions": ["candidates", "host_candidates"],
    }
    for table, names in later.items():
        (path,) = landing.path.glob(f"{table}/*/*.parquet")
        rows = pq.read_table(path).drop_columns(names)
        if table == "contexts":
            number = pa.array([7], pa.uint32())
            rows = rows.set_column(rows.schema.get_field_index("cell"), "cell", number)
        pq.write_table(rows, path)
    landing.impression(landing.context(cell="fixed", seed=43), 1, title="new")
    rows, _ = run(landing)
    assert by_title(rows, "cell") == {"old": "7", "new": "fixed"}
    assert by_title(rows, "required") == {"old": 0, "new": 0}
    assert by_title(rows, "candidates") == {"old": None, "new": None}


NO_PART: list[dict[str, Any]] = [{"denied": b"\x01"}, {"cell": "uniform"}, {"subject": "s"}]


@pytest.mark.parametrize("what", NO_PART, ids=str)
def test_denied_cell_and_subject_are_no_part_of_the_key(
    landing: Landing, what: dict[str, Any]
) -> None:
    landing.impression(landing.context(), 1)
    landing.impression(landing.context(**what), 2)
    rows, _ = run(landing)
    assert len(rows) == 1
    for name in set(what) - {"denied"}:
        assert rows[0][name] == what[name]


def test_ties_for_the_first_impression_go_to_the_lower_stream_then_sequence(
    landing: Landing,
) -> None:
    for stream in (2**63 + 5, 2**63 + 4):
        context = landing.context(stream=stream)
        landing.impression(context, 1, stream=stream, sequence=8, slot_row=stream % 10)
        landing.impression(context, 1, stream=stream, sequence=7, slot_row=stream % 10 + 50)
    (row,), _ = run(landing)
    assert row["slot_row"] == (2**63 + 4) % 10 + 50


def test_impressions_without_a_context_are_counted_and_left_out(landing: Landing) -> None:
    landing.impression(2**32 - 1, 1, reason=50, n=0)
    landing.impression(77, 1)
    landing.again("impressions", 5)
    rows, report = run(landing)
    assert rows == []
    assert report.counts["no_context"] == 1
    assert report.counts["lost_context"] == 1
    assert report.counts["duplicates"] == 1


def test_a_fallback_with_a_context_is_kept_with_propensity_0(landing: Landing) -> None:
    landing.impression(landing.context(), 1, reason=50, n=0, total=0)
    (row,), _ = run(landing)
    assert (row["reason"], row["n"], row["propensity"]) == (50, 0, 0.0)


def test_minutes_are_cumulative_and_the_largest_report_holds(landing: Landing) -> None:
    shown = landing.impression(landing.context(), 1)
    for at, minutes in ((2, 6), (4, 11.5), (5, 4)):
        landing.outcome(shown, at, minutes)
    (row,), _ = run(landing)
    assert row["minutes"] == 11.5
    assert row["reward"] == 1


@pytest.mark.parametrize(("minutes", "reward"), [(9.999, 0), (10, 1), (10.001, 1)])
def test_a_play_of_exactly_the_minutes_is_enough(
    landing: Landing, minutes: float, reward: int
) -> None:
    landing.outcome(landing.impression(landing.context(), 1), 2, minutes)
    (row,), _ = run(landing)
    assert row["reward"] == reward
    assert row["minutes"] == np.float32(minutes)


@pytest.mark.parametrize(("after", "reward"), [(24, 1), (24 + MINUTE, 0)])
def test_the_window_ends_so_long_after_the_first_showing(
    landing: Landing, after: float, reward: int
) -> None:
    context = landing.context()
    landing.impression(context, 1)
    shown_again = landing.impression(context, 20)
    landing.outcome(shown_again, 1 + after, 30)
    (row,), _ = run(landing)
    assert (row["reward"], row["minutes"]) == (reward, 30 * reward)


@pytest.mark.parametrize("minutes", [float("nan"), float("inf"), -1.0])
def test_minutes_that_are_no_number_of_minutes_are_counted_and_left_out(
    landing: Landing, minutes: float
) -> None:
    shown = landing.impression(landing.context(), 1)
    landing.outcome(shown, 2, minutes)
    landing.outcome(shown, 3, 5)
    (row,), report = run(landing)
    assert (row["minutes"], row["reward"]) == (5, 0)
    assert report.counts["outcomes_unusable"] == 1
    assert report.counts["outcomes_matched"] == 1


def test_an_outcome_may_come_from_a_later_stream_and_land_before_its_impression(
    landing: Landing,
) -> None:
    landing.outcome((1, 1), 3, 20, stream=2)
    rows, report = run(landing)
    assert rows == []
    assert report.counts["outcomes_unmatched"] == 1
    landing.impression(landing.context(sequence=0, received=500), 1, sequence=1, received=500)
    (row,), report = run(landing)
    assert row["reward"] == 1
    assert report.counts["outcomes_unmatched"] == 0


def test_an_outcome_stamped_before_its_impression_by_a_clock_put_back_counts(
    landing: Landing,
) -> None:
    landing.outcome(landing.impression(landing.context(), 50), 2, 20)
    (row,), _ = run(landing)
    assert row["reward"] == 1


def test_a_clock_that_is_ahead_is_put_at_the_time_of_receipt(landing: Landing) -> None:
    shown = landing.impression(landing.context(), 90_000, received=10)
    landing.outcome(shown, 90_002, 20, received=12)
    (row,), report = run(landing)
    assert row["shown_first"] == moment(10)
    assert row["reward"] == 1
    assert report.counts["clock_ahead"] == 1


def test_a_0_waits_for_window_and_lateness_and_a_1_for_nothing(landing: Landing) -> None:
    context = landing.context()
    landing.impression(context, 1, "quiet")
    landing.outcome(landing.impression(context, 1, "played"), 2, 20)
    rows, report = run(landing, now=1 + 24 + 48 - MINUTE)
    assert by_title(rows) == {"played": 1}
    assert report.counts["censored"] == 1
    rows, report = run(landing, now=1 + 24 + 48)
    assert by_title(rows) == {"quiet": 0}
    assert report.counts["censored"] == 0


def test_window_lateness_and_minutes_are_settings(landing: Landing) -> None:
    context = landing.context()
    landing.outcome(landing.impression(context, 1, "played"), 2.5, 3)
    landing.impression(context, 1, "quiet")
    reward = QualityPlay(minutes=3, window=timedelta(hours=1.5))
    rows, _ = run(landing, now=1 + 1.5 + 2, reward=reward, lateness=timedelta(hours=2))
    assert by_title(rows) == {"played": 1, "quiet": 0}


def test_plays_are_found_by_ref(landing: Landing) -> None:
    context = landing.context()
    shown = landing.impression(context, 1, "by ref")
    landing.impression(context, 1, "other")
    log = [
        {"ref": ref(shown).upper(), "started": 2, "minutes": 20.0},
        {"ref": ref((1, 99)), "started": 2, "minutes": 20.0},
        {"ref": "not a ref", "started": 2, "minutes": 20.0},
    ]
    rows, report = run(landing, plays=[landing.plays(log)])
    assert by_title(rows) == {"by ref": 1, "other": 0}
    assert report.counts["plays_by_ref"] == 1
    assert report.counts["plays_unmatched"] == 2


def test_a_play_belongs_to_the_latest_exposure_shown_at_or_before_its_start(
    landing: Landing,
) -> None:
    for seed, at in ((1, 1.0), (2, 5.0), (3, 9.0)):
        landing.impression(landing.context(seed=seed, **SUBJECT), at)
    log = [{**SUBJECT, "title": "t", "started": 5, "minutes": 20}]
    rows, report = run(landing, plays=[landing.plays(log)])
    assert {row["seed"]: row["reward"] for row in rows} == {1: 0, 2: 1, 3: 0}
    assert report.counts["plays_by_subject"] == 1


def test_a_play_that_starts_when_the_window_ends_counts(landing: Landing) -> None:
    landing.impression(landing.context(**SUBJECT), 1)
    log = [{**SUBJECT, "title": "t", "started": 1 + 24, "minutes": 20}]
    (row,), _ = run(landing, plays=[landing.plays(log)])
    assert row["reward"] == 1


@pytest.mark.parametrize("started", [0.5, 1 + 24 + MINUTE])
def test_a_play_before_all_showings_or_after_the_window_belongs_to_none(
    landing: Landing, started: float
) -> None:
    landing.impression(landing.context(**SUBJECT), 1)
    log = [{**SUBJECT, "title": "t", "started": started, "minutes": 20}]
    (row,), report = run(landing, plays=[landing.plays(log)])
    assert (row["reward"], row["minutes"]) == (0, 0)
    assert report.counts["plays_unmatched"] == 1


def test_other_subjects_and_titles_are_not_matched(landing: Landing) -> None:
    landing.impression(landing.context(**SUBJECT), 1)
    landing.impression(landing.context(seed=9), 1)  # without a subject
    log = [
        {"subject": "s", "title": "other", "started": 2, "minutes": 20},
        {"subject": "other", "title": "t", "started": 2, "minutes": 20},
    ]
    rows, _ = run(landing, plays=[landing.plays(log)])
    assert [row["reward"] for row in rows] == [0, 0]


def test_of_exposures_shown_in_the_same_millisecond_the_largest_id_gets_the_play(
    landing: Landing,
) -> None:
    for seed in range(8):
        landing.impression(landing.context(seed=seed, **SUBJECT), 1)
    log = [{**SUBJECT, "title": "t", "started": 2, "minutes": 20}]
    rows, _ = run(landing, plays=[landing.plays(log)])
    assert [row["exposure"] for row in rows if row["reward"]] == [max(r["exposure"] for r in rows)]


def test_autoplay_neither_counts_nor_starts_a_title(landing: Landing) -> None:
    context = landing.context(**SUBJECT)
    landing.impression(context, 1, "only autoplay")
    landing.impression(context, 1, "autoplay before")
    log = [
        {**SUBJECT, "title": "only autoplay", "started": 2, "minutes": 90, "autoplay": True},
        {**SUBJECT, "title": "autoplay before", "started": 0, "minutes": 90, "autoplay": True},
        {**SUBJECT, "title": "autoplay before", "started": 2, "minutes": 90, "autoplay": None},
    ]
    rows, report = run(landing, plays=[landing.plays(log)])
    assert by_title(rows) == {"only autoplay": 0, "autoplay before": 1}
    assert report.counts["plays_autoplay"] == 2


def test_a_title_the_subject_had_started_before_earns_nothing(landing: Landing) -> None:
    context = landing.context(**SUBJECT)
    for title in ("begun", "begun at once", "new"):
        landing.impression(context, 10, title)
    log = [
        {**SUBJECT, "title": title, "started": started, "minutes": 40}
        for title, started in (("begun", 9.9), ("begun", 11), ("begun at once", 10), ("new", 11))
    ]
    rows, _ = run(landing, plays=[landing.plays(log)])
    assert by_title(rows) == {"begun": 0, "begun at once": 1, "new": 1}


def test_a_title_the_unit_had_started_by_another_picture_earns_nothing(landing: Landing) -> None:
    before = landing.impression(landing.context(), 1)
    landing.outcome(before, 3, 30)
    landing.outcome(landing.impression(landing.context(seed=2), 5), 6, 30)  # the same unit
    landing.outcome(landing.impression(landing.context(seed=3, unit_epoch=8), 5), 6, 30)
    rows, _ = run(landing)
    assert {row["seed"]: row["reward"] for row in rows} == {42: 1, 2: 0, 3: 1}


def test_minutes_reported_after_a_showing_may_prove_a_start_before_it(landing: Landing) -> None:
    before = landing.impression(landing.context(), 1)
    landing.outcome(before, 5.5, 60)  # began at 4.5 or before
    for seed, at in ((2, 4.4), (3, 4.6)):
        landing.outcome(landing.impression(landing.context(seed=seed), at), 6, 10)
    rows, _ = run(landing)
    assert {row["seed"]: row["reward"] for row in rows} == {42: 1, 2: 1, 3: 0}


def test_an_exposures_own_plays_never_count_as_started_before_it(landing: Landing) -> None:
    # 300 minutes within an hour: no clock and no player is that good, but a ref proves the order.
    landing.outcome(landing.impression(landing.context(**SUBJECT), 1), 2, 300)
    (row,), _ = run(landing)
    assert row["reward"] == 1


def test_losses_are_summed_by_reason_and_each_report_counts_once(landing: Landing) -> None:
    landing.impression(landing.context(), 1)
    for reason, count in (("size", 5), ("age", 3), ("size", 7)):
        landing.loss(reason, count)
    landing.again("losses", 9)
    _, report = run(landing)
    assert report.losses == {"age": 3, "size": 12}


def test_play_logs_of_several_kinds_and_time_zones_are_read_together(landing: Landing) -> None:
    context = landing.context(**SUBJECT)
    shown = landing.impression(context, 1, "a")
    for title in ("b", "c"):
        landing.impression(context, 1, title)
    paths = [
        landing.plays([{"ref": ref(shown), "started": 2, "minutes": 20}], "refs"),
        landing.plays([{**SUBJECT, "title": "b", "started": 2, "minutes": 20}], "subjects"),
        landing.folder / "naive.parquet",
    ]
    naive = {
        "title": pa.array(["c"]).dictionary_encode(),
        "subject": ["s"],
        "started": pa.array([moment(2).replace(tzinfo=None)], pa.timestamp("ns")),
        "minutes": pa.array([20], pa.int16()),
        "more": [1],
    }
    pq.write_table(pa.table(naive), paths[2])
    rows, _ = run(landing, plays=paths)
    assert by_title(rows) == {"a": 1, "b": 1, "c": 1}


def test_a_play_log_may_have_columns_of_nothing_but_nulls(landing: Landing) -> None:
    landing.impression(landing.context(**SUBJECT), 1)
    nothing = {"ref": None, "autoplay": None}
    log = [{**SUBJECT, **nothing, "title": "t", "started": 2, "minutes": 20}]
    (row,), _ = run(landing, plays=[landing.plays(log)])
    assert row["reward"] == 1


def test_play_rows_that_say_too_little_are_counted_and_left_out(landing: Landing) -> None:
    landing.impression(landing.context(**SUBJECT), 1)
    log: list[dict[str, Any]] = [
        {"subject": None, "title": "t", "started": 2, "minutes": 20.0},
        {"subject": "s", "title": None, "started": 2, "minutes": 20.0},
        {"subject": "s", "title": "t", "started": 2, "minutes": float("nan")},
        {"subject": "s", "title": "t", "started": 3, "minutes": None},
    ]
    (row,), report = run(landing, plays=[landing.plays(log)])
    assert row["reward"] == 0
    assert report.counts["plays_unusable"] == 4


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"ref": ["x"], "minutes": [1.0]}, "has no column 'started'"),
        ({"title": ["x"], "started": [moment(1)], "minutes": [1.0]}, "says of whom"),
        ({"ref": ["x"], "started": ["today"], "minutes": [1.0]}, "'started' must be a timestamp"),
        ({"ref": ["x"], "started": [moment(1)], "minutes": ["1"]}, "'minutes' must be a number"),
    ],
)
def test_a_play_log_of_another_layout_is_refused_by_name(
    landing: Landing, columns: dict[str, Any], said: str
) -> None:
    landing.impression(landing.context(), 1)
    path = landing.folder / "odd.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DataError, match=f"odd.parquet.*{said}"):
        run(landing, plays=[path])


def test_what_is_no_landing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no landing folder"):
        attribute(tmp_path / "nothing", tmp_path / "state", tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "hours"), [("24h", 24), ("90m", 1.5), ("1.5d", 36), ("2w", 336), ("1800s", 0.5)]
)
def test_durations_are_a_number_and_a_unit(text: str, hours: float) -> None:
    assert parse_duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["24", "h", "-1h", "1 h", "1y", ""])
def test_other_durations_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(DataError, match="such as 24h"):
        parse_duration(text)


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_a_reward_without_sense_is_refused(minutes: float) -> None:
    with pytest.raises(DataError, match="minutes must be"):
        QualityPlay(minutes=minutes)
