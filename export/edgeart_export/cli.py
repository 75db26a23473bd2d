# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export`: collect, attribute, train, evaluate off-policy, export."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import edgeart

from . import attribution_cli, obd, tables
from .bundle import write_bundle
from .cells import Cell, holdbacks
from .collector import cli as collector_cli
from .errors import ExportError
from .evaluate import evaluate, logged_value
from .explorers import Explorer, parse_explorer
from .onnx import write_onnx
from .publish import cli as publish_cli
from .rewards import CrossFitted, GivenModel, RewardModel
from .store import load_model, save_model
from .trainers import LinearTrainer

Run = Callable[[argparse.Namespace], int]

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_DOUBT = 0, 1, 2, 3

_EPILOG = """\
example, with the Open Bandit Dataset's files (docs/tutorial.md):
  edgeart-export train random_men.csv.gz --items random_men_items.csv --half first \\
      --lambda 100 -o model/
  edgeart-export export model/ --bundle policy.edgeart --onnx policy.onnx \\
      --explorer squarecb:gamma=50,floor=0.002
  edgeart-export evaluate random_men.csv.gz --half second --policy policy.edgeart

exit codes: 0 done; 1 failed, the message says where and what to do; 2 wrong usage;
3 evaluated, but a mean importance weight is off 1 by more than three standard errors
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = _parser().parse_args(arguments)
    run: Run = options.run
    try:
        return run(options)
    except (ExportError, edgeart.EdgeartError, OSError) as error:
        print(f"edgeart-export {options.command}: {error}", file=sys.stderr)
        return EXIT_FAILED


def _train(options: argparse.Namespace) -> int:
    items = obd.load_items(options.items)
    with tables.progress(quiet=options.json) as step:
        rows = obd.load_impressions(
            options.log, items=items, progress=step(f"reading {options.log.name}")
        ).half(options.half)
    schema = rows.schema(options.max_words)
    trainer = LinearTrainer(schema, {obd.TITLE: items.artworks()}, l2=options.l2).fit(rows.log())
    meta = {
        "data": options.log.name,
        "half": options.half,
        "rows": str(len(rows)),
        "trainer": f"LinearTrainer(l2={options.l2:g})",
    }
    model = trainer.to_model(options.name, options.sequence, meta=meta)
    save_model(model, options.output)
    report = {
        "model": str(options.output),
        "policy": model.name,
        "sequence": model.sequence,
        "log": str(options.log),
        "rows": len(rows),
        "from": str(rows.timestamp[0]),
        "to": str(rows.timestamp[-1]),
        "clicks": int(rows.click.sum()),
        "artworks": len(items.ids),
        "slots": schema.width,
        "features": {feature.name: feature.width for feature in schema.features},
        "lambda": options.l2,
        "noise": trainer.noise(),
    }
    tables.show(report, options.json, tables.trained)
    return EXIT_OK


def _export(options: argparse.Namespace) -> int:
    if not options.bundle and not options.onnx:
        _parser().error("export: give --bundle FILE, --onnx FILE or both")
    model = load_model(options.model)
    changes = {
        field: given
        for field in ("explorer", "name", "sequence", "cells", "salt")
        if (given := getattr(options, field)) is not None
    }
    model = dataclasses.replace(model, **changes)
    contexts = None
    if options.contexts:
        with tables.progress(quiet=options.json) as step:
            loaded = obd.load_impressions(
                options.contexts, progress=step(f"reading {options.contexts.name}")
            )
            contexts = loaded.half(options.half).contexts()
    report: dict[str, object] = {
        "policy": model.name,
        "sequence": model.sequence,
        "explorer": str(model.explorer),
        "cells": [
            {"name": cell.name, "share": cell.share, "explorer": str(cell.explorer)}
            for cell in model.cells
        ],
        "attributes": list(model.attributes),
    }
    if options.bundle:
        written = write_bundle(
            model,
            options.bundle,
            rows=options.rows,
            contexts=contexts,
            stable=options.stable_codes.read_bytes() if options.stable_codes else None,
        )
        report["bundle"] = {**dataclasses.asdict(written), "path": str(written.path)}
        report["compared_on"] = str(options.contexts or "random contexts drawn from the schema")
    if options.onnx:
        write_onnx(model, options.onnx)
        report["onnx"] = {"path": str(options.onnx), "size": options.onnx.stat().st_size}
    tables.show(report, options.json, tables.exported)
    return EXIT_OK


def _evaluate(options: argparse.Namespace) -> int:
    policies = [edgeart.Policy.open(path) for path in options.policy]
    with tables.progress(quiet=options.json) as step:
        items = obd.load_items(options.items) if options.items else None
        rows = obd.load_impressions(
            options.log, items=items, progress=step(f"reading {options.log.name}")
        ).half(options.half)
        log = rows.log()
        reward_model: RewardModel
        if options.reward_model:
            reward_model = GivenModel(load_model(options.reward_model))
        else:
            artworks = [a for p in policies if obd.TITLE in p.titles for a in p.artworks(obd.TITLE)]
            titles = {obd.TITLE: list(dict.fromkeys([*artworks, *log.artwork]))}
            reward_model = CrossFitted(rows.schema(), titles, l2=options.l2, folds=options.folds)
        evaluations = [
            evaluate(policy, log, reward_model=reward_model, progress=step(str(path), len(log)))
            for policy, path in zip(policies, options.policy, strict=True)
        ]
    logged = logged_value(log)
    report: dict[str, object] = {
        "log": str(options.log),
        "half": options.half,
        "rows": len(log),
        "logging_policy": {**logged.to_json(), "rewarded": int((log.reward > 0).sum())},
        "reward_model": str(options.reward_model or f"cross-fitted, {options.folds} folds"),
        "policies": [
            {"file": str(path), **evaluation.to_json()}
            for path, evaluation in zip(options.policy, evaluations, strict=True)
        ],
    }
    tables.show(report, options.json, tables.evaluated)
    tables.warn(evaluations)
    return EXIT_OK if all(e.mean_weight_holds for e in evaluations) else EXIT_DOUBT


def _demo(options: argparse.Namespace) -> int:
    from .demo.__main__ import main as demo  # noqa: PLC0415 - only this command needs it

    return demo(["--output", str(options.output)])


def _explorer(text: str) -> Explorer:
    try:
        return parse_explorer(text)
    except ExportError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _holdbacks(text: str) -> tuple[Cell, ...]:
    try:
        fixed, uniform = map(float, text.split(","))
        return holdbacks(fixed, uniform)
    except ValueError as error:  # a ModelError is one
        reason = str(error) if isinstance(error, ExportError) else f"{text!r} is not two numbers"
        raise argparse.ArgumentTypeError(reason) from None


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
        return int(text)

    return read


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgeart-export",
        description="Trains, evaluates and exports the artwork policies that edgeart runs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Run, about: str, example: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=about,
            description=about,
            epilog=f"example:\n  edgeart-export {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=run)
        return sub

    def add_log(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("log", type=Path, help="log in the Open Bandit Dataset's CSV layout")
        sub.add_argument("--json", action="store_true", help="print one JSON object, no progress")

    def add_half(sub: argparse.ArgumentParser, about: str) -> None:
        sub.add_argument("--half", choices=("first", "second", "all"), default="all", help=about)

    collector_cli.register(commands)
    attribution_cli.register(commands)
    publish_cli.register(commands)

    train = command(
        "train",
        _train,
        "Trains a ridge regression per artwork on a log and saves the model.",
        "train random_men.csv.gz --items random_men_items.csv --half first -o model/",
    )
    add_log(train)
    train.add_argument("--items", type=Path, required=True, help="item context file (candidates)")
    add_half(train, "rows to use, halves in time (default all)")
    train.add_argument(
        "--lambda", dest="l2", type=_positive, default=1.0, help="ridge penalty (default 1)"
    )
    train.add_argument(
        "--max-words",
        type=_at_least(1),
        default=32,
        help="most words of a category, the rest is one other slot (default 32)",
    )
    train.add_argument("--name", default="policy", help="policy name (default policy)")
    train.add_argument("--sequence", type=_at_least(1), default=1, help="number (default 1)")
    train.add_argument("-o", "--output", type=Path, required=True, help="folder for the model")

    export = command(
        "export",
        _export,
        "Writes a saved model as a bundle for devices, as an ONNX graph, or both.",
        "export model/ --bundle policy.edgeart --explorer squarecb:gamma=50,floor=0.002",
    )
    export.add_argument("model", type=Path, help="folder that train wrote")
    export.add_argument("--bundle", type=Path, help="bundle to write")
    export.add_argument("--onnx", type=Path, help="ONNX file to write")
    export.add_argument("--rows", choices=("i8", "f32"), default="i8", help="default i8")
    export.add_argument(
        "--stable-codes",
        type=Path,
        metavar="PREVIOUS",
        help="keep the i8 codes of this earlier bundle of the policy while its weights stay within "
        ".75 of a step of them: smaller deltas",
    )
    export.add_argument(
        "--explorer", type=_explorer, help="such as greedy:floor=0.01 (default: the model's)"
    )
    export.add_argument(
        "--holdback",
        dest="cells",
        type=_holdbacks,
        metavar="FIXED,UNIFORM",
        help="shares of the units that see defaults and that see artworks drawn alike, such as "
        "0.02,0.03; 0,0 for none (default: the model's cells)",
    )
    export.add_argument("--salt", help="with another one units fall anew (default: the model's)")
    export.add_argument("--name", help="policy name (default: the model's)")
    export.add_argument("--sequence", type=_at_least(1), help="default: the model's")
    export.add_argument(
        "--contexts", type=Path, help="log whose contexts the rows are compared with f32 rows on"
    )
    add_half(export, "rows of --contexts to use (default all)")
    export.add_argument("--json", action="store_true", help="print one JSON object, no progress")

    evaluation = command(
        "evaluate",
        _evaluate,
        "Estimates what policies would have earned on a log (SNIPS, IPS, DR).",
        "evaluate random_men.csv.gz --half second --policy policy.edgeart --policy b.edgeart",
    )
    add_log(evaluation)
    evaluation.add_argument(
        "--policy", type=Path, action="append", required=True, help="bundle; may be given again"
    )
    evaluation.add_argument("--items", type=Path, help="refuse rows of items not in this file")
    add_half(evaluation, "rows to use, halves in time (default all)")
    evaluation.add_argument(
        "--reward-model",
        type=Path,
        help="model of other data for DR (default: cross-fitted on these rows)",
    )
    evaluation.add_argument(
        "--lambda", dest="l2", type=_positive, default=100.0, help="its penalty (default 100)"
    )
    evaluation.add_argument(
        "--folds", type=_at_least(2), default=5, help="folds of cross-fitting (default 5)"
    )

    demo = command(
        "demo",
        _demo,
        "Decides, explains, trains and evaluates on a simulated audience.",
        "demo --output demo-output",
    )
    demo.add_argument("--output", type=Path, default=Path("demo-output"), help="folder to write to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
