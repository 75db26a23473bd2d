# SPDX-License-Identifier: Apache-2.0
"""Nothing that learns, attributes or estimates can import what the simulation knows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "export" / "edgeart_export"
SIMULATION = "edgeart_export.simulate"

# Of the demonstration, these face the simulated audience; all others of it learn or estimate.
FACING = {
    f"edgeart_export.demo.{name}"
    for name in (
        *("__main__", "week", "days", "circle", "direct", "values", "homes", "report"),
        *("artwork", "colours"),
    )
}
LEARNING = (
    "edgeart_export.demo.learning",
    "edgeart_export.demo.estimates",
    "edgeart_export.exposures",
    "edgeart_export.demo.reward",
    "edgeart_export.trainers",
    "edgeart_export.attribution",
    "edgeart_export.evaluate",
    "edgeart_export.evaluate.reward_models",
    "edgeart_export.bundle",
    "edgeart_export.onnx",
)


def modules() -> dict[str, Path]:
    """Every module of the two packages, by its full name."""
    found = {}
    for root, top in ((ROOT / "export", SERVER), (ROOT, ROOT / "edgeart")):
        for path in top.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(name: str) -> set[str]:
    """The modules of the two packages that a module imports anywhere in it, parents included."""
    path = MODULES[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute | ast.Name)
            and "import" in ast.unparse(node.func)
        ):
            found.update(
                text.value
                for text in ast.walk(node)
                if isinstance(text, ast.Constant) and isinstance(text.value, str)
            )
    parents = {".".join(n.split(".")[:i]) for n in found for i in range(1, n.count(".") + 1)}
    return {n for n in found | parents if n in MODULES}


def reached(name: str) -> set[str]:
    """What a module imports, directly or through others."""
    seen, todo = set[str](), [name]
    while todo:
        for module in imported(todo.pop()) - seen:
            seen.add(module)
            todo.append(module)
    return seen


def may_know(name: str) -> bool:
    return name == SIMULATION or name.startswith(f"{SIMULATION}.") or name in FACING


@pytest.mark.parametrize("name", sorted(n for n in MODULES if not may_know(n)))
def test_only_the_simulation_and_the_demonstration_import_the_simulation(name: str) -> None:
    assert not {n for n in imported(name) if n.startswith(SIMULATION)}


@pytest.mark.parametrize("name", LEARNING)
def test_what_learns_and_estimates_does_not_reach_the_truth_through_others(name: str) -> None:
    assert name in MODULES
    assert not {n for n in reached(name) if n.startswith(SIMULATION)}


def test_the_walk_sees_the_imports_it_is_there_to_see() -> None:
    assert f"{SIMULATION}.truth" in imported("edgeart_export.demo.week")
    assert f"{SIMULATION}.truth" in reached("edgeart_export.demo.days")
    assert "edgeart_export.errors" in reached("edgeart_export.demo.learning")
    assert f"{SIMULATION}.truth" in MODULES
