"""The floor of branches: counted by package, and one that is below it is named with its lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.branches import lines, main, modules


def _file(branches: int, missing: list[list[int]]) -> dict[str, Any]:
    summary = {"num_branches": branches, "covered_branches": branches - len(missing)}
    return {"summary": summary, "missing_branches": missing}


GOOD = {
    "files": {
        "flows/a.py": _file(40, [[3, 5]]),
        "flows/stages/b.py": _file(0, []),
        "flows/c.py": _file(4, []),
    }
}
BAD = {"files": {**GOOD["files"], "controller/plan/d.py": _file(10, [[9, -7], [9, 12], [2, 3]])}}


def test_a_package_is_judged_as_a_whole() -> None:
    assert lines(modules(GOOD)) == (
        [
            "  97.7% of    44 branches  flows",
            " 100.0% of     0 branches  flows/stages",
        ],
        True,
    )


def test_a_package_below_the_floor_is_named_with_its_lines() -> None:
    out, good = lines(modules(BAD))
    assert not good
    assert out[:2] == [
        "  70.0% of    10 branches  controller/plan  BELOW THE FLOOR",
        "    70.0%  controller/plan/d.py: lines 2, 9",
    ]


@pytest.mark.parametrize(("report", "code"), [(GOOD, 0), (BAD, 1), ({"files": {}}, 1)])
def test_the_exit_code_says_whether_the_floor_is_reached(
    report: dict[str, Any], code: int, tmp_path: Path
) -> None:
    file = tmp_path / "coverage.json"
    file.write_text(json.dumps(report))
    assert main([str(file)]) == code
