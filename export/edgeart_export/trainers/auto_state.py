# SPDX-License-Identifier: Apache-2.0
"""An AutoTrainer on disk: the file of a linear trainer (`trainers.state`), and columns besides.

The file's columns and settings are those of the candidates' common sums of contexts; `kind` is
`auto`. Columns that follow, where there is something to say:

    kept            the artwork's rows that a tower is learned anew from: a list of context, reward,
                    weight, previous, and of time, slot_row, slot_column where they are learned from
    snapshot        the weights that predict, of each candidate one after the other
    progress        on the first artwork of a title: for every part, in order, its sums of this
                    title (`trainers.progress`)
    heads_count, heads_reward, heads_sums   the sums of the tower's outputs, as those of contexts

The settings have an entry `auto` besides: candidates and their λ, the tower's layers, and what is
one number for all artworks. Nothing is rounded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import DataError
from ..model.tower import check_tower
from . import heads, neural_state, state
from .candidates import Candidates
from .kept import Kept
from .linear import LinearTrainer
from .neural import NeuralLinearTrainer
from .progress import Part, Progress

Floats = npt.NDArray[np.float64]
Described = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Saved:
    """What a file holds. counted: rows learned, rows that the tower was learned from, rows learned
    at the last boundary. The rest is as AutoTrainer has it.
    """

    candidates: Candidates
    progress: Progress
    kept: Kept
    counted: tuple[int, int, int]
    seed: int
    memory: int
    towers: bool
    given: bool


def save(path: str | os.PathLike[str], saved: Saved) -> None:
    """Writes a file that appears whole or not at all. Raises OSError."""
    candidates, parts = saved.candidates, sorted(saved.progress.parts.items())
    first, base, snapshot = candidates.first, candidates.base, candidates.snapshot
    auto: dict[str, object] = {
        "seed": saved.seed,
        "memory": saved.memory,
        "towers": saved.towers,
        "given": saved.given,
        "counted": saved.counted,
        "candidates": candidates.l2,
        "tower_candidates": candidates.tower_l2,
        "tower": None,
        "snapshot": None if snapshot is None else list(snapshot),
        "progress": [
            [learned, part.rows, part.squares.tolist(), part.errors.tolist()]
            for learned, part in parts
        ],
    }
    artworks = len(first.counts)
    columns: dict[str, pa.Array] = {}
    if len(saved.kept):
        columns["kept"] = saved.kept.to_arrow(artworks)
    if snapshot is not None:
        columns["snapshot"] = _lists(np.concatenate([*snapshot.values()], axis=1))
    if parts:
        by_title = np.stack([part.sums for _, part in parts]).transpose(2, 0, 1)
        columns["progress"] = _on_firsts(by_title.reshape(len(by_title), -1), first)
    if base is not None:
        sums, clock = base.heads.shared()
        columns["heads_count"] = pa.array(sums.counts)
        columns["heads_reward"] = pa.array(sums.rewards)
        columns["heads_sums"] = _lists(sums.values)
        auto["tower"] = {
            "layers": [neural_state.layer_json(layer) for layer in base.tower],
            "moment": clock.moment,
            "latest": clock.latest,
        }
    known = {} if first.artworks is None else first.artworks.rows
    settings = {**first.settings(), "kind": "auto", "auto": auto}
    state.save(path, settings, first.titles, first.shared()[0], known, pa.table(columns))


def load(path: str | os.PathLike[str]) -> Saved:
    """What `save` wrote. Raises DataError that names the file, OSError."""
    found = state.load(path)
    if found.kind != "auto":
        raise DataError(f"{path}: the state of a {found.kind!r} trainer, not auto")
    first = LinearTrainer.restored(path, found)
    try:
        return _restored(first, found.settings["auto"], found.more)
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: missing or unusable entry of auto: {error}") from None


def _restored(first: LinearTrainer, auto: Described, more: pa.Table) -> Saved:
    candidates = Candidates(first, auto["candidates"], auto["tower_candidates"])
    if auto["tower"] is not None:
        candidates.adopt(_standing(first, auto["tower"], more))
    if auto["snapshot"] is not None:
        candidates.snapshot = _snapshot(candidates, auto["snapshot"], more)
    names = (*candidates.l2, *candidates.tower_l2)
    progress = Progress(len(first.titles), names)
    if auto["progress"]:
        starts = _firsts(first)
        shape = len(starts), len(auto["progress"]), len(names) + 2
        flat = more.column("progress").take(pa.array(starts))
        sums = _numbers(flat, len(starts)).reshape(shape).transpose(1, 2, 0)
        for (learned, rows, squares, errors), own in zip(auto["progress"], sums, strict=True):
            part = Part(rows, own.copy(), np.array(squares), np.array(errors))
            if part.squares.shape != (3, len(names)) or len(part.errors) != len(names) + 1:
                raise DataError("progress is not that of the candidates")
            if not all(np.isfinite(x).all() for x in (part.sums, part.squares, part.errors)):
                raise DataError("progress is not all finite; train anew")
            progress.parts[learned] = part
    kept = Kept(first.schema.width, timed=first.half_life is not None, placed=bool(first.slots))
    rows, learned, boundary = auto["counted"]
    if auto["towers"] and not auto["given"] and 0 < rows <= auto["memory"]:
        kept.fill(more.column("kept"))
        if len(kept) != rows:
            raise DataError(f"{len(kept)} rows were kept of {rows}; train anew")
    counted = int(rows), int(learned), int(boundary)
    return Saved(
        candidates,
        progress,
        kept,
        counted,
        **{name: auto[name] for name in ("seed", "memory", "towers", "given")},
    )


def _standing(first: LinearTrainer, described: Described, more: pa.Table) -> NeuralLinearTrainer:
    """A trainer on the tower, with the heads' sums."""
    layers = [neural_state.layer_of(entry) for entry in described["layers"]]
    made = NeuralLinearTrainer(
        first.schema,
        first.titles,
        tower=check_tower(layers, first.schema.width),
        artworks=first.artworks,
        half_life=first.half_life,
        slots=first.slots,
    )
    sums, clock = made.heads.shared()
    sums.values[:] = _numbers(more.column("heads_sums"), len(sums)).reshape(sums.values.shape)
    sums.counts[:] = more.column("heads_count").to_numpy()
    sums.rewards[:] = more.column("heads_reward").to_numpy()
    clock.moment, clock.latest = described["moment"], described["latest"]
    if not all(np.isfinite(array).all() for array in (sums.values, sums.counts, sums.rewards)):
        raise DataError("sums of the tower's outputs are not all finite; train anew")
    return made


def _snapshot(candidates: Candidates, names: list[str], more: pa.Table) -> dict[str, Floats]:
    artworks = len(candidates.first.counts)
    flat = _numbers(more.column("snapshot"), artworks)
    base = candidates.base
    outputs = 0 if base is None else base.tower[-1].outputs
    widths = [candidates.first.schema.width if n in candidates.linear else outputs for n in names]
    if not {*names} <= {*candidates.linear, *candidates.towers} or flat.shape[1] != sum(widths):
        raise DataError("the snapshot is not that of the candidates")
    if not np.isfinite(flat).all():
        raise DataError("the snapshot is not all finite; train anew")
    parts = np.split(flat, np.cumsum(widths)[:-1], axis=1)
    return {name: np.ascontiguousarray(part) for name, part in zip(names, parts, strict=True)}


def _lists(values: Floats) -> pa.Array:
    """Rows [n, m] as lists."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _numbers(column: pa.ChunkedArray, rows: int) -> Floats:
    """A column of so many lists, all as long, as [rows, m]."""
    whole = pa.concat_arrays(column.chunks)
    found: Floats = np.array(whole.flatten().to_numpy(zero_copy_only=False), dtype=np.float64)
    return found.reshape(rows, -1)


def _firsts(first: LinearTrainer) -> npt.NDArray[np.int64]:
    """The row of the first artwork of each title: [T]."""
    title = heads.title_of_rows(first.titles)
    return np.searchsorted(title, np.arange(len(first.titles)))


def _on_firsts(values: Floats, first: LinearTrainer) -> pa.Array:
    """A row [T, m] of each title as a list on its first artwork; null on the others."""
    title = heads.title_of_rows(first.titles)
    is_first = np.diff(title, prepend=-1) > 0
    ends = np.concatenate([[0], np.cumsum(is_first)]) * values.shape[1]
    offsets = pa.array(ends.astype(np.int64), mask=np.append(~is_first, [False]))
    return pa.LargeListArray.from_arrays(offsets, pa.array(values.ravel()))
