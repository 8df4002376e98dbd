"""Connections that a switch found on a tracked slot: pinned, unless one where they were opened knows better."""

from __future__ import annotations

import pytest

from controller.core.cells import Cell
from controller.core.directory import Directory
from controller.core.openflow_reports import OpenFlowReports
from controller.core.pinning import Pinning
from controller.frames.tuple import tuple_of
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.plan.pins import PinKey
from controller.southbound.openflow.events import PacketIn
from controller.spec.types import OpenFlowPlacement, Protocol
from flows.tables import BACKEND, FOUND, LISTENER, Cookie, Kind
from tests.conformance.plant import Plant
from tests.conformance.scenario import DR, switch_of, web
from tests.fakes.streams import OpenFlowStream
from tests.unit.craft import segment

ACK = 16
BY_LABEL = {"ct_label": 1 << FOUND[0]}


class Seen:
    """A world of two servers, and what a switch tells of one connection."""

    def __init__(self) -> None:
        self.switch = switch_of("ovs")
        self.world = Plant(web("b1", "b2"), self.switch).world()
        item = next(each for each in self.world.intent.listeners() if each.port == DR.port)
        flow = tuple_of(segment(4, ACK))
        assert flow is not None
        self.listener = self.world.ids.id(Space.LISTENER, item.name)
        self.key = PinKey(self.listener, flow.source, flow.source_port)
        committed: Cell[PlanInput | None] = Cell("committed", self.world)
        self._reports = OpenFlowReports(Pinning(self.world.pins, committed, lambda: None))

    def tell(self, kind: Kind, backend: int, **fields: int) -> int | None:
        """The switch reports the connection; whom it is pinned to then."""
        cookie = Cookie(OpenFlowPlacement().cookie, kind, 1)
        found = {LISTENER: self.listener, BACKEND: backend, **fields}
        event = PacketIn(OpenFlowStream(self.switch.id), cookie, found, segment(4, ACK))
        self._reports.handle(event, Directory(self.world), {self.switch.name}, 100.0)
        pin = self.world.pins.pins.get(self.key)
        return None if pin is None else pin.backend


@pytest.mark.parametrize("kind", [Kind.BASE, Kind.FORMER, Kind.AGED])
def test_whatever_is_reported_of_tracked_slots_is_pinned(kind: Kind) -> None:
    assert Seen().tell(kind, 1) == 1


@pytest.mark.parametrize(
    ("kind", "fields"), [(Kind.BASE, {}), (Kind.FORMER, BY_LABEL), (Kind.AGED, BY_LABEL)]
)
def test_what_was_found_changes_no_pin(kind: Kind, fields: dict[str, int]) -> None:
    seen = Seen()
    seen.world.pins.report("lb2", seen.key, Protocol.TCP, 2)
    assert seen.tell(kind, 1, **fields) == 2
    assert seen.tell(kind, 2, **fields) == 2


@pytest.mark.parametrize("kind", [Kind.FORMER, Kind.AGED])
def test_what_was_opened_here_does(kind: Kind) -> None:
    seen = Seen()
    seen.world.pins.report("lb2", seen.key, Protocol.TCP, 2)
    assert seen.tell(kind, 1) == 1
