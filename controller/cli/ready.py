"""What a controller keeps ready while another one leads: verdicts of its own, and what agents say of servers.

    store ─► intent ─► own probes ─► verdicts ──┐
                  └──► streams to agents ─► places ──┴─► ``handed`` to the controller that this one becomes

So it knows which servers live in the moment in which it takes over, also where the former leader died together with
some of them. Until then nothing that is found here changes anything. It keeps all that is stored, too: an operator may
have it lead where the store does not answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from controller.agent.facts import NOTHING, Facts
from controller.agent.following import FollowingFacts
from controller.agent.observers import Observers
from controller.app.assembly import App
from controller.clock import Clock
from controller.core.cells import Cell
from controller.core.journal import Journal
from controller.core.pauses import Pauses
from controller.core.probeplaces import ProbePlaces
from controller.health.following import FollowedTargets
from controller.health.judge import Verdict
from controller.health.prober import Prober
from controller.health.result import ProbeResult
from controller.health.service import HealthService, ProbeSource
from controller.security.credentials import Credentials
from controller.sites.base import Store
from controller.sites.replica import Replica
from controller.spec.types import Intent

AGAIN = 5.0
"""Seconds until probing is begun again that could not be."""


MakeProber = Callable[[Callable[[list[ProbeResult]], None], Callable[[str], None]], ProbeSource]


class Ready:
    """Of one controller, from its start to its end."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        clock: Clock,
        observe: Callable[[list[ProbeResult]], None],
        prober: MakeProber = Prober,
    ) -> None:
        """``observe``: handed all results of probes, to be counted."""
        self.intent: Cell[Intent] = Cell("followed", NOTHING)
        """Whose servers are probed, and whose agents are asked."""
        self.places = ProbePlaces(self.intent, journal, clock)
        self.places.quiet = True
        self._journal = journal
        self._take: Callable[[list[Verdict]], None] = lambda _: None
        self._service = HealthService(
            lambda verdicts: self._take(verdicts),
            now=clock.now,
            on_problem=self._problem,
            prober=prober,
            observe=observe,
            patient=True,
        )
        self._followed = FollowedTargets(self._service, self._problem)
        self.replica = Replica()
        """What is stored."""
        self._facts = FollowingFacts(store, journal, self._know, self.replica.take)
        self._pauses = Pauses(self._doubt, journal, clock, time.process_time)
        self._watching: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    def ask(self, name: str, tls: Credentials | None) -> None:
        """Ask agents. ``name``: of this controller, for them; ``tls``: None: without certificates."""
        self._asking = asyncio.create_task(Observers(self.intent, self.places, name, tls).run(), name="ask")

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Ready meanwhile."""
        self._watching = asyncio.create_task(self._watch(), name="ready")
        try:
            yield
        finally:
            await self._end(self._watching)
            await self._end(self._asking)
            await self._service.stop()

    async def handed(self) -> Callable[[Callable[[list[Verdict]], None]], HealthService]:
        """The service, for the controller that goes on with it: it says who takes verdicts, and whose servers count."""
        await self._end(self._watching)
        self._watching = None
        self._service.decides()
        return self._given

    def belongs(self, app: App) -> None:
        """From now on that controller's intent counts, and what places do is said."""
        self.places.quiet = False
        followed = app.state.intent

        def put() -> None:
            self.intent.put(followed.value)

        followed.subscribe(put)
        put()

    def probed(self) -> tuple[int, int]:
        """Backends that are probed, and how many of them are found to be down."""
        down = sum(not verdict.up for verdict in self._service.verdicts().values())
        return self._followed.servers, down

    # -- how --------------------------------------------------------------------------------------------------

    def _given(self, take: Callable[[list[Verdict]], None]) -> HealthService:
        self._take = take
        return self._service

    async def _watch(self) -> None:
        async with asyncio.TaskGroup() as group:
            for each in (self._facts, self._followed, self._pauses):
                group.create_task(each.run())
            group.create_task(self._begin())

    async def _begin(self) -> None:
        while True:
            try:
                return await self._service.start()
            except OSError as error:
                self._problem(f"probing cannot begin: {error}")
            await asyncio.sleep(AGAIN)

    async def _end(self, task: asyncio.Task[None] | None) -> None:
        """A defect in it is told, and keeps nothing from leading."""
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            self._journal.failure(error)

    def _know(self, facts: Facts) -> None:
        self.intent.put(facts.intent)
        self._followed.follow(facts.intent)

    def _doubt(self) -> None:
        self._service.forget_failures()
        self.places.forget()

    def _problem(self, why: str) -> None:
        self._journal.event("probing_problem", why=why)
