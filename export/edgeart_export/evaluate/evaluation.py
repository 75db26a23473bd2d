# SPDX-License-Identifier: Apache-2.0
"""What a policy would have earned on a log, with the propensities that devices would have used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

import edgeart

from ..errors import DataError
from ..estimators import Estimate, mean, mrdr_weight
from ..log import Log
from ..model.explorers import KINDS
from .groups import groups
from .judged import Judged, judged, members_of
from .limits import Limited, even, kept, limited
from .reward_models import CrossFitted, Prediction, RewardModel
from .shares import Progress, Shares, rows_of


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The estimates of one policy on one log; see `edgeart_export.estimators` for the formulas.

    overall: on all rows. mean_weight estimates 1 whatever the policy: a mean further off than its
    error allows says that a logging propensity is wrong or that the log lacks artworks which the
    policy shows. clip: the largest weight of clipped IPS. floors: (title, declared floor,
    candidates) wherever floor · candidates > 1. groups: the same as `overall` by member group, such
    as "GB", on its rows alone; None where the policy shows nothing of what these saw. weights: the
    importance weights, float64 [rows]. limited: what the limits of calls left the policy to show.
    """

    policy: str
    sequence: int
    explorer: str
    overall: Judged
    mean_weight: Estimate
    largest_weight: float
    clip: float
    floors: tuple[tuple[str, float, int], ...]
    groups: Mapping[str, Judged | None] = field(default_factory=dict)
    weights: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False)
    limited: Limited = field(default_factory=Limited)

    @property
    def rows(self) -> int:
        """Rows of the log, but for those in which the policy may show nothing."""
        return self.overall.rows

    @property
    def ips(self) -> Estimate:
        """Inverse propensity scoring."""
        return self.overall.estimates["ips"]

    @property
    def snips(self) -> Estimate:
        """Self-normalised inverse propensity scoring."""
        return self.overall.estimates["snips"]

    @property
    def dr(self) -> Estimate | None:
        """Doubly robust; None without a reward model."""
        return self.overall.estimates.get("dr")

    @property
    def sndr(self) -> Estimate | None:
        """Self-normalised doubly robust; None without a reward model."""
        return self.overall.estimates.get("sndr")

    @property
    def effective_sample_size(self) -> float:
        """So many rows of its own the log is worth to the policy."""
        return self.overall.effective_sample_size

    @property
    def effective_rewarded(self) -> float:
        """See `Rows.effective_rewarded`."""
        return self.overall.effective_rewarded

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why there are no intervals; empty where there are."""
        return self.overall.doubts

    @property
    def mean_weight_holds(self) -> bool:
        """The mean weight is within three standard errors of 1.

        Where target and logging policy are the same, all weights are 1 but for the rounding of n
        to units of 2⁻³¹ and the standard error is as small; 1e-6 allows for that.
        """
        return abs(self.mean_weight.value - 1) <= 3 * self.mean_weight.se + 1e-6

    def to_json(self) -> dict[str, object]:
        """Everything, as `json` writes it."""
        return {
            "policy": self.policy,
            "sequence": self.sequence,
            "explorer": self.explorer,
            "dr": None,
            **self.overall.to_json(),
            "clip": self.clip,
            "largest_weight": self.largest_weight,
            "mean_weight": self.mean_weight.to_json(),
            "mean_weight_holds": self.mean_weight_holds,
            "floors_above_uniform": [list(floor) for floor in self.floors],
            "limited": self.limited.to_json(),
            "groups": {name: group and group.to_json() for name, group in self.groups.items()},
        }


def logged_value(log: Log) -> Estimate:
    """What the logging policy earned: the mean reward of the log."""
    return mean(log.reward, log.cluster)


def evaluate(
    policy: edgeart.Policy,
    log: Log,
    *,
    reward_model: RewardModel | None = None,
    targets: Mapping[str, Prediction] | None = None,
    clip: float | None = None,
    group: str | None = None,
    bootstrap: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Estimates the value of `policy` on `log`; without a reward model there is no DM, DR or SNDR.

    MRDR needs a model that it can have fitted anew, a CrossFitted. targets: what
    `propensities(policy, log)` gave, if that is at hand. clip: the largest weight of clipped IPS;
    √n by default (Ionides 2008, *Truncated importance sampling*). group: a declared feature, such
    as country, for whose values there are estimates of their own. bootstrap: intervals of resampled
    clusters as well. progress: called now and then with the number of rows done. A logged artwork
    that the policy does not have, or may not show under the limits of its call, gets weight 0; rows
    in which it may show nothing are in no estimate. Raises DataError for a log of fewer than two
    rows or a title that the policy or the reward model lacks.
    """
    if targets is None:
        targets = propensities(policy, log, progress)
    told, shows = limited(policy, log)
    if told.nothing == len(log) > 0:
        raise DataError(
            f"policy {policy.name!r}, sequence {policy.sequence}, may show nothing of what was "
            f"logged under the limits of the calls; does its bundle have the attributes?"
        )
    if told.nothing:
        log, targets = log.take(np.flatnonzero(shows)), kept(targets, shows)
    predicted = None if reward_model is None else reward_model.predict(log)
    rows = rows_of(log, targets, predicted)
    robust = None
    if isinstance(reward_model, CrossFitted):
        weight = mrdr_weight(rows.weight * log.propensity, log.propensity)
        # λ of the fit keeps its meaning where the weights' mean is 1.
        weight /= max(float(weight.mean()), 1e-300)
        robust = rows_of(log, targets, reward_model.predict(log, weight))
    clip = math.sqrt(len(log)) if clip is None else clip
    asked: dict[str, Any] = {
        "clip": clip,
        "modelled": predicted is not None,
        "even": all(even(log, target.rows) for target in targets.values()),
        "bootstrap": bootstrap,
    }
    parts: dict[str, Judged | None] = {}
    if group is not None:
        member = groups(log.contexts, group)
        others = {} if robust is None else members_of(robust, member)
        for name, own in members_of(rows, member).items():
            some = len(own) > 1 and own.weight.any() and own.groups.count > 1
            parts[name] = judged(own, others.get(name), **asked) if some else None
    return Evaluation(
        overall=judged(rows, robust, **asked),
        policy=policy.name,
        sequence=policy.sequence,
        explorer=describe_explorer(policy),
        mean_weight=mean(rows.weight, log.cluster),
        largest_weight=float(rows.weight.max()),
        clip=clip,
        floors=floors_above_uniform(policy, sorted(targets)),
        groups=parts,
        weights=rows.weight,
        limited=told,
    )


def propensities(
    policy: edgeart.Policy, log: Log, progress: Progress | None = None
) -> dict[str, Prediction]:
    """Per title of the log, π(a|x) of its rows and the policy's artworks, as devices compute it.

    The policy's own explorer is asked, as for units in no cell, under the limits of each row's
    call. Raises DataError for a title that the policy does not have: nothing is known of what it
    would show there; and where its cells take all units.
    """
    return Shares(policy).of(log, progress)


def describe_explorer(policy: edgeart.Policy) -> str:
    """The explorer of a policy in a few words, as `parse_explorer` reads them."""
    explorer = policy.explorer
    names = [f.name for f in fields(KINDS[explorer.kind]) if f.name != "floor"]
    own = "".join(f"{name}={explorer.parameter:g}," for name in names)  # there is one at most
    return f"{explorer.kind}:{own}floor={explorer.floor:g}"


def floors_above_uniform(
    policy: edgeart.Policy, titles: list[str]
) -> tuple[tuple[str, float, int], ...]:
    """Titles whose candidates cannot all have the declared floor: it becomes 1 / candidates.

    There the policy is uniform whatever its scores are.
    """
    floor = policy.explorer.floor
    counts = [(title, len(policy.artworks(title))) for title in titles]
    return tuple((title, floor, count) for title, count in counts if floor * count > 1)
