# SPDX-License-Identifier: Apache-2.0
"""A candidate is promoted where it is better for all that is known, and for no other reason."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import edgeart
from benchmarks.promotion import campaign
from benchmarks.promotion_worlds import FIRST_NIGHT, World
from edgeart_export import DataError, GivenModel
from edgeart_export.cli import main
from edgeart_export.exposures import Exposures
from edgeart_export.exposures.usable import said
from edgeart_export.promote import Promotion, promote
from edgeart_export.promote.look import Gain, _verdict
from edgeart_export.promote.promotion import DAY_MS
from tests.support.models import opened, write_world

START = FIRST_NIGHT * DAY_MS


def loaded(world: World, change: Callable[[pa.Table], pa.Table] = lambda t: t) -> Exposures:
    exposures = Exposures()
    exposures.add(change(world.exposures()))
    return exposures


def judged(
    world: World,
    exposures: Exposures,
    candidate: edgeart.Policy | None = None,
    incumbent: edgeart.Policy | None = None,
    **more: Any,
) -> Promotion:
    """By the world's own policies, unless others are given; the reward model is its incumbent's."""
    model = GivenModel(world.models[1])
    pair = candidate or world.policies[0], incumbent or world.policies[1]
    return promote(*pair, exposures, lambda _: model, **more)


@pytest.fixture(scope="module")
def world() -> World:
    return World(5, gain=0.1)


@pytest.fixture(scope="module")
def found(world: World) -> Promotion:
    return judged(world, loaded(world), group="country")


def test_a_gain_of_ten_percent_is_promoted(world: World, found: Promotion) -> None:
    assert found.verdict == "yes"
    last = found.last
    assert last.reasons[-1] == "no member group is significantly worse off"
    for rival in ("incumbent", "unpersonalised"):
        for name in ("snips", "sndr"):
            assert last.gains[rival, name].better
    gain = last.gains["incumbent", "sndr"]
    assert gain.interval is not None
    low, high = gain.interval
    assert low <= 0.1 * world_value(world) <= high
    assert len(found.looks) == 14
    assert [night.rows for night in found.looks] == sorted(night.rows for night in found.looks)
    assert {*last.groups} == {"US", "GB", "BR"}


def world_value(world: World) -> float:
    """What the incumbent is worth per exposure."""
    return float((world.shares[1] * world.chances).sum(axis=2).mean())


def test_each_night_says_what_it_would_have_said_alone(world: World, found: Promotion) -> None:
    """A night's look depends on nothing that came after it."""
    until = START + 6 * DAY_MS

    def so_far(table: pa.Table) -> pa.Table:
        return table.filter(pa.array(table.column("shown_first").to_numpy() < until))

    early = judged(world, loaded(world, so_far), group="country")
    # The last hours have too few zeros to be sure that all is settled.
    assert len(early.looks) == 6
    for one, other in zip(early.looks[:5], found.looks[:5], strict=True):
        assert (one.rows, one.verdict, one.reasons) == (other.rows, other.verdict, other.reasons)
        for key, gain in one.gains.items():
            assert gain.estimate.se == pytest.approx(other.gains[key].estimate.se, rel=1e-9)
            later = other.gains[key].interval
            assert (gain.interval is None) == (later is None)
            if later is not None:
                assert gain.interval == pytest.approx(later, rel=1e-9)
    assert early.looks[4].gains["incumbent", "sndr"].interval is not None


def test_a_policy_is_not_better_than_itself(world: World) -> None:
    again = judged(world, loaded(world), candidate=world.policies[1])
    assert again.verdict == "undecided"
    for name in ("snips", "sndr"):
        gain = again.last.gains["incumbent", name]
        assert gain.estimate.value == pytest.approx(0, abs=1e-15)
        assert not gain.better
        assert not gain.worse


def test_a_loss_is_refused(world: World) -> None:
    candidate, incumbent = world.policies
    # What is better for those the incumbent decides for is worse the other way round; the log is
    # the same, the weights are not.
    turned = judged(world, loaded(world), candidate=incumbent, incumbent=candidate)
    assert turned.verdict in ("no", "undecided")
    assert turned.last.gains["incumbent", "sndr"].worse


def test_a_group_that_loses_forbids_it() -> None:
    world = World(3, gain=0.1, harmed=True)
    found = judged(world, loaded(world), group="country")
    assert found.verdict == "no"
    assert found.last.reasons == ("it is worse than the incumbent for BR",)
    assert found.last.gains["incumbent", "sndr"].better


def test_wrong_propensities_raise_a_doubt(world: World) -> None:
    def wrong(table: pa.Table) -> pa.Table:
        at = table.column_names.index("propensity")
        changed = np.minimum(table.column("propensity").to_numpy() * 1.2, 1.0)
        return table.set_column(at, "propensity", pa.array(changed))

    found = judged(world, loaded(world, wrong))
    assert found.verdict == "doubt"
    assert any("mean importance weight of the candidate" in why for why in found.last.reasons)


def test_a_small_log_is_undecided_and_says_why() -> None:
    world = World(5, gain=0.1, units=120, nights=3)
    found = judged(world, loaded(world))
    assert found.verdict == "undecided"
    assert any("is smaller than 1,000" in why for why in found.last.reasons)
    assert found.last.gains["incumbent", "sndr"].interval is None
    assert found.last.gains["incumbent", "sndr"].detectable is None


def test_exposures_that_trained_a_policy_do_not_judge_it(world: World) -> None:
    cut = START + 4 * DAY_MS - 1
    candidate = opened(dataclasses.replace(world.models[0], meta={"trained_until": said(cut)}))
    exposures = loaded(world)
    found = judged(world, exposures, candidate)
    assert len(found.looks) == 10
    assert found.since == cut + 1
    assert found.left_out["before the cut"] == int((exposures.shown_first <= cut).sum())
    with pytest.raises(DataError, match="trained a policy that they would judge"):
        judged(world, exposures, candidate, since=cut)
    silent = opened(dataclasses.replace(world.models[0], meta={}))
    with pytest.raises(DataError, match="does not say in its meta 'trained_until'"):
        judged(world, exposures, silent)
    later = START + 10 * DAY_MS
    assert judged(world, exposures, silent, since=later).looks[0].until == later + DAY_MS


def gain(low: float, high: float) -> Gain:
    from edgeart_export import Estimate

    return Gain(Estimate((low + high) / 2, (high - low) / 4), (low, high), 1.0)


BETTER, WORSE, OPEN = gain(0.1, 0.2), gain(-0.2, -0.1), gain(-0.1, 0.2)


@pytest.mark.parametrize(
    ("over_incumbent", "over_plain", "group", "agree", "verdict"),
    [
        ((BETTER, BETTER), (BETTER, BETTER), OPEN, True, "yes"),
        ((BETTER, BETTER), (BETTER, BETTER), None, True, "yes"),
        ((BETTER, OPEN), (BETTER, BETTER), OPEN, True, "undecided"),
        ((OPEN, BETTER), (BETTER, BETTER), OPEN, True, "undecided"),
        ((BETTER, BETTER), (BETTER, OPEN), OPEN, True, "undecided"),
        ((WORSE, OPEN), (BETTER, BETTER), OPEN, True, "undecided"),
        ((WORSE, WORSE), (BETTER, BETTER), OPEN, True, "no"),
        ((BETTER, BETTER), (WORSE, WORSE), OPEN, True, "no"),
        ((BETTER, BETTER), (BETTER, BETTER), WORSE, True, "no"),
        ((BETTER, BETTER), (BETTER, BETTER), OPEN, False, "doubt"),
    ],
)
def test_verdicts(
    over_incumbent: tuple[Gain, Gain],
    over_plain: tuple[Gain, Gain],
    group: Gain | None,
    agree: bool,  # noqa: FBT001 - a parameter of the table above
    verdict: str,
) -> None:
    gains = {}
    for rival, pair in (("incumbent", over_incumbent), ("unpersonalised", over_plain)):
        gains.update({(rival, name): g for name, g in zip(("snips", "sndr"), pair, strict=True)})
    agreed = {"incumbent": agree, "unpersonalised": True}
    assert _verdict(gains, agreed, {"US": group}, (), ())[0] == verdict
    assert _verdict(gains, agreed, {"US": group}, ("few",), ())[0] == "undecided"
    assert _verdict(gains, agreed, {"US": group}, ("few",), ("weights",))[0] == "doubt"


def test_nothing_is_promoted_in_null_worlds_and_gains_mostly_are() -> None:
    """The small version of `make promotion`."""
    null = campaign(8, gain=0.0, units=2500, nights=8)
    assert null["yes"] <= 1
    assert campaign(5, gain=0.2, nights=8)["yes"] >= 4


# The command.


@pytest.fixture(scope="module")
def files(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(world, tmp_path_factory.mktemp("promote"))


def command(files: Path, *more: str, candidate: str = "candidate") -> list[str]:
    return [
        *("promote", "--candidate", str(files / f"{candidate}.edgeart")),
        *("--incumbent", str(files / "incumbent.edgeart")),
        *("--exposures", str(files / "exposures"), *more),
    ]


def test_the_command_says_yes_with_0_and_writes_a_report(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = files / "report.html"
    assert main(command(files, "--group", "country", "--report", str(report))) == 0
    out = capsys.readouterr().out
    assert out.startswith("yes: it is better than the incumbent by SNIPS and SNDR")
    assert "decided without chance" in out
    assert "incumbent, country GB" in out
    page = report.read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert "Promote the candidate" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=.?https?:", page)


def test_the_command_says_undecided_with_5_as_json(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(files, "--json", candidate="incumbent")) == 5
    out, err = capsys.readouterr()
    assert err == ""
    report = json.loads(out)
    assert report["verdict"] == "undecided"
    assert len(report["nights"]) == 14
    assert report["candidate"]["trained_until"] == "2025-11-07T00:00:00.000Z"
    assert report["nights"][-1]["gains"]["incumbent"]["snips"]["low"] <= 0


def test_the_command_refuses_exposures_before_the_cut(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(files, "--since", "2025-11-06T00:00:00Z", "--json")) == 1
    assert "trained a policy that they would judge" in capsys.readouterr().err


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["promote", "--help"])
    out = capsys.readouterr().out
    assert "0 yes; 4 no" in out
    assert "edgeart-export promote --candidate new.edgeart" in out
