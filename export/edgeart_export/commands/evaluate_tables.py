# SPDX-License-Identifier: Apache-2.0
"""How `evaluate` shows what it found to people: tables, and notes on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.table import Table

from ..evaluate import Evaluation
from ..evaluate.judged import NAMES
from .tables import Report, pm, show_table


def evaluated(report: Report) -> None:
    """The table of `evaluate`; values are mean rewards per row."""
    logging = report["logging_policy"]
    part = "" if report["half"] == "all" else f" ({report['half']} half)"
    print(
        f"{report['log']}{part}: {report['rows']} rows, {logging['rewarded']} of them rewarded. "
        f"DR's reward model: {report['reward_model']}."
    )
    if "units" in report:
        exposures(report)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("policy", overflow="fold")
    for name in ("SNIPS ± se", "DR ± se", "ESS", "max w", "mean w ± se"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("(logging policy)", pm(logging), "", str(report["rows"]), "1", "")
    for policy in report["policies"]:
        table.add_row(
            f"{policy['file']} {policy['explorer']}",
            pm(policy["snips"]),
            pm(policy["dr"]),
            f"{policy['effective_sample_size']:.0f}",
            f"{policy['largest_weight']:.3g}",
            pm(policy["mean_weight"], 4) + ("" if policy["mean_weight_holds"] else " FAILS"),
        )
    show_table(table)
    print(
        "se: standard error; value ± 1.96 se is the 95 % interval. ESS: effective sample size. "
        "w: importance weight;\n"
        "its mean estimates 1 and FAILS where it is more than three standard errors off."
    )


def exposures(report: Report) -> None:
    """Whose exposures, from when, why they were decided as they were, and what is left out."""
    print(f"{report['units']} units, first shown from {report['from']} to {report['to']}.")
    total = sum(report["reasons"].values())
    shares = (f"{why} {100 * count / total:.1f} %" for why, count in report["reasons"].items())
    print(f"Reasons of {total} exposures: {', '.join(shares)}.")
    if report["left_out"]:
        listed = (f"{count} {why}" for why, count in report["left_out"].items())
        print(f"Left out: {', '.join(listed)}.")


def estimators(report: Report) -> None:
    """Every estimator of every policy with its 95 % intervals."""
    resampled = any("bootstrap" in policy["snips"] for policy in report["policies"])
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("policy", overflow="fold")
    table.add_column("estimator", no_wrap=True)
    for name in ("value", "95 % interval", *(("of the bootstrap",) if resampled else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for policy in report["policies"]:
        for name, words in NAMES.items():
            if policy.get(name) is not None:
                found = policy[name]
                pairs = [(found["low"], found["high"])]
                if resampled:
                    pairs.append(found["bootstrap"] or (None, None))
                intervals = (_interval(*pair) for pair in pairs)
                table.add_row(policy["file"], words, f"{found['value']:.5f}", *intervals)
    show_table(table)


def _interval(low: float | None, high: float | None) -> str:
    return "none" if low is None or high is None else f"{low:.5f} to {high:.5f}"


def groups(report: Report, feature: str) -> None:
    """Estimates by member group."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("policy", overflow="fold")
    table.add_column(feature)
    for name in ("rows", "SNIPS ± se", "SNDR ± se", "ESS"):
        table.add_column(name, justify="right", no_wrap=True)
    for policy in report["policies"]:
        for name, group in policy["groups"].items():
            if group is None:
                table.add_row(policy["file"], name, "", "shows nothing of what they saw")
                continue
            table.add_row(
                policy["file"],
                name,
                str(group["rows"]),
                pm(group["snips"]),
                pm(group.get("sndr")),
                f"{group['effective_sample_size']:.0f}",
            )
    show_table(table)


def warn(evaluations: Sequence[Evaluation]) -> None:
    """Says on stderr what a table cannot: floors that cannot hold, numbers not to be trusted."""

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    for e in evaluations:
        for title, floor, count in e.floors:
            say(
                f"note: {e.policy} ({e.explorer}): {count} candidates of title {title!r} cannot "
                f"each have a floor of {floor:g}; what holds is 1/{count}, so there the policy is "
                f"uniform whatever its scores are. Choose a floor below {1 / count:.4f}."
            )
        if e.limited.rows:
            say(f"note: {e.policy} ({e.explorer}): {e.limited.said()}.")
        if e.doubts:
            say(f"warning: {e.policy} ({e.explorer}): no interval, because {'; '.join(e.doubts)}.")
        thin = [name for name, group in e.groups.items() if group is None or group.doubts]
        if thin and not e.doubts:
            say(
                f"note: {e.policy} ({e.explorer}): groups too small for an interval: "
                f"{', '.join(thin)}."
            )
        if not e.mean_weight_holds:
            say(
                f"warning: {e.policy} ({e.explorer}): the mean importance weight "
                f"{e.mean_weight.value:.4f} ± {e.mean_weight.se:.4f} is not 1: the logged "
                f"propensities or the candidates differ from what was really done. Do not trust "
                f"this row."
            )
