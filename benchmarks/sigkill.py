# SPDX-License-Identifier: Apache-2.0
"""Kills a logging, uploading process again and again, and counts in Parquet what arrived.

    python -m benchmarks.sigkill --kills 1000

A device process shows artworks, reports outcomes and uploads to a real collector, in one
directory. It names every event to its parent once the call has returned, and is killed at a
random moment, a new one taking over. At the end all events named must be in the landing tables,
and after the dedup on (stream, sequence) none twice, none with two contents.
"""

# Queries are put together from constants and a folder of this run; moments need no secrecy.
# ruff: noqa: S311, S608

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from rich.progress import track

import edgeart
from benchmarks.homepage import homepage

DEVICE = """
import os, random, sys, threading, time
import edgeart
bundle, directory, url, seed = sys.argv[1:]
source = random.Random(int(seed))
policy = edgeart.Policy.open(bundle)
# Small segments, so that rolling over and sealing are hit often.
log = edgeart.FeedbackLog(directory, segment_bytes=4096, sync_seconds=0.02)
selector = edgeart.Selector(policy, log, unit=b"unit", secret=bytes(32))
selector.set_context({"country": "US", "hour": 20})
uploader = edgeart.Uploader(log, url, first_retry=0.001, longest_retry=0.01)
def upload():
    while True:
        uploader.run_once(seal=source.random() < 0.3)
        time.sleep(0.002)
threading.Thread(target=upload, daemon=True).start()
titles = policy.titles[:50]
page = selector.page(titles)
out = sys.stdout
while True:
    # On a slow disk a loop without end outruns any upload; what then finds no room is dropped and
    # counted, as it should be, but it is not what is looked for here.
    while len(os.listdir(directory)) > 200:
        time.sleep(0.001)
    for i, decision in enumerate(page):
        ref = selector.shown(decision, slot=(0, i))
        os.write(1, f"S {ref} {i}\\n".encode())
        if source.random() < 0.2:
            minutes = source.randrange(1, 100)
            selector.outcome(ref, minutes=minutes)
            os.write(1, f"O {ref} {minutes}\\n".encode())
    assert not selector.errors, (selector.errors, selector.last_error)
    assert not log.lost, log.lost
"""


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if nothing was lost or doubled."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sigkill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=1000, help="processes to kill (default 1000)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default 1)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        result = campaign(Path(folder), options.kills, options.seed)
    print(json.dumps(result, indent=1))
    return int(bool(result["lost"] or result["doubled"] or result["contradictory"]))


def campaign(folder: Path, kills: int, seed: int) -> dict[str, int | float]:
    """Runs it and counts."""
    started = time.monotonic()
    bundle = folder / "policy.edgeart"
    bundle.write_bytes(homepage("squarecb", "i8").bundle)
    landing, directory = folder / "landing", folder / "log"
    collector = subprocess.Popen(
        [sys.executable, "-m", "edgeart_export", "collect", "--landing", str(landing), "--port",
         "0", "--insecure-no-auth", "--json"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert collector.stderr is not None
    try:
        port = 0
        for line in collector.stderr:
            if found := re.search(r'"port": (\d+)', line):
                port = int(found[1])
                break
        url = f"http://127.0.0.1:{port}"
        named: list[bytes] = []
        source = random.Random(seed)
        for kill in track(range(kills), "killing", disable=not sys.stderr.isatty()):
            named += _one_life(bundle, directory, url, kill, source.uniform(0.0, 0.12))
        with edgeart.FeedbackLog(directory) as log:
            status = edgeart.Uploader(log, url).run_once()
            assert status.state == "done", status
    finally:
        collector.terminate()
        collector.communicate()
    return _count(landing, named, kills) | {"kills": kills, "seconds": time.monotonic() - started}


def _one_life(bundle: Path, directory: Path, url: str, seed: int, after: float) -> list[bytes]:
    """What a process named, from its start to its sudden end `after` its first event."""
    with subprocess.Popen(
        [sys.executable, "-c", DEVICE, str(bundle), str(directory), url, str(seed)],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(after)
        process.kill()
        rest = process.stdout.read()
    assert process.returncode == -9, process.returncode
    # The last line may be cut: its call had returned, but its name did not reach us whole.
    return [line for line in (first + rest).split(b"\n") if re.fullmatch(rb"[SO] \S{25} \d+", line)]


def _count(landing: Path, named: list[bytes], kills: int) -> dict[str, int | float]:
    connection = duckdb.connect()
    tables = {
        name: f"read_parquet('{landing}/{name}/**/*.parquet', hive_partitioning = true)"
        for name in ("impressions", "outcomes", "losses", "contexts")
        if list((landing / name).rglob("*.parquet"))
    }
    shown = {
        f"{stream:016x}-{sequence:08x} {column}"
        for stream, sequence, column in connection.execute(
            f"SELECT DISTINCT stream, sequence, slot_column FROM {tables['impressions']}"
        ).fetchall()
    }
    played = {
        f"{stream:016x}-{sequence:08x} {int(minutes)}"
        for stream, sequence, minutes in connection.execute(
            f"SELECT DISTINCT ref_stream, ref_sequence, minutes FROM {tables['outcomes']}"
        ).fetchall()
    }
    wanted = [(line[:1], line[2:].decode()) for line in named]
    lost = sum(name not in (shown if kind == b"S" else played) for kind, name in wanted)
    rows = names = contents = 0
    for name, table in tables.items():
        content = {
            "impressions": "title, artwork, n, total, slot_column, context",
            "outcomes": "ref_stream, ref_sequence, minutes",
            "losses": "reason, count, lost_stream, first, last",
            "contexts": "policy, digest, map, seed",
        }[name]
        found = connection.execute(
            f"SELECT count(*), count(DISTINCT (stream, sequence)), "
            f"count(DISTINCT (stream, sequence, {content})) FROM {table}"
        ).fetchone()
        assert found is not None
        rows, names, contents = rows + found[0], names + found[1], contents + found[2]
    # A process may die between an event and its name: one event a life may have no name.
    unnamed = len(shown) + len(played) - len(set(named))
    return {
        "named": len(named), "lost": lost, "on_the_wire": rows, "after_dedup": names,
        "contradictory": contents - names, "unnamed": unnamed, "doubled": max(unnamed - kills, 0),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
