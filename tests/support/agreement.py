# SPDX-License-Identifier: Apache-2.0
"""Random policies and contexts, on which the native core and the reference must agree to the bit.

python -m tests.support.agreement --policies 10000      two contexts each; prints JSON
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace as changed
from typing import Any

from tests.reference import sample, sample_format2
from tests.reference.binary import bits32, round32, tiny
from tests.reference.bundle import Bundle, open_bundle
from tests.reference.decide import (
    NO_LIMITS,
    Context,
    Limits,
    candidates,
    context_hash,
    fallback,
    prepare,
    select,
    select_host,
    select_page,
)
from tests.reference.decide import Decision as Known
from tests.reference.explore import integers
from tests.reference.features import EXPLORERS, UNCERTAIN, Explorer
from tests.reference.write import pack, write
from tests.support.core import Core, CoreContext, core_integers

ALL_EXPLORERS = [*sample.EXPLORERS, *sample_format2.EXPLORERS]


def explorer(random_: random.Random, kinds: list[list[Any]]) -> list[Any]:
    """One of these, its floor and parameter often from all that the format allows."""
    kind, floor, *parameters = random_.choice(kinds)
    floor = random_.choice([floor, 0.0, random_.random(), 2.0 ** -random_.randint(1, 40)])
    wide: dict[str, Callable[[], float]] = {
        "epsilon_greedy": random_.random,
        "softmax": lambda: 2.0 ** random_.uniform(-20, 20),
        "squarecb": lambda: random_.choice([0.0, 2.0 ** random_.uniform(-10, 40)]),
        "thompson": lambda: 2.0 ** random_.uniform(-20, 20),
        "ucb": lambda: 2.0 ** random_.uniform(-20, 20),
    }
    if kind in wide and random_.random() < 0.5:
        parameters = [wide[kind]()]
    return [kind, floor, *parameters]


def described(random_: random.Random, *, titles: int = 3, most: int = 12) -> dict[str, Any]:
    """A description of either format."""
    rows = random_.choice(["f32", "i8"])
    if random_.random() < 0.3:
        own = explorer(random_, sample.EXPLORERS)
        return sample.policy(random_, explorer=own, rows=rows, titles=titles, most=most)
    own = explorer(random_, ALL_EXPLORERS)
    return sample_format2.policy(random_, explorer=own, rows=rows, titles=titles, most=most)


def bits(decision: Known) -> list[int]:
    """A decision as the native core gives it."""
    return [
        decision.title, decision.row, decision.n, decision.total, bits32(decision.score),
        decision.reason, decision.cell,
    ]  # fmt: skip


def check_context(
    core: Core, bundle: Bundle, context_map: bytes, random_: random.Random
) -> Counter[str]:
    """Asserts that all that can be asked about one context is answered alike; counts what was."""
    seed, unit = random_.getrandbits(64), random_.getrandbits(64)
    ours = prepare(bundle, context_map, seed=seed, unit=unit)
    theirs = core.encode(context_map, seed, unit)
    report = ours.report
    assert theirs.report == [report.missing, report.other, report.clipped, report.ignored]
    assert core.cell_of(unit) == ours.cell
    assert theirs.slots() == [bits32(x) for x in ours.x]
    assert theirs.u() == [bits32(x) for x in ours.u]
    assert theirs.scores() == [bits32(score) for score in ours.scores]
    variances = ours.variances if ours.variances is not None else [0.0] * len(ours.scores)
    assert theirs.variances() == [bits32(variance) for variance in variances]
    assert theirs.hash() == context_hash(ours)
    counts: Counter[str] = Counter({"contexts": 1})
    asked = sample_format2.limits(random_, len(bundle.bias), len(bundle.attributes))
    for limits in (NO_LIMITS, asked):
        counts += _check_limits(theirs, ours, limits, random_)
    name, count = random_.choice(["t", "no such title"]), random_.choice([1, 2, 10, 256])
    assert theirs.host(name, count) == bits(select_host(ours, name, count))
    return counts


def _check_limits(
    theirs: CoreContext, ours: Context, limits: Limits, random_: random.Random
) -> Counter[str]:
    core = theirs.core
    titles = [title.id for title in ours.bundle.titles]
    page = [*random_.sample(titles, len(titles)), "no such title", *titles[:1]]
    decisions = select_page(ours, page, limits)
    expected = [bits(decision) for decision in decisions]
    indices = [core.find(title) for title in page]
    assert theirs.page(indices, limits) == expected
    assert theirs.page(indices, limits, one_by_one=True) == expected
    for title, index in zip(page, indices, strict=True):
        assert core.fallback(index, limits) == bits(fallback(ours.bundle, title, limits))
    for index, title in enumerate(titles):
        found = candidates(ours, title, limits)
        rows = zip(found.rows, found.n, map(bits32, found.scores), found.denied, strict=True)
        listed = [list(map(int, row)) for row in rows]
        assert theirs.candidates(index, limits) == (listed, found.total)
        _check_scored(theirs, ours, index, limits, random_)
    cells = ours.bundle.cells.cells
    kind = cells[ours.cell - 1].explorer.kind if ours.cell else ours.bundle.explorer.kind
    counts = Counter(f"reason {decision.reason}" for decision in decisions)
    return counts + Counter({"decisions": len(decisions), f"pages of {kind}": 1})


def _check_scored(
    theirs: CoreContext, ours: Context, index: int, limits: Limits, random_: random.Random
) -> None:
    """One title with scores and variances that no row gave."""
    title = ours.bundle.titles[index]
    scores, variances = belief(random_, len(title.artworks))
    has_variances = ours.variances is not None
    all_scores, all_variances = list(ours.scores), list(ours.variances or [])
    all_scores[title.first : title.rows.stop] = scores
    all_variances[title.first : title.rows.stop] = variances
    other = changed(ours, scores=all_scores, variances=all_variances if has_variances else None)
    got = theirs.scored(index, scores, variances if has_variances else None, limits)
    assert got == bits(select(other, title.id, limits))


def belief(random_: random.Random, count: int) -> tuple[list[float], list[float]]:
    """Scores and variances of any size that ea_explore takes, some tied, some certain."""
    size = 2.0 ** random_.choice([-20, -3, 0, 0, 0, 10, 40])
    scores = [random_.gauss(0.0, size) for _ in range(count)]
    spread = random_.choice([0.0, 0.1, 1.0, 3.0])
    deviations = [size * 2.0 ** random_.gauss(-1.0, spread) for _ in range(count)]
    variances = [min(deviation**2, 2.0**69) for deviation in deviations]
    for _ in range(random_.choice([0, 0, 1, 3])):
        scores[random_.randrange(count)] = random_.choice(scores)
        variances[random_.randrange(count)] = random_.choice([0.0, 0.0, variances[0]])
    return [tiny(round32(x)) for x in scores], [tiny(round32(x)) for x in variances]


def check_explorer(random_: random.Random) -> None:
    """Asserts that an explorer alone gives the same integers."""
    kind, floor, *parameter = explorer(random_, ALL_EXPLORERS)
    its = Explorer(kind, floor, parameter[0] if parameter else 0.0)
    allowed = EXPLORERS[kind]
    assert allowed is None or allowed[0] <= its.parameter <= allowed[1]
    count = random_.choice([1, 2, 3, 5, 10, 10, random_.randint(1, 64)])
    scores, variances = belief(random_, count)
    given = variances if kind in UNCERTAIN or random_.random() < 0.2 else None
    assert core_integers(its, scores, given) == integers(its, scores, variances)


def check_policy(seed: int, contexts: int = 2) -> Counter[str]:
    """Asserts that a random policy decides alike for some contexts."""
    random_ = sample.seeded(seed)
    description = described(random_)
    data = write(description)
    core, bundle = Core(data), open_bundle(data)
    counts: Counter[str] = Counter({"policies": 1, f"format {bundle.version}": 1})
    counts += Counter({f"{layer.activation} layers of {layer.rows}": 1 for layer in bundle.tower})
    for _ in range(contexts):
        context_map = pack(sample.context(random_, description["features"]))
        counts += check_context(core, bundle, context_map, random_)
        check_explorer(random_)
    return counts


def _check_seed(seed: int) -> Counter[str]:
    try:
        return check_policy(seed)
    except AssertionError as error:
        raise AssertionError(f"disagreement at seed {seed}") from error


def main(arguments: list[str] | None = None) -> None:
    """Runs a campaign and prints its counts; a disagreement raises with the seed it happened at."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--policies", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first policy")
    options = parser.parse_args(arguments)
    counts: Counter[str] = Counter()
    start = time.perf_counter()
    for seed in range(options.first, options.first + options.policies):
        counts += _check_seed(seed)
    seconds = round(time.perf_counter() - start, 1)
    print(json.dumps({**dict(sorted(counts.items())), "disagreements": 0, "seconds": seconds}))


if __name__ == "__main__":
    main()
