# SPDX-License-Identifier: Apache-2.0
"""The committed vectors are those that the generator writes."""

from __future__ import annotations

import base64
import json

import pytest

from tests.reference.bundle import open_bundle
from tests.reference.features import EXPLORERS
from tests.reference.generate import FILES, FOLDER, render
from tests.reference.generate_hostile import hostile_cases, unpatch


@pytest.mark.parametrize("name", FILES)
def test_a_committed_file_is_what_the_generator_writes(name: str) -> None:
    committed = (FOLDER / name).read_text(encoding="utf-8")
    assert committed == render(FILES[name]()), "run `python -m tests.reference.generate`"


def test_all_files_together_are_small() -> None:
    assert sum((FOLDER / name).stat().st_size for name in FILES) < 2_000_000


def test_a_patch_gives_back_the_damaged_bundle() -> None:
    content = json.loads((FOLDER / "hostile.json").read_text(encoding="utf-8"))
    bases = [base64.b64decode(base) for base in content["bases"]]
    cases = hostile_cases()
    assert len(cases) == len(content["cases"]) >= 150
    for case, patch in zip(cases, content["cases"], strict=True):
        assert unpatch(bases, patch) == case.data, case.name


def test_the_policies_of_format_2_have_everything_it_adds() -> None:
    content = json.loads((FOLDER / "policy2.json").read_text(encoding="utf-8"))
    bundles = [open_bundle(base64.b64decode(each["bundle"])) for each in content["policies"]]
    layers = {(layer.activation, layer.rows) for bundle in bundles for layer in bundle.tower}
    assert layers == {(a, rows) for a in ("identity", "relu", "tanh") for rows in ("f32", "i8")}
    assert {len(bundle.tower) for bundle in bundles} >= {0, 1, 2, 3}
    assert {bundle.variance for bundle in bundles} == {"none", "e5m3"}
    kinds = {bundle.explorer.kind for bundle in bundles}
    kinds |= {cell.explorer.kind for bundle in bundles for cell in bundle.cells.cells}
    assert kinds == set(EXPLORERS)
    assert any(title.factor != 1 for bundle in bundles for title in bundle.titles)
    assert any(len(bundle.attributes) > 1 and any(bundle.masks) for bundle in bundles)
    cells = {case["cell"] for each in content["policies"] for case in each["contexts"]}
    assert len(cells) >= 3
