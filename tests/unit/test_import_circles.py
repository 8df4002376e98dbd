"""No part of these folders imports itself by a detour; imports for types and inside functions count."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _modules(folder: str) -> dict[str, Path]:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, f"no files in {folder}"
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}


def _imports(file: Path, known: set[str]) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found & known


@pytest.mark.parametrize(
    "folder", ["controller/health", "controller/model", "controller/plan", "topo/p4switch"]
)
def test_no_module_imports_itself_by_way_of_others(folder: str) -> None:
    modules = _modules(folder)
    graph = {name: _imports(file, modules.keys() - {name}) for name, file in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")
