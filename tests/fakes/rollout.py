"""Switches with another program, beside a real roll-out: what they do when they are pushed, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from controller.core.cells import Cell, Readable
from controller.core.fleet import Fleet
from controller.core.pinning import Pinning
from controller.core.presence import Presence
from controller.core.rollout import Rollout
from controller.core.storedcells import Names
from controller.core.switchtask import SwitchTask
from controller.core.targets import Targets
from controller.plan.duty import PlanInput, world_of
from controller.plan.pins import PinBook
from controller.plan.tables import Tables
from controller.southbound.driver import FoundPin
from controller.southbound.p4.events import MismatchEnded, PipelineMismatch
from controller.spec.types import Intent, Port, Role, Site, Switch
from p4src.target import P4Target
from tests.fakes.core import Plain, PlainDriver, SetClock, Watching, journal

OLD = 0xABC
BEGIN = 100.0
NAMES = ("lb1", "lb2", "leaf1", "edge1", "edge2")
"""As the intent names them; the order of pushes is another."""

NUMBERS = {name: number for number, name in enumerate((*NAMES, "lb3", "all1"), start=1)}
"""Their ids."""


def switch(name: str, *roles: Role, site: str = "east") -> Switch:
    own = roles or (Role(name.rstrip("0123456789")),)
    ports = tuple(Port(number, to) for number, to in enumerate(NAMES, start=1) if to != name)
    mac = "02:00:00:00:00:01"
    return Switch(name, "bmv2", NUMBERS[name], site, frozenset(own), mac, ports, p4runtime=f"unix:{name}")


FABRIC = tuple(switch(name) for name in NAMES)


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
            committed,
            tables,
            self.presence,
            self.fleet,
            self.book,
            self.journal,
            self.clock,
            self.commit,
            self.sleep,
        )
        self.rollout.allow_push = self.push
        self.presence.connected = lambda number: number in self.fleet or self.rollout.waits(number)

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

    def push(self, number: int) -> None:
        name = self.called(number)
        used_by = [
            task.switch.name for task in self.fleet if name in cast(frozenset[str], task.have or frozenset())
        ]
        self.pushes.append(Push(name, self.now, self.admitted, self.absent, used_by, sorted(self.empty)))
        if name in self.refusing:
            self.after(0.2, lambda: self.parts(name))
            self.after(0.4, lambda: self.differ(name))
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
        one = next(s for s in self.intent.value.switches if s.name == name)
        self.rollout.arrived(self.number(name))
        task = self.fleet.connect(Driver(one, self._wanted), Watching())
        task.have = self._wanted() if synced else frozenset()
        task.pins_version = self.book.held
        if synced:
            task.synced = True
            self.presence.synced(self.number(name))

    def holds_all(self, name: str) -> None:
        """A switch is synced, and admitted soon after."""
        self.empty.discard(name)
        task = self.fleet.get(self.number(name))
        assert task is not None
        task.synced = True
        self.presence.synced(self.number(name))
        if name.startswith("lb"):
            self.after(0.5, lambda: self.presence.admit(self.number(name)))

    def differs(self, name: str, cookie: int = OLD, pins: P4Target | None = None) -> None:
        """A switch is found to run another program."""
        self.rollout.differs(PipelineMismatch(self.number(name), name, cookie, pins))

    def parts(self, name: str) -> None:
        """One that waited is gone, or refused its push."""
        self.rollout.parted(MismatchEnded(self.number(name), name))

    def number(self, name: str) -> int:
        """A switch's id."""
        return next(s.id for s in self.intent.value.switches if s.name == name)

    def rename(self, old: str, new: str) -> None:
        """An operator calls a switch otherwise."""
        named = tuple(replace(s, name=new) if s.name == old else s for s in self.intent.value.switches)
        self.intent.put(replace(self.intent.value, switches=named))
        self.presence.follow({old: new}, ())
        self.committed.put(
            world_of(self.intent.value, Tables(), PinBook(), self.admitted, {}, absent=self.absent)
        )

    def called(self, number: int) -> str:
        """A switch's name in the intent."""
        return next(s.name for s in self.intent.value.switches if s.id == number)

    def differ(self, *names: str) -> None:
        for name in names or self.names:
            self.differs(name)

    def roll(self, until: float = 1000.0) -> list[str]:
        """Let it run until no switch waits, or so much fake time has passed; who was pushed, in order."""

        async def body() -> None:
            task = asyncio.create_task(self.rollout.run())
            end = self.now + until
            await asyncio.sleep(0)
            while self.now < end and not task.done():
                if self.rollout.turn is None and not any(map(self.rollout.waits, NUMBERS.values())):
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
