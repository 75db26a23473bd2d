# SPDX-License-Identifier: Apache-2.0
"""The benchmarks' own arithmetic: races, rows and what several runs agree on."""

from __future__ import annotations

import io
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import runs, startup
from benchmarks.empty_call import empty_call
from benchmarks.interleave import Contestant, Race, Spread
from benchmarks.report import Report, Row, show


def row(what: str, median: float, *, ratio: float | None = None, met: bool | None = None) -> Row:
    spread = Spread(median, median / 2, median * 2)
    of = None if ratio is None else Spread(ratio, ratio, ratio)
    return Row(what, spread, peer="peer", theirs=spread, ratio=of, bar="≥ 2×", met=met)


def printed(documents: list[dict[str, Any]]) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(runs.summary(documents))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def document(*rows: Row) -> dict[str, Any]:
    return {"rows": [asdict(one) for one in rows]}


def test_a_race_takes_every_contestant_in_every_round_and_scales_what_does_a_part() -> None:
    calls: list[str] = []
    names = {"calls": calls}
    statement = "calls.append({!r}); sum(range(100))"
    race = Race(
        [
            Contestant("a", statement.format("a"), names),
            Contestant("b", statement.format("b"), names, scale=1e6),
        ],
        5,
    )
    assert {name: len(seconds) for name, seconds in race.seconds.items()} == {"a": 5, "b": 5}
    assert race.ratio("b", "a").median > 1e3  # the scale, whatever the machine does
    assert {"a", "b"} == set(calls)


def test_the_summary_shows_the_median_of_the_runs_and_their_extremes() -> None:
    documents = [
        document(row("page", 1e-4, ratio=ratio, met=ratio >= 2), row("open", seconds))
        for ratio, seconds in ((1.5, 3e-4), (2.5, 1e-4), (2.25, 2e-4))
    ]
    text = printed(documents)
    assert "2.25× [1.5–2.5]" in text
    assert "2 of 3" in text
    assert "200 µs [100–300]" in text


def test_a_run_is_kept_where_no_folder_was_made_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RESULTS", tmp_path / "build")
    done = subprocess.CompletedProcess([], 0, stdout="{}")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert runs.run(3, 1).read_text(encoding="utf-8") == "{}"


def test_runs_of_different_rows_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="row 0 of the runs differs"):
        runs.summary([document(row("page", 1.0)), document(row("open", 1.0))])


def test_a_report_keeps_every_figure_for_machines() -> None:
    report = Report(rows=[row("page", 1e-4, ratio=3.0, met=True)], details={"import x": 0.5})
    found = report.document()
    assert found["rows"] == [asdict(report.rows[0])]
    assert found["details"] == {"import x": 0.5}


@pytest.mark.parametrize(
    ("spread", "unit", "text"),
    [
        (Spread(1.23e-7, 1e-7, 2e-7), "s", "123 ns [100–200]"),
        (Spread(1_750_000, 1_750_000, 1_750_000), "B", "1.75 MB"),
        (Spread(0.5, 0.25, 1.0), "×", "1/2× [1/4–1/1]"),
        (Spread(3.0, 2.0, 4.0), "×", "3× [2–4]"),
    ],
)
def test_figures_are_shown_in_units_of_their_size(spread: Spread, unit: Any, text: str) -> None:
    assert show(spread, unit) == text.replace("1/2×", "1/2")


def test_processes_of_the_start_up_race_keep_their_byte_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environment = startup.environment()
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    folder = Path(environment["PYTHONPYCACHEPREFIX"])
    imports = startup.import_seconds("import edgeart", 2)
    assert imports["edgeart"].median >= imports["edgeart.policy"].median > 0
    assert list(folder.rglob("policy.*.pyc"))


def test_the_unit_of_a_call_is_compiled_by_cffi(tmp_path: Path) -> None:
    assert empty_call(tmp_path)() is None
    assert list(tmp_path.glob("_nothing*"))
