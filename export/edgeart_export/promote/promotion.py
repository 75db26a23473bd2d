# SPDX-License-Identifier: Apache-2.0
"""Whether a candidate policy should replace the incumbent, decided from the incumbent's exposures.

Candidate, incumbent and the unpersonalised choice are estimated on the same exposures, none of
which trained any of them; their differences are paired and clustered by unit. The verdict may be
asked for every night (`estimators.sequence`) and is one of

* `yes`: by SNIPS and by SNDR the confidence sequences of both gains lie above 0, and no member
  group's lies below;
* `no`: one of the gains lies below 0 by both, or a group's does;
* `undecided`: the log cannot tell; `detectable` is the smallest gain that it would have shown;
* `doubt`: importance weights do not average 1, SNIPS and SNDR disagree, or the candidate may show
  nothing in more than one of a hundred calls under their limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

import edgeart

from ..errors import DataError
from ..evaluate.groups import groups
from ..evaluate.limits import Limited, limited
from ..evaluate.reward_models import RewardModel
from ..evaluate.shares import Defaults, Shares, judge
from ..exposures import Exposures
from ..exposures.usable import TRAINED_UNTIL, Usable, said, trained_until, usable
from .look import INCUMBENT, UNPERSONALISED, Judges, Look, Sequences, look

DAY_MS = 86_400_000

Step = Callable[[str], object]
"""Called with what is being done."""


@dataclass(frozen=True)
class Side:
    """A policy of the comparison. trained_until: milliseconds since 1970, None: it does not say."""

    name: str
    sequence: int
    trained_until: int | None

    def to_json(self) -> dict[str, object]:
        """Name, sequence, and the moment in ISO 8601."""
        until = None if self.trained_until is None else said(self.trained_until)
        return {"policy": self.name, "sequence": self.sequence, TRAINED_UNTIL: until}


@dataclass(frozen=True, eq=False)
class Promotion:
    """The verdict, and how it came about night by night.

    looks: one a night (UTC day of the first showing), each from all exposures so far; the last one
    is the verdict. weights: importance weights of the candidate, [rows]. group: the feature whose
    values are member groups. limited: by policy, what the limits of calls left it to show.
    """

    candidate: Side
    incumbent: Side
    looks: tuple[Look, ...]
    left_out: dict[str, int]
    reasons: dict[str, int]
    since: int
    group: str | None
    weights: npt.NDArray[np.float64]
    limited: Mapping[str, Limited]

    @property
    def last(self) -> Look:
        """The look that decides."""
        return self.looks[-1]

    @property
    def verdict(self) -> str:
        """`yes`, `no`, `undecided` or `doubt`."""
        return self.last.verdict

    def to_json(self) -> dict[str, object]:
        """Everything but the weights, as `json` writes it."""
        return {
            "verdict": self.verdict,
            "reasons": list(self.last.reasons),
            "candidate": self.candidate.to_json(),
            "incumbent": self.incumbent.to_json(),
            "since": said(self.since),
            "decided_by": self.reasons,
            "left_out": self.left_out,
            "limited": {name: found.to_json() for name, found in self.limited.items()},
            "group": self.group,
            "nights": [night.to_json() for night in self.looks],
        }


def promote(
    candidate: edgeart.Policy,
    incumbent: edgeart.Policy,
    exposures: Exposures,
    reward_model: Callable[[Usable], RewardModel],
    *,
    since: int | None = None,
    unpersonalised: edgeart.Policy | None = None,
    group: str | None = None,
    step: Step | None = None,
) -> Promotion:
    """Decides whether `candidate` should replace `incumbent`.

    Only exposures first shown after both policies' `trained_until` (in their bundles' meta) take
    part; since, milliseconds since 1970, moves that later, and says it for policies that do not.
    unpersonalised: a policy that shows everybody the same; by default each title's default artwork
    of the incumbent. group: a declared category whose values must not be worse off. reward_model:
    given the exposures used, a model that has not seen their rewards. Raises DataError where it is
    not known when a policy was trained, or no exposure is left.
    """
    step = step or _silent
    given = [policy for policy in (candidate, incumbent, unpersonalised) if policy is not None]
    used = usable(exposures, given, since=_since(given, since))
    log = exposures.take(used.rows)
    # Small numbers for clusters: every look takes some of the rows, and counts them anew.
    log = replace(log, cluster=np.unique(exposures.unit[used.rows], return_inverse=True)[1])
    step("predicting rewards")
    predicted = reward_model(used).predict(log)
    everyone: dict[str, Shares | Defaults] = {
        "candidate": Shares(candidate),
        INCUMBENT: Shares(incumbent),
        UNPERSONALISED: Defaults(incumbent) if unpersonalised is None else Shares(unpersonalised),
    }
    rows, told = {}, {}
    for name, target in everyone.items():
        step(f"deciding as the {name}")
        rows.update(judge({name: target}, log, predicted))
        told[name] = limited(target.policy, log)[0]
    member = None if group is None else groups(log.contexts, group)
    own = rows.pop("candidate")
    nights = exposures.shown_first[used.rows] // DAY_MS
    step("looking")
    unserved = exposures.shown_first[used.unserved[0]] // DAY_MS
    found = tuple(looks(Judges(own, rows, member), nights, unserved))
    if not found:
        raise DataError(
            "one of the policies shows nothing of what was logged: its importance weights are all 0"
        )
    return Promotion(
        candidate=Side(candidate.name, candidate.sequence, trained_until(candidate)),
        incumbent=Side(incumbent.name, incumbent.sequence, trained_until(incumbent)),
        looks=found,
        left_out=used.left_out,
        reasons=exposures.reasons,
        since=used.since,
        group=group,
        weights=own.weight,
        limited=told,
    )


def looks(
    judges: Judges, nights: npt.NDArray[np.int64], unserved: npt.NDArray[np.int64]
) -> Iterator[Look]:
    """A look after each night. nights: number of each row's UTC day, days since 1970.

    unserved: the same of calls that are no rows, because the candidate may show nothing there.
    """
    names: tuple[str, ...] = ()
    if judges.group is not None:
        names = tuple(str(name) for name in np.unique(judges.group.astype(str)))
    sequences = Sequences(len(names))
    for night in np.unique(nights).tolist():
        so_far = judges.take(nights <= night)
        # Of the first hours there may be too little for any estimate at all.
        if len(so_far.candidate) > 1 and all(
            rows.weight.any() for rows in (so_far.candidate, *so_far.rivals.values())
        ):
            yield look(
                so_far, (night + 1) * DAY_MS, sequences, names, int((unserved <= night).sum())
            )


def _since(policies: list[edgeart.Policy], since: int | None) -> int:
    """The first moment whose exposures trained none of the policies. Raises DataError."""
    cut = -1
    for policy in policies:
        until = trained_until(policy)
        if until is None and since is None and policy.explorer.kind not in ("fixed", "uniform"):
            raise DataError(
                f"policy {policy.name!r}, sequence {policy.sequence}, does not say in its meta "
                f"{TRAINED_UNTIL!r} which exposures trained it; say since when they did not"
            )
        cut = max(cut, -1 if until is None else until)
    if since is not None and since <= cut:
        raise DataError(
            f"exposures since {said(since)} trained a policy that they would judge: it was trained "
            f"until {said(cut)}"
        )
    return cut + 1 if since is None else since


def _silent(what: str) -> None:
    """Progress nobody wants to see."""
