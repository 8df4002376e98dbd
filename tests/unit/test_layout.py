"""Which part may import which: OpenFlow and P4 know nothing of each other, what they share is the planner's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
P4_PARTS = ("p4src", "controller/plan/p4*.py", "controller/core/p4_*.py", "controller/southbound/p4")
"""All code that is P4's alone."""
OPENFLOW_PARTS = (
    "flows",
    "controller/plan/zones.py",
    "controller/plan/flowplan.py",
    "controller/southbound/openflow",
)
NEUTRAL_PARTS = ("controller/spec", "controller/plan/duty.py", "controller/plan/heldpins.py")


def _files(part: str) -> list[Path]:
    found = sorted((ROOT / part).rglob("*.py")) if "." not in part else sorted(ROOT.glob(part))
    assert found, f"no files in {part}"
    return found


def _imported(file: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import, also of those inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            yield node.lineno, node.module or ""


@pytest.mark.parametrize(
    ("parts", "barred"),
    [(P4_PARTS, {"flows"}), (OPENFLOW_PARTS, {"p4src"}), (NEUTRAL_PARTS, {"flows", "p4src"})],
    ids=["p4", "openflow", "neutral"],
)
def test_no_protocol_imports_the_other_and_what_they_share_neither(
    parts: tuple[str, ...], barred: set[str]
) -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {module}"
        for part in parts
        for file in _files(part)
        for line, module in _imported(file)
        if module.split(".")[0] in barred
    ]
    assert not wrong, "\n".join(wrong)
