"""The controller, put together: each part is handed what it needs and nothing else, all tasks run in one group."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path

from controller import maglev
from controller.api.parts import parts_of
from controller.api.server import ApiServer
from controller.app.beginning import IntentRefused, Lead
from controller.app.showing import Showing
from controller.clock import Clock
from controller.core.admission import Admission
from controller.core.agentview import AgentView, agents_refused
from controller.core.ahead import Ahead, begun
from controller.core.announce import Announcer
from controller.core.authority import Authority, endless, leased
from controller.core.commands import Command, commands
from controller.core.conflicts import Conflicts
from controller.core.conntrack import Conntrack
from controller.core.control import ControlSocket
from controller.core.controller import Controller, Parts
from controller.core.differing import Differing
from controller.core.directory import Directories
from controller.core.explaining import Explaining
from controller.core.fences import Fences
from controller.core.fitting import Fitting
from controller.core.fleet import Fleet
from controller.core.hashing import Hashing
from controller.core.hello import Hellos
from controller.core.holding import Holdings
from controller.core.intents import Intents, follow_file, propose_again
from controller.core.journal import Journal, QueuedSink
from controller.core.later import Later
from controller.core.openflow_reports import OpenFlowReports
from controller.core.ordering import Ordering
from controller.core.ownership import Ownership
from controller.core.p4_reports import P4Reports
from controller.core.pauses import Pauses
from controller.core.pinning import Pinning
from controller.core.placing import Placing
from controller.core.pools import Pools
from controller.core.portwatch import PortWatch
from controller.core.presence import Presence
from controller.core.previews import previews_of
from controller.core.probeplaces import ProbePlaces
from controller.core.probing import Probing, probed_by
from controller.core.requests import Requests
from controller.core.resources import Resources
from controller.core.returning import Returning
from controller.core.rollout import Rollout
from controller.core.schedulers import Schedulers
from controller.core.servers import Servers, asked_by
from controller.core.sessions import Sessions
from controller.core.shown import Snapshot
from controller.core.siteview import SiteView
from controller.core.snapshot import Sources, snapshot
from controller.core.state import State
from controller.core.targets import Targets
from controller.core.terms import Terms
from controller.core.timers import Rule, Timers
from controller.core.tuning import Tuning
from controller.exits.base import Exits
from controller.exits.registry import EXITS, around, exit_commands
from controller.health.judge import Verdict
from controller.health.service import HealthService
from controller.metrics.observations import Observations
from controller.model.reload import IntentFile
from controller.model.removal import removes_all
from controller.plan.duty import pool_slots
from controller.plan.pins import PinBook
from controller.plan.young import TOGETHER
from controller.security.audit import AuditLog
from controller.sites.aheadfile import AheadFile
from controller.sites.base import Loaded, Store
from controller.sites.fence.service import FenceService
from controller.sites.placement import SiteState
from controller.southbound.driver import AnyDriver
from controller.southbound.openflow.driver import OpenFlowDriver
from controller.southbound.openflow.session import Session
from controller.southbound.ovsdb.client import Files
from controller.southbound.p4.driver import P4Driver
from controller.southbound.p4.session import P4Session
from controller.spec.kinds import Protocol as Speaks
from controller.spec.types import Intent, Role, Switch
from controller.tracing.base import NOT_TRACED, Tracing

PIN_BITS = 30
"""Ids of pins begin anywhere below 2 to this: registers of switches hold 32 bits."""

LOOK = 0.1
"""Seconds between looks at whether switches hold what they should."""

MakeHealth = Callable[[Callable[[list[Verdict]], None]], HealthService]


class App:
    """One controller. Make it, ``begin``, connect drivers to ``controller``, ``run``."""

    def __init__(
        self,
        file: IntentFile | None,
        store: Store,
        loaded: Loaded,
        journal: Journal,
        clock: Clock,
        health: MakeHealth | None = None,
        refusals: tuple[Callable[[Intent, Intent], list[str]], ...] = (removes_all,),
        name: str = "",
        lead: Lead | None = None,
        observations: Observations | None = None,
        ovsdb_files: Files | None = None,
        places: ProbePlaces | None = None,
        ahead: AheadFile | None = None,
        tracing: Tracing = NOT_TRACED,
    ) -> None:
        """``file``: owns the intent; None: the store and the API do. ``loaded``: what the store holds.

        ``name`` tells it from other controllers of this network namespace, also of those that share the store; empty:
        the store's. ``lead``: its leadership, where controllers share the store. ``observations``: what the
        process counts. ``ovsdb_files``: for switches whose OVSDB is asked by TLS. ``places``: agents that are heard
        already; the intent that they go by is to become this controller's. ``ahead``: where is kept what cannot be
        stored, on a store that controllers share. ``tracing``: told what becomes of changes.

        Raises StoreError when that cannot be read, IntentRefused when the file cannot be carried out.
        """
        self.clock, self.journal, self.tracing = clock, journal, tracing
        self.reload = asyncio.Event()
        """Set: look at the intent file now."""
        self.file, self.log = file, store.log
        self.observations = observed = observations or Observations()
        journal.observe = observed.event
        self._showing = Showing(lambda: self.snapshot(), journal, clock)
        self._ovsdb_files = ovsdb_files
        pins = PinBook.starting_at(secrets.randbits(PIN_BITS))
        loaded, lacks = begun(ahead, loaded, journal)
        self.state = state = State(store, loaded, clock, journal, pins, lacks)
        state.observe = observed.commit
        self.targets = targets = Targets(state.committed, pins)
        self.fleet = fleet = Fleet(targets, journal, clock)
        state.tracing = fleet.tracing = tracing
        tracing.follow(fleet.held)
        self._helds = Holdings(fleet, state.admitted, state.intent, pins, clock).held
        self.pools = pools = Pools(
            state.tables,
            state.intent,
            state.verdicts,
            state.absent,
            state.dead_links,
            self._helds,
            journal,
            clock,
        )
        self.presence = presence = Presence(state.absent, state.admitted, state.intent, journal, clock)
        self.pinning = pinning = Pinning(pins, state.committed, fleet.wake)
        pinning.soon = Later(fleet.wake, TOGETHER)
        self.ordering = Ordering(state.orders, state.intent, journal)
        self.resources = Resources(state.resources, state.intent)
        self.requests = Requests(state.requests, clock)
        self._lead = lead
        self.fitting = (
            None if lead is None else Fitting(lead.name, state.intent, state.absent, journal, clock)
        )
        placing = Placing(state.orders, clock, state.intent, self.fitting)
        self.ownership = ownership = Ownership(
            state.owners,
            placing,
            state.intent,
            state.tables,
            state.committed,
            lambda: state.revision,
            journal,
            clock,
        )
        view = SiteView(state.intent, fleet, pinning)
        ownership.silent, ownership.late = view.silent, view.late
        self.agents = AgentView(store.registers, state.intent, state.tables, journal)
        self.agents.on_change, self.agents.unsynced = ownership.follow_leases, view.unsynced
        ownership.leased = self.agents.owners
        make = health or partial(probed_by, journal, clock, observed.probed)
        self.places = places or ProbePlaces(state.intent, journal, clock)
        differing = Differing(self.places, journal, clock)
        self.probing = Probing(
            state.verdicts, state.intent, state.tables, make, journal, self.places, differing, clock.now
        )
        self.servers = Servers(state.told, state.intent, asked_by(journal), journal, clock)
        self.probing.said_down = self.servers.verdicts
        state.told.subscribe(self.probing.told)
        latencies = partial(self.probing.service.latencies, passed=True)
        self.sessions = Sessions(state.committed, fleet, self.servers, clock.now)
        self.schedulers = Schedulers(
            state.intent, state.tables, self.servers, self.sessions, latencies, journal, clock.now
        )
        self.tuning = Tuning(
            pools,
            state.tables,
            state.intent,
            state.verdicts,
            state.told,
            self.servers,
            self.schedulers,
            journal,
            clock.now,
        )
        self.pauses = Pauses(self.probing.doubt, journal, clock, time.process_time)
        pools.check = self.probing.check = self.pauses.check
        adapted = leased if lead is not None else (lambda intent: intent)
        rules = (*refusals, agents_refused(lead is not None))
        self.intents = Intents(state.intent, pools, journal, rules, adapted)
        self.ports = PortWatch(state.intent, journal, clock, state.dead_links.value)
        self.hellos = Hellos(
            state.dead_links, state.intent, fleet, journal, state.secret, clock, self.ports.dead
        )
        self.terms = Terms(state.term, clock)
        self.admission = Admission(
            state.intent, state.tables, presence, fleet, journal, clock, lambda: pins.version
        )
        self.hashing = Hashing(
            state.committed, state.tables, fleet, presence, journal, clock, pools.step, state.commit
        )
        pools.answers, pools.answers_now = self.hashing.verdict, self.hashing.verdicts
        fleet.settle = self.hashing.settle
        fleet.patience = Returning(state.intent, state.admitted, fleet.__contains__, clock).wait
        self.admission.bars = self.hashing.bars
        self.explaining = Explaining(
            targets, fleet, presence, state.verdicts, store.log.load, clock, self.tuning.words
        )
        self.previews = previews_of(state, clock, pins, self._helds, pools, fleet, placing, self.intents)
        self.announcer = Announcer(targets, fleet, clock, state.committed)
        speaker = FenceService(name or store.name, lambda why: journal.event("fence_problem", why=why), clock)
        self.fences = Fences(state.intent, fleet, speaker, journal, clock)
        fleet.claim = self.fences.claim
        self.announcer.answers, self.fences.on_claim = self.fences.answers, self.announcer.begin
        lease = endless if lead is None else lambda: lead.until
        self.authority = Authority(state.committed, fleet, clock, lease)
        ownership.granted, self.announcer.authorized = self.authority.granted, self.authority.lasts
        if self.fitting is not None:
            self.fitting.fenced = lambda switch: not self.fences.problem(switch)
            self.fitting.unsynced = view.unsynced
        self.rollout = Rollout(
            state.committed, state.tables, presence, fleet, pinning, journal, clock, state.commit
        )
        self.conflicts = Conflicts(state.intent, journal, clock)
        self._reports = (OpenFlowReports(pinning), P4Reports(pinning))
        parts = Parts(
            state,
            targets,
            Directories(state.committed),
            fleet,
            presence,
            pinning,
            self.admission,
            self.announcer,
            self.authority,
            Conntrack(targets, journal),
            self.rollout,
            self.hellos,
            self.ports,
            self.terms,
            *self._reports,
            self.hashing,
            self.conflicts,
            journal,
            clock,
            self._driver,
        )
        self.controller = Controller(parts)
        presence.connected = fleet.__contains__
        pinning.heard_since = lambda: {t.switch.name: t.since for t in fleet if Role.LB in t.switch.roles}
        self.timers = Timers(
            [
                Rule("pools", pools.deadline, pools.step),
                Rule("slots", pools.looks, pools.look),
                Rule("weights", self.tuning.deadline, self.tuning.step),
                Rule("schedulers", self.schedulers.deadline, self.tuning.look),
                Rule("sessions", self.sessions.deadline, self.sessions.look),
                Rule("presence", presence.deadline, self._discover),
                Rule("terms", self.terms.deadline, self.terms.step),
                Rule("ownership", ownership.deadline, ownership.step),
                Rule("conflicts", self.conflicts.deadline, self.conflicts.step),
            ],
            journal,
            clock,
        )
        for cell in (state.tables, state.intent, state.verdicts, state.term, state.owners):
            cell.subscribe(self.timers.wake)
        self.agents.conflicts = lambda: self.conflicts.counts
        self.conflicts.announce = self.announcer.again
        self.exits = Exits(EXITS, around(state, self._fitness, journal, clock, self.servers, self.sessions))
        self.intents.on_change = self.controller.accepted
        if lead is not None and ahead is not None:
            going = Ahead(ahead, lead, fleet.is_synced, self._claim_all, journal, clock)
            state.ahead, self.intents.closed = going, lambda: going.closed
        self._begin(file)

    def _begin(self, file: IntentFile | None) -> None:
        """Take what the file says, or go on with what was stored if that is refused and there is something."""
        self.probing.follow()
        if file is None or self.intents.closed():
            self.intents.adapt()
            self.tuning.step()
            self.pools.step()
            return
        assert file.intent is not None, "an intent file is read before a controller is made of it"
        shared = self.fitting is not None
        kept = shared and self.intents.keeps(file)
        why = [] if kept else self.intents.propose(file.intent, digest=file.intent_digest)
        if why and not self.state.intent.value.vips:
            raise IntentRefused(file.path, why)
        if file.errors is not None:  # since the last good intent was read
            self.intents.errors = tuple(str(each) for each in file.errors)
        self.tuning.step()
        self.pools.step()

    def _fitness(self) -> Mapping[str, SiteState] | None:
        return None if self.fitting is None else self.fitting.states

    def _claim_all(self) -> None:
        self.controller.on_switches()

    def _discover(self) -> None:
        if self.presence.step():
            self.controller.discovered()

    def _driver(self, switch: Switch, session: object) -> AnyDriver:
        if isinstance(session, Session):
            return OpenFlowDriver(
                switch,
                session,
                lambda: pool_slots(self.targets.world),
                lambda: self.targets.world.intent.by_agents,
                self._ovsdb_files,
            )
        assert isinstance(session, P4Session), f"no driver for {type(session).__name__}"
        return P4Driver(switch, session, self.state.secret, self.hellos.live)

    async def begin(self) -> None:
        """Store what we start with. Raises StoreError, GuardFailed. Until then no switch may be ours."""
        await self.state.begin()

    async def run(
        self,
        status: Path | None = None,
        control: Path | None = None,
        beside: Callable[[], Coroutine[object, None, None]] | None = None,
        api: ApiServer | None = None,
        audit: AuditLog | None = None,
    ) -> None:
        """Until cancelled. Raises GuardFailed when another controller has written to our store.

        ``status``: the file to show ourselves in; ``control``: the socket that takes commands; ``beside``: what goes on
        meanwhile, and ends all if it fails; ``api``: serves us; ``audit``: what commands are recorded in.
        """
        self.presence.listening()
        async with asyncio.TaskGroup() as group:
            if beside is not None:
                group.create_task(beside())
            group.create_task(self.state.run())
            group.create_task(self.fleet.run())
            group.create_task(self.pauses.run())
            group.create_task(self.timers.run())
            group.create_task(self.probing.run(self._servers_reachable))
            group.create_task(self.servers.run(self._servers_reachable))
            if self.file is not None:
                group.create_task(follow_file(self.file, self.intents, self.journal, self.reload))
            group.create_task(self.announcer.run())
            group.create_task(self.authority.run())
            group.create_task(self.fences.run())
            if self._lead is not None:
                group.create_task(self.agents.run())
            group.create_task(self.rollout.run())
            group.create_task(self.hellos.run())
            group.create_task(self.exits.run())
            group.create_task(self.prepare())
            if status is not None:
                group.create_task(self._showing.run(status))
            if control is not None:
                group.create_task(ControlSocket(control, self.commands(), self.journal, audit).run())
            if api is not None:
                group.create_task(api.serve(parts_of(self)))

    def commands(self) -> tuple[Command, ...]:
        """What it takes."""
        claim = None if self._lead is None else self._lead.claim
        again = partial(propose_again, self.file, self.intents)
        own = commands(
            self.pools, self.ordering, self.state.commit, self.previews, again, self.explaining, claim
        )
        return (*own, *exit_commands(self.exits))

    async def prepare(self) -> None:
        """Have tables built soon when that is needed. It takes the processor: switches that wait for us come first."""
        while self.presence.deadline() is not None and not self._all_synced():
            await asyncio.sleep(LOOK)
        await asyncio.to_thread(maglev.warm)

    def _all_synced(self) -> bool:
        """Whether every switch that is not known to be gone holds what it should."""
        living = (s for s in self.state.intent.value.switches if s.name not in self.presence.absent)
        return all(self.fleet.is_synced(switch.id) for switch in living)

    def snapshot(self) -> Snapshot:
        """What there is to show."""
        return snapshot(
            Sources(
                self.state,
                self.fleet,
                self.ownership,
                self.presence,
                self.rollout,
                self.pinning,
                self.probing,
                self.hellos,
                self.ports,
                self.intents,
                lambda: [*(each.counts for each in self._reports), {"incredible": self.pinning.incredible}],
                self.controller.strangers,
                self._helds,
                self.clock,
                self._dropped,
                self.fences,
                self.fitting,
                self.servers,
                self.schedulers,
                self.sessions,
                self.conflicts,
                self.exits.shown,
            )
        )

    def shown(self) -> tuple[Snapshot, float]:
        """The last status, and when it was taken, seconds of the clock."""
        return self._showing.latest()

    def _dropped(self) -> int:
        sink = self.journal.sink
        return sink.dropped if isinstance(sink, QueuedSink) else 0

    def _servers_reachable(self) -> bool:
        """Where P4 switches lead to the servers, none answers before they know the way."""
        switches = self.state.intent.value.switches
        p4 = (s for s in switches if s.of_kind.protocol is Speaks.P4RUNTIME)
        return all(self.fleet.is_synced(switch.id) for switch in p4)
