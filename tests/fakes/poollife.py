"""One pool and what happens to it, step by step, for tests of its rules."""

from __future__ import annotations

import math
from dataclasses import replace
from ipaddress import ip_address

from controller.plan.ids import IdAllocator, Space
from controller.plan.pool import Health, PoolState, next_change, step
from controller.spec.switch import Fate
from controller.spec.types import Backend, Pool, Protocol

W, MEMORY = 120.0, 900.0
SLOTS = 4096


def backend(name: str, **more: object) -> Backend:
    """One of a pool's, all at one address."""
    return replace(Backend(name, (ip_address("10.1.0.1"),), at="leaf1"), **more)  # type: ignore[arg-type]


def pool(*names: str, **more: object) -> Pool:
    """A pool of equal backends that never panics."""
    base = Pool("web", tuple(backend(n) for n in names), panic_threshold=1.0)
    return replace(base, **more)  # type: ignore[arg-type]


def but(of: Pool, name: str, **more: object) -> Pool:
    """The pool with one backend changed."""
    return replace(
        of,
        backends=tuple(
            replace(b, **more) if b.name == name else b  # type: ignore[arg-type]
            for b in of.backends
        ),
    )


def down(*names: str, since: float = 0.0) -> dict[str, Health]:
    """Verdicts: these refuse."""
    return {name: Health(False, since, "refused") for name in names}


class Life:
    """A state and what happens to it."""

    def __init__(self, pool: Pool, protocol: Protocol = Protocol.TCP, slots: int = SLOTS) -> None:
        self.pool = pool
        self.health: dict[str, Health] = {}
        self.ids = IdAllocator()
        self.state = PoolState.new("web", protocol, slots)
        self.go(0.0)

    def go(self, now: float, pool: Pool | None = None, health: dict[str, Health] | None = None) -> PoolState:
        """Step to ``now``, with another intent or other verdicts from now on."""
        self.pool = pool or self.pool
        self.health = self.health if health is None else health
        self.now = now
        names = (*self.ids.ids(Space.BACKEND), *(real.name for real in self.pool.backends))
        self.ids = self.ids.step({Space.BACKEND: dict.fromkeys(names, 0.0)}, now)
        self.state = step(self.state, self.pool, self.health, self.ids, now)
        return self.state

    def id(self, name: str) -> int:
        """Number of a member."""
        return next(m.id for m in self.state.members if m.backend.name == name)

    def fate(self, name: str, now: float) -> Fate:
        """What becomes of a member's connections at ``now``."""
        return step(self.state, self.pool, self.health, self.ids, now).fates[self.id(name)]

    def next(self) -> float | None:
        """When time alone changes the state next, but for periods."""
        return next_change(quiet(self.state), self.pool, self.health, self.now)


def quiet(state: PoolState) -> PoolState:
    """The same without periods, which go on while anything is tracked."""
    return replace(state, tracking=replace(state.tracking, period_since=math.inf))
