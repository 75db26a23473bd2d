# SPDX-License-Identifier: Apache-2.0
"""Attribution equals a plain reading of its rules, on generated logs and on any small ones."""

from __future__ import annotations

import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeart_export.attribution import Report, attribute
from edgeart_export.attribution.tables import EXPOSURES
from edgeart_export.engines.duckdb import DuckDBEngine, parts
from tests.support import attribution_truth, impression_generator
from tests.support.landing_tables import Landing, moment, ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

HOUR = 3_600_000
WINDOW, LATENESS, MINUTES = 24 * HOUR, 48 * HOUR, 10.0


def given_out(report: Report) -> list[tuple[Any, ...]]:
    """The rows of a run in the form of the truth."""
    if report.file is None:
        return []
    return list(attribution_truth.read([report.file], EXPOSURES.names))


def check(
    folder: Path,
    landing: Path,
    plays: Sequence[Path],
    now: datetime,
    memory: attribution_truth.Memory,
    threads: int = 1,
) -> Report:
    engine = DuckDBEngine(threads=threads)
    report = attribute(
        landing, folder / "state", folder / "out", plays=plays, now=now, engine=engine
    )
    expected = attribution_truth.attribute(
        landing,
        plays,
        memory,
        window=WINDOW,
        lateness=LATENESS,
        minutes=MINUTES,
        now=round(now.timestamp() * 1000),
    )
    assert given_out(report) == expected
    return report


def test_a_generated_log_is_attributed_exactly_run_after_run(tmp_path: Path) -> None:
    made = impression_generator.generate(tmp_path, 4_000, seed=5, batches=1)
    memory = attribution_truth.Memory()
    early = datetime(2025, 12, 10, tzinfo=timezone.utc)
    first = check(tmp_path, made.landing, made.plays[1:], early, memory, threads=2)
    second = check(
        tmp_path, made.landing, made.plays, datetime(2026, 6, 1, tzinfo=timezone.utc), memory
    )
    # What the log is meant to hold is in it, or the comparison says little.
    for name in ("duplicates", "no_context", "shown_instead", "positive", "censored"):
        assert first.counts[name] > 0, name
    for name in ("outcomes_unmatched", "plays_by_ref", "plays_by_subject", "plays_unmatched"):
        assert second.counts[name] > 0, name
    assert second.counts["corrected"] > 0
    assert second.counts["censored"] == 0
    third = check(
        tmp_path, made.landing, made.plays, datetime(2027, 1, 1, tzinfo=timezone.utc), memory
    )
    assert third.file is None


def test_a_result_in_many_parts_is_the_one_of_a_single_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = impression_generator.generate(tmp_path, 4_000, seed=6, batches=1)
    asked = []

    def counted(connection: duckdb.DuckDBPyConnection) -> Iterator[int]:
        for number in parts(connection):
            asked.append(number)
            yield number

    monkeypatch.setattr("edgeart_export.engines.duckdb.PART", 100)
    monkeypatch.setattr("edgeart_export.engines.duckdb.parts", counted)
    late = datetime(2026, 6, 1, tzinfo=timezone.utc)
    check(tmp_path, made.landing, made.plays, late, attribution_truth.Memory(), threads=2)
    assert len(asked) > 10


def test_the_same_arguments_generate_the_same_rows(tmp_path: Path) -> None:
    tables = []
    for name in ("a", "b"):
        made = impression_generator.generate(tmp_path / name, 500, seed=3, batches=1)
        files = sorted(made.landing.rglob("*.parquet"))
        tables.append([pq.read_table(path, partitioning=None) for path in [*files, *made.plays]])
    assert tables[0] == tables[1]


HOURS = st.sampled_from([0.0, 1.0, 1.5, 2.0, 20.0, 25.0, 26.0, 50.0, 80.0, 200.0])
AMOUNTS = st.sampled_from([0.0, 3.0, 10.0, 45.0, float("nan")])
SMALL = st.integers(0, 2)
EVENTS = st.one_of(
    st.tuples(st.just("impression"), SMALL, SMALL, SMALL, HOURS, st.booleans()),
    st.tuples(st.just("again"), SMALL, SMALL, SMALL, HOURS, st.booleans()),
    st.tuples(st.just("outcome"), st.integers(0, 30), SMALL, AMOUNTS, HOURS, st.booleans()),
    st.tuples(st.just("play"), SMALL, SMALL, AMOUNTS, HOURS, st.booleans()),
    st.tuples(st.just("ref"), st.integers(0, 30), SMALL, AMOUNTS, HOURS, st.booleans()),
)


@settings(max_examples=25)
@given(
    stages=st.lists(st.lists(EVENTS, max_size=25), min_size=1, max_size=3),
    hours=st.lists(st.sampled_from([2.0, 30.0, 75.0, 90.0, 150.0, 400.0]), min_size=3, max_size=3),
)
def test_any_small_log_landing_in_stages_is_attributed_exactly(
    stages: list[list[Any]], hours: list[float]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        landing = Landing(folder)
        contexts = {}
        for stream in range(3):
            for kind in range(3):
                # Units 0 and 1 are one subject's; a context of kind 2 has none.
                subject = None if kind == 2 else f"s{stream // 2}"
                contexts[stream, kind] = landing.context(
                    stream, unit_epoch=stream % 2, seed=kind % 2, subject=subject
                )
        shown: list[tuple[int, int]] = [(0, 999)]
        plays: list[dict[str, Any]] = []
        memory = attribution_truth.Memory()
        for stage, until in zip(stages, sorted(hours), strict=False):
            for kind, a, b, c, at, flag in stage:
                if kind == "impression":
                    shown.append(
                        landing.impression(
                            contexts[a, b], at, f"t{c}", stream=a, artwork="b" if flag else None
                        )
                    )
                elif kind == "again" and landing.rows.get("impressions"):
                    landing.again("impressions", at)
                elif kind == "outcome":
                    landing.outcome(shown[a % len(shown)], at, c, stream=b)
                elif kind == "play":
                    plays.append({"subject": f"s{a}", "title": f"t{b}", "minutes": c})
                    plays[-1].update(started=at, autoplay=flag)
                elif kind == "ref":
                    plays.append({"ref": ref(shown[a % len(shown)]), "minutes": c, "started": at})
            landing.land()
            files = [landing.plays(_complete(plays))] if plays else []
            check(folder, landing.path, files, moment(until), memory)


def _complete(plays: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every row with every column: a table takes its columns from its first row."""
    every = dict.fromkeys(("ref", "subject", "title", "autoplay"))
    return [{**every, **play} for play in plays]
