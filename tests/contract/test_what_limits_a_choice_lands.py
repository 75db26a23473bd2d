# SPDX-License-Identifier: Apache-2.0
"""Cells, attributes and candidates reach the landing tables and exposures as the device meant."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import edgeart
from edgeart.batch import pack_batch
from edgeart.events import read_segment
from edgeart_export import (
    CallLimits,
    Cell,
    Exposures,
    FeatureSchema,
    Greedy,
    Number,
    PolicyModel,
    Uniform,
    bundle_bytes,
)
from edgeart_export.attribution import attribute
from edgeart_export.collector.batch import decode, tables
from edgeart_export.evaluate import propensities
from edgeart_export.evaluate.limits import Limited, limited
from edgeart_export.evaluate.shares import rows_of
from tests.support.batches import WHOLE

HOUR = 3_600_000
TITLES = {"known": ["a", "b", "c", "d"], "plain": ["a", "b"]}


def policy(cells: list[Cell]) -> edgeart.Policy:
    schema = FeatureSchema([Number("hour")])
    model = PolicyModel(
        "row",
        3,
        schema,
        TITLES,
        np.zeros((6, schema.width), np.float32),
        np.zeros(6, np.float32),
        Greedy(floor=0.1),
        attributes=["mature", "de"],
        masks={"known": {"a": ["de"], "b": ["de", "mature"], "d": ["de"]}},
        cells=cells,
    )
    return edgeart.Policy.from_bytes(bundle_bytes(model))


def landed(folder: Path, cells: list[Cell]) -> dict[str, pa.Table]:
    """What a device shows under limits, as the collector lands it."""
    log = edgeart.FeedbackLog(folder / "log", consent=True)
    chooser = edgeart.Selector(policy(cells), log, unit=b"member", secret=bytes(32))
    chooser.set_context({"hour": 9})
    chooser.set_limits(required=["de"], forbidden=["mature"])
    assert chooser.shown(chooser.select("known", candidates=["b", "c", "d"]), slot=(0, 0))
    chooser.set_limits()
    assert chooser.shown(chooser.select("unknown", candidates=["x", "y"]), slot=(0, 1))
    assert chooser.shown(chooser.select("plain"), slot=(0, 2))
    assert chooser.last_error is None
    (sealed,) = log.seal()
    segment = read_segment(Path(sealed.path).read_bytes(), sealed.stream, sealed.first)
    data = pack_batch(sealed.stream, segment.started, sealed.first, sealed.last, segment.events)
    log.close()
    decoded = decode(zlib.decompress(data), segment.started + HOUR)
    assert not decoded.refused
    return tables([decoded])


def by_title(table: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["title"]: row for row in table.to_pylist()}


@pytest.mark.parametrize("cell", [None, "uniform"])
def test_a_decision_lands_with_all_that_it_was_made_under(tmp_path: Path, cell: str | None) -> None:
    cells = [] if cell is None else [Cell(cell, 1.0, Uniform())]
    found = landed(tmp_path, cells)
    contexts = {row["sequence"]: row for row in found["contexts"].to_pylist()}
    assert {row["cell"] for row in contexts.values()} == {cell}
    shown = by_title(found["impressions"])
    limits = {
        title: (contexts[row["context"]]["required"], contexts[row["context"]]["forbidden"])
        for title, row in shown.items()
    }
    assert limits["known"] == (0b10, 0b01)
    assert limits["plain"] == (0, 0)
    # Of a to d the host has b, c and d; without what is mature or not in German d is left.
    assert (shown["known"]["artwork"], shown["known"]["n"]) == ("d", WHOLE)
    assert shown["known"]["candidates"] == b"\x0e"
    assert shown["known"]["host_candidates"] is None
    assert shown["plain"]["candidates"] is shown["plain"]["host_candidates"] is None
    unknown = shown["unknown"]
    assert (unknown["reason"], unknown["candidates"]) == (60, None)
    assert unknown["host_candidates"] == ["x", "y"]
    assert (unknown["n"], unknown["total"]) == (WHOLE // 2, WHOLE)


def attributed(folder: Path, cells: list[Cell]) -> Path:
    """The file that attribution makes of what lands."""
    for name, table in landed(folder, cells).items():
        target = folder / "landing" / name / "date=2027-01-15"
        target.mkdir(parents=True)
        pq.write_table(table, target / "one.parquet")
    report = attribute(
        folder / "landing",
        folder / "state",
        folder / "out",
        now=datetime.now(timezone.utc) + timedelta(days=30),
    )
    assert report.file is not None
    return report.file


def test_exposures_carry_the_cells_name(tmp_path: Path) -> None:
    rows = by_title(pq.read_table(attributed(tmp_path, [Cell("uniform", 1.0, Uniform())])))
    assert {row["cell"] for row in rows.values()} == {"uniform"}
    assert rows["plain"]["propensity"] == 0.5


def test_evaluation_asks_under_the_limits_that_the_host_set(tmp_path: Path) -> None:
    attributed(tmp_path, [])
    exposures = Exposures.load(tmp_path / "out")
    assert exposures.excluded == {"host_uniform": 1}
    decided = policy([])
    assert exposures.deciders() == {decided.digest}
    exposures.know([decided])
    log = exposures.take(np.arange(len(exposures)))
    assert log.limits is not None
    assert dict(zip(log.title, log.limits, strict=True)) == {
        "known": CallLimits(
            required=frozenset({"de"}),
            forbidden=frozenset({"mature"}),
            candidates=frozenset({"b", "c", "d"}),
        ),
        "plain": None,
    }
    assert limited(decided, log)[0] == Limited(rows=1)
    # Asked under these limits the policy gives what was chosen the probability that was logged.
    assert rows_of(log, propensities(decided, log), None).weight.tolist() == [1, 1]
