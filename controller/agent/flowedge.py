"""An edge of Open vSwitch as an agent writes it: the flows that answer for VIPs, for as long as there is authority.

    wanted: VIP ─► deadline ──┐
    foreign VIPs ─────────────┼─► delete, add, renew ─► barrier ─► standing: VIPs that it may answer for
    stream up, time passes ───┘

The agent that acts for the site writes, and no other one. It finds flows of the one before, and of those that are
neither wanted nor foreign it does not know whether they are there: as long as that is so, it claims nothing at fences.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Set
from contextlib import suppress

from controller.agent.edge import LONGEST, Edge, Wanted
from controller.clock import Clock
from controller.core.journal import Journal
from controller.frames.announce import announcement
from controller.sites.fence.answering import Answering
from controller.southbound.errors import SwitchError, TooLate
from controller.southbound.openflow.session import Session
from controller.spec.switch import VipSpec
from controller.spec.types import Switch, Vip
from flows import messages
from flows.actions import CONTROLLER, Output, pack_all
from flows.entries import Flow
from flows.pipeline import answers_of
from flows.stages import respond
from flows.tables import Placed

LASTS = 1
"""Seconds after which flows without a fence end; Open vSwitch counts whole ones, and is late by up to 0.31."""
RENEWALS = 3.0
"""Times that flows are renewed before they would end."""
FENCED_RENEWAL = 0.9
"""Seconds between renewals of flows behind a fence, at least."""
AGAIN = 0.3
"""Seconds until flows that were refused are written again: their group comes with the plan."""


class FlowEdge(Edge):
    """It answers by flows, behind a fence if it has one."""

    def __init__(self, switch: Switch, journal: Journal, clock: Clock, on_news: Callable[[], None]) -> None:
        """``on_news``: called when what it holds is known to be another."""
        self.switch = switch
        self.session: Session | None = None
        self.answering = Answering()
        self._journal, self._clock, self._on_news = journal, clock, on_news
        self._wanted: Mapping[int, Wanted] = {}
        self._others: Mapping[int, VipSpec] = {}
        """The site's other VIPs by number."""
        self._foreign: Set[int] = frozenset()
        """Those of them of which no flows may be there."""
        self._written: dict[int, VipSpec] = {}
        self._renewed = float("-inf")
        self._ports: tuple[int, ...] = ()
        """Where it announces VIPs."""
        self._clean = False
        """Since its stream came up, flows for everything that is not wanted were deleted."""
        self._acts = False
        self._wake = asyncio.Event()

    # -- what is asked for ------------------------------------------------------------------------------------

    def connect(self, session: Session) -> None:
        """Its stream is up."""
        self.session, self._clean, self._renewed = session, False, float("-inf")
        self._wake.set()

    def disconnect(self, session: Session) -> None:
        """A stream of it ended."""
        if self.session is session:
            self.session, self._clean = None, False

    def use(self, switch: Switch) -> None:
        """The switch as the intent has it now."""
        if switch != self.switch:
            self.switch, self._clean = switch, False
            self._wake.set()

    def announce_on(self, ports: tuple[int, ...]) -> None:
        """It announces VIPs on these ports."""
        if ports != self._ports:
            self._ports, self._clean = ports, False
            self._wake.set()

    def want(
        self, wanted: Mapping[int, Wanted], others: Mapping[int, VipSpec], foreign: Set[int], acts: bool
    ) -> None:
        """It may answer for these VIPs until their deadlines. ``others``: the site's other VIPs; ``foreign``: those of
        which no flows may be there; ``acts``: whether this agent acts for its site."""
        news = wanted.keys() != self._wanted.keys() or others != self._others or acts != self._acts
        news = news or any(each.spec != self._wanted[n].spec for n, each in wanted.items())
        news = news or foreign != self._foreign
        if acts and not self._acts:
            self._clean = False
        self._wanted, self._others, self._foreign, self._acts = wanted, others, foreign, acts
        self.answering.renew({number: each.until for number, each in wanted.items()})
        if news:
            self._wake.set()

    def wake(self) -> None:
        """Its stream has changed."""
        self._wake.set()

    # -- what is known ----------------------------------------------------------------------------------------

    @property
    def standing(self) -> frozenset[int]:
        """VIPs that it holds flows for, as far as this agent knows."""
        return self.answering.standing

    @property
    def claimed_until(self) -> float:
        """Until the first deadline among the VIPs that it holds flows for."""
        return self.answering.until

    @property
    def takes_authority(self) -> bool:
        """What it lacks at most is a fence."""
        return True

    def is_silent(self, vips: frozenset[int]) -> bool:
        """Whether it is known to hold no flows for these."""
        return self.session is not None and self._clean and not self.standing & vips

    def announces(self) -> frozenset[int]:
        """VIPs that it may announce now."""
        now = self._clock.now()
        live = {number for number, each in self._wanted.items() if each.until > now}
        return self.standing & live if self.session is not None else frozenset()

    async def announce(self, vip: Vip) -> None:
        """Send an announcement; behind a fence it goes out only while that is claimed."""
        frame = announcement(vip.address, vip.mac)
        session = self.session
        if session is None or not self._ports:
            return
        if self.switch.fence:
            actions = respond.to_announce(Placed(self.switch.placement))
        else:
            actions = pack_all([Output(port) for port in self._ports])
        with suppress(SwitchError):  # its stream has ended, which is seen elsewhere
            await session.send_packet(frame, actions, CONTROLLER)

    # -- how --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled. What goes wrong with a stream ends that stream."""
        while True:
            self._wake.clear()
            session = self.session
            pause = LONGEST
            if session is not None:
                try:
                    pause = await self._write(session)
                except SwitchError:
                    self.disconnect(session)
                    session.abort()
                except Exception as error:  # a defect: the stream begins again, and other edges are served
                    self._journal.failure(error, switch=self.switch.name)
                    self.disconnect(session)
                    session.abort()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _write(self, session: Session) -> float:
        """Bring it up to date; seconds until it has to be looked at again."""
        now = self._clock.now()
        if not self._acts:
            return self._forget(now)
        live = {number: each.spec for number, each in self._wanted.items() if each.until > now}
        kept = self._kept(live)
        gone = {n: spec for n, spec in self._written.items() if n not in kept and live.get(n) != spec}
        maybe = self._foreign & self.standing if self._clean else self._foreign
        gone = {n: self._others[n] for n in maybe if n in self._others} | gone
        due = now >= self._renewed + self._period() - 0.01
        put = live if due else {n: spec for n, spec in live.items() if self._written.get(n) != spec}
        if not gone and not put and self._clean:
            self.answering.acknowledged(live.keys() | kept)
            return self._rest(now)
        sent = [*self._of(gone, messages.DELETE_STRICT), *self._of(put, messages.ADD)]
        if self.switch.fence and not self._clean:
            sent.append(messages.flow_mod(respond.announced(Placed(self.switch.placement), self._ports)))
        self.answering.written(live.keys() | kept)
        first = min((self._wanted[n].until for n in put), default=float("inf"))
        try:
            refused = await session.put(sent, lambda: self._clock.now() < first)
        except TooLate:  # this process stood still: authority has ended meanwhile, or is about to
            return 0.0
        if session is not self.session:
            return 0.0
        self._say(refused)
        if refused:
            return AGAIN
        self._written = {n: spec for n, spec in self._written.items() if n in kept} | live
        self._clean = True
        if due:
            self._renewed = now
        self.answering.acknowledged(live.keys() | kept)
        self._on_news()
        return self._rest(now)

    def _kept(self, live: Mapping[int, VipSpec]) -> set[int]:
        """VIPs of which flows may be there that are neither ours to renew nor to delete."""
        known = self._wanted.keys() | self._others.keys()
        return {n for n in known if n not in live and n not in self._foreign}

    def _forget(self, now: float) -> float:
        """Another agent acts: what this one has given runs out by itself, and is that one's affair then."""
        left = self.answering.until - now
        if left > 0:
            return min(left, LONGEST)
        if self._written or self.standing:
            self._written, self._clean = {}, False
            self.answering.acknowledged(frozenset())
        return LONGEST

    def _of(self, vips: Mapping[int, VipSpec], command: int) -> list[bytes]:
        flows = answers_of(self.switch, vips.values())
        return [messages.flow_mod(Flow(key, body), command) for key, body in flows.items()]

    def _period(self) -> float:
        if not self.switch.fence:
            return LASTS / RENEWALS
        shortest = min((each.spec.authority for each in self._wanted.values()), default=30)
        return max(FENCED_RENEWAL, shortest / RENEWALS)

    def _rest(self, now: float) -> float:
        """Until a renewal is due, or a deadline passes."""
        ends = [self._renewed + self._period() - now, LONGEST]
        ends += [each.until - now for each in self._wanted.values() if each.until > now]
        return max(min(ends), 0.0)

    def _say(self, refused: list[str]) -> None:
        problem = refused[0] if refused else ""
        if problem and problem != self.problem:
            self._journal.event("answers_refused", switch=self.switch.name, count=len(refused), first=problem)
        self.problem = problem
