"""An lb switch that comes back gets traffic only when it can do no harm, and then surely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any

import numpy as np
import pytest

from controller.core.admission import LINKS, Admission
from controller.core.cells import Cell
from controller.core.fleet import Fleet
from controller.core.presence import DISCOVERY_WAIT, Presence
from controller.core.storedcells import Names
from controller.core.switchtask import SwitchTask
from controller.core.targets import Targets
from controller.plan.duty import PlanInput
from controller.plan.pins import PinBook
from controller.plan.pool import PoolState
from controller.plan.tables import Tables
from controller.southbound.driver import AnyDriver
from controller.southbound.errors import SwitchGone
from controller.southbound.openflow.driver import OpenFlowDriver
from controller.southbound.ovsdb import links
from controller.southbound.ovsdb.client import Ovsdb, OvsdbError
from controller.spec.types import Backend, Intent, Pool, Port, Protocol, Role, Site, Switch
from tests.fakes.core import PlainDriver, SetClock, Watching, journal

EDGE = Switch("edge1", "ovs", 1, "east", frozenset({Role.EDGE}), "02:00:00:00:00:01")
LEAF = Switch("leaf1", "ovs", 3, "east", frozenset({Role.LEAF}), "02:00:00:00:00:03")
NAMES = {1: "edge1", 2: "leaf1", 3: "s1"}
WINDOW = 10.0
POOL = Pool("web", (Backend("s1", (ip_address("10.1.0.1"),)),), transition=WINDOW)
BEGIN = 100.0


def lb(name: str, number: int = 2, ovsdb: str | None = None) -> Switch:
    ports = tuple(Port(number, to) for number, to in NAMES.items())
    return Switch(name, "ovs", number, "east", frozenset({Role.LB}), "02:00:00:00:00:02", ports, ovsdb=ovsdb)


LB1, LB2, WITH_OVSDB = lb("lb1", 4), lb("lb2"), lb("lb2", ovsdb="tcp:172.31.0.9:6640")


@dataclass
class Session:
    """A switch's ports; the live ones are taken from ``live`` one look after the other, the last for ever."""

    live: list[set[int]] = field(default_factory=lambda: [{1, 2}])
    alive: bool = True
    looks: int = 0

    async def live_ports(self) -> set[int]:
        if not self.alive:
            raise SwitchGone("switch lb2 is gone")
        self.looks += 1
        return self.live[min(self.looks, len(self.live)) - 1]

    async def port_names(self) -> dict[int, str]:
        return NAMES

    def abort(self) -> None:
        self.alive = False


def _driver(switch: Switch, session: Any) -> OpenFlowDriver:
    return OpenFlowDriver(switch, session, dict)


class Core:
    """lb1 serves, lb2 comes back, a slot moves or none does; all switches are connected."""

    def __init__(self, *others: str, moving: int = 0, discovered: bool = True) -> None:
        """``discovered``: long after the start; otherwise those that are not synced may yet be well."""
        self.journal, self.said = journal()
        self.clock = SetClock(BEGIN)
        self.pins = 0
        """Version of the book of pins."""
        self.intent = Cell("intent", Intent((Site("east"),), (EDGE, LB1, LB2, LEAF), (POOL,), ()))
        self.tables: Cell[Tables] = Cell("tables", self._tables(moving))
        self.absent: Cell[Names] = Cell("absent", frozenset())
        self.cell: Cell[Names] = Cell("admitted", frozenset(others))
        self.presence = Presence(self.absent, self.cell, self.intent, self.journal, self.clock)
        committed: Cell[PlanInput | None] = Cell("committed", None)
        self.fleet = Fleet(Targets(committed, PinBook()), self.journal, self.clock)
        self.admission = Admission(
            self.intent,
            self.tables,
            self.presence,
            self.fleet,
            self.journal,
            self.clock,
            lambda: self.pins,
            self._sleep,
        )
        self._due: list[tuple[float, Callable[[], None]]] = []
        for switch in (EDGE, LB1, LEAF):
            self.connect(_driver(switch, Session()))
        for switch in (LB1, LB2) if discovered else ():
            if switch.name in others:
                self.presence.synced(switch.id)
        if discovered:
            self.clock.time += DISCOVERY_WAIT
            self.presence.connected = lambda _: True
            assert self.presence.step()
            self.clock.time = BEGIN
        self.presence.synced(LB2.id)

    @property
    def admitted(self) -> Names:
        return self.cell.value

    @property
    def slept(self) -> float:
        return self.clock.time - BEGIN

    @staticmethod
    def _tables(moving: int) -> Tables:
        state = PoolState.new("web", Protocol.TCP, 256)
        before = np.zeros(256, np.uint16)
        before[:moving] = 1
        return Tables(pools={"web/tcp": replace(state, before=before)})

    def complaints(self) -> list[tuple[str, dict[str, Any]]]:
        """All that was said but that it was admitted."""
        return [row for row in self.said.pairs() if row[0] != "admitted"]

    def moving(self, slots: int) -> None:
        """So many slots move from now on."""
        self.tables.put(self._tables(slots))

    def rename(self, switch: Switch, name: str) -> None:
        """An intent that calls a switch otherwise is accepted, and not committed yet."""
        switches = tuple(replace(s, name=name) if s == switch else s for s in self.intent.value.switches)
        self.intent.put(replace(self.intent.value, switches=switches))
        self.presence.follow({switch.name: name}, ())

    def connect(self, driver: AnyDriver) -> SwitchTask:
        return self.fleet.connect(driver, Watching())

    def at(self, time: float, what: Callable[[], None]) -> None:
        """Something happens while admission sleeps."""
        self._due.append((time, what))

    async def _sleep(self, seconds: float) -> None:
        self.clock.time = round(self.clock.time + seconds, 6)
        assert self.clock.time < BEGIN + 1000, "it waits for ever"
        for row in [row for row in self._due if row[0] <= self.clock.time]:
            self._due.remove(row)
            row[1]()

    def seek(self, session: Session | None = None, switch: Switch = LB2) -> SwitchTask:
        """lb2 is synced and wants traffic."""
        task = self.connect(_driver(switch, session or Session()))
        asyncio.run(self.admission.seek(task))
        return task

    def open_links(self, session: Session, switch: Switch = WITH_OVSDB) -> SwitchTask:
        """lb2 was admitted."""
        self.presence.admit(LB2.id)
        self.said.rows.clear()
        task = self.connect(_driver(switch, session))
        asyncio.run(self.admission.seek(task))
        return task


@dataclass
class Database:
    """An OVSDB that refuses a number of times."""

    refusals: int = 0
    asked: int = 0
    opened: list[list[str]] = field(default_factory=list)
    hang_up: Session | None = None
    """Whose stream ends at the last refusal."""

    async def open_links(self, at: Ovsdb, interfaces: list[str]) -> None:
        self.asked += 1
        if self.asked <= self.refusals:
            if self.hang_up and self.asked == self.refusals:
                self.hang_up.alive = False
            raise OvsdbError(f"{at.address}: connection refused")
        self.opened.append(interfaces)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()
    monkeypatch.setattr(links, "open_links", database.open_links)
    return database


def test_a_switch_is_admitted_as_soon_as_its_links_to_connected_switches_live() -> None:
    core = Core("lb1")
    session = Session([set(), {1}, {1, 2}])
    core.seek(session)
    assert core.admitted == {"lb1", "lb2"}
    assert session.looks == 3, "neither too early nor later than needed; port 3 leads to a server"
    assert core.complaints() == []


def p4(switch: Switch) -> Switch:
    return replace(switch, kind="embedded", p4runtime="172.31.0.9:9559", ovsdb=None)


def p4_beside_ovs(neighbour: Session) -> Core:
    """lb2 is a P4 switch, its leaf an Open vSwitch whose port 7 leads to it, its edge and lb1 are P4 switches."""
    core = Core("lb1")
    leaf = replace(LEAF, ports=(Port(6, "lb1"), Port(7, "lb2")))
    core.connect(_driver(leaf, neighbour))
    for switch in (EDGE, LB1):
        core.connect(PlainDriver(p4(switch)))
    asyncio.run(core.admission.seek(core.connect(PlainDriver(p4(LB2)))))
    return core


def test_a_p4_switch_is_admitted_as_soon_as_its_open_vswitch_neighbours_see_it() -> None:
    leaf = Session([{6}, {6}, {6, 7}])
    core = p4_beside_ovs(leaf)
    assert core.admitted == {"lb1", "lb2"}
    assert leaf.looks == 3, "neither too early nor later than needed"
    assert core.complaints() == []


def test_a_p4_switch_whose_neighbour_does_not_see_it_is_waited_for_no_longer_than_the_bound() -> None:
    core = p4_beside_ovs(Session([{6}]))
    assert core.complaints() == [("links_down", {"switch": "lb2", "waited": LINKS})]
    assert core.admitted == {"lb1", "lb2"}


def test_a_neighbour_that_goes_is_not_asked_for_what_it_sees() -> None:
    core = p4_beside_ovs(Session(alive=False))
    assert (core.slept, core.complaints()) == (0.0, [])
    assert core.admitted == {"lb1", "lb2"}


def test_links_that_stay_down_are_told_and_waited_for_no_longer_than_the_bound() -> None:
    core = Core("lb1")
    core.seek(Session([{1}]))
    assert core.complaints() == [("links_down", {"switch": "lb2", "waited": LINKS})]
    assert core.slept == pytest.approx(LINKS)
    assert core.admitted == {"lb1", "lb2"}


def test_a_link_to_a_switch_that_is_away_is_not_waited_for() -> None:
    core = Core("lb1")
    core.fleet.disconnect(LEAF.id)
    core.seek(Session([{1}]))
    assert (core.slept, core.complaints()) == (0.0, [])


def test_a_switch_that_goes_while_its_links_are_waited_for_is_not_admitted() -> None:
    core = Core("lb1")
    core.presence.gone(LB2.id)
    core.seek(Session(alive=False))
    assert core.admitted == {"lb1"}


def test_a_switch_is_held_while_slots_move_and_admitted_when_they_have_settled() -> None:
    core = Core("lb1", moving=7)
    seen = []
    core.at(105.0, lambda: seen.append(core.admitted))
    core.at(106.0, lambda: core.moving(0))
    core.seek()
    assert [name for name, _ in core.complaints()] == ["held"]
    assert seen == [{"lb1"}]
    assert core.admitted == {"lb1", "lb2"}
    assert core.slept == 6.0


def test_a_held_switch_that_is_renamed_is_admitted_under_its_new_name() -> None:
    """Fails on 2ad1e45: it waited under the old one for ever."""
    core = Core("lb1", moving=7)
    core.at(105.0, lambda: core.rename(LB2, "front"))
    core.at(106.0, lambda: core.moving(0))
    core.seek()
    assert core.admitted == {"lb1", "front"}


def test_one_that_lost_its_memory_waits_until_the_others_in_use_are_read_and_it_holds_their_pins() -> None:
    """Fails on 2ad1e45: after a start of the controller the first to come took connections that only others knew."""
    core = Core("lb1", discovered=False)
    seen = []

    def read() -> None:
        seen.append(core.admitted)
        core.pins = 7
        core.presence.synced(LB1.id)

    def written() -> None:
        seen.append(core.admitted)
        task = core.fleet.get(LB2.id)
        assert task is not None
        task.pins_version = 8

    core.at(101.0, read)
    core.at(103.0, written)
    core.seek()
    assert seen == [{"lb1"}, {"lb1"}]
    assert core.admitted == {"lb1", "lb2"}
    assert core.slept == 3.0
    assert core.complaints() == [
        ("held", {"switch": "lb2", "why": "lb1 may know connections that it does not"})
    ]


def test_the_table_that_settles_admits_at_once() -> None:
    core = Core("lb1", moving=7)
    seen = []

    def settle() -> None:
        core.moving(0)
        seen.append(core.admitted)

    core.at(106.0, settle)
    core.seek()
    assert seen == [{"lb1", "lb2"}], "before admission looks again"


def test_slots_that_never_settle_hold_a_switch_for_two_windows() -> None:
    core = Core("lb1", moving=7)
    seen = []
    core.at(BEGIN + 2 * WINDOW - 0.1, lambda: seen.append(core.admitted))
    core.seek()
    assert seen == [{"lb1"}]
    assert core.admitted == {"lb1", "lb2"}
    assert core.slept == 2 * WINDOW


def test_a_held_switch_that_leaves_waits_no_more() -> None:
    core = Core("lb1", moving=7)
    core.at(101.0, lambda: core.presence.gone(LB2.id))
    core.seek()
    core.presence.synced(LB2.id)
    core.moving(0)
    assert core.admitted == {"lb1"}, "it has to seek admission again"


def test_the_only_switch_waits_for_nothing() -> None:
    core = Core(moving=7)
    session = Session([set()])
    core.seek(session)
    assert core.admitted == {"lb2"}
    assert (session.looks, core.slept, core.complaints()) == (0, 0.0, [])


def test_a_switch_is_withdrawn_but_never_the_last_one() -> None:
    core = Core("lb1", "lb2")
    core.presence.withdraw(LB1.id, "control stream lost")
    core.presence.withdraw(LB2.id, "control stream lost")
    assert core.admitted == {"lb2"}
    assert core.said.pairs() == [("withdrawn", {"switch": "lb1", "why": "control stream lost"})]


def test_an_empty_switch_that_is_the_first_to_connect_after_a_restart_waits_like_any_other() -> None:
    core = Core("lb1", "lb2", moving=7, discovered=False)
    core.presence.stale(LB2.id)
    core.presence.synced(LB2.id)
    seen = []

    def discover() -> None:
        seen.append(core.admitted)
        core.presence.connected = lambda number: number != LB1.id
        core.presence.step()

    core.at(BEGIN + DISCOVERY_WAIT, discover)
    core.seek()
    assert seen == [{"lb1"}]
    assert core.admitted == {"lb2"}, "lb1 never came"
    assert core.slept == DISCOVERY_WAIT


def test_links_to_edges_are_opened_and_no_others(database: Database) -> None:
    Core("lb1").open_links(Session())
    assert database.opened == [["edge1"]]


def test_an_admitted_switch_that_is_synced_again_has_its_links_opened(database: Database) -> None:
    Core("lb1", "lb2").seek(switch=WITH_OVSDB)
    assert database.opened == [["edge1"]]


def test_a_switch_without_ovsdb_opens_its_links_itself(database: Database) -> None:
    Core("lb1").open_links(Session(), LB2)
    assert database.asked == 0


def test_an_ovsdb_that_refuses_is_asked_again_and_told_of_once(database: Database) -> None:
    core = Core("lb1")
    database.refusals = 3
    member = core.open_links(Session())
    assert database.opened == [["edge1"]]
    error = "tcp:172.31.0.9:6640: connection refused"
    assert core.complaints() == [("links_shut", {"switch": "lb2", "error": error})]
    assert member.links_shut == ""


def test_a_switch_that_is_gone_is_asked_no_more(database: Database) -> None:
    core = Core("lb1")
    database.refusals = 2
    database.hang_up = Session()
    core.open_links(database.hang_up)
    assert (database.asked, database.opened) == (2, [])
