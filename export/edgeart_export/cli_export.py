# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export export`: from a saved model to a bundle, an ONNX graph, or both."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from . import obd, tables
from .bundle import write_bundle
from .cells import Cell, holdbacks
from .cli_parts import EXIT_OK, at_least, command, half
from .errors import ExportError
from .explorers import Explorer, parse_explorer
from .onnx import write_onnx
from .store import load_model


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
        "--holdback",
        dest="cells",
        type=_holdbacks,
        metavar="FIXED,UNIFORM",
        help="shares of the units that see defaults and that see artworks drawn alike, such as "
        "0.02,0.03; 0,0 for none (default: the model's cells)",
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
