# SPDX-License-Identifier: Apache-2.0
"""The command `edgeart-export promote`: should the candidate replace the incumbent?"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

import edgeart

from ..evaluate.reward_models import RewardModel
from ..exposures.usable import Usable
from ..promote import Promotion, promote
from ..promote.look import DOUBT, ESTIMATORS, NO, RIVALS, UNDECIDED, YES
from . import judging, tables
from .parts import EXIT_DOUBT, EXIT_OK, command

EXIT_NO, EXIT_UNDECIDED = 4, 5
EXITS = {YES: EXIT_OK, NO: EXIT_NO, UNDECIDED: EXIT_UNDECIDED, DOUBT: EXIT_DOUBT}

_ABOUT = """\
Decides whether a candidate policy should replace the incumbent, from exposures that trained neither
of them. May be asked every night: the intervals hold at all nights together.
"""

_EXAMPLE = """\
promote --candidate new.edgeart --incumbent live.edgeart \\
      --exposures exposures/ --group country --report promotion.html

yes: by SNIPS and by SNDR the gains over the incumbent and over the unpersonalised choice (each
title's default artwork, unless --unpersonalised says another policy) lie above 0, and no member
group's gain lies below. Only exposures after the moment `trained_until` in both bundles' meta take
part; --since says it for bundles without. docs/evaluating.md says how it is computed.

exit codes: 0 yes; 4 no, it is worse; 5 undecided, the log is too small to tell; 3 doubt, importance
weights do not average 1, the estimators disagree, or the candidate would show nothing in calls that
were served; 1 failed, the message says where and what to do; 2 wrong usage
"""


def register(commands: Any) -> None:
    """Adds the command to the subparsers of `edgeart-export`."""
    brief = "Decides whether a candidate should replace the incumbent."
    sub = command(commands, "promote", _promote, _ABOUT, _EXAMPLE, brief=brief)
    sub.add_argument("--candidate", type=Path, required=True, help="bundle")
    sub.add_argument("--incumbent", type=Path, required=True, help="bundle that runs now")
    sub.add_argument(
        "--unpersonalised",
        type=Path,
        help="bundle that shows everybody the same (default: the incumbent's default artworks)",
    )
    judging.register_exposures(sub, required=True)
    judging.register_model(sub)
    sub.add_argument("--report", type=Path, metavar="FILE", help="write one HTML file as well")
    sub.add_argument("--json", action="store_true", help="print one JSON object, no progress")


def _promote(options: argparse.Namespace) -> int:
    candidate, incumbent = map(edgeart.Policy.open, (options.candidate, options.incumbent))
    given = options.unpersonalised
    unpersonalised = None if given is None else edgeart.Policy.open(given)
    with tables.progress(quiet=options.json) as step:
        exposures = judging.read(options, step)
        current: list[Callable[[int], None]] = []

        def doing(what: str) -> None:
            for finish in current:
                finish(1)
            current[:] = [step(what, 1)]

        policies = [p for p in (candidate, incumbent, unpersonalised) if p is not None]

        def model(used: Usable) -> RewardModel:
            return judging.reward_model(options, policies, exposures.take(used.rows))

        found = promote(
            candidate,
            incumbent,
            exposures,
            model,
            since=judging.milliseconds(options.since),
            unpersonalised=unpersonalised,
            group=options.group,
            step=doing,
        )
        current[0](1)
    if options.report is not None:
        from ..report.promotion import write_promotion  # noqa: PLC0415 - only where it is asked for

        write_promotion(options.report, found)
    report = {
        **found.to_json(),
        "exposures": str(options.exposures),
        "reward_model": judging.model_name(options),
        "report": None if options.report is None else str(options.report),
    }
    tables.show(report, options.json, lambda told: _table(told, found))
    return EXITS[found.verdict]


def _table(report: Mapping[str, Any], found: Promotion) -> None:
    """The verdict for people; gains are rewards per exposure."""
    last = found.last
    print(f"{found.verdict}: {'; '.join(last.reasons)}.")
    print(
        f"{last.rows} exposures of {last.units} units in {len(found.looks)} nights; left out: "
        + (", ".join(f"{count} {why}" for why, count in found.left_out.items()) or "nothing")
        + f". Reward model: {report['reward_model']}."
    )
    for name, told in found.limited.items():
        if told.rows:
            print(f"For the {name} {told.said()}.")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("gain of the candidate over")
    for name in ("by", "gain", "95 % confidence sequence", "smallest that shows"):
        table.add_column(name, justify="right", no_wrap=True)
    for rival in RIVALS:
        for name in ESTIMATORS:
            gain = last.gains[rival, name]
            table.add_row(
                f"{rival} ({last.values[rival]:.5f})",
                name.upper(),
                f"{gain.estimate.value:+.5f}",
                _interval(gain.interval),
                "-" if gain.detectable is None else f"{gain.detectable:.5f}",
            )
    for group, own in last.groups.items():
        table.add_row(
            f"incumbent, {found.group} {group}",
            "SNDR",
            "-" if own is None else f"{own.estimate.value:+.5f}",
            "too few rows" if own is None else _interval(own.interval),
            "-" if own is None or own.detectable is None else f"{own.detectable:.5f}",
        )
    tables.show_table(table)
    print(
        "Intervals hold at all nights together; those of groups, of which 5 % are shared, all "
        "groups together.\n"
        "The smallest gain that shows would have shown in 4 of 5 such logs."
    )
    if report["report"]:
        print(f"wrote {report['report']}")


def _interval(interval: tuple[float, float] | None) -> str:
    return "none" if interval is None else f"{interval[0]:+.5f} to {interval[1]:+.5f}"
