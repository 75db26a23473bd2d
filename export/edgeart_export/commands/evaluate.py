# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export evaluate`: what policies would have earned on a log."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import edgeart

from .. import obd
from ..evaluate import evaluate, logged_value
from ..evaluate.reward_models import CrossFitted, GivenModel, RewardModel
from ..log import Log
from ..store import load_model
from . import evaluate_tables, judging, tables
from .parts import EXIT_DOUBT, EXIT_OK, command, half, positive
from .tables import Step


def register(commands: Any) -> None:
    """Adds the command to the subparsers of `edgeart-export`."""
    sub = command(
        commands,
        "evaluate",
        _evaluate,
        "Estimates what policies would have earned on a log (SNIPS, IPS, DR and others).",
        "evaluate --exposures exposures/ --policy policy.edgeart --group country\n"
        "  edgeart-export evaluate random_men.csv.gz --half second --policy policy.edgeart",
    )
    sub.add_argument(
        "log", type=Path, nargs="?", help="log in the Open Bandit Dataset's CSV layout; or give"
    )
    judging.register_exposures(sub, required=False)
    sub.add_argument(
        "--policy", type=Path, action="append", required=True, help="bundle; may be given again"
    )
    sub.add_argument("--items", type=Path, help="refuse rows of a log whose item is not in here")
    half(sub, "rows of a log to use, halves in time (default all)")
    judging.register_model(sub)
    sub.add_argument("--clip", type=positive, help="largest weight of clipped IPS (default √rows)")
    sub.add_argument(
        "--bootstrap", action="store_true", help="intervals of resampled clusters as well"
    )
    sub.add_argument("--all", action="store_true", help="print every estimator with its interval")
    sub.add_argument("--report", type=Path, metavar="FILE", help="write one HTML file as well")
    sub.add_argument("--json", action="store_true", help="print one JSON object, no progress")
    sub.set_defaults(usage=sub.error)


def _evaluate(options: argparse.Namespace) -> int:
    if (options.log is None) == (options.exposures is None):
        options.usage("give a log, or --exposures DIR")
    for name, given in (("--items", options.items), ("--half", options.half != "all")):
        if given and options.log is None:
            options.usage(f"{name} is of a log, not of --exposures")
    for name, asked in (("--since", options.since), ("--bundles", options.bundles)):
        if asked is not None and options.exposures is None:
            options.usage(f"{name} is of --exposures, not of a log")
    policies = [edgeart.Policy.open(path) for path in options.policy]
    with tables.progress(quiet=options.json) as step:
        source, log, reward_model = _source(options, policies, step)
        evaluations = [
            evaluate(
                policy,
                log,
                reward_model=reward_model,
                clip=options.clip,
                group=options.group,
                bootstrap=options.bootstrap,
                progress=step(str(path), len(log)),
            )
            for policy, path in zip(policies, options.policy, strict=True)
        ]
    logged = logged_value(log)
    if options.report is not None:
        from ..report.evaluation import write_evaluation  # noqa: PLC0415 - only if it is asked for

        named = [(path.stem, e) for path, e in zip(options.policy, evaluations, strict=True)]
        write_evaluation(options.report, named, logged, source, options.group)
    report: dict[str, object] = {
        **source,
        "logging_policy": {
            **logged.to_json(),
            "rewarded": int((log.reward > 0).sum()),
        },
        "reward_model": judging.model_name(options),
        "policies": [
            {"file": str(path), **evaluation.to_json()}
            for path, evaluation in zip(options.policy, evaluations, strict=True)
        ],
    }
    tables.show(report, options.json, evaluate_tables.evaluated)
    if options.all and not options.json:
        evaluate_tables.estimators(report)
    if options.group and not options.json:
        evaluate_tables.groups(report, options.group)
    evaluate_tables.warn(evaluations)
    return EXIT_OK if all(e.mean_weight_holds for e in evaluations) else EXIT_DOUBT


def _source(
    options: argparse.Namespace, policies: list[edgeart.Policy], step: Step
) -> tuple[dict[str, object], Log, RewardModel]:
    """What the report says of the rows, the rows, and the reward model."""
    if options.exposures is not None:
        since = judging.milliseconds(options.since)
        loaded = judging.load(options, policies, step, since)
        source = {"log": str(options.exposures), "half": "all", **loaded.to_json()}
        return source, loaded.log, judging.reward_model(options, policies, loaded.log)
    items = obd.load_items(options.items) if options.items else None
    rows = obd.load_impressions(
        options.log, items=items, progress=step(f"reading {options.log.name}")
    ).half(options.half)
    log = rows.log()
    source = {"log": str(options.log), "half": options.half, "rows": len(log)}
    if options.reward_model:
        return source, log, GivenModel(load_model(options.reward_model))
    artworks = [a for p in policies if obd.TITLE in p.titles for a in p.artworks(obd.TITLE)]
    titles = {obd.TITLE: list(dict.fromkeys([*artworks, *log.artwork]))}
    model = CrossFitted(rows.schema(), titles, l2=options.l2, folds=options.folds)
    return source, log, model
