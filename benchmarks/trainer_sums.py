# SPDX-License-Identifier: Apache-2.0
"""Time and memory of the linear trainer's sums, beside a numpy loop over artworks.

`python -m benchmarks.trainer_sums > sums.json` prints one JSON object; exit code 1 where a bar
is missed. Both sides get the same float32 contexts and row numbers and take turns in one process,
on one thread; what is compared is CPU time. The loop is what the trainer did before: rows sorted by
artwork, then A += xᵀ(ω·x) and b += xᵀ(ω·r) by numpy's BLAS, in float64, all of A kept. The sums
keep upper triangles, and the rewards' squares with them. Contexts are those of the homepage's
schema (sparse: a word or two of each vocabulary) and normal numbers (dense). `partial_fit` is
everything from an Arrow table on: names to numbers, checks, and the sums.

Memory: a process of its own learns from 1,000,000 exposures of 100,000 artworks at 32 slots, and
makes a model of them, λ and prior found and all.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edgeart_export import FeatureSchema, LinearTrainer, Vector
from edgeart_export.examples import sample
from edgeart_export.trainers.sums import Rows, Sums

from .homepage import schema as homepage_schema
from .interleave import Contestant, Race

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BAR = 5.0
SHAPES = [  # kind of contexts, artworks, exposures an artwork, whether the bar is for it
    ("sparse", 30_000, 30, True),  # the homepage's artworks
    ("dense", 30_000, 30, True),
    ("sparse", 3000, 30, False),
    ("dense", 300, 1000, False),  # where BLAS is at its best
]
MEMORY = {"artworks": 100_000, "exposures": 1_000_000}


class Loop:
    """The sums as a loop over artworks computes them."""

    def __init__(self, artworks: int, width: int) -> None:
        self.a: Floats = np.zeros((artworks, width, width))
        self.b: Floats = np.zeros((artworks, width))

    def add(self, x: npt.NDArray[np.float32], row: Ints, reward: Floats, weight: Floats) -> None:
        """Adds rows: float32 [n, width], and a number of each."""
        order = np.argsort(row, kind="stable")
        row, reward, weight = row[order], reward[order], weight[order]
        sorted_ = x[order].astype(np.float64)
        edges = np.searchsorted(row, np.arange(len(self.a) + 1)).tolist()
        for r in range(len(self.a)):
            part = slice(edges[r], edges[r + 1])
            weighted = sorted_[part] * weight[part, None]
            self.a[r] += weighted.T @ sorted_[part]
            self.b[r] += weighted.T @ reward[part]


class Case:
    """Exposures of so many artworks, ten to a title, in any order."""

    def __init__(self, kind: str, artworks: int, each: int, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        n = artworks * each
        self.schema = homepage_schema() if kind == "sparse" else FeatureSchema([Vector("x", 31)])
        if kind == "sparse":
            drawn = self.schema.encode_many(sample(self.schema, 2000, seed=seed))
            self.x = drawn[rng.integers(0, len(drawn), n)]
        else:
            self.x = rng.normal(size=(n, self.schema.width)).astype(np.float32)
            self.x[:, -1] = 1
        self.row: Ints = rng.integers(0, artworks, n)
        self.reward: Floats = (rng.random(n) < 0.1).astype(np.float64)
        self.weight: Floats = np.ones(n)
        self.titles = {f"title-{t}": [f"art-{a}" for a in range(10)] for t in range(artworks // 10)}
        names = pa.array([*self.titles])
        arts = pa.array([f"art-{a}" for a in range(10)])
        take = pa.DictionaryArray.from_arrays
        self.table = pa.table(
            {
                "title": take(pa.array(self.row // 10, pa.int32()), names),
                "artwork": take(pa.array(self.row % 10, pa.int32()), arts),
                "reward": pa.array(self.reward),
                "context": pa.FixedSizeListArray.from_arrays(
                    pa.array(self.x.ravel()), self.schema.width
                ),
            }
        )
        self.context = np.arange(n)

    def rows(self) -> Rows:
        """For the native sums."""
        return Rows(self.x, self.context, self.row, self.reward, self.weight)


def race(kind: str, artworks: int, each: int, *, barred: bool, rounds: int) -> dict[str, Any]:
    """One shape: seconds of each side, and how many times as long the loop takes."""
    case = Case(kind, artworks, each)
    loop, sums = Loop(artworks, case.schema.width), Sums(artworks, case.schema.width)
    trainer = LinearTrainer(case.schema, case.titles, l2=1.0)
    loop.add(case.x, case.row, case.reward, case.weight)
    sums.add(case.rows())
    part = sums.part(slice(None))
    np.testing.assert_allclose(part.xx, loop.a, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(part.xy, loop.b, rtol=1e-9, atol=1e-9)
    names = {"case": case, "loop": loop, "sums": sums, "trainer": trainer, "rows": case.rows()}
    done = Race(
        [
            Contestant("loop", "loop.add(case.x, case.row, case.reward, case.weight)", names),
            Contestant("sums", "sums.add(rows)", names),
            Contestant("partial_fit", "trainer.partial_fit(case.table)", names),
        ],
        rounds,
    )
    ratio = done.ratio("loop", "sums")
    return {
        "contexts": kind,
        "artworks": artworks,
        "exposures": artworks * each,
        "non_zero": float((case.x != 0).mean()),
        "seconds": {name: asdict(done.time(name)) for name in ("loop", "sums", "partial_fit")},
        "loop_over_sums": asdict(ratio),
        "loop_over_partial_fit": asdict(done.ratio("loop", "partial_fit")),
        "bar": BAR if barred else None,
        "met": ratio.median >= BAR if barred else None,
    }


def memory(artworks: int, exposures: int) -> dict[str, Any]:
    """Learns and makes a model; run it in a process of its own. Bytes and seconds."""
    rng = np.random.default_rng(1)
    schema = homepage_schema()
    titles = {f"title-{t}": [f"art-{a}" for a in range(10)] for t in range(artworks // 10)}
    drawn = schema.encode_many(sample(schema, 2000, seed=1))
    motif = {
        (t, a): f"motif {(i + j) % 8}"
        for i, t in enumerate(titles)
        for j, a in enumerate(titles[t])
    }
    before = _peak()
    trainer = LinearTrainer(schema, titles, artworks=motif)
    began = time.process_time()
    step = 100_000
    for _ in range(0, exposures, step):
        row = rng.integers(0, artworks, step)
        trainer.partial_fit(
            {
                "title": [f"title-{t}" for t in (row // 10).tolist()],
                "artwork": [f"art-{a}" for a in (row % 10).tolist()],
                "reward": (rng.random(step) < 0.1).astype(np.float64),
                "context": drawn[rng.integers(0, len(drawn), step)],
            }
        )
    learned, learning = _peak(), time.process_time() - began
    began = time.process_time()
    model = trainer.to_model("homepage", 1)
    return {
        "artworks": len(model.artworks),
        "slots": schema.width,
        "exposures": exposures,
        "sums_bytes": trainer.nbytes,
        "sums_bytes_per_artwork": trainer.nbytes / artworks,
        "peak_bytes_before": before,
        "peak_bytes_learned": learned,
        "peak_bytes_model": _peak(),
        "cpu_seconds_learning": learning,
        "cpu_seconds_model": time.process_time() - began,
    }


def _peak() -> int:
    """The largest resident set of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage also counts what the parent was when it forked
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))
        if found:
            return 1024 * int(found[1])
    kilo = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(kilo) * (1 if sys.platform == "darwin" else 1024)


def main() -> int:
    """Prints the races and the memory as JSON; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trainer_sums", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--memory-only", action="store_true", help="what the subprocess does")
    options = parser.parse_args()
    if options.memory_only:
        print(json.dumps(memory(**MEMORY)))
        return 0
    own = subprocess.run(
        [sys.executable, "-m", "benchmarks.trainer_sums", "--memory-only"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    races = [
        race(kind, artworks, each, barred=barred, rounds=options.rounds)
        for kind, artworks, each, barred in SHAPES
    ]
    print(json.dumps({"races": races, "memory": json.loads(own.stdout)}, indent=1))
    return int(not all(one["met"] is not False for one in races))


if __name__ == "__main__":
    # numpy's BLAS reads its number of threads when it is loaded: only a fresh process can be told.
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        again = [sys.executable, "-m", "benchmarks.trainer_sums", *sys.argv[1:]]
        alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        sys.exit(subprocess.run(again, env=alone, check=False).returncode)
    sys.exit(main())
