# SPDX-License-Identifier: Apache-2.0
"""Do 95 % intervals hold the truth 95 times in 100, whatever explorer wrote the log?

`python -m benchmarks.unbiasedness > unbiasedness.json`. Logs of every explorer, made through
`Policy.select_page`, estimate three other policies by IPS, SNIPS and DR with clustered intervals.
What is done is kept in --progress; a campaign that was interrupted goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from edgeart_export import Estimate, GivenModel, evaluate

from .unbiased_worlds import Gathered, World, explorers

KINDS = tuple(explorers(np.random.default_rng(0)))
ESTIMATORS = ("ips", "snips", "dr")
LOGS = 25  # of one world

Piece = tuple[str, int, int]
"""Explorer, number of its world, and how many logs of it."""


def run(piece: Piece) -> dict[str, Any]:
    """The logs of one world: for each estimator, log and target the error and its standard error.

    error, se: [logs, targets].
    """
    kind, number, logs = piece
    world = World.random(kind, number)
    error: dict[str, list[list[float]]] = {name: [] for name in ESTIMATORS}
    se: dict[str, list[list[float]]] = {name: [] for name in ESTIMATORS}
    held: dict[str, int] = dict.fromkeys(ESTIMATORS, 0)
    sizes, weights, rows = [], [], 0
    for i in range(logs):
        log, places = world.log(seed=1000 * number + i)
        rows += len(log)
        for name in ESTIMATORS:
            error[name].append([])
            se[name].append([])
        model = Gathered(world.gathered(world.predictions, log, places))
        for target, shares, truth in zip(world.targets, world.shares[1:], world.truth, strict=True):
            found = evaluate(
                target,
                log,
                reward_model=model,
                targets=world.gathered(shares, log, places),
            )
            if i == 0:  # the plain way, which repeats every propensity and prediction, once
                _same(found, evaluate(target, log, reward_model=GivenModel(world.model)))
            sizes.append(found.effective_sample_size)
            weights.append(found.mean_weight_holds)
            for name in ESTIMATORS:
                estimate: Estimate = getattr(found, name)
                low, high = estimate.interval
                held[name] += low <= truth <= high
                error[name][-1].append(estimate.value - truth)
                se[name][-1].append(estimate.se)
    return {
        "explorer": kind,
        "world": number,
        "logs": logs,
        "rows": rows,
        "truth": world.truth,
        "intervals": len(sizes),
        "held": held,
        "error": error,
        "se": se,
        "least_effective_sample_size": min(sizes),
        "mean_weight_holds": sum(weights),
    }


def _same(one: Any, other: Any) -> None:
    for name in ESTIMATORS:
        a, b = getattr(one, name), getattr(other, name)
        if not np.allclose([a.value, a.se], [b.value, b.se], rtol=1e-9):
            raise AssertionError(f"gathered and plain {name} differ: {a} and {b}")


def summary(results: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Coverage over all, by explorer and by estimator; and how far estimates are off on average.

    bias: mean of estimate − truth in units of the standard error that is usual in its world, with
    bias_se, the standard error of this mean. (An estimate's own standard error would not do: where
    rewards are rare, logs that earned more than they should have larger ones.) sd_z: of
    (estimate − truth) / standard error; 1 where standard errors are what they say.
    """
    results = list(results)
    by_explorer = {
        kind: _coverage([r for r in results if r["explorer"] == kind], ESTIMATORS)
        for kind in dict.fromkeys(r["explorer"] for r in results)
    }
    return {
        "logs": sum(r["logs"] for r in results),
        "rows": sum(r["rows"] for r in results),
        **_coverage(results, ESTIMATORS),
        "least_effective_sample_size": min(r["least_effective_sample_size"] for r in results),
        "mean_weight_holds": sum(r["mean_weight_holds"] for r in results)
        / sum(r["intervals"] for r in results),
        "explorers": by_explorer,
        "estimators": {name: _coverage(results, (name,)) for name in ESTIMATORS},
    }


def _coverage(results: list[dict[str, Any]], estimators: Iterable[str]) -> dict[str, Any]:
    names = list(estimators)
    # [estimators, logs, targets] of each world.
    errors = [np.array([r["error"][name] for name in names]) for r in results]
    ses = [np.array([r["se"][name] for name in names]) for r in results]
    z = np.concatenate([(error / se).ravel() for error, se in zip(errors, ses, strict=True)])
    # Targets and estimators of one log depend on each other: its mean is one observation.
    means = np.concatenate(
        [
            (error / se.mean(axis=1, keepdims=True)).mean(axis=(0, 2))
            for error, se in zip(errors, ses, strict=True)
        ]
    )
    held = sum(r["held"][name] for r in results for name in names)
    return {
        "intervals": len(z),
        "held": held,
        "coverage": held / len(z),
        "bias": float(means.mean()),
        "bias_se": float(means.std(ddof=1) / np.sqrt(len(means))),
        "sd_z": float(z.std(ddof=1)),
    }


def campaign(
    logs: int, *, kept: Path | None = None, workers: int = 1, per_world: int = LOGS
) -> Iterator[dict[str, Any]]:
    """The results of every world of `logs` logs, shared out evenly; those in `kept` are not redone.

    kept: a file to which each result is added as a line of JSON.
    """
    worlds = -(-logs // (len(KINDS) * per_world))
    pieces = [(kind, number, per_world) for number in range(worlds) for kind in KINDS]
    done = {(r["explorer"], r["world"], r["logs"]): r for r in _read(kept)}
    for piece in pieces:
        if piece in done:
            yield done[piece]
    left = [piece for piece in pieces if piece not in done]
    for result in _all(left, workers):
        if kept is not None:
            with kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
        yield result


def _all(pieces: list[Piece], workers: int) -> Iterator[dict[str, Any]]:
    if workers == 1:
        yield from map(run, pieces)
        return
    # Fresh processes: a fork would take numpy's threads along.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(run, pieces)


def _read(kept: Path | None) -> list[dict[str, Any]]:
    if kept is None or not kept.exists():
        return []
    # What follows the last end of a line is the line that an interrupted run did not finish.
    whole, _, broken = kept.read_text(encoding="utf-8").rpartition("\n")
    if broken:
        print(f"{kept}: its last line is not whole and is done again", file=sys.stderr)
        kept.write_text(whole + "\n" if whole else "", encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def fails(result: dict[str, Any]) -> list[str]:
    """What a campaign's summary does not reach: pooled 94 to 96 %, each explorer 92 %, no bias."""
    found = []
    if not 0.94 <= result["coverage"] <= 0.96:
        found.append(f"pooled coverage is {100 * result['coverage']:.2f} %, not 94 to 96")
    for kind, part in result["explorers"].items():
        if part["coverage"] < 0.92:
            found.append(f"coverage of {kind} is {100 * part['coverage']:.2f} %, below 92")
    if abs(result["bias"]) > 4 * result["bias_se"]:
        found.append(f"estimates are off by {result['bias']:.3f} standard errors on average")
    if result["least_effective_sample_size"] < 1000:
        found.append(f"a log is worth {result['least_effective_sample_size']:.0f} rows alone")
    return found


def main() -> int:
    """Prints the campaign as JSON; exit code 1 where intervals do not hold as often as they say."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.unbiasedness", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--logs", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--progress", type=Path, default=Path("benchmarks/results/unbiasedness.jsonl")
    )
    options = parser.parse_args()
    options.progress.parent.mkdir(parents=True, exist_ok=True)
    began, results, logs = monotonic(), [], 0
    for result in campaign(options.logs, kept=options.progress, workers=options.workers):
        results.append(result)
        logs += result["logs"]
        print(f"\r{logs} logs of {options.logs}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    found = summary(results)
    print(json.dumps({**found, "seconds": round(monotonic() - began)}, indent=1))
    failures = fails(found)
    print(*failures, sep="\n", file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
