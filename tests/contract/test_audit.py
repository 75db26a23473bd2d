# SPDX-License-Identifier: Apache-2.0
"""What devices log, a collector lands, and the audit repeats: each to the bit, by other code."""

from __future__ import annotations

import zlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import edgeart
from benchmarks.audit_devices import Fleet, judged
from edgeart.batch import pack_batch
from edgeart.events import read_segment
from edgeart.segments import sealed_in
from edgeart_export.audit import audit
from edgeart_export.collector.batch import decode, tables
from tests.device.test_repeat import BUNDLES, record
from tests.support.audit_world import write_bundles

HOUR = 3_600_000


def land(log: Path, landing: Path) -> int:
    """Everything a directory holds, batch by batch as it would be uploaded; the impressions."""
    shown = 0
    for number, (sealed, *_) in enumerate(sealed_in(str(log))):
        segment = read_segment(Path(sealed.path).read_bytes(), sealed.stream, sealed.first)
        data = pack_batch(sealed.stream, segment.started, sealed.first, sealed.last, segment.events)
        decoded = decode(zlib.decompress(data), segment.started + HOUR)
        assert not decoded.refused
        for name, table in tables([decoded]).items():
            folder = landing / name / "date=2027-01-15"
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, folder / f"{number}.parquet")
            shown += table.num_rows if name == "impressions" else 0
    return shown


@pytest.mark.parametrize("which", list(BUNDLES))
def test_what_devices_decided_under_all_limits_repeats_after_landing(
    which: str, tmp_path: Path
) -> None:
    policy = edgeart.Policy.from_bytes(BUNDLES[which])
    refs = record(tmp_path / "log", policy)
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    (bundles / "one").write_bytes(BUNDLES[which])
    assert land(tmp_path / "log", tmp_path / "landing") == len(refs)
    found = audit(tmp_path / "landing", bundles, tmp_path / "failures.parquet")
    assert pq.read_table(tmp_path / "failures.parquet").to_pylist() == []
    assert (found.repeated, found.undrawn, found.missing) == (len(refs), 0, 0)


def test_what_devices_show_under_limits_repeats_and_is_judged_as_it_was_decided(
    tmp_path: Path,
) -> None:
    """The small version of the devices of `make audit-speed`."""
    bundles = write_bundles(tmp_path / "bundles", titles=60)
    fleet = Fleet([edgeart.Policy.open(path) for path in bundles], tmp_path / "fleet", seed=4)
    shown = fleet.run(4000, tmp_path / "landing")
    failures = tmp_path / "failures.parquet"
    found = audit(tmp_path / "landing", tmp_path / "bundles", failures)
    assert found.impressions == shown["impressions"]
    assert found.repeated + found.undrawn == shown["impressions"]
    assert (found.failed, found.missing) == (0, 0)
    assert 0 < found.undrawn < 400
    judges = judged(tmp_path / "landing", failures, tmp_path / "attribution", bundles)
    assert judges["under_limits"] > 300
    assert judges["compared"] > 1200
    assert judges["differ"] == 0
