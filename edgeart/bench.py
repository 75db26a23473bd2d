# SPDX-License-Identifier: Apache-2.0
"""Times a policy where it runs: the calls of a render loop, each one a sample."""

from __future__ import annotations

from itertools import cycle, islice
from time import perf_counter_ns
from typing import TypedDict

from edgeart.policy import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Result(TypedDict):
    """What was measured, by name, and what a reader must know about it."""

    titles: int
    times: dict[str, dict[str, float]]  # p50, p99 and p99.9 in µs, and the number of samples
    notes: list[str]


def bench(data: bytes, titles: int, seconds: float) -> Result:
    """Times opening data, encoding, `select`, and pages of this many titles.

    Each takes an equal part of the seconds, and three samples at least.
    """
    policy = Policy.from_bytes(data)
    values = example(policy)
    notes = []
    try:
        unit = policy.unit_of_cell(None)  # a holdback's explorer is not what is asked about
    except LookupError as error:
        unit = 0
        notes.append(f"every unit is in a cell, so a cell's explorer is timed: {error}")
    context = policy.context(values, seed=1, unit=unit)
    known = policy.titles[:titles]
    layers = len(policy.tower)
    notes += [
        (
            f"policy: {context.cell or policy.explorer.kind}, {policy.rows} rows of {policy.k}, "
            f"{layers} layers, {policy.slots} slots"
        ),
        (
            "µs by the wall clock, the clock's own cost included (the row `clock`); garbage "
            "collection and other processes too"
        ),
        f"context: {len(policy.features)} fields as a dict, all present",
    ]
    jobs: dict[str, Callable[[int], object]] = {
        "clock": lambda _: None,
        "open": lambda _: Policy.from_bytes(data),
        "encode": lambda i: policy.context(values, seed=i),
    }
    if known:
        page = policy.page_titles(islice(cycle(known), titles))
        jobs["select"] = lambda i: policy.select(context, known[i % len(known)])
        jobs[f"page of {titles}"] = lambda _: policy.select_page(context, page)
        jobs["and its ids"] = lambda _: policy.select_page(context, page).artworks()
        if len(known) < titles:
            notes.append(f"the page repeats the bundle's {len(known)} titles")
    else:
        notes.append("the bundle has no titles: nothing to decide")
    share = int(seconds * 1e9 / len(jobs))
    return {
        "titles": titles,
        "times": {what: _time(job, share) for what, job in jobs.items()},
        "notes": notes,
    }


def example(policy: Policy) -> dict[str, object]:
    """A context that has a value for every feature."""
    values: dict[str, object] = {}
    for feature in policy.features:
        if feature.kind == "number":
            values[feature.name] = feature.centre + feature.scale / 2
        elif feature.kind == "category":
            values[feature.name] = feature.words[0]
        elif feature.kind == "weights":
            values[feature.name] = dict.fromkeys(feature.words[:3], 0.5)
        else:
            values[feature.name] = [0.5] * feature.width
    return values


def _time(job: Callable[[int], object], budget: int) -> dict[str, float]:
    """Quantiles of a job's time in µs; budget in ns."""
    for i in range(3):  # what is done once, such as imports, is no part of a call
        job(i)
    samples: list[int] = []
    start = perf_counter_ns()
    while len(samples) < 3 or perf_counter_ns() - start < budget:
        before = perf_counter_ns()
        job(len(samples))
        samples.append(perf_counter_ns() - before)
    samples.sort()
    quantiles = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    times = {name: samples[int(q * (len(samples) - 1))] / 1000 for name, q in quantiles.items()}
    return times | {"samples": len(samples)}
