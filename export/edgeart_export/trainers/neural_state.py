# SPDX-License-Identifier: Apache-2.0
"""A tower and the heads on it, on disk: the heads' Parquet file (`trainers.state`), and one key.

The file's metadata has the key `edgeart.tower` besides: JSON with `format` (1), the schema of the
contexts, the layers, what the heads are a ridge about, and how the tower is come by. Arrays are
base64 of little-endian numbers, so that nothing is rounded.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from ..errors import DataError
from ..model.tower import Layer, check_tower
from ..schema import FeatureSchema
from .gradient import GradientTower
from .linear import LinearTrainer
from .random_tower import RandomTower

FORMAT = 1
_KEY = b"edgeart.tower"
_LEARNERS: dict[str, type[GradientTower | RandomTower]] = {
    "gradient": GradientTower,
    "random": RandomTower,
}
_CALLS = ("progress", "cancel")  # functions are not kept


@dataclass(frozen=True, eq=False)
class Saved:
    """What a file holds besides the heads. learner: None where layers were given."""

    schema: FeatureSchema
    tower: tuple[Layer, ...]
    prior: npt.NDArray[np.float64]
    learner: GradientTower | RandomTower | None


def save(path: str | os.PathLike[str], heads: LinearTrainer, saved: Saved) -> None:
    """Writes a file that appears whole or not at all. Raises OSError."""
    target = Path(path)
    described = {
        "format": FORMAT,
        "schema": saved.schema.to_json(),
        "layers": [layer_json(layer) for layer in saved.tower],
        "prior": _packed(saved.prior.astype("<f8")),
        "learner": _learner(saved.learner),
    }
    plain = target.with_name(f".{target.name}.{os.getpid()}.heads")
    half = target.with_name(f".{target.name}.{os.getpid()}.tower")
    try:
        heads.save_state(plain)
        with pq.ParquetFile(plain) as file:
            metadata = {**(file.schema_arrow.metadata or {}), _KEY: json.dumps(described).encode()}
            schema = file.schema_arrow.with_metadata(metadata)
            with pq.ParquetWriter(half, schema, compression="zstd") as writer:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group).cast(schema))
        with half.open("rb") as written:
            os.fsync(written.fileno())
        half.replace(target)
    finally:
        plain.unlink(missing_ok=True)
        half.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> tuple[LinearTrainer, Saved]:
    """The heads, and what `save` wrote besides. Raises DataError that names the file, OSError."""
    heads = LinearTrainer.load_state(path)
    text = (pq.read_schema(path).metadata or {}).get(_KEY)
    if text is None:
        raise DataError(f"{path}: the state of a linear trainer: LinearTrainer.load_state reads it")
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise DataError(f"{path}: a tower of another format than {FORMAT}; train anew")
        schema = FeatureSchema.from_json(found["schema"])
        tower = check_tower([layer_of(entry) for entry in found["layers"]], schema.width)
        prior = _unpacked(found["prior"], "<f8").reshape(-1, heads.schema.width)
        learner = _known(found["learner"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError) and str(path) in str(error):
            raise
        raise DataError(f"{path}: missing or unusable entry of the tower: {error}") from None
    if (tower[-1].outputs if tower else 1) != heads.schema.width or not np.isfinite(prior).all():
        raise DataError(f"{path}: tower and heads do not fit each other; train anew")
    return heads, Saved(schema, tower, prior, learner)


def _packed(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def _unpacked(text: str, kind: str) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.frombuffer(base64.b64decode(text, validate=True), dtype=kind)
    return np.array(array)


def layer_json(layer: Layer) -> dict[str, object]:
    """A layer as JSON, exact to the bit."""
    return {
        "outputs": layer.outputs,
        "activation": layer.activation,
        "rows": layer.rows,
        "weights": _packed(layer.weights.astype("<f4")),
        "bias": _packed(layer.bias.astype("<f4")),
    }


def layer_of(described: Mapping[str, Any]) -> Layer:
    """The layer that `layer_json` described. Raises KeyError, TypeError, ValueError."""
    weights = _unpacked(described["weights"], "<f4").reshape(-1, described["outputs"])
    return Layer(
        weights, _unpacked(described["bias"], "<f4"), described["activation"], described["rows"]
    )


def _learner(learner: GradientTower | RandomTower | None) -> dict[str, object] | None:
    if learner is None:
        return None
    kind = next(name for name, cls in _LEARNERS.items() if isinstance(learner, cls))
    settings = {f.name: getattr(learner, f.name) for f in dataclasses.fields(learner)}
    return {"kind": kind, **{k: v for k, v in settings.items() if k not in _CALLS}}


def _known(described: Mapping[str, Any] | None) -> GradientTower | RandomTower | None:
    if described is None:
        return None
    settings = dict(described)
    return _LEARNERS[settings.pop("kind")](**settings)
