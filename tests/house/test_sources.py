# SPDX-License-Identifier: Apache-2.0
"""Every source file names its licence and its purpose, in lines a reader's window holds."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("edgeart", "export", "native", "tests", "benchmarks")
PYTHON = sorted(
    [ROOT / "setup.py"]
    + [
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if not {"build", ".venv"} & set(path.relative_to(ROOT).parts)
    ]
)
C = sorted(
    path
    for suffix in ("*.c", "*.h")
    for folder in ("native", "export/native")
    for path in (ROOT / folder).rglob(suffix)
    if "build" not in path.relative_to(ROOT).parts
)
SQL = sorted((ROOT / "export" / "edgeart_export").rglob("*.sql"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_a_python_file_begins_with_its_licence_and_its_purpose(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# SPDX-License-Identifier: Apache-2.0\n")
    assert ast.get_docstring(ast.parse(text)), "a module says in a sentence what it is for"


@pytest.mark.parametrize("path", C, ids=name_of)
def test_a_c_file_begins_with_its_licence_and_keeps_to_the_line(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "/* SPDX-License-Identifier: Apache-2.0 */"
    assert [n for n, line in enumerate(lines, 1) if len(line) > 100] == []
    assert [n for n, line in enumerate(lines, 1) if "\t" in line or line != line.rstrip()] == []


@pytest.mark.parametrize("path", SQL, ids=name_of)
def test_an_sql_file_begins_with_its_licence_and_its_purpose_and_keeps_to_the_line(
    path: Path,
) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "-- SPDX-License-Identifier: Apache-2.0"
    assert lines[1].startswith("-- "), "a file says in its second line what it is for"
    assert [n for n, line in enumerate(lines, 1) if len(line) > 100] == []
    assert [n for n, line in enumerate(lines, 1) if "\t" in line or line != line.rstrip()] == []


def test_a_benchmark_run_as_a_script_hides_no_module_of_the_standard_library() -> None:
    names = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert sorted(names & set(sys.stdlib_module_names)) == []


def test_there_are_sources_of_every_language() -> None:
    assert len(PYTHON) > 10
    assert len(C) > 5
    assert len(SQL) > 5
