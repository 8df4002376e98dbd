"""Slots of P4 switches move, are tracked and settle; then any lb switch may die. No connection breaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.long_connections import LongConnections
from tests.lab.tuned import pool, tune, weights
from topo import model

pytestmark = pytest.mark.lab

MODES = ("dr", "nat", "tun")
"""A fullnat connection has its port from its lb switch, and is lost with it."""
MEMORY = 10
"""Seconds."""
SETTLES = 60.0
"""Seconds in which slots settle, on a busy machine: two memories and an audit, of which no report may be lost."""


@pytest.fixture(scope="module")
def served(make_lab: MakeLab) -> Iterator[Balanced]:
    made = make_lab(model.load("pair").of_kind("embedded"))
    tune(made, pool("web", transition="2s", memory_timeout=f"{MEMORY}s"))
    with Balanced(made) as balanced:
        yield balanced


def _tracked(status: dict[str, Any]) -> int:
    return int(status["pools"]["web/tcp"]["tracked"])


@pytest.mark.long
def test_connections_of_slots_that_moved_outlive_the_switch_that_found_them(served: Balanced) -> None:
    with LongConnections(served.lab) as long:
        long.open(24, MODES)
        served.edit_intent(weights("web", s1=1, s2=4))
        served.wait_status(_tracked, "slots are tracked")
        long.speak()
        served.wait_status(lambda status: status["pins"], "what was found is pinned")

        def settled(status: dict[str, Any]) -> bool:
            long.speak()
            return not _tracked(status)

        served.wait_status(settled, "slots have settled", SETTLES)
        assert not long.broken()
        before = served.status()["reports"]
        assert before["found"] >= served.status()["pins"] > 0
        long.open(24, MODES)
        long.speak()
        assert served.status()["reports"] == before, "nothing is told of connections of settled slots"
        served.lab.fail("lb1")
        served.wait_event("withdrawn", switch="lb1")
        served.settle()
        long.speak()
        assert not long.broken()
