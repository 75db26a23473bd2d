# SPDX-License-Identifier: Apache-2.0
"""A trained model on disk: a folder with `model.json` and `model.npz`, readable without this code.

model.json  format (1), name, sequence, explorer (kind and parameters), schema (list of features),
            titles (title → artworks), meta.
model.npz   numpy arrays `weights` float32 [R, width], `bias` float32 [R] and, where the model has
            it, `variance` float32 [R, width]; rows in the order of titles. No pickle in it.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from .bundle import write_atomically
from .errors import ExportError, ModelError
from .explorers import KINDS
from .model import PolicyModel
from .schema import FeatureSchema

FORMAT = 1


def save_model(model: PolicyModel, folder: str | os.PathLike[str]) -> Path:
    """Writes the model into `folder`, which is made where it is missing. Raises OSError."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    described = {
        "format": FORMAT,
        "name": model.name,
        "sequence": model.sequence,
        "explorer": {
            "kind": model.explorer.kind,
            "floor": model.explorer.floor,
            **model.explorer.parameters,
        },
        "schema": model.schema.to_json(),
        "titles": model.titles,
        "meta": model.meta,
    }
    arrays = {"weights": model.weights, "bias": model.bias}
    if model.variance is not None:
        arrays["variance"] = model.variance
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    write_atomically(target / "model.npz", packed.getvalue())
    text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
    write_atomically(target / "model.json", text.encode())
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
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise ModelError(f"{source / 'model.json'}: not a model of format {FORMAT}")
    try:
        explorer = dict(described["explorer"])
        return PolicyModel(
            name=described["name"],
            sequence=described["sequence"],
            schema=FeatureSchema.from_json(described["schema"]),
            titles=described["titles"],
            weights=loaded["weights"],
            bias=loaded["bias"],
            variance=loaded.get("variance"),
            explorer=KINDS[explorer.pop("kind")](**explorer),
            meta=described["meta"],
        )
    except (KeyError, TypeError) as error:
        raise ModelError(f"{source}: missing or unusable entry {error}") from None
    except ExportError as error:
        raise ModelError(f"{source}: {error}") from None
