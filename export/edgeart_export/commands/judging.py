# SPDX-License-Identifier: Apache-2.0
"""What the commands that judge policies by exposures share: arguments, loading, reward models."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import edgeart

from ..bundle.folder import Bundles
from ..evaluate.reward_models import CrossFitted, GivenModel, RewardModel
from ..exposures import Exposures
from ..exposures.usable import Usable, schema_of, usable
from ..log import Log
from ..store import load_model
from .parts import at_least, moment, positive
from .tables import Step

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, eq=False)
class Loaded:
    """Exposures, those of them that can be used, and these as a log in the same order."""

    exposures: Exposures
    usable: Usable
    log: Log

    def to_json(self) -> dict[str, object]:
        """How many there are, from when, and why others are left out."""
        first, last = (
            (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="seconds")
            for at in (self.usable.since, self.usable.until)
        )
        return {
            "rows": len(self.log),
            "units": len(set(self.exposures.unit[self.usable.rows].tolist())),
            "from": first,
            "to": last,
            "reasons": self.exposures.reasons,
            "left_out": self.usable.left_out,
        }


def register_exposures(sub: argparse.ArgumentParser, *, required: bool) -> None:
    """Adds --exposures, --bundles, --since and --group."""
    sub.add_argument(
        "--exposures",
        type=Path,
        metavar="DIR",
        required=required,
        help="folder that `edgeart-export attribute --out` wrote",
    )
    sub.add_argument(
        "--bundles",
        type=Path,
        metavar="DIR",
        help="bundles that decided: needed where calls had limits, but for those named otherwise",
    )
    sub.add_argument(
        "--since",
        type=moment,
        metavar="MOMENT",
        help="only exposures first shown from this moment on, such as 2026-01-31T06:00:00Z",
    )
    sub.add_argument(
        "--group",
        metavar="FEATURE",
        help="judge member groups too: the values of a declared category, such as country",
    )


def register_model(sub: argparse.ArgumentParser) -> None:
    """Adds what says of which reward model predictions are."""
    sub.add_argument(
        "--reward-model",
        type=Path,
        help="model of other data for DR (default: cross-fitted on these rows)",
    )
    sub.add_argument(
        "--lambda", dest="l2", type=positive, default=100.0, help="its penalty (default 100)"
    )
    sub.add_argument(
        "--folds", type=at_least(2), default=5, help="folds of cross-fitting (default 5)"
    )


def milliseconds(at: datetime | None) -> int | None:
    """A moment as milliseconds since 1970, rounded up."""
    return None if at is None else -((_EPOCH - at) // timedelta(milliseconds=1))


def read(options: argparse.Namespace, step: Step) -> Exposures:
    """Reads --exposures, and the bundles by which limits of calls are rows and attributes."""
    exposures = Exposures.load(options.exposures, None, step(f"reading {options.exposures}"))
    if options.bundles is not None:
        bundles = Bundles(options.bundles)
        found = map(bundles.find, exposures.deciders())
        exposures.know(policy for policy in found if policy is not None)
    return exposures


def load(
    options: argparse.Namespace,
    policies: Sequence[edgeart.Policy],
    step: Step,
    since: int | None,
) -> Loaded:
    """Reads --exposures. Raises DataError where none can be used."""
    exposures = read(options, step)
    found = usable(exposures, policies, since=since)
    return Loaded(exposures, found, exposures.take(found.rows))


def reward_model(
    options: argparse.Namespace, policies: Sequence[edgeart.Policy], log: Log
) -> RewardModel:
    """The given model, or one cross-fitted on the features of the first policy."""
    if options.reward_model:
        return GivenModel(load_model(options.reward_model))
    titles: dict[str, dict[str, None]] = {title: {} for title in log.title}
    for policy in policies:
        for title, artworks in titles.items():
            artworks.update(dict.fromkeys(policy.artworks(title)))
    for title, artwork in zip(log.title, log.artwork, strict=True):
        titles[title][artwork] = None
    known = {title: list(artworks) for title, artworks in titles.items()}
    return CrossFitted(schema_of(policies[0]), known, l2=options.l2, folds=options.folds)


def model_name(options: argparse.Namespace) -> str:
    """Which reward model it is, in words."""
    return str(options.reward_model or f"cross-fitted, {options.folds} folds")
