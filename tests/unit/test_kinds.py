"""Each kind of switch is one row: what drives it, and what labs run of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from controller.hashes import SLOT_HASHES
from controller.spec.kinds import KINDS, Protocol, agents_kinds, kinds_of
from topo import model
from topo.p4programs import PROGRAMS

ROOT = Path(__file__).resolve().parents[2]


def test_labs_run_every_kind_that_is_driven() -> None:
    assert {name for name, kind in KINDS.items() if kind.driven} == set(model.KINDS)
    assert set(PROGRAMS) == {name for name in model.KINDS if KINDS[name].protocol is Protocol.P4RUNTIME}


def test_every_driven_kind_has_a_hash_that_the_oracle_knows() -> None:
    assert {kind.hash for kind in KINDS.values() if kind.driven} <= SLOT_HASHES.keys()


def test_only_driven_kinds_are_offered() -> None:
    assert kinds_of(Protocol.OPENFLOW) == "ovs"
    assert kinds_of(Protocol.P4RUNTIME) == "bmv2 or embedded"
    assert agents_kinds() == "ovs or embedded"


@pytest.mark.parametrize("tree", ["controller", "flows", "p4src", "topo"])
def test_nothing_asks_a_kind_for_its_name(tree: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for file in sorted((ROOT / tree).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        and any(
            isinstance(each, ast.Constant) and each.value in KINDS
            for side in (node.left, *node.comparators)
            for each in ast.walk(side)
        )
    ]
    assert not found, "ask for a property of Kind or Program:\n" + "\n".join(found)
