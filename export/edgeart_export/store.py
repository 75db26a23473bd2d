# SPDX-License-Identifier: Apache-2.0
"""A trained model on disk: a folder with `model.json` and `model.npz`, readable without this code.

model.json  format, name, sequence, explorer (kind and parameters), schema (list of features),
            titles (title → artworks), meta; in format 2 also tower (a list of activation and rows
            of each layer), attributes, cells (name, share, explorer), salt.
model.npz   numpy arrays `weights` float32 [R, k], `bias` float32 [R] and, where the model has it,
            `variance` float32 [R, k]; rows in the order of titles. In format 2 also
            `tower_0_weights`, `tower_0_bias` and so on, `title_scale` float32 [titles], `masks`
            uint32 [R]. No pickle in it.

prior.json  where the trainer knows what to expect of new artworks: names of features, of titles.
prior.npz   its numpy arrays, float64: see `catalogue.ArtworkPrior`.

Format 1 is written where it can hold the model: no tower, attributes, cells or factors of titles.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .catalogue import PRIOR_FILES, ArtworkPrior, save_prior
from .errors import ExportError, ModelError
from .files import write_atomically
from .model import PolicyModel
from .model.cells import Cell
from .model.explorers import Explorer
from .model.tower import Layer
from .schema import FeatureSchema

FORMAT = 2


def save_model(
    model: PolicyModel, folder: str | os.PathLike[str], *, prior: ArtworkPrior | None = None
) -> Path:
    """Writes the model into `folder`, which is made where it is missing. Raises OSError.

    prior: what `catalogued` needs later; one of an earlier model does not stay.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name in PRIOR_FILES:
        (target / name).unlink(missing_ok=True)
    described: dict[str, object] = {
        "format": 1,
        "name": model.name,
        "sequence": model.sequence,
        "explorer": model.explorer.to_json(),
        "schema": model.schema.to_json(),
        "titles": model.titles,
        "meta": model.meta,
    }
    arrays: dict[str, npt.ArrayLike] = {"weights": model.weights, "bias": model.bias}
    for name in ("variance", "title_scale", "masks"):
        if (array := getattr(model, name)) is not None:
            arrays[name] = array
    for i, layer in enumerate(model.tower):
        arrays |= {f"tower_{i}_weights": layer.weights, f"tower_{i}_bias": layer.bias}
    later = {
        "tower": [{"activation": x.activation, "rows": x.rows} for x in model.tower],
        "attributes": list(model.attributes),
        "cells": [
            {"name": cell.name, "share": cell.share, "explorer": cell.explorer.to_json()}
            for cell in model.cells
        ],
        "salt": model.salt,
    }
    if any(later.values()) or {"title_scale", "masks"} & arrays.keys():
        described |= {"format": FORMAT, **later}
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    write_atomically(target / "model.npz", packed.getvalue())
    text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
    write_atomically(target / "model.json", text.encode())
    if prior is not None:
        save_prior(prior, target)
    return target


def load_model(folder: str | os.PathLike[str]) -> PolicyModel:
    """The model that `save_model` wrote. Raises ModelError that names the file and the fault."""
    source = Path(folder)
    try:
        described = json.loads((source / "model.json").read_bytes())
        packed = io.BytesIO((source / "model.npz").read_bytes())
        with np.load(packed, allow_pickle=False) as arrays:
            loaded = {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as error:
        raise ModelError(
            f"{error.filename} is missing; a model is a folder that `edgeart-export train` wrote"
        ) from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{source}: model.json or model.npz cannot be read: {error}") from None
    if not isinstance(described, dict) or described.get("format") not in range(1, FORMAT + 1):
        raise ModelError(f"{source / 'model.json'}: not a model of format 1 or {FORMAT}")
    try:
        return PolicyModel(
            name=described["name"],
            sequence=described["sequence"],
            schema=FeatureSchema.from_json(described["schema"]),
            titles=described["titles"],
            weights=loaded["weights"],
            bias=loaded["bias"],
            variance=loaded.get("variance"),
            explorer=Explorer.from_json(described["explorer"]),
            meta=described["meta"],
            **(_later(described, loaded) if described["format"] > 1 else {}),
        )
    except (KeyError, TypeError) as error:
        raise ModelError(f"{source}: missing or unusable entry {error}") from None
    except ExportError as error:
        raise ModelError(f"{source}: {error}") from None


def _later(described: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """What a model of format 2 has besides."""
    return {
        "tower": [
            Layer(
                arrays[f"tower_{i}_weights"],
                arrays[f"tower_{i}_bias"],
                activation=layer["activation"],
                rows=layer["rows"],
            )
            for i, layer in enumerate(described["tower"])
        ],
        "attributes": described["attributes"],
        "cells": [
            Cell(cell["name"], cell["share"], Explorer.from_json(cell["explorer"]))
            for cell in described["cells"]
        ],
        "salt": described["salt"],
        "title_scale": arrays.get("title_scale"),
        "masks": arrays.get("masks"),
    }
