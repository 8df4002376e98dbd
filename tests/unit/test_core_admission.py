"""An lb switch that comes back gets traffic only when it can do no harm, and then surely."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from controller.core.admission import LINKS, Admission
from controller.southbound.errors import SwitchGone
from controller.southbound.openflow.driver import OpenFlowLink
from controller.southbound.ovsdb import links
from controller.southbound.ovsdb.client import OvsdbError
from controller.spec.types import Port, Role, Switch

EDGE = Switch("edge1", "ovs", 1, "east", frozenset({Role.EDGE}), "02:00:00:00:00:01")
NAMES = {1: "edge1", 2: "leaf1", 3: "s1"}


def lb(name: str, ovsdb: str | None = "tcp:172.31.0.9:6640") -> Switch:
    ports = tuple(Port(number, to) for number, to in NAMES.items())
    return Switch(name, "ovs", 2, "east", frozenset({Role.LB}), "02:00:00:00:00:02", ports, ovsdb=ovsdb)


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


class Core:
    """What admission asks of the controller: lb1 serves, lb2 comes back, a slot moves or none does."""

    def __init__(self, *others: str, moving: int = 0) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []
        self.slept = 0.0
        self.pool = SimpleNamespace(moving=moving, transition=10.0)
        self.state = SimpleNamespace(
            admitted=frozenset(others),
            pools={"web/tcp": self.pool},
            intent=SimpleNamespace(pools=[self.pool], switches=[EDGE, lb("lb1"), lb("lb2")]),
            admit=self._store,
        )
        self.synced = {*others, "lb2"}
        self.early = False
        self.members: dict[str, Any] = dict.fromkeys(["edge1", "leaf1", "lb1", "lb2"])
        self.state.intent.switches.append(Switch("leaf1", "ovs", 3, "east", frozenset({Role.LEAF}), "02::3"))
        self.journal = SimpleNamespace(event=lambda name, **fields: self.said.append((name, fields)))
        core: Any = self
        self.admission = Admission(core, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept += seconds

    def _store(self, admitted: frozenset[str]) -> None:
        self.state.admitted = admitted

    def is_synced(self, name: str) -> bool:
        return name in self.synced

    def awaited(self, name: str) -> bool:
        return self.early and name not in self.synced

    def admit(self, name: str) -> None:
        self.state.admitted |= {name}

    def touch(self) -> None:
        """Edges' groups are another's job."""

    def seek(self, session: Session | None = None, now: float = 100.0) -> Any:
        """lb2 is synced and wants traffic."""
        member = _member(lb("lb2"), session or Session())
        asyncio.run(self.admission.seek(member, now))
        return member

    def open_links(self, session: Session, switch: Switch | None = None) -> Any:
        """lb2 was admitted."""
        self.admit("lb2")
        member = _member(switch or lb("lb2"), session)
        asyncio.run(self.admission.open_links(member))
        return member


def _member(switch: Switch, session: Any) -> Any:
    return SimpleNamespace(switch=switch, link=OpenFlowLink(switch, session, dict), links_shut="")


@dataclass
class Database:
    """An OVSDB that refuses a number of times."""

    refusals: int = 0
    asked: int = 0
    opened: list[list[str]] = field(default_factory=list)
    hang_up: Session | None = None
    """Whose stream ends at the last refusal."""

    async def open_links(self, address: str, interfaces: list[str]) -> None:
        self.asked += 1
        if self.asked <= self.refusals:
            if self.hang_up and self.asked == self.refusals:
                self.hang_up.alive = False
            raise OvsdbError(f"{address}: connection refused")
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
    assert core.state.admitted == {"lb1", "lb2"}
    assert session.looks == 3, "neither too early nor later than needed; port 3 leads to a server"
    assert core.said == []


class P4(SimpleNamespace):
    """A P4 switch's link: it takes all its ports for live."""

    async def live_ports(self) -> set[int]:
        return {1, 2, 3}


def p4_beside_ovs(neighbour: Session) -> Core:
    """lb2 is a P4 switch, its leaf an Open vSwitch whose port 7 leads to it, its edge a P4 switch."""
    core = Core("lb1")
    leaf = Switch(
        "leaf1", "ovs", 3, "east", frozenset({Role.LEAF}), "02::3", (Port(6, "lb1"), Port(7, "lb2"))
    )
    core.members["leaf1"] = _member(leaf, neighbour)
    core.members["edge1"] = core.members["lb1"] = SimpleNamespace(link=P4())
    switch = replace(lb("lb2", ovsdb=None), kind="embedded", p4runtime="172.31.0.9:9559")
    member: Any = SimpleNamespace(switch=switch, link=P4(), links_shut="")
    asyncio.run(core.admission.seek(member, 100.0))
    return core


def test_a_p4_switch_is_admitted_as_soon_as_its_open_vswitch_neighbours_see_it() -> None:
    leaf = Session([{6}, {6}, {6, 7}])
    core = p4_beside_ovs(leaf)
    assert core.state.admitted == {"lb1", "lb2"}
    assert leaf.looks == 3, "neither too early nor later than needed"
    assert core.said == []


def test_a_p4_switch_whose_neighbour_does_not_see_it_is_waited_for_no_longer_than_the_bound() -> None:
    core = p4_beside_ovs(Session([{6}]))
    assert core.said == [("links_down", {"switch": "lb2", "waited": LINKS})]
    assert core.state.admitted == {"lb1", "lb2"}


def test_a_neighbour_that_goes_is_not_asked_for_what_it_sees() -> None:
    core = p4_beside_ovs(Session(alive=False))
    assert (core.slept, core.said) == (0.0, [])
    assert core.state.admitted == {"lb1", "lb2"}


def test_links_that_stay_down_are_told_and_waited_for_no_longer_than_the_bound() -> None:
    core = Core("lb1")
    core.seek(Session([{1}]))
    assert core.said == [("links_down", {"switch": "lb2", "waited": LINKS})]
    assert core.slept == pytest.approx(LINKS)
    assert core.state.admitted == {"lb1", "lb2"}


def test_a_link_to_a_switch_that_is_away_is_not_waited_for() -> None:
    core = Core("lb1")
    del core.members["leaf1"]
    core.seek(Session([{1}]))
    assert (core.slept, core.said) == (0.0, [])


def test_a_switch_that_goes_while_its_links_are_waited_for_is_not_admitted() -> None:
    core = Core("lb1")
    core.synced.remove("lb2")
    core.seek(Session(alive=False))
    assert core.state.admitted == {"lb1"}


def test_a_switch_is_held_while_slots_move_and_admitted_when_they_have_settled() -> None:
    core = Core("lb1", moving=7)
    core.seek()
    assert [name for name, _ in core.said] == ["held"]
    core.admission.review(105.0)
    assert core.state.admitted == {"lb1"}
    core.pool.moving = 0
    core.admission.review(106.0)
    assert core.state.admitted == {"lb1", "lb2"}


def test_slots_that_never_settle_hold_a_switch_for_two_windows() -> None:
    core = Core("lb1", moving=7)
    core.seek(now=100.0)
    core.admission.review(119.9)
    assert core.state.admitted == {"lb1"}
    core.admission.review(120.0)
    assert core.state.admitted == {"lb1", "lb2"}


def test_a_held_switch_that_leaves_waits_no_more() -> None:
    core = Core("lb1", moving=7)
    core.seek()
    core.synced.remove("lb2")
    core.admission.review(101.0)
    core.synced.add("lb2")
    core.pool.moving = 0
    core.admission.review(102.0)
    assert core.state.admitted == {"lb1"}, "it has to seek admission anew"


def test_the_only_switch_waits_for_nothing() -> None:
    core = Core(moving=7)
    session = Session([set()])
    core.seek(session)
    assert core.state.admitted == {"lb2"}
    assert (session.looks, core.said) == (0, [])


def test_a_switch_is_barred_but_never_the_last_one() -> None:
    core = Core("lb1", "lb2")
    core.admission.bar("lb1", "control stream lost")
    core.admission.bar("lb2", "control stream lost")
    assert core.state.admitted == {"lb2"}
    assert core.said == [("barred", {"switch": "lb1", "why": "control stream lost"})]


def test_an_empty_switch_that_is_the_first_to_connect_after_a_restart_waits_like_any_other() -> None:
    core = Core("lb1", "lb2", moving=7)
    core.early = True
    core.synced = {"lb2"}
    core.admission.bar("lb2", "came back empty")
    core.seek()
    assert core.state.admitted == {"lb1"}
    core.early = False
    core.admission.review(110.0)
    assert core.state.admitted == {"lb1", "lb2"}, "lb1 never came"


def test_links_to_edges_are_opened_and_no_others(database: Database) -> None:
    Core("lb1").open_links(Session())
    assert database.opened == [["edge1"]]


def test_an_admitted_switch_that_is_synced_again_has_its_links_opened(database: Database) -> None:
    Core("lb1", "lb2").seek()
    assert database.opened == [["edge1"]]


def test_a_switch_without_ovsdb_opens_its_links_itself(database: Database) -> None:
    Core("lb1").open_links(Session(), lb("lb2", ovsdb=None))
    assert database.asked == 0


def test_an_ovsdb_that_refuses_is_asked_again_and_told_of_once(database: Database) -> None:
    core = Core("lb1")
    database.refusals = 3
    member = core.open_links(Session())
    assert database.opened == [["edge1"]]
    error = "tcp:172.31.0.9:6640: connection refused"
    assert core.said == [("links_shut", {"switch": "lb2", "error": error})]
    assert member.links_shut == ""


def test_a_switch_that_is_gone_is_asked_no_more(database: Database) -> None:
    core = Core("lb1")
    database.refusals = 2
    database.hang_up = Session()
    core.open_links(database.hang_up)
    assert (database.asked, database.opened) == (2, [])
