# SPDX-License-Identifier: Apache-2.0
"""Measures whole processes: CPU from start to the first decision, and memory a bundle adds."""

from __future__ import annotations

import os
import subprocess
import sys
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


def cpu_seconds(program: str) -> float:
    """User and system time of one Python process that runs this program.

    Raises:
        RuntimeError: it failed; its own words are on stderr.
    """
    process = subprocess.Popen([sys.executable, "-c", program])
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


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Round by round."""
    return Spread.of([a / b for a, b in zip(over, under, strict=True)])


def resident_increment(bundle: Path, rounds: int) -> Spread | None:
    """Bytes of resident memory that opening this bundle adds; None where /proc cannot tell."""
    if not os.path.exists("/proc/self/statm"):  # noqa: PTH110 - a name of the kernel, not a path
        return None
    program = resident_program(bundle)
    outputs = [
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
        for _ in range(rounds)
    ]
    return Spread.of([float(output) for output in outputs])
