"""One agent, put together: what is observed goes to the rules, what they ask for is done. One task decides."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

from controller.agent.edges import Edges
from controller.agent.facts import Facts
from controller.agent.figures import AgentFigures, Itself, taken
from controller.agent.following import FollowingFacts, FollowingRegisters
from controller.agent.hints import Hints
from controller.agent.observing import observed
from controller.agent.owning import Act, Known, Owning, Surroundings
from controller.agent.peering import Hears, Peering
from controller.agent.peerwire import Word
from controller.agent.shown import shown, written
from controller.agent.sitestates import SiteStates, Speaker, surveyed
from controller.agent.watching import Watching
from controller.clock import Clock
from controller.core.journal import Journal
from controller.metrics.histogram import Histogram
from controller.security.credentials import Credentials
from controller.sites.base import Guard, GuardFailed, Store, Stored, StoreError
from controller.sites.causes import Cause, Note
from controller.sites.fence.service import FenceService
from controller.sites.fitness import SiteReport
from controller.sites.groups import PREFIX
from controller.sites.heartbeats import Beat, Heartbeats
from controller.sites.leasestate import Announce, Ask, Me, Put, Record, Reply, Silence, Speak
from controller.spec.types import Role

SHORTEST = 0.002
"""Seconds slept at least between two steps: what comes together is taken together."""
PUTS = 64
"""Puts under way at most; further ones wait for their next renewal."""


class Agent:
    """Of one site, by one name."""

    def __init__(
        self, store: Store, name: str, clock: Clock, journal: Journal, tls: Credentials | None, place: str
    ) -> None:
        """``place``: tells this agent's speaker of fences from others of this network namespace."""
        self._store, self._name, self._clock, self._journal = store, name, clock, journal
        self._life = secrets.token_hex(8)
        self._facts = Facts()
        self._site = ""
        """Empty: the intent names no agent of our name, and we do nothing."""
        self._owning = Owning(Me("", name, self._life), clock.now())
        self._sites = SiteStates()
        self._beats = Heartbeats()
        self._words: dict[str, Word] = {}
        """What each agent said last."""
        self._silent_paths: frozenset[tuple[str, str]] = frozenset()
        self._number = 0
        self._ready = False
        self._store_problem = ""
        self._renewals = Histogram()
        self._leader = ""
        self._news = asyncio.Event()
        self._puts: set[asyncio.Task[None]] = set()
        self._asks: set[asyncio.Task[None]] = set()
        self._records: tuple[Mapping[str, Known], int] | None = None
        self._watching = Watching(journal, clock)
        self._facts_source = FollowingFacts(store, journal, self._follow)
        hears = Hears()
        hears.beat, hears.ask = self._heard, self._asked
        hears.observe = lambda: observed(self._watching)
        self._peering = Peering(name, hears, self._word, journal, tls)
        speaker = FenceService(place, lambda why: journal.event("fence_problem", why=why), clock)
        self.edges = Edges("", speaker, journal, clock, self._news.set)
        self._hints = Hints(self._announce_again)
        self._speaker = speaker

    async def run(self, status: Path | None, beside: Callable[[], Awaitable[None]] | None = None) -> None:
        """Until cancelled."""
        registers = FollowingRegisters(self._store.registers, self._register, self._registers)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._facts_source.run())
            group.create_task(registers.run())
            group.create_task(self._peering.run())
            group.create_task(self.edges.run())
            group.create_task(self._decide())
            group.create_task(self._watching.run())
            if status is not None:
                group.create_task(written(status, self.shown, self._journal))
            if beside is not None:
                group.create_task(_of(beside()))

    def force(self) -> None:
        """An operator confirms that every other site is dead."""
        self._act(self._owning.force(self._clock.now()))
        self._news.set()

    # -- observed ---------------------------------------------------------------------------------------------

    def _follow(self, facts: Facts) -> None:
        self._facts = facts
        site = facts.site_of(self._name) or ""
        now = self._clock.now()
        if site != self._site:
            self._site = site
            self._owning = Owning(Me(site, self._name, self._life), now)
            self.edges.move(site)
            self._journal.event("agent_site", agent=self._name, site=site or None)
            if self._records is not None:
                self._act(self._owning.started(*self._records, now))
        self._act(self._owning.follow(facts, now))
        self.edges.follow(facts)
        self._watching.follow(facts.intent)
        others = {
            agent.name: agent.peers
            for each in facts.intent.sites
            for agent in each.agents
            if agent.name != self._name
        }
        own = tuple(
            peer
            for each in facts.intent.sites
            for agent in each.agents
            if agent.name == self._name
            for peer in agent.peers
        )
        self._peering.use(own, others if own else {}, self._owning.times.renew / 2)
        self._words = {name: word for name, word in self._words.items() if name in others}
        self._news.set()

    def _registers(self, values: Mapping[str, Stored], revision: int) -> None:
        """All registers at one revision."""
        records = {
            name: Known(stored.revision, record)
            for name, stored in values.items()
            if name.startswith(PREFIX) and (record := self._decoded(name, stored.data)) is not None
        }
        self._records = records, revision
        self._act(self._owning.started(records, revision, self._clock.now()))
        self._hints.found(values)
        self._news.set()

    def _register(self, name: str, revision: int, data: bytes | None) -> None:
        self._hints.changed(name, data)
        if not name.startswith(PREFIX):
            return
        record = None if data is None else self._decoded(name, data)
        if data is None or record is not None:
            self._act(self._owning.observed(name, revision, record, self._clock.now()))
            self._news.set()

    def _decoded(self, name: str, data: bytes) -> Record | None:
        """None: it cannot be read, and bars every claim until it is deleted."""
        try:
            return Record.decode(name, data)
        except ValueError as error:
            self._journal.event("lease_damaged", why=str(error))
            return None

    def _announce_again(self, vip: str) -> None:
        self.edges.again(vip)
        self._news.set()

    def _heard(self, word: Word, path: str) -> None:
        now = self._clock.now()
        known = self._words.get(word.beat.controller)
        if known is None or known.beat.life != word.beat.life or word.beat.number >= known.beat.number:
            self._words[word.beat.controller] = word
            if known is None or known._replace(beat=word.beat) != word or known.beat[4:] != word.beat[4:]:
                self._news.set()
        self._beats = self._beats.arrived(word.beat, path, now)

    async def _asked(self, key: str, question: Ask) -> Reply | None:
        reply: Reply | None = None
        others = []
        for act in self._owning.asked(key, question, self._clock.now()):
            if isinstance(act[1], Reply):
                reply = act[1]
            else:
                others.append(act)
        self._act(others)
        return reply

    # -- decided ----------------------------------------------------------------------------------------------

    async def _decide(self) -> None:
        while True:
            self._news.clear()
            now = self._clock.now()
            self._look(now)
            self._act(self._owning.step(self._around(now), now))
            self._give()
            await self.edges.announce()
            await self._rest()

    def _look(self, now: float) -> None:
        """How fit sites are, and which of our site's agents acts."""
        heard = self._beats.heard(self._owning.times, now)
        self._ready = self._ready or self._is_ready()
        speakers = [
            Speaker(name, word.beat.site, word.ready, word.report)
            for name, word in self._words.items()
            if name in heard
        ]
        speakers.append(Speaker(self._name, self._site, self._ready, self._report()))
        sites = [each.name for each in self._facts.intent.sites]
        survey = surveyed(self._site, sites, speakers)
        self._lead(survey.leader)
        for name in self._sites.look(survey.reports, self._hints.unsynced, now):
            self._say_site(name)
        self._say_paths(now)

    def _is_ready(self) -> bool:
        """Once all that it needs is there: then it stays so, and what is missing later is a matter of fitness."""
        if not self._site or self._records is None or not self._owning.free(self._clock.now()):
            return False
        there, of = self.edges.connected(Role.EDGE)
        fences, edges = self.edges.fenced()
        return there == of > 0 and fences == edges

    def _lead(self, leader: str) -> None:
        if leader != self._leader:
            self._leader = leader
            self._journal.event("agent_leads", site=self._site, agent=leader or None)

    def _around(self, now: float) -> Surroundings:
        return Surroundings(self._leader, self._sites.states, self._beats)

    def _give(self) -> None:
        """Hand to the edges what there is of authority, and see which of them are silent."""
        now = self._clock.now()
        acts = self._leader == self._name
        self.edges.allow(self._owning.authority(now), self._owning.foreign(), acts)
        for key, vips in self._owning.leaving().items():
            if self.edges.silent(vips):
                self._act(self._owning.silenced(key, self._clock.now()))
                self._news.set()

    async def _rest(self) -> None:
        now = self._clock.now()
        ends = min(
            self._owning.due(now), self._sites.deadline(), self.edges.announces_at(), self._lost_at(now)
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(max(ends - now, SHORTEST)):
                await self._news.wait()

    def _lost_at(self, now: float) -> float:
        """When an agent that is heard would not be any more."""
        times = self._owning.times
        ends = (self._beats.last(name) + 2 * times.renew for name in self._beats.beats)
        return min((end for end in ends if end > now), default=float("inf"))

    # -- done -------------------------------------------------------------------------------------------------

    def _act(self, acts: list[Act]) -> None:
        for key, action in acts:
            match action:
                case Put():
                    self._begin(self._puts, self._put(key, action))
                case Ask():
                    self._begin(self._asks, self._ask(key, action))
                case Note():
                    self._note(key, action)
                case Speak() | Silence() | Announce():
                    self._news.set()  # what edges may do is read from the rules, and what they begin is announced
                case Reply():
                    pass

    def _begin(self, among: set[asyncio.Task[None]], work: Awaitable[None]) -> None:
        if len(among) >= PUTS:
            with suppress(AttributeError):
                work.close()  # type: ignore[attr-defined]
            return
        task = asyncio.ensure_future(_of(work))
        among.add(task)
        task.add_done_callback(among.discard)

    async def _put(self, key: str, put: Put) -> None:
        within, began = self._owning.times.authority, self._clock.now()
        try:
            guard = Guard(keys={key: put.compare})
            revision = await self._store.registers.commit({key: put.record.encode()}, guard, within)
        except GuardFailed as error:
            self._store_problem = ""
            found = error.found.get(key)
            if found is None:
                acts = self._owning.observed(key, error.head, None, self._clock.now())
            else:
                record = self._decoded(key, found.data)
                if record is None:
                    return
                acts = self._owning.observed(key, found.revision, record, self._clock.now())
        except StoreError as error:
            self._store_problem = str(error)
            return
        else:
            self._store_problem = ""
            self._renewals.observe(self._clock.now() - began)
            acts = self._owning.observed(key, revision, put.record, self._clock.now())
        self._act(acts)
        self._news.set()

    async def _ask(self, key: str, question: Ask) -> None:
        async for reply in self._peering.ask(key, question):
            self._act(self._owning.promised(key, reply, self._clock.now()))
            self._news.set()

    # -- said -------------------------------------------------------------------------------------------------

    def _word(self) -> Word:
        self._number += 1
        return Word(self._beat(), self._ready, self._report())

    def _beat(self) -> Beat:
        holding = self._owning.holding(self._clock.now())
        return Beat(self._site, self._name, self._life, self._number, holding)

    def _report(self) -> SiteReport:
        return SiteReport(
            self._leader or None,
            not self._store_problem,
            self.edges.connected(Role.EDGE),
            self.edges.fenced(),
            self.edges.connected(Role.LB),
        )

    def _note(self, key: str, note: Note) -> None:
        known = self._owning.records().get(key)
        record = None if known is None else known.record
        if note.cause is Cause.LAPSED and record is not None and record.holder != self._name:
            return  # another agent of the site has gone on
        vips = next((g.vips for g, _, _ in self._owning.shown(0.0) if g.key == key), ())
        change = None if known is None else known.revision
        self._journal.event(
            "lease",
            note.cause,
            change,
            mac=key.removeprefix(PREFIX),
            vips=list(vips),
            site=self._site,
            what=note.text,
        )

    def _say_site(self, site: str) -> None:
        state = self._sites.states[site]
        if state.fitness.fit:
            self._journal.event("site_fit", site=site)
        else:
            self._journal.event("site_unfit", site=site, why=state.fitness.why)

    def _say_paths(self, now: float) -> None:
        silent = frozenset(
            (path.controller, path.name) for path in self._beats.silent(self._owning.times, now)
        )
        for agent, path in sorted(silent - self._silent_paths):
            self._journal.event("path_silent", agent=agent, path=path)
        for agent, path in sorted(self._silent_paths - silent):
            self._journal.event("path_heard", agent=agent, path=path)
        self._silent_paths = silent

    def figures(self) -> AgentFigures:
        """The same as figures."""
        now = self._clock.now()
        acts, problem = self._leader == self._name, self._store_problem or self._facts_source.problem
        itself = Itself(self._name, self._site, acts, self._ready, problem, self._renewals.taken())
        return taken(itself, self._owning, self._beats, self.edges, self._watching, now)

    def shown(self) -> dict[str, object]:
        """What there is to show."""
        now = self._clock.now()
        return shown(
            self._name,
            self._site,
            self._leader,
            self._store_problem or self._facts_source.problem,
            self._owning,
            self._sites.states,
            self._beats,
            self.edges,
            self._watching,
            now,
            self._clock.wall(),
        )


async def _of(work: Awaitable[None]) -> None:
    await work
