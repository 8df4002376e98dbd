"""Cables of Open vSwitch lb switches to servers: dead as soon as their switch says so, alive after a while of rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address

import pytest

from controller.core.cells import Cell
from controller.core.fleet import Fleet
from controller.core.portwatch import STEADY, PortWatch
from controller.core.targets import Targets
from controller.plan.duty import PlanInput
from controller.plan.paths import End
from controller.plan.pins import PinBook
from controller.spec.types import Backend, Intent, Pool, Port, Role, Site, Switch
from tests.fakes.core import PlainDriver, SetClock, Watching, journal, until

PORTS = (Port(1, "edge1"), Port(2, "leaf1"), Port(3, "leaf2"), Port(4, "s9"))
ALL = {1, 2, 3, 4}
DEAD = End("lb1", 3)


def switch(name: str, number: int, role: Role, kind: str = "ovs") -> Switch:
    ports = PORTS if role is not Role.LEAF else (Port(1, "lb1"), Port(2, "lb2"))
    return Switch(name, kind, number, "east", frozenset({role}), f"02:00:00:00:00:{number:02x}", ports)


EDGE, LB1, LB2 = switch("edge1", 1, Role.EDGE), switch("lb1", 2, Role.LB), switch("lb2", 3, Role.LB)
LEAFS = (switch("leaf1", 4, Role.LEAF), switch("leaf2", 5, Role.LEAF))
BACKENDS = tuple(
    Backend(name, (ip_address(f"10.1.0.{n}"),), at=at)
    for n, (name, at) in enumerate((("s1", "leaf1"), ("s2", "leaf2"), ("s9", None)), 1)
)


def intent(*lbs: Switch) -> Intent:
    return Intent((Site("east"),), (EDGE, *lbs, *LEAFS), (Pool("web", BACKENDS),), ())


class World:
    """A watch, and what it says; time is the test's."""

    def __init__(self, *dead: tuple[str, int]) -> None:
        self.journal, self.said = journal()
        self.clock = SetClock()
        self.intent = Cell("intent", intent(LB1, LB2))
        self.watch = PortWatch(self.intent, self.journal, self.clock, dead)

    def wait(self, seconds: float) -> None:
        self.clock.time += seconds

    def turns(self) -> list[tuple[str, str, int]]:
        return [(name, fields["switch"], fields["port"]) for name, fields in self.said.pairs()]


@pytest.fixture
def world() -> World:
    return World()


def test_a_port_that_is_not_live_is_dead_at_once(world: World) -> None:
    world.watch.look(LB1.id, ALL)
    assert world.watch.dead() == frozenset()
    world.watch.look(LB1.id, ALL - {3})
    assert world.watch.dead() == {DEAD}
    assert world.watch.problem(LB1) == "nothing gets through at port 3 (leaf2)"
    assert world.watch.problem(LB2) == ""
    assert world.turns() == [("link_down", "lb1", 3)]


def test_one_that_comes_back_is_used_after_a_while_and_one_that_flaps_is_not(world: World) -> None:
    for live in (ALL, ALL - {3}, ALL):
        world.watch.look(LB1.id, live)
    world.wait(0.9 * STEADY)
    assert world.watch.dead() == {DEAD}
    for live in (ALL - {3}, ALL):
        world.watch.look(LB1.id, live)
    world.wait(0.9 * STEADY)
    assert world.watch.dead() == {DEAD}
    world.wait(0.2 * STEADY)
    assert world.watch.dead() == frozenset()
    assert world.turns() == [("link_down", "lb1", 3), ("link_up", "lb1", 3)]
    assert world.watch.problem(LB1) == ""


def test_ports_to_edges_and_hosts_and_ports_of_other_switches_are_none_of_its_business(world: World) -> None:
    for each in (EDGE, LB1, *LEAFS):
        world.watch.look(each.id, {2, 3})
    assert world.watch.dead() == frozenset()
    assert world.turns() == []


def test_p4_switches_are_left_to_hellos() -> None:
    world = World()
    world.intent.put(intent(replace(LB1, kind="embedded")))
    world.watch.look(LB1.id, set())
    assert world.watch.dead() == frozenset()


def test_what_was_dead_before_a_restart_is_until_its_switch_says_otherwise() -> None:
    world = World(DEAD, ("edge1", 1), ("gone", 7))
    assert world.watch.dead() == {DEAD}
    world.watch.look(LB2.id, ALL)
    assert world.watch.dead() == {DEAD}
    world.watch.look(LB1.id, ALL)
    assert world.watch.dead() == frozenset(), "it was not seen to flap"
    assert world.turns() == [("link_up", "lb1", 3)]


def test_a_dead_port_stays_dead_when_its_switch_is_renamed(world: World) -> None:
    world.watch.look(LB1.id, ALL - {3})
    world.intent.put(intent(replace(LB1, name="lb1x"), LB2))
    assert world.watch.dead() == {End("lb1x", 3)}


def test_a_port_without_servers_behind_it_is_forgotten(world: World) -> None:
    world.watch.look(LB1.id, ALL - {3})
    before = world.intent.value
    world.intent.put(replace(before, pools=(Pool("web", BACKENDS[:1]),)))
    assert world.watch.dead() == frozenset()
    world.intent.put(before)
    assert world.watch.dead() == frozenset(), "it is looked at again first"


def play(world: World, story: Callable[[Fleet, PlainDriver], Awaitable[None]]) -> None:
    """A switch connects, and its ports are followed."""

    async def run() -> None:
        committed: Cell[PlanInput | None] = Cell("committed", None)
        fleet = Fleet(Targets(committed, PinBook()), world.journal, world.clock)
        driver = PlainDriver(LB1)
        driver.live = ALL
        task = fleet.connect(driver, Watching())
        following = asyncio.create_task(world.watch.follow(task))
        try:
            await story(fleet, driver)
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    asyncio.run(run())


def test_a_switch_is_asked_when_it_connects_and_whenever_its_ports_change(world: World) -> None:
    async def story(_: Fleet, driver: PlainDriver) -> None:
        driver.live = ALL - {3}
        await until(lambda: world.watch.dead() == {DEAD})
        driver.live = ALL
        world.watch.changed(LB1.id)
        world.watch.changed(99)
        await asyncio.sleep(0.02)
        world.wait(STEADY)
        await until(lambda: world.watch.dead() == frozenset())
        driver.live = ALL - {2}
        world.watch.changed(LB1.id)
        await until(lambda: world.watch.dead() == {End("lb1", 2)})

    play(world, story)


def test_a_switch_that_connects_again_is_used_as_soon_as_it_says_that_all_is_well(world: World) -> None:
    world.watch.look(LB1.id, ALL - {3})

    async def story(_: Fleet, __: PlainDriver) -> None:
        await until(lambda: world.watch.dead() == frozenset())

    play(world, story)
