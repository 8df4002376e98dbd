"""Pins of young connections are written together, and others at once."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

from controller.core.cells import Cell
from controller.core.later import Later
from controller.core.pinning import Pinning
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.plan.pins import PinBook, PinKey
from controller.spec.types import Protocol
from tests.conformance.plant import Plant
from tests.conformance.scenario import DR, switch_of, web


def test_what_many_ask_for_is_done_once() -> None:
    done: list[int] = []

    async def story() -> None:
        later = Later(lambda: done.append(1), 0.01)
        later()
        later()
        assert not done
        while not done:
            await asyncio.sleep(0.001)
        later()
        while len(done) < 2:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(story(), 30.0))
    assert done == [1, 1]


def test_a_young_connection_waits_a_moment_for_others_and_an_exception_does_not() -> None:
    woken: list[str] = []
    world = Plant(web("b1", "b2"), switch_of("ovs")).world()
    item = next(each for each in world.intent.listeners() if each.port == DR.port)
    number = world.ids.id(Space.LISTENER, item.name)
    committed: Cell[PlanInput | None] = Cell("committed", world)
    pinning = Pinning(PinBook(), committed, lambda: woken.append("now"))
    pinning.soon = lambda: woken.append("soon")

    def key(port: int) -> PinKey:
        return PinKey(number, ip_address("192.0.2.1"), port)

    pinning.young("lb1", key(1), Protocol.TCP, 1, 0.0)
    assert woken == ["soon"]
    pinning.exception("lb1", key(2), Protocol.TCP, 1)
    assert woken == ["soon", "now"]
    pinning.young("lb2", key(1), Protocol.TCP, 1, 5.0)
    assert len(woken) <= 3
    assert pinning.count == 2
