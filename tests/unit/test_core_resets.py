"""Who is reset: connections that are on a backend that resets them now, whatever a switch's old flows still say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.core.cells import Cell
from controller.core.directory import Directory
from controller.core.openflow_reports import OpenFlowReports
from controller.core.p4_reports import P4Reports
from controller.core.pinning import Pinning
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.southbound.openflow.events import PacketIn
from controller.southbound.p4.events import Punted
from controller.southbound.p4.session import P4Session
from controller.spec.switch import Fate
from controller.spec.types import OpenFlowPlacement
from flows.tables import BACKEND, LISTENER, Cookie, Kind
from p4src.ids import Reason
from tests.conformance.plant import Plant
from tests.conformance.scenario import DR, p4_switch, switch_of, web
from tests.fakes.streams import OpenFlowStream
from tests.unit.craft import segment

ACK = 16
STRANGER = 77
"""An id that no member of the pool has."""


class P4Stream(P4Session):
    """The same of a P4 switch."""

    def __init__(self, number: int) -> None:
        self.id, self.alive = number, True


def _world(plant: Plant, fate: Fate) -> tuple[PlanInput, int, int]:
    """With that fate of the only backend; numbers of the listener and of the backend."""
    world = plant.world()
    listener = next(each for each in world.intent.listeners() if each.port == DR.port)
    key, state = world.state_key(listener), world.state_of(listener)
    (member,) = state.members
    pools = {**world.pools, key: replace(state, fates={member.id: fate})}
    return replace(world, pools=pools), world.ids.id(Space.LISTENER, listener.name), member.id


def _openflow(fate: Fate, stranger: bool) -> int:
    """How many packets are sent when an Open vSwitch reports one for a reset."""
    switch = switch_of("ovs")
    world, listener, backend = _world(Plant(web("b1"), switch), fate)
    about = STRANGER if stranger else backend
    cookie = Cookie(OpenFlowPlacement().cookie, Kind.RESET, about)
    fields = {LISTENER: listener, BACKEND: about}
    event = PacketIn(OpenFlowStream(switch.id), cookie, fields, segment(4, ACK))
    reports = OpenFlowReports(_pinning(world))
    return len(reports.handle(event, Directory(world), {switch.name}, 100.0))


def _p4(fate: Fate, stranger: bool) -> int:
    """The same of a P4 switch."""
    switch = p4_switch("embedded")
    world, listener, backend = _world(Plant(web("b1"), switch), fate)
    about = STRANGER if stranger else backend
    event = Punted(P4Stream(switch.id), int(Reason.RESET), 1, listener, about, segment(4, ACK))
    return len(P4Reports(_pinning(world)).handle(event, Directory(world), {switch.name}, 100.0))


def _pinning(world: PlanInput) -> Pinning:
    committed: Cell[PlanInput | None] = Cell("committed", world)
    return Pinning(world.pins, committed, lambda: None)


@pytest.mark.parametrize("reported", [_openflow, _p4])
@pytest.mark.parametrize("fate", Fate)
def test_only_connections_on_a_backend_that_resets_them_now_are_reset(
    reported: Callable[[Fate, bool], int], fate: Fate
) -> None:
    assert reported(fate, False) == (fate is Fate.RESET)


@pytest.mark.parametrize("reported", [_openflow, _p4])
def test_what_is_on_a_backend_that_is_none_of_the_pool_is_reset(
    reported: Callable[[Fate, bool], int],
) -> None:
    assert reported(Fate.NORMAL, True) == 1
