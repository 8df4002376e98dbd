"""One pool's table through time: who serves, which slots move, and what becomes of remembered connections.

    verdicts, weights, drains ──► serving backends ──► Maglev ──► slots that move ──► transition (W) ──► settled
                                                                        └──► watched (memory_timeout): exceptions

A pool that serves TCP and UDP has a state for each, because they treat a backend's death differently. A member may
come from another pool: the one that its listener was taken from. It drains here, by that pool's rules and verdicts.

Where one writer serves, no table is in transition: connections of all others are reset, so that nothing but a SYN can
reach another one. A listener that leaves such a pool drains as others do, for as long as the writer stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from controller import maglev
from controller.plan import groups, pace
from controller.plan import rehash as rehashes
from controller.plan import tracking as tracks
from controller.plan.fates import GRAVITY, after, on_down
from controller.plan.ids import IdAllocator, Space
from controller.plan.members import NEVER as NEVER
from controller.plan.members import UNCONFIRMED as UNCONFIRMED
from controller.plan.members import Health as Health
from controller.plan.members import PoolMember as PoolMember
from controller.plan.pace import Spent
from controller.plan.rehash import Rehash
from controller.plan.tracking import MARGIN, Held, Tracking, everything
from controller.plan.tuned import UNTUNED, Tunings, factors
from controller.spec.policy import UNLIMITED, Budget, OnDown
from controller.spec.scheduling import TRACKED_SHARE
from controller.spec.slots import Pairs, Slots, SlotTable
from controller.spec.spread import Spread
from controller.spec.switch import Fate
from controller.spec.types import Backend, Pool, Protocol

LINGERS = 2
"""Memory timeouts until who is silent is forgotten: Open vSwitch's entries last into the generation after theirs.

Its generations are those of a VIP: as long as the longest ``memory_timeout`` of the pools behind it.
"""
Times = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PoolState:
    """A pool's table and its history, as far as switches may still remember it."""

    name: str
    """The pool whose table it is."""
    protocol: Protocol
    members: tuple[PoolMember, ...]
    serving: tuple[maglev.WeightedBackend, ...]
    """What ``now`` was built from."""
    now: Slots
    before: Slots
    until: Times
    """Per slot: when its transition ends (0: none)."""
    watched: Pairs
    watched_until: Times
    tracking: Tracking
    """Of TCP: datagrams do not say whether they open a connection, so what is not remembered is new."""
    revision: int = 0
    panicked: bool = False
    calm_since: float = NEVER
    """When health was last heeded again after a panic: no backend counts as down for longer."""
    fates: Mapping[int, Fate] = field(default_factory=dict)
    """Fate by backend id, as of the last step."""
    spread: Spread | None = Spread.OWN
    """Of its connections over slots, until a rehash; None: not known before a switch says how it hashes."""
    rehash: Rehash | None = None
    """To another spread, while it is under way."""
    spent: Spent = ()
    """Slots that moved lately, by which the budget is judged."""
    behind: int = 0
    """Slots that are not yet what ``serving`` makes of them: the budget holds them back."""

    @staticmethod
    def new(name: str, protocol: Protocol, slots: int, spread: Spread | None = Spread.OWN) -> PoolState:
        """A pool that has not been served yet."""
        empty, no_pairs, never = np.zeros(slots, np.uint16), np.empty(0, np.uint32), np.zeros(slots)
        tables = empty, empty, never, no_pairs, np.empty(0), Tracking.of(empty)
        return PoolState(name, protocol, (), (), *tables, spread=spread)

    @property
    def moving(self) -> int:
        """Slots in transition."""
        return int(np.count_nonzero(self.before))

    def moved_from(self, old: PoolState | None) -> int:
        """Slots that another backend serves than in an older state; None: nothing was served."""
        if old is None or len(old.now) != len(self.now):
            return len(self.now)
        return int(np.count_nonzero(old.now != self.now))

    @cached_property
    def tracked_table(self) -> SlotTable:
        """The same for switches that remember nothing of settled slots."""
        kept = [number for number, fate in self.fates.items() if fate in (Fate.NORMAL, Fate.DRAIN)]
        return tracks.slot_table(self.tracking, kept)

    @cached_property
    def table(self) -> SlotTable:
        """What switches should hold. A pair that is the table's own again is no exception."""
        slot, backend = self.watched & 0xFFFF, self.watched >> 16
        moving = np.flatnonzero((self.before != 0) & (self.now != 0) & (self.now != self.before))
        young = np.sort(self.now[moving].astype(np.uint32) << 16 | moving.astype(np.uint32))
        return SlotTable(self.now, self.before, self.watched[self.now[slot] != backend], young)


class Origin(NamedTuple):
    """The rules and verdicts by which a member is judged."""

    pool: Pool
    health: Mapping[str, Health]
    writer: str | None = None
    """Of a pool with ``failover``: the backend that serves; None: none does."""
    tuned: Tunings = UNTUNED
    """What its weights are made of besides."""

    def drains(self, backend: Backend) -> bool:
        """Whether new connections leave it, by the intent or its own word."""
        said = self.tuned.get(backend.name)
        return backend.drain or self.pool.weight_of(backend) == 0 or (said is not None and said.drains)

    def refuses(self, name: str) -> bool:
        """Whether a backend of that name is not the one writer."""
        return self.pool.failover is not None and name != self.writer


Origins = Mapping[str, Origin]


def step(
    state: PoolState,
    pool: Pool,
    health: Mapping[str, Health],
    ids: IdAllocator,
    now: float,
    generation: float = 0.0,
    origins: Origins | None = None,
    writer: str | None = None,
    held: Callable[[], Held] = everything,
    ticks: bool = True,
    whole: bool = False,
    tuned: Tunings = UNTUNED,
) -> PoolState:
    """The state after all that happened up to ``now``: intent, verdicts and time.

    ``generation``: seconds of a generation of the memory, where it is longer than the pool's own timeout.
    ``origins``: of members that came from other pools, by pool. All backends of ``pool`` have ids already.
    ``writer``: with ``failover``, the backend that serves. ``held``: what lb switches have of ``tracking``.
    ``ticks``: some of them ask in which period connections were opened. ``whole``: what the intent moves is moved at
    once; otherwise as far as the budget has room. ``tuned``: what weights are made of besides.
    """
    judged = _Judged(Origin(pool, health, writer, tuned), origins or {}, now, generation)
    members = _members(state, pool, ids, judged)
    serving, panicked = _serving(members, judged.own)
    calm = now if state.panicked and not panicked else state.calm_since
    state = replace(state, members=members, panicked=panicked, calm_since=calm)
    fates = {m.id: judged.fate(state, m) for m in members}
    gone = {number for number, fate in fates.items() if fate in (Fate.MOVE, Fate.RESET)}
    # Windows that are over end first: a slot that moves now opens one of its own.
    state = _end_windows(state, gone, now)
    memory = max(pool.memory_timeout, generation)
    budget = _budget(state, serving, pool, tuned)
    if serving != state.serving:
        # So does a base: the owner since then is the next one.
        at_once = UNLIMITED if whole or panicked or pool.failover is not None else budget
        state = _rebuild(_followed(state, held, now, memory), serving, pool, now, memory, at_once)
    state = _followed(state, held, now, memory)
    if state.behind:
        state = _rebuild(state, serving, pool, now, memory, budget)
    if state.tracking.tracks and ticks:
        tracking = tracks.tick(state.tracking, now, pool.transition)
        state = state if tracking is state.tracking else replace(state, tracking=tracking)
    state = _end_windows(state, gone, now)
    return state if fates == state.fates else replace(state, fates=fates)


def _followed(state: PoolState, held: Callable[[], Held], now: float, memory: float) -> PoolState:
    """With what acknowledgements and time change of slots that are tracked, if any are."""
    if not state.tracking.tracks and state.rehash is None:
        return state
    return acknowledge(state, held(), now, memory + MARGIN)


def acknowledge(state: PoolState, held: Held, now: float, memory: float) -> PoolState:
    """What acknowledgements and time change of tracked slots up to ``now``; the same object, if nothing.

    ``memory``: the longest silence after which a connection may be remembered, and a margin.
    """
    tracking = tracks.advance(state.tracking, held, now, memory, stays=state.rehash is not None)
    rehash = state.rehash
    if rehash is not None:
        tracking, rehash = rehashes.step(tracking, rehash, held, now, memory)
    if tracking is state.tracking and rehash is state.rehash:
        return state
    return replace(state, tracking=tracking, rehash=rehash)


def next_change(
    state: PoolState,
    pool: Pool,
    health: Mapping[str, Health],
    after: float,
    generation: float = 0.0,
    origins: Origins | None = None,
    held: Callable[[], Held] = everything,
    ticks: bool = True,
) -> float | None:
    """When time alone will change the state next, as it stands after a step at ``after``; None: never."""
    judged = _Judged(Origin(pool, health), origins or {}, after, generation)
    times = [state.until[state.until > after], state.watched_until[state.watched_until > after]]
    times.append(np.array(list(judged.deadlines(state))))
    if state.tracking.tracks:
        memory = max(pool.memory_timeout, generation) + MARGIN
        due = [tracks.next_change(state.tracking, held(), memory, after)]
        if state.rehash is not None:
            due.append(rehashes.next_change(state.rehash, held(), memory))
        ends = tracks.period_ends(state.tracking, pool.transition) if ticks else UNCONFIRMED
        times.append(np.array([ends, *(each for each in due if each is not None)]))
    if state.behind and (room := pace.frees(state.spent, after)) is not None:
        times.append(np.array([room]))
    later = np.concatenate(times)
    later = later[(later > after) & np.isfinite(later)]
    return float(later.min()) if later.size else None


class _Judged(NamedTuple):
    """By what members are judged, and when."""

    own: Origin
    others: Origins
    now: float
    generation: float

    def of(self, member: PoolMember) -> Origin:
        """The rules for one member."""
        return self.others.get(member.origin, self.own) if member.origin else self.own

    def fate(self, state: PoolState, member: PoolMember) -> Fate:
        """What becomes of connections remembered for a backend: the graver of draining and being down."""
        pool, health, *_ = rules = self.of(member)
        if self.own.refuses(member.backend.name) or rules.refuses(member.backend.name):
            return Fate.RESET
        found = [Fate.NORMAL]
        if member.draining_since is not None:
            over = self.now >= member.draining_since + pool.drain_timeout
            found.append(after(pool.drain_then) if over else Fate.DRAIN)
            if member.removed and self.now >= _leaves(member, pool):
                found.append(Fate.MOVE)
        verdict = health.get(member.backend.name)
        heeded = not state.panicked and pool.failover is None
        if verdict is not None and not verdict.up and heeded:
            policy = on_down(pool, state.protocol)
            over = self.now >= _gives_up(state, verdict, policy)
            found.append(after(policy.then) if over else Fate.DRAIN)
            if verdict.confirmed == UNCONFIRMED:
                found.append(state.fates.get(member.id, Fate.DRAIN))
        return max(found, key=GRAVITY.index)

    def retires(self, member: PoolMember) -> float:
        """From when no switch can remember a removed backend: one that knew no fate of it would drop connections."""
        pool = self.of(member).pool
        return _leaves(member, pool) + LINGERS * max(pool.memory_timeout, self.generation)

    def deadlines(self, state: PoolState) -> Iterator[float]:
        """When fates change by themselves."""
        for member in state.members:
            pool, health, *_ = self.of(member)
            if member.draining_since is not None:
                yield member.draining_since + pool.drain_timeout
                if member.removed:
                    yield from (_leaves(member, pool), self.retires(member))
            verdict = health.get(member.backend.name)
            if verdict is not None and not verdict.up:
                yield _gives_up(state, verdict, on_down(pool, state.protocol))


def _gives_up(state: PoolState, verdict: Health, policy: OnDown) -> float:
    """When connections of a backend that is down follow ``then``.

    No time counts in which the verdict was ignored, or in which no controller was there to see the backend return.
    """
    return max(verdict.since, verdict.confirmed, state.calm_since) + policy.keep_for


def _leaves(member: PoolMember, pool: Pool) -> float:
    """From when a removed backend gives away all that it was allowed to keep."""
    return (member.draining_since or 0.0) + pool.drain_timeout + pool.memory_timeout


def _members(state: PoolState, pool: Pool, ids: IdAllocator, judged: _Judged) -> tuple[PoolMember, ...]:
    now = judged.now
    known = {m.backend.name: m for m in state.members}
    out = []
    for backend in pool.backends:
        before = known.pop(backend.name, None)
        since = before.draining_since if before else None
        drains = judged.own.drains(backend)
        number = before.id if before else ids.id(Space.BACKEND, backend.name)
        out.append(PoolMember(backend, number, (now if since is None else since) if drains else None))
    for gone in known.values():
        since = now if gone.draining_since is None else gone.draining_since
        left = replace(gone, draining_since=since, removed=True)
        if now < judged.retires(left):
            out.append(left)
    made = tuple(out)
    return state.members if made == state.members else made


def _serving(
    members: tuple[PoolMember, ...], rules: Origin
) -> tuple[tuple[maglev.WeightedBackend, ...], bool]:
    """Who serves, and whether health is ignored for that."""
    named = {m.backend.name: m for m in members if not m.removed}
    if rules.pool.failover is not None:
        able = (m.backend for m in named.values() if not m.backend.drain)
        return _table(named, {real.name: real.weight for real in able if real.name == rules.writer}), False
    up = {name: verdict.up for name, verdict in rules.health.items()}
    able = (_as_it_drains(m.backend, rules) for m in named.values())
    found = groups.serving(able, up, rules.pool, factors(rules.tuned))
    return _table(named, found.weights), found.panicked


def _as_it_drains(backend: Backend, rules: Origin) -> Backend:
    told = rules.drains(backend) and not backend.drain and backend.weight > 0
    return replace(backend, drain=True) if told else backend


def _table(
    members: Mapping[str, PoolMember], weights: Mapping[str, int]
) -> tuple[maglev.WeightedBackend, ...]:
    """What the table is built from; ``weights``: by name, those of 0 do not serve."""
    able = ((members[name], weight) for name, weight in weights.items() if weight)
    return tuple(sorted(maglev.WeightedBackend(m.backend.name, m.id, weight) for m, weight in able))


def _budget(
    state: PoolState, serving: tuple[maglev.WeightedBackend, ...], pool: Pool, tuned: Tunings
) -> Budget:
    """By what slots move without an edit. Weights that follow measurements have one though the intent gives none."""
    same = [each.id for each in serving] == [each.id for each in state.serving]
    bounded = (
        pool.scheduler.adapts and same and not any(each.ramp_since is not None for each in tuned.values())
    )
    if not bounded or pool.budget.max_tracked_share is not None:
        return pool.budget
    return replace(pool.budget, max_tracked_share=TRACKED_SHARE)


def _rebuild(
    state: PoolState,
    serving: tuple[maglev.WeightedBackend, ...],
    pool: Pool,
    now: float,
    memory: float,
    budget: Budget,
) -> PoolState:
    """``memory``: the longest silence after which a connection may still be remembered."""
    all_remembered = state.protocol is Protocol.UDP or pool.failover is not None
    size = len(state.now)
    goal = maglev.build(serving, size) if serving else np.zeros(size, np.uint16)
    able, tracked = [member.id for member in serving], state.tracking.tracked
    table, moved, behind = pace.paced(state.now, goal, able, tracked, budget, state.spent, now)
    if behind and not len(moved):  # the table is the one that it was
        same = (behind, serving) == (state.behind, state.serving)
        return state if same else replace(state, serving=serving, behind=behind)
    left = state.now[moved]
    had = left != 0
    moved, left = moved[had], left[had]
    before, until = state.before.copy(), state.until.copy()
    # A slot that moves again within its window goes on naming whom idle connections belong to, for a window more:
    # also if it moves back, since connections were opened on it meanwhile that an lb switch without memory lacks.
    fresh = before[moved] == 0
    before[moved[fresh]] = left[fresh]
    until[moved] = now + pool.transition
    pairs = left.astype(np.uint32) << 16 | moved.astype(np.uint32)
    watched, watched_until = _watch(state, pairs, now + memory)
    return replace(
        state,
        serving=serving,
        now=table,
        before=before,
        until=until,
        watched=watched,
        watched_until=watched_until,
        tracking=state.tracking.untracked(table) if all_remembered else tracks.move(state.tracking, table),
        revision=state.revision + 1,
        spent=pace.noted(state.spent, len(left), now),
        behind=behind,
    )


def _watch(state: PoolState, pairs: Pairs, until: float) -> tuple[Pairs, Times]:
    """Pairs that were watched or are now, in order: tens of thousands of the former, few of the latter."""
    pairs = np.sort(pairs)
    places = np.searchsorted(state.watched, pairs)
    inside = places < len(state.watched)
    known = np.zeros(len(pairs), bool)
    known[inside] = state.watched[places[inside]] == pairs[inside]
    times = state.watched_until.copy()
    times[places[known]] = until
    fresh = ~known
    return np.insert(state.watched, places[fresh], pairs[fresh]), np.insert(times, places[fresh], until)


def _end_windows(state: PoolState, gone: set[int], now: float) -> PoolState:
    """Transitions and watches whose time is over, or whose backend gives its connections away, end."""
    over = state.until <= now
    if gone:
        over |= np.isin(state.before, list(gone))
    if np.any(over & (state.before != 0)):
        before, until = state.before.copy(), state.until.copy()
        before[over], until[over] = 0, 0.0
        state = replace(state, before=before, until=until)
    if not len(state.watched):
        return state
    alive = state.watched_until > now
    if gone:
        alive &= ~np.isin(state.watched >> 16, list(gone))
    if not alive.all():
        state = replace(state, watched=state.watched[alive], watched_until=state.watched_until[alive])
    return state
