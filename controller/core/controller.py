"""The controller: one loop that turns intent, verdicts, time and reports into plans, and wakes the switches' tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from controller import maglev
from controller.core import announce, trial
from controller.core.admission import Admission
from controller.core.arrivals import Arrivals
from controller.core.fleet import Member
from controller.core.hello import Hellos
from controller.core.journal import Journal
from controller.core.link import FoundPin, Link
from controller.core.p4_reports import P4Reports, P4Told
from controller.core.reports import Reports
from controller.core.rollout import Rollout
from controller.core.state import State, lbs
from controller.health.judge import Verdict
from controller.health.service import HealthService
from controller.health.targets import targets_of
from controller.model.errors import ConfigErrors
from controller.model.reload import IntentFile
from controller.model.types import Intent, Role, Switch
from controller.plan.duty import World, memory_timeout, pool_number
from controller.plan.numbers import Space
from controller.plan.pins import PinKey
from controller.sites.store import SqliteStore
from controller.southbound import p4events
from controller.southbound.events import Connected, Disconnected, Event, FlowEnded, PacketIn, Refused
from flows.tables import Kind

GRACE = 10.0
"""Seconds after the start during which absent lb switches keep their admission."""
POLL = 0.3
"""Seconds between looks at the intent file."""
ROUTES = 5.0
"""Seconds that the first probes wait for P4 switches to be synced."""
_LOOK = 0.1
_EDGE_OF_TIME = 0.05
"""Pools are advanced a little after a deadline, never just before it."""


class Controller:
    """Everything that runs; ``run`` owns all tasks."""

    def __init__(
        self, file: IntentFile, store: SqliteStore, journal: Journal, unix: Callable[[], float] = time.time
    ) -> None:
        self.file = file
        self.state = State(store)
        self.state.intent = file.intent or self.state.intent
        self.on_switches: list[Callable[[], None]] = []
        """Called when the intent may name other switches than before."""
        self.journal = journal
        self.members: dict[str, Member] = {}
        self.reports = Reports(self)
        self.p4_reports = P4Reports(self)
        self.admission = Admission(self)
        self.hellos = Hellos(self)
        self.events: asyncio.Queue[Event | p4events.Event] = asyncio.Queue()
        self.term = self.state.next_term(unix())
        self.cookies = _cookies(self.state.intent)
        """Datapath id -> owner part of our cookies there; kept up to date for the driver."""
        self._unix = unix
        self._targets: dict[str, tuple[Link[Any, Any], int, Any, int]] = {}
        self.arrivals = Arrivals(self)
        self.rollout = Rollout(self)
        self._version = 0
        self._dirty = asyncio.Event()
        self._started = unix()
        self._health = HealthService(self._on_verdicts)
        self._health.seed(self.state.verdicts)

    # -- what the switches' tasks ask -----------------------------------------------------------------------

    def target(self, link: Link[Any, Any]) -> tuple[Any, int]:
        """What a switch should hold now, and the version of the pins in it."""
        built, pins = self._targets.get(link.switch.name), self.state.pins.version
        if built is None or built[0] is not link or built[1] != self._version:
            built = (link, self._version, link.plan(self.world()), pins)
        elif built[3] != pins:
            built = (link, self._version, link.with_pins(self.world()), pins)
        self._targets[link.switch.name] = built
        return built[2], built[3]

    def world(self) -> World:
        """What planning needs now."""
        return self.state.world(self._unix())

    def pool_slots(self) -> dict[int, int]:
        """Number of slots by pool number."""
        world = self.world()
        return {pool_number(world, key): len(p.now) for key, p in self.state.pools.items()}

    def found(self, link: Link[Any, Any], have: Any) -> None:
        """A switch was read for the first time: its pins outlived us."""
        self.adopt(link.switch.name, link.pins(have))

    def adopt(self, switch: str, pins: Iterable[FoundPin]) -> None:
        """Take over the pins that a switch was found to hold."""
        by_number = {
            number: name for name, number in self.state.numbers.given.get(Space.LISTENER, {}).items()
        }
        listeners = {item.name: item for item in self.state.intent.listeners()}
        for pin in pins:
            item = listeners.get(by_number.get(pin.listener, ""))
            if item is not None:
                key = PinKey(pin.listener, pin.source, pin.port)
                reporter = switch if pin.timed else None
                self._version += self.state.pins.adopt(pin.id, key, item.protocol, pin.backend, reporter)

    def stale(self, switch: Switch) -> None:
        """The switch came back without its entries."""
        if self.state.miss(self.state.absent | {switch.name}):
            self.touch()
        if switch.name in self.state.admitted:
            self.admission.bar(switch.name, "came back empty")

    def synced(self, switch: Switch) -> None:
        """The switch holds its target: edges may use it."""
        self.journal.event("synced", switch=switch.name)
        if self.state.miss(self.state.absent - {switch.name}):
            self.touch()
        self._group.create_task(announce.announce(self, self.members[switch.name]))
        if Role.LB not in switch.roles:
            return
        self._group.create_task(trial.try_fragments(self, self.members[switch.name]))
        waiting = [s.name for s in lbs(self.state.intent, switch.site) if not self.is_synced(s.name)]
        if not waiting and self.state.pins.settle(switch.name):
            self.touch()
        self._group.create_task(self.admission.seek(self.members[switch.name], self._unix()))

    def admit(self, name: str) -> None:
        """Edges may use an lb switch from now on."""
        self.state.admit(self.state.admitted | {name})
        self.journal.event("admitted", switch=name)
        self._group.create_task(self.admission.open_links(self.members[name]))
        self.touch()

    # -- life -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.to_thread(maglev.warm)
        self._take_intent(self.state.intent)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._begin_probing())
                group.create_task(self._watch_file())
                group.create_task(self._handle_events())
                group.create_task(self._keep_time())
                group.create_task(announce.keep(self))
                group.create_task(self.rollout.run())
                group.create_task(self.hellos.run())
        finally:
            await self._health.stop()

    async def _begin_probing(self) -> None:
        """Where P4 switches lead to the servers, nobody answers before they know the way."""
        for _ in range(int(ROUTES / _LOOK)):
            p4 = [s.name for s in self.state.intent.switches if s.p4runtime is not None]
            if all(self.is_synced(name) for name in p4):
                break
            await asyncio.sleep(_LOOK)
        await self._health.start()

    def touch(self) -> None:
        """Something that plans depend on has changed: plan again, and wake every switch's task."""
        self._version += 1
        self._dirty.set()
        self.touch_pins()

    def touch_pins(self) -> None:
        """A pin has changed, and nothing else."""
        for member in self.members.values():
            member.wake.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that ends with the controller, and whose failure ends it."""
        return self._group.create_task(work)

    def renew_term(self) -> None:
        """Claim all switches with a newer term."""
        self.term = self.state.next_term(self._unix())
        for tell in self.on_switches:
            tell()

    def unsynced(self) -> int:
        """Pins that not every connected lb switch holds yet."""
        versions = [m.pins_version for m in self.members.values() if Role.LB in m.switch.roles]
        return self.state.pins.newer_than(min(versions)) if versions else len(self.state.pins.pins)

    def pending(self) -> int:
        """Backends whose first probe is still to come."""
        return len(self._health.pending())

    def _take_intent(self, intent: Intent) -> None:
        self.state.intent = intent
        self.cookies.clear()
        self.cookies.update(_cookies(intent))
        for tell in self.on_switches:
            tell()
        self._health.set_targets(targets_of(intent))
        self.state.keep_verdicts(list(self._health.verdicts().values()))
        self._step()
        self.arrivals.follow_intent()
        self.touch()

    def _step(self) -> None:
        changed = self.state.step(self._unix())
        for key in changed.pools:
            pool = self.state.pools[key]
            self.journal.event(
                "table",
                pool=key,
                revision=pool.revision,
                moving=pool.moving,
                serving=len(pool.serving),
                panicked=pool.panicked,
            )
        for key in changed.resized:
            slots = len(self.state.pools[key].now)
            self.journal.event(
                "pool_size_kept", pool=key, slots=slots, why="a pool's slots are fixed for its life"
            )
        self.admission.review(self._unix())

    def _on_verdicts(self, verdicts: list[Verdict]) -> None:
        for v in verdicts:
            self.journal.event("verdict", pool=v.pool, backend=v.backend, up=v.up, reason=v.reason)
        self.state.take_verdicts(verdicts)
        self._step()
        self.touch()

    async def _watch_file(self) -> None:
        while True:
            await asyncio.sleep(POLL)
            news = await asyncio.to_thread(self.file.poll)
            if isinstance(news, ConfigErrors):
                self.journal.event("intent_refused", errors=[str(e) for e in news])
            elif news is not None and (why := self.state.refusal(news, self._unix())):
                self.journal.event("intent_refused", errors=why)
            elif news is not None:
                self.journal.event("intent_accepted", pools=len(news.pools), vips=len(news.vips))
                self._take_intent(news)

    async def _keep_time(self) -> None:
        while True:
            now = self._unix()
            due = min(
                (t for t in (self.state.next_change(now), self._turn(now), self._grace(now)) if t),
                default=now + 60,
            )
            self._dirty.clear()
            try:
                async with asyncio.timeout(max(due - now, 0) + _EDGE_OF_TIME):
                    await self._dirty.wait()
            except TimeoutError:
                self._step()
                self._end_grace()
                self.touch()

    def _turn(self, now: float) -> float | None:
        """When the next VIP's generation of zones begins."""
        periods = [memory_timeout(self.state.intent, vip) for vip in self.state.intent.vips]
        return min(((now // p + 1) * p for p in periods), default=None)

    def _grace(self, now: float) -> float | None:
        end = self._started + GRACE
        return end if end > now else None

    def _end_grace(self) -> None:
        if self._unix() < self._started + GRACE:
            return
        named = frozenset(s.name for s in self.state.intent.switches)
        here = {name for name in named if name in self.members or self.rollout.waits(name)}
        self.state.miss(named - (here - self.state.absent))
        for name in sorted(self.state.admitted):
            if name not in here:
                self.admission.bar(name, "absent")
        fit = sorted(n for n, m in self.members.items() if m.synced and Role.LB in m.switch.roles)
        if fit:
            # Whoever reported these before is gone for good, or will be told when it comes back.
            self.state.pins.settle(fit[0])

    # -- switches -------------------------------------------------------------------------------------------

    async def _handle_events(self) -> None:
        while True:
            event = await self.events.get()
            match event:
                case Connected() | p4events.Connected():
                    self.arrivals.connected(event)
                case Disconnected() | p4events.Disconnected():
                    self.arrivals.disconnected(event)
                case FlowEnded():
                    self._ended(event)
                case Refused() | p4events.Refused():
                    self.journal.event("refused", switch=str(event.session), what=event.what)
                case p4events.Differs():
                    self.rollout.differs(event)
                case p4events.Parted():
                    self.rollout.parted(event)
                case p4events.Backup():
                    self.arrivals.backup(event)
                case p4events.Unreachable():
                    self.journal.event("unreachable", switch=event.name, why=event.why)
                case _:
                    await self._reported(event)

    async def _reported(self, event: PacketIn | P4Told) -> None:
        """A packet that we fail to understand must not end the controller."""
        try:
            if isinstance(event, PacketIn):
                await self.reports.packet(event)
            else:
                await self.p4_reports.told(event)
        except Exception as error:
            self.journal.failure(error, switch=str(event.session), report=type(event).__name__)

    def is_synced(self, name: str) -> bool:
        """Whether a switch is here and holds its target."""
        return name in self.members and self.members[name].synced

    def awaited(self, name: str) -> bool:
        """Whether a switch that is not synced may yet turn out to be well: we have only just started, or it waits for
        its push and serves with what it holds."""
        early = self._unix() < self._started + GRACE
        return not self.is_synced(name) and (early or self.rollout.waits(name))

    def _ended(self, event: FlowEnded) -> None:
        switch = self.switch_of(event.session.id)
        if (
            switch
            and event.cookie.kind is Kind.PIN
            and event.idle
            and self.state.pins.idle(switch.name, event.cookie.id)
        ):
            self.touch_pins()

    def switch_of(self, datapath: int) -> Switch | None:
        """The switch with a datapath id."""
        return next((s for s in self.state.intent.switches if s.id == datapath), None)


def _cookies(intent: Intent) -> dict[int, int]:
    return {s.id: s.placement.cookie for s in intent.switches}


def open_file(path: Path) -> IntentFile:
    """Read an intent file for the first time. Raises ConfigErrors."""
    file = IntentFile(path)
    news = file.poll()
    if isinstance(news, ConfigErrors):
        raise news
    return file
