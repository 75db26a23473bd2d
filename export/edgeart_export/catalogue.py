# SPDX-License-Identifier: Apache-2.0
"""Brings a model up to a catalogue: rows for new artworks from what is known of them, without data.

A trainer that pools artworks knows what to expect of one that nobody has seen: the mean of its
title, moved by its features, with the variance that artworks have about that. Where a row comes
from this prior, the next training takes over: it begins from the same mean.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from .errors import DataError, ModelError
from .files import open_whole
from .model import PolicyModel
from .trainers import LinearTrainer, NeuralLinearTrainer
from .trainers.features import ArtworkFeatures

Doubles = npt.NDArray[np.float64]
Pair = tuple[str, str]
ATTRIBUTES = "attributes"
"""The column of a catalogue that names the attributes of artworks."""
LIVE = "live"
"""The column of a file that says which artworks may be shown."""


@dataclass(frozen=True, eq=False)
class ArtworkPrior:
    """What rows [k] of artworks without data are expected to be: any linear map of their features.

    mean of an artwork = mean of its title + map · (features − centre). All are float64.

    features: the columns of vectors [d]. map: [k, d]. centre: [d]. shared: [k], the mean of titles
    without data; titles: title → [k], of the others. variance: [k], of a row about its mean;
    title_variance: [k], what a title without data adds to it.
    """

    features: ArtworkFeatures
    map: Doubles
    centre: Doubles
    shared: Doubles
    variance: Doubles
    title_variance: Doubles
    titles: Mapping[str, Doubles] = field(default_factory=dict)

    def __post_init__(self) -> None:
        k, d = len(self.shared), len(self.features.names)
        shapes = {"map": (k, d), "centre": (d,), "variance": (k,), "title_variance": (k,)}
        for name, shape in shapes.items():
            got = np.shape(getattr(self, name))
            if got != shape:
                raise ModelError(f"an artwork prior's {name} has shape {got}; {shape} is needed")
        for title, mean in self.titles.items():
            if np.shape(mean) != (k,):
                raise ModelError(f"an artwork prior's mean of title {title!r} is not of {k} slots")
        for name in ("variance", "title_variance"):
            if not (getattr(self, name) >= 0).all():
                raise ModelError(f"an artwork prior's {name} must not be negative")

    def rows(
        self, pairs: Sequence[Pair], features: ArtworkFeatures | None = None
    ) -> tuple[Doubles, Doubles]:
        """Means and variances [n, k] of (title, artwork) pairs; features: with more artworks."""
        vectors = (features or self.features).matrix(pairs)
        known = [title in self.titles for title, _ in pairs]
        means = np.array([self.titles.get(title, self.shared) for title, _ in pairs])
        means = means.reshape(len(pairs), len(self.shared)) + (vectors - self.centre) @ self.map.T
        return means, self.variance + np.where(known, 0.0, 1.0)[:, None] * self.title_variance

    def times(self, size: Doubles) -> ArtworkPrior:
        """What is expected of rows whose slots are so many times as large: [k]."""
        return ArtworkPrior(
            self.features,
            map=self.map * size[:, None],
            centre=self.centre,
            shared=self.shared * size,
            variance=self.variance * size**2,
            title_variance=self.title_variance * size**2,
            titles={title: mean * size for title, mean in self.titles.items()},
        )


def prior_of(trainer: LinearTrainer | NeuralLinearTrainer) -> ArtworkPrior:
    """What a trainer expects of artworks without data: as in its own models, to the last bit but
    for titles without data, of which it is here said that their level is not known either.

    Raises DataError for heads about a network's own output layer, which has no rows for others.
    """
    if isinstance(trainer, NeuralLinearTrainer):
        if trainer.prior.any():
            raise DataError(
                "nothing is known of artworks without data where heads are a ridge about a "
                "network's output layer: train with a RandomTower or given layers"
            )
        return prior_of(trainer.heads).times(trainer.sizes)
    k, found = trainer.solve().shape[1], trainer.prior
    features = trainer.artworks or ArtworkFeatures({})
    columns = ArtworkFeatures.from_json(features.to_json(), {})
    if found is None:
        fixed = np.full(k, trainer.noise() / float(trainer.l2))
        none = np.zeros((k, len(columns.names)))
        return ArtworkPrior(columns, none, none[0], np.zeros(k), fixed, np.zeros(k))
    means = zip(trainer.titles, found.title_mean, strict=True)
    return ArtworkPrior(
        columns,
        map=found.map,
        centre=found.centre,
        shared=found.shared,
        variance=found.noise / found.l2,
        title_variance=found.noise / found.title_l2,
        titles={title: mean for title, mean in means if (mean != found.shared).any()},
    )


@dataclass(frozen=True)
class Changes:
    """What a catalogue changed: pairs of title and artwork; titles that came or went as a whole.

    undescribed: added artworks of which the catalogue says nothing that the prior knows.
    """

    added: tuple[Pair, ...]
    removed: tuple[Pair, ...]
    added_titles: tuple[str, ...]
    removed_titles: tuple[str, ...]
    undescribed: tuple[Pair, ...]

    def to_json(self) -> dict[str, object]:
        """Counts, and names where they matter."""
        return {
            "added": len(self.added),
            "removed": len(self.removed),
            "added_titles": list(self.added_titles),
            "removed_titles": list(self.removed_titles),
            "undescribed": [list(pair) for pair in self.undescribed],
        }


def read_catalogue(path: Path) -> pa.Table:
    """A catalogue as `train --artworks` reads it: those artworks that are live, of Parquet or CSV.

    Raises DataError.
    """
    try:
        table = pcsv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"catalogue {path} cannot be read as Parquet, or as CSV (.csv): {error}"
        ) from None
    if LIVE in table.column_names:
        if not pa.types.is_boolean(table.schema.field(LIVE).type):
            raise DataError(f"catalogue {path}: column {LIVE} must be true or false")
        table = table.filter(table.column(LIVE)).drop_columns([LIVE])
    for name in {"title", "artwork"} & set(table.column_names):  # CSV may make numbers of them
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table.column(name).cast(pa.string()))
    return table


def catalogued(
    model: PolicyModel, prior: ArtworkPrior, catalogue: pa.Table
) -> tuple[PolicyModel, Changes]:
    """The model with exactly the artworks of a catalogue, and what that changed.

    catalogue: columns `title` and `artwork`, whatever describes them (`ArtworkFeatures`), and, for
    a model with attributes, `attributes`: a list of names for each artwork, also of those that the
    model has. What it does not name is withdrawn; what stays keeps its row. Titles and artworks
    stand in its order: the first artwork of a title is its default. A title that comes has a factor
    of 1, as one without exposures.

    Raises DataError for the catalogue, ModelError where the prior is another model's.
    """
    if prior.shared.shape != (model.k,):
        raise ModelError(
            f"the prior is of {len(prior.shared)} slots, the model of {model.k}: give the one that "
            f"was trained with it"
        )
    pairs = _pairs(catalogue)
    attributes = _attributes(model, catalogue, pairs)
    row = {pair: i for i, pair in enumerate(model.artworks)}
    stays = set(pairs)
    titles: dict[str, list[str]] = {}
    for title, artwork in pairs:
        titles.setdefault(title, []).append(artwork)
    order = [(title, artwork) for title, names in titles.items() for artwork in names]
    added = tuple(pair for pair in order if pair not in row)
    silent = _undescribed(catalogue, prior.features, set(added))
    known = prior.features.more(catalogue)
    for pair in silent:
        del known.rows[pair]  # so that it has the mean of all
    means, variances = prior.rows(added, known)
    made = dataclasses.replace(
        model,
        titles=titles,
        weights=_placed(model.weights, order, row, means),
        bias=_placed(model.bias, order, row, np.zeros(len(added))),
        variance=None if model.variance is None else _placed(model.variance, order, row, variances),
        title_scale=_factors(model, titles),
        masks=attributes,
    )
    return made, Changes(
        added=added,
        removed=tuple(pair for pair in model.artworks if pair not in stays),
        added_titles=tuple(title for title in titles if title not in model.titles),
        removed_titles=tuple(title for title in model.titles if title not in titles),
        undescribed=tuple(silent),
    )


def _pairs(catalogue: pa.Table) -> list[Pair]:
    missing = {"title", "artwork"} - set(catalogue.column_names)
    if missing:
        raise DataError(f"the catalogue has no column {', '.join(sorted(missing))}")
    columns = [catalogue.column(name).to_pylist() for name in ("title", "artwork")]
    pairs: list[Pair] = list(zip(*columns, strict=True))
    if not pairs:
        raise DataError("the catalogue is empty: every title would be withdrawn")
    for number, pair in enumerate(pairs):
        if not all(isinstance(name, str) for name in pair):
            raise DataError(f"the catalogue's row {number} is {pair}: title and artwork are texts")
    return pairs


def _attributes(
    model: PolicyModel, catalogue: pa.Table, pairs: Sequence[Pair]
) -> dict[str, dict[str, list[str]]] | None:
    """By title and artwork, what the catalogue says; None for a model without attributes."""
    if not model.attributes:
        return None
    if ATTRIBUTES not in catalogue.column_names:
        raise DataError(
            f"the catalogue has no column {ATTRIBUTES!r}, but the model tells artworks apart by "
            f"{', '.join(model.attributes)}: without it nothing keeps a new artwork from where it "
            f"must not be shown. Give a list of names for each"
        )
    found: dict[str, dict[str, list[str]]] = {}
    for (title, artwork), names in zip(
        pairs, catalogue.column(ATTRIBUTES).to_pylist(), strict=True
    ):
        foreign = set(names or ()) - set(model.attributes)
        if names is None or foreign:
            raise DataError(
                f"the catalogue's attributes of {(title, artwork)} are {names}; the model knows "
                f"{', '.join(model.attributes)}"
            )
        found.setdefault(title, {})[artwork] = names
    return found


def _undescribed(catalogue: pa.Table, features: ArtworkFeatures, added: set[Pair]) -> list[Pair]:
    """Those of the added artworks of which nothing is said that has a column."""
    names = frozenset(features.names)
    return [
        (row["title"], row["artwork"])
        for row in catalogue.to_pylist()
        if (row["title"], row["artwork"]) in added
        and not any(
            names & _columns(column, value)
            for column, value in row.items()
            if column not in ("title", "artwork")
        )
    ]


def _columns(column: str, value: Any) -> set[str]:
    """What a value would be called among the columns of ArtworkFeatures."""
    if value is None:
        return set()
    if isinstance(value, str):
        return {f"{column}={value}"}
    if isinstance(value, Mapping):
        return set(value)
    if isinstance(value, Sequence):
        return {
            f"{column}={one}" if isinstance(one, str) else f"{column}[{i}]"
            for i, one in enumerate(value)
        }
    return {column}


def _placed(
    old: npt.NDArray[np.float32], order: Sequence[Pair], row: Mapping[Pair, int], new: Doubles
) -> npt.NDArray[np.float32]:
    """Rows in this order: the old ones where they are, the new ones one after the other."""
    at = np.array([row.get(pair, -1) for pair in order], np.int64)
    placed = np.empty((len(order), *old.shape[1:]), np.float32)
    placed[at >= 0] = old[at[at >= 0]]
    placed[at < 0] = new
    return placed


def _factors(model: PolicyModel, titles: Mapping[str, Sequence[str]]) -> dict[str, float] | None:
    if model.title_scale is None:
        return None
    known = dict(zip(model.titles, np.asarray(model.title_scale).tolist(), strict=True))
    return {title: known.get(title, 1.0) for title in titles}


def save_prior(prior: ArtworkPrior, folder: Path) -> None:
    """Writes `prior.json` and `prior.npz` into a model's folder. Raises OSError."""
    described = {"format": 1, "features": prior.features.to_json(), "titles": list(prior.titles)}
    arrays = {name: getattr(prior, name) for name in _ARRAYS}
    shape = len(prior.titles), len(prior.shared)
    arrays["titles"] = np.array(list(prior.titles.values())).reshape(shape)
    with open_whole(folder / "prior.npz") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    with open_whole(folder / "prior.json") as file:
        file.write((json.dumps(described, indent=1, ensure_ascii=False) + "\n").encode())


PRIOR_FILES = ("prior.json", "prior.npz")
_ARRAYS = ("map", "centre", "shared", "variance", "title_variance")


def load_prior(folder: Path) -> ArtworkPrior | None:
    """The prior that was saved with a model, None where there is none. Raises ModelError."""
    if not (folder / "prior.json").exists():
        return None
    try:
        described = json.loads((folder / "prior.json").read_bytes())
        with np.load(folder / "prior.npz", allow_pickle=False) as arrays:
            return ArtworkPrior(
                features=ArtworkFeatures.from_json(described["features"], {}),
                titles=dict(zip(described["titles"], arrays["titles"], strict=True)),
                **{name: arrays[name] for name in _ARRAYS},
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: prior.json or prior.npz cannot be read: {error!r}") from None
