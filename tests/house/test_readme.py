# SPDX-License-Identifier: Apache-2.0
"""The README's example runs as it stands, and links inside the repository lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "native/**/*.md", "benchmarks/*.md", "export/*.md")
    for path in ROOT.glob(pattern)
)


def example() -> str:
    (code,) = re.findall(
        r"^```python\n(.*?)^```$",
        (ROOT / "README.md").read_text(encoding="utf-8"),
        flags=re.DOTALL | re.MULTILINE,
    )
    return str(code)


def test_the_example_decides_a_page_and_tells_its_probabilities(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *decisions, probabilities = done.stdout.splitlines()
    pattern = r"(title-[78]) (couple|laugh|duel|sunset|crowd) (0\.\d{3})"
    titles = [re.fullmatch(pattern, line) for line in decisions]
    assert [match and match[1] for match in titles] == ["title-7", "title-8"]
    shares = re.findall(r"'(couple|laugh)': ([\d.]+)", probabilities)
    assert [name for name, _ in shares] == ["couple", "laugh"]
    assert sum(float(share) for _, share in shares) == 1


def test_the_example_stays_short_and_within_the_line() -> None:
    lines = example().splitlines()
    assert len([line for line in lines if line]) <= 18
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_inside_the_repository_lead_somewhere(path: Path) -> None:
    text = re.sub(
        r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    targets = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", text)
    inside = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in inside if not (path.parent / target).exists()] == []
