"""Pools whose weights follow what is measured: averages, and decisions in their time. Owns what it has measured.

    connections by agents, or by switches ─┐
    times of probes ───────────────────────┴─► averages ─► decide (pure) ─► factors, which Tuning writes

It is all in memory: a controller that starts measures again, and goes on from the factors that are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from controller.core.cells import Readable
from controller.core.journal import Journal
from controller.core.servers import Servers
from controller.health.targets import BackendRef
from controller.model.shares import part_of
from controller.plan.adaptive import Adapting, Measured, averaged, decide, follow
from controller.plan.sessions import Live
from controller.plan.tables import Tables
from controller.plan.tuned import AS_CONFIGURED, FULL, UNIT, Tunings
from controller.spec.scheduling import Scheduler
from controller.spec.types import Backend, Intent, Pool

LOOK = 1.0
"""Seconds between looks at what was measured."""
NAMED = 8
"""Backends that an event names, those first whose factor changed most."""
Latencies = Callable[[], Mapping[BackendRef, float]]


@dataclass
class _Average:
    value: float | None = None
    at: float = 0.0


@dataclass
class _Known:
    """Of one pool."""

    averages: dict[str, _Average] = field(default_factory=dict)
    parts: dict[tuple[int, str], Adapting] = field(default_factory=dict)
    waits: str = ""


class Connections(Protocol):
    """Knows what switches count of connections."""

    def of_backend(self, ref: BackendRef) -> Live | None:
        """Of a backend; None: nothing."""
        ...


class Schedulers:
    """Decides for all pools with another scheduler than ``weighted``."""

    def __init__(
        self,
        intent: Readable[Intent],
        tables: Readable[Tables],
        servers: Servers,
        sessions: Connections,
        latencies: Latencies,
        journal: Journal,
        now: Callable[[], float],
    ) -> None:
        """``latencies``: seconds of the last probe of each backend, if it passed."""
        self._intent, self._tables, self._servers, self._sessions = intent, tables, servers, sessions
        self._latencies, self._journal, self._now = latencies, journal, now
        self._known: dict[str, _Known] = {}
        self._looked = now()

    def deadline(self) -> float | None:
        """When to look next; None: no pool asks for it."""
        adapts = any(pool.scheduler.adapts for pool in self._intent.value.pools)
        return self._looked + LOOK if adapts else None

    def measured(self, pool: str, backend: str) -> float | None:
        """The average that decides: connections, or seconds; None: there is none."""
        known = self._known.get(pool)
        found = None if known is None else known.averages.get(backend)
        return None if found is None else found.value

    def waits(self, pool: str) -> str:
        """Why nothing is decided for a pool now; empty: it is."""
        known = self._known.get(pool)
        return "" if known is None else known.waits

    def look(self) -> None:
        """Take note of what was measured."""
        self._looked = now = self._now()
        pools = [pool for pool in self._intent.value.pools if pool.scheduler.adapts]
        self._known = {pool.name: self._known.get(pool.name, _Known()) for pool in pools}
        latencies = self._latencies() if pools else {}
        for pool in pools:
            averages = self._known[pool.name].averages
            for real in pool.backends:
                self._note(pool, real, averages, latencies, now)
            for name in averages.keys() - {real.name for real in pool.backends}:
                del averages[name]

    def factors(self, pool: Pool, tuned: Tunings, takes: Iterable[Backend]) -> dict[str, int]:
        """Factors that change now, in millionths. ``takes``: backends that can take connections."""
        known = self._known.get(pool.name)
        if known is None or not pool.scheduler.adapts:
            return {}
        parts = self._parts(pool, known, tuned, takes)
        held, known.waits = self._state_of(pool, tuned, parts)
        made: dict[str, int] = {}
        for part, measured in parts.items():
            before = known.parts.get(part, Adapting.new(self._now()))
            state = follow(pool.adaptive, measured, before, self._now(), held)
            if not known.waits:
                found, state = decide(pool.scheduler, pool.adaptive, measured, state, self._now())
                made |= found
            known.parts[part] = state
        if made:
            self._say(pool, tuned, made)
        return made

    def _note(
        self,
        pool: Pool,
        real: Backend,
        averages: dict[str, _Average],
        latencies: Mapping[BackendRef, float],
        now: float,
    ) -> None:
        ref = pool.name, real.name
        average = averages.setdefault(real.name, _Average(at=now))
        counts = pool.scheduler is Scheduler.LEAST_CONNECTIONS
        # A probe that fails is none to go by.
        value = self._live(ref) if counts else latencies.get(ref, average.value)
        if value is None:
            averages[real.name] = _Average(at=now)
            return
        passed, average.at = now - average.at, now
        average.value = averaged(average.value, value, passed, pool.adaptive.smoothing)

    def _live(self, ref: BackendRef) -> float | None:
        """Connections that a server says it has; of one that is not asked, those that switches count."""
        heard = self._servers.heard(ref)
        if heard is not None and heard.connections is not None:
            return None if heard.silent else float(heard.connections)
        counted = self._sessions.of_backend(ref)
        return counted.live if counted is not None and counted.tells else None

    def _parts(
        self, pool: Pool, known: _Known, tuned: Tunings, takes: Iterable[Backend]
    ) -> dict[tuple[int, str], list[Measured]]:
        """Those that share with each other, and whose average is known."""
        out: dict[tuple[int, str], list[Measured]] = {}
        for real in takes:
            average = known.averages.get(real.name, _Average()).value
            if average is not None:
                adapted = tuned.get(real.name, AS_CONFIGURED).adapted
                out.setdefault(part_of(pool, real), []).append(
                    Measured(real.name, real.weight, adapted, average)
                )
        return out

    def _state_of(
        self, pool: Pool, tuned: Tunings, parts: Mapping[tuple[int, str], list[Measured]]
    ) -> tuple[bool, str]:
        """Whether slots lag behind, and why nothing is decided; empty: it is."""
        states = [state for state in self._tables.value.pools.values() if state.name == pool.name]
        behind = sum(state.behind for state in states)
        if behind:
            return True, f"{behind} slots of earlier changes wait for the budget"
        if any(state.panicked for state in states):
            return False, "health is ignored (panic)"
        slow = sorted(
            name for name, each in tuned.items() if each.ramp != FULL and each.ramp_since is not None
        )
        if slow:
            return False, f"slow start of {', '.join(slow[:NAMED])}"
        if all(len(each) < 2 for each in parts.values()):
            return False, f"fewer than two backends are measured: {_needs(pool.scheduler)}"
        return False, ""

    def _say(self, pool: Pool, tuned: Tunings, made: Mapping[str, int]) -> None:
        changed = sorted(made, key=lambda name: -abs(made[name] - tuned.get(name, AS_CONFIGURED).adapted))
        shown = ", ".join(_factors(made, changed[:NAMED]))
        self._journal.event(
            "weights_adapted",
            pool=pool.name,
            scheduler=pool.scheduler.value,
            count=len(made),
            factors=shown if len(made) <= NAMED else f"{shown}, ...",
        )


def _factors(made: Mapping[str, int], names: Iterable[str]) -> Iterator[str]:
    return (f"{name} x {made[name] / UNIT:.3g}" for name in names)


def _needs(scheduler: Scheduler) -> str:
    if scheduler is Scheduler.LEAST_CONNECTIONS:
        return "neither agents nor counts tell their connections"
    return "they are not probed"
