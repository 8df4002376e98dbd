"""What one switch says cannot make others fail: no pin that they could not hold, no number or term that leaves none."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from finsy.proto import U128, p4r

from controller.core.cells import Cell
from controller.core.pinning import Pinning
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.plan.pins import MOST_NUMBER, PinBook, PinKey
from controller.southbound.driver import FoundPin
from controller.southbound.errors import SwitchError
from controller.southbound.p4.connection import MOST_TERM, Connection
from controller.southbound.p4.pipeline import balancer
from controller.spec.slots import SlotTable
from controller.spec.types import OpenFlowPlacement, Protocol
from flows.fields import Malformed
from flows.messages import flow_stat
from flows.readback import MOST_SLOTS, Reader
from flows.slots import flows_of
from flows.tables import Placed
from tests.conformance.plant import Plant
from tests.conformance.scenario import DR, switch_of, web
from tests.fakes.core import intent_file, whole

CLIENT = ip_address("192.0.2.7")


class Seen:
    """A world of two servers, and the pins in it."""

    def __init__(self) -> None:
        self.world = Plant(web("b1", "b2"), switch_of("ovs")).world()
        item = next(each for each in self.world.intent.listeners() if each.port == DR.port)
        self.listener = self.world.ids.id(Space.LISTENER, item.name)
        committed: Cell[PlanInput | None] = Cell("committed", self.world)
        self.pinning = Pinning(self.world.pins, committed, lambda: None)


@pytest.mark.parametrize(
    ("key", "backend"),
    [
        (PinKey(0, CLIENT, 1), 1),
        (PinKey(1, ip_address("2001:db8::1"), 1), 1),
        (PinKey(1, CLIENT, 1 << 16), 1),
        (PinKey(1, CLIENT, 1), 0),
        (PinKey(1, CLIENT, 1), 60_000),
        (PinKey(1, CLIENT, 1), 1 << 40),
    ],
    ids=["no listener", "another family", "no port", "no backend", "an unknown backend", "no number"],
)
def test_a_connection_that_cannot_be_becomes_no_pin(key: PinKey, backend: int) -> None:
    seen = Seen()
    key = key._replace(listener=seen.listener if key.listener else 65_000)
    seen.pinning.exception("lb1", key, Protocol.TCP, backend)
    seen.pinning.found("lb1", key, Protocol.TCP, backend)
    seen.pinning.young("lb1", key, Protocol.TCP, backend, 0.0)
    seen.pinning.adopt("lb1", [FoundPin(7, *key, backend, True)])
    assert seen.pinning.count == 0
    assert seen.pinning.incredible == 3
    good = PinKey(seen.listener, CLIENT, 1)
    seen.pinning.exception("lb1", good, Protocol.TCP, 1)
    assert seen.pinning.count == 1


def test_a_pin_with_the_greatest_number_leaves_numbers_for_others() -> None:
    book = PinBook.starting_at(5)
    keys = [PinKey(1, CLIENT, port) for port in range(3)]
    assert book.adopt(MOST_NUMBER, keys[0], Protocol.TCP, 1, "lb1")
    assert book.adopt(1 << 39, keys[1], Protocol.TCP, 1, "lb1")
    assert book.report("lb1", keys[2], Protocol.TCP, 1)
    assert sorted(pin.id for pin in book.pins.values()) == [6, 7, 8]


def test_numbers_begin_again_behind_the_last_and_leave_out_those_in_use() -> None:
    book = PinBook.starting_at(MOST_NUMBER - 1)
    book.adopt(1, PinKey(1, CLIENT, 9), Protocol.TCP, 1, "lb1")
    for port in range(2):
        book.report("lb1", PinKey(1, CLIENT, port), Protocol.TCP, 1)
    assert sorted(pin.id for pin in book.pins.values()) == [1, 2, MOST_NUMBER]


def test_a_term_that_no_controller_has_is_not_outdone() -> None:
    heard: list[object] = []
    link = Connection("s1", "192.0.2.1:1", 1, 7, balancer(), heard.append)
    update = p4r.MasterArbitrationUpdate(device_id=1, election_id=U128.encode(MOST_TERM << 64))
    update.status.code = 5
    with pytest.raises(SwitchError, match="restart it"):
        link._arbitrated(None, None, update).send(None)  # type: ignore[arg-type]
    assert heard == []


def test_one_high_slot_of_each_pool_makes_no_tables_without_end() -> None:
    placed = Placed(OpenFlowPlacement())
    table = SlotTable.empty(1 << 16)
    table.now[-1] = 1
    pools = MOST_SLOTS // (1 << 16) + 1
    body = b"".join(flow_stat(each) for pool in range(pools) for each in flows_of(placed, pool, table))
    reader = Reader(placed, {})
    for number in placed.tables:
        reader.table(number, body)
    with pytest.raises(Malformed, match="it was not given"):
        reader.result(b"", b"")


def test_how_many_such_reports_came_is_in_the_status(tmp_path: Path) -> None:
    app = whole(intent_file(tmp_path / "fabric.yaml")).app
    assert app.snapshot().reports["incredible"] == 0
    app.pinning.exception("lb1", PinKey(65_000, CLIENT, 1), Protocol.TCP, 1)
    assert app.snapshot().reports["incredible"] == 1
