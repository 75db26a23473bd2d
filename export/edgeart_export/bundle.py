# SPDX-License-Identifier: Apache-2.0
"""Writes a model as a bundle, and proves that edgeart reads it as it was meant."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgpack
import numpy as np
import numpy.typing as npt

import edgeart

from .errors import ModelError
from .examples import extreme, sample, typical
from .model import PolicyModel
from .quantize import quantize_rows
from .schema import FeatureSchema, Values
from .wire import Body, document

Rows = Literal["i8", "f32"]
MAX_VECTORS = 64
MAX_CONTEXT_BYTES = 65_536
COMPARED = 256
"""Contexts that i8 rows are compared with f32 rows on, where the caller gives none."""


@dataclass(frozen=True)
class Written:
    """What came of writing a bundle, and what its rows cost against the model's own f32 rows.

    flips: share of (context, title) pairs whose best artwork differs, 0 to 1.
    score_error: largest |score − score with f32 rows|. contexts: number of contexts compared.
    """

    path: Path
    size: int
    rows: Rows
    titles: int
    artworks: int
    vectors: int
    contexts: int
    flips: float
    score_error: float


def bundle_bytes(
    model: PolicyModel, *, rows: Rows = "i8", vectors: Sequence[Values] | None = None
) -> bytes:
    """The bundle of a model: the same bytes for the same arguments, checked by edgeart itself.

    rows: `i8` is the form to ship, `f32` the reference. vectors: contexts of the test vectors
    inside (at most 64); None takes the empty, a typical and two extreme ones made from the schema.
    Raises ModelError; edgeart.ContextError where a context of `vectors` cannot be encoded.
    """
    if rows not in ("i8", "f32"):
        raise ModelError(f"rows must be 'i8' or 'f32', not {rows!r}")
    contexts = [packed(values) for values in _default_vectors(model.schema, vectors)]
    # The hashes come from what edgeart computes over the same policy without test vectors.
    policy = edgeart.Policy.from_bytes(_document(model, rows, []))
    hashes = [policy.context(context, seed=0).hash for context in contexts]
    data = _document(model, rows, list(zip(contexts, hashes, strict=True)))
    held = edgeart.Policy.from_bytes(data).verify()
    if held != len(contexts):
        raise ModelError(f"edgeart ran {held} test vectors of {len(contexts)} that were written")
    return data


def write_bundle(
    model: PolicyModel,
    path: str | os.PathLike[str],
    *,
    rows: Rows = "i8",
    vectors: Sequence[Values] | None = None,
    contexts: Iterable[Values] | None = None,
) -> Written:
    """Writes `bundle_bytes` to `path`, which holds either the old or the new bundle at any time.

    contexts: what i8 rows are compared with f32 rows on; give real ones where there are any, for
    None are 256 random ones drawn from the schema. Raises as `bundle_bytes`, and OSError.
    """
    data = bundle_bytes(model, rows=rows, vectors=vectors)
    if contexts is None:
        contexts = sample(model.schema, COMPARED, seed=0)
    flips, error, compared = compare_rows(model, edgeart.Policy.from_bytes(data), contexts)
    write_atomically(Path(path), data)
    return Written(
        path=Path(path),
        size=len(data),
        rows=rows,
        titles=len(model.titles),
        artworks=len(model.artworks),
        vectors=len(_default_vectors(model.schema, vectors)),
        contexts=compared,
        flips=flips,
        score_error=error,
    )


def compare_rows(
    model: PolicyModel, policy: edgeart.Policy, contexts: Iterable[Values]
) -> tuple[float, float, int]:
    """Flips, largest score error and number of contexts of `policy` against the f32 rows."""
    exact = edgeart.Policy.from_bytes(_document(model, "f32", []))
    starts = np.array([rows.start for rows in model.title_rows().values()], dtype=np.intp)
    flips, error, count = 0, 0.0, 0
    for values in contexts:
        count += 1
        if len(starts):
            wanted, got = (
                np.asarray(p.scores(p.context(values, seed=0)), dtype=np.float32)
                for p in (exact, policy)
            )
            error = max(error, float(np.abs(wanted.astype(np.float64) - got).max()))
            flips += int((_best(wanted, starts) != _best(got, starts)).sum())
    return flips / max(1, count * len(starts)), error, count


def _best(scores: npt.NDArray[np.float32], starts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The first row of each title's largest score."""
    largest = np.maximum.reduceat(scores, starts)
    counts = np.diff(np.append(starts, len(scores)))
    winners = np.flatnonzero(scores == np.repeat(largest, counts))
    return winners[np.searchsorted(winners, starts)]


def _document(model: PolicyModel, rows: Rows, vectors: Sequence[tuple[bytes, int]]) -> bytes:
    weights: npt.NDArray[np.generic] = model.weights
    scales = np.zeros(0, dtype=np.float32)
    if rows == "i8":
        weights, scales = quantize_rows(model.weights)
    return document(
        Body(
            features=model.schema.features,
            k=model.schema.width,
            name=model.name,
            sequence=model.sequence,
            meta=model.meta,
            explorer=model.explorer.wire(),
            titles=model.titles,
            rows=rows,
            weights=weights,
            scales=scales,
            bias=model.bias,
            vectors=vectors,
        )
    )


def _default_vectors(schema: FeatureSchema, vectors: Sequence[Values] | None) -> Sequence[Values]:
    if vectors is None:
        made = [{}, typical(schema), extreme(schema), extreme(schema, -1)]
        # A schema of very many very long words can make a context that is longer than allowed.
        return [values for values in made if len(msgpack.packb(values)) <= MAX_CONTEXT_BYTES]
    if len(vectors) > MAX_VECTORS:
        raise ModelError(f"{len(vectors)} test vectors; at most {MAX_VECTORS} are allowed")
    return vectors


def packed(values: Values) -> bytes:
    """A context as its MessagePack map. Raises ModelError where it has none, or is too long."""
    if isinstance(values, Mapping):
        try:
            data: bytes = msgpack.packb(dict(values))
        except (TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"a test vector's context has no MessagePack form: {error}") from None
    else:
        data = bytes(values)
    if len(data) > MAX_CONTEXT_BYTES:
        raise ModelError(
            f"a test vector's context has {len(data)} bytes; {MAX_CONTEXT_BYTES} are allowed"
        )
    return data


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces `path` by a file of these bytes that is on disk before it gets the name."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp's 0600 would keep a web server from reading what is meant to be published.
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
