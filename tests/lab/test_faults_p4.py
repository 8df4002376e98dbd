"""The same on P4 switches, where it was the same; and a switch that dies while no controller looks."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lab import test_faults_live as live
from tests.lab.conftest import MakeLab
from tests.lab.long_connections import LongConnections
from tests.lab.stepped import Stepped
from tests.lab.tuned import TRIO
from topo import model

pytestmark = pytest.mark.lab

long = live.long


@pytest.fixture(scope="module")
def served(make_lab: MakeLab) -> Iterator[Stepped]:
    balanced = live.faulty_lab(make_lab(model.load(TRIO).of_kind("embedded")))
    with balanced:
        yield balanced


test_another_pool = (
    live.test_a_listener_that_is_given_another_pool_keeps_its_connections_and_serves_their_ports
)


@pytest.mark.long
def test_a_renamed_lb_switch_stays_in_use(served: Stepped, long: LongConnections) -> None:
    live.test_a_renamed_lb_switch_stays_in_use(served, long)


@pytest.mark.long
def test_a_dead_server_that_is_removed_gets_no_client_back(served: Stepped, long: LongConnections) -> None:
    live.test_a_dead_server_that_is_removed_gets_no_client_back(served, long)


def test_an_lb_switch_that_died_while_the_controller_was_away_is_left_out_as_soon_as_it_is_back(
    served: Stepped, long: LongConnections
) -> None:
    """FAULTS 6.6: it was kept in use for 10 s, though it is dialled, and refuses."""
    served.kill_controller()
    served.lab.fail("lb2")
    served.start_controller()
    started = served.wait_event("started", timeout=30)
    gone = served.wait_event("withdrawn", switch="lb2")
    assert gone["why"] == "refuses connections"
    others = ("edge1", "leaf1", "lb1", "lb3")
    served.wait_status(lambda status: all(status["switches"][name]["synced"] for name in others), "synced")
    time.sleep(0.5)
    assert {one.problem for one in long.open(12, live.OUTLIVING)} == {""}
    assert gone["t"] - started["t"] < 9.0
