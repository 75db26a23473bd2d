# SPDX-License-Identifier: Apache-2.0
"""How much a policy explores: parameters by what is known, holdbacks, floors, what it all costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import edgeart

from .errors import DataError, ExplorerError
from .model import PolicyModel
from .model.cells import Cell, holdbacks
from .model.explorers import Softmax, SquareCB, Uniform
from .schema import Values

Element = TypeVar("Element")

PAIRS = 20_000
"""Pairs of context and title that `price` looks at for each cell: under a second."""

LOST = {
    "uniform": "no unit sees artworks drawn alike: what is logged says little of artworks that the "
    "policy hardly shows, and a policy that goes wrong has nothing fair beside it",
    "fixed": "no unit sees the titles' defaults: what personalisation gains can only be modelled, "
    "not counted",
}
"""What a policy without such a cell gives up, by the kind of its explorer."""


@dataclass(frozen=True)
class Known:
    """What attribution has given out: exposures of each title, and the rewards' deviation."""

    exposures: dict[str, int]
    reward_std: float


def known(files: Iterable[Path]) -> Known:
    """Counts attribution's exposures (Parquet); corrections correct, shown instead is left out.

    Raises DataError for files without their columns, or without a row.
    """
    exposures: dict[str, int] = {}
    count, total, squares = 0, 0.0, 0.0
    for path in files:
        try:
            table = pq.read_table(path, columns=["title", "shown", "reward", "previous"])
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path} holds no exposures of `attribute`: {error}") from None
        table = table.filter(pc.is_null(table.column("shown")))
        reward, previous = (
            np.asarray(pc.fill_null(table.column(name), 0.0), np.float64)
            for name in ("reward", "previous")
        )
        total += float((reward - previous).sum())
        squares += float((reward**2 - previous**2).sum())
        first = table.filter(pc.is_null(table.column("previous"))).column("title")
        for each in pc.value_counts(first).to_pylist():
            exposures[each["values"]] = exposures.get(each["values"], 0) + each["counts"]
        count += len(first)
    if not count:
        raise DataError(
            "there is no exposure in the files given; give those that `attribute` wrote"
        )
    return Known(exposures, max(squares / count - (total / count) ** 2, 0.0) ** 0.5)


def scaled(
    model: PolicyModel,
    exposures: Mapping[str, int] | npt.NDArray[np.integer],
    reward_std: float,
) -> PolicyModel:
    """The model with SquareCB's γ, or softmax's temperature, by how much is known of each title.

    The parameter of the model's explorer is taken as c: γ = c·√N / σ for a title of N exposures
    (Foster, Rakhlin 2020, theorem 1, where γ grows with the root of the rounds), and temperature =
    c·σ / √N likewise, σ being the rewards' standard deviation; so c means the same whatever the
    rewards are. What is multiplied by σ goes into the parameter, √N into `title_scale`.

    exposures: title → N, 0 where not named, or [titles] in the model's order; below 1 counts as 1.
    reward_std: σ > 0, of the rewards that the model was trained on.

    Raises ExplorerError for other explorers and for numbers that have no meaning.
    """
    explorer = model.explorer
    if not 0 < reward_std < np.inf:
        raise ExplorerError(
            f"the rewards' standard deviation must be above 0, not {reward_std}; rewards that are "
            f"all alike teach nothing to explore"
        )
    roots = np.sqrt(np.maximum(_counts(model, exposures), 1.0))
    if isinstance(explorer, SquareCB):
        return dataclasses.replace(
            model,
            explorer=dataclasses.replace(explorer, gamma=explorer.gamma / reward_std),
            title_scale=roots.astype(np.float32),
        )
    if isinstance(explorer, Softmax):
        temperature = explorer.temperature * reward_std
        return dataclasses.replace(
            model,
            explorer=dataclasses.replace(explorer, temperature=temperature),
            title_scale=(1 / roots).astype(np.float32),
        )
    why = "its variances already say how much is known" if explorer.uncertain else "it has none"
    raise ExplorerError(
        f"{explorer.kind} has no parameter to scale by exposures: {why}; only squarecb and "
        f"softmax have"
    )


def _counts(
    model: PolicyModel, exposures: Mapping[str, int] | npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    if isinstance(exposures, Mapping):
        foreign = [title for title in exposures if title not in model.titles]
        if foreign:
            raise ExplorerError(f"exposures: the model has no title {foreign[0]!r}; leave it out")
        exposures = np.array([exposures.get(title, 0) for title in model.titles])
    counts = np.asarray(exposures, np.float64)
    if counts.shape != (len(model.titles),) or not (counts >= 0).all():
        raise ExplorerError(
            f"exposures must be one number from 0 on for each of {len(model.titles)} titles"
        )
    return counts


def missing_holdbacks(own: str, cells: Iterable[str]) -> list[str]:
    """The kinds of holdback that a policy lacks: `fixed`, `uniform`, or none.

    own, cells: kinds of the policy's own explorer and of its cells'.
    """
    kinds = {own, *cells}
    return [kind for kind in ("fixed", "uniform") if kind not in kinds]


def with_holdbacks(model: PolicyModel) -> PolicyModel:
    """The model with the usual `holdbacks` behind its cells, as far as it lacks them.

    Cells that are there keep their units. Raises ModelError where there is no room for more.
    """
    cells = [cell.explorer.kind for cell in model.cells]
    missing = missing_holdbacks(model.explorer.kind, cells)
    usual = {cell.explorer.kind: cell for cell in holdbacks()}
    added = tuple(usual[kind] for kind in missing)
    return dataclasses.replace(model, cells=(*model.cells, *added)) if added else model


def check_floors(model: PolicyModel) -> None:
    """Refuses a floor that cannot hold, as some title's candidates are too many for it.

    A device would give them 1/K each: there the policy would be uniform whatever its scores are.
    Raises ExplorerError that names the titles.
    """
    own = Cell("own", 1.0, model.explorer)
    for cell in (own, *model.cells):
        floor = cell.explorer.floor
        if isinstance(cell.explorer, Uniform):
            continue
        over = {title: len(a) for title, a in model.titles.items() if floor * len(a) > 1}
        if over:
            title, count = max(over.items(), key=lambda item: item[1])
            named = ", ".join(repr(t) for t in list(over)[:5]) + (", …" if len(over) > 5 else "")
            where = "" if cell is own else f"cell {cell.name!r}: "
            raise ExplorerError(
                f"{where}{cell.explorer.kind}: a floor of {floor:g} cannot hold for {len(over)} "
                f"title(s), {named}: {count} artworks of {title!r} would need {floor * count:g} of "
                f"all probability. Choose a floor of at most {1 / count:.4g}"
            )


@dataclass(frozen=True)
class CellPrice:
    """What one explorer gives up. cell: None for the policy's own; share: of the units.

    reward: expected, by the policy's own scores; given_up: how much more the best artwork would
    have; both means over contexts and titles.
    """

    cell: str | None
    explorer: str
    share: float
    reward: float
    given_up: float


@dataclass(frozen=True)
class Price:
    """What exploring costs, were the policy's scores true: over contexts × titles.

    best: mean score of the best artwork. total: given up over all units, cells by their shares.
    """

    contexts: int
    titles: int
    best: float
    total: float
    cells: tuple[CellPrice, ...]


def price(policy: edgeart.Policy, contexts: Sequence[Values]) -> Price:
    """The expected reward that exploration gives up, computed with the probabilities devices use.

    Of more than PAIRS pairs, contexts and titles are taken at even distances.
    """
    titles = list(policy.titles)
    few = _evenly(list(contexts), 1 if not titles else max(1, PAIRS // min(len(titles), 100)))
    some = _evenly(titles, max(1, PAIRS // max(1, len(few))))
    shares = [cell.share for cell in policy.cells]
    own = (None, policy.explorer, max(0.0, 1 - sum(shares)))
    found, best = [], 0.0
    for name, explorer, share in (own, *((c.name, c.explorer, c.share) for c in policy.cells)):
        try:
            unit = policy.unit_of_cell(name)
        except LookupError:  # no unit falls into it
            continue
        reward, best = _means(policy, [policy.context(v, seed=0, unit=unit) for v in few], some)
        found.append(CellPrice(name, explorer.kind, share, reward, best - reward))
    total = sum(cell.share * cell.given_up for cell in found)
    return Price(len(few), len(some), best, total, tuple(found))


def _means(
    policy: edgeart.Policy, contexts: Sequence[edgeart.Context], titles: Sequence[str]
) -> tuple[float, float]:
    """Mean expected and mean best score."""
    reward = best = 0.0
    for context in contexts:
        for title in titles:
            candidates = policy.candidates(context, title)
            scores = np.asarray(candidates.scores, np.float64)
            reward += float(scores @ np.asarray(candidates.n, np.float64)) / candidates.total
            best += float(scores.max())
    pairs = max(1, len(contexts) * len(titles))
    return reward / pairs, best / pairs


def _evenly(every: Sequence[Element], most: int) -> Sequence[Element]:
    return every[:: -(-len(every) // most)] if every else every
