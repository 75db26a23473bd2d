# SPDX-License-Identifier: Apache-2.0
"""What a policy would have earned on a log, with the propensities that devices would have used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np

import edgeart

from .errors import DataError
from .estimators import Estimate, doubly_robust, effective_sample_size, ips, mean, snips
from .explorers import KINDS
from .log import Log
from .rewards import Prediction, RewardModel, rows_by_title

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Evaluation:
    """The estimates of one policy on one log; see `edgeart_export.estimators` for the formulas.

    mean_weight estimates 1 whatever the policy: a mean further off than its error allows says that
    a logging propensity is wrong or that the log lacks artworks which the policy shows.
    effective_rewarded: effective sample size times the share of rows with a reward other than 0;
    with only a few of them the normal approximation fails, and the intervals are too short.
    floors: (title, declared floor, candidates) wherever floor · candidates > 1.
    """

    policy: str
    sequence: int
    explorer: str
    rows: int
    ips: Estimate
    snips: Estimate
    dr: Estimate | None
    mean_weight: Estimate
    effective_sample_size: float
    effective_rewarded: float
    largest_weight: float
    floors: tuple[tuple[str, float, int], ...]

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
            "rows": self.rows,
            "snips": self.snips.to_json(),
            "ips": self.ips.to_json(),
            "dr": None if self.dr is None else self.dr.to_json(),
            "effective_sample_size": self.effective_sample_size,
            "effective_rewarded": self.effective_rewarded,
            "largest_weight": self.largest_weight,
            "mean_weight": self.mean_weight.to_json(),
            "mean_weight_holds": self.mean_weight_holds,
            "floors_above_uniform": [list(floor) for floor in self.floors],
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
    progress: Progress | None = None,
) -> Evaluation:
    """Estimates the value of `policy` on `log`; without a reward model there is no DR.

    targets: what `propensities(policy, log)` gave, if that is at hand. progress: called now and
    then with the number of rows done. A logged artwork that the policy does not have gets weight 0.
    Raises DataError for a log of fewer than two rows or a title that the policy or the reward model
    lacks.
    """
    if targets is None:
        targets = propensities(policy, log, progress)
    predicted = None if reward_model is None else reward_model.predict(log)
    weight, logged_prediction, target_prediction = (np.zeros(len(log)) for _ in range(3))
    for title, target in targets.items():
        rows, at = target.rows, np.arange(len(target.rows))
        place = {artwork: i for i, artwork in enumerate(target.artworks)}
        shown = np.array([place.get(log.artwork[row], -1) for row in rows.tolist()])
        known = shown >= 0
        weight[rows] = np.where(known, target.values[at, shown], 0.0) / log.propensity[rows]
        if predicted is not None:
            model = predicted[title].columns(title, target.artworks)
            logged_prediction[rows] = np.where(known, model[at, shown], 0.0)
            target_prediction[rows] = (target.values * model).sum(axis=1)
    dr = None
    if predicted is not None:
        dr = doubly_robust(log.reward, weight, logged_prediction, target_prediction, log.cluster)
    size = effective_sample_size(weight)
    return Evaluation(
        policy=policy.name,
        sequence=policy.sequence,
        explorer=describe_explorer(policy),
        rows=len(log),
        ips=ips(log.reward, weight, log.cluster),
        snips=snips(log.reward, weight, log.cluster),
        dr=dr,
        mean_weight=mean(weight, log.cluster),
        effective_sample_size=size,
        effective_rewarded=size * float(np.mean(log.reward != 0)),
        largest_weight=float(weight.max()),
        floors=floors_above_uniform(policy, sorted(targets)),
    )


def propensities(
    policy: edgeart.Policy, log: Log, progress: Progress | None = None
) -> dict[str, Prediction]:
    """Per title of the log, π(a|x) of its rows and the policy's artworks, as devices compute it.

    The policy's own explorer is asked, as for units in no cell. Raises DataError for a title that
    the policy does not have: nothing is known of what it would show there; and where its cells
    take all units.
    """
    targets: dict[str, Prediction] = {}
    place = np.zeros(len(log), dtype=np.intp)
    for title, rows in rows_by_title(log):
        if title not in policy.titles:
            raise DataError(
                f"row {rows[0]}: policy {policy.name!r} has no title {title!r}; leave the title's "
                f"rows out, or export a policy that has it"
            )
        artworks = policy.artworks(title)
        targets[title] = Prediction(rows, artworks, np.zeros((len(rows), len(artworks))))
        place[rows] = np.arange(len(rows))
    # A propensity does not depend on the seed, but on the cell: what is judged is the policy's own
    # explorer, not that of a holdback.
    try:
        unit = policy.unit_of_cell(None)
    except LookupError as error:
        raise DataError(f"{error}; export the policy with smaller shares of cells") from None
    values, context = None, policy.context(seed=0, unit=unit)
    for row, i in enumerate(place.tolist()):
        if log.contexts[row] is not values:  # the rows of one page may share their map
            values = log.contexts[row]
            context = policy.context(values, seed=0, unit=unit)
        candidates = policy.candidates(context, log.title[row])
        targets[log.title[row]].values[i] = np.asarray(candidates.n) / candidates.total
        if progress is not None and (row % 500 == 499 or row == len(log) - 1):
            progress(row + 1)
    return targets


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
