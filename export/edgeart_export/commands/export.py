# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export export`: from a saved model to a bundle, an ONNX graph, or both."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import edgeart

from .. import obd
from ..bundle import COMPARED, write_bundle
from ..catalogue import catalogued, load_prior, read_catalogue
from ..errors import ExportError, ModelError
from ..examples import sample
from ..exploring import LOST, check_floors, known, missing_holdbacks, price, scaled, with_holdbacks
from ..model.cells import Cell, holdbacks
from ..model.explorers import Explorer, parse_explorer
from ..onnx import write_onnx
from ..store import load_model
from . import tables
from .parts import EXIT_OK, at_least, command, half


def register(commands: Any) -> None:
    """Adds the command to the subparsers of `edgeart-export`."""
    export = command(
        commands,
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
        "--catalogue",
        type=Path,
        metavar="FILE",
        help="export exactly these artworks, a file as for train --artworks (and with a column "
        "attributes where the model has some): new ones as their features suggest",
    )
    export.add_argument(
        "--exposures",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="what attribute wrote: squarecb's gamma becomes gamma·√N/σ, softmax's temperature "
        "temperature·σ/√N, for a title of N exposures and rewards of standard deviation σ",
    )
    export.add_argument(
        "--holdback",
        dest="cells",
        type=_holdbacks,
        metavar="FIXED,UNIFORM",
        help="shares of the units that see defaults and that see artworks drawn alike, such as "
        "0.02,0.03; 0,0 for none (default: the model's cells, and these two where it lacks them)",
    )
    export.add_argument("--salt", help="with another one units fall anew (default: the model's)")
    export.add_argument("--name", help="policy name (default: the model's)")
    export.add_argument("--sequence", type=at_least(1), help="default: the model's")
    export.add_argument(
        "--contexts", type=Path, help="log whose contexts the rows are compared with f32 rows on"
    )
    half(export, "rows of --contexts to use (default all)")
    export.add_argument("--json", action="store_true", help="print one JSON object, no progress")
    export.set_defaults(refuse=export.error)


def _export(options: argparse.Namespace) -> int:
    if not options.bundle and not options.onnx:
        options.refuse("give --bundle FILE, --onnx FILE or both")
    model = load_model(options.model)
    changes = {
        field: given
        for field in ("explorer", "name", "sequence", "cells", "salt")
        if (given := getattr(options, field)) is not None
    }
    model = dataclasses.replace(model, **changes)
    changed = None
    if options.catalogue:
        prior = load_prior(options.model)
        if prior is None:
            raise ModelError(
                f"{options.model} says nothing of new artworks: prior.json is missing; train "
                f"again, or leave --catalogue out"
            )
        model, changed = catalogued(model, prior, read_catalogue(options.catalogue))
    if options.cells is None:
        model = with_holdbacks(model)
    if options.exposures:
        counted = known(options.exposures)
        held = {title: n for title, n in counted.exposures.items() if title in model.titles}
        model = scaled(model, held, counted.reward_std)
    check_floors(model)
    contexts = list(sample(model.schema, COMPARED, seed=0))
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
        "catalogue": None if changed is None else changed.to_json(),
    }
    if options.bundle:
        written = write_bundle(
            model,
            options.bundle,
            rows=options.rows,
            contexts=contexts,
            stable=options.stable_codes.read_bytes() if options.stable_codes else None,
        )
        found = price(edgeart.Policy.open(options.bundle), contexts)
        report["exploration"] = dataclasses.asdict(found)
        report["bundle"] = {**dataclasses.asdict(written), "path": str(written.path)}
        report["compared_on"] = str(options.contexts or "random contexts drawn from the schema")
    if options.onnx:
        write_onnx(model, options.onnx)
        report["onnx"] = {"path": str(options.onnx), "size": options.onnx.stat().st_size}
    tables.show(report, options.json, tables.exported)
    for kind in missing_holdbacks(model.explorer.kind, (c.explorer.kind for c in model.cells)):
        print(f"note: no {kind} holdback: {LOST[kind]}", file=sys.stderr)
    return EXIT_OK


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
