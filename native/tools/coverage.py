# SPDX-License-Identifier: Apache-2.0
"""Says which lines and branches of native/src the C tests took, and holds them to a bar.

    python3 native/tools/coverage.py [--bar 95] [--reasons uncovered.md] folder

folder: the objects of a build with gcc's --coverage, after the tests have run. A branch is one way
out of a condition, as gcc counts them at -O0. Each line with a branch that no test took must have
a reason in the file of reasons, and each reason there such a line: `- ‘code’: why`, the code
between backticks, under a heading with the file's name. A heading `file (by processor)` excuses all
of that file. Fails otherwise, or below the bar.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

NATIVE = Path(__file__).resolve().parents[1]
REASON = re.compile(r"^- `(.+)`: (\S.*)$")
ANY = "*"  # instead of code: any line of the file


class Line(NamedTuple):
    """How often a line ran, and each of its branches."""

    count: int
    branches: tuple[int, ...]

    def plus(self, other: Line) -> Line:
        """Both together: a line of a header is compiled into several objects."""
        longer, shorter = sorted((self.branches, other.branches), key=len, reverse=True)
        padded = shorter + (0,) * (len(longer) - len(shorter))
        branches = tuple(a + b for a, b in zip(longer, padded, strict=True))
        return Line(self.count + other.count, branches)


Files = dict[str, dict[int, Line]]


def measured(folder: Path) -> Files:
    """What gcov says of every source file, by name within src and by line number."""
    data = sorted(folder.glob("*.gcda"))
    if not data:
        raise SystemExit(f"coverage: no .gcda in {folder}: build with --coverage, run the tests")
    files: Files = defaultdict(dict)
    for path in data:
        command = ["gcov", "--json-format", "--branch-probabilities", "--stdout", path.resolve()]
        run = subprocess.run(command, cwd=NATIVE, check=True, capture_output=True, text=True)
        for source in json.loads(run.stdout)["files"]:
            place = Path(source["file"])
            if place.parent.name != "src":
                continue
            lines = files[place.name]
            for entry in source["lines"]:
                found = Line(entry["count"], tuple(b["count"] for b in entry["branches"]))
                number = entry["line_number"]
                lines[number] = lines.get(number, Line(0, ())).plus(found)
    return files


class Tally(NamedTuple):
    """Taken and all."""

    lines: int
    all_lines: int
    branches: int
    all_branches: int

    def row(self, name: str) -> str:
        """The tally as a line of the table."""
        lines, branches = self.shares()
        return (
            f"{name:<12} {self.lines:>6} of {self.all_lines:<6} {lines:6.1f} %"
            f" {self.branches:>6} of {self.all_branches:<6} {branches:6.1f} %"
        )

    def shares(self) -> tuple[float, float]:
        """Percent of lines and branches; all of nothing is 100."""
        return (
            100 * self.lines / self.all_lines if self.all_lines else 100.0,
            100 * self.branches / self.all_branches if self.all_branches else 100.0,
        )


def tally(lines: dict[int, Line]) -> Tally:
    branches = [count for line in lines.values() for count in line.branches]
    return Tally(
        sum(line.count > 0 for line in lines.values()),
        len(lines),
        sum(count > 0 for count in branches),
        len(branches),
    )


def uncovered(files: Files) -> dict[tuple[str, str], list[str]]:
    """(file, code) of every line with a branch not taken, to what is to be said of it."""
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, lines in sorted(files.items()):
        code = (NATIVE / "src" / name).read_text(encoding="utf-8").splitlines()
        for number, line in sorted(lines.items()):
            missed = [i + 1 for i, count in enumerate(line.branches) if not count]
            if missed or not line.count:
                what = f"branch {missed} of {len(line.branches)}" if missed else "the line"
                text = code[number - 1].strip()
                places[name, text].append(f"{name}:{number}: {what}: {text}")
    return places


def reasons(path: Path) -> dict[tuple[str, str], str]:
    """(file, code) to why no test takes it."""
    found: dict[tuple[str, str], str] = {}
    name = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            name, by, _ = line[3:].strip().partition(" (by processor)")
            if by:
                found[name, ANY] = "depends on the processor"
        elif match := REASON.match(line):
            found[name, match[1]] = match[2]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Reports the coverage of native/src.")
    parser.add_argument("folder", type=Path, help="the objects and their .gcda")
    parser.add_argument("--bar", type=float, default=95, help="percent of lines and of branches")
    parser.add_argument("--reasons", type=Path, default=NATIVE / "tests" / "uncovered.md")
    options = parser.parse_args()
    files = measured(options.folder)
    total = Tally(0, 0, 0, 0)
    print(f"{'':<12} {'lines':>16} {'':>8} {'branches':>16}")
    for name, lines in sorted(files.items()):
        part = tally(lines)
        total = Tally(*(a + b for a, b in zip(total, part, strict=True)))
        print(part.row(name))
    print(total.row("all"))
    places, known = uncovered(files), reasons(options.reasons)
    failed = []
    for key, found in places.items():
        why = known.get(key, known.get((key[0], ANY)))
        for line in found:
            print(f"not taken: {line}\n    {why or 'NO REASON for it'}")
        if why is None:
            failed.append(f"no reason in {options.reasons.name}: {key[0]}: {key[1]}")
    failed += [
        f"a reason in {options.reasons.name} for what is taken: {name}: {code}"
        for name, code in known
        if (name, code) not in places and code != ANY
    ]
    if min(total.shares()) < options.bar:
        failed.append(f"below {options.bar:g} % of lines or of branches")
    if failed:
        raise SystemExit("\n".join(f"FAILED: {line}" for line in failed))


if __name__ == "__main__":
    main()
