"""P4 switches with another program are pushed one at a time, edges first, and no lb switch while somebody uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import pytest

from controller.core.cells import Cell, Readable
from controller.core.fleet import Fleet, SwitchTask
from controller.core.pinning import Pinning
from controller.core.presence import Presence
from controller.core.roll import DISCOVERY_WAIT, Choice, View, choose
from controller.core.rollout import DRAIN_DEADLINE, RETRY_AFTER, SYNC_DEADLINE, Rollout
from controller.core.state import Names
from controller.core.targets import Targets
from controller.plan.duty import PlanInput, world_of
from controller.plan.pins import PinBook
from controller.plan.tables import Tables
from controller.southbound.driver import FoundPin
from controller.southbound.p4.events import MismatchEnded, PipelineMismatch
from controller.spec.types import Intent, Port, Role, Site, Switch
from p4src.target import EntryBody, EntryKey, P4Target
from tests.fakes.core import Plain, PlainDriver, SetClock, Watching, journal

OLD = 0xABC
BEGIN = 100.0
NAMES = ("lb1", "lb2", "leaf1", "edge1", "edge2")
"""As the intent names them; the order of pushes is another."""


def switch(name: str, *roles: Role, site: str = "east") -> Switch:
    own = roles or (Role(name.rstrip("0123456789")),)
    ports = tuple(Port(number, to) for number, to in enumerate(NAMES, start=1) if to != name)
    mac = "02:00:00:00:00:01"
    return Switch(name, "bmv2", 1, site, frozenset(own), mac, ports, p4runtime=f"unix:{name}")


FABRIC = tuple(switch(name) for name in NAMES)


def view(waiting: str, **other: Any) -> View:
    """``waiting``: names; all that wait and all lb switches serve unless said otherwise."""
    names = waiting.split()
    known = {"switches": FABRIC, "serving": frozenset(NAMES), "broken": frozenset(), **other}
    return View(waiting=dict.fromkeys(names, 0.0), **known)


@pytest.mark.parametrize(
    ("waiting", "first"),
    [
        (view("lb1 lb2 leaf1 edge1 edge2"), "edge1"),
        (view("lb1 lb2 leaf1 edge2"), "edge2"),
        (view("lb1 lb2 leaf1"), "leaf1"),
        (view("lb1 lb2"), "lb1"),
        (view("lb2"), "lb2"),
        (view(""), None),
        (view("lb1 lb2", serving=frozenset({"lb1"})), "lb2"),
        (view("lb1 edge1", serving=frozenset({"edge1"})), "edge1"),
    ],
    ids=[
        "edges",
        "in order",
        "leafs",
        "lbs",
        "the last",
        "nobody",
        "unused lb before used",
        "edge before unused lb",
    ],
)
def test_edges_come_first_then_leafs_then_lbs(waiting: View, first: str | None) -> None:
    assert choose(waiting, 1.0) == Choice(first)


def test_a_switch_that_is_edge_and_lb_has_its_turn_with_the_lbs() -> None:
    both = switch("all1", Role.EDGE, Role.LB, Role.LEAF)
    several = (both, switch("leaf1"), switch("lb1"))
    known = View(
        several, {"all1": 0.0, "leaf1": 0.0, "lb1": 0.0}, frozenset({"all1", "leaf1", "lb1"}), frozenset()
    )
    assert choose(known, 1.0).name == "leaf1"


def test_the_order_is_not_decided_before_all_are_heard_of_or_late() -> None:
    known = view("lb1", unheard=True, since=10.0)
    assert choose(known, 10.0 + DISCOVERY_WAIT - 0.01) == Choice(None)
    assert choose(known, 10.0 + DISCOVERY_WAIT) == Choice("lb1")


def test_one_that_has_to_wait_for_its_next_try_does_not_stop_the_others() -> None:
    known = View(FABRIC, {"edge1": 70.0, "lb1": 0.0}, frozenset(NAMES), frozenset())
    assert choose(known, 60.0) == Choice("lb1")
    assert choose(known, 70.0) == Choice("edge1")


@pytest.mark.parametrize(
    ("serving", "broken", "name"),
    [
        ("lb2", "lb1", None),
        ("lb2", "", "lb2"),
        ("lb2 lb3", "lb1", "lb2"),
        ("lb3", "lb1", "lb2"),
    ],
    ids=["the last, after a failure", "the last", "not the last", "unused itself"],
)
def test_the_last_lb_is_not_emptied_while_another_is_sick_under_the_program(
    serving: str, broken: str, name: str | None
) -> None:
    several = (switch("lb1"), switch("lb2"), switch("lb3"))
    known = View(several, {"lb2": 0.0}, frozenset(serving.split()), frozenset(broken.split()))
    chosen = choose(known, 1.0)
    assert chosen.name == name
    assert bool(chosen.held) is (name is None)


def test_a_sick_switch_of_another_site_holds_nobody() -> None:
    several = (switch("lb1", site="west"), switch("lb2"))
    known = View(several, {"lb2": 0.0}, frozenset({"lb2"}), frozenset({"lb1"}))
    assert choose(known, 1.0).name == "lb2"


@dataclass
class Push:
    """How things stood when a switch was emptied."""

    name: str
    at: float
    admitted: frozenset[str]
    absent: frozenset[str]
    used_by: list[str]
    empty: list[str]
    """Others that were empty."""


class Driver(PlainDriver):
    """A switch that writes what it should hold a moment after it is planned, unless it is stuck."""

    def __init__(self, switch: Switch, wants: Callable[[], Plain]) -> None:
        super().__init__(switch, lambda world: wants())


class Fabric:
    """Switches that do what they are asked after a while of fake time; all else is the core's own."""

    def __init__(
        self,
        names: tuple[str, ...] = NAMES,
        admitted: frozenset[str] = frozenset({"lb1", "lb2"}),
        stuck: Iterable[str] = (),
        sick: Iterable[str] = (),
        refusing: Iterable[str] = (),
    ) -> None:
        self.names = names
        self.stuck = set(stuck)
        """Switches that never write what they should hold."""
        self.sick = set(sick)
        """Switches that are never synced after their push."""
        self.refusing = set(refusing)
        """Switches that refuse the program."""
        self.pins_late = 0.0
        """Until when not all pins are everywhere."""
        self.pushes: list[Push] = []
        self.empty: set[str] = set()
        self.commits = 0
        self.clock = SetClock(BEGIN)
        self._due: list[tuple[float, Callable[[], None]]] = []
        self.journal, self.said = journal()
        self.intent = Cell(
            "intent", Intent((Site("east"),), tuple(s for s in FABRIC if s.name in names), (), ())
        )
        tables: Cell[Tables] = Cell("tables", Tables())
        self.absents: Cell[Names] = Cell("absent", frozenset())
        self.admitteds: Cell[Names] = Cell("admitted", admitted)
        self.presence = Presence(self.absents, self.admitteds, self.intent, self.journal, self.clock)
        self.world = world_of(self.intent.value, Tables(), PinBook(), admitted, {})
        committed: Cell[PlanInput | None] = Cell("committed", self.world)
        self.book = Pinned(self, committed)
        self.fleet = Fleet(Targets(committed, PinBook()), self.journal, self.clock)
        self.committed = committed
        self.rollout = Rollout(
            self.intent,
            tables,
            self.absents,
            self.presence,
            self.fleet,
            self.book,
            self.journal,
            self.clock,
            self.commit,
            self.sleep,
        )
        self.rollout.allow_push = self.push
        self.presence.connected = lambda name: name in self.fleet or self.rollout.waits(name)

    @property
    def now(self) -> float:
        return self.clock.time

    @property
    def admitted(self) -> Names:
        return self.admitteds.value

    @property
    def absent(self) -> Names:
        return self.absents.value

    # what the roll asks of its surroundings

    async def commit(self) -> None:
        """What was decided is planned from; switches write it in a moment."""
        self.commits += 1
        self.committed.put(
            world_of(self.intent.value, Tables(), PinBook(), self.admitted, {}, absent=self.absent)
        )
        for task in self.fleet:
            if task.switch.name not in self.stuck:
                self.after(0.25, partial(self._writes, task))

    def _wanted(self) -> Plain:
        """What a switch should hold: who is used."""
        world = self.committed.value
        assert world is not None
        return frozenset(name for name in self.names if name in world.admitted and name not in world.absent)

    def _writes(self, task: SwitchTask) -> None:
        task.have = self._wanted()

    async def sleep(self, seconds: float) -> None:
        self.clock.time += seconds
        for row in [row for row in self._due if row[0] <= self.now]:
            self._due.remove(row)
            row[1]()
        if self.admitted != self.world.admitted or self.absent != self.world.absent:
            self.world = replace(self.world, admitted=self.admitted, absent=self.absent)
            await self.commit()
        await asyncio.sleep(0)

    def push(self, name: str) -> None:
        used_by = [
            task.switch.name for task in self.fleet if name in cast(frozenset[str], task.have or frozenset())
        ]
        self.pushes.append(Push(name, self.now, self.admitted, self.absent, used_by, sorted(self.empty)))
        if name in self.refusing:
            self.after(0.2, lambda: self.rollout.parted(MismatchEnded(name)))
            self.after(0.4, lambda: self.rollout.differs(PipelineMismatch(name, OLD, None)))
        else:
            self.empty.add(name)
            self.after(0.4, lambda: self.connected(name))
            if name not in self.sick:
                self.after(1.0, lambda: self.holds_all(name))

    # what happens meanwhile

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        self._due.append((self.now + seconds, what))

    def connected(self, name: str, *, synced: bool = False) -> None:
        """A switch runs our program; ``synced``: it holds what it should, and did so before."""
        one = next(s for s in FABRIC if s.name == name)
        self.rollout.arrived(name)
        task = self.fleet.connect(Driver(one, self._wanted), Watching())
        task.have = self._wanted() if synced else frozenset()
        task.pins_version = self.book.held
        if synced:
            task.synced = True
            self.presence.synced(name)

    def holds_all(self, name: str) -> None:
        """A switch is synced, and admitted soon after."""
        self.empty.discard(name)
        task = self.fleet.get(name)
        assert task is not None
        task.synced = True
        self.presence.synced(name)
        if name.startswith("lb"):
            self.after(0.5, lambda: self.presence.admit(name))

    def differ(self, *names: str) -> None:
        for name in names or self.names:
            self.rollout.differs(PipelineMismatch(name, OLD, None))

    def roll(self, until: float = 1000.0) -> list[str]:
        """Let it run until no switch waits, or so much fake time has passed; who was pushed, in order."""

        async def body() -> None:
            task = asyncio.create_task(self.rollout.run())
            end = self.now + until
            await asyncio.sleep(0)
            while self.now < end and not task.done():
                if self.rollout.turn is None and not any(map(self.rollout.waits, self.names)):
                    break
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(body())
        return [push.name for push in self.pushes]

    def events(self, name: str) -> list[dict[str, Any]]:
        return self.said.of(name)


class Pinned(Pinning):
    """Three pins that not every switch holds until the fabric says so."""

    held = 0

    def __init__(self, fabric: Fabric, committed: Readable[PlanInput | None]) -> None:
        super().__init__(PinBook(), committed, lambda: None)
        self._fabric = fabric
        self.adopted: list[str] = []

    def unsynced(self, version: int | None) -> int:
        """See ``Pinning``."""
        return 3 if self._fabric.now < self._fabric.pins_late else 0

    def adopt(self, switch: str, pins: Iterable[FoundPin]) -> None:
        """See ``Pinning``."""
        self.adopted += [f"{switch} {pin.port}" for pin in pins]


def test_all_are_pushed_one_at_a_time_and_no_lb_while_an_edge_may_send_to_it() -> None:
    fabric = Fabric()
    fabric.differ()
    assert fabric.roll() == ["edge1", "edge2", "leaf1", "lb1", "lb2"]
    assert all(push.empty == [] for push in fabric.pushes)
    assert all(push.name not in push.admitted for push in fabric.pushes)
    assert all(push.name in push.absent for push in fabric.pushes)
    assert [push.used_by for push in fabric.pushes if push.name.startswith("lb")] == [[], []]
    assert fabric.admitted == {"lb1", "lb2"}
    assert fabric.absent == frozenset()
    assert [e["switch"] for e in fabric.events("pushed")] == ["edge1", "edge2", "leaf1", "lb1", "lb2"]
    assert fabric.events("push_given_up") == []


def test_the_second_lb_is_not_taken_out_before_the_first_one_is_admitted_again() -> None:
    fabric = Fabric()
    fabric.differ()
    fabric.roll()
    assert [push.admitted for push in fabric.pushes if push.name.startswith("lb")] == [{"lb2"}, {"lb1"}]


def test_a_single_lb_is_pushed_although_it_is_the_last() -> None:
    fabric = Fabric(names=("lb1", "edge1"), admitted=frozenset({"lb1"}))
    fabric.differ()
    assert fabric.roll() == ["edge1", "lb1"]
    assert fabric.events("push_held") == []


def test_an_edge_that_does_not_write_is_waited_for_no_longer_than_the_bound_and_named() -> None:
    fabric = Fabric(names=("lb1", "lb2", "edge1"))
    fabric.connected("edge1", synced=True)
    fabric.stuck = {"edge1"}
    fabric.differ("lb1", "lb2")
    fabric.roll()
    first = fabric.events("push_granted")[0]
    assert (first["switch"], first["late"]) == ("lb1", ["edge1"])
    assert DRAIN_DEADLINE <= fabric.pushes[0].at - BEGIN < DRAIN_DEADLINE + 1.0


def test_an_lb_is_not_emptied_before_the_others_hold_all_pins() -> None:
    fabric = Fabric(names=("lb1", "lb2"))
    fabric.connected("lb2", synced=True)
    fabric.pins_late = 105.0
    fabric.differ("lb1")
    fabric.roll()
    assert 105.0 <= fabric.pushes[0].at < 106.0
    assert fabric.events("push_granted")[0]["unsynced"] == 0


def test_pins_that_do_not_arrive_are_waited_for_no_longer_than_the_bound_and_counted() -> None:
    fabric = Fabric(names=("lb1", "lb2"))
    fabric.connected("lb2", synced=True)
    fabric.pins_late = 1e9
    fabric.differ("lb1")
    fabric.roll()
    assert fabric.pushes[0].at < BEGIN + 2 * DRAIN_DEADLINE + 1.0
    assert fabric.events("push_granted")[0]["unsynced"] == 3


def test_one_that_does_not_get_well_is_given_up_on_and_the_next_has_its_turn() -> None:
    fabric = Fabric(sick={"edge1"})
    fabric.differ("edge1", "edge2", "leaf1", "lb1", "lb2")
    fabric.roll(until=50.0)
    assert [push.name for push in fabric.pushes] == ["edge1"]
    fabric = Fabric(sick={"leaf1"})
    fabric.differ()
    assert fabric.roll() == ["edge1", "edge2", "leaf1", "lb1", "lb2"]
    assert fabric.events("push_given_up") == [
        {"switch": "leaf1", "why": f"not synced within {SYNC_DEADLINE:g} s"}
    ]
    waited = fabric.pushes[3].at - fabric.pushes[2].at
    assert SYNC_DEADLINE <= waited < SYNC_DEADLINE + 2.0


def test_the_last_lb_is_held_until_the_one_before_is_well_again() -> None:
    fabric = Fabric(names=("lb1", "lb2"), sick={"lb1"})
    fabric.differ()
    assert fabric.roll(until=300.0) == ["lb1"]
    assert fabric.admitted == {"lb2"}
    assert fabric.events("push_held") == [
        {"why": "lb2 is the last lb that serves, and lb1 was not synced under the new program"}
    ]
    fabric.holds_all("lb1")
    assert fabric.roll() == ["lb1", "lb2"]


def test_a_refused_push_leaves_the_switch_in_use_and_is_tried_again_after_the_others() -> None:
    fabric = Fabric(names=("lb1", "lb2"), refusing={"lb1"})
    fabric.differ()
    fabric.roll(until=30.0)
    assert [push.name for push in fabric.pushes] == ["lb1", "lb2"]
    assert fabric.pushes[1].admitted == {"lb1"}, "it serves with what it holds"
    assert fabric.rollout.waits("lb1")
    assert fabric.admitted == {"lb1", "lb2"}
    assert not fabric.absent
    fabric.refusing.clear()
    assert fabric.roll() == ["lb1", "lb2", "lb1"]
    assert RETRY_AFTER <= fabric.pushes[2].at - fabric.pushes[0].at < RETRY_AFTER + 2.0


@pytest.mark.parametrize(("cookie", "used"), [(OLD, True), (OLD + 1, False)])
def test_a_waiting_switch_whose_stream_breaks_is_left_out_until_it_is_back_with_what_it_held(
    cookie: int, used: bool
) -> None:
    fabric = Fabric()
    fabric.differ()
    fabric.rollout.parted(MismatchEnded("lb1"))
    assert not fabric.rollout.waits("lb1")
    assert ("lb1" in fabric.admitted, "lb1" in fabric.absent) == (False, True)
    fabric.rollout.differs(PipelineMismatch("lb1", cookie, None))
    assert ("lb1" in fabric.admitted, "lb1" not in fabric.absent) == (used, used)


def test_a_switch_that_goes_during_its_turn_is_not_pushed() -> None:
    fabric = Fabric(names=("lb1", "lb2", "edge1"))
    fabric.connected("edge1", synced=True)
    fabric.differ("lb1")
    fabric.after(0.15, lambda: fabric.rollout.parted(MismatchEnded("lb1")))
    assert fabric.roll() == []


def test_pins_of_a_switch_that_waits_are_adopted_and_counted() -> None:
    fabric = Fabric()
    pins = P4Target({EntryKey("pin", (1, 0xFFFF0A000001, 1000)): EntryBody("pinned", (1,))})
    fabric.rollout.differs(PipelineMismatch("lb1", OLD, pins))
    fabric.rollout.differs(PipelineMismatch("lb2", OLD, None))
    assert fabric.book.adopted == ["lb1 1000"]
    assert [(e["switch"], e["cookie"], e["pins"]) for e in fabric.events("pipeline_differs")] == [
        ("lb1", "0x0000000000000abc", 1),
        ("lb2", "0x0000000000000abc", None),
    ]


def test_the_status_says_who_waits_and_whose_turn_it_is() -> None:
    fabric = Fabric(sick={"edge1"})
    fabric.differ()
    fabric.roll(until=10.0)
    assert fabric.rollout.shown("lb1") == "waiting"
    assert fabric.events("push_granted")[0]["switch"] == "edge1"
