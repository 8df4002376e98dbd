"""A cable from an Open vSwitch lb switch to servers is cut: edges leave that lb switch out until it is whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.long_connections import ENDPOINTS, LongConnections
from tests.lab.tuned import TRIO
from topo import model
from topo.lab import Lab
from topo.switches import missing

pytestmark = pytest.mark.lab

PATIENCE = 1.0
"""Seconds that a client waits for an answer."""
ENOUGH = 40
"""Connections in a row, all answered, that show that no lb switch is used in vain: three share them."""
FAILURES = 8
"""Attempts that may fail meanwhile."""
MOVABLE = ("dr", "nat", "tun")
"""A fullnat connection ends where its lb switch is left out."""
CABLE = "lb2-leaf1"


@pytest.fixture(scope="module")
def served(make_lab: MakeLab) -> Iterator[Balanced]:
    reason = missing(["ovs"])
    if reason is not None:
        pytest.skip(reason)
    with Balanced(make_lab(model.load(TRIO).of_kind("ovs"))) as balanced:
        yield balanced


@pytest.fixture
def whole(served: Balanced) -> Iterator[Balanced]:
    """The cable carries, before and after."""
    served.wait_ready()
    served.mark()
    yield served
    served.lab.heal(CABLE)
    served.wait_status(lambda status: not troubled(status), "the cable is used again")


def troubled(status: dict[str, object]) -> bool:
    switches = status["switches"]
    assert isinstance(switches, dict)
    return "leaf1" in switches["lb2"]["problem"]


def answered(lab: Lab) -> bool:
    """Whether a new connection gets an answer."""
    with lab.socket("c1") as client:
        client.settimeout(PATIENCE)
        try:
            client.connect(ENDPOINTS["dr"])
            client.sendall(b"hello\n")
            return client.recv(100).endswith(b"hello\n")
        except OSError:
            return False


def failures(lab: Lab) -> int:
    """Attempts that fail before so many in a row do not; too many of them fail the test."""
    failed = good = 0
    while good < ENOUGH:
        if answered(lab):
            good += 1
        else:
            failed, good = failed + 1, 0
            assert failed <= FAILURES, "traffic does not go around the cut cable"
    return failed


def test_traffic_goes_around_a_cable_that_is_cut_and_takes_it_again_once_it_is_whole(whole: Balanced) -> None:
    with LongConnections(whole.lab) as long:
        long.open(8, MOVABLE)
        long.talk()
        whole.lab.fail(CABLE)
        failures(whole.lab)
        whole.wait_event("link_down", switch="lb2", to="leaf1")
        whole.wait_status(troubled, "the status names the cable")
        whole.lab.heal(CABLE)
        whole.wait_event("link_up", switch="lb2", to="leaf1")
        long.hush()
        assert long.broken() == []


def test_a_cable_that_is_cut_while_no_controller_runs_is_left_out_once_one_does(whole: Balanced) -> None:
    whole.kill_controller()
    whole.lab.fail(CABLE)
    whole.start_controller()
    whole.wait_event("link_down", switch="lb2", to="leaf1")
    failures(whole.lab)
    whole.settle()
    whole.kill_controller()
    whole.start_controller()
    whole.wait_ready()
    assert all(answered(whole.lab) for _ in range(ENOUGH)), "it is still left out after another start"
