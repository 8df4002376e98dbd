"""Keeps this controller's part of the timeline in the log of the store.

    journal ─► events, in order ─► those whose change is known ─► one value of the log, a few times a second

A decision is said before it is stored: it waits for the commit that holds it, and with it what was said later. The log
is soft: to add to it holds nothing up, and what cannot be added waits, is counted once too much waits, and is said.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from controller.clock import Clock
from controller.core.journal import Journal, Said
from controller.sites.base import Space, StoreError
from controller.sites.eventlog import EventLog, Made, pieces

GATHER = 0.2
"""Seconds in which events come together in one value."""
QUEUE = 1000
"""Events that wait; further ones are dropped and counted."""
HOLD = 5.0
"""Seconds for which a decision waits for the commit that holds it; after that, it has the change before it."""
WITHIN = 5.0
"""Seconds for which one value may take to be added."""
AGAIN = 2.0
"""Seconds until an attempt that failed is followed by the next one."""
END = 1.0
"""Seconds that a controller which ends may take to add what waits."""


@dataclass
class _Waiting:
    number: int
    said: Said
    since: float
    change: int
    known: bool
    """Whether ``change`` is what it belongs to."""


class Recorder:
    """The journal's keeper."""

    def __init__(self, log: EventLog, clock: Clock, journal: Journal) -> None:
        """``journal``: where it is said that events cannot be added."""
        self._log, self._clock, self._journal = log, clock, journal
        self._waiting: deque[_Waiting] = deque()
        self._chunk: list[Made] = []
        """What is being added; the same again until that has succeeded."""
        self._said = 0
        self._lost = 0
        self._news = asyncio.Event()
        self.problem = ""
        """Why nothing can be added; empty: it can."""

    @property
    def waiting(self) -> int:
        """Events that are not in the log yet."""
        return len(self._waiting) + len(self._chunk)

    def keep(self, said: Said, /) -> None:
        """Take one event. Never blocks, never raises."""
        self._said += 1
        if self.waiting >= QUEUE:
            self._lost += 1
            return
        known = not said.line.decided
        self._waiting.append(_Waiting(self._said, said, self._clock.now(), said.change, known))
        self._news.set()

    def mark(self) -> int:
        """What was decided until now is in the batch that is made now."""
        return self._said

    def stored(self, mark: int, revision: int) -> None:
        """The batch of a mark is stored."""
        for each in self._waiting:
            if each.number > mark:
                break
            if not each.known:
                each.change, each.known = revision, True
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._due()
            try:
                await self._add(WITHIN)
            except StoreError as error:
                self._failed(error)
                await asyncio.sleep(AGAIN)
            except Exception as error:  # a defect here must not end the controller
                self._journal.failure(error, part="timeline")
                await asyncio.sleep(AGAIN)

    async def finish(self, within: float = END) -> None:
        """Add what waits, after ``run``; gives up after so many seconds."""
        for each in self._waiting:
            each.known = True
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(within):
                while self.waiting:
                    await self._add(within)

    async def _due(self) -> None:
        """Until something can be added, and others had time to join it."""
        while not self._chunk and not self._ready(1):
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(HOLD if self._waiting else None):
                    await self._news.wait()
        await asyncio.sleep(GATHER)

    def _ready(self, most: int) -> list[_Waiting]:
        """The first events whose change is known, or is awaited no longer."""
        found: list[_Waiting] = []
        now = self._clock.now()
        for each in self._waiting:
            if len(found) == most or not (each.known or now >= each.since + HOLD):
                break
            found.append(each)
        return found

    async def _add(self, within: float) -> None:
        """Add one value. Raises StoreError."""
        if not self._chunk:
            made = [
                Made(s.t, s.at, e.change, s.known, s.event, str(s.cause), s.fields)
                for e in self._ready(QUEUE)
                for s in (e.said,)
            ]
            self._chunk = next(pieces(made), [])
            for _ in self._chunk:
                self._waiting.popleft()
        if self._chunk:
            await self._log.append(self._chunk, within)
            self._chunk = []
            self._recovered()
        await self._log.sweep(within)

    def _failed(self, error: StoreError) -> None:
        if not self.problem:
            self.problem = str(error)
            self._journal.event("timeline_failed", error=str(error))

    def _recovered(self) -> None:
        if self.problem or self._lost:
            self.problem, lost, self._lost = "", self._lost, 0
            self._journal.event("timeline_recovered", lost=lost)


@asynccontextmanager
async def recorded(space: Space, controller: str, clock: Clock, journal: Journal) -> AsyncIterator[Recorder]:
    """Have what the journal says from now on kept in a log. At the end what waits is added."""
    recorder = Recorder(EventLog(space, controller, clock.boot), clock, journal)
    journal.keeper, former = recorder, journal.keeper
    running = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        running.cancel()
        await asyncio.wait([running])
        await recorder.finish()
        journal.keeper = former
