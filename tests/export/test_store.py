# SPDX-License-Identifier: Apache-2.0
"""A saved model comes back as it was, and a damaged one is refused with its file's name."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from edgeart_export import ModelError, PolicyModel, Thompson, bundle_bytes, load_model, save_model


def test_a_saved_model_comes_back_whole(model: PolicyModel, tmp_path: Path) -> None:
    variance = np.abs(model.weights) + np.float32(0.5)
    saved = dataclasses.replace(model, variance=variance)
    folder = save_model(saved, tmp_path / "new" / "model")
    loaded = load_model(folder)
    assert bundle_bytes(loaded) == bundle_bytes(saved)
    assert loaded.variance is not None
    assert np.array_equal(loaded.variance, variance)
    assert load_model(save_model(model, tmp_path / "plain")).variance is None


def test_a_model_of_format_2_comes_back_whole(rich: PolicyModel, tmp_path: Path) -> None:
    folder = save_model(rich, tmp_path)
    assert json.loads((folder / "model.json").read_text())["format"] == 2
    loaded = load_model(folder)
    assert bundle_bytes(loaded) == bundle_bytes(rich)
    assert [layer.rows for layer in loaded.tower] == [None, "f32", None]
    assert loaded.cells == rich.cells


def test_what_format_1_can_hold_is_saved_as_format_1(model: PolicyModel, tmp_path: Path) -> None:
    uncertain = dataclasses.replace(
        model, variance=np.ones(model.weights.shape), explorer=Thompson(0.5)
    )
    folder = save_model(uncertain, tmp_path)
    assert json.loads((folder / "model.json").read_text())["format"] == 1
    assert load_model(folder).explorer == Thompson(0.5)


def test_a_missing_layer_is_named(rich: PolicyModel, tmp_path: Path) -> None:
    folder = save_model(rich, tmp_path)
    described = json.loads((folder / "model.json").read_text())
    described["tower"].append({"activation": "relu", "rows": None})
    (folder / "model.json").write_text(json.dumps(described))
    with pytest.raises(ModelError, match="missing or unusable entry 'tower_3_weights'"):
        load_model(folder)


def test_a_missing_file_is_named(model: PolicyModel, tmp_path: Path) -> None:
    folder = save_model(model, tmp_path)
    (folder / "model.npz").unlink()
    with pytest.raises(ModelError, match=r"model\.npz is missing; a model is a folder"):
        load_model(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.json", b"{", "cannot be read"),
        ("model.json", b"[]", "not a model of format 1 or 2"),
        ("model.json", b'{"format": 3}', "not a model of format 1 or 2"),
        ("model.json", b'{"format": 1}', "missing or unusable entry 'name'"),
        ("model.npz", b"", "cannot be read"),
        ("model.npz", b"PK\x03\x04 and no more", "cannot be read"),
    ],
)
def test_a_damaged_file_is_refused(
    model: PolicyModel, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    folder = save_model(model, tmp_path)
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


def test_a_pickle_is_never_loaded(model: PolicyModel, tmp_path: Path) -> None:
    folder = save_model(model, tmp_path)
    np.savez(folder / "model.npz", weights=np.array([object()]), bias=np.zeros(1))
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(folder)


def test_a_model_whose_parts_disagree_is_refused(model: PolicyModel, tmp_path: Path) -> None:
    folder = save_model(model, tmp_path)
    described = json.loads((folder / "model.json").read_text())
    described["titles"].pop("title-3")
    (folder / "model.json").write_text(json.dumps(described))
    with pytest.raises(ModelError, match="weights has shape"):
        load_model(folder)
