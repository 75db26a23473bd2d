# SPDX-License-Identifier: Apache-2.0
"""Measures whole processes: CPU from start to the first decision, imports, memory of a bundle.

All run with byte code in a folder of their own, whatever PYTHONDONTWRITEBYTECODE says: what is
installed has been compiled once.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.homepage import VALUES, K
from benchmarks.interleave import Spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NOTHING = "pass"


def edgeart_program(bundle: Path) -> str:
    """From the start of the interpreter to a first decision."""
    return f"""
import edgeart
policy = edgeart.Policy.open({str(bundle)!r})
context = policy.context({dict(VALUES)!r}, seed=1)
assert policy.select(context, "title-0000").artwork
"""


def onnxruntime_program(graph: Path) -> str:
    """From the start of the interpreter to a first result."""
    return f"""
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession({str(graph)!r}, options, ["CPUExecutionProvider"])
assert session.run(None, {{"context": numpy.ones((1, {K}), numpy.float32)}})[0].size
"""


def resident_program(bundle: Path) -> str:
    """Prints by how many bytes resident memory grows when a bundle is opened."""
    return f"""
import resource, edgeart, msgpack
def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()
before = resident()
policy = edgeart.Policy.open({str(bundle)!r})
print(resident() - before)
"""


def environment() -> dict[str, str]:
    """The variables of this process, but byte code is kept from one process to the next."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": _byte_code().name}


@cache
def _byte_code() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="edgeart-bench-")  # removed when the process ends


def cpu_seconds(program: str) -> float:
    """User and system time of one Python process that runs this program.

    Raises:
        RuntimeError: it failed; its own words are on stderr.
    """
    process = subprocess.Popen([sys.executable, "-c", program], env=environment())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        message = f"a measured process ended with status {process.returncode}:\n{program}"
        raise RuntimeError(message)
    return usage.ru_utime + usage.ru_stime


def race(programs: Mapping[str, str], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each program, one entry a round, the programs in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for program in programs.values():
        cpu_seconds(program)  # byte code and page cache are warm for all of them alike
    for _ in range(rounds):
        for name, program in programs.items():
            seconds[name].append(cpu_seconds(program))
    return seconds


def import_seconds(program: str, rounds: int) -> dict[str, Spread]:
    """Time of each import statement that a program causes, what it imports in turn included.

    By `python -X importtime`, on the wall; modules in the order of their ends.
    """
    found: dict[str, list[float]] = {}
    command = [sys.executable, "-X", "importtime", "-c", program]
    for turn in range(rounds + 1):
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment()
        )
        for line in done.stderr.splitlines() if turn else ():  # the first one compiles
            parts = re.fullmatch(r"import time: +(\d+) \| +(\d+) \| +(\S+)", line)
            if parts:
                found.setdefault(parts[3], []).append(int(parts[2]) * 1e-6)
    return {name: Spread.of(seconds) for name, seconds in found.items() if len(seconds) == rounds}


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Round by round."""
    return Spread.of([a / b for a, b in zip(over, under, strict=True)])


def resident_increment(bundle: Path, rounds: int) -> Spread | None:
    """Bytes of resident memory that opening this bundle adds; None where /proc cannot tell."""
    if not os.path.exists("/proc/self/statm"):  # noqa: PTH110 - a name of the kernel, not a path
        return None
    program = resident_program(bundle)
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, env=environment()
        ).stdout
        for _ in range(rounds)
    ]
    return Spread.of([float(output) for output in outputs])
