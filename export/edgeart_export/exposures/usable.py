# SPDX-License-Identifier: Apache-2.0
"""Which exposures can be used to judge policies, and why the others cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt

import edgeart

from ..errors import DataError
from ..evaluate.limits import shows_something
from ..evaluate.shares import common
from ..schema import Category, Feature, FeatureSchema, Number, Vector, Weights
from .exposures import Exposures

TRAINED_UNTIL = "trained_until"
"""Key of a model's `meta`, and so of its bundle's: no exposure that was first shown after this
moment (ISO 8601, UTC) took part in training. Only such exposures may judge the policy."""

UNKNOWN_LIMITS = "limits of a bundle not at hand"
"""Why exposures are left out whose limits nobody can name; `Exposures.know` helps."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, eq=False)
class Usable:
    """rows: of exposures that can be used, a context's side by side, and left_out: others, by why.

    since, until: milliseconds since 1970 of the first and last that may be among them. unserved:
    of each policy those left out because it may show nothing under the limits of the call.
    """

    rows: npt.NDArray[np.intp]
    left_out: dict[str, int]
    since: int
    until: int
    unserved: tuple[npt.NDArray[np.intp], ...] = ()


def usable(
    exposures: Exposures, policies: Sequence[edgeart.Policy], *, since: int | None = None
) -> Usable:
    """The exposures from which the policies can be judged.

    Left out is, in this order: what was first shown before `since` (milliseconds since 1970); what
    is too young for a 0, of which only plays are known; what was decided without chance, as in a
    `fixed` holdback; titles that one of the policies lacks; what was decided under limits of a
    bundle that is neither one of the policies' nor known to `exposures`; and where one of the
    policies may show nothing under the limits of the call. Raises DataError where nothing is left.
    """
    exposures.know(policies)
    until = exposures.settled_until()
    since = since if since is not None else int(exposures.shown_first.min(initial=until))
    left = np.ones(len(exposures), dtype=bool)
    left_out = dict(exposures.excluded)
    for why, keep in (
        ("before the cut", exposures.shown_first >= since),
        ("too young for a 0", exposures.shown_first <= until),
        ("decided without chance", exposures.explored()),
        ("title not in every policy", common(exposures.title.tolist(), policies)),
        (UNKNOWN_LIMITS, exposures.known(np.arange(len(exposures)))),
    ):
        dropped = int((left & ~keep).sum())
        if dropped:
            left_out[why] = dropped
        left &= keep
    rows = np.flatnonzero(left)
    titles, limits = exposures.title[rows].tolist(), exposures.limits(rows)
    each = [shows_something(policy, titles, limits) for policy in policies]
    unserved = tuple(rows[~shows] for shows in each)
    shows = np.logical_and.reduce([np.ones(len(rows), dtype=bool), *each])
    if not shows.all():
        left_out["nothing that every policy may show"] = int((~shows).sum())
        rows = rows[shows]
    if not len(rows):
        listed = ", ".join(f"{count} {why}" for why, count in left_out.items())
        raise DataError(f"no exposure is left to judge by: {listed or 'there are none'}")
    return Usable(exposures.beside(rows), left_out, since, until, unserved)


def trained_until(policy: edgeart.Policy) -> int | None:
    """Milliseconds since 1970 until which a policy was trained, rounded up; None: it does not say.

    Raises DataError where its meta is no such moment.
    """
    text = policy.meta.get(TRAINED_UNTIL)
    if text is None:
        return None
    try:
        moment: datetime | None = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise DataError(
            f"policy {policy.name!r}, sequence {policy.sequence}: meta {TRAINED_UNTIL!r} is "
            f"{text!r}, which is no moment such as 2026-01-31T06:00:00Z"
        )
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def cut(exposures: Exposures, rows: npt.NDArray[np.intp]) -> dict[str, str]:
    """What belongs into the meta of a model that was trained on these exposures."""
    return {TRAINED_UNTIL: said(int(exposures.shown_first[rows].max(initial=0)))}


def said(milliseconds: int) -> str:
    """A moment as it stands in `meta`: ISO 8601 in UTC, to the millisecond."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def schema_of(policy: edgeart.Policy) -> FeatureSchema:
    """The features that a policy reads, as its bundle declares them."""
    features: list[Feature] = []
    for known in policy.features:
        if known.kind == "number":
            features.append(
                Number(known.name, known.centre, known.scale, known.clip, known.indicator)
            )
        elif known.kind == "category":
            features.append(Category(known.name, known.words))
        elif known.kind == "weights":
            features.append(Weights(known.name, known.words))
        else:
            features.append(Vector(known.name, known.width, known.clip))
    return FeatureSchema(features)
