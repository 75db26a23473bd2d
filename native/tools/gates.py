# SPDX-License-Identifier: Apache-2.0
"""Compares counted instructions with those on record, which no busy machine can disturb.

    python3 native/tools/gates.py build/count "gcc, -O2"             compare: 1 if one is off
    python3 native/tools/gates.py build/count "gcc, -O2" --record    write bench/instructions.json

build/count runs each job of a kernel once in a function that callgrind, of valgrind, counts. The
library's instructions alone are counted, so that the numbers depend on compiler and flags and on
nothing else. By the recorded compiler they must be the recorded ones within 3 %, in either
direction: what became faster is recorded, or the next step back would be allowed. By another
compiler they must not be above by more than 15 %.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RECORD = Path(__file__).resolve().parents[1] / "bench" / "instructions.json"
KERNELS = ("portable", "128", "avx2")
ABSENT = 77  # exit status of count for a kernel this processor does not have
SAME, OTHER = 0.03, 0.15  # what is allowed by the recorded compiler, by another


def count(program: str, kernel: str) -> dict[str, int] | None:
    """Instructions of each job of a kernel; None where the processor does not have it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        command = ["valgrind", "--tool=callgrind", "--toggle-collect=measured",
                   "--dump-after=measured", f"--callgrind-out-file={out}", program,
                   kernel]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == ABSENT:
            return None
        if done.returncode:
            sys.exit(f"gates: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        counts = {}
        for number, name in enumerate(done.stdout.splitlines(), 1):
            text = Path(f"{out}.{number}").read_text(encoding="utf-8")
            totals = re.search(r"^totals: (\d+)$", text, re.MULTILINE)
            if totals is None:
                sys.exit(f"gates: callgrind counted nothing for {name!r}, dump {number}")
            counts[name] = int(totals[1])
    return counts


def compare(found: dict[str, int], recorded: dict[str, int], *, same: bool) -> list[str]:
    """Prints each job's count beside the recorded one; what is wrong with them."""
    wrong = []
    for name in sorted(found.keys() | recorded.keys()):
        if name not in found:
            wrong.append(f"{name}: recorded, but not counted any more")
            continue
        if name not in recorded:
            wrong.append(f"{name}: {found[name]:,} instructions, not recorded")
            continue
        ratio = found[name] / recorded[name]
        least, most = (1 - SAME, 1 + SAME) if same else (0, 1 + OTHER)
        within = least <= ratio <= most
        print(f"{name:36} {found[name]:>12,} {ratio:8.3f}{'' if within else '  OUTSIDE'}")
        if not within:
            wrong.append(f"{name}: {ratio:.3f} of the {recorded[name]:,} instructions recorded")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares counted instructions with the record.")
    parser.add_argument("program", help="build/count")
    parser.add_argument("build", help="the compiler's first line of --version, and the flags")
    parser.add_argument("--record", action="store_true", help="write the record anew")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        sys.exit("gates: valgrind is not installed, and counts the instructions")
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    if record["machine"] != platform.machine() and not options.record:
        print(f"left out: counted instructions (on record are those of {record['machine']})")
        return 0
    found = {kernel: count(options.program, kernel) for kernel in KERNELS}
    present = {kernel: counts for kernel, counts in found.items() if counts is not None}
    for kernel in sorted(found.keys() - present.keys()):
        print(f"left out: kernel {kernel} (this processor does not have it)")
    if options.record:
        if len(present) < len(KERNELS):
            sys.exit("gates: not recorded, as the record is of all kernels")
        document = {
            "machine": platform.machine(),
            "build": options.build,
            "instructions": present,
        }
        RECORD.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(f"recorded {sum(map(len, present.values()))} counts by {options.build}")
        return 0
    same = record["build"] == options.build
    print(f"recorded by {record['build']}")
    if not same:
        print(f"counted by  {options.build}: another, so that only {OTHER:.0%} more is too much")
    wrong = []
    for kernel, counts in present.items():
        wrong += compare(counts, record["instructions"][kernel], same=same)
    for line in wrong:
        print(f"FAILED: {line}")
    if wrong:
        print("where that is meant to be so: make -C native gates-record, and commit the record")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
