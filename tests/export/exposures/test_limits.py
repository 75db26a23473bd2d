# SPDX-License-Identifier: Apache-2.0
"""Limits of exposures are named by the bundle that decided, and where it is missing it is said."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeart_export import CallLimits, DataError, Exposures, bundle_bytes
from edgeart_export.cli import main
from edgeart_export.exposures.usable import usable
from tests.support.limited_world import (
    ATTRIBUTES,
    KINDS,
    LIMITS,
    TITLES,
    LimitedWorld,
    model,
)
from tests.support.models import opened

WORLD = LimitedWorld(units=240)
CANDIDATE, INCUMBENT = WORLD.policies
ALL = np.arange(4 * WORLD.units)


def loaded(table: pa.Table) -> Exposures:
    exposures = Exposures()
    exposures.add(table)
    return exposures


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return WORLD.exposures(1)


def expected(title: str) -> CallLimits:
    """What the host of every second member said, for a title."""
    had = LIMITS["candidates"].get(title)
    return CallLimits(
        denied=frozenset(LIMITS["denied"].get(title, ())) & frozenset(TITLES[title]),
        required=frozenset(LIMITS["required"]),
        forbidden=frozenset(LIMITS["forbidden"]),
        candidates=None if had is None else frozenset(had),
    )


def test_bits_become_the_names_that_the_host_said(table: pa.Table) -> None:
    found = loaded(table)
    assert found.deciders() == {INCUMBENT.digest}
    free = table.column("required").to_numpy() == 0
    assert found.known(ALL).tolist() == free.tolist()
    found.know([CANDIDATE])
    assert found.known(ALL).tolist() == free.tolist()
    with pytest.raises(DataError, match="480 exposures were decided under limits that are rows"):
        found.take(ALL)
    assert found.take(np.flatnonzero(free)).limits is None
    found.know([INCUMBENT])
    assert found.known(ALL).all()
    limits = found.take(ALL[::-1]).limits
    assert limits is not None
    titles = table.column("title").to_pylist()[::-1]
    for title, call, none in zip(titles, limits, free[::-1], strict=True):
        assert call == (None if none else expected(title))
    # Equal ones are the same object, however many rows there are.
    assert len({id(call) for call in limits}) <= 1 + len(TITLES)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_limits_come_back_by_name(data: st.DataObject) -> None:
    calls = []
    for _ in range(data.draw(st.integers(1, 6))):
        title = data.draw(st.sampled_from(sorted(TITLES)))
        some = st.frozensets(st.sampled_from(TITLES[title]))
        of = st.frozensets(st.sampled_from(ATTRIBUTES))
        calls.append((title, data.draw(st.builds(CallLimits, some, of, of, st.none() | some))))
    rows = []
    for i, (title, call) in enumerate(calls):
        had = None if call.candidates is None else {title: call.candidates}
        # Others are denied as well; and bitmaps may have zeros at their ends.
        other = next(each for each in TITLES if each != title)
        limits = INCUMBENT.limits(
            denied={title: call.denied, other: TITLES[other][:2]},
            required=call.required,
            forbidden=call.forbidden,
            candidates=had,
        )
        tail = bytes(data.draw(st.integers(0, 2)))
        rows.append(
            {
                **WORLD_ROW,
                "exposure": i.to_bytes(16, "big"),
                "digest": INCUMBENT.digest,
                "title": title,
                "denied": limits.denied + tail,
                "required": limits.required,
                "forbidden": limits.forbidden,
                "candidates": limits.candidates[title] + tail if had else None,
            }
        )
    found = loaded(pa.Table.from_pylist(rows, schema=KINDS))
    found.know([INCUMBENT])
    limits_of = found.limits(np.arange(len(calls)))
    assert limits_of == [call or None for _, call in calls]


WORLD_ROW = {
    "unit_epoch": 1,
    "policy_sequence": 1,
    "map": b"\x80",
    "artwork": "art",
    "n": 1 << 30,
    "propensity": 0.5,
    "reason": 0,
    "shown": None,
    "shown_first": 1000,
    "reward": 0.0,
    "previous": None,
}


def test_an_attribute_without_a_name_is_one_that_no_policy_knows(table: pa.Table) -> None:
    bits = np.where(table.column("required").to_numpy() > 0, 1 << 20, 0).astype(np.uint32)
    at = table.column_names.index("required")
    found = loaded(table.set_column(at, "required", pa.array(bits)))
    used = usable(found, [INCUMBENT])
    assert used.left_out["nothing that every policy may show"] == pytest.approx(480, abs=3)
    assert found.take(used.rows).limits is None


def test_tables_without_limits_and_limits_of_nothing_are_free(table: pa.Table) -> None:
    names = ["denied", "required", "forbidden", "candidates"]
    bare = loaded(table.drop_columns(names))
    assert bare.deciders() == set()
    assert bare.known(ALL).all()
    assert bare.take(ALL).limits is None
    nothing = table.drop_columns(names).append_column(
        "denied", pa.array([b"\0\0", None] * (len(table) // 2), pa.binary())
    )
    found = loaded(nothing)
    found.know([INCUMBENT])
    limits = found.take(ALL).limits
    assert limits is not None
    assert set(limits) == {None}
    # Nobody can say what is denied where it is not said which bundle decided.
    homeless = loaded(table.drop_columns(["digest"]))
    homeless.know([INCUMBENT])
    with pytest.raises(DataError, match="such as one without digest; give the bundles"):
        homeless.take(ALL)


def test_what_cannot_be_named_or_shown_judges_nobody_and_is_counted(table: pa.Table) -> None:
    limited = int((table.column("required").to_numpy() > 0).sum())
    unknown = usable(loaded(table), [CANDIDATE]).left_out
    assert unknown["limits of a bundle not at hand"] == pytest.approx(limited, abs=3)
    assert "nothing that every policy may show" not in unknown
    bare = opened(model("row", 3, 13, ["hdr", "mature"]))
    for policies in ([INCUMBENT, bare], [bare, INCUMBENT]):
        found = loaded(table)
        used = usable(found, policies)
        # One of them lacks the attribute `de`, and so shows nothing where it is required.
        assert used.left_out["nothing that every policy may show"] == pytest.approx(limited, abs=3)
        assert found.take(used.rows).limits is None
    only = loaded(table.filter(pa.array(table.column("required").to_numpy() > 0)))
    with pytest.raises(DataError, match=r"no exposure is left.*nothing that every policy may show"):
        usable(only, [INCUMBENT, bare])


# The commands.


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("limited")
    (folder / "exposures").mkdir()
    (folder / "bundles" / "old").mkdir(parents=True)
    world = LimitedWorld(units=1200)
    pq.write_table(world.exposures(1), folder / "exposures" / "exposures-ab-00000001.parquet")
    candidate, incumbent = map(bundle_bytes, world.models)
    (folder / "candidate.edgeart").write_bytes(candidate)
    (folder / "bundles" / "old" / "any name").write_bytes(incumbent)
    return folder


def test_bundles_that_decided_are_found_in_a_folder(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "--exposures", str(files / "exposures"), "--policy"]
    command += [str(files / "candidate.edgeart")]
    assert main([*command, "--json"]) == 0
    without = json.loads(capsys.readouterr().out)
    assert without["left_out"]["limits of a bundle not at hand"] > 2390
    assert without["policies"][0]["limited"] == {"rows": 0, "ineligible": 0, "nothing": 0}
    command += ["--bundles", str(files / "bundles")]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert "limits of a bundle not at hand" not in report["left_out"]
    (policy,) = report["policies"]
    assert policy["limited"]["rows"] > 2390
    assert policy["mean_weight_holds"]
    assert (
        abs(policy["snips"]["value"] - LimitedWorld().value(CANDIDATE)) < 4 * policy["snips"]["se"]
    )
    page = files / "report.html"
    assert main([*command, "--report", str(page)]) == 0
    assert "calls had limits" in page.read_text(encoding="utf-8")
    assert re.search(
        r"note: row \(squarecb:.*\): 2,\d+ calls had limits\.", capsys.readouterr().err
    )


def test_bundles_are_of_exposures_alone(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "log.csv", "--policy", "p", "--bundles", str(files)])
    assert "--bundles is of --exposures, not of a log" in capsys.readouterr().err


def test_promote_takes_bundles_too_and_says_what_limits_did(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    incumbent, page = files / "incumbent.edgeart", files / "promotion.html"
    incumbent.write_bytes(bundle_bytes(model("row", 7, 21)))  # not the one that decided
    command = ["promote", "--candidate", str(files / "candidate.edgeart")]
    command += ["--incumbent", str(incumbent), "--exposures", str(files / "exposures")]
    main([*command, "--json"])
    assert json.loads(capsys.readouterr().out)["left_out"]["limits of a bundle not at hand"] > 2390
    command += ["--bundles", str(files / "bundles"), "--report", str(page)]
    main(command)
    out = capsys.readouterr().out
    assert re.search(r"For the candidate 2,\d+ calls had limits\.", out)
    assert "calls had limits" in page.read_text(encoding="utf-8")
