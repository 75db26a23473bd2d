# SPDX-License-Identifier: Apache-2.0
"""Attribution run after run: what is given out once, what is corrected, what a crash leaves."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq
import pytest

from edgeart_export.attribution import Report, attribute
from edgeart_export.attribution import state as attribution_state
from edgeart_export.engines.duckdb import DuckDBEngine
from edgeart_export.errors import AttributionError
from edgeart_export.reward import QualityPlay
from tests.support.landing_tables import Landing, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SUBJECT: dict[str, Any] = {"subject": "s"}
Rows = list[dict[str, Any]]
ENGINE = DuckDBEngine(threads=1)


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path)


def attribute_as_of(
    landing: Landing, hours: float, plays: Sequence[Path] = (), **settings: Any
) -> Report:
    landing.land()
    folder = landing.folder
    state, out = folder / "state", folder / "out"
    return attribute(
        landing.path, state, out, now=moment(hours), plays=plays, engine=ENGINE, **settings
    )


def run(landing: Landing, hours: float, plays: Sequence[Path] = (), **settings: Any) -> Rows:
    file = attribute_as_of(landing, hours, plays, **settings).file
    return [] if file is None else rows_of(file)


def rows_of(file: Path) -> Rows:
    rows: Rows = pq.read_table(file).to_pylist()
    return rows


def published(landing: Landing) -> Rows:
    files = sorted((landing.folder / "out").glob("*.parquet"))
    return [row for file in files for row in rows_of(file)]


def rewards(rows: Rows) -> list[tuple[str, float, float | None]]:
    return sorted((row["title"], row["reward"], row["previous"]) for row in rows)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_without_new_data_gives_nothing_out_and_leaves_the_state_alone(
    landing: Landing,
) -> None:
    landing.outcome(landing.impression(landing.context(), 1), 2, 20)
    assert len(run(landing, 500)) == 1
    before = files_of(landing.folder / "state")
    again = attribute_as_of(landing, 900)
    assert again.file is None
    assert again.counts["emitted"] == again.counts["corrected"] == 0
    assert files_of(landing.folder / "state") == before


def test_a_run_gives_out_what_is_new_since_the_last(landing: Landing) -> None:
    context = landing.context()
    landing.impression(context, 1, "early")
    landing.impression(context, 60, "late")
    assert rewards(run(landing, 100)) == [("early", 0, None)]
    landing.impression(context, 61, "later")
    assert rewards(run(landing, 500)) == [("late", 0, None), ("later", 0, None)]


def test_a_late_play_corrects_an_emitted_0_exactly_once(landing: Landing) -> None:
    shown = landing.impression(landing.context(), 1)
    assert rewards(run(landing, 500)) == [("t", 0, None)]
    landing.outcome(shown, 2, 20, received=600)
    (row,) = run(landing, 700)
    assert (row["reward"], row["previous"], row["minutes"]) == (1, 0, 20)
    landing.outcome(shown, 3, 90, received=800)
    assert run(landing, 900) == []


def test_a_reward_given_is_never_taken_back(landing: Landing) -> None:
    context = landing.context(**SUBJECT)
    landing.outcome(landing.impression(context, 10), 11, 20)
    assert rewards(run(landing, 12)) == [("t", 1, None)]
    before = {**SUBJECT, "title": "t", "started": 1, "minutes": 50}
    assert run(landing, 500, [landing.plays([before])]) == []


def test_showings_that_land_after_an_exposure_was_given_out_change_nothing(
    landing: Landing,
) -> None:
    context = landing.context()
    landing.impression(context, 10)
    assert len(run(landing, 500)) == 1
    landing.impression(context, 9, received=600)
    assert run(landing, 700) == []


def test_a_play_that_made_a_reward_stays_where_it_made_it(landing: Landing) -> None:
    first = landing.context(seed=1, **SUBJECT)
    landing.impression(first, 1)
    log = landing.plays([{**SUBJECT, "title": "t", "started": 5, "minutes": 20}])
    assert [row["seed"] for row in run(landing, 6, [log])] == [1]
    # A device that was offline brings a showing between that one and the play.
    landing.impression(landing.context(seed=2, **SUBJECT), 4, received=50)
    (row,) = run(landing, 500, [log])
    assert (row["seed"], row["reward"]) == (2, 0)
    report = attribute_as_of(landing, 600, [log])
    assert report.counts["plays_by_subject"] == 1
    assert report.counts["plays_unmatched"] == 0


def test_a_short_play_that_made_no_reward_may_still_find_a_later_showing(
    landing: Landing,
) -> None:
    landing.impression(landing.context(seed=1, **SUBJECT), 1)
    log = [{**SUBJECT, "title": "t", "started": 5, "minutes": 3}]
    assert [row["reward"] for row in run(landing, 500, [landing.plays(log)])] == [0]
    landing.impression(landing.context(seed=2, **SUBJECT), 4, received=550)
    log[0]["minutes"] = 30
    (row,) = run(landing, 600, [landing.plays(log)])
    assert (row["seed"], row["reward"], row["previous"]) == (2, 1, None)


def test_many_runs_leave_few_files_and_forget_nothing(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution_state, "COMPACT_AT", 3)
    context = landing.context(**SUBJECT)
    plays: Rows = []
    for number in range(8):
        landing.impression(context, number, f"t{number}")
        plays.append({**SUBJECT, "title": f"t{number}", "started": number, "minutes": 20})
        assert len(run(landing, number + 1, [landing.plays(plays)])) == 1
        assert len(list((landing.folder / "state").glob("emitted-*"))) <= 3
        assert len(list((landing.folder / "state").glob("credited-*"))) <= 3
    for part in ("emitted", "credited"):
        remembered = [rows_of(path) for path in (landing.folder / "state").glob(f"{part}-*")]
        assert sum(map(len, remembered)) == 8
    report = attribute_as_of(landing, 900, [landing.plays(plays)])
    assert report.file is None
    assert report.counts["plays_by_subject"] == 8


class CrashError(BaseException):
    """Stands for the end of the process: nothing of the package catches it."""


def crash_at(monkeypatch: pytest.MonkeyPatch, call: int) -> Callable[[], bool]:
    """Lets the process end before its n-th durable call. Returns whether it came to that."""
    calls = itertools.count()
    crashed = False

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            nonlocal crashed
            if next(calls) == call:
                crashed = True
                raise CrashError
            return function(*arguments, **named)

        return wrapped

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, dying(getattr(os, name)))
    monkeypatch.setattr(attribution_state, "_sweep", dying(attribution_state._sweep))
    monkeypatch.setattr("edgeart_export.attribution.run.write", dying(attribution_state.write))
    return lambda: crashed


def test_a_crash_at_any_step_loses_nothing_and_gives_nothing_twice(tmp_path: Path) -> None:
    before = Landing(tmp_path / "before")
    before.folder.mkdir()
    context = before.context()
    late = before.impression(context, 1, "corrected")
    before.impression(context, 1, "quiet")
    run(before, 500)
    before.outcome(late, 2, 20, received=600)
    before.impression(context, 550, "new")
    before.land()
    for call in itertools.count():
        landing = Landing(tmp_path / str(call))
        shutil.copytree(before.folder, landing.folder)
        with pytest.MonkeyPatch.context() as monkeypatch:
            crashed = crash_at(monkeypatch, call)
            with contextlib.suppress(CrashError):
                run(landing, 1000)
        state = landing.folder / "state"
        assert json.loads((state / "manifest.json").read_bytes())["run"] in {1, 2}
        run(landing, 1000)
        assert rewards(published(landing)) == [
            ("corrected", 0, None),
            ("corrected", 1, 0),
            ("new", 0, None),
            ("quiet", 0, None),
        ]
        manifest = json.loads((state / "manifest.json").read_bytes())
        named = {*manifest["emitted"], *manifest["credited"], "manifest.json", "lock"}
        assert set(files_of(state)) - {".manifest.json"} == named
        if not crashed():
            break
    assert call >= 12, "there are more steps than that, so the crashes were not where they belong"


def test_a_crash_before_the_commit_leaves_the_state_as_it_was(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = landing.context()
    landing.impression(context, 1)
    run(landing, 500)
    before = (landing.folder / "state" / "manifest.json").read_bytes()
    landing.impression(context, 501, "new")

    def fail(self: duckdb.DuckDBPyConnection, result: str) -> None:
        raise CrashError

    monkeypatch.setattr("edgeart_export.engines.duckdb.Tables.rows", fail)
    with pytest.raises(CrashError):
        run(landing, 900)
    assert (landing.folder / "state" / "manifest.json").read_bytes() == before
    assert len(published(landing)) == 1


def test_a_killed_process_leaves_a_state_the_next_run_goes_on_from(landing: Landing) -> None:
    context = landing.context()
    for number in range(20):
        landing.impression(context, 1, f"t{number}")
    landing.land()
    program = f"""
import os, signal, sys
from pathlib import Path
from edgeart_export.attribution import attribute, state
def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
state._publish = lambda folder, m: die() if m.pending else folder
folder = Path({str(landing.folder)!r})
attribute(folder / "landing", folder / "state", folder / "out")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert published(landing) == []
    assert run(landing, 5000) == []  # the dead run had committed: its rows only had to be moved
    assert len(published(landing)) == 20


def test_another_file_system_gets_a_whole_file_under_its_name(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if source.parent != target.parent:
            raise OSError(errno.EXDEV, "another file system")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    landing.impression(landing.context(), 1)
    assert len(run(landing, 500)) == 1
    assert len(list((landing.folder / "out").iterdir())) == 1
    assert not list((landing.folder / "state").glob("exposures-*"))


def test_two_runs_on_one_state_at_the_same_time_are_refused(landing: Landing) -> None:
    landing.impression(landing.context(), 1)
    with (
        attribution_state.open_state(landing.folder / "state", QualityPlay().to_json()),
        pytest.raises(AttributionError, match="another run is using it"),
    ):
        run(landing, 500)


def test_a_state_belongs_to_one_definition_of_the_reward(landing: Landing) -> None:
    landing.impression(landing.context(), 1)
    run(landing, 500)
    with pytest.raises(AttributionError, match=r"was made with the reward .*10.*begin again"):
        run(landing, 500, reward=QualityPlay(minutes=5))


def test_a_folder_of_exposures_belongs_to_one_state(landing: Landing) -> None:
    landing.impression(landing.context(), 1)
    run(landing, 500)
    (landing.folder / "state").rename(landing.folder / "elsewhere")
    with pytest.raises(AttributionError, match="holds exposures of another state"):
        run(landing, 500)


@pytest.mark.parametrize(
    ("text", "said"), [("{", "cannot be read"), ('{"format": 9}', "not of format"), (None, "miss")]
)
def test_a_damaged_state_stops_the_run_and_says_what_to_do(
    landing: Landing, text: str | None, said: str
) -> None:
    landing.impression(landing.context(), 1)
    run(landing, 500)
    manifest = landing.folder / "state" / "manifest.json"
    if text is None:
        manifest.unlink()
    else:
        manifest.write_text(text)
    with pytest.raises(AttributionError, match=said):
        run(landing, 500)


def test_too_little_memory_is_said_with_the_settings_that_help(landing: Landing) -> None:
    context = landing.context()
    for number in range(2_000):
        landing.impression(context, 1, f"t{number}")
    landing.land()
    folder = landing.folder
    with pytest.raises(AttributionError, match="--memory"):
        attribute(
            landing.path, folder / "state", folder / "out", engine=DuckDBEngine(memory="100KB")
        )
