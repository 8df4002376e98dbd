"""One edge as an agent writes it: the flows that answer for VIPs, for as long as there is authority.

    wanted: VIP ─► deadline ──┐
    stream up, time passes ───┴─► delete, add, renew ─► barrier ─► standing: VIPs that it may answer for

Nothing is written there before this agent has authority for something: another agent of the site may have it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from controller.clock import Clock
from controller.core.journal import Journal
from controller.sites.fence.answering import Answering
from controller.southbound.errors import SwitchError
from controller.southbound.openflow.session import Session
from controller.spec.switch import VipSpec
from controller.spec.types import Switch
from flows import messages
from flows.entries import Flow
from flows.pipeline import answers_of

LASTS = 1
"""Seconds after which flows without a fence end; Open vSwitch counts whole ones, and is late by up to 0.31."""
RENEWALS = 3.0
"""Times that flows are renewed before they would end."""
FENCED_RENEWAL = 0.9
"""Seconds between renewals of flows behind a fence, at least."""
AGAIN = 0.3
"""Seconds until flows that were refused are written again: their group comes with the plan."""
LONGEST = 1.0
"""Seconds slept at most."""


class Wanted(NamedTuple):
    """One VIP that an edge may answer for."""

    spec: VipSpec
    until: float


class Edge:
    """One edge of our site."""

    def __init__(self, switch: Switch, journal: Journal, clock: Clock, on_news: Callable[[], None]) -> None:
        """``on_news``: called when what it holds is known to be another."""
        self.switch = switch
        self.session: Session | None = None
        self.answering = Answering()
        self.problem = ""
        """What the edge refused last; empty: nothing."""
        self._journal, self._clock, self._on_news = journal, clock, on_news
        self._wanted: Mapping[int, Wanted] = {}
        self._others: Mapping[int, VipSpec] = {}
        """All VIPs of the site by number: flows for those that are not wanted are deleted once."""
        self._written: dict[int, VipSpec] = {}
        self._renewed = float("-inf")
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

    def want(self, wanted: Mapping[int, Wanted], others: Mapping[int, VipSpec], acts: bool) -> None:
        """It may answer for these VIPs until their deadlines. ``acts``: whether this agent acts for its site."""
        news = wanted.keys() != self._wanted.keys() or others != self._others or acts != self._acts
        news = news or any(each.spec != self._wanted[n].spec for n, each in wanted.items())
        self._wanted, self._others, self._acts = wanted, others, acts
        self.answering.renew({number: each.until for number, each in wanted.items()})
        if news:
            self._wake.set()

    # -- what is known ----------------------------------------------------------------------------------------

    @property
    def standing(self) -> frozenset[int]:
        """VIPs that it holds flows for, as far as this agent knows."""
        return self.answering.standing

    def is_silent(self, vips: frozenset[int]) -> bool:
        """Whether it is known to hold no flows for these."""
        return self.session is not None and self._clean and not self.standing & vips

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
        live = {number: each.spec for number, each in self._wanted.items() if each.until > now}
        if not live and not self._written and not self._acts:
            return LONGEST
        gone = {n: spec for n, spec in self._written.items() if live.get(n) != spec}
        if not self._clean:
            gone = {n: spec for n, spec in self._others.items() if n not in live} | gone
        due = now >= self._renewed + self._period() - 0.01
        put = live if due else {n: spec for n, spec in live.items() if self._written.get(n) != spec}
        if not gone and not put:
            return self._rest(now)
        sent = [*self._of(gone, messages.DELETE_STRICT), *self._of(put, messages.ADD)]
        self.answering.written(live.keys())
        refused = await session.put(sent)
        if session is not self.session:
            return 0.0
        self._say(refused)
        if refused:
            return AGAIN
        self._written, self._clean = live, True
        if due:
            self._renewed = now
        self.answering.acknowledged(live.keys())
        self._on_news()
        return self._rest(now)

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
