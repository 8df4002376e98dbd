"""An lb switch that comes back is used once it is fit, and breaks no connection of a settled slot."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.edges import uses
from tests.lab.long_connections import LongConnections
from tests.lab.tuned import TRIO, add, pool, tune

pytestmark = pytest.mark.lab

MEMORY = 12.0
"""Seconds of ``memory_timeout``."""


@pytest.fixture(scope="module")
def served(make_lab: MakeLab) -> Iterator[Balanced]:
    balanced = Balanced(make_lab(TRIO))
    for name in ("web", "vault"):
        tune(balanced.lab, pool(name, transition="3s", memory_timeout=f"{MEMORY:g}s"))
    with balanced:
        yield balanced


@pytest.fixture
def long(served: Balanced) -> Iterator[LongConnections]:
    with LongConnections(served.lab) as opened:
        yield opened


def _settled(served: Balanced, long: LongConnections | None = None) -> None:
    """Until no slot is tracked; ``long`` ones speak meanwhile, or they would be silent for too long."""
    end = time.monotonic() + 8 * MEMORY
    while (shown := served.status()["pools"]["web/tcp"])["tracked"]:
        assert time.monotonic() < end, f"{shown['tracked']} slots do not settle: {shown['settles_after']}"
        if long is not None:
            long.speak(long.idle)
        time.sleep(MEMORY / 10)


def test_a_returned_lb_switch_is_used_only_once_it_is_synced_and_no_connection_is_lost(
    served: Balanced, long: LongConnections
) -> None:
    lab = served.lab
    modes = ("dr", "nat", "tun")
    _settled(served)
    long.open(20, modes)
    long.talk()
    served.edit_intent(add(lab, "s4"))
    time.sleep(1.0)
    served.mark()
    lab.fail("lb2")
    served.wait_event("withdrawn", switch="lb2")
    eventually(lambda: not uses(served.lab, "edge1", "lb2"), "the edge leaves it out")
    assert {one.problem for one in long.open(10, modes)} == {""}
    _settled(served, long)
    served.mark()
    lab.heal("lb2")
    served.wait_event("admitted", switch="lb2")
    order = [event["event"] for event in served.since_mark() if event.get("switch") == "lb2"]
    assert order.index("converged") < order.index("synced") < order.index("admitted")
    eventually(lambda: uses(served.lab, "edge1", "lb2"), "the edge uses it again")
    served.settle()
    assert {one.problem for one in long.open(10, modes)} == {""}
    long.speak()
    assert long.broken() == []


@pytest.mark.long
def test_an_lb_switch_that_restarts_without_a_controller_gets_no_traffic_before_one_admits_it(
    served: Balanced, long: LongConnections
) -> None:
    lab = served.lab
    edge = lab.switches["edge1"]
    modes = ("dr", "nat", "tun")
    _settled(served)
    long.open(10, modes)
    served.kill_controller()
    lab.fail("lb1")
    lab.heal("lb1")
    eventually(lambda: "lb1" in edge.sessions(), "the edge hears it")
    assert edge.liveness()["lb1"] is False
    assert {one.problem for one in long.open(30, modes)} == {""}
    served.start_controller()
    served.wait_event("admitted", switch="lb1")
    eventually(lambda: edge.liveness()["lb1"], "the edge may use it")
    served.wait_ready()
    assert {one.problem for one in long.open(30, modes)} == {""}
    long.speak()
    assert long.broken() == []
