# SPDX-License-Identifier: Apache-2.0
"""What policies would have shown on a log, by the native code that devices run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Protocol

import numpy as np
import numpy.typing as npt

import edgeart

from ..errors import DataError
from ..estimators import Floats, Rows
from ..limits import CallLimits, Within
from ..log import Log
from .reward_models import Prediction, rows_by_title

Progress = Callable[[int], None]
"""Called now and then with the number of rows done."""

Asked = str | tuple[str, CallLimits]
"""A title, with the limits of its call where there are any."""


class Target(Protocol):
    """Whatever has a probability for every artwork it might show."""

    def of(self, log: Log, progress: Progress | None = None) -> dict[str, Prediction]:
        """Per title of the log π(a|x) of its rows. Raises DataError for a title it lacks."""
        ...


class Shares:
    """π(a|x) of a policy's own explorer, as devices compute it for units in no cell.

    Where a row's call had limits, under these: an artwork that may not be shown has 0, which all of
    them have where nothing may be. keep: remember every context and title asked for, for those who
    ask again. Raises DataError for a policy whose cells take all units.
    """

    def __init__(self, policy: edgeart.Policy, *, keep: bool = False) -> None:
        self.policy = policy
        # These explorers look at no score, so that every context is as good as any other.
        self._blind = policy.explorer.kind in ("fixed", "uniform")
        self._keep = keep and not self._blind
        self._known: dict[tuple[bytes, Asked], Floats] = {}
        self._within = Within(policy)
        # A propensity does not depend on the seed, but on the cell: what is judged is the policy's
        # own explorer, not that of a holdback.
        try:
            self._unit = policy.unit_of_cell(None)
        except LookupError as error:
            raise DataError(f"{error}; export the policy with smaller shares of cells") from None

    def of(self, log: Log, progress: Progress | None = None) -> dict[str, Prediction]:
        """Per title of the log the shares of the policy's artworks; see `Target`."""
        targets, place = blank(self.policy, log)
        values, context = None, None
        calls: Iterable[CallLimits | None] = repeat(None) if log.limits is None else log.limits
        here: dict[Asked, Floats] = {}
        for row, (title, i, call) in enumerate(zip(log.title, place.tolist(), calls, strict=False)):
            # Rows of one page or unit may share their map; then each title is asked for once.
            if log.contexts[row] is not values:
                values, context = log.contexts[row], None
                if not self._blind:
                    here = {}
            asked: Asked = title if call is None else (title, call)
            known = here.get(asked)
            if known is None and self._keep and isinstance(values, bytes):
                known = self._known.get((values, asked))
            if known is None:
                if context is None:
                    given = None if self._blind else values
                    context = self.policy.context(given, seed=0, unit=self._unit)
                if call is None:
                    candidates = self.policy.candidates(context, title)
                    known = np.array(candidates.n, dtype=np.float64) / candidates.total
                else:
                    known = self._limited(context, title, call, targets[title].artworks)
                if self._keep and isinstance(values, bytes):
                    self._known[values, asked] = known
            here[asked] = targets[title].values[i] = known
            if progress is not None and (row % 500 == 499 or row == len(log) - 1):
                progress(row + 1)
        return targets

    def _limited(
        self, context: edgeart.Context, title: str, call: CallLimits, artworks: Sequence[str]
    ) -> Floats:
        """The shares of a title's artworks under the limits of a call."""
        found = np.zeros(len(artworks))
        limits = self._within.limits(title, call)
        if limits is not None:
            candidates = self.policy.candidates(context, title, limits=limits)
            at = [artworks.index(name) for name in candidates.artworks]
            found[at] = np.array(candidates.n, dtype=np.float64) / candidates.total
        return found


class Defaults:
    """Each title's first artwork for everybody: what a policy's `fixed` cell shows.

    Where the limits of a call do not let it be shown, it is the first that they do.
    """

    def __init__(self, policy: edgeart.Policy) -> None:
        self.policy = policy
        self._within = Within(policy)

    def of(self, log: Log, progress: Progress | None = None) -> dict[str, Prediction]:
        """Share 1 for the default; see `Target`."""
        targets, place = blank(self.policy, log)
        for target in targets.values():
            target.values[:, 0] = 1.0
        for row, call in enumerate(log.limits or ()):
            if call is not None:
                target = targets[log.title[row]]
                eligible = self._within.eligible(log.title[row], call)
                may = [artwork in eligible for artwork in target.artworks]
                target.values[place[row]] = np.array(may) & (np.cumsum(may) == 1)
        if progress is not None:
            progress(len(log))
        return targets


def blank(policy: edgeart.Policy, log: Log) -> tuple[dict[str, Prediction], npt.NDArray[np.intp]]:
    """Per title of the log an empty Prediction of its rows, and each row's place in its title's.

    Raises DataError for a title that the policy does not have.
    """
    targets: dict[str, Prediction] = {}
    place = np.zeros(len(log), dtype=np.intp)
    has = set(policy.titles)
    for title, rows in rows_by_title(log):
        if title not in has:
            raise DataError(
                f"row {rows[0]}: policy {policy.name!r} has no title {title!r}; leave the title's "
                f"rows out, or export a policy that has it"
            )
        artworks = policy.artworks(title)
        targets[title] = Prediction(rows, artworks, np.zeros((len(rows), len(artworks))))
        place[rows] = np.arange(len(rows))
    return targets, place


def of_logged(log: Log, values: Prediction) -> Floats:
    """The values of the artworks that were logged; 0 for one that has none: [len(values.rows)]."""
    column = places(log, values)
    found: Floats = values.values[np.arange(len(column)), column]
    return np.where(column >= 0, found, 0.0)


def places(log: Log, values: Prediction) -> npt.NDArray[np.intp]:
    """Where the logged artworks stand among a Prediction's, -1 for one that is not there."""
    place = {artwork: i for i, artwork in enumerate(values.artworks)}
    rows = values.rows.tolist()
    return np.array([place.get(log.artwork[row], -1) for row in rows], dtype=np.intp)


def shown(log: Log, predicted: Mapping[str, Prediction]) -> Floats:
    """q̂(x, a) of what was logged: [n]. 0 for an artwork the model does not know."""
    of_shown = np.zeros(len(log))
    for prediction in predicted.values():
        of_shown[prediction.rows] = of_logged(log, prediction)
    return of_shown


def rows_of(
    log: Log, targets: Mapping[str, Prediction], predicted: Mapping[str, Prediction] | None
) -> Rows:
    """What the estimates of one policy need.

    targets: its π(a|x); predicted: q̂ per title, which must not have seen the row. Without q̂ the
    mean reward stands in for it: SNIPS, IPS and replay do not look at it. A logged artwork that the
    policy does not have gets weight 0. Raises DataError for an artwork that q̂ does not know.
    """
    count = len(log)
    weight, likeliest, of_target = (np.zeros(count) for _ in range(3))
    if predicted is None:
        of_shown = np.full(count, float(np.mean(log.reward)) if count else 0.0)
        of_target = of_shown
    else:
        of_shown = shown(log, predicted)
    for title, target in targets.items():
        rows, at = target.rows, np.arange(len(target.rows))
        column = places(log, target)
        share = np.where(column >= 0, target.values[at, column], 0.0)
        weight[rows] = share / log.propensity[rows]
        likeliest[rows] = (column >= 0) & (target.values.argmax(axis=1) == column)
        if predicted is not None:
            expected = predicted[title].columns(title, target.artworks)
            of_target[rows] = (target.values * expected).sum(axis=1)
    return Rows(weight, log.reward, of_shown, of_target, log.cluster, likeliest)


def judge(
    policies: Mapping[str, Target], log: Log, predicted: Mapping[str, Prediction]
) -> dict[str, Rows]:
    """`rows_of` for several policies on one log. Raises DataError for a log without clusters."""
    if log.cluster is None:
        raise DataError("the log has no clusters; intervals need to know whose rows they are")
    return {name: rows_of(log, policy.of(log), predicted) for name, policy in policies.items()}


def common(titles: Sequence[str], policies: Sequence[edgeart.Policy]) -> npt.NDArray[np.bool_]:
    """Whether all of the policies have a row's title: [len(titles)]."""
    known = [set(policy.titles) for policy in policies]
    return np.array([all(title in has for has in known) for title in titles], dtype=bool)
