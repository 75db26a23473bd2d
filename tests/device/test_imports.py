# SPDX-License-Identifier: Apache-2.0
"""What `import edgeart` loads, and what it says where it cannot work."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edgeart

PACKAGE = Path(edgeart.__file__).parent
HEAVY = {"argparse", "collections", "datetime", "enum", "functools", "inspect", "json", "logging",
         "mmap", "msgpack", "numpy", "pathlib", "re", "struct", "typing", "cffi"}  # fmt: skip


def run(code: str, *, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A fresh Python without site-packages' start-up files, which import what they like."""
    setup = f"import sys; sys.path[:0] = {[str(folder or PACKAGE.parent), *sys.path]!r}\n"
    return subprocess.run(
        [sys.executable, "-S", "-c", setup + code], capture_output=True, text=True, check=False
    )


def test_the_import_loads_nothing_that_a_decision_does_not_need() -> None:
    result = run(
        "before = set(sys.modules); import edgeart; print(sorted(set(sys.modules) - before))"
    )
    assert result.returncode == 0, result.stderr
    loaded = {name.split(".")[0] for name in eval(result.stdout)}  # noqa: S307 - our own repr
    assert "edgeart" in loaded
    assert not loaded & HEAVY


def test_a_decision_from_packed_bytes_loads_nothing_more(tmp_path: Path) -> None:
    from tests.support.bundles import bundle

    (tmp_path / "policy").write_bytes(bundle())
    result = run(
        "import edgeart\n"
        "before = set(sys.modules)\n"
        f"policy = edgeart.Policy.open({str(tmp_path / 'policy')!r})\n"
        "context = policy.context(b'\\x80', seed=1)\n"
        "assert policy.select(context, 'title-3').artwork\n"
        "assert policy.select_page(context, ['title-3'])[0].propensity\n"
        "print(sorted(set(sys.modules) - before))"
    )
    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr


def test_a_folder_without_the_compiled_module_names_the_fix(tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    shutil.copytree(
        PACKAGE, copy / "edgeart", ignore=shutil.ignore_patterns("_native*.so", "*.pyd")
    )
    result = run("import edgeart", folder=copy)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: edgeart._native")
    assert "pip install -e ." in last


def test_lazy_names_are_there_and_others_are_not() -> None:
    for name in edgeart.__all__:
        assert getattr(edgeart, name).__name__ == name
    assert set(edgeart.__all__) < set(dir(edgeart))
    assert edgeart.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'Polizy'"):
        _ = edgeart.Polizy


def test_the_module_runs_as_a_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "edgeart", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout == f"edgeart {edgeart.__version__}\n"
    assert result.stderr == ""
