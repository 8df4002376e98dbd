"""P4 switches with another program are pushed one at a time, edges first, and no lb switch while somebody uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from controller.core.rollout import AGAIN, BOUND, GATHER, LEAVE, Choice, Rollout, View, choose
from controller.southbound.p4.events import Differs, Parted
from controller.spec.types import Port, Role, Switch
from p4src.target import EntryBody, EntryKey, P4Target

OLD = 0xABC
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
    assert choose(known, 10.0 + GATHER - 0.01) == Choice(None)
    assert choose(known, 10.0 + GATHER) == Choice("lb1")


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


@dataclass
class Fabric:
    """The rest of the controller, and switches that do what they are told after a while of fake time."""

    names: tuple[str, ...] = NAMES
    now: float = 100.0
    admitted: frozenset[str] = frozenset({"lb1", "lb2"})
    absent: frozenset[str] = frozenset()
    stuck: set[str] = field(default_factory=set)
    """Switches that never write what they are told."""
    sick: set[str] = field(default_factory=set)
    """Switches that are never synced after their push."""
    refusing: set[str] = field(default_factory=set)
    """Switches that refuse the program."""
    pins_late: float = 0.0
    """Until when not all pins are everywhere."""
    pushes: list[Push] = field(default_factory=list)
    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    synced: set[str] = field(default_factory=set)
    empty: set[str] = field(default_factory=set)
    adopted: list[str] = field(default_factory=list)
    members: dict[str, Any] = field(default_factory=dict)
    due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        core: Any = self
        self.state: Any = self
        self.arrivals: Any = self
        self.admission: Any = self
        self.intent = SimpleNamespace(switches=tuple(s for s in FABRIC if s.name in self.names), pools=[])
        self.pools: dict[str, Any] = {}
        self.journal = SimpleNamespace(event=lambda name, **fields: self.said.append((name, fields)))
        self.rollout = Rollout(core, self.sleep, lambda: self.now, self.push)

    # what the roll asks of the controller

    def is_synced(self, name: str) -> bool:
        return name in self.synced

    def target(self, link: Any) -> tuple[Any, int]:
        return (self.admitted, self.absent), 0

    def touch(self) -> None:
        for member in self.members.values():
            if member.switch.name not in self.stuck:
                self.after(0.25, self._writes(member))

    def _writes(self, member: Any) -> Callable[[], None]:
        return lambda: setattr(member, "have", (self.admitted, self.absent))

    def bar(self, name: str, why: str) -> None:
        if self.admitted - {name}:
            self.admitted -= {name}

    def miss(self, names: frozenset[str]) -> None:
        self.absent = names

    def admit(self, names: frozenset[str]) -> None:
        self.admitted = names

    def gone(self, switch: Switch) -> None:
        self.miss(self.absent | {switch.name})
        self.bar(switch.name, "control stream lost")

    def adopt(self, name: str, pins: Any) -> None:
        self.adopted += [f"{name} {pin.port}" for pin in pins]

    def unsynced(self) -> int:
        return 3 if self.now < self.pins_late else 0

    # what happens meanwhile

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        self.due.append((self.now + seconds, what))

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        for at, what in [row for row in self.due if row[0] <= self.now]:
            self.due.remove((at, what))
            what()
        await asyncio.sleep(0)

    def push(self, name: str) -> None:
        used_by = [n for n, m in self.members.items() if name in m.have[0]]
        self.pushes.append(Push(name, self.now, self.admitted, self.absent, used_by, sorted(self.empty)))
        if name in self.refusing:
            self.after(0.2, lambda: self.rollout.parted(Parted(name)))
            self.after(0.4, lambda: self.rollout.differs(Differs(name, OLD, None)))
        else:
            self.empty.add(name)
            self.after(0.4, lambda: self.connected(name))
            if name not in self.sick:
                self.after(1.0, lambda: self.holds_all(name))

    def connected(self, name: str) -> None:
        one = next(s for s in FABRIC if s.name == name)
        link = SimpleNamespace(diff=lambda have, want: [] if have == want else ["something"])
        self.members[name] = SimpleNamespace(switch=one, link=link, have=(frozenset(), frozenset()))
        self.rollout.arrived(name)

    def holds_all(self, name: str) -> None:
        self.synced.add(name)
        self.empty.discard(name)
        self.absent -= {name}
        self.touch()
        if name.startswith("lb"):
            self.after(0.5, lambda: self._admitted(name))

    def _admitted(self, name: str) -> None:
        self.admitted |= {name}
        self.touch()

    def differ(self, *names: str) -> None:
        for name in names or self.names:
            self.rollout.differs(Differs(name, OLD, None))

    def roll(self, until: float = 1000.0) -> list[str]:
        """Let it run until nobody waits, or so much fake time has passed; who was pushed, in order."""

        async def body() -> None:
            task = asyncio.create_task(self.rollout.run())
            end = self.now + until
            await asyncio.sleep(0)
            while self.now < end and not task.done():
                if self.rollout.turn is None and not any(map(self.rollout.waits, self.names)):
                    break
                await asyncio.sleep(0)
            task.cancel()

        asyncio.run(body())
        return [push.name for push in self.pushes]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [fields for said, fields in self.said if said == name]


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
    fabric.connected("edge1")
    fabric.synced.add("edge1")
    fabric.members["edge1"].have = (fabric.admitted, fabric.absent)
    fabric.stuck = {"edge1"}
    fabric.differ("lb1", "lb2")
    fabric.roll()
    first = fabric.events("push_granted")[0]
    assert (first["switch"], first["late"]) == ("lb1", ["edge1"])
    assert LEAVE <= fabric.pushes[0].at - 100.0 < LEAVE + 1.0


def test_an_lb_is_not_emptied_before_the_others_hold_all_pins() -> None:
    fabric = Fabric(names=("lb1", "lb2"))
    fabric.connected("lb2")
    fabric.synced.add("lb2")
    fabric.pins_late = 105.0
    fabric.differ("lb1")
    fabric.roll()
    assert 105.0 <= fabric.pushes[0].at < 106.0
    assert fabric.events("push_granted")[0]["unsynced"] == 0


def test_pins_that_do_not_arrive_are_waited_for_no_longer_than_the_bound_and_counted() -> None:
    fabric = Fabric(names=("lb1", "lb2"))
    fabric.connected("lb2")
    fabric.synced.add("lb2")
    fabric.pins_late = 1e9
    fabric.differ("lb1")
    fabric.roll()
    assert fabric.pushes[0].at < 100.0 + 2 * LEAVE + 1.0
    assert fabric.events("push_granted")[0]["unsynced"] == 3


def test_one_that_does_not_get_well_is_given_up_on_and_the_next_has_its_turn() -> None:
    fabric = Fabric(sick={"edge1"})
    fabric.differ("edge1", "edge2", "leaf1", "lb1", "lb2")
    fabric.roll(until=50.0)
    assert [push.name for push in fabric.pushes] == ["edge1"]
    fabric = Fabric(sick={"leaf1"})
    fabric.differ()
    assert fabric.roll() == ["edge1", "edge2", "leaf1", "lb1", "lb2"]
    assert fabric.events("push_given_up") == [{"switch": "leaf1", "why": f"not synced within {BOUND:g} s"}]
    waited = fabric.pushes[3].at - fabric.pushes[2].at
    assert BOUND <= waited < BOUND + 2.0


def test_the_last_lb_is_held_until_the_one_before_is_well_again() -> None:
    fabric = Fabric(names=("lb1", "lb2"), sick={"lb1"})
    fabric.differ()
    assert fabric.roll(until=300.0) == ["lb1"]
    assert fabric.admitted == {"lb2"}
    assert fabric.events("push_held") == [
        {"why": "lb2 is the last lb that serves, and lb1 did not get well under the new program"}
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
    assert AGAIN <= fabric.pushes[2].at - fabric.pushes[0].at < AGAIN + 2.0


@pytest.mark.parametrize(("cookie", "used"), [(OLD, True), (OLD + 1, False)])
def test_a_waiting_switch_whose_stream_breaks_is_left_out_until_it_is_back_with_what_it_held(
    cookie: int, used: bool
) -> None:
    fabric = Fabric()
    fabric.differ()
    fabric.rollout.parted(Parted("lb1"))
    assert not fabric.rollout.waits("lb1")
    assert ("lb1" in fabric.admitted, "lb1" in fabric.absent) == (False, True)
    fabric.rollout.differs(Differs("lb1", cookie, None))
    assert ("lb1" in fabric.admitted, "lb1" not in fabric.absent) == (used, used)


def test_a_switch_that_goes_during_its_turn_is_not_pushed() -> None:
    fabric = Fabric(names=("lb1", "lb2", "edge1"))
    fabric.connected("edge1")
    fabric.synced.add("edge1")
    fabric.differ("lb1")
    fabric.after(0.15, lambda: fabric.rollout.parted(Parted("lb1")))
    assert fabric.roll() == []


def test_pins_of_a_switch_that_waits_are_adopted_and_counted() -> None:
    fabric = Fabric()
    pins = P4Target({EntryKey("pin", (1, 0xFFFF0A000001, 1000)): EntryBody("pinned", (1,))})
    fabric.rollout.differs(Differs("lb1", OLD, pins))
    fabric.rollout.differs(Differs("lb2", OLD, None))
    assert fabric.adopted == ["lb1 1000"]
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
