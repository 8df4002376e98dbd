"""What an exit is: a part that brings something beside the switches to what the plan says, and keeps it so.

    intent, verdicts, tables, owners, fitness ─► see() ─► an exit's own rules (pure) ─► its engine, read back, repaired

An exit reads and never decides for the switches. It deals with its engine's failures itself; one that fails all the
same is said in the journal and started again, and nothing else stops for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from controller.clock import Clock
from controller.core.journal import Journal
from controller.core.shown import ExitStatus
from controller.plan.tables import Tables, Verdicts
from controller.sites.placement import SiteState
from controller.spec.types import Intent

FIRST_PAUSE = 1.0
"""Seconds until an exit that failed is started again, twice as many after each further failure."""
LONGEST_PAUSE = 30.0
"""The most seconds of that; one that ran for longer than this begins at ``FIRST_PAUSE`` again."""
LOOK = 0.25
"""Seconds between looks at what changes without a call."""


def _unknown(pool: str, backend: str) -> int | None:
    """No server says how many connections it has."""
    del pool, backend
    return None


@dataclass(frozen=True)
class Seen:
    """The plan's inputs at one moment. Nothing in it changes."""

    revision: int
    """Of the last commit: the change id of what follows from it."""
    intent: Intent
    tables: Tables
    """Pools by key, with those that drain away."""
    verdicts: Verdicts
    owners: Mapping[str, str]
    """VIP -> site that answers for it; a VIP that none owns is left out."""
    admitted: frozenset[str]
    """lb switches that edges use, by name."""
    absent: frozenset[str]
    """Switches that are not there, by name."""
    drained: frozenset[str]
    """Sites that an operator took out of service."""
    sites: Mapping[str, SiteState] | None
    """How fit each site is; None: the store is of one machine, so nothing judges that."""

    def is_fit(self, site: str) -> bool:
        """Whether a site may serve: in service, and fit where that is judged; one not looked at yet counts as fit."""
        if site in self.drained:
            return False
        return self.sites is None or site not in self.sites or self.sites[site].fitness.fit


@dataclass(frozen=True)
class Around:
    """What an exit is handed."""

    see: Callable[[], Seen]
    subscribe: Callable[[Callable[[], None]], None]
    """Call this after every change of what is seen, in the event loop; it must not block. Fitness changes without a
    call: exits that go by it look again within ``LOOK``."""
    journal: Journal
    clock: Clock
    connections: Callable[[str, str], int | None] = _unknown
    """Live connections of a server, by pool and backend: as it says itself, or as switches count them where that is
    good enough to decide by; None: neither. They change without a call."""


class Exit(Protocol):
    """One of them. Made once; it follows the intent, also when that has nothing for it, or not any more."""

    @property
    def name(self) -> str:
        """The key of its status, such as ``routes``."""
        ...

    async def run(self) -> None:
        """Until cancelled. Called again after it raised: what its engine has is then read again."""
        ...

    def shown(self) -> ExitStatus | None:
        """How it is; None: the intent has nothing for it. Never blocks."""
        ...


Make = Callable[[Around], Exit]


@dataclass
class _Run:
    exit: Exit
    problem: str = ""
    """Why it does not run; empty: it does."""
    pause: float = FIRST_PAUSE


class Exits:
    """All of them, each with a task of its own."""

    def __init__(self, makers: Iterable[Make], around: Around) -> None:
        self._runs = [_Run(make(around)) for make in makers]
        self._journal = around.journal
        self._clock = around.clock

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for run in self._runs:
                group.create_task(self._keep(run))

    async def _keep(self, run: _Run) -> None:
        while True:
            began = self._clock.now()
            try:
                await run.exit.run()
                run.problem = "it ended by itself"
            except Exception as error:
                run.problem = f"{type(error).__name__}: {error}"
                self._journal.failure(error, part=run.exit.name)
            if self._clock.now() - began > LONGEST_PAUSE:
                run.pause = FIRST_PAUSE
            await asyncio.sleep(run.pause)
            run.pause, run.problem = min(2 * run.pause, LONGEST_PAUSE), ""

    def exit(self, name: str) -> Exit:
        """The one of that name. Raises KeyError."""
        return {run.exit.name: run.exit for run in self._runs}[name]

    def shown(self) -> Mapping[str, ExitStatus]:
        """How each is that the intent has something for, by name."""
        found: dict[str, ExitStatus] = {}
        for run in self._runs:
            status = run.exit.shown()
            if status is not None:
                found[run.exit.name] = status.with_problem(run.problem)
        return found
