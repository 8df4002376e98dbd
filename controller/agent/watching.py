"""Probes the servers of the intent from where this agent is, for the controllers that ask.

    facts ─► targets (in a thread) ─► health service (its probes are a process of their own) ─► view ─► streams

A verdict is said only while it is this agent's own and current: one that was not earned yet, that hangs on probes that
cannot be asked, or on what was not seen while this agent stood still, is none. What happens here owns no VIP, and holds
up nothing that does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from controller.clock import Clock
from controller.core.journal import Journal
from controller.core.pauses import Pauses
from controller.health.following import FollowedTargets
from controller.health.judge import Verdict
from controller.health.places import Seen, View
from controller.health.service import HealthService
from controller.health.status import HealthStatus
from controller.health.targets import BackendRef
from controller.plan.pool import UNCONFIRMED
from controller.spec.types import Intent

LOOK = 0.5
"""Seconds between looks at how probing goes."""
AGAIN = 5.0
"""Seconds until probing is begun again that could not be."""
UNASKED = 3
"""Probes in a row that could not be asked, after which a verdict is not one of now."""
STARTING = "no prober runs"

MakeService = Callable[[Callable[[list[Verdict]], None], Callable[[str], None]], HealthService]


class Watching:
    """What this agent sees of servers."""

    def __init__(self, journal: Journal, clock: Clock, make: MakeService | None = None) -> None:
        self._journal = journal
        self._pauses = Pauses(self.doubt, journal, clock, time.process_time)
        made = make or (lambda take, problem: _service(clock, take, problem))
        self._service = made(self._take, self._problem)
        self._followed = FollowedTargets(self._service, self._problem, self._changed)
        self._status: HealthStatus | None = None
        self._view: View | None = View(doubt=STARTING)
        """None: something has changed since it was taken."""
        self._waiting: set[asyncio.Event] = set()
        self.sent = 0
        """Messages with which controllers were told."""

    def follow(self, intent: Intent) -> None:
        """Probe the servers of this intent from now on."""
        self._followed.follow(intent)

    def doubt(self) -> None:
        """Nothing was heard for a while: that a server is down is not known before a probe fails again."""
        self._service.forget_failures()
        self._changed()

    async def run(self) -> None:
        """Until cancelled. What fails here is said, and tried again."""
        while True:
            try:
                await self._service.start()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._followed.run())
                    group.create_task(self._look())
                    group.create_task(self._pauses.run())
            except (OSError, ExceptionGroup) as error:
                self._problem(f"probing ends: {_first(error)}")
            finally:
                await self._service.stop()
            await asyncio.sleep(AGAIN)

    @property
    def view(self) -> View:
        """What can be said now."""
        if self._view is None:
            self._view = View(dict(self._seen()), self._doubt())
        return self._view

    def listen(self) -> asyncio.Event:
        """An event that is set when the view has changed; ``ignore`` it in the end."""
        event = asyncio.Event()
        self._waiting.add(event)
        return event

    def ignore(self, event: asyncio.Event) -> None:
        """It is not set any more."""
        self._waiting.discard(event)

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._waiting)

    @property
    def servers(self) -> int:
        """Backends of pools that are probed."""
        return self._followed.servers

    # -- how --------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """What no verdict says: probes that cannot be asked, a doubt, a prober that died."""
        while True:
            status = self._service.status()
            if status != self._status:
                self._status = status
                self._changed()
            await asyncio.sleep(LOOK)

    def _take(self, verdicts: list[Verdict]) -> None:
        self._changed()

    def _problem(self, why: str) -> None:
        self._journal.event("probing_problem", why=why)

    def _changed(self) -> None:
        self._view = None
        for event in self._waiting:
            event.set()

    def _seen(self) -> Iterable[tuple[BackendRef, Seen]]:
        unasked = {
            member
            for each in (() if self._status is None else self._status.unasked)
            if each.count >= UNASKED
            for member in each.members
        }
        for ref, verdict in self._service.verdicts().items():
            remembered = not verdict.up and verdict.confirmed == UNCONFIRMED
            if not remembered and ref not in unasked:
                yield ref, Seen(verdict.up, verdict.reason)

    def _doubt(self) -> str:
        status = self._status
        if status is None or not status.probing:
            return STARTING
        if status.doubted is not None:
            return f"all {status.doubted.servers} servers that it hears of fail at once"
        return ""


def _service(
    clock: Clock, take: Callable[[list[Verdict]], None], problem: Callable[[str], None]
) -> HealthService:
    return HealthService(take, now=clock.now, on_problem=problem, patient=True)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
