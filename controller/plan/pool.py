"""One pool's table through time: who serves, which slots move, and what becomes of remembered connections.

    verdicts, weights, drains ──► serving backends ──► Maglev ──► slots that move ──► transition (W) ──► settled
                                                                        └──► watched (memory_timeout): exceptions

A pool that serves TCP and UDP has a state for each, because they treat a backend's death differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from controller import maglev
from controller.health.panic import effective
from controller.model.types import Backend, OnDown, Pool, Protocol, Then
from controller.plan.numbers import Numbers, Space
from controller.plan.slots import Pairs, Slots, SlotTable
from controller.plan.spec import Fate

LINGERS = 2
"""Memory timeouts until who is silent is forgotten: Open vSwitch's entries last into the generation after theirs.

Its generations are those of a VIP: as long as the longest ``memory_timeout`` of the pools behind it.
"""

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Health:
    """The verdict on one backend of a pool."""

    up: bool
    since: float
    reason: str = ""


@dataclass(frozen=True)
class Member:
    """A backend that is, or was, in the pool."""

    backend: Backend
    id: int
    draining_since: float | None = None
    removed: bool = False


@dataclass(frozen=True)
class PoolState:
    """A pool's table and its history, as far as switches may still remember it."""

    name: str
    protocol: Protocol
    members: tuple[Member, ...]
    serving: tuple[maglev.Member, ...]
    """What ``now`` was built from."""
    now: Slots
    before: Slots
    until: Times
    """Per slot: when its transition ends (0: none)."""
    watched: Pairs
    watched_until: Times
    revision: int = 0
    panicked: bool = False

    @staticmethod
    def new(name: str, protocol: Protocol, slots: int) -> PoolState:
        """A pool nobody has served yet."""
        empty = np.zeros(slots, np.uint16)
        return PoolState(
            name, protocol, (), (), empty, empty, np.zeros(slots), np.empty(0, np.uint32), np.empty(0)
        )

    @property
    def key(self) -> str:
        """Identity of pool and protocol."""
        return f"{self.name}/{self.protocol}"

    @property
    def moving(self) -> int:
        """Slots in transition."""
        return int(np.count_nonzero(self.before))

    def table(self) -> SlotTable:
        """What switches should hold. A pair that is the table's own again is no exception."""
        slot, backend = self.watched & 0xFFFF, self.watched >> 16
        moving = np.flatnonzero((self.before != 0) & (self.now != 0) & (self.now != self.before))
        young = np.sort(self.now[moving].astype(np.uint32) << 16 | moving.astype(np.uint32))
        return SlotTable(self.now, self.before, self.watched[self.now[slot] != backend], young)


def step(
    state: PoolState,
    pool: Pool,
    health: Mapping[str, Health],
    numbers: Numbers,
    now: float,
    generation: float = 0.0,
) -> PoolState:
    """The state after whatever happened up to ``now``: intent, verdicts and time.

    ``generation``: seconds of a generation of the memory, where it is longer than the pool's own timeout.
    """
    members = _members(state.members, pool, numbers, now, generation)
    serving, panicked = _serving(members, health, pool.panic_threshold)
    state = replace(state, members=members, panicked=panicked)
    gone = {
        m.id
        for m in members
        if fate(m, pool, state.protocol, health, panicked, now) in (Fate.MOVE, Fate.RESET)
    }
    # Windows that are over end first: a slot that moves now opens one of its own.
    state = _settle(state, gone, now)
    if serving != state.serving:
        state = _rebuild(state, serving, pool, now)
    return _settle(state, gone, now)


def fates(state: PoolState, pool: Pool, health: Mapping[str, Health], now: float) -> dict[int, Fate]:
    """Fate by backend id."""
    return {m.id: fate(m, pool, state.protocol, health, state.panicked, now) for m in state.members}


def fate(
    member: Member, pool: Pool, protocol: Protocol, health: Mapping[str, Health], panicked: bool, now: float
) -> Fate:
    """What becomes of connections remembered for one backend: the graver of draining and being down."""
    found = [Fate.NORMAL]
    if member.draining_since is not None:
        over = now >= member.draining_since + pool.drain_timeout
        found.append(_after(pool.drain_then) if over else Fate.DRAIN)
        if member.removed and now >= _leaves(member, pool):
            found.append(Fate.MOVE)
    verdict = health.get(member.backend.name)
    if verdict is not None and not verdict.up and not panicked:
        policy = on_down(pool, protocol)
        found.append(_after(policy.then) if now >= verdict.since + policy.keep_for else Fate.DRAIN)
    return max(found, key=_GRAVITY.index)


_GRAVITY = [Fate.NORMAL, Fate.DRAIN, Fate.MOVE, Fate.RESET]


def on_down(pool: Pool, protocol: Protocol) -> OnDown:
    """The pool's policy for a protocol."""
    return pool.on_down_tcp if protocol is Protocol.TCP else pool.on_down_udp


def next_change(
    state: PoolState, pool: Pool, health: Mapping[str, Health], now: float, generation: float = 0.0
) -> float | None:
    """When time alone will change the state next; None: never. ``generation`` as in ``step``."""
    times = [state.until[state.until > now], state.watched_until[state.watched_until > now]]
    times += [np.array(list(_deadlines(state, pool, health, generation)))]
    later = np.concatenate(times)
    later = later[later > now]
    return float(later.min()) if later.size else None


def _deadlines(state: PoolState, pool: Pool, health: Mapping[str, Health], generation: float) -> list[float]:
    out = []
    for member in state.members:
        if member.draining_since is not None:
            out.append(member.draining_since + pool.drain_timeout)
            if member.removed:
                out += [_leaves(member, pool), _retires(member, pool, generation)]
        verdict = health.get(member.backend.name)
        if verdict is not None and not verdict.up:
            out.append(verdict.since + on_down(pool, state.protocol).keep_for)
    return out


def _after(then: Then) -> Fate:
    return {Then.KEEP: Fate.DRAIN, Then.MOVE: Fate.MOVE, Then.RESET: Fate.RESET}[then]


def _leaves(member: Member, pool: Pool) -> float:
    """From when a removed backend gives away whatever it was let keep."""
    return (member.draining_since or 0.0) + pool.drain_timeout + pool.memory_timeout


def _retires(member: Member, pool: Pool, generation: float) -> float:
    """From when nobody can remember a removed backend: a switch that knew no fate of it would drop its connections."""
    return _leaves(member, pool) + LINGERS * max(pool.memory_timeout, generation)


def _members(
    old: tuple[Member, ...], pool: Pool, numbers: Numbers, now: float, generation: float
) -> tuple[Member, ...]:
    known = {m.backend.name: m for m in old}
    out = []
    for backend in pool.backends:
        before = known.pop(backend.name, None)
        since = before.draining_since if before else None
        drains = backend.drain or backend.weight == 0
        number = before.id if before else numbers.of(Space.BACKEND, backend.name, now)
        out.append(Member(backend, number, (now if since is None else since) if drains else None))
    for gone in known.values():
        since = now if gone.draining_since is None else gone.draining_since
        left = replace(gone, draining_since=since, removed=True)
        if now < _retires(left, pool, generation):
            out.append(left)
    return tuple(out)


def _serving(
    members: tuple[Member, ...], health: Mapping[str, Health], threshold: float
) -> tuple[tuple[maglev.Member, ...], bool]:
    able = [m for m in members if not m.removed and not m.backend.drain and m.backend.weight > 0]
    up = {m.backend.name: health[m.backend.name].up if m.backend.name in health else True for m in able}
    groups = sorted({m.backend.group for m in able})
    # A group of which nobody lives gives way to the next; panic is a matter of the group that serves.
    living = [g for g in groups if any(up[m.backend.name] for m in able if m.backend.group == g)]
    serves = [m for m in able if m.backend.group in (living or groups)[:1]]
    usable, panicked = effective({m.backend.name: up[m.backend.name] for m in serves}, threshold)
    chosen = [m for m in serves if m.backend.name in usable]
    return tuple(sorted(maglev.Member(m.backend.name, m.id, m.backend.weight) for m in chosen)), panicked


def _rebuild(state: PoolState, serving: tuple[maglev.Member, ...], pool: Pool, now: float) -> PoolState:
    size = len(state.now)
    table = maglev.build(serving, size) if serving else np.zeros(size, np.uint16)
    moved = np.flatnonzero(table != state.now)
    left = state.now[moved]
    had = left != 0
    moved, left = moved[had], left[had]
    before, until = state.before.copy(), state.until.copy()
    # A slot that moves again within its window goes on naming whom idle connections belong to.
    fresh = before[moved] == 0
    before[moved[fresh]] = left[fresh]
    until[moved[fresh]] = now + pool.transition
    pairs = left.astype(np.uint32) << 16 | moved.astype(np.uint32)
    watched, watched_until = _watch(state, pairs, now + pool.memory_timeout)
    return replace(
        state,
        serving=serving,
        now=table,
        before=before,
        until=until,
        watched=watched,
        watched_until=watched_until,
        revision=state.revision + 1,
    )


def _watch(state: PoolState, pairs: Pairs, until: float) -> tuple[Pairs, Times]:
    kept = ~np.isin(state.watched, pairs)
    watched = np.concatenate([state.watched[kept], pairs]).astype(np.uint32)
    times = np.concatenate([state.watched_until[kept], np.full(len(pairs), until)])
    order = np.argsort(watched, kind="stable")
    return watched[order], times[order]


def _settle(state: PoolState, gone: set[int], now: float) -> PoolState:
    over = (state.until <= now) | np.isin(state.before, list(gone)) | (state.before == state.now)
    if np.any(over & (state.before != 0)):
        before, until = state.before.copy(), state.until.copy()
        before[over], until[over] = 0, 0.0
        state = replace(state, before=before, until=until)
    alive = (state.watched_until > now) & ~np.isin(state.watched >> 16, list(gone))
    if not alive.all():
        state = replace(state, watched=state.watched[alive], watched_until=state.watched_until[alive])
    return state
