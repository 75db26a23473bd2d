# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export evaluate`: what policies would have earned on a log."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import edgeart

from . import obd, tables
from .cli_parts import EXIT_DOUBT, EXIT_OK, at_least, command, half, log, positive
from .evaluate import evaluate, logged_value
from .rewards import CrossFitted, GivenModel, RewardModel
from .store import load_model


def register(commands: Any) -> None:
    """Adds the command to the subparsers of `edgeart-export`."""
    evaluation = command(
        commands,
        "evaluate",
        _evaluate,
        "Estimates what policies would have earned on a log (SNIPS, IPS, DR).",
        "evaluate random_men.csv.gz --half second --policy policy.edgeart --policy b.edgeart",
    )
    log(evaluation)
    evaluation.add_argument(
        "--policy", type=Path, action="append", required=True, help="bundle; may be given again"
    )
    evaluation.add_argument("--items", type=Path, help="refuse rows of items not in this file")
    half(evaluation, "rows to use, halves in time (default all)")
    evaluation.add_argument(
        "--reward-model",
        type=Path,
        help="model of other data for DR (default: cross-fitted on these rows)",
    )
    evaluation.add_argument(
        "--lambda", dest="l2", type=positive, default=100.0, help="its penalty (default 100)"
    )
    evaluation.add_argument(
        "--folds", type=at_least(2), default=5, help="folds of cross-fitting (default 5)"
    )


def _evaluate(options: argparse.Namespace) -> int:
    policies = [edgeart.Policy.open(path) for path in options.policy]
    with tables.progress(quiet=options.json) as step:
        items = obd.load_items(options.items) if options.items else None
        rows = obd.load_impressions(
            options.log, items=items, progress=step(f"reading {options.log.name}")
        ).half(options.half)
        exposures = rows.log()
        reward_model: RewardModel
        if options.reward_model:
            reward_model = GivenModel(load_model(options.reward_model))
        else:
            artworks = [a for p in policies if obd.TITLE in p.titles for a in p.artworks(obd.TITLE)]
            titles = {obd.TITLE: list(dict.fromkeys([*artworks, *exposures.artwork]))}
            reward_model = CrossFitted(rows.schema(), titles, l2=options.l2, folds=options.folds)
        evaluations = [
            evaluate(
                policy,
                exposures,
                reward_model=reward_model,
                progress=step(str(path), len(exposures)),
            )
            for policy, path in zip(policies, options.policy, strict=True)
        ]
    logged = logged_value(exposures)
    report: dict[str, object] = {
        "log": str(options.log),
        "half": options.half,
        "rows": len(exposures),
        "logging_policy": {**logged.to_json(), "rewarded": int((exposures.reward > 0).sum())},
        "reward_model": str(options.reward_model or f"cross-fitted, {options.folds} folds"),
        "policies": [
            {"file": str(path), **evaluation.to_json()}
            for path, evaluation in zip(options.policy, evaluations, strict=True)
        ],
    }
    tables.show(report, options.json, tables.evaluated)
    tables.warn(evaluations)
    return EXIT_OK if all(e.mean_weight_holds for e in evaluations) else EXIT_DOUBT
