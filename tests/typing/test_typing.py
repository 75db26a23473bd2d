# SPDX-License-Identifier: Apache-2.0
"""What type checkers see of the packages is what they promise."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
@pytest.mark.parametrize("file", ["device_api.py"])
def test_mypy_agrees_with_every_promise(file: str, tmp_path: Path) -> None:
    """Also that the file is strict enough to fail: a promise turned round must be an error."""
    good = (HERE / file).read_text(encoding="utf-8")
    wrong = good + "\nassert_type(decision.propensity, int)\n"
    for text, status in ((good, 0), (wrong, 1)):
        copy = tmp_path / file
        copy.write_text(text, encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--follow-imports=silent",
             "--python-version=3.11", str(copy)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == status, result.stdout + result.stderr
