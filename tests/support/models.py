# SPDX-License-Identifier: Apache-2.0
"""Models as tests of the server package need them: opened as a device does, written as files."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

import edgeart
from benchmarks.promotion_worlds import World
from edgeart_export import PolicyModel, bundle_bytes
from edgeart_export.model.tower import Rows


def opened(model: PolicyModel, rows: Rows = "i8") -> edgeart.Policy:
    """The policy that devices get."""
    return edgeart.Policy.from_bytes(bundle_bytes(model, rows=rows))


def write_world(world: World, folder: Path) -> Path:
    """Writes candidate.edgeart, incumbent.edgeart and the folder exposures; gives `folder`."""
    (folder / "exposures").mkdir()
    pq.write_table(world.exposures(), folder / "exposures" / "exposures-ab-00000001.parquet")
    for name, model in zip(("candidate", "incumbent"), world.models, strict=True):
        (folder / f"{name}.edgeart").write_bytes(bundle_bytes(model))
    return folder
