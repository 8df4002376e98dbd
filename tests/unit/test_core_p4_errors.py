"""ICMP errors about connections that a P4 switch does not know: the controller asks the other lb switches."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from controller.core.p4_reports import P4Reports
from controller.plan.ids import Space
from controller.southbound.p4.events import Punted
from controller.southbound.p4.session import P4Session
from controller.spec.types import Mode
from p4src.ids import Op, Reason
from tests.conformance.plant import Plant
from tests.conformance.scenario import DR, Service, p4_switch, web

FRAME = b"an ICMP error"
PORT = 5
FULLNAT = Service(Mode.FULLNAT)
Sent = tuple[bytes, Op, int]


class Session(P4Session):
    """Keeps what is sent."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.id, self.alive = name, number, True
        self.sent: list[Sent] = []

    async def packet_out(
        self, frame: bytes, *, op: int, port: int = 0, vip: int = 0, deadline: int = 0
    ) -> None:
        """See ``P4Session``."""
        self.sent.append((frame, Op(op), port))


def _told(service: Service, times: int = 1) -> list[list[Sent]]:
    """What is sent to each of three lb switches when the first of them asks so many times."""
    sessions = [Session(f"lb{number}", number) for number in (1, 2, 3)]
    switches = {s.id: replace(p4_switch("embedded"), name=s.name, id=s.id) for s in sessions}
    world = Plant(web("b1"), p4_switch("embedded")).world()
    name = next(each.name for each in world.intent.listeners() if each.port == service.port)
    core: Any = SimpleNamespace(
        state=SimpleNamespace(
            intent=replace(world.intent, switches=tuple(switches.values())), numbers=world.numbers
        ),
        members={s.name: SimpleNamespace(link=SimpleNamespace(session=s)) for s in sessions},
        switch_of=switches.get,
    )
    number = world.numbers.of(Space.LISTENER, name, world.now)
    event = Punted(sessions[0], int(Reason.ERROR_UNKNOWN), PORT, number, 1, 0, FRAME)

    async def tell() -> None:
        reports = P4Reports(core)
        for _ in range(times):
            await reports.told(event)

    asyncio.run(tell())
    return [session.sent for session in sessions]


@pytest.mark.parametrize("service", [DR, FULLNAT], ids=lambda s: str(s.mode))
def test_every_other_switch_is_asked_once_in_a_while_about_an_error(service: Service) -> None:
    asked = [(FRAME, Op.ASK, PORT)]
    assert _told(service, times=3)[1:] == [asked, asked]


def test_the_switch_that_asked_is_given_back_what_may_be_its_own_each_time() -> None:
    assert _told(DR, times=3)[0] == [(FRAME, Op.INJECT, PORT)] * 3


def test_an_error_about_a_connection_with_a_local_port_elsewhere_is_not_given_back() -> None:
    assert _told(FULLNAT)[0] == []
