# SPDX-License-Identifier: Apache-2.0
"""What the fault tests of the feedback log share: a policy, a selector, processes to be killed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

import edgeart
from edgeart.events import read_segment
from edgeart.feedback import FeedbackLog
from edgeart.selector import Selector
from tests.support.bundles import FULL, bundle
from tests.support.loopback import Collector, collector

SECRET = bytes(range(32))
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def row() -> edgeart.Policy:
    return edgeart.Policy.from_bytes(bundle("i8"))


@pytest.fixture
def server() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture
def selector_of(row: edgeart.Policy) -> Callable[[FeedbackLog], Selector]:
    def make(log: FeedbackLog, unit: bytes = b"unit") -> Selector:
        selector = Selector(row, log, unit=unit, secret=SECRET)
        selector.set_context(FULL)
        return selector

    return make


def events_in(directory: Path) -> dict[tuple[int, int], list[Any]]:
    """Every event of every segment in a directory, by name; sealed or not."""
    found = {}
    for path in sorted(directory.glob("*.eaf")):
        parts = path.stem.removeprefix("active-").split("-")
        segment = read_segment(path.read_bytes(), int(parts[0], 16), int(parts[1], 16))
        for sequence, body in segment.events:
            found[segment.stream, sequence] = msgpack.unpackb(body)
    return found


PRELUDE = """
import os, signal, sys
sys.path.insert(0, {root!r})
import edgeart
from edgeart import segments
from edgeart.feedback import FeedbackLog
from edgeart.selector import Selector
from edgeart.upload import Uploader
from tests.support.bundles import FULL, bundle

def die():
    os.kill(os.getpid(), signal.SIGKILL)

row = edgeart.Policy.from_bytes(bundle("i8"))
directory = sys.argv[1]

def selector_on(log):
    selector = Selector(row, log, unit=b"unit", secret=bytes(range(32)))
    selector.set_context(FULL)
    return selector
"""


def run_child(code: str, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Runs code after PRELUDE in a process of its own, which may kill itself."""
    script = PRELUDE.format(root=str(ROOT)) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
