# SPDX-License-Identifier: Apache-2.0
"""The audit: what was really decided repeats, whatever was changed does not, and neither trains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import edgeart
from edgeart_export import DataError, Greedy, Softmax, Thompson, Uniform, bundle_bytes, cli
from edgeart_export.arrow_schemas import LANDING
from edgeart_export.attribution import attribute
from edgeart_export.audit import audit
from edgeart_export.audit.repeat import Verdict
from edgeart_export.audit.tables import bytes_of
from edgeart_export.commands.audit import _WORDS
from edgeart_export.engines.duckdb import DuckDBEngine
from tests.support import audit_world
from tests.support.landing_tables import Landing

LATE = datetime(2026, 12, 1, tzinfo=timezone.utc)


@dataclass
class World:
    """A landing folder of 3,000 real decisions by every explorer, under all kinds of limits."""

    folder: Path

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def bundles(self) -> Path:
        return self.folder / "bundles"

    def rows(self, table: str) -> list[dict[str, Any]]:
        (path,) = (self.landing / table).glob("*/*.parquet")
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows

    def put(self, table: str, rows: list[dict[str, Any]], name: str = "one") -> None:
        path = self.landing / table / "date=2025-12-01" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, LANDING[table]), path)

    @contextmanager
    def changing(self, table: str) -> Iterator[list[dict[str, Any]]]:
        """The rows that landed, to be changed in place."""
        rows = self.rows(table)
        yield rows
        self.put(table, rows)

    def policy(self, digest: bytes) -> edgeart.Policy:
        policies = map(edgeart.Policy.open, self.bundles.iterdir())
        return next(policy for policy in policies if policy.digest == digest)


@pytest.fixture
def world(tmp_path: Path) -> World:
    bundles = audit_world.write_bundles(tmp_path / "bundles", titles=30)
    made = audit_world.World(bundles, seed=3, fewest=1, most=30)
    assert made.land(tmp_path / "landing", 3000)["impressions"] == 3000
    return World(tmp_path)


def failures(world: World, **settings: Any) -> dict[tuple[int, int], dict[str, Any]]:
    """What does not repeat, by event."""
    out = world.folder / "failures.parquet"
    report = audit(world.landing, world.bundles, out, **settings)
    rows = pq.read_table(out).to_pylist()
    assert report.failed == len(rows)
    return {(row["stream"], row["sequence"]): row for row in rows}


def test_every_decision_repeats_whatever_explorer_cell_and_limits_it_had(world: World) -> None:
    contexts, shown = world.rows("contexts"), world.rows("impressions")
    assert {row["digest"] for row in contexts} == {
        edgeart.Policy.open(path).digest for path in world.bundles.iterdir()
    }
    assert {None, "fixed", "uniform"} == {row["cell"] for row in contexts}
    for name in ("denied", "required", "forbidden"):
        assert any(row[name] for row in contexts), name
    assert {0, 10, 60} <= {row["reason"] for row in shown}
    assert any(row["candidates"] for row in shown)
    report = audit(world.landing, world.bundles)
    assert (report.impressions, report.repeated) == (3000, 3000)
    assert (report.failed, report.missing, report.undrawn) == (0, 0, 0)
    assert report.bundles == len(audit_world.EXPLORERS)


def test_several_passes_find_what_one_finds(world: World) -> None:
    with world.changing("impressions") as shown:
        shown[7]["n"] += 1
    out = world.folder / "several.parquet"
    # So little memory that the contexts have to be spread, though DuckDB is given enough to run.
    report = audit(world.landing, world.bundles, out, engine=_Roomy("100KB"))
    assert report.passes > 1
    assert (report.impressions, report.repeated) == (3000, 2999)
    assert [row["sequence"] for row in pq.read_table(out).to_pylist()] == [shown[7]["sequence"]]


class _Roomy(DuckDBEngine):
    def config(self, temp: str) -> dict[str, Any]:
        return super().config(temp) | {"memory_limit": "1GB"}


@pytest.mark.parametrize("name", ["n", "total"])
def test_a_changed_propensity_is_found(world: World, name: str) -> None:
    with world.changing("impressions") as shown:
        changed = shown[5::17]
        for row in changed:
            row[name] += 1 if row[name] < 2**31 else -1
    found = failures(world)
    assert set(found) == {(row["stream"], row["sequence"]) for row in changed}
    for row in changed:
        failure = found[row["stream"], row["sequence"]]
        assert failure["cause"] == "n_differs"
        assert failure[name] == row[name]
        assert failure[f"repeated_{name}"] in (row[name] - 1, row[name] + 1)
        assert failure["repeated_artwork"] == failure["artwork"] == row["artwork"]


def test_a_changed_artwork_is_found_also_where_the_host_had_it(world: World) -> None:
    changed = {}
    with world.changing("impressions") as shown:
        for row in shown[3::11]:
            changed[row["stream"], row["sequence"]] = row["artwork"]
            row["artwork"] = "another" if row["sequence"] % 2 else None
            if row["artwork"] == changed[row["stream"], row["sequence"]]:
                row["artwork"] = "another"
        for row in (row for row in shown if row["host_candidates"]):
            changed.setdefault((row["stream"], row["sequence"]), row["artwork"])
            row["artwork"] = "another"
    found = failures(world)
    assert found.keys() == changed.keys()
    assert {row["cause"] for row in found.values()} == {"artwork_differs"}
    assert {key: row["repeated_artwork"] for key, row in found.items()} == changed


def test_a_changed_reason_is_found(world: World) -> None:
    with world.changing("impressions") as shown:
        shown[9]["reason"] = 20
    (failure,) = failures(world).values()
    assert (failure["cause"], failure["reason"]) == ("reason_differs", 20)


def test_a_changed_seed_is_found_wherever_another_artwork_would_have_been_drawn(
    world: World,
) -> None:
    with world.changing("contexts") as contexts:
        context = next(row for row in contexts if row["cell"] == "uniform" and not row["denied"])
        context["seed"] ^= 1
    mine = [
        row
        for row in world.rows("impressions")
        if (row["stream"], row["context"]) == (context["stream"], context["sequence"])
    ]
    repetition = edgeart.Repetition(
        world.policy(context["digest"]),
        values=context["map"], seed=context["seed"], cell="uniform",
        required=context["required"], forbidden=context["forbidden"],
    )  # fmt: skip
    other = {
        (row["stream"], row["sequence"])
        for row in mine
        if repetition.decide(row["title"], row["candidates"] or row["host_candidates"]).artwork
        != row["artwork"]
    }
    assert other, "of so many drawn alike some come out otherwise"
    assert set(failures(world)) == other


def test_a_changed_context_is_found_wherever_it_matters(tmp_path: Path) -> None:
    world = World(tmp_path)
    explorers = {"softmax": Softmax(0.05), "thompson": Thompson()}
    bundles = audit_world.write_bundles(world.bundles, explorers, titles=30)
    audit_world.World(bundles, seed=4, fewest=5, most=5, plain=True).land(world.landing, 500)
    changed = {}
    with world.changing("contexts") as contexts:
        for row in contexts[::4]:
            if row["cell"] is None:
                row["map"] = row["map"].replace(b"hour", b"houx")
                changed[row["stream"], row["sequence"]] = row
    found = failures(world)
    # Scores of another context give other integers, but for very few.
    of_changed = [
        row for row in world.rows("impressions") if (row["stream"], row["context"]) in changed
    ]
    assert len(found) >= 0.95 * len(of_changed) > 100
    assert {(row["stream"], row["context"]) for row in found.values()} == changed.keys()


def test_what_a_context_cannot_repeat_says_why(world: World) -> None:
    contexts = world.rows("contexts")
    wanted = {}

    def spoil(row: dict[str, Any], cause: str, **changes: Any) -> None:
        row.update(changes)
        wanted[row["stream"], row["sequence"]] = cause

    spoil(contexts[0], "bundle_missing", digest=bytes(16))
    spoil(contexts[7], "policy_differs", policy="another")
    spoil(contexts[8], "policy_differs", policy_sequence=2)
    spoil(contexts[1], "context_unreadable", map=b"\xc1")
    spoil(contexts[2], "cell_unknown", cell="none such")
    copy = dict(contexts[3])
    spoil(copy, "context_differs", seed=copy["seed"] ^ 1)
    wanted[contexts[4]["stream"], contexts[4]["sequence"]] = "context_lost"
    world.put("contexts", [*contexts[:4], *contexts[5:], copy, dict(contexts[6])])
    found = failures(world)
    of_event = {(row["stream"], row["context"]): row["cause"] for row in found.values()}
    assert of_event == wanted
    for row in world.rows("impressions"):
        known = (row["stream"], row["context"]) in wanted
        assert ((row["stream"], row["sequence"]) in found) is known
    lost = [row for row in found.values() if row["cause"] == "context_lost"]
    assert {row["digest"] for row in lost} == {None}
    missing = [row for row in found.values() if row["cause"] == "bundle_missing"]
    assert {row["digest"] for row in missing} == {bytes(16)}


def test_candidates_of_the_wrong_kind_do_not_repeat(world: World) -> None:
    with world.changing("impressions") as shown:
        shown[0] |= {"title": "nobody knows it", "candidates": b"\x01"}
        shown[1] |= {"host_candidates": ["a", "b"], "candidates": None}
    found = failures(world)
    assert {row["cause"] for row in found.values()} == {"candidates_unfit"}
    assert len(found) == 2


def test_an_unreadable_context_fails_those_with_candidates_too(world: World) -> None:
    row = next(row for row in world.rows("impressions") if row["host_candidates"])
    place = (row["stream"], row["context"])
    with world.changing("contexts") as contexts:
        context = next(c for c in contexts if (c["stream"], c["sequence"]) == place)
        context["map"] = b"\x81"
    found = failures(world)
    assert found[row["stream"], row["sequence"]]["cause"] == "context_unreadable"


def test_what_had_no_context_is_counted_apart(world: World) -> None:
    with world.changing("impressions") as shown:
        shown[0] |= {"context": 2**32 - 1, "reason": 50, "n": 0}
    report = audit(world.landing, world.bundles)
    assert (report.undrawn, report.repeated, report.failed) == (1, 2999, 0)


def test_a_copy_of_an_event_fails_on_its_own(world: World) -> None:
    shown = world.rows("impressions")
    world.put("impressions", [shown[0] | {"n": 1}, shown[1]], "again")
    found = failures(world)
    assert list(found) == [(shown[0]["stream"], shown[0]["sequence"])]
    assert audit(world.landing, world.bundles).impressions == 3002


def test_events_that_are_missing_are_found_unless_they_are_reported_lost(world: World) -> None:
    shown = world.rows("impressions")
    streams = list(dict.fromkeys(row["stream"] for row in shown))
    gone = {(streams[0], s) for s in (3, 4, 5)} | {(streams[1], 9), (streams[2], 7)}
    last = max(row["sequence"] for row in shown if row["stream"] == streams[0])
    kept = [row for row in shown if (row["stream"], row["sequence"]) not in gone]
    contexts = world.rows("contexts")
    kept_contexts = [row for row in contexts if (row["stream"], row["sequence"]) not in gone]
    world.put("impressions", kept)
    world.put("contexts", kept_contexts)
    first = kept[0]
    event = {name: first[name] for name in ("at", "received")}
    loss = event | {
        "stream": streams[0], "sequence": last + 2, "reason": "size", "count": 1,
        "lost_stream": streams[1], "first": 9, "last": 9,
    }  # fmt: skip
    outcome = event | {
        "stream": streams[2], "sequence": 7, "ref_stream": 1, "ref_sequence": 1, "minutes": 1.0,
    }  # fmt: skip
    world.put("losses", [loss])
    world.put("outcomes", [outcome])
    report = audit(world.landing, world.bundles)
    # The loss itself lies one behind the end of its stream: what is between them is missing too.
    assert sorted(report.gaps) == [(streams[0], 3, 5), (streams[0], last + 1, last + 1)]
    assert report.missing == 4


def test_what_does_not_repeat_and_what_was_not_audited_does_not_train(world: World) -> None:
    with world.changing("impressions") as shown:
        bad = shown[4::5]
        for row in bad:
            row["n"] ^= 1
    out = world.folder / "failures.parquet"
    audit(world.landing, world.bundles, out)
    world.put("impressions", [shown[0] | {"sequence": 4_000_000}], "later")
    state, exposures = world.folder / "state", world.folder / "exposures"
    report = attribute(world.landing, state, exposures, audit=out, now=LATE)
    assert report.counts["not_repeated"] == len(bad)
    assert report.counts["impressions"] == len(shown) - len(bad)
    assert report.file is not None
    given = pq.read_table(report.file, columns=["shown_count"]).column(0).to_pylist()
    assert sum(given) == len(shown) - len(bad)
    audit(world.landing, world.bundles, out)
    report = attribute(world.landing, state, exposures, audit=out, now=LATE)
    assert report.counts["impressions"] == len(shown) - len(bad) + 1


def test_another_file_is_no_audit(world: World) -> None:
    (other,) = (world.landing / "impressions").glob("*/*.parquet")
    with pytest.raises(DataError, match=r"is not what `edgeart-export audit --out` writes"):
        attribute(world.landing, world.folder / "s", world.folder / "o", audit=other, now=LATE)


def test_the_command_tells_machines_and_people_and_its_exit_code_both(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["audit", str(world.landing), "--bundles", str(world.bundles), "--threads", "1"]
    assert cli.main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out)["repeated"] == 3000
    shown = world.rows("impressions")
    shown[0]["n"] ^= 1
    world.put("impressions", shown[:-20] + shown[-10:])
    out = world.folder / "failures.parquet"
    assert cli.main([*arguments, "--out", str(out)]) == 3
    text = capsys.readouterr().out
    assert "another propensity comes out (n_differs)" in text
    assert f"missing: stream {shown[-20]['stream']:016x}" in text
    assert str(out) in text
    assert {v.name.lower() for v in Verdict if v >= 10} == set(_WORDS), "each cause has words"


def test_a_folder_without_bundles_is_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = world.folder / "empty"
    empty.mkdir()
    (empty / "readme.txt").write_text("no bundle", encoding="utf-8")
    assert cli.main(["audit", str(world.landing), "--bundles", str(empty)]) == 1
    assert f"{empty} holds no bundle" in capsys.readouterr().err


def test_bundles_are_found_by_their_digest_whatever_they_are_called(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    data = bundle_bytes(audit_world.model("row", Uniform(), 0, titles=2))
    folder = tmp_path / "kept" / "2025"
    folder.mkdir(parents=True)
    (folder / "no suffix").write_bytes(data)
    policy = edgeart.Policy.from_bytes(data)
    context = landing.context(digest=policy.digest, policy_sequence=1, seed=5)
    decision = policy.select(policy.context(b"\x80", seed=5, unit=policy.unit_of_cell(None)),
                             "title-0001")  # fmt: skip
    landing.impression(
        context, title="title-0001", artwork=decision.artwork, n=decision.n, total=decision.total
    )
    landing.land()
    report = audit(landing.path, tmp_path / "kept")
    assert (report.repeated, report.failed) == (1, 0)


def test_files_that_landed_before_limits_had_columns_repeat_too(tmp_path: Path) -> None:
    world = World(tmp_path)
    bundles = audit_world.write_bundles(world.bundles, {"softmax": Softmax(0.05)}, titles=5)
    audit_world.World(bundles, seed=4, fewest=5, most=5, plain=True).land(world.landing, 100)
    later = {
        "contexts": ["required", "forbidden"],
        "impressions": ["candidates", "host_candidates"],
    }
    for table, names in later.items():
        (path,) = (world.landing / table).glob("*/*.parquet")
        pq.write_table(pq.read_table(path).drop_columns(names), path)
    assert audit(world.landing, world.bundles).repeated == 100


def test_nothing_landed_is_nothing_wrong(tmp_path: Path) -> None:
    bundles = audit_world.write_bundles(tmp_path / "bundles", {"greedy": Greedy()}, titles=1)
    (tmp_path / "landing" / "impressions").mkdir(parents=True)
    report = audit(tmp_path / "landing", bundles[0].parent, tmp_path / "out.parquet")
    assert (report.impressions, report.failed, report.missing) == (0, 0, 0)
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0


@pytest.mark.parametrize(
    ("text", "size"), [("512MB", 512_000_000), ("1GiB", 2**30), ("1.5 kb", 1500), ("7B", 7)]
)
def test_memory_is_read_as_duckdb_reads_it(text: str, size: int) -> None:
    assert bytes_of(text) == size


def test_what_is_no_amount_of_memory_is_refused() -> None:
    with pytest.raises(DataError, match="no amount of memory"):
        bytes_of("much")
