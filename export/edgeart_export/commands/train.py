# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export train`: from exposures, or a recorded log, to a saved model."""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from .. import obd, training
from ..catalogue import prior_of
from ..errors import DataError
from ..reward import parse_duration
from ..store import save_model
from ..trainers import LinearTrainer
from . import tables
from .parts import EXIT_OK, at_least, command, half, positive
from .train_exposures import train_on_exposures

Lambda = float | Literal["auto"]

_ABOUT = """\
Trains a ridge regression per artwork, or chooses between such and small networks, and saves the
model: from exposures that `attribute` wrote (Parquet files or folders), or from a log of the Open
Bandit Dataset (with --items).
"""

_EXAMPLE = """\
train exposures/ --schema schema.json --artworks artworks.parquet \\
      --state state.parquet --half-life 30d -o model/
  edgeart-export train random_men.csv.gz --items random_men_items.csv --half first -o model/\
"""


def register(commands: Any) -> None:
    """Adds the command to the subparsers of `edgeart-export`."""
    train = command(commands, "train", _train, _ABOUT, _EXAMPLE)
    train.add_argument(
        "log", type=Path, nargs="+", help="exposures (Parquet, folders), or a log in CSV layout"
    )
    train.add_argument(
        "--lambda",
        dest="l2",
        type=_lambda,
        help="ridge penalty, or auto: found by empirical Bayes, with a prior (default)",
    )
    train.add_argument("--name", default="policy", help="policy name (default policy)")
    train.add_argument("--sequence", type=at_least(1), default=1, help="number (default 1)")
    train.add_argument("-o", "--output", type=Path, required=True, help="folder for the model")
    train.add_argument("--json", action="store_true", help="print one JSON object, no progress")

    own = train.add_argument_group("exposures (docs/training.md)")
    own.add_argument(
        "--trainer",
        choices=training.TRAINERS,
        help="linear (default), or auto: that or a tower, whichever told rewards best before it "
        "learned them; a --state goes on with the trainer that it was begun with",
    )
    own.add_argument(
        "--schema",
        type=Path,
        metavar="FILE",
        help="features of contexts: JSON as FeatureSchema.to_json gives it, or a model's folder; "
        "not needed where --state is there already",
    )
    own.add_argument(
        "--artworks",
        type=Path,
        metavar="FILE",
        help="Parquet or CSV: title, artwork, features of artworks, and `live` (true or false) if "
        "not all may be shown; the model has those that may, in this order, the first of a title "
        "is its default",
    )
    own.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="Parquet file to go on from, if it is there, and to leave what was learned in",
    )
    own.add_argument(
        "--half-life",
        type=_half_life,
        metavar="TIME",
        help="exposures that much older count half, such as 30d (default: all count alike)",
    )
    own.add_argument(
        "--slots",
        type=_slots,
        metavar="ROWS,COLUMNS",
        help="places of the page whose effect on rewards is taken out, such as 6,8",
    )
    own.add_argument(
        "--rank", type=at_least(2), metavar="K", help="numbers a learned layer makes of a context"
    )

    open_bandit = train.add_argument_group("logs of the Open Bandit Dataset (docs/tutorial.md)")
    open_bandit.add_argument("--items", type=Path, help="item context file (candidates)")
    half(train, "of a log: rows to use, halves in time (default all)")
    open_bandit.add_argument(
        "--max-words",
        type=at_least(1),
        default=32,
        help="most words of a category, the rest is one other slot (default 32)",
    )
    train.set_defaults(refuse=train.error)


def _train(options: argparse.Namespace) -> int:
    is_log = options.items is not None or any(".csv" in path.suffixes for path in options.log)
    if not is_log:
        return train_on_exposures(options)
    if options.items is None or len(options.log) != 1:
        options.refuse("a log in CSV layout: give one, and its candidates with --items FILE")
    for name in ("trainer", "schema", "artworks", "state", "half_life", "slots", "rank"):
        if getattr(options, name) is not None:
            options.refuse(f"--{name.replace('_', '-')} is for exposures, not for a log with items")
    return _train_on_log(options, options.log[0])


def _train_on_log(options: argparse.Namespace, path: Path) -> int:
    items = obd.load_items(options.items)
    with tables.progress(quiet=options.json) as step:
        rows = obd.load_impressions(path, items=items, progress=step(f"reading {path.name}")).half(
            options.half
        )
    schema = rows.schema(options.max_words)
    l2: Lambda = "auto" if options.l2 is None else options.l2
    trainer = LinearTrainer(schema, {obd.TITLE: items.artworks()}, l2=l2).fit(rows.log())
    meta = {
        "data": path.name,
        "half": options.half,
        "rows": str(len(rows)),
        "trainer": f"LinearTrainer(l2={l2 if l2 == 'auto' else f'{l2:g}'})",
    }
    model = trainer.to_model(options.name, options.sequence, meta=meta)
    save_model(model, options.output, prior=prior_of(trainer))
    report = {
        "model": str(options.output),
        "policy": model.name,
        "sequence": model.sequence,
        "log": str(path),
        "rows": len(rows),
        "from": str(rows.timestamp[0]),
        "to": str(rows.timestamp[-1]),
        "clicks": int(rows.click.sum()),
        "artworks": len(items.ids),
        "slots": schema.width,
        "features": {feature.name: feature.width for feature in schema.features},
        "lambda": trainer.penalties() if trainer.l2 == "auto" else trainer.l2,
        "noise": trainer.noise(),
    }
    tables.show(report, options.json, tables.trained)
    return EXIT_OK


def _lambda(text: str) -> Lambda:
    return "auto" if text == "auto" else positive(text)


def _half_life(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _slots(text: str) -> tuple[int, int]:
    try:
        rows, columns = map(int, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not two whole numbers") from None
    return rows, columns
