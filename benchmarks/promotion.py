# SPDX-License-Identifier: Apache-2.0
"""How often does `promote` say yes where nothing is gained, and where there is a gain of 10 %?

`python -m benchmarks.promotion --worlds 200 > promotion.json`. Every world is looked at after each
of 14 nights, and counts as yes if any of the looks says so: that is what somebody does who promotes
as soon as he may. Members come back and see the same artworks again. For comparison the same looks
with a fixed-sample 95 % interval of the gain over the incumbent, which is not made for this.
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

import numpy as np

from edgeart_export import GivenModel
from edgeart_export.exposures import Exposures
from edgeart_export.promote import promote
from edgeart_export.promote.look import ESTIMATORS, INCUMBENT, YES

from .promotion_worlds import World

MOST_FALSE, LEAST_TRUE = 0.05, 0.80


def run(world: World) -> dict[str, Any]:
    """What the looks at one world say."""
    exposures = Exposures()
    exposures.add(world.exposures())
    candidate, incumbent = world.policies
    model = GivenModel(world.models[1])  # it has seen nothing of this log
    found = promote(candidate, incumbent, exposures, lambda _: model, group="country")
    verdicts = [night.verdict for night in found.looks]
    fixed = [
        all(night.gains[INCUMBENT, name].estimate.interval[0] > 0 for name in ESTIMATORS)
        for night in found.looks
    ]
    truth = world.true_gain * found.last.values[INCUMBENT]
    inside = [
        gain.interval is None or gain.interval[0] <= truth <= gain.interval[1]
        for night in found.looks
        for (rival, name), gain in night.gains.items()
        if (rival, name) == (INCUMBENT, "sndr")
    ]
    last = found.last.gains[INCUMBENT, "sndr"]
    return {
        "seed": world.seed,
        "rows": found.last.rows,
        "true_gain": world.true_gain,
        "verdicts": verdicts,
        "yes": YES in verdicts,
        "no": "no" in verdicts,
        "doubt": "doubt" in verdicts,
        "fixed_yes": any(fixed),
        "first_yes": verdicts.index(YES) + 1 if YES in verdicts else None,
        "held_always": all(inside),
        "gain": last.to_json(),
        "relative_detectable": None
        if last.detectable is None
        else last.detectable / found.last.values[INCUMBENT],
    }


def campaign(
    worlds: int,
    *,
    gain: float,
    workers: int = 1,
    units: int = 4000,
    nights: int = 14,
    harmed: bool = False,
) -> dict[str, Any]:
    """Worlds of the seeds 1 to `worlds` with such a gain."""
    asked = [World(seed, gain, units, nights, harmed) for seed in range(1, worlds + 1)]
    if workers == 1:
        results = [run(world) for world in asked]
    else:
        # Fresh processes: a fork would take numpy's threads along.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            results = list(pool.map(run, asked))
    first = [r["first_yes"] for r in results if r["first_yes"] is not None]
    detectable = [r["relative_detectable"] for r in results if r["relative_detectable"] is not None]
    return {
        "gain": gain,
        "worlds": worlds,
        "nights": nights,
        "rows": float(np.mean([r["rows"] for r in results])),
        "yes": sum(r["yes"] for r in results),
        "no": sum(r["no"] for r in results),
        "doubt": sum(r["doubt"] for r in results),
        "fixed_yes": sum(r["fixed_yes"] for r in results),
        "held_always": sum(r["held_always"] for r in results),
        "median_first_yes": float(np.median(first)) if first else None,
        "detectable": float(np.median(detectable)) if detectable else None,
        "results": results,
    }


def main() -> int:
    """Prints the campaigns as JSON; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.promotion", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--worlds", type=int, default=200, help="of each kind (default 200)")
    parser.add_argument("--units", type=int, default=4000)
    parser.add_argument("--nights", type=int, default=14)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    began = monotonic()
    asked: dict[str, Any] = {
        "workers": options.workers,
        "units": options.units,
        "nights": options.nights,
    }
    null = campaign(options.worlds, gain=0.0, **asked)
    ten = campaign(options.worlds, gain=0.1, **asked)
    harmed = campaign(max(options.worlds // 10, 1), gain=0.1, harmed=True, **asked)
    missed = null["yes"] > MOST_FALSE * options.worlds or ten["yes"] < LEAST_TRUE * options.worlds
    seconds = round(monotonic() - began)
    result = {"null": null, "ten_percent": ten, "harmed": harmed, "missed": missed}
    print(json.dumps({**result, "seconds": seconds}, indent=1))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
