"""What a P4 switch tells becomes pins: a connection that it saw open it knows, of others another may know better."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from controller.core.cells import Cell
from controller.core.directory import Directory
from controller.core.p4_reports import P4Reports
from controller.core.pinning import Pinning
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.plan.pins import PinKey
from controller.southbound.p4.events import Report
from controller.spec.types import Protocol
from p4src.ids import Reason
from tests.conformance.plant import Plant
from tests.conformance.scenario import DR, p4_switch, web
from tests.fakes.streams import OpenFlowStream

CLIENT, PORT = ip_address("192.0.2.7"), 40_000


class Seen:
    """A world of two servers, and what a switch tells of one connection."""

    def __init__(self) -> None:
        self.switch = p4_switch("embedded")
        self.world = Plant(web("b1", "b2"), self.switch).world()
        item = next(each for each in self.world.intent.listeners() if each.port == DR.port)
        self.key = PinKey(self.world.ids.id(Space.LISTENER, item.name), CLIENT, PORT)
        committed: Cell[PlanInput | None] = Cell("committed", self.world)
        self.reports = P4Reports(Pinning(self.world.pins, committed, lambda: None))

    def tell(self, reason: Reason, backend: int) -> int | None:
        """The switch reports the connection; whom it is pinned to then."""
        event = Report(OpenFlowStream(self.switch.id), reason, self.key.listener, CLIENT, PORT, backend)
        assert self.reports.handle(event, Directory(self.world), {self.switch.name}, 100.0) == []
        pin = self.world.pins.pins.get(self.key)
        return None if pin is None else pin.backend


@pytest.mark.parametrize("reason", [Reason.EXCEPTION, Reason.FOUND, Reason.OVERFLOW])
def test_whatever_is_told_of_connections_is_pinned(reason: Reason) -> None:
    seen = Seen()
    assert seen.tell(reason, 1) == 1
    assert seen.reports.counts == {reason.name.lower(): 1}


@pytest.mark.parametrize(("reason", "then"), [(Reason.EXCEPTION, 1), (Reason.FOUND, 2), (Reason.OVERFLOW, 2)])
def test_only_what_was_seen_to_open_changes_a_pin(reason: Reason, then: int) -> None:
    seen = Seen()
    seen.world.pins.report("lb2", seen.key, Protocol.TCP, 2)
    assert seen.tell(reason, 1) == then
