"""The floors of the tree: what may import what. Imports for types and inside functions count.

A new module of a listed package stands on the package's floor. A new package, and one that needs another floor below
it, is a row of ``FLOORS``; CONTRIBUTING.md says the same in words.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
_IMPORTERS = ("import_module", "importlib.import_module")
TREES = ("controller", "flows", "p4src", "topo", "tests")


@dataclass(frozen=True)
class Floor:
    """Modules that may import each other and those of the floors below that they name."""

    name: str
    parts: tuple[str, ...]
    """Packages and modules; of two that hold a module, the longer name counts."""
    below: tuple[str, ...]
    """Names of floors."""


PLAN = ("spec", "hashes", "model", "health", "plan")
SOUTHBOUND = ("spec", "frames", *PLAN, "southbound")
RULES = (*SOUTHBOUND, "clock", "tracing", "sites", "p4src", "rules")
EXIT = (*RULES, "security", "core", "messages", "observations", "exit")
EXITS = tuple(f"exit {name}" for name in ("names", "routes", "tier", "xds"))
"""No one of them knows another one."""
FLOORS = (
    Floor("spec", ("controller.spec",), ()),
    Floor("clock", ("controller.clock",), ()),
    Floor("tracing", ("controller.tracing",), ("spec",)),
    Floor("flows", ("flows",), ("spec",)),
    Floor("p4src", ("p4src",), ("spec",)),
    Floor(
        "hashes",
        (
            *("controller.maglev", "controller.maglev_reference"),
            *("controller.dp_hash", "controller.ovs_hash", "controller.hashes"),
        ),
        ("spec", "p4src"),
    ),
    Floor("frames", ("controller.frames",), ("spec",)),
    Floor("model", ("controller.model",), ("spec", "clock", "flows", "p4src")),
    Floor("security", ("controller.security",), ("spec", "clock", "model")),
    Floor("health", ("controller.health",), ("spec", "clock", "model")),
    Floor(
        "observations",
        ("controller.metrics.observations", "controller.metrics.histogram"),
        ("spec", "health"),
    ),
    Floor("plan", ("controller.plan",), ("spec", "hashes", "model", "health")),
    Floor("plan of OpenFlow", ("controller.plan.flowplan", "controller.plan.zones"), (*PLAN, "flows")),
    Floor("plan of P4", ("controller.plan.p4plan", "controller.plan.p4needs"), (*PLAN, "p4src")),
    Floor("places", ("controller.plan.places",), (*PLAN, "flows", "p4src")),
    Floor(
        "decision",
        ("controller.decision", "controller.lbstate", "controller.explain", "controller.tuples"),
        ("spec", "hashes", "plan"),
    ),
    Floor("sites", ("controller.sites",), ("spec", "clock", "frames", "plan", "security")),
    Floor("southbound", ("controller.southbound",), ("spec", "plan")),
    Floor("OVSDB", ("controller.southbound.ovsdb",), ("spec", "southbound")),
    Floor(
        "OpenFlow",
        ("controller.southbound.openflow",),
        (*SOUTHBOUND, "flows", "plan of OpenFlow", "OVSDB"),
    ),
    Floor("P4Runtime", ("controller.southbound.p4",), (*SOUTHBOUND, "p4src", "plan of P4")),
    Floor(
        "rules",
        tuple(
            f"controller.core.{name}"
            for name in (
                "agentevents", "agentview", "agentwords", "ahead", "cells", "conflicts", "differing", "directory",
                "discoveryevents",
                "events", "eventtypes", "eventwords", "fitting", "intents", "journal", "judging", "liveness",
                "nameevents", "nameserverevents",
                "ownership", "pauses", "pinning", "placing", "pools", "presence", "probeplaces", "probing",
                "questions", "recorder", "requests", "resources", "roll", "routeevents", "schedulers", "servers",
                "state", "statusfile", "storedcells",
                "switchevents", "targets", "telling", "terms", "tierevents", "tuning", "twins", "vipevents",
                "weightevents",
            )
        ),
        (*SOUTHBOUND, "clock", "tracing", "sites", "p4src", "plan of P4", "places"),
    ),
    Floor(
        "fleet",
        (
            "controller.core.audits",
            "controller.core.deadlines",
            "controller.core.fleet",
            "controller.core.holding",
            "controller.core.returning",
            "controller.core.switchtask",
            "controller.core.timers",
            "controller.core.watcher",
        ),
        RULES,
    ),
    Floor(
        "reports of OpenFlow",
        (
            *("controller.core.openflow_reports", "controller.core.openflow_fragments", "controller.core.trial"),
            *("controller.core.conntrack",),
        ),
        (*SOUTHBOUND, "clock", "rules", "fleet", "flows", "plan of OpenFlow", "OpenFlow", "OVSDB"),
    ),
    Floor(
        "reports of P4",
        ("controller.core.p4_reports", "controller.core.hello"),
        (*RULES, "fleet", "plan of P4", "P4Runtime"),
    ),
    Floor(
        "core",
        ("controller.core",),
        (
            *RULES, "security", "fleet", "reports of OpenFlow", "reports of P4", "OpenFlow", "OVSDB", "P4Runtime",
            "flows", "plan of OpenFlow", "plan of P4", "places", "decision",
        ),
    ),
    Floor("messages", ("controller.api.v1",), ()),
    Floor("exit", ("controller.exits.base",), (*RULES, "core")),
    *(Floor(name, (f"controller.exits.{name.removeprefix('exit ')}",), EXIT) for name in EXITS),
    Floor("exits", ("controller.exits",), (*EXIT, *EXITS)),
    Floor("client", ("controller.client",), ("messages",)),
    Floor("api", ("controller.api",), (*RULES, "security", "core", "decision", "messages", "exit", *EXITS)),
    Floor(
        "app",
        ("controller.app",),
        (
            *RULES, "security", "fleet", "reports of OpenFlow", "reports of P4", "core", "OpenFlow", "OVSDB",
            "P4Runtime", "observations", "api", "exit", "exits",
        ),
    ),
    Floor(
        "agent",
        ("controller.agent",),
        (*RULES, "security", "flows", "OpenFlow", "p4src", "P4Runtime", "observations"),
    ),
    Floor(
        "metrics",
        ("controller.metrics",),
        (*RULES, "security", "fleet", "core", "app", "agent", "observations", *EXITS),
    ),
    Floor(
        "cli",
        ("controller.cli", "controller.__main__"),
        (
            *RULES, "security", "places", "decision", "OpenFlow", "OVSDB", "P4Runtime", "core", "messages", "client",
            "api", "app", "agent", "metrics", "observations", "exits", *EXITS,
        ),
    ),
    Floor("embedded switch", ("topo.p4switch",), ()),
    Floor(
        "labs",
        ("topo",),
        ("spec", "frames", "model", "southbound", "P4Runtime", "p4src", "embedded switch"),
    ),
    Floor("commands of labs", ("topo.cli",), ("embedded switch", "labs")),
)  # fmt: skip
"""Bottom up. ``tests`` stands above all, and may import everything."""

APART = (
    (("flows", "plan of OpenFlow", "OpenFlow", "reports of OpenFlow"), ("p4src", "plan of P4", "P4Runtime")),
    (("p4src", "plan of P4", "P4Runtime", "reports of P4"), ("flows", "plan of OpenFlow", "OpenFlow")),
    (("spec", "plan", "southbound"), ("flows", "p4src")),
)
"""OpenFlow and P4 know nothing of each other, and what they share knows neither."""


class Import(NamedTuple):
    """One import of a module of ours."""

    file: Path
    line: int
    module: str
    imported: str


def modules(root: Path, trees: Iterable[str] = TREES) -> dict[str, Path]:
    """All modules, by name; a package is the module of its ``__init__.py``."""
    found = {}
    for tree in trees:
        files = sorted((root / tree).rglob("*.py"))
        assert files, f"no files in {tree}"
        for file in files:
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(known: Mapping[str, Path]) -> list[Import]:
    """Every import of one module by another. Of a package's name, it is the package that is imported."""
    found = []
    for module, file in known.items():
        for line, name in _named(file):
            imported = name if name in known else name.rpartition(".")[0]
            if imported in known and imported != module:
                found.append(Import(file, line, module, imported))
    return found


def _named(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in _IMPORTERS:
            yield from ((node.lineno, str(one.value)) for one in node.args if isinstance(one, ast.Constant))


def floor_of(module: str) -> Floor | None:
    """The floor with the longest part that holds the module; None for ``tests``."""
    fitting = [
        (len(part), floor)
        for floor in FLOORS
        for part in floor.parts
        if module == part or module.startswith(f"{part}.")
    ]
    return max(fitting, key=lambda one: one[0])[1] if fitting else None


def upward(found: Iterable[Import]) -> list[str]:
    """Every import that no floor allows, with file and line."""
    wrong = []
    for each in found:
        own, other = floor_of(each.module), floor_of(each.imported)
        if own is None or other is own or (other is not None and other.name in own.below):
            continue
        where = "tests" if other is None else other.name
        wrong.append(
            f"{each.file}:{each.line}: {each.module} (floor {own.name}) imports {each.imported} ({where})"
        )
    return wrong


def circle(found: Iterable[Import]) -> list[str]:
    """The modules of one circle, first and last the same; empty if there is none."""
    graph: dict[str, set[str]] = {}
    for each in found:
        graph.setdefault(each.module, set()).add(each.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def whole() -> dict[str, Path]:
    return modules(ROOT)


@pytest.fixture(scope="module")
def every(whole: dict[str, Path]) -> list[Import]:
    return imports(whole)


def test_nothing_imports_upward(every: list[Import]) -> None:
    wrong = upward(every)
    assert not wrong, "\n".join(wrong)


def test_no_module_imports_itself_by_way_of_others(every: list[Import]) -> None:
    found = circle(every)
    assert not found, f"a circle: {' <- '.join(found)}"


def test_every_module_has_a_floor(whole: dict[str, Path]) -> None:
    without = {name for name in whole if floor_of(name) is None and not f"{name}.".startswith("tests.")}
    # The package itself holds a docstring.
    assert without == {"controller"}, "name a floor in FLOORS"


def test_floors_are_named_bottom_up_and_hold_something(whole: dict[str, Path]) -> None:
    below: set[str] = set()
    for floor in FLOORS:
        assert set(floor.below) <= below, f"{floor.name} names floors that are not below it"
        below.add(floor.name)
        for part in floor.parts:
            assert any(floor_of(name) is floor for name in whole if f"{name}.".startswith(f"{part}.")), part


def test_the_protocols_stay_apart() -> None:
    floors = {floor.name: floor for floor in FLOORS}
    for names, barred in APART:
        for name in names:
            assert not set(floors[name].below) & set(barred), f"{name} may import {barred}"


SPEC, PLANNER, COMMAND = "controller/spec/a.py", "controller/plan/b.py", "controller/cli/c.py"
HIDDEN = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {} import X\n"
INSIDE = "def work() -> None:\n    from {} import X\n"
DYNAMIC = "import importlib\nimportlib.import_module({!r})\n"


def _tree(root: Path, **files: str) -> list[Import]:
    for path in (SPEC, PLANNER, COMMAND, "topo/lab.py", "tests/t.py"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(files.get(Path(path).stem, "X = 1\n"))
    return imports(modules(root, ("controller", "topo", "tests")))


@pytest.mark.parametrize("text", ["from {} import X\n", "import {}\n", HIDDEN, INSIDE, DYNAMIC])
@pytest.mark.parametrize(
    ("file", "imported"),
    [("a", "controller.plan.b"), ("b", "controller.cli.c"), ("c", "topo.lab"), ("c", "tests.t")],
)
def test_an_import_upward_is_found_wherever_it_stands(
    tmp_path: Path, file: str, imported: str, text: str
) -> None:
    (wrong,) = upward(_tree(tmp_path, **{file: text.format(imported)}))
    assert f"imports {imported} " in wrong
    assert f"{file}.py:" in wrong


@pytest.mark.parametrize("text", ["from {} import X\n", "import {}\n", HIDDEN, INSIDE])
def test_a_circle_is_found_wherever_it_stands(tmp_path: Path, text: str) -> None:
    downward = "from controller.spec.a import X\n"
    assert circle(_tree(tmp_path, b=downward)) == []
    both = _tree(tmp_path, b=downward, a=text.format("controller.plan.b"))
    assert set(circle(both)) == {"controller.spec.a", "controller.plan.b"}
