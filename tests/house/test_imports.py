# SPDX-License-Identifier: Apache-2.0
"""Imports run one way, and the device package imports nothing a device does not have."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import edgeart

ROOT = Path(__file__).resolve().parents[2]
DEVICE = sorted((ROOT / "edgeart").rglob("*.py"))
SERVER = sorted((ROOT / "export" / "edgeart_export").rglob("*.py"))
ORACLE = sorted((ROOT / "tests" / "reference").rglob("*.py"))

DEPENDENCIES = {"msgpack", "cffi", "_cffi_backend"}
# Modules that may name what an extra brings, inside the functions that need it.
EXTRAS = {"edgeart/onnx.py": {"onnxruntime", "numpy"}, "edgeart/sync": {"tuf", "securesystemslib"}}
HOLDERS_OF_THE_COMPILED_MODULE = {"edgeart/policy.py", "edgeart/events.py"}
# What a module may import of its own package; one that is not named here may import all of it.
LAYERS = {
    "edgeart/errors.py": set[str](),
    "edgeart/types.py": {"edgeart.errors"},
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


class WithoutTypes(ast.NodeTransformer):
    """Leaves out `if TYPE_CHECKING:`, which only type checkers enter."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse
        return self.generic_visit(node)


def imported(path: Path) -> set[str]:
    """Every module a file imports when it runs, anywhere in it, by its full name."""
    package = path.parent
    above = [package.name]
    while (package.parent / "__init__.py").exists():
        package = package.parent
        above.insert(0, package.name)
    found: set[str] = set()
    tree = WithoutTypes().visit(ast.parse(path.read_text(encoding="utf-8")))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = above[: len(above) + 1 - node.level] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            found.add(module)
            # `from edgeart import _native` imports a module by another spelling.
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def tops(modules: set[str]) -> set[str]:
    return {module.split(".", 1)[0] for module in modules}


@pytest.mark.parametrize("path", DEVICE, ids=name_of)
def test_the_device_package_imports_only_what_it_declares(path: Path) -> None:
    allowed = set(sys.stdlib_module_names) | DEPENDENCIES | {"edgeart"}
    for place, extra in EXTRAS.items():
        if name_of(path).startswith(place):
            allowed |= extra
    assert tops(imported(path)) <= allowed


@pytest.mark.parametrize("path", DEVICE, ids=name_of)
def test_only_policy_and_events_import_the_compiled_module(path: Path) -> None:
    if name_of(path) not in HOLDERS_OF_THE_COMPILED_MODULE:
        assert "edgeart._native" not in imported(path)


@pytest.mark.parametrize("name", LAYERS)
def test_the_lowest_modules_import_nothing_above_them(name: str) -> None:
    own = {module for module in imported(ROOT / name) if module.split(".", 1)[0] == "edgeart"}
    assert own <= LAYERS[name]


@pytest.mark.parametrize("path", SERVER, ids=name_of)
def test_the_server_package_uses_public_names_of_edgeart_only(path: Path) -> None:
    public = {"edgeart", "edgeart.errors", "edgeart.types"}
    for module in imported(path):
        if module.split(".", 1)[0] != "edgeart":
            continue
        parent, _, last = module.rpartition(".")
        assert module in public or (parent in public and not last.startswith("_")), module
        if parent == "edgeart" and module not in public:
            assert last in edgeart.__all__, module


@pytest.mark.parametrize("path", ORACLE, ids=name_of)
def test_the_oracle_shares_no_code_with_what_it_judges(path: Path) -> None:
    assert not tops(imported(path)) & {"edgeart", "edgeart_export", "numpy", "msgpack"}


def test_there_is_something_to_look_at() -> None:
    assert min(len(DEVICE), len(SERVER), len(ORACLE)) > 3
