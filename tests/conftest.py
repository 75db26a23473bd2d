# SPDX-License-Identifier: Apache-2.0
"""Settings of the whole suite: where `edgeart` comes from, and how hypothesis searches."""

from __future__ import annotations

import importlib.util
import os
import sysconfig
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("local", deadline=None)
# The same examples in every run: a failure in CI is then a failure of the change at hand.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "local")

SERVER_PACKAGES = ("edgeart_export", "numpy", "onnx", "onnxruntime", "pyarrow")


def location() -> Path:
    """The folder from which `edgeart` is imported.

    Raises:
        pytest.UsageError: there is none.
    """
    spec = importlib.util.find_spec("edgeart")
    if spec is None or spec.origin is None:
        message = "edgeart cannot be imported: run `make test`, or `pip install -e .` first"
        raise pytest.UsageError(message)
    return Path(spec.origin).resolve().parent


def pytest_report_header() -> str:
    return f"edgeart: {location()}"


def pytest_sessionstart() -> None:
    """With EDGEART_TESTED=wheel, refuses to test anything but an installed device wheel."""
    if os.environ.get("EDGEART_TESTED") != "wheel":
        return
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    if location().parent not in installed:
        message = f"meant to test the installed wheel, but edgeart comes from {location()}"
        raise pytest.UsageError(message)
    present = [name for name in SERVER_PACKAGES if importlib.util.find_spec(name)]
    if present:
        message = f"meant to test the device wheel alone, but there is also {', '.join(present)}"
        raise pytest.UsageError(message)
