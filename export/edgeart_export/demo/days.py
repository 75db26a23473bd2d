# SPDX-License-Identifier: Apache-2.0
"""The circle over many days: show, collect, attribute, learn, publish, and judge the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import edgeart

from ..bundle import bundle_bytes
from ..estimators import Estimate, Rows
from ..exposures import Exposures
from ..model import PolicyModel
from ..simulate.audience import Audience, Wave
from . import learning
from .estimates import Shares, judge
from .reward import SETTLED_MS, START_MS
from .values import ORACLE, true_values

DAY_MS = 86_400_000
SETTLING = SETTLED_MS // DAY_MS
"""Days after which all that a day showed is settled."""

UNIFORM, UNPERSONALISED, CONTEXTUAL = "uniform", "unpersonalised", "contextual"
POLICIES = (UNIFORM, UNPERSONALISED, CONTEXTUAL)

Progress = Callable[[str, int], None]
"""Called with what is being done and the day it is done for."""


class Circle(Protocol):
    """The way from a decision to an exposure."""

    def show(self, policy: edgeart.Policy, wave: Wave) -> None:
        """Decides the visits of a wave and lets the audience respond."""
        ...

    def night(self, day: int) -> Iterable[pa.Table]:
        """What attribution gives out at the end of a day: tables with exposures.COLUMNS."""
        ...


@dataclass(frozen=True, eq=False)
class Day:
    """What was shown on one day, and by which policies it is judged.

    model: behind `contextual`, which decided that day; None while only chance decided.
    """

    number: int
    waves: Sequence[Wave]
    policies: dict[str, Shares]
    model: PolicyModel | None

    @property
    def views(self) -> int:
        """Views of the day."""
        return sum(len(wave.visit) for wave in self.waves)


@dataclass(frozen=True, eq=False)
class Verdict:
    """Days beside the truth. truth: by policy and of the oracle, plays per view.

    rows: by policy, what estimates are made of. gain: contextual less unpersonalised, by SNDR.
    """

    name: str
    truth: dict[str, float]
    rows: dict[str, Rows]

    @property
    def gain(self) -> Estimate:
        """Contextual over unpersonalised, by SNDR."""
        return self.rows[CONTEXTUAL].sndr.minus(self.rows[UNPERSONALISED].sndr).estimate()

    @property
    def closed(self) -> float:
        """Share of the gap between unpersonalised and oracle that contextual closes."""
        gap = self.truth[ORACLE] - self.truth[UNPERSONALISED]
        return (self.truth[CONTEXTUAL] - self.truth[UNPERSONALISED]) / gap if gap > 1e-12 else 0.0

    def estimates(self, policy: str) -> dict[str, Estimate]:
        """SNIPS and SNDR of a policy."""
        rows = self.rows[policy]
        return {"snips": rows.snips.estimate(), "sndr": rows.sndr.estimate()}

    def to_json(self) -> dict[str, object]:
        """For `--json`: plays per view, as shares."""
        return {
            "day": self.name,
            "exposures": len(self.rows[UNIFORM].reward),
            "truth": self.truth,
            "closed": self.closed,
            "gain": self.gain.to_json(),
            "estimates": {
                policy: {
                    **{name: e.to_json() for name, e in self.estimates(policy).items()},
                    "effective_sample_size": self.rows[policy].effective,
                }
                for policy in POLICIES
            },
        }

    def held(self) -> list[bool]:
        """Of each policy and estimator, whether the 95 % interval contains the truth."""
        return [
            e.interval[0] <= self.truth[policy] <= e.interval[1]
            for policy in POLICIES
            for e in self.estimates(policy).values()
        ]


@dataclass(eq=False)
class History:
    """All days, the exposures they gave, and the policy of the morning after."""

    audience: Audience
    exposures: Exposures
    days: list[Day] = field(default_factory=list)
    last: PolicyModel | None = None


def opened(model: PolicyModel) -> edgeart.Policy:
    """The model as a device opens it: i8 rows, self-tested."""
    return edgeart.Policy.from_bytes(bundle_bytes(model))


def live(
    audience: Audience,
    circle: Circle,
    days: int,
    progress: Progress,
    publish: Callable[[PolicyModel], edgeart.Policy] = opened,
) -> History:
    """Turns the circle for so many days, and waits until all that they showed is settled.

    The policy of a day was trained the night before on everything settled by then; while nothing
    is, chance decides. Its sequence number is the day's; publish: how it reaches the devices.
    """
    history = History(audience, Exposures(learning.schema()))
    model: PolicyModel | None = None
    plain: PolicyModel | None = None
    for day in range(1, days + SETTLING + 1):
        if day <= days:
            ruling = model or learning.uniform(audience.catalogue.on(day), day)
            deciding = publish(ruling)
            policies = {UNIFORM: Shares(deciding)}
            if model is not None and plain is not None:
                chance = learning.uniform(model.titles, day)
                policies = {
                    UNIFORM: Shares(opened(chance)),
                    UNPERSONALISED: Shares(opened(plain)),
                    CONTEXTUAL: Shares(deciding),
                }
            waves = []
            progress("show", day)
            for wave in audience.day(day):
                circle.show(deciding, wave)
                waves.append(wave)
            history.days.append(Day(day, waves, policies, model))
        progress("attribute", day)
        for table in circle.night(day):
            history.exposures.add(table)
        rows = history.exposures.settled(START_MS + day * DAY_MS, SETTLED_MS)
        if len(rows) and day <= days:
            progress("train", day)
            tomorrow = audience.catalogue.on(day + 1)
            tags = audience.catalogue.tags()
            model = learning.personal(history.exposures, rows, tomorrow, tags, day + 1)
            plain = learning.unpersonalised(model, history.exposures, rows, day + 1)
    history.last = model
    return history


def steps(days: int) -> int:
    """How often `live` and `judged` together call their progress, for so many days."""
    return days + (days + SETTLING) + (days - SETTLING) + (days - SETTLING - 1)


def judged(history: History, progress: Progress) -> list[Verdict]:
    """A verdict for every day that a trained policy decided."""
    verdicts = []
    for day in history.days:
        if day.model is None:
            continue
        progress("evaluate", day.number)
        log = history.exposures.log(history.exposures.of_sequence(day.number))
        rows = judge(day.policies, log, day.model)
        truth = true_values(history.audience, day.waves, day.policies)
        verdicts.append(Verdict(str(day.number), truth, rows))
    return verdicts


def together(verdicts: Sequence[Verdict], days: Sequence[Day]) -> Verdict:
    """All days as one: every exposure weighs the same, whatever its day."""
    views: npt.NDArray[np.float64] = np.array(
        [day.views for day in days if day.model is not None], dtype=np.float64
    )
    truth = {
        name: float(np.average([v.truth[name] for v in verdicts], weights=views))
        for name in (*POLICIES, ORACLE)
    }
    rows = {name: Rows.joined([v.rows[name] for v in verdicts]) for name in POLICIES}
    return Verdict("all", truth, rows)
