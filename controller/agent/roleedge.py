"""A P4 edge as an agent uses it: a deadline of the switch's clock for each VIP, in its register ``authority``.

    wanted: VIP ─► deadline ─┐
    foreign VIPs ────────────┼─► claim the role ─► authorize (deadline, or 0) ─► the clock answers: taken
    stream up, time passes ──┘

The entries that answer are the leading controller's, and stand for every VIP that the site may own; what decides is the
deadline. Packets to the pipeline are not acknowledged: the clock, asked after them, shows that they were carried out.
The agent that acts for the site is its role's primary, so that what one before has sent comes to nothing from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import suppress

from controller.agent.edge import LONGEST, Edge, Wanted
from controller.clock import Clock
from controller.core.journal import Journal
from controller.frames.announce import question
from controller.southbound.errors import SwitchError
from controller.southbound.p4.guests import Guest
from controller.southbound.p4.packets import Packets, Reading
from controller.spec.switch import VipSpec
from controller.spec.types import Switch, Vip
from p4src.ids import Op

PATIENCE = 0.1
"""Seconds until the clock is asked again: what is to be renewed does not wait for longer."""
FRESH = 1.0
"""Seconds after which the clock is read again."""
OLD = 5.0
"""Seconds after which a reading serves no more: the switch has not told its clock for so long, and is connected to
again."""
AGAIN = 0.1
"""Seconds until another claim of the role, or another question after one that was not answered."""
STEP = 8.0
"""A deadline is renewed when it gains this part of what is left of it."""
AUDIT = 2.0
"""Seconds after which authority for VIPs of others is ended again: a controller that led may have given some."""


class RoleEdge(Edge):
    """It answers by deadlines, and needs no fence."""

    def __init__(self, switch: Switch, journal: Journal, clock: Clock, on_news: Callable[[], None]) -> None:
        """``on_news``: called when it is known to answer for something else."""
        self.switch = switch
        self.session: Guest | None = None
        self._journal, self._clock, self._on_news = journal, clock, on_news
        self._wanted: Mapping[int, Wanted] = {}
        self._foreign: Set[int] = frozenset()
        self._acts = False
        self._ports: tuple[int, ...] = ()
        self._given: dict[int, float] = {}
        """Deadlines by our clock, of this stream while it was primary."""
        self._ended: dict[int, float] = {}
        """VIPs whose authority is known to be over, and since when."""
        self._refused = ""
        self._claimed = float("-inf")
        """When the role was claimed last: two agents that both take themselves for the acting one do not race."""
        self._wake = asyncio.Event()

    # -- what is asked for ------------------------------------------------------------------------------------

    def connect(self, session: Guest) -> None:
        """It is there, with our role or without."""
        self.session, self._given, self._ended = session, {}, {}
        if session.refused and session.refused != self._refused:
            self._journal.event("role_refused", switch=self.switch.name, why=session.refused)
        self._refused = self.problem = session.refused
        self._wake.set()

    def disconnect(self, session: Guest) -> None:
        """A connection of it ended."""
        if self.session is session:
            self.session, self._given, self._ended = None, {}, {}

    def use(self, switch: Switch) -> None:
        """The switch as the intent has it now."""
        self.switch = switch

    def announce_on(self, ports: tuple[int, ...]) -> None:
        """It announces VIPs on these ports."""
        self._ports = ports

    def want(
        self, wanted: Mapping[int, Wanted], others: Mapping[int, VipSpec], foreign: Set[int], acts: bool
    ) -> None:
        """See ``Edge``: authority for VIPs that are neither wanted nor foreign ends by itself."""
        self._wanted, self._foreign, self._acts = wanted, foreign, acts
        self._wake.set()

    def wake(self) -> None:
        """Its stream has changed."""
        self._wake.set()

    # -- what is known ----------------------------------------------------------------------------------------

    @property
    def standing(self) -> frozenset[int]:
        """VIPs for which it may answer by what this agent has given."""
        now = self._clock.now()
        return frozenset(number for number, until in self._given.items() if until > now)

    @property
    def claimed_until(self) -> float:
        """It has no fence."""
        return 0.0

    @property
    def takes_authority(self) -> bool:
        """Whether it is here with our role."""
        return self.session is not None and self.session.packets is not None

    def is_silent(self, vips: frozenset[int]) -> bool:
        """Whether it is known to hold no authority for these, and will take none by what was sent before."""
        return self.session is not None and self.session.primary and vips <= self._ended.keys()

    def announces(self) -> frozenset[int]:
        """VIPs that it may announce now."""
        return self.standing if self.session is not None and self.session.primary else frozenset()

    async def announce(self, vip: Vip) -> None:
        """Have it answer all hosts behind a port: the switch does so only while it has authority."""
        packets = self._packets()
        if packets is None:
            return
        with suppress(SwitchError):  # its stream has ended, which is seen elsewhere
            for port in self._ports:
                await packets.send(question(vip.address, vip.mac), op=Op.INJECT, port=port)

    # -- how --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled. What goes wrong with a stream ends that stream."""
        while True:
            self._wake.clear()
            session, pause = self.session, LONGEST
            if session is not None and session.packets is not None:
                try:
                    pause = await self._write(session, session.packets)
                except SwitchError:
                    self._give_up(session)
                except Exception as error:  # a defect: the stream begins again, and other edges are served
                    self._journal.failure(error, switch=self.switch.name)
                    self._give_up(session)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    def _packets(self) -> Packets | None:
        session = self.session
        return session.packets if session is not None and session.primary else None

    def _give_up(self, session: Guest) -> None:
        self.disconnect(session)
        session.abort()

    async def _write(self, session: Guest, packets: Packets) -> float:
        """Bring it up to date; seconds until it has to be looked at again."""
        if not self._acts:
            self._given, self._ended = {}, {}  # the affair of the one that acts
            return LONGEST
        if not session.primary:
            self._given, self._ended = {}, {}
            if self._clock.now() < self._claimed + AGAIN:
                return await self._patient()
            self._claimed = self._clock.now()
            await session.claim()
            if not session.primary:
                return await self._patient()
        reading = await self._reading(packets)
        if reading is None:
            return await self._patient()
        await self._renew(packets, reading)
        if not await self._end(session, packets):
            return await self._patient()
        self._say(session)
        return self._rest()

    async def _patient(self) -> float:
        """What is asked for meanwhile does not make it try again sooner."""
        await asyncio.sleep(AGAIN)
        return 0.0

    async def _reading(self, packets: Packets) -> Reading | None:
        """The switch's clock; None: it is not known. Raises SwitchError: it has not been told for long."""
        reading, now = packets.reading, self._clock.now()
        if reading is not None and now - reading.at < FRESH:
            return reading
        with suppress(TimeoutError):
            return await packets.ask(PATIENCE)
        if reading is not None and now - reading.at > OLD:
            raise SwitchError(f"switch {self.switch.name} does not tell its clock")
        return reading

    async def _renew(self, packets: Packets, reading: Reading) -> None:
        for number, until in list(self._due()):
            self._ended.pop(number, None)
            self._given[number] = max(until, self._given.get(number, until))
            await packets.send(b"", op=Op.AUTHORIZE, vip=number, deadline=reading.deadline(until, self.drift))

    def _due(self) -> Iterator[tuple[int, float]]:
        """VIPs whose deadlines have gained enough."""
        now = self._clock.now()
        for number, (_, until) in self._wanted.items():
            if number not in self._foreign and until > now:
                given = self._given.get(number, float("-inf"))
                if until - given >= (until - now) / STEP:
                    yield number, until

    async def _end(self, session: Guest, packets: Packets) -> bool:
        """End authority for VIPs of others; whether all of it is known to be over."""
        now = self._clock.now()
        over = [n for n in self._foreign if now >= self._ended.get(n, float("-inf")) + AUDIT]
        if not over:
            return True
        for number in over:
            await packets.send(b"", op=Op.AUTHORIZE, vip=number, deadline=0)
        try:
            await packets.ask(PATIENCE)
        except TimeoutError:
            return False
        if self.session is not session or not session.primary:
            return False
        news = not self._ended.keys() >= set(over)
        self._ended |= dict.fromkeys(over, now)
        for number in over:
            self._given.pop(number, None)
        if news:
            self._on_news()
        return True

    def _rest(self) -> float:
        """Until something has to be ended again, or the clock is to be read."""
        now = self._clock.now()
        ends = [at + AUDIT for number, at in self._ended.items() if number in self._foreign]
        return max(min([*ends, now + FRESH]) - now, 0.01)

    def _say(self, session: Guest) -> None:
        problem = session.complaint if session.primary else ""
        if problem and problem != self.problem:
            self._journal.event("answers_refused", switch=self.switch.name, count=1, first=problem)
        self.problem, session.complaint = problem, ""
