# SPDX-License-Identifier: Apache-2.0
"""What the limits of calls leave a policy to show on a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import edgeart

from ..limits import CallLimits, Within
from ..log import Log
from .reward_models import Prediction


@dataclass(frozen=True)
class Limited:
    """A policy on the rows of a log whose calls had limits.

    rows: how many they are. ineligible: those of them whose logged artwork the policy may not show,
    because its bundle has other attributes or lacks it; it has probability 0. nothing: those in
    which the policy may show nothing at all: no artwork is eligible, or it lacks an attribute that
    was required or forbidden and so cannot tell. They are in no estimate: there is no artwork, as
    where a device logs the reason `none`.
    """

    rows: int = 0
    ineligible: int = 0
    nothing: int = 0

    def said(self) -> str:
        """The counts in words."""
        words = f"{self.rows:,} calls had limits"
        if self.ineligible:
            words += f"; in {self.ineligible:,} it may not show what was logged"
        if self.nothing:
            words += f"; in {self.nothing:,}, which are left out, it may show nothing"
        return words

    def to_json(self) -> dict[str, int]:
        """The three counts."""
        return {"rows": self.rows, "ineligible": self.ineligible, "nothing": self.nothing}


def limited(policy: edgeart.Policy, log: Log) -> tuple[Limited, npt.NDArray[np.bool_]]:
    """The counts, and whether the policy may show anything: [n]."""
    shows = shows_something(policy, log.title, log.limits)
    if log.limits is None:
        return Limited(), shows
    within, rows, ineligible = Within(policy), 0, 0
    for title, artwork, call in zip(log.title, log.artwork, log.limits, strict=True):
        if call is not None:
            eligible = within.eligible(title, call)
            rows += 1
            ineligible += bool(eligible) and artwork not in eligible
    return Limited(rows, ineligible, int((~shows).sum())), shows


def shows_something(
    policy: edgeart.Policy, titles: Sequence[str], limits: Sequence[CallLimits | None] | None
) -> npt.NDArray[np.bool_]:
    """Whether a policy may show any artwork of these of its titles, under these limits: [n]."""
    shows = np.ones(len(titles), dtype=bool)
    if limits is not None:
        within = Within(policy)
        for row, (title, call) in enumerate(zip(titles, limits, strict=True)):
            shows[row] = call is None or bool(within.eligible(title, call))
    return shows


def kept(targets: Mapping[str, Prediction], shows: npt.NDArray[np.bool_]) -> dict[str, Prediction]:
    """π(a|x) of those rows of a log alone in which something is shown, numbered anew."""
    number = np.cumsum(shows) - 1
    found = {}
    for title, target in targets.items():
        mine = shows[target.rows]
        if mine.any():
            rows = number[target.rows[mine]]
            found[title] = Prediction(rows, target.artworks, target.values[mine])
    return found


def even(log: Log, rows: npt.NDArray[np.intp]) -> bool:
    """Whether the logging policy showed all candidates of a title alike. rows: the title's.

    Under different limits there are different candidates.
    """
    groups: dict[CallLimits | None, list[int]] = {}
    if log.limits is None:
        groups[None] = rows.tolist()
    else:
        for row in rows.tolist():
            groups.setdefault(log.limits[row], []).append(row)
    return all(float(np.ptp(log.propensity[same])) < 1e-6 for same in groups.values())
