"""Asks servers about themselves, and keeps what they have said. Owns ``told``.

    questions of the intent ─► prober ─► answers ─► told: drain, down, a share of the weight
                                           └──────► heard: when last, how many connections, what was wrong

Only what a server says counts. That it does not answer changes nothing (``health`` is for that), and is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from controller.clock import Clock
from controller.core.agentwords import ServerStatus, words
from controller.core.cells import Cell, Readable
from controller.core.journal import Journal
from controller.core.storedcells import SaidBy
from controller.health.asking import kind_of, patience, questions
from controller.health.prober import Prober
from controller.health.reply import BadReply, Reply, read, told
from controller.health.result import Outcome, ProbeResult
from controller.health.service import ProbeSource
from controller.health.targets import BackendRef, Probe
from controller.plan.pool import UNCONFIRMED, Health
from controller.sites.causes import Cause
from controller.spec.serveragent import NOTHING_TOLD, Told
from controller.spec.types import Intent

ROUTES = 5.0
"""Seconds that the first questions wait for switches that lead to the servers."""
LOOK = 1.0
"""Seconds between looks at who is silent."""
_LOOK = 0.1
MakeAsker = Callable[[Callable[[list[ProbeResult]], None]], ProbeSource]


@dataclass(frozen=True)
class Heard:
    """How it goes with asking one server."""

    at: float | None = None
    """When it was heard last, seconds of the clock; None: never by this controller."""
    problem: str = "not asked yet"
    """What was wrong with the last answer, or that there was none; empty: nothing."""
    connections: int | None = None
    """That it had then."""
    silent: bool = False
    """It has not been heard for so long that it was said."""


class Gauge(NamedTuple):
    """How many connections a server said it has."""

    at: float
    """Seconds of the clock."""
    connections: int


class Servers:
    """All servers of pools with an ``agent``."""

    def __init__(
        self,
        cell: Cell[SaidBy],
        intent: Readable[Intent],
        asker: MakeAsker,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._told, self._intent, self._journal, self._clock = cell, intent, journal, clock
        self._asker = asker(self._take)
        self._members: Mapping[Probe, frozenset[BackendRef]] = {}
        self._patience: dict[BackendRef, float] = {}
        self._heard: dict[BackendRef, Heard] = {}
        self._began = clock.now()
        self._wanted = asyncio.Event()
        self._follow()
        intent.subscribe(self._follow)

    async def run(self, reachable: Callable[[], bool]) -> None:
        """Until cancelled; begins when there is something to ask and servers can be reached, or after ``ROUTES`` s."""
        await self._wanted.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ROUTES):
                while not reachable():
                    await asyncio.sleep(_LOOK)
        try:
            await self._asker.start()
            self._began = self._clock.now()
            while True:
                self.look()
                await asyncio.sleep(LOOK)
        finally:
            await self._asker.stop()

    def heard(self, ref: BackendRef) -> Heard | None:
        """How it goes with asking a server; None: it is not asked."""
        return self._heard.get(ref)

    def gauges(self) -> Iterator[tuple[BackendRef, Gauge]]:
        """Servers that have told how many connections they have, and when."""
        for ref, heard in self._heard.items():
            if heard.at is not None and heard.connections is not None:
                yield ref, Gauge(heard.at, heard.connections)

    def says(self, ref: BackendRef) -> Told:
        """What a server has said of itself."""
        return self._told.value.get(ref[0], {}).get(ref[1], NOTHING_TOLD)

    def shown(self, ref: BackendRef) -> ServerStatus | None:
        """The same for people."""
        heard = self._heard.get(ref)
        if heard is None:
            return None
        age = None if heard.at is None else round(self._clock.now() - heard.at, 1)
        return ServerStatus(words(self.says(ref)), age, heard.silent, heard.problem, heard.connections)

    def verdicts(self) -> dict[BackendRef, Health]:
        """Servers that have said that they are down."""
        return {
            (pool, name): self._verdict((pool, name), each)
            for pool, rows in self._told.value.items()
            for name, each in rows.items()
            if each.down
        }

    def _verdict(self, ref: BackendRef, said: Told) -> Health:
        heard = self._heard.get(ref, Heard()).at
        return Health(
            False, said.since, f"its agent says {said.down}", UNCONFIRMED if heard is None else said.since
        )

    def look(self) -> None:
        """Say who is silent, and who is heard again."""
        now = self._clock.now()
        for ref, heard in self._heard.items():
            last = self._began if heard.at is None else heard.at
            silent = now > last + self._patience[ref]
            if silent is not heard.silent:
                self._heard[ref] = replace(heard, silent=silent)
                if silent:
                    self._journal.event("server_silent", pool=ref[0], backend=ref[1], why=heard.problem)
                else:
                    self._journal.event("server_heard", pool=ref[0], backend=ref[1])

    def _follow(self) -> None:
        intent = self._intent.value
        self._members = questions(intent)
        agents = {pool.name: pool.agent for pool in intent.pools if pool.agent is not None}
        asked = {ref for refs in self._members.values() for ref in refs}
        self._patience = {ref: patience(agents[ref[0]]) for ref in asked}
        self._heard = {ref: self._heard.get(ref, Heard()) for ref in sorted(asked)}
        self._asker.set_probes(self._members)
        if asked:
            self._wanted.set()
        self._put({ref: each for ref, each in self._all().items() if ref in asked})

    def _take(self, results: list[ProbeResult]) -> None:
        made = self._all()
        for result in results:
            for ref in self._members.get(result.probe, ()):
                self._answer(ref, result, made)
        self._put(made)

    def _answer(self, ref: BackendRef, result: ProbeResult, made: dict[BackendRef, Told]) -> None:
        before, now = self._heard[ref], self._clock.now()
        if result.outcome is not Outcome.PASS:
            self._heard[ref] = replace(before, problem=result.reason)
            return
        try:
            reply = read(kind_of(result.probe), result.reason)
        except BadReply as bad:
            self._heard[ref] = replace(before, problem=str(bad))
            return
        problem = f"unknown words: {', '.join(reply.unknown)}" if reply.unknown else ""
        self._heard[ref] = replace(before, at=now, problem=problem, connections=reply.connections)
        self._note(ref, reply, made, now)

    def _note(self, ref: BackendRef, reply: Reply, made: dict[BackendRef, Told], now: float) -> None:
        was = made.get(ref, NOTHING_TOLD)
        said = told(was, reply, now)
        if said is not was:
            made[ref] = said
            self._journal.event("server_says", Cause.PROBE, pool=ref[0], backend=ref[1], says=words(said))

    def _all(self) -> dict[BackendRef, Told]:
        return {(pool, name): each for pool, rows in self._told.value.items() for name, each in rows.items()}

    def _put(self, made: Mapping[BackendRef, Told]) -> None:
        rows: dict[str, dict[str, Told]] = {}
        for (pool, name), each in made.items():
            if replace(each, since=0.0) != NOTHING_TOLD:
                rows.setdefault(pool, {})[name] = each
        self._told.put(rows)


def asked_by(journal: Journal) -> MakeAsker:
    """Asks from a process of its own, which says its problems in the journal."""

    def problem(why: str) -> None:
        journal.event("probing_problem", why=f"agents of servers: {why}")

    return lambda take: Prober(take, problem)
