"""P4 switches beside Open vSwitch, where no BFD runs: a dead lb switch is noticed, a healed one admitted in time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import eventually
from tests.lab.long_connections import LongConnections
from tests.lab.test_lab_kinds import pair
from topo import model, ovs, process, state, wires
from topo.lab import Lab

pytestmark = pytest.mark.lab

OUTLIVING = ("dr", "nat", "tun")
"""Modes whose connections outlive their lb switch."""
Play = Callable[..., Balanced]


@pytest.fixture
def play() -> Iterator[Play]:
    """The pair topology with switches of these kinds, run by a controller, everything served."""
    if ovs.missing() is not None:
        pytest.skip(str(ovs.missing()))
    name = f"m{os.getpid()}"[:12]
    played: list[Balanced] = []

    def build(**kinds: model.SwitchKind) -> Balanced:
        played.append(Balanced(Lab.up(pair(**kinds), name=name, temporary=True)))
        return played[-1].__enter__()

    yield build
    for each in played:
        each.stop()
    state.remove(name)


def crash(lab: Lab, switch: str) -> None:
    """``kill -9`` of all of a switch's programs; unlike ``lab fail`` it leaves its cables alone."""
    known = [each for each in process.recall(lab.path / "pids", switch) if each.alive]
    assert known
    for each in known:
        os.kill(each.pid, signal.SIGKILL)
    eventually(lambda: not any(each.alive for each in known), f"{switch} is dead")


@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param({"lb1": "embedded", "lb2": "embedded"}, id="P4 lbs between ovs", marks=pytest.mark.long),
        pytest.param(
            {"edge1": "embedded", "leaf1": "embedded"}, id="ovs lbs between P4", marks=pytest.mark.long
        ),
        pytest.param(
            {"edge1": "embedded", "lb1": "embedded", "lb2": "embedded"}, id="P4 lbs between P4 and ovs"
        ),
    ],
)
def test_an_lb_switch_that_crashes_with_its_cables_up_breaks_no_connection(
    play: Play, kinds: dict[str, model.SwitchKind]
) -> None:
    balanced = play(**kinds)
    with LongConnections(balanced.lab) as long:
        long.open(12, OUTLIVING, idle_of_three=0)
        balanced.settle()
        balanced.mark()
        crash(balanced.lab, "lb1")
        balanced.wait_event("withdrawn", switch="lb1")
        balanced.settle()
        long.speak()
        assert long.broken() == []
        long.open(12, OUTLIVING)
        assert long.broken() == []


def test_a_healed_p4_lb_switch_is_used_once_its_ovs_leaf_sees_it(play: Play) -> None:
    """Its edge, a P4 switch too, would send as soon as it is told to; the leaf's end of the cable may still be down."""
    balanced = play(edge1="embedded", lb1="embedded", lb2="embedded")
    lab = balanced.lab
    balanced.mark()
    lab.fail("lb1")
    balanced.wait_event("withdrawn", switch="lb1")
    balanced.mark()
    lab.switches["lb1"].start(shut=True)  # as `lab heal`, but the cable stays unplugged
    balanced.wait_event("synced", switch="lb1", timeout=30.0)
    time.sleep(1.5)
    assert "admitted" not in {event["event"] for event in balanced.since_mark()}
    wires.plug(lab.fabric, lab.spaces, "leaf1", "lb1", up=True)
    balanced.wait_event("admitted", switch="lb1")
    assert "links_down" not in {event["event"] for event in balanced.since_mark()}
    with LongConnections(lab) as long:
        long.open(12, OUTLIVING)
        assert long.broken() == []
