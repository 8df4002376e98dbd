"""An edge that comes back first waits for the lb switches that it uses; one that lacks nothing, or all, does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from controller.core.cells import Cell
from controller.core.fleet import Fleet
from controller.core.returning import LIMIT, REDIAL, Returning
from controller.core.targets import Targets
from controller.plan.duty import PlanInput, world_of
from controller.plan.pins import PinBook
from controller.plan.tables import Tables
from tests.fakes.core import Plain, PlainDriver, SetClock, Watching, journal, loaded, play, until

BOTH = frozenset({"lb1", "lb2"})


def in_use(world: PlanInput) -> Plain:
    """What an edge holds: the lb switches that it uses, and something besides."""
    return frozenset(world.admitted) | {"vip"}


class Bench:
    """An edge that connects, and lb switches that are admitted when the test says so."""

    def __init__(self, holds: Plain, admitted: frozenset[str] = frozenset()) -> None:
        self.clock = SetClock()
        self.intent = Cell("intent", loaded())
        self.admitted: Cell[frozenset[str]] = Cell("admitted", admitted)
        self.committed: Cell[PlanInput | None] = Cell("committed", None)
        pins = PinBook()
        self.targets = Targets(self.committed, pins)
        said, self.said = journal()
        self.fleet = Fleet(self.targets, said, self.clock)
        self.here: set[int] = set()
        self.fleet.patience = Returning(
            self.intent, self.admitted, lambda number: number in self.here, self.clock, self._sleep
        ).wait
        self.pins = pins
        self.admit(*admitted)
        (edge,) = (each for each in self.intent.value.switches if each.name == "edge1")
        self.driver = PlainDriver(edge, in_use)
        self.driver.does.holds = holds
        self.meanwhile: Callable[[], None] = lambda: None
        """Called while it waits."""

    async def _sleep(self, seconds: float) -> None:
        self.clock.time += seconds
        self.meanwhile()
        await asyncio.sleep(0)

    def admit(self, *names: str) -> None:
        """Edges may use these."""
        self.admitted.put(frozenset(names))
        world = world_of(self.intent.value, Tables(), self.pins, self.admitted.value, {})
        self.committed.put(world)
        self.fleet.wake()

    def connect(self, *names: str) -> None:
        """Streams of lb switches are up."""
        self.here |= {each.id for each in self.intent.value.switches if each.name in names}

    def play(self) -> None:
        """From when the edge is back."""
        seen = Watching()

        async def body() -> None:
            self.fleet.connect(self.driver, seen)
            await until(lambda: ("synced", "edge1") in seen.seen, "it is served")

        play(body, self.fleet.run)


def test_it_goes_on_with_those_that_come_back_with_it() -> None:
    it = Bench(BOTH | {"vip"}, frozenset({"lb1"}))
    it.connect("lb2")
    began = it.clock.now()

    def meanwhile() -> None:
        if it.clock.now() > began + REDIAL:
            it.admit("lb1", "lb2")

    it.meanwhile = meanwhile
    it.play()
    assert it.driver.does.holds == BOTH | {"vip"}
    assert it.said.of("converged") == [], "it was never told to leave lb2"


@pytest.mark.parametrize(("back", "waits"), [((), REDIAL), (("lb2",), LIMIT)])
def test_it_waits_for_one_that_does_not_come_and_for_one_that_is_held_but_not_for_long(
    back: tuple[str, ...], waits: float
) -> None:
    it = Bench(BOTH | {"vip"}, frozenset({"lb1"}))
    it.connect(*back)
    began = it.clock.now()
    it.play()
    assert it.driver.does.holds == {"lb1", "vip"}
    assert waits <= it.clock.now() - began < waits + 1


@pytest.mark.parametrize("holds", [frozenset({"lb1", "vip"}), frozenset()])
def test_one_that_lacks_nothing_or_all_does_not_wait(holds: Plain) -> None:
    it = Bench(holds, frozenset({"lb1"}))
    began = it.clock.now()
    it.play()
    assert it.driver.does.holds == {"lb1", "vip"}
    assert it.clock.now() == began
