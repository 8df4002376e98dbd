"""The core without switches: a clock to set, a journal that is kept, a store in memory, a driver of plain values."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from controller.app.assembly import App
from controller.app.beginning import Lead
from controller.core.journal import Journal
from controller.core.switchtask import SwitchTask
from controller.model.load import load_text
from controller.model.reload import IntentFile
from controller.plan.duty import PlanInput
from controller.sites.aheadfile import AheadFile
from controller.southbound.driver import Driver, Leases, Packet, Ports
from controller.spec.types import Intent, Switch
from tests.fakes.stores import MemoryStore
from topo import intent, model
from topo.plan import plan

START = 1000.0
PATIENCE = 20.0
"""Seconds to wait for what never comes."""


class SetClock:
    """Shows what the test sets."""

    def __init__(self, now: float = START, boot: str = "this boot") -> None:
        self.boot = boot
        self.time = now
        self.unix = 1_700_000_000.0

    def now(self) -> float:
        """Seconds since boot."""
        return self.time

    def wall(self) -> float:
        """Unix seconds."""
        return self.unix


class Said:
    """All that a journal was given."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, text: str, /) -> None:
        """Keep one line."""
        self.rows.append(json.loads(text))

    def pairs(self) -> list[tuple[str, dict[str, Any]]]:
        """Names of events and their own fields, in order."""
        shared = ("t", "at", "change", "event", "cause")
        return [(row["event"], {k: v for k, v in row.items() if k not in shared}) for row in self.rows]

    def causes(self, name: str) -> list[str]:
        """Causes of all events of a name."""
        return [row["cause"] for row in self.rows if row["event"] == name]

    def names(self) -> list[str]:
        """Names of all events, in order."""
        return [row["event"] for row in self.rows]

    def of(self, name: str) -> list[dict[str, Any]]:
        """Fields of all events of a name."""
        return [fields for said, fields in self.pairs() if said == name]


def journal() -> tuple[Journal, Said]:
    """A journal, and what it was given."""
    said = Said()
    return Journal(said), said


def text(name: str = "pair", kind: model.SwitchKind | None = None) -> str:
    """The intent of one of the lab's topologies, with switches of a kind."""
    topology = model.load(name)
    return intent.dump(intent.intent(plan(topology if kind is None else topology.of_kind(kind))))


def loaded(name: str = "pair", kind: model.SwitchKind | None = None) -> Intent:
    """The same, read."""
    return load_text(text(name, kind), name)


def intent_file(path: Path, name: str = "pair", kind: model.SwitchKind | None = None) -> IntentFile:
    """The same in a file that was read."""
    path.write_text(text(name, kind))
    file = IntentFile(path)
    file.poll()
    assert file.intent is not None
    return file


class Leads:
    """Leadership that does not end."""

    name = "one"
    until = float("inf")
    alone = confirmed = False
    """The store is out of reach for good; an operator says so."""

    def claim(self) -> None:
        """Nothing has to be."""


class Whole(NamedTuple):
    """A controller without switches, all that it says, and its surroundings."""

    app: App
    said: Said
    store: MemoryStore
    clock: SetClock

    @property
    def world(self) -> PlanInput:
        """What is planned from."""
        return self.app.targets.world


def whole(
    file: IntentFile,
    store: MemoryStore | None = None,
    clock: SetClock | None = None,
    *,
    begun: bool = True,
    lead: Lead | None = None,
    ahead: AheadFile | None = None,
) -> Whole:
    """A controller; ``begun``: its first commit is over."""
    said, store, clock = Said(), store or MemoryStore(), clock or SetClock()
    app = App(file, store, store.loaded(), Journal(said, clock.wall), clock, lead=lead, ahead=ahead)
    if begun:
        asyncio.run(app.begin())
    return Whole(app, said, store, clock)


# -- a switch of plain values -----------------------------------------------------------------------------------

Plain = frozenset[str]


@dataclass(frozen=True)
class Edits:
    """Words to add and to take away."""

    new: Plain
    gone: Plain

    @property
    def added(self) -> int:
        """Words that are new."""
        return len(self.new)

    @property
    def modified(self) -> int:
        """Words do not change."""
        return 0

    @property
    def deleted(self) -> int:
        """Words that go."""
        return len(self.gone)

    @property
    def touched(self) -> list[str]:
        """All of them."""
        return sorted(self.new | self.gone)

    def __len__(self) -> int:
        return len(self.new) + len(self.gone)


@dataclass(eq=False)
class Stream:
    """A switch's stream."""

    id: int
    alive: bool = True
    aborted: int = 0
    """Times that it was cut."""

    def abort(self) -> None:
        """Cut it."""
        self.aborted += 1
        self.alive = False


@dataclass
class Behaviour:
    """What a switch of plain values does when it is asked."""

    holds: Plain = frozenset()
    reads: list[Exception] = field(default_factory=list)
    """Errors of the next reads."""
    writes: list[Exception] = field(default_factory=list)
    """Errors of the next writes."""
    sends: list[Exception] = field(default_factory=list)
    """Errors of the next packets."""
    stuck: asyncio.Event | None = None
    """Packets are taken once this is set; None: at once."""


def names_of_vips(world: PlanInput) -> Plain:
    """What a switch of plain values should hold unless the test says otherwise."""
    return frozenset(vip.name for vip in world.intent.vips)


class PlainDriver(Driver[Plain, Edits], Leases[Plain], Ports):
    """A driver whose switch holds words."""

    def __init__(self, switch: Switch, wants: Callable[[PlanInput], Plain] = names_of_vips) -> None:
        super().__init__(switch)
        self.stream = Stream(switch.id)
        self.does = Behaviour()
        self.wants = wants
        self.sent: list[Packet] = []
        self.renewed: list[dict[int, float]] = []
        self.live: Set[int] | None = None
        """Ports that can be used; None: all."""

    @property
    def session(self) -> Stream:
        """The stream."""
        return self.stream

    @property
    def aborted(self) -> int:
        """Times that the stream was cut."""
        return self.stream.aborted

    async def read(self) -> Plain:
        """What it holds."""
        await _moment(self.does.reads)
        return self.does.holds

    def plan(self, world: PlanInput) -> Plain:
        """What it should hold."""
        return self.wants(world)

    def empty(self) -> Plain:
        """Nothing."""
        return frozenset()

    def diff(self, have: Plain, want: Plain) -> Edits:
        """What to write."""
        return Edits(want - have, have - want)

    async def write(self, delta: Edits, want: Plain) -> Plain:
        """Write it."""
        await _moment(self.does.writes)
        self.does.holds = (self.does.holds | delta.new) - delta.gone
        return want

    async def transmit(self, packet: Packet) -> None:
        """Send a packet."""
        if self.does.stuck is not None:
            await self.does.stuck.wait()
        await _moment(self.does.sends)
        self.sent.append(packet)

    def lost_all(self, have: Plain, want: Plain) -> bool:
        """Whether it holds nothing that it should."""
        return bool(want) and not have & want

    def size(self, have: Plain) -> int:
        """Words."""
        return len(have)

    async def renew(self, want: Plain, left: Mapping[int, float]) -> None:
        """Remember what was granted."""
        self.renewed.append(dict(left))

    async def apply_leases(self, left: Mapping[int, float]) -> None:
        """Nothing is leased."""

    def allowed(self, want: Plain, left: Mapping[int, float]) -> Plain:
        """Words answer for nothing."""
        return want

    async def live_ports(self) -> Set[int]:
        """Ports that can be used."""
        return {port.number for port in self.switch.ports} if self.live is None else self.live


async def _moment(errors: list[Exception]) -> None:
    await asyncio.sleep(0)
    if errors:
        raise errors.pop(0)


class Watching:
    """Keeps what becomes of switches."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def found(self, task: SwitchTask) -> None:
        """It was read."""
        self.seen.append(("found", task.switch.name))

    def stale(self, switch: Switch) -> None:
        """It came back empty."""
        self.seen.append(("stale", switch.name))

    def synced(self, task: SwitchTask) -> None:
        """It holds its target."""
        self.seen.append(("synced", task.switch.name))

    def emptied(self, switch: Switch) -> None:
        """It holds nothing of ours."""
        self.seen.append(("emptied", switch.name))


async def until(holds: Callable[[], object], what: str = "") -> None:
    """Wait until something holds; the deadline is for what never comes."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"never: {what or holds}") from None


def play(story: Callable[[], Awaitable[None]], *beside: Callable[[], Awaitable[None]]) -> None:
    """Run a story while activities run beside it; one of them that fails fails the test."""

    async def run() -> None:
        tasks = [asyncio.ensure_future(each()) for each in beside]
        try:
            await story()
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
