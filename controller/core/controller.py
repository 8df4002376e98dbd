"""Events of switches, and where they go. What is decided stands in the parts; this knows only who is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from controller.clock import Clock
from controller.core import trial
from controller.core.admission import Admission
from controller.core.announce import Announcer
from controller.core.authority import Authority
from controller.core.conflicts import Conflicts
from controller.core.conntrack import Conntrack
from controller.core.directory import Directories
from controller.core.fleet import Fleet
from controller.core.hashing import Hashing
from controller.core.hello import Hellos
from controller.core.intents import Change
from controller.core.journal import Journal
from controller.core.openflow_reports import OpenFlowReports
from controller.core.p4_reports import P4Reports
from controller.core.pinning import Pinning
from controller.core.portwatch import PortWatch
from controller.core.presence import Presence
from controller.core.rollout import DRAIN_DEADLINE, Rollout
from controller.core.state import State
from controller.core.switchtask import SwitchTask
from controller.core.targets import Targets
from controller.core.terms import Terms
from controller.core.twins import Twins
from controller.frames.holder import holder, mac_of
from controller.plan.accept import switch_renames
from controller.plan.duty import PlanInput
from controller.southbound.driver import AnyDriver, HoldsPins, Redials
from controller.southbound.openflow import events as openflow
from controller.southbound.ovsdb.client import OvsdbError
from controller.southbound.p4 import events as p4
from controller.spec.kinds import Protocol as Speaks
from controller.spec.types import Intent, Role, Switch
from flows.tables import Kind
from p4src.ids import Reason

Event = openflow.Event | p4.Event
_LOOK = 0.1


class Dialler(Protocol):
    """Connects to the P4 switches that it is told of."""

    def connect(self, name: str, address: str, device_id: int, term: int) -> None:
        """Connect to a switch; or claim it with another term, and call it by another name."""
        ...

    def release(self, device_id: int) -> None:
        """Let go of a switch."""
        ...


@dataclass(frozen=True)
class Parts:
    """What events go to."""

    state: State
    targets: Targets
    directories: Directories
    fleet: Fleet
    presence: Presence
    pinning: Pinning
    admission: Admission
    announcer: Announcer
    authority: Authority
    conntrack: Conntrack
    rollout: Rollout
    hellos: Hellos
    ports: PortWatch
    terms: Terms
    openflow_reports: OpenFlowReports
    p4_reports: P4Reports
    hashing: Hashing
    conflicts: Conflicts
    journal: Journal
    clock: Clock
    driver: Callable[[Switch, object], AnyDriver]
    """The driver for a switch and its stream."""


class Controller:
    """Routes events, and follows commits: switches are renamed, emptied, dialled."""

    def __init__(self, parts: Parts) -> None:
        self._p = parts
        self.dialler: Dialler | None = None
        """Set by the one who assembles."""
        self.cookies: dict[int, int] = {}
        """Datapath id -> owner part of our cookies there: those of the intent, and those that are being emptied."""
        self.on_switches: Callable[[], None] = lambda: None
        """Called when other switches are ours than before."""
        self._strangers: dict[int, str] = {}
        self._twins = Twins(parts.clock)
        self._dialled: set[int] = set()
        self._followed: Intent | None = None
        parts.state.committed.subscribe(self._committed)
        parts.terms.on_change = self._claim

    def strangers(self) -> list[str]:
        """Datapath ids that are connected and not ours."""
        return [f"{number:016x} at {address}" for number, address in self._strangers.items()]

    # -- events -----------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """Deal with one event; one that we fail to understand must not end the controller. Never blocks."""
        try:
            self._route(event)
        except Exception as error:
            session = getattr(event, "session", None) or getattr(event, "name", "")
            self._p.journal.failure(error, switch=str(session), report=type(event).__name__)

    def _route(self, event: Event) -> None:
        match event:
            case openflow.PacketIn() | p4.Report() | p4.Punted() | p4.PinEnded():
                self._reported(event)
            case openflow.FlowEnded():
                self._p.openflow_reports.ended(event, self._p.directories.now, self._p.clock.now())
            case openflow.Connected() | p4.Connected():
                self._connected(
                    event.session, event.session.id, isinstance(event, p4.Connected) and event.empty
                )
            case openflow.Disconnected() | p4.Disconnected():
                self._disconnected(event.session)
            case openflow.PortsChanged():
                self._p.ports.changed(event.session.id)
            case openflow.Stranger():
                self._stranger(event)
            case openflow.Refused() | p4.Refused():
                self._p.journal.event("refused", switch=str(event.session), what=event.what)
            case _:
                self._not_ours(event)

    def _not_ours(self, event: p4.PipelineMismatch | p4.MismatchEnded | p4.Backup | p4.Unreachable) -> None:
        """P4 switches that we dial and that are not ours, or not yet."""
        p = self._p
        match event:
            case p4.PipelineMismatch():
                p.rollout.differs(event)
            case p4.MismatchEnded():
                p.rollout.parted(event)
            case p4.Backup():
                p.journal.event("backup", switch=event.name, primary=event.primary)
                if event.primary is None:
                    p.terms.outdo(event.highest)
            case p4.Unreachable():
                if event.new:
                    p.journal.event("unreachable", switch=event.name, why=event.why)
                p.presence.refused(event.id)

    def _reported(self, event: openflow.PacketIn | p4.Report | p4.Punted | p4.PinEnded) -> None:
        p = self._p
        if isinstance(event, p4.Punted) and event.reason == Reason.HELLO:
            p.hellos.heard(event)
            return
        known, here, now = p.directories.now, p.fleet.names(), p.clock.now()
        if self._conflict(event):
            return
        if isinstance(event, openflow.PacketIn):
            if event.cookie.kind is Kind.FRAGMENT_SHORT:
                p.journal.event(
                    "small_fragments_dropped", **trial.finding(self._name(event.session.id), event.cookie.id)
                )
                return
            if event.cookie.kind is Kind.HASH:
                p.hashing.heard(event)
                return
            sends = p.openflow_reports.handle(event, known, here, now)
        else:
            sends = p.p4_reports.handle(event, known, here, now)
        for send in sends:
            p.fleet.send(send.switch, send.packet)

    def _conflict(self, event: openflow.PacketIn | p4.Report | p4.Punted | p4.PinEnded) -> bool:
        """Whether it was about another host that says it has a VIP."""
        if isinstance(event, openflow.PacketIn) and event.cookie.kind is Kind.CONFLICT:
            number, mac = event.cookie.id, holder(event.frame)
        elif isinstance(event, p4.Report) and event.reason == Reason.CONFLICT:
            number, mac = event.listener, mac_of(event.client)
        else:
            return False
        vip = self._p.directories.now.vip(number)
        if vip is not None and mac is not None and mac != vip.mac:
            self._p.conflicts.heard(vip.name, mac, self._name(event.session.id))
        return True

    def _name(self, number: int) -> str:
        switch = self._p.directories.now.switch(number)
        return f"{number:#x}" if switch is None else switch.name

    def _connected(self, session: object, number: int, empty: bool) -> None:
        p = self._p
        switch = p.targets.world.intent.switch(number)
        if switch is None:
            return
        self._strangers.pop(number, None)
        if self._twins.connected(number, number in p.fleet):
            why = "two switches with this id take turns, or one connects again and again"
            p.journal.event("switch_twice", switch=switch.name, id=f"{number:#x}", why=why)
        p.rollout.arrived(number)
        p.presence.connecting(number)
        p.journal.event("switch_up", switch=switch.name)
        if empty:  # others wait for that, and reading it takes a while
            p.presence.stale(number)
        p.fleet.connect(p.driver(switch, session), self)

    def _disconnected(self, session: object) -> None:
        p = self._p
        task = p.fleet.of_session(session)
        if task is None:
            return
        p.fleet.disconnect(task.switch.id)
        p.targets.forget(task.driver)
        p.journal.event("switch_down", switch=task.switch.name)
        p.hashing.decide()
        if task.retiring:
            self._release(task.switch)
        else:
            self._gone(task.switch)

    def _gone(self, switch: Switch) -> None:
        """Nothing is sent to a switch, and others report in its place."""
        self._p.presence.gone(switch.id)
        self._succeed(switch)

    def _succeed(self, switch: Switch) -> None:
        """Others report the end of an lb switch's pins from now on."""
        if Role.LB in switch.roles:
            here = [t.switch.name for t in self._p.fleet.synced(Role.LB) if not t.retiring]
            self._p.pinning.switch_lost(switch.name, here)

    def _stranger(self, event: openflow.Stranger) -> None:
        if not event.here:
            self._strangers.pop(event.id, None)
        elif self._strangers.get(event.id) != event.address:
            self._strangers[event.id] = event.address
            what = "no switch of the intent has this id"
            self._p.journal.event("stranger", id=f"{event.id:016x}", address=event.address, why=what)

    # -- what becomes of switches (Watcher) -------------------------------------------------------------------

    def found(self, task: SwitchTask) -> None:
        """Read for the first time: its pins outlived us."""
        if isinstance(task.driver, HoldsPins):
            self._p.pinning.adopt(task.switch.name, task.driver.pins(task.have))
        task.spawn(self._p.ports.follow(task))

    def stale(self, switch: Switch) -> None:
        """It came back without its entries."""
        self._p.presence.stale(switch.id)

    def synced(self, task: SwitchTask) -> None:
        """It holds its target: edges may use it, once that can do no harm."""
        p, switch = self._p, task.switch
        p.journal.event("synced", switch=switch.name)
        p.presence.synced(switch.id)
        p.authority.begin(task)
        p.announcer.begin(task)
        if isinstance(task.driver, Redials):
            task.spawn(self._redial(task))
        if Role.LB in switch.roles:
            lbs = p.directories.now.lbs(switch.site)
            if all(p.fleet.is_synced(each.id) for each in lbs):
                p.pinning.assign_orphans(switch.name)
            if switch.of_kind.protocol is Speaks.OPENFLOW:
                for packet in trial.packets(switch):
                    task.send(packet)
            task.spawn(self._ready(task))

    async def _redial(self, task: SwitchTask) -> None:
        """The next controller may lead at any time: the switch should not wait for long before it dials that one."""
        assert isinstance(task.driver, Redials)
        try:
            await task.driver.redial_soon()
        except OvsdbError as error:
            self._p.journal.event("redials_late", switch=task.switch.name, error=str(error))

    async def _ready(self, task: SwitchTask) -> None:
        await self._p.conntrack.follow(task)
        await self._p.admission.seek(task)

    def emptied(self, switch: Switch) -> None:
        """It is ours no longer, and holds nothing of ours."""
        task = self._p.fleet.get(switch.id)
        self._p.fleet.disconnect(switch.id, abort=True)
        if task is not None:
            self._p.targets.forget(task.driver)
        self._release(switch)

    # -- commits ----------------------------------------------------------------------------------------------

    def accepted(self, change: Change) -> None:
        """Another intent will be committed: who is called otherwise, and who goes."""
        self._p.presence.follow(change.renamed, change.removed)
        self._p.hellos.rename(change.renamed)

    def discovered(self) -> None:
        """The wait for switches after the start is over: those that reported pins and are not here are gone."""
        fit = self._p.fleet.synced(Role.LB)
        if fit:
            self._p.pinning.assign_orphans(fit[0].switch.name)

    def _committed(self) -> None:
        world = self._p.targets.world
        if world.intent is not self._followed:
            renamed = {} if self._followed is None else switch_renames(self._followed, world.intent)
            self._followed = world.intent
            self._follow_intent(world, renamed)
        self._p.fleet.wake()

    def _follow_intent(self, world: PlanInput, renamed: Mapping[str, str]) -> None:
        p = self._p
        for task in p.fleet:
            if world.intent.switch(task.switch.id) is None:
                self._retire(task)
        for task in p.fleet:
            switch = world.intent.switch(task.switch.id)
            if switch is not None:
                task.retiring = task.leaving
                if switch != task.driver.switch:
                    task.driver.switch = switch
        if renamed:
            p.pinning.rename(renamed)
        for task in p.fleet:
            task.spawn(p.conntrack.follow(task))
        leaving = {t.switch.id: t.switch.placement.cookie for t in p.fleet if t.retiring}
        self.cookies.clear()
        self.cookies.update({s.id: s.placement.cookie for s in world.intent.switches} | leaving)
        self._dial(world.intent)
        self.on_switches()

    def _retire(self, task: SwitchTask) -> None:
        """The intent names a switch no longer: it is emptied once no other one sends to it."""
        if task.retiring:
            return
        task.retiring = True
        self._p.journal.event("switch_leaves", switch=task.switch.name)
        self._succeed(task.switch)
        task.spawn(self._leave(task))

    async def _leave(self, task: SwitchTask) -> None:
        p, name = self._p, task.switch.name
        end = p.clock.now() + DRAIN_DEADLINE
        while p.clock.now() < end and any(t.may_use(name) for t in p.fleet if t is not task):
            await asyncio.sleep(_LOOK)
        if task.retiring:
            task.leaving = True
            task.wake.set()

    def _release(self, switch: Switch) -> None:
        intent = self._p.targets.world.intent
        if intent.switch(switch.id) is None:
            self.cookies.pop(switch.id, None)
        if switch.of_kind.protocol is Speaks.P4RUNTIME and self.dialler is not None:
            self.dialler.release(switch.id)
            self._dialled.discard(switch.id)
            self._dial(intent)  # the intent may name it again by now
        self.on_switches()

    def _claim(self) -> None:
        self._dial(self._p.state.intent.value)
        self.on_switches()

    def _dial(self, intent: Intent) -> None:
        """Connect to P4 switches that are new, and claim all with the present term."""
        if self.dialler is None:
            return
        for switch in intent.switches:
            if switch.p4runtime is not None and switch.of_kind.dialled:
                self.dialler.connect(switch.name, switch.p4runtime, switch.id, self._p.terms.now)
        wanted = {switch.id for switch in intent.switches if switch.of_kind.dialled}
        staying = {t.switch.id for t in self._p.fleet if t.retiring and t.switch.of_kind.dialled}
        for number in self._dialled - wanted - staying:
            self.dialler.release(number)
        self._dialled = wanted | staying
