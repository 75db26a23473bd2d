# SPDX-License-Identifier: Apache-2.0
"""What docs/tutorial.md shows is what its commands print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
MODULES = {"edgeart": "edgeart", "edgeart-export": "edgeart_export"}


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)
    return [str(block) for block in found]


def steps() -> list[tuple[str, str]]:
    """Every command with what the text says it prints."""
    parts = [
        part for block in blocks("console") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)
    ]
    pairs = [part.partition("\n") for part in parts if part]
    return [(command, printed) for command, _, printed in pairs]


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def assert_alike(shown: str, printed: str) -> None:
    """Equal words, and figures within what another processor's last bit may do to them."""
    number = r"\d+\.\d+"
    assert re.sub(r"\s+", " ", re.sub(number, "#", shown)).strip() == (
        re.sub(r"\s+", " ", re.sub(number, "#", printed)).strip()
    )
    ours, theirs = ([float(n) for n in re.findall(number, text)] for text in (shown, printed))
    assert theirs == pytest.approx(ours, rel=0.01, abs=2e-5)


@pytest.fixture
def folder(open_bandit: Path, tmp_path: Path) -> Path:
    for name in ("random_men.csv.gz", "random_men_items.csv"):
        (tmp_path / name).symlink_to(open_bandit / name)
    return tmp_path


def test_every_command_prints_what_the_text_shows(folder: Path) -> None:
    notes = ""
    assert len(steps()) == 9
    for command, shown in steps():
        name, *arguments = shlex.split(command)
        done = run(["-m", MODULES[name], *arguments], folder)
        assert done.returncode == 0, done.stderr
        assert_alike(shown, done.stdout)
        notes += done.stderr
    (text,) = blocks("text")
    for note in text.splitlines():
        assert note in notes


def test_the_python_example_prints_what_the_text_says(folder: Path) -> None:
    (code,) = blocks("python")
    done = run(["-W", "error", "-c", code], folder)
    assert done.returncode == 0, done.stderr
    said = re.search(r"It prints `([^`]*)`", TEXT)
    assert said is not None
    assert_alike(said[1], done.stdout)


def test_lines_of_the_python_example_fit() -> None:
    assert max(len(line) for block in blocks("python") for line in block.splitlines()) <= 100
