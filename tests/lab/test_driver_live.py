"""The driver on a live Open vSwitch: everything that is written reads back equal, large tables too."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from controller import maglev
from controller.southbound.errors import WriteRefused
from controller.southbound.openflow.events import Disconnected, FlowEnded
from controller.southbound.openflow.session import Session
from controller.spec.slots import SlotTable
from controller.spec.types import OpenFlowPlacement
from flows import messages
from flows.actions import Output
from flows.diff import Changes, Phase, diff
from flows.entries import Flow, Target, flow
from flows.match import Match
from flows.pipeline import target
from flows.tables import Cookie, Kind, Placed, Stage
from tests.fakes import duties
from tests.fakes.control import Control, control
from tests.lab.conftest import MakeLab
from topo.lab import Lab
from topo.model import SwitchSpec, Topology
from topo.plan import CONTROL_ADDRESS, OPENFLOW_PORT

pytestmark = pytest.mark.lab

TOPOLOGY = Topology(name="driver", subnets=(), switches=(SwitchSpec(name="sw1", roles=("lb",)),), hosts=())
PLACED = Placed(duties.LB_PLACE)
EDGE = Placed(duties.EDGE_PLACE)
OWN = OpenFlowPlacement().cookie
LARGE = 1 << 16


@dataclass
class Live:
    """A live switch and its session."""

    lab: Lab
    control: Control
    session: Session

    def read(self, placed: Placed = PLACED) -> Target:
        """What it holds in the tables of one placement."""
        return self.control.run(self.session.read(placed, {})).target

    def write(self, changes: Changes) -> None:
        self.control.run(self.session.write(changes, "sw1"))

    def converge(self, want: Target, placed: Placed = PLACED) -> Changes:
        """Write what is missing; returns the differences that are left."""
        self.write(diff(placed, self.read(placed), want))
        return diff(placed, self.read(placed), want)


@pytest.fixture(scope="module")
def switch(make_lab: MakeLab) -> Iterator[Live]:
    lab = make_lab(TOPOLOGY)
    server = control()
    number = lab.fabric.switches["sw1"].id
    server.expect(number)
    with lab.socket("ctl") as listener:
        listener.bind((str(CONTROL_ADDRESS), OPENFLOW_PORT))
        listener.listen()
        server.accept_on(listener)
        live = Live(lab, server, server.session(number))
        yield live
        server.forget(number)
        lab.fail("sw1")
        server.event(number, Disconnected)


@pytest.fixture
def live(switch: Live) -> Iterator[Live]:
    """Empty before and after, and with nothing told yet."""
    switch.control.forget(switch.session.id)
    yield switch
    switch.write(diff(PLACED, switch.read(), Target()))
    switch.write(diff(EDGE, switch.read(EDGE), Target()))


def large(count: int) -> SlotTable:
    """A table of 65,536 slots over this many backends."""
    members = [maglev.WeightedBackend(f"server-{n}", n, 1) for n in range(1, count + 1)]
    return SlotTable(maglev.build(members, LARGE), np.zeros(LARGE, np.uint16))


def test_the_whole_pipeline_is_taken_without_an_error_and_reads_back_equal(live: Live) -> None:
    want = target(duties.lb_duty())
    assert len(live.converge(want)) == 0
    have = live.read()
    assert (have.flows, have.groups, have.meters) == (want.flows, want.groups, want.meters)
    assert have.slots[duties.POOL].equals(want.slots[duties.POOL])


def test_the_pipeline_of_an_edge_reads_back_equal_beside_that_of_an_lb(live: Live) -> None:
    lb, edge = target(duties.lb_duty()), target(duties.edge_duty())
    assert len(live.converge(lb)) == 0
    # Meters are those of the lb: an edge has none.
    want = replace(edge, meters=lb.meters)
    assert len(live.converge(want, EDGE)) == 0
    assert live.read(EDGE).groups == edge.groups


def test_one_target_turns_into_another_without_an_error(live: Live) -> None:
    first = target(duties.lb_duty())
    second = target(
        replace(duties.lb_duty(), vips=duties.VIPS[1:], listeners=duties.listeners()[16:20], pins=())
    )
    for want in (first, second, first, Target()):
        assert len(live.converge(want)) == 0


def test_every_slot_of_a_large_table_reads_back_as_it_was_written(live: Live) -> None:
    table = large(100)
    assert len(live.converge(Target(slots={7: table}))) == 0
    assert live.read().slots[7].equals(table)


def test_a_backend_that_leaves_a_large_table_changes_its_slots_and_no_others(live: Live) -> None:
    old, new = Target(slots={7: large(100)}), Target(slots={7: large(99)})
    live.converge(old)
    changes = diff(PLACED, live.read(), new)
    moved = np.count_nonzero(old.slots[7].now != new.slots[7].now)
    assert len(changes) == moved < LARGE // 50
    live.write(changes)
    assert live.read().slots[7].equals(new.slots[7])


def test_what_the_switch_refuses_is_named_and_the_rest_stands(live: Live) -> None:
    good = flow(
        PLACED.table(Stage.GUARD), 5, Match.of(in_port=1), (Output(1),), cookie=PLACED.cookie(Kind.STATIC)
    )
    bad = flow(
        PLACED.table(Stage.GUARD), 5, Match.of(in_port=2), cookie=PLACED.cookie(Kind.STATIC), meter=1999
    )
    changes = Changes([Phase([messages.flow_mod(bad), messages.flow_mod(good)])])
    with pytest.raises(WriteRefused) as caught:
        live.write(changes)
    table = PLACED.table(Stage.GUARD)
    assert caught.value.errors == [f"meter mod failed (code 2) for flow table={table},priority=5,in_port=0x2"]
    assert live.read().flows == {good.key: good.body}


@pytest.mark.parametrize("change", ["del-flows", "mod-flows"])
def test_what_somebody_changed_by_hand_is_put_right(live: Live, change: str) -> None:
    want = target(duties.lb_duty())
    live.converge(want)
    match = f"table={PLACED.table(Stage.SLOT)},reg2=0x1"
    live.lab.ofctl("sw1", change, "br0", match if change == "del-flows" else f"{match},actions=drop")
    changes = diff(PLACED, live.read(), want)
    assert len(changes) >= 256
    live.write(changes)
    assert len(diff(PLACED, live.read(), want)) == 0


def test_the_end_of_a_flow_is_told(live: Live) -> None:
    cookie = Cookie(OWN, Kind.PIN, 12)
    ends = flow(PLACED.table(Stage.PIN), 10, Match.of(in_port=1), cookie=cookie.value, hard=1, notify=True)
    live.write(diff(PLACED, Target(), Target({ends.key: ends.body})))
    event = live.control.event(live.session.id, FlowEnded)
    assert (event.cookie, event.idle) == (cookie, False)


def test_flows_of_others_stay(live: Live) -> None:
    live.lab.ofctl(
        "sw1", "add-flow", "br0", f"table={PLACED.table(Stage.GUARD)},priority=7,in_port=9,actions=drop"
    )
    have = live.control.run(live.session.read(PLACED, {}))
    assert len(have.foreign) >= 1
    live.converge(target(duties.lb_duty()))
    live.converge(Target())
    left = live.control.run(live.session.read(PLACED, {}))
    assert left.foreign == have.foreign
    stranger: Flow = flow(PLACED.table(Stage.GUARD), 7, Match.of(in_port=9), cookie=0)
    assert stranger.key in left.foreign


def test_ovs_ofctl_sees_what_we_wrote(live: Live) -> None:
    live.converge(Target(slots={7: large(100)}))
    done: subprocess.CompletedProcess[str] = live.lab.exec(
        "sw1",
        ["ovs-ofctl", "-O", "OpenFlow13", "dump-aggregate", "br0", f"table={PLACED.table(Stage.SLOT)}"],
        capture_output=True,
        text=True,
    )
    assert f"flow_count={LARGE}" in done.stdout
