# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export train`: from a log to a saved model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from . import obd, tables
from .cli_parts import EXIT_OK, at_least, command, half, log, positive
from .store import save_model
from .trainers import LinearTrainer


def register(commands: Any) -> None:
    """Adds the command to the subparsers of `edgeart-export`."""
    train = command(
        commands,
        "train",
        _train,
        "Trains a ridge regression per artwork on a log and saves the model.",
        "train random_men.csv.gz --items random_men_items.csv --half first -o model/",
    )
    log(train)
    train.add_argument("--items", type=Path, required=True, help="item context file (candidates)")
    half(train, "rows to use, halves in time (default all)")
    train.add_argument(
        "--lambda", dest="l2", type=positive, default=1.0, help="ridge penalty (default 1)"
    )
    train.add_argument(
        "--max-words",
        type=at_least(1),
        default=32,
        help="most words of a category, the rest is one other slot (default 32)",
    )
    train.add_argument("--name", default="policy", help="policy name (default policy)")
    train.add_argument("--sequence", type=at_least(1), default=1, help="number (default 1)")
    train.add_argument("-o", "--output", type=Path, required=True, help="folder for the model")


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
