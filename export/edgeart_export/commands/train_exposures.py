# SPDX-License-Identifier: Apache-2.0
"""`edgeart-export train` on exposures: catalogue, state, and what is reported."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from .. import training
from ..catalogue import prior_of
from ..errors import DataError, SchemaError
from ..exposures.usable import TRAINED_UNTIL, said
from ..schema import FeatureSchema
from ..store import load_model, save_model
from ..trainers import AutoTrainer, LinearTrainer, NeuralLinearTrainer, state
from ..trainers.linear import L2
from . import tables
from .parts import EXIT_OK

Titles = dict[str, list[str]]
Trainer = LinearTrainer | AutoTrainer


def train_on_exposures(options: argparse.Namespace) -> int:
    """Learns what is new, saves model and state, prints the report."""
    files = training.exposure_files(options.log)
    known = None if options.artworks is None else _catalogue(options.artworks)
    with tables.progress(quiet=options.json) as step:
        found = training.look(files)
        trainer = _trainer(options, found, known)
        total = sum(pq.read_metadata(path).num_rows for path in files)
        trainer.sources, counts = training.learn(
            trainer, found, trainer.sources, step("learning", total)
        )
    until = max(trainer.sources.values())
    live = trainer.titles if known is None else known.live
    chosen = trainer.chosen if isinstance(trainer, AutoTrainer) else trainer
    meta = {
        TRAINED_UNTIL: said(until),
        "exposures": f"{trainer.counts.sum():.0f}",
        "trainer": _described(trainer),
    }
    model = trainer.to_model(options.name, options.sequence, meta=meta, titles=live)
    save_model(model, options.output, prior=prior_of(chosen))
    if options.state is not None:
        trainer.save_state(options.state)
    report = {
        "model": str(options.output),
        "policy": model.name,
        "sequence": model.sequence,
        "files": len(files),
        "exposures": counts,
        TRAINED_UNTIL: said(until),
        "titles": len(model.titles),
        "artworks": len(model.artworks),
        "without_data": int((trainer.counts[trainer.rows_of(model.titles)] == 0).sum()),
        "slots": trainer.schema.width,
        "rank": trainer.rank if isinstance(trainer, LinearTrainer) else None,
        "tower": [layer.outputs for layer in model.tower],
        "artwork_features": 0 if trainer.artworks is None else len(trainer.artworks.names),
        "auto": _choice(trainer) if isinstance(trainer, AutoTrainer) else None,
        "lambda": _penalty(chosen),
        "noise": trainer.noise(),
        "state": None if options.state is None else str(options.state),
        "sums_bytes": trainer.nbytes,
    }
    tables.show(report, options.json, tables.trained_on_exposures)
    return EXIT_OK


def _described(trainer: Trainer) -> str:
    if isinstance(trainer, AutoTrainer):
        return f"AutoTrainer(), {trainer.choice}"
    return f"LinearTrainer(l2={trainer.l2}, rank={trainer.rank})"


def _choice(trainer: AutoTrainer) -> dict[str, object]:
    """What was chosen, by which scores, on how many rows."""
    return {
        "choice": trainer.choice,
        "scores": trainer.scores,
        "predicted": trainer.progress.rows,
    }


def _penalty(chosen: LinearTrainer | NeuralLinearTrainer) -> object:
    """λ: a number, `sparse`, or by feature where one was found for each."""
    if isinstance(chosen, LinearTrainer) and chosen.l2 == "auto":
        return chosen.penalties()
    return chosen.l2


class Catalogue:
    """A file of artworks. live: title → artworks that may be shown; features: of all, or None."""

    def __init__(self, path: Path, table: pa.Table) -> None:
        missing = {"title", "artwork"} - set(table.schema.names)
        if missing:
            raise DataError(f"{path} has no column {', '.join(sorted(missing))}")
        for name in ("title", "artwork"):
            at = table.schema.get_field_index(name)
            table = table.set_column(at, name, pc.cast(table.column(name), pa.string()))
        self.all = _titles(table)
        self.live = self.all
        if "live" in table.schema.names:
            if not pa.types.is_boolean(table.schema.field("live").type):
                raise DataError(f"{path}: column live must be true or false")
            self.live = _titles(table.filter(table.column("live")))
            table = table.drop_columns(["live"])
        if not self.live:
            raise DataError(f"{path}: no artwork that may be shown")
        self.features = table if table.num_columns > 2 else None


def _catalogue(path: Path) -> Catalogue:
    try:
        table = pcsv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: neither Parquet nor CSV (.csv) of artworks: {error}") from None
    return Catalogue(path, table)


def _trainer(
    options: argparse.Namespace, found: training.Found, known: Catalogue | None
) -> Trainer:
    """The one of the state, knowing what is new; or a new one."""
    titles = _together(found.pairs if known is None else known.all, found.pairs)
    features = None if known is None else known.features
    begun = options.state is not None and options.state.exists()
    kind = _kind(options, begun=begun)
    if begun:
        return _continued(options, kind, titles, features)
    if options.schema is None:
        options.refuse("exposures: give --schema FILE, or a --state that is there already")
    schema = _schema(options.schema)
    if kind == "auto":
        return AutoTrainer(
            schema,
            titles,
            artworks=features,
            half_life=options.half_life,
            slots=options.slots,
        )
    return LinearTrainer(
        schema,
        titles,
        l2=_l2(options),
        artworks=features,
        half_life=options.half_life,
        slots=options.slots,
        rank=options.rank,
    )


def _kind(options: argparse.Namespace, *, begun: bool) -> str:
    """Of the state, or as asked for; refuses what does not fit it."""
    kind: str = options.trainer or "linear"
    if begun:
        kind = state.kind(options.state)
        if options.trainer is not None and options.trainer != kind:
            raise DataError(
                f"{options.state} was begun with another --trainer: {kind}; leave the option out "
                f"or begin a new state"
            )
    if kind == "auto":
        for name, given in (("--lambda", options.l2), ("--rank", options.rank)):
            if given is not None:
                options.refuse(
                    f"{name} is for --trainer linear: auto chooses between candidates that have "
                    f"their own"
                )
    return kind


def _continued(
    options: argparse.Namespace, kind: str, titles: Titles, features: pa.Table | None
) -> Trainer:
    """The trainer of the state, knowing these titles too."""
    trainer: Trainer = (AutoTrainer if kind == "auto" else LinearTrainer).load_state(options.state)
    had: dict[str, object] = {"half_life": trainer.half_life, "slots": trainer.slots}
    if isinstance(trainer, LinearTrainer):
        had["rank"] = trainer.rank
    for name, value in had.items():
        given = getattr(options, name)
        if given is not None and given != value:
            raise DataError(
                f"{options.state} was begun with another --{name.replace('_', '-')}: "
                f"{value}; leave the option out or begin a new state"
            )
    if options.schema is not None and _schema(options.schema) != trainer.schema:
        raise DataError(f"{options.state} was begun with another --schema; begin a new state")
    trainer = trainer.extended(titles, features if trainer.artworks is not None else None)
    if isinstance(trainer, LinearTrainer):
        trainer.l2 = _l2(options)
    return trainer


def _l2(options: argparse.Namespace) -> L2:
    l2: L2 = "auto" if options.l2 is None else options.l2
    return l2


def _schema(path: Path) -> FeatureSchema:
    if path.is_dir():
        return load_model(path).schema
    try:
        return FeatureSchema.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, SchemaError) as error:
        raise DataError(f"{path}: no schema: {error}") from None


def _titles(table: pa.Table) -> Titles:
    titles: Titles = {}
    pairs = zip(table.column("title").to_pylist(), table.column("artwork").to_pylist(), strict=True)
    for title, artwork in pairs:
        titles.setdefault(title, []).append(artwork)
    return titles


def _together(first: Titles, more: dict[str, list[str]]) -> Titles:
    """The titles and artworks of both, those of `first` in front."""
    together = {title: list(row) for title, row in first.items()}
    for title, row in more.items():
        old: Sequence[str] = together.setdefault(title, [])
        together[title] = [*old, *(artwork for artwork in row if artwork not in set(old))]
    return together
