# SPDX-License-Identifier: Apache-2.0
"""One look at a log: is the candidate better than what it would replace, and for everybody?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..estimators import Estimate, Rows, mean
from ..estimators.sequence import ALPHA, Sequence
from ..evaluate.judged import doubts

INCUMBENT, UNPERSONALISED = "incumbent", "unpersonalised"
RIVALS = {INCUMBENT: "incumbent", UNPERSONALISED: "unpersonalised choice"}
"""What the candidate is compared with, and what it is called in sentences."""

ESTIMATORS = ("snips", "sndr")

YES, NO, UNDECIDED, DOUBT = "yes", "no", "undecided", "doubt"
"""Promote; do not; the log cannot say; the log itself is in doubt."""

ALPHA_DOUBT = 0.01
"""How often, all looks taken together, one check of the log may raise a doubt without cause."""

MOST_UNSERVED = 0.01
"""In this share of the calls a candidate may show nothing without raising a doubt."""

Groups = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Gain:
    """What the candidate is worth more than a rival by one estimator, in units of the reward.

    interval: of the confidence sequence. detectable: the smallest gain that would have shown 4
    times in 5. None of both where the rows are too few.
    """

    estimate: Estimate
    interval: tuple[float, float] | None
    detectable: float | None

    @property
    def better(self) -> bool:
        """The interval lies above 0."""
        return self.interval is not None and self.interval[0] > 0

    @property
    def worse(self) -> bool:
        """The interval lies below 0."""
        return self.interval is not None and self.interval[1] < 0

    def to_json(self) -> dict[str, object]:
        """Value, standard error, interval and the smallest gain that would have shown."""
        low, high = self.interval or (None, None)
        return {
            "value": self.estimate.value,
            "se": None if self.interval is None else self.estimate.se,
            "low": low,
            "high": high,
            "detectable": self.detectable,
        }


@dataclass(frozen=True)
class Judges:
    """The rows of one log for the candidate and its rivals, all in the same order.

    group: the member group of each row, or None.
    """

    candidate: Rows
    rivals: Mapping[str, Rows]
    group: Groups | None = None

    def take(self, rows: npt.NDArray[np.bool_]) -> Judges:
        """These rows alone."""
        own = self.candidate.take(rows)
        return Judges(
            own,
            {name: rival.take(rows).beside(own) for name, rival in self.rivals.items()},
            None if self.group is None else self.group[rows],
        )

    def doubts(self) -> tuple[str, ...]:
        """Why there can be no interval of a gain: too few rows for one of the policies."""
        found = [f"candidate: {why}" for why in doubts(self.candidate)]
        for name, rival in self.rivals.items():
            found += [f"{name}: {why}" for why in doubts(rival)]
        return tuple(found)


@dataclass
class Sequences:
    """The confidence sequences of all gains, each begun at its own first look with an interval."""

    groups: int = 0
    _begun: dict[tuple[str, ...], Sequence] = field(default_factory=dict)

    def gain(self, judges: Judges, rival: str, name: str, group: str = "") -> Gain:
        """The gain over a rival at this look. group: whose rows they are, "" for all.

        Intervals of groups share α among each other (Bonferroni): they hold all together.
        """
        one, other = (getattr(rows, name) for rows in (judges.candidate, judges.rivals[rival]))
        estimate, rows = one.minus(other).estimate(), len(judges.candidate)
        alpha = ALPHA / max(self.groups, 1) if group else ALPHA
        begun = self.begun((rival, name, group), estimate, rows, alpha)
        return Gain(estimate, begun.interval(estimate, rows), begun.detectable(estimate, rows))

    def holds(self, what: str, estimate: Estimate, rows: int, truth: float) -> bool:
        """Whether a check's sequence holds the value that it should have.

        1e-6 allows for the rounding of n to units of 2⁻³¹ where all weights are alike.
        """
        begun = self.begun(("check", what), estimate, rows, ALPHA_DOUBT)
        return abs(estimate.value - truth) <= begun.half_width(estimate, rows) + 1e-6

    def begun(self, key: tuple[str, ...], estimate: Estimate, rows: int, alpha: float) -> Sequence:
        """The sequence of this name, which begins with this estimate if it has not yet."""
        return self._begun.setdefault(key, Sequence.begun(estimate, rows, alpha))


@dataclass(frozen=True)
class Look:
    """What the log says up to one night.

    until: milliseconds since 1970, the end of the night. values: SNDR value of the candidate and
    its rivals. gains: (rival, estimator) → Gain. agree: by rival, whether SNIPS and SNDR do.
    groups: by member group the SNDR gain over the incumbent, None where its rows are too few.
    verdict: YES, NO, UNDECIDED or DOUBT, with reasons.
    """

    until: int
    rows: int
    units: int
    values: Mapping[str, float]
    effective: Mapping[str, float]
    gains: Mapping[tuple[str, str], Gain]
    agree: Mapping[str, bool]
    groups: Mapping[str, Gain | None]
    verdict: str
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Everything, as `json` writes it."""
        gains: dict[str, dict[str, object]] = {rival: {} for rival in RIVALS}
        for (rival, name), gain in self.gains.items():
            gains[rival][name] = gain.to_json()
        return {
            "until": self.until,
            "rows": self.rows,
            "units": self.units,
            "values": dict(self.values),
            "effective_sample_size": dict(self.effective),
            "gains": gains,
            "agree": dict(self.agree),
            "groups": {name: g and g.to_json() for name, g in self.groups.items()},
            "verdict": self.verdict,
            "reasons": list(self.reasons),
        }


def look(
    judges: Judges,
    until: int,
    sequences: Sequences,
    names: tuple[str, ...] = (),
    unserved: int = 0,
) -> Look:
    """Looks at the rows so far. names: all member groups there are, also those without rows yet.

    unserved: calls that are no rows, because the candidate may show nothing under their limits.
    """
    thin = judges.doubts()
    gains = {}
    for rival in RIVALS:
        for name in ESTIMATORS:
            if thin:
                one, other = (getattr(r, name) for r in (judges.candidate, judges.rivals[rival]))
                gains[rival, name] = Gain(one.minus(other).estimate(), None, None)
            else:
                gains[rival, name] = sequences.gain(judges, rival, name)
    groups: dict[str, Gain | None] = {}
    for group in names:
        mine = judges.take(judges.group == group) if judges.group is not None else judges
        few = len(mine.candidate) < 2 or mine.doubts()
        groups[group] = None if few else sequences.gain(mine, INCUMBENT, "sndr", group)
    everyone = {"candidate": judges.candidate, **judges.rivals}
    agree = {rival: bool(thin) or _agree(judges, rival, sequences) for rival in RIVALS}
    doubtful = () if thin else tuple(_doubtful(everyone, sequences))
    doubtful = (*_unserved(unserved, len(judges.candidate)), *doubtful)
    verdict, reasons = _verdict(gains, agree, groups, thin, doubtful)
    return Look(
        until=until,
        rows=len(judges.candidate),
        units=judges.candidate.groups.count,
        values={name: rows.sndr.value for name, rows in everyone.items()},
        effective={name: rows.effective for name, rows in everyone.items()},
        gains=gains,
        agree=agree,
        groups=groups,
        verdict=verdict,
        reasons=reasons,
    )


def _doubtful(everyone: Mapping[str, Rows], sequences: Sequences) -> Iterator[str]:
    for name, rows in everyone.items():
        found = mean(rows.weight, rows.cluster)
        if not sequences.holds(f"weight of {name}", found, len(rows), 1.0):
            yield (
                f"the mean importance weight of the {name} is {found.value:.4f} ± {found.se:.4f}, "
                f"not 1: logged propensities or candidates differ from what was really done"
            )


def _unserved(count: int, rows: int) -> Iterator[str]:
    if count > MOST_UNSERVED * (count + rows):
        yield (
            f"the candidate may show nothing in {count:,} of {count + rows:,} calls under their "
            f"limits, of which no estimate knows: does its bundle have the attributes?"
        )


def _agree(judges: Judges, rival: str, sequences: Sequences) -> bool:
    snips, sndr = (
        getattr(judges.candidate, name).minus(getattr(judges.rivals[rival], name))
        for name in ESTIMATORS
    )
    apart = snips.minus(sndr).estimate()
    return sequences.holds(f"SNIPS less SNDR over {rival}", apart, len(judges.candidate), 0.0)


def _verdict(
    gains: Mapping[tuple[str, str], Gain],
    agree: Mapping[str, bool],
    groups: Mapping[str, Gain | None],
    thin: tuple[str, ...],
    doubtful: tuple[str, ...],
) -> tuple[str, tuple[str, ...]]:
    if doubtful:
        return DOUBT, doubtful
    if thin:
        return UNDECIDED, thin
    apart = [
        f"SNIPS and SNDR disagree on the gain over the {RIVALS[rival]}: a propensity or the reward "
        f"model is not what it should be"
        for rival in RIVALS
        if not agree[rival]
    ]
    if apart:
        return DOUBT, tuple(apart)
    harmed = [name for name, gain in groups.items() if gain is not None and gain.worse]
    worse = [rival for rival in RIVALS if all(gains[rival, name].worse for name in ESTIMATORS)]
    if worse or harmed:
        return NO, (
            *(f"it is worse than the {RIVALS[rival]}" for rival in worse),
            *(f"it is worse than the incumbent for {name}" for name in harmed),
        )
    open_ = [
        f"the gain over the {RIVALS[rival]} could be none by {name.upper()}"
        for rival in RIVALS
        for name in ESTIMATORS
        if not gains[rival, name].better
    ]
    if open_:
        return UNDECIDED, tuple(open_)
    better = [f"it is better than the {RIVALS[rival]} by SNIPS and SNDR" for rival in RIVALS]
    no_worse = ["no member group is significantly worse off"] if groups else []
    return YES, (*better, *no_worse)
