# SPDX-License-Identifier: Apache-2.0
"""The committed vectors are those that the generator writes."""

from __future__ import annotations

import base64
import json

import pytest

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
