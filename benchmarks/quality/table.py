# SPDX-License-Identifier: Apache-2.0
"""What the scores come to: regret ratios with their bars, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

PEERS = {"vw": "Vowpal Wabbit", "mabwiser": "MABWiser"}
BARS = {"auto": (1.0, 1.1), "linear": (1.05, None)}
"""Learner → most geometric mean of its regret ratios, and most of any; None: no bar."""


@dataclass(frozen=True)
class Row:
    """One of edgeart's learners on one set and number of rounds, beside the better competitor.

    scores: mean of each learner. peer: the competitor of the larger mean score. ratio: (1 − score)
    / (1 − the peer's). difference, spread: mean and standard deviation over the seeds of score −
    the peer's score with the same seed; error: standard error of that mean.
    """

    set: str
    n: str
    rounds: int
    seeds: int
    learner: str
    peer: str
    scores: dict[str, float]
    ratio: float
    difference: float
    spread: float
    error: float


def row(
    name: str, n: str, learner: str, results: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Row | None:
    """The row of a learner; results: learner → results, one a seed, in the same order of seeds.

    None where the learner or every competitor is missing.
    """
    peers = [peer for peer in PEERS if results.get(peer)]
    if not peers or not results.get(learner):
        return None
    scores = {who: np.array([r["score"] for r in found]) for who, found in results.items() if found}
    peer = max(peers, key=lambda who: float(scores[who].mean()))
    difference = scores[learner] - scores[peer]
    spread = float(difference.std(ddof=1)) if len(difference) > 1 else float("nan")
    return Row(
        set=name,
        n=n,
        rounds=results[learner][0]["rounds"],
        seeds=len(difference),
        learner=learner,
        peer=peer,
        scores={who: float(values.mean()) for who, values in scores.items()},
        ratio=float((1 - scores[learner].mean()) / (1 - scores[peer].mean())),
        difference=float(difference.mean()),
        spread=spread,
        error=spread / len(difference) ** 0.5,
    )


def verdict(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """For each learner the geometric mean and the worst of its ratios, and whether bars hold."""
    found = {}
    for learner, (most_mean, most) in BARS.items():
        ratios = {f"{r.set}, {r.n}": r.ratio for r in rows if r.learner == learner}
        if not ratios:
            continue
        mean = float(np.exp(np.mean(np.log(list(ratios.values())))))
        worst = max(ratios, key=lambda where: ratios[where])
        found[learner] = {
            "geometric_mean": mean,
            "bar": most_mean,
            "worst": ratios[worst],
            "worst_at": worst,
            "worst_bar": most,
            "met": mean <= most_mean and (most is None or ratios[worst] <= most),
        }
    return found


def document(rows: Sequence[Row], tuned: Mapping[str, object]) -> dict[str, Any]:
    """All of it for machines."""
    return {"rows": [asdict(r) for r in rows], "verdict": verdict(rows), "tuned": dict(tuned)}


def show(rows: Sequence[Row], console: Console) -> None:
    """Prints the rows and the verdicts."""
    table = Table(title="(reward − uniform) / (best − uniform) while learning, mean of the seeds")
    for heading in ("set", "rounds", "learner", "score", *PEERS.values(), "regret ratio"):
        table.add_column(heading, justify="left" if heading in ("set", "learner") else "right")
    table.add_column("paired difference ± SE (SD)", justify="right")
    for r in rows:
        table.add_row(
            r.set,
            f"{r.rounds:,}",
            r.learner,
            f"{r.scores[r.learner]:.3f}",
            *(f"{r.scores[peer]:.3f}" if peer in r.scores else "–" for peer in PEERS),
            f"{r.ratio:.3f}",
            f"{r.difference:+.4f} ± {r.error:.4f} ({r.spread:.4f})",
        )
    console.print(table)
    for learner, v in verdict(rows).items():
        worst = "" if v["worst_bar"] is None else f" (bar {v['worst_bar']})"
        console.print(
            f"{learner}: geometric mean of the ratios {v['geometric_mean']:.3f} (bar {v['bar']}), "
            f"worst {v['worst']:.3f}{worst} at {v['worst_at']}: "
            f"{'met' if v['met'] else 'NOT met'}"
        )
