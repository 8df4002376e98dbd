"""All edges of the site: who may answer for what, claims at fences, announcements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Set
from typing import NamedTuple

from controller.agent.edge import Edge, Wanted
from controller.agent.facts import Facts
from controller.agent.flowedge import LASTS, FlowEdge
from controller.agent.roleedge import RoleEdge
from controller.clock import Clock
from controller.core.journal import Journal
from controller.plan.segments import announced_on, responds
from controller.sites.fence.service import FenceService, here
from controller.sites.fence.wire import PortState
from controller.southbound.openflow.session import Session
from controller.southbound.p4.connection import Credentials
from controller.southbound.p4.guests import Guest, Guests, Place
from controller.spec.kinds import Protocol
from controller.spec.switch import VipSpec
from controller.spec.types import Role, Switch, Vip

REPEATS = (0.3, 0.7, 2.0)
"""Seconds between the first announcements of a VIP at an edge."""
PERIOD = 30.0
"""Seconds between later ones: forwarding entries commonly live for 300 s."""
BURST = 64
"""VIPs that an edge announces at a time."""
LOOK = 1.0
"""Seconds between looks at whether interfaces of fences come."""
_NONE = PortState(up=False, claim=False, since=0.0, until=0.0, why="there is no speaker")


class _Due(NamedTuple):
    at: float
    times: int = 0


class Edges:
    """Edges by id, and streams of the site's other switches, which tell that these live."""

    def __init__(
        self, site: str, fence: FenceService, journal: Journal, clock: Clock, on_news: Callable[[], None]
    ) -> None:
        self._site, self._fence, self._journal, self._clock = site, fence, journal, clock
        self._on_news = on_news
        self._facts = Facts()
        self._edges: dict[int, Edge] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._sessions: dict[int, Session | Guest] = {}
        self._guests = Guests(self.up, self.down, self._guest_changed, self._lost, clock.now)
        self._group: asyncio.TaskGroup | None = None
        self._here: set[str] = set()
        self._due: dict[int, dict[str, _Due]] = {}
        fence.on_states = self._states_changed

    def secure(self, credentials: Credentials) -> None:
        """Connect to P4 switches by TLS from now on."""
        self._guests.credentials = credentials

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._fence.run())
            group.create_task(self._guests.run())
            for number in self._edges:
                self._start(number)
            try:
                while True:
                    self._look_for_fences()
                    await asyncio.sleep(LOOK)
            finally:
                self._group = None

    # -- streams ----------------------------------------------------------------------------------------------

    def up(self, session: Session | Guest) -> None:
        """A switch's stream is up; those of other sites are left alone."""
        self._sessions[session.id] = session
        edge = self._edges.get(session.id)
        if edge is not None and self._speaks(edge.switch, session):
            edge.connect(session)
        self._on_news()

    def down(self, session: Session | Guest) -> None:
        """A switch's stream ended."""
        if self._sessions.get(session.id) is session:
            del self._sessions[session.id]
        edge = self._edges.get(session.id)
        if edge is not None:
            edge.disconnect(session)
        self._on_news()

    def connected(self, role: Role) -> tuple[int, int]:
        """Switches of the site with a role: here, of all."""
        all_ = self._facts.switches(self._site, role)
        return sum(self._there(each) is not None for each in all_), len(all_)

    def fenced(self) -> tuple[int, int]:
        """Edges that are here: those that can be given authority, of all of them."""
        there = [each for each in self._edges.values() if each.session is not None]
        return sum(each.takes_authority and self._can_claim(each.switch) for each in there), len(there)

    def __iter__(self) -> Iterator[Edge]:
        return iter(self._edges.values())

    # -- who may answer ---------------------------------------------------------------------------------------

    def move(self, site: str) -> None:
        """The edges are those of another site from now on."""
        self._site = site

    def follow(self, facts: Facts) -> None:
        """Other facts: edges come and go."""
        self._facts = facts
        wanted = {each.id: each for each in facts.switches(self._site, Role.EDGE)}
        kept = {n for n, edge in self._edges.items() if n in wanted and edge.switch.kind == wanted[n].kind}
        for number in self._edges.keys() - kept:
            del self._edges[number]
            running = self._running.pop(number, None)
            if running is not None:
                running.cancel()
        for number, switch in wanted.items():
            if number in self._edges:
                self._edges[number].use(switch)
                continue
            edge = self._edges[number] = self._made(switch)
            if (session := self._there(switch)) is not None:
                edge.connect(session)
            self._start(number)
        self._guests.use(self._places())
        self._look_for_fences()

    def allow(self, authority: Mapping[str, float], foreign: Set[str], acts: bool) -> None:
        """The site's edges may answer for these VIPs until these deadlines, and hold no flows for foreign ones.

        ``acts``: whether this agent acts for the site: what it has given before holds until its deadline anyway.
        """
        vips = {vip.name: vip for vip in self._facts.intent.vips if self._site in vip.owners}
        absent = self._absent()
        for edge in self._edges.values():
            mine = responds(self._facts.intent, edge.switch, absent)
            edge.drift = self._facts.intent.lease_times.drift
            edge.announce_on(tuple(announced_on(self._facts.intent, edge.switch, absent)))
            specs = {n: s for vip in vips.values() for n, s in self._spec(vip, edge.switch)}
            wanted = {
                n: Wanted(specs[n], authority[name])
                for name, n in self._facts.numbers.items()
                if mine and name in authority and n in specs
            }
            others = {
                n: specs[n] for name, n in self._facts.numbers.items() if n in specs and n not in wanted
            }
            gone = {n for name, n in self._facts.numbers.items() if name in foreign or not mine}
            edge.want(wanted, others, gone, acts)
            self._claim(edge)

    def silent(self, vips: tuple[str, ...]) -> bool:
        """Whether every edge is known to hold no answers for these VIPs."""
        numbers = frozenset(self._facts.numbers[each] for each in vips if each in self._facts.numbers)
        return all(edge.is_silent(numbers) for edge in self._edges.values())

    def answers(self, edge: Edge) -> bool:
        """Whether an edge answers for what it holds: it has no fence, or its fence is claimed."""
        ends = edge.switch.fence
        return not ends or any(self._state(end.interface).claim for end in ends)

    def claims(self) -> dict[str, PortState]:
        """State of the fences that this agent has an end of, by interface."""
        return {
            name: self._state(name)
            for edge in self._edges.values()
            for end in edge.switch.fence
            if (name := end.interface) in self._here
        }

    # -- announcements ----------------------------------------------------------------------------------------

    async def announce(self) -> None:
        """Say where the VIPs are that edges have begun to answer for, repeat it, and all of it from time to time."""
        now = self._clock.now()
        names = {number: name for name, number in self._facts.numbers.items()}
        vips = {vip.name: vip for vip in self._facts.intent.vips}
        for number, edge in self._edges.items():
            held = edge.announces() if self.answers(edge) else frozenset()
            mine = [names[each] for each in held if names.get(each) in vips]
            known = self._due.get(number, {})
            due = self._due[number] = {name: known.get(name, _Due(now)) for name in mine}
            for name in [name for name in mine if due[name].at <= now][:BURST]:
                times = due[name].times
                due[name] = _Due(now + (REPEATS[times] if times < len(REPEATS) else PERIOD), times + 1)
                await edge.announce(vips[name])

    def again(self, vip: str) -> None:
        """Announce a VIP at once, where an edge answers for it."""
        now = self._clock.now()
        for due in self._due.values():
            if vip in due:
                due[vip] = due[vip]._replace(at=now)

    def announces_at(self) -> float:
        """When the next announcement is due."""
        return min((each.at for of in self._due.values() for each in of.values()), default=float("inf"))

    # -- how --------------------------------------------------------------------------------------------------

    def _start(self, number: int) -> None:
        if self._group is not None and number not in self._running:
            edge = self._edges[number]
            self._running[number] = self._group.create_task(edge.run(), name=f"edge {edge.switch.name}")

    def _made(self, switch: Switch) -> Edge:
        if switch.of_kind.protocol is Protocol.P4RUNTIME:
            return RoleEdge(switch, self._journal, self._clock, self._on_news)
        return FlowEdge(switch, self._journal, self._clock, self._news)

    def _speaks(self, switch: Switch, session: Session | Guest) -> bool:
        """Whether a stream is of the kind that a switch has, and not another's with the same id."""
        return isinstance(session, Guest) == (switch.of_kind.protocol is Protocol.P4RUNTIME)

    def _there(self, switch: Switch) -> Session | Guest | None:
        session = self._sessions.get(switch.id)
        return session if session is not None and self._speaks(switch, session) else None

    def _places(self) -> dict[int, Place]:
        """P4 switches of the site: edges, where we want our role, and lb switches, of which we want to know that they
        are there."""
        return {
            switch.id: Place(switch.name, switch.p4runtime, role is Role.EDGE)
            for role in (Role.LB, Role.EDGE)
            for switch in self._facts.switches(self._site, role)
            if switch.of_kind.protocol is Protocol.P4RUNTIME and switch.p4runtime is not None
        }

    def _guest_changed(self) -> None:
        for edge in self._edges.values():
            edge.wake()
        self._on_news()

    def _lost(self, switch: str, why: str) -> None:
        self._journal.event("switch_missed", switch=switch, why=why)

    def _spec(self, vip: Vip, edge: Switch) -> Iterator[tuple[int, VipSpec]]:
        number = self._facts.numbers.get(vip.name)
        if number is not None:
            lasts = int(vip.authority) if edge.fence else LASTS
            yield number, VipSpec(number, vip.address, vip.mac, lasts)

    def _absent(self) -> frozenset[str]:
        return frozenset(each.switch.name for each in self._edges.values() if each.session is None)

    def _claim(self, edge: Edge) -> None:
        for end in edge.switch.fence:
            if end.interface in self._here:
                self._fence.allow(end.interface, edge.claimed_until)

    def _news(self) -> None:
        for edge in self._edges.values():
            self._claim(edge)
        self._on_news()

    def _states_changed(self) -> None:
        self._on_news()

    def _can_claim(self, switch: Switch) -> bool:
        """It has no fence, or one of which the session is up."""
        return not switch.fence or any(self._state(end.interface).up for end in switch.fence)

    def _state(self, interface: str) -> PortState:
        return self._fence.states.get(interface, _NONE)

    def _look_for_fences(self) -> None:
        ends = {end.interface for edge in self._edges.values() for end in edge.switch.fence}
        self._here = here(ends)
        self._fence.use(self._here)
