"""ICMP errors about connections that a P4 switch does not know: the controller asks the other lb switches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.cells import Cell
from controller.core.directory import Directory
from controller.core.p4_reports import P4Reports
from controller.core.pinning import Pinning
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.southbound.p4.driver import P4Packet
from controller.southbound.p4.events import Punted
from controller.southbound.p4.session import P4Session
from controller.spec.types import Mode
from p4src.ids import Op, Reason
from tests.conformance.plant import Plant
from tests.conformance.scenario import DR, Service, p4_switch, web

FRAME = b"an ICMP error"
PORT = 5
LBS = ("lb1", "lb2", "lb3")
FULLNAT = Service(Mode.FULLNAT)
Sent = tuple[bytes, Op, int]


class Session(P4Session):
    """A stream's name and nothing else."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.id, self.alive = name, number, True


def _sent(service: Service, times: int = 1, here: tuple[str, ...] = LBS) -> list[list[Sent]]:
    """What is sent to each of three lb switches when the first of them asks so many times in a moment."""
    switches = tuple(
        replace(p4_switch("embedded"), name=name, id=number) for number, name in enumerate(LBS, start=1)
    )
    moment = Plant(web("b1"), p4_switch("embedded")).world()
    world = replace(moment, intent=replace(moment.intent, switches=switches))
    name = next(each.name for each in world.intent.listeners() if each.port == service.port)
    number = world.ids.id(Space.LISTENER, name)
    event = Punted(Session("lb1", 1), int(Reason.ERROR_UNKNOWN), PORT, number, 1, FRAME)
    committed: Cell[PlanInput | None] = Cell("committed", world)
    reports = P4Reports(Pinning(world.pins, committed, lambda: None))
    sends = [
        send
        for moment in range(times)
        for send in reports.handle(event, Directory(world), set(here), 100.0 + 0.1 * moment)
    ]
    assert reports.counts == {"error_unknown": times}
    out: dict[str, list[Sent]] = {name: [] for name in LBS}
    for send in sends:
        assert isinstance(send.packet, P4Packet)
        out[send.switch].append((send.packet.frame, send.packet.op, send.packet.port))
    return list(out.values())


@pytest.mark.parametrize("service", [DR, FULLNAT], ids=lambda s: str(s.mode))
def test_every_other_switch_is_asked_once_in_a_while_about_an_error(service: Service) -> None:
    asked = [(FRAME, Op.ASK, PORT)]
    assert _sent(service, times=3)[1:] == [asked, asked]


def test_the_switch_that_asked_is_given_back_what_may_be_its_own_each_time() -> None:
    assert _sent(DR, times=3)[0] == [(FRAME, Op.INJECT, PORT)] * 3


def test_an_error_about_a_connection_with_a_local_port_elsewhere_is_not_given_back() -> None:
    assert _sent(FULLNAT)[0] == []


def test_a_switch_that_is_away_is_not_asked() -> None:
    asked = [(FRAME, Op.ASK, PORT)]
    assert _sent(DR, here=("lb1", "lb3"))[1:] == [[], asked]
