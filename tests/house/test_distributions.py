# SPDX-License-Identifier: Apache-2.0
"""What the two distributions carry, and what the compiled module shows to the outside."""

from __future__ import annotations

import email
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from email.message import Message

    from tests.house.conftest import Built

ROOT = Path(__file__).resolve().parents[2]
MODULE_BYTES = 128_000


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def wheel_metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def sdist_names(sdist: Path) -> list[str]:
    """Files without the folder that holds them all."""
    with tarfile.open(sdist) as archive:
        files = [PurePosixPath(m.name) for m in archive.getmembers() if m.isfile()]
    return [str(PurePosixPath(*path.parts[1:])) for path in files]


def compiled(device: Built, folder: Path) -> Path:
    with zipfile.ZipFile(device.wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith((".so", ".pyd")))
        return Path(archive.extract(name, folder))


def test_one_device_wheel_serves_python_3_10_and_all_later(device: Built) -> None:
    assert re.fullmatch(r"edgeart-[^-]+-cp310-abi3-[^-]+\.whl", device.wheel.name)
    suffix = ".pyd" if sys.platform == "win32" else ".abi3.so"
    assert f"edgeart/_native{suffix}" in names(device.wheel)


def test_the_device_wheel_holds_the_package_and_nothing_else(device: Built) -> None:
    held = names(device.wheel)
    outside = [n for n in held if not re.match(r"edgeart(/|-[^/]+\.dist-info/)", n)]
    assert outside == []
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "edgeart").rglob("*.py")
        if "__pycache__" not in path.parts
    }
    inside = {n for n in held if n.endswith(".py")}
    assert inside == sources, "packages in pyproject.toml and folders of edgeart/ differ"
    assert "edgeart/py.typed" in held
    kinds = {PurePosixPath(n).suffix for n in held if n.startswith("edgeart/")}
    assert kinds <= {".py", ".typed", ".so", ".pyd", ".pyi"}


def test_one_server_wheel_serves_python_3_10_and_all_later(server: Built) -> None:
    assert re.fullmatch(r"edgeart_export-[^-]+-cp310-abi3-[^-]+\.whl", server.wheel.name)
    suffix = ".pyd" if sys.platform == "win32" else ".abi3.so"
    held = [n for n in names(server.wheel) if n.endswith((".so", ".pyd"))]
    assert held == [f"edgeart_export/_statistics{suffix}"]


def test_the_server_wheel_holds_the_package_and_nothing_else(server: Built) -> None:
    held = names(server.wheel)
    outside = [n for n in held if not re.match(r"edgeart_export(/|-[^/]+\.dist-info/)", n)]
    assert outside == []
    sources = {
        path.relative_to(ROOT / "export").as_posix()
        for path in (ROOT / "export" / "edgeart_export").rglob("*.py")
        if "__pycache__" not in path.parts
    }
    inside = {n for n in held if n.endswith(".py")}
    assert inside == sources, "packages in export/pyproject.toml and folders differ"
    assert "edgeart_export/py.typed" in held


def test_the_device_asks_for_cffi_and_msgpack_alone(device: Built) -> None:
    required = [
        re.split(r"[^\w-]", line, maxsplit=1)[0]
        for line in wheel_metadata(device.wheel).get_all("Requires-Dist", [])
        if "extra ==" not in line
    ]
    assert sorted(required) == ["cffi", "msgpack"]


def test_both_have_one_version_and_the_server_asks_for_exactly_it(
    device: Built, server: Built
) -> None:
    version = wheel_metadata(device.wheel)["Version"]
    described = wheel_metadata(server.wheel)
    assert described["Version"] == version
    assert f"edgeart=={version}" in described.get_all("Requires-Dist", [])


@pytest.mark.parametrize("distribution", ["device", "server"])
def test_the_licence_is_named_as_spdx(distribution: str, request: pytest.FixtureRequest) -> None:
    wheel = request.getfixturevalue(distribution).wheel
    assert wheel_metadata(wheel)["License-Expression"] == "Apache-2.0"


def test_the_device_wheel_carries_the_licence_text(device: Built) -> None:
    with zipfile.ZipFile(device.wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("licenses/LICENSE"))
        assert archive.read(name) == (ROOT / "LICENSE").read_bytes()


def test_the_source_distribution_holds_what_the_wheel_needs_and_no_server(device: Built) -> None:
    held = sdist_names(device.sdist)
    for path in [*(ROOT / "native" / "src").iterdir(), ROOT / "native/include/edgeart.h"]:
        if path.suffix in {".c", ".h"}:
            assert path.relative_to(ROOT).as_posix() in held
    assert "LICENSE" in held
    tops = {PurePosixPath(n).parts[0] for n in held if "/" in n}
    assert tops == {"edgeart", "edgeart.egg-info", "native"}


def test_the_compiled_module_stays_within_its_size(device: Built, tmp_path: Path) -> None:
    assert compiled(device, tmp_path).stat().st_size <= MODULE_BYTES


@pytest.mark.skipif(sys.platform != "linux", reason="nm reads Linux's shared objects")
@pytest.mark.skipif(shutil.which("nm") is None, reason="nm (binutils) is not installed")
def test_the_compiled_module_exports_its_init_function_alone(device: Built, tmp_path: Path) -> None:
    module = compiled(device, tmp_path)
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", "--format=posix", str(module)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [line.split()[0] for line in listing.splitlines()] == ["PyInit__native"]
