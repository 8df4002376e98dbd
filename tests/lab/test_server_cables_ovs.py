"""A cable from an Open vSwitch lb switch to servers is cut: edges leave that lb switch out until it is whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.attempts import ENOUGH, answered, failures
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.long_connections import LongConnections
from tests.lab.tuned import TRIO
from topo import model
from topo.switches import missing

pytestmark = pytest.mark.lab

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


@pytest.mark.long
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
