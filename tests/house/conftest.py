# SPDX-License-Identifier: Apache-2.0
"""Builds both distributions once, from a copy of the sources, without the network."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = shutil.ignore_patterns(
    "*.so", "*.egg-info", "__pycache__", "build", "dist", "_native.c", "_statistics.c"
)
BUILD = "import sys; from setuptools import build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"


@dataclass(frozen=True)
class Built:
    """The files of one distribution's build."""

    sdist: Path
    wheel: Path


def build(kind: str, folder: Path, out: Path) -> Path:
    """The one file that the build backend's `kind` leaves in `out`."""
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, str(out)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{kind} of {folder.name} failed:\n{done.stdout}\n{done.stderr}"
    (file,) = out.iterdir()
    return file


def built(folder: Path, out: Path) -> Built:
    """The source distribution of a folder, and the wheel built from what it unpacks to."""
    sdist = build("build_sdist", folder, out / "sdist")
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(out / "unpacked", filter="data")
        else:
            archive.extractall(out / "unpacked")  # noqa: S202 - our own archive, older Pythons
    (unpacked,) = (out / "unpacked").iterdir()
    return Built(sdist, build("build_wheel", unpacked, out / "wheel"))


@pytest.fixture(scope="session")
def device(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Distribution edgeart."""
    out = tmp_path_factory.mktemp("device")
    source = out / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, source)
    shutil.copy(ROOT / "LICENSE", source)
    for name in ("edgeart", "native", "export", "tests"):  # the last two must stay out of it
        shutil.copytree(ROOT / name, source / name, ignore=BUILT)
    return built(source, out)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Distribution edgeart-export."""
    out = tmp_path_factory.mktemp("server")
    shutil.copytree(ROOT / "export", out / "source", ignore=BUILT)
    return built(out / "source", out)
