"""Branches of the pure modules that tests reach, by package, with a floor: ``python -m tests.branches REPORT``.

REPORT is what ``coverage json`` wrote. The exit code is 1 if a package is below the floor; what is missing is printed.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLOOR = 0.95
"""Least share of the branches of each package."""
PACKAGE_DEPTH = 2
"""Folders that name a package: ``controller/plan``."""


@dataclass(frozen=True)
class Module:
    """What was reached of one file."""

    path: str
    branches: int
    reached: int
    missing: tuple[tuple[int, int], ...]
    """(line, line that the branch leads to; negative: out of the function) of the branches not reached."""

    @property
    def package(self) -> str:
        """Package that it counts for."""
        folders = self.path.split("/")[:-1]
        return "/".join(folders[:PACKAGE_DEPTH]) if len(folders) > 1 else self.path.partition("/")[0]


def modules(report: Mapping[str, Any]) -> list[Module]:
    """The files of a report of ``coverage json``. Raises KeyError if it was made without ``--branch``."""
    return [
        Module(
            path,
            entry["summary"]["num_branches"],
            entry["summary"]["covered_branches"],
            tuple((source, target) for source, target in entry["missing_branches"]),
        )
        for path, entry in report["files"].items()
    ]


def share(found: Iterable[Module]) -> float:
    """Share of branches reached; 1.0 where there are none."""
    every = list(found)
    branches = sum(each.branches for each in every)
    return sum(each.reached for each in every) / branches if branches else 1.0


def lines(found: Iterable[Module]) -> tuple[list[str], bool]:
    """What to print, and whether every package reaches the floor."""
    packages: dict[str, list[Module]] = defaultdict(list)
    for each in found:
        packages[each.package].append(each)
    out, good = [], True
    for package, members in sorted(packages.items()):
        below = share(members) < FLOOR
        good = good and not below
        count = sum(each.branches for each in members)
        out.append(
            f"{share(members):7.1%} of {count:5} branches  {package}{'  BELOW THE FLOOR' if below else ''}"
        )
        for each in sorted(members, key=share_of):
            if share_of(each) < FLOOR:
                where = ", ".join(str(line) for line in sorted({source for source, _ in each.missing}))
                out.append(f"{share_of(each):9.1%}  {each.path}: lines {where}")
    return out, good


def share_of(module: Module) -> float:
    """Share of branches reached of one file."""
    return share([module])


def main(arguments: list[str]) -> int:
    """Print what a report says; returns the exit code."""
    found = modules(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    if not found:
        print("the report names no file: nothing was measured", file=sys.stderr)
        return 1
    out, good = lines(found)
    print("\n".join(out))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
