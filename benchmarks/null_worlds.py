# SPDX-License-Identifier: Apache-2.0
"""Runs worlds in which nothing can be gained by personalising: how often is a gain claimed?

`python -m benchmarks.null_worlds --seeds 100 > null-worlds.json`. Training and evaluation are those
of the demonstration; decisions and responses meet in memory, without devices and HTTP. With
`--taste` the same for the ordinary world, in which there is something to gain.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import monotonic
from typing import Any

from edgeart_export.demo.days import POLICIES, judged, live, together
from edgeart_export.demo.direct import Direct
from edgeart_export.simulate.audience import Audience
from edgeart_export.simulate.truth import Strength

World = tuple[int, int, int, bool]
"""Seed, members, days, and whether there is taste."""


def run(world: World) -> dict[str, Any]:
    """One world: the gain of contextual over unpersonalised, and the intervals that held."""
    seed, members, days, taste = world
    strength = Strength() if taste else Strength().without_taste()
    audience = Audience(seed, members=members, strength=strength)
    history = live(audience, Direct(audience), days, _silent)
    verdicts = judged(history, _silent)
    total = together(verdicts, history.days)
    low, high = total.gain.interval
    held = [held for verdict in verdicts for held in verdict.held()]
    return {
        "seed": seed,
        "gain": total.gain.to_json(),
        "true_gain": total.truth["contextual"] - total.truth["unpersonalised"],
        "distinguishable": not low <= 0 <= high,
        "claimed": low > 0,
        "closed": total.closed,
        "held": sum(held),
        "intervals": len(held),
        "truth": total.truth,
        "effective_sample_size": {p: total.rows[p].effective for p in POLICIES},
    }


def campaign(
    seeds: int, *, members: int = 8000, days: int = 7, taste: bool = False, workers: int = 1
) -> dict[str, Any]:
    """Worlds of the seeds 1 to `seeds`; `indistinguishable` counts those whose gain could be 0."""
    worlds = [(seed, members, days, taste) for seed in range(1, seeds + 1)]
    if workers == 1:
        results = [_told(run(world), seeds) for world in worlds]
    else:
        # Fresh processes: a fork would take numpy's threads along.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            results = [_told(result, seeds) for result in pool.map(run, worlds)]
    return {
        "taste": taste,
        "seeds": seeds,
        "members": members,
        "days": days,
        "indistinguishable": sum(not r["distinguishable"] for r in results),
        "claimed": sum(r["claimed"] for r in results),
        "held": sum(r["held"] for r in results),
        "intervals": sum(r["intervals"] for r in results),
        "worlds": results,
    }


def _told(result: dict[str, Any], seeds: int) -> dict[str, Any]:
    if sys.stderr.isatty():
        print(f"\rworld {result['seed']} of {seeds}", end="", file=sys.stderr)
    return result


def _silent(what: str, day: int) -> None:
    """Progress nobody wants to see."""


def main() -> int:
    """Prints the campaign as JSON; exit code 1 where fewer than 90 % are indistinguishable."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.null_worlds", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--members", type=int, default=8000)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--taste", action="store_true", help="ordinary worlds instead")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    began = monotonic()
    result = campaign(
        options.seeds,
        members=options.members,
        days=options.days,
        taste=options.taste,
        workers=options.workers,
    )
    print(json.dumps({**result, "seconds": round(monotonic() - began)}, indent=1))
    return int(not options.taste and 10 * result["indistinguishable"] < 9 * options.seeds)


if __name__ == "__main__":
    sys.exit(main())
